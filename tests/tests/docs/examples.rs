//! The examples and the reference of `services.toml` in README, read as the
//! programs read them.

use std::path::Path;

use caisson_apply::catalog::Catalog;
use caisson_apply::journal::StepId;
use caisson_apply::recreate::from_create_file;
use caisson_pack::description::Description;
use serde_json::{Value, json};

use super::document;
use super::markdown::{blocks, blocks_in, section, table_rows};

/// As small as a catalog with an `http` probe can be: everything else is default.
const SMALLEST: &str = "catalog_version = 2\n[[services]]\nname = \"web\"\nservice_revision = \"r1\"\n\
    platform = \"linux/amd64\"\n[services.docker]\ncontainer_name = \"web\"\n\
    [services.probe]\nall_of = [\"http\"]\n[services.probe.http]\nurl = \"http://localhost/\"\n";

fn catalog(text: &str) -> Catalog {
    match Catalog::parse(text, Path::new("/etc/caisson/services.toml")) {
        Ok(catalog) => catalog,
        Err(error) => panic!("{error:?}\n{text}"),
    }
}

/// README's section about the catalog.
fn reference() -> String {
    let readme = document("README.md");
    section(&readme, "## The catalog: `services.toml`").to_owned()
}

/// A copied example must work, and mean what its words say.
#[test]
fn the_example_catalog_is_read() {
    let examples: Vec<String> = blocks_in(&document("README.md"), "toml")
        .into_iter()
        .filter(|text| text.contains("catalog_version"))
        .collect();
    assert_eq!(examples.len(), 1);
    let catalog = catalog(&examples[0]);
    let web = catalog.service("web").expect("the example's service");
    let docker = web.docker().expect("a single container");
    assert_eq!(
        docker.create_file.as_deref(),
        Some(Path::new("/etc/caisson/web.json"))
    );
}

/// A default in the table that is not the program's, or a key that is missing there.
#[test]
fn the_reference_names_every_key_with_its_default() {
    let smallest = catalog(SMALLEST);
    let probe = json!(smallest.services[0].probe);
    let rows = table_rows(&reference());
    let row = |key: &str| {
        let cell = format!("`{key}`");
        let found = rows.iter().find(|row| row[0] == cell);
        found.unwrap_or_else(|| panic!("the reference lacks {key}"))
    };
    let members = |value: &Value| value.as_object().expect("an object").clone();
    for (key, value) in members(&probe).into_iter().chain(members(&probe["http"])) {
        match value {
            Value::Number(number) => assert_eq!(row(&key)[2], number.to_string(), "{key}"),
            Value::String(text) if key != "url" => {
                assert_eq!(row(&key)[2], format!("`{text}`"), "{key}");
            }
            Value::Object(_) => assert!(
                rows.iter()
                    .any(|row| row[0].contains("services.probe.http")),
                "{key}"
            ),
            _ => assert!(row(&key).len() > 2, "{key}"),
        }
    }
}

/// A key of the table that the program refuses.
#[test]
fn every_key_of_the_reference_is_known_to_the_program() {
    let reference = reference();
    let example = blocks_in(&reference, "toml").remove(0);
    let mut table = "top".to_owned();
    let mut keys = 0;
    for row in table_rows(&reference).iter().skip(2) {
        let key = row[0].trim_matches(|c| c == '*' || c == '`');
        if key.starts_with('[') {
            key.clone_into(&mut table);
            continue;
        }
        keys += 1;
        // What is unknown is refused, so it is enough to see it accepted in its table.
        let line = format!("{key} = ");
        if example.contains(&line) {
            continue;
        }
        assert_eq!(table, "[[services]]", "{key} is not in the example");
        let with = example.replacen(
            "name = \"web\"\n",
            &format!("name = \"web\"\n{line}\"docker\"\n"),
            1,
        );
        catalog(&with);
    }
    assert!(keys > 15, "only {keys} keys in the reference");
}

/// Limits in the table that the program does not have.
#[test]
fn the_limits_of_the_reference_are_the_programs() {
    let mut ranges = 0;
    for row in table_rows(&reference()) {
        let Some((low, high)) = row.get(1).and_then(|cell| cell.split_once(" to ")) else {
            continue;
        };
        let (low, high): (u64, u64) = (low.parse().expect("low"), high.parse().expect("high"));
        ranges += 1;
        let key = row[0].trim_matches('`');
        let in_http = ["status", "timeout_secs"].contains(&key);
        let accepted = |value: u64| {
            let line = format!("{key} = {value}\n");
            let text = if in_http {
                format!("{SMALLEST}{line}")
            } else {
                SMALLEST.replacen("all_of", &format!("{line}all_of"), 1)
            };
            Catalog::parse(&text, Path::new("/c.toml")).is_ok()
        };
        assert!(accepted(low) && accepted(high), "{key}: {low} to {high}");
        assert!(!accepted(high + 1), "{key}: {high} is not the limit");
        assert!(
            low == 0 || !accepted(low - 1),
            "{key}: {low} is not the limit"
        );
    }
    assert!(ranges >= 7, "only {ranges} ranges in the reference");
}

/// The other two files a reader copies.
#[test]
fn the_description_and_the_create_file_are_read() {
    let readme = document("README.md");
    let descriptions: Vec<String> = blocks_in(&readme, "toml")
        .into_iter()
        .filter(|text| text.contains("[[images]]"))
        .collect();
    assert_eq!(descriptions.len(), 1);
    let description = Description::parse(&descriptions[0], Path::new("caisson.toml"));
    let description = description.unwrap_or_else(|error| panic!("{error:?}"));
    assert_eq!(description.images.len(), 2);
    let files = blocks_in(&readme, "json");
    assert_eq!(files.len(), 1);
    let spec = from_create_file(&files[0], "1.41").unwrap_or_else(|error| panic!("{error:?}"));
    assert!(spec.notes.is_empty(), "{:?}", spec.notes);
}

/// The picture of the update is where a reader learns its order.
#[test]
fn the_picture_has_every_step_in_order() {
    let readme = document("README.md");
    let picture = blocks(&readme)
        .into_iter()
        .find(|block| block.text.contains("verify_head"))
        .expect("a picture of the steps");
    let mut rest = picture.text.as_str();
    for step in StepId::ALL {
        // Only in `service rollback`, which the picture is not about.
        if step == StepId::AdoptPrevious {
            continue;
        }
        let found = rest.split_once(&format!(" {step} "));
        let found = found.or_else(|| rest.split_once(&format!(" {step}\n")));
        rest = found
            .unwrap_or_else(|| panic!("{step} is not in its place"))
            .1;
    }
}
