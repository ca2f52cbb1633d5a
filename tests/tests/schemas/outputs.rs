//! `inspect.schema.json` against what the build tool prints, and all schemas
//! against the files that people copy.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use caisson_tests::device::split;
use caisson_tests::images::{ImageRecipe, Platform};
use caisson_tests::programs::{caisson_pack, workspace};
use serde_json::Value;

use super::{complaints, schema, toml, validator};

const NAME: &str = "inspect.schema.json";

fn printed(folder: &Path, words: &str) -> Value {
    let output = Command::new(caisson_pack())
        .current_dir(folder)
        .args(words.split_whitespace())
        .arg("--json")
        .output()
        .expect("the program starts");
    let text = String::from_utf8(output.stdout).expect("text");
    let line = text.lines().last().expect("one object");
    serde_json::from_str(line).expect("JSON")
}

/// Every member of the value must be described.
fn undescribed(root: &Value, schema: &Value, value: &Value, path: &str, found: &mut Vec<String>) {
    if let Some(target) = schema["$ref"].as_str() {
        let target = root.pointer(target.trim_start_matches('#')).expect(target);
        return undescribed(root, target, value, path, found);
    }
    match value {
        Value::Object(members) => {
            for (key, member) in members {
                let path = format!("{path}/{key}");
                let described = schema["properties"].get(key);
                match described.or(schema.get("additionalProperties")) {
                    Some(schema) => undescribed(root, schema, member, &path, found),
                    None => found.push(path),
                }
            }
        }
        Value::Array(items) => {
            for item in items {
                undescribed(root, &schema["items"], item, path, found);
            }
        }
        _ => {}
    }
}

/// A script that was written after the schema must understand what is printed.
#[test]
fn what_is_printed_is_described() {
    let folder = tempfile::tempdir().expect("a scratch folder");
    let mut recipe = ImageRecipe::new("web:1.1.0", "1.1.0");
    recipe.platform = Platform::new("linux", "amd64", "");
    let archive = folder.path().join("web.tar");
    recipe.write_docker_archive(&archive).expect("an archive");
    let build = "build --image docker-archive:web.tar --service web --service-revision r1 \
        --platform linux/amd64 --package-version 1.1.0 --note a=b --release 3 \
        --engine-api-min 1.41 -o x.edgepkg";
    let mut objects = vec![
        printed(folder.path(), build),
        printed(folder.path(), "inspect x.edgepkg"),
        printed(folder.path(), "verify x.edgepkg"),
        printed(folder.path(), "verify --deep x.edgepkg"),
        printed(folder.path(), build),
        printed(folder.path(), "inspect y.edgepkg"),
        printed(folder.path(), "build"),
    ];
    split(&folder.path().join("x.edgepkg"), 2000).expect("parts");
    objects.push(printed(folder.path(), "inspect x.edgepkg.001"));
    objects.push(printed(folder.path(), "inspect x.edgepkg"));
    let events: Vec<_> = objects
        .iter()
        .map(|object| object["event"].as_str())
        .collect();
    let wanted = [
        "built",
        "inspected",
        "verified",
        "verified",
        "error",
        "error",
        "error",
        "inspected",
        "error",
    ];
    assert_eq!(events, wanted.map(Some));
    assert!(
        objects[7]["parts"]
            .as_array()
            .is_some_and(|parts| parts.len() > 2)
    );

    let schema = schema(NAME);
    let validator = validator(NAME);
    for object in &objects {
        assert!(
            validator.is_valid(object),
            "{object}\n{}",
            complaints(&validator, object)
        );
        let kind = if object["event"] == "error" {
            "error"
        } else {
            "package"
        };
        let mut found = Vec::new();
        undescribed(&schema, &schema["$defs"][kind], object, "", &mut found);
        assert!(found.is_empty(), "members without a description: {found:?}");
        // A schema that takes anything would take this.
        for member in object.as_object().expect("an object").keys() {
            let mut without = object.clone();
            without.as_object_mut().expect("an object").remove(member);
            assert!(!validator.is_valid(&without), "{member} may be missing");
        }
    }
}

/// The snapshots of `inspect` have everything a package can have.
#[test]
fn the_snapshots_are_described() {
    let (schema, validator) = (schema(NAME), validator(NAME));
    for name in ["full", "smallest"] {
        let path = format!("caisson-pack/tests/pack/snapshots/{name}.json");
        let text = fs::read_to_string(workspace().join(path)).expect("a snapshot");
        let object: Value = serde_json::from_str(&text).expect("JSON");
        assert!(
            validator.is_valid(&object),
            "{}",
            complaints(&validator, &object)
        );
        let mut found = Vec::new();
        undescribed(
            &schema,
            &schema["$defs"]["package"],
            &object,
            "",
            &mut found,
        );
        assert!(found.is_empty(), "{found:?}");
    }
}

/// Every TOML block of these documents, and every file of the two names.
fn examples() -> Vec<(PathBuf, String)> {
    let mut found = Vec::new();
    let mut folders = vec![workspace().to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).expect("a folder") {
            let entry = entry.expect("an entry");
            let (path, name) = (entry.path(), entry.file_name());
            if entry.file_type().expect("a kind").is_dir() {
                if name != "target" && name != ".git" {
                    folders.push(path);
                }
            } else if name == "caisson.toml" || name == "services.toml" {
                found.push((path.clone(), fs::read_to_string(path).expect("text")));
            } else if path.extension().is_some_and(|extension| extension == "md") {
                let text = fs::read_to_string(&path).expect("text");
                let blocks = text.split("```toml\n").skip(1);
                let blocks = blocks.filter_map(|rest| Some(rest.split_once("```")?.0.to_owned()));
                found.extend(blocks.map(|block| (path.clone(), block)));
            }
        }
    }
    found
}

/// Whoever copies an example must not see it red.
#[test]
fn examples_are_valid() {
    let (services, caisson) = (
        validator("services.schema.json"),
        validator("caisson.schema.json"),
    );
    let mut checked = [0, 0];
    for (path, text) in examples() {
        let value = toml(&text).unwrap_or_else(|| panic!("{}: no TOML\n{text}", path.display()));
        let validator = if value.get("catalog_version").is_some() {
            checked[0] += 1;
            &services
        } else if value.get("images").is_some() && value.get("format_version").is_none() {
            checked[1] += 1;
            &caisson
        } else {
            continue; // a package's manifest, or a piece of a file
        };
        assert!(
            validator.is_valid(&value),
            "{}: {}\n{text}",
            path.display(),
            complaints(validator, &value)
        );
    }
    assert!(checked[0] >= 1 && checked[1] >= 1, "{checked:?}");
}
