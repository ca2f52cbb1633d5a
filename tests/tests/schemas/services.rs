//! `services.schema.json` against the device's reader.

use std::collections::BTreeSet;
use std::path::Path;

use caisson_apply::catalog::Catalog;
use serde_json::Value;

use super::mutations::{bounds, mutations, numbers};
use super::{complaints, schema, toml, validator};

const NAME: &str = "services.schema.json";

const VERSION_1: &str = r#"catalog_version = 1
[[services]]
name = "frontend"
service_revision = "frontend v1"
platform = "linux/amd64"
runtime_mode = "docker"
[services.docker]
container_name = "frontend"
image_reference = "example/frontend:current"
[services.health_check]
kind = "container_health"
timeout_secs = 45
poll_interval_secs = 3
[services.rollback]
automatic = true
[[services]]
name = "backend"
service_revision = "backend-v2"
platform = "linux/amd64"
runtime_mode = "compose"
[services.compose]
project = "stack"
file = "compose/backend.yaml"
service = "backend"
"#;

const VERSION_2: &str = r#"catalog_version = 2
[[services]]
name = "web"
service_revision = "web-r1"
platform = "linux/arm64"
runtime_mode = "docker"
[services.docker]
container_name = "web"
image_reference = "example.com/shop/web:live"
create_file = "web.json"
[services.probe]
all_of = ["running", "http"]
start_timeout_secs = 90
interval_secs = 2
successes = 3
stable_secs = 20
restarts_allowed = 1
[services.probe.http]
url = "http://127.0.0.1:8080/health"
method = "GET"
status = 204
body_contains = "ok"
timeout_secs = 7
[[services]]
name = "db"
service_revision = "db-r1"
platform = "linux/arm64"
docker = { container_name = "db" }
[[services]]
name = "stack"
service_revision = "r1"
platform = "linux/arm64"
runtime_mode = "compose"
[services.compose]
project = "stack"
file = "compose.yaml"
service = "stack"
"#;

fn parse(text: &str) -> Result<Catalog, String> {
    Catalog::parse(text, Path::new("/etc/caisson/services.toml"))
        .map_err(|error| format!("{} ({:?}, {:?})", error.what, error.found, error.wanted))
}

/// Every mode with every set of tables, at the end of the file.
fn modes(sound: &str) -> Vec<String> {
    const DOCKER: &str = "docker = { container_name = \"abc\", image_reference = \"abc\" }\n";
    const COMPOSE: &str = "compose = { project = \"p\", file = \"f\", service = \"s\" }\n";
    let mut found = Vec::new();
    for mode in [
        "",
        "runtime_mode = \"docker\"\n",
        "runtime_mode = \"compose\"\n",
    ] {
        for tables in ["", DOCKER, COMPOSE, &[DOCKER, COMPOSE].concat()] {
            found.push(format!(
                "{sound}[[services]]\nname = \"last\"\nservice_revision = \"r\"\n\
                 platform = \"linux/arm64\"\n{mode}{tables}"
            ));
        }
    }
    found
}

/// An editor that finds fault with a good file, or none with a bad one, is worse
/// than none.
#[test]
fn schema_and_reader_agree_on_every_small_mistake() {
    let validator = validator(NAME);
    let (mut sound, mut wrong) = (0, 0);
    for text in [VERSION_1, VERSION_2] {
        let value = toml(text).expect("TOML");
        assert!(parse(text).is_ok(), "{:?}", parse(text));
        assert!(
            validator.is_valid(&value),
            "{}",
            complaints(&validator, &value)
        );
        let mut numbers_near = Vec::new();
        bounds(&schema(NAME), &mut numbers_near);
        let changed = mutations(text).into_iter();
        for text in changed
            .chain(numbers(text, &numbers_near))
            .chain(modes(text))
        {
            let Some(value) = toml(&text) else { continue };
            let read = parse(&text);
            assert_eq!(
                read.is_ok(),
                validator.is_valid(&value),
                "reader: {read:?}\nschema: {}\n{text}",
                complaints(&validator, &value)
            );
            if read.is_ok() {
                sound += 1;
            } else {
                wrong += 1;
            }
        }
    }
    assert!(sound > 100 && wrong > 500, "{sound} sound, {wrong} wrong");
}

/// What the schema can't say. Each is one the reader refuses, and it must stay
/// the schema's own words that it does.
#[test]
fn rules_that_only_the_reader_knows() {
    let validator = validator(NAME);
    for (from, to) in [
        // Used once.
        ("name = \"db\"", "name = \"web\""),
        ("container_name = \"db\"", "container_name = \"web\""),
        // Numbers inside of texts.
        ("127.0.0.1:8080", "127.0.0.1:65536"),
        ("127.0.0.1:8080", "127.0.0:8080"),
        ("127.0.0.1:8080", "[12345::1]:8080"),
        ("example.com/shop", "example.com:65536/shop"),
        // A float of a whole number is an integer to JSON.
        ("status = 204", "status = 204.0"),
    ] {
        assert!(VERSION_2.contains(from));
        let text = VERSION_2.replacen(from, to, 1);
        let value = toml(&text).expect("TOML");
        assert!(parse(&text).is_err(), "the reader takes {to}");
        assert!(
            validator.is_valid(&value),
            "the schema knows {to}: remove it here"
        );
    }
    // Bytes and characters.
    let text = VERSION_2.replace("\"ok\"", &format!("\"{}\"", "\u{e4}".repeat(513)));
    assert!(parse(&text).is_err() && validator.is_valid(&toml(&text).expect("TOML")));
}

/// Lengths at their limits: one character more must be refused by both.
#[test]
fn lengths_end_where_the_reader_ends_them() {
    let validator = validator(NAME);
    for (from, unit, most) in [
        ("\"web\"\nservice_revision", "a", 64),
        ("\"web-r1\"", "a", 255),
        ("\"web\"\nimage_reference", "a", 111),
        ("\"ok\"", "a", 1024),
    ] {
        let quoted = from.split('"').nth(1).expect("quoted");
        for (length, sound) in [(most, true), (most + 1, false)] {
            let to = from.replacen(quoted, &unit.repeat(length), 1);
            let text = VERSION_2.replacen(from, &to, 1);
            assert_eq!(
                parse(&text).is_ok(),
                sound,
                "{from} {length}: {:?}",
                parse(&text)
            );
            assert_eq!(
                validator.is_valid(&toml(&text).expect("TOML")),
                sound,
                "{from} {length}"
            );
        }
    }
    for (length, sound) in [(2048, true), (2049, false)] {
        let path = "a".repeat(length - "http://127.0.0.1:8080/".len());
        let text = VERSION_2.replace("8080/health", &format!("8080/{path}"));
        assert_eq!(parse(&text).is_ok(), sound);
        assert_eq!(validator.is_valid(&toml(&text).expect("TOML")), sound);
    }
}

/// The keys the reader takes in the table that this line stands in.
fn keys_read(text: &str, after: &str) -> BTreeSet<String> {
    let text = text.replacen(after, &format!("{after}\nzzzzzzzzzzzz = 1"), 1);
    let error = Catalog::parse(&text, Path::new("x")).expect_err("an unknown key");
    let wanted = error.wanted.expect("the known keys");
    let list = wanted.strip_prefix("one of: ").expect("a list").to_owned();
    list.split(", ").map(str::to_owned).collect()
}

fn keys(properties: &Value) -> BTreeSet<String> {
    let members = properties.as_object().expect("properties");
    let allowed = members.iter().filter(|(_, schema)| **schema != false);
    allowed.map(|(key, _)| key.clone()).collect()
}

/// A key that the schema lacks is red in every editor; one that it invents is
/// refused on the device.
#[test]
fn keys_are_the_readers() {
    let schema = schema(NAME);
    let at = |pointer: &str| {
        schema
            .pointer(pointer)
            .unwrap_or_else(|| panic!("{pointer}"))
    };
    let defined = |name: &str| keys(at(&format!("/$defs/{name}/properties")));
    // What is taken away for one of the versions.
    let refused = |pointer: &str| -> BTreeSet<String> {
        let members = at(pointer).as_object().expect("properties");
        let refused = members.iter().filter(|(_, schema)| **schema == false);
        refused.map(|(key, _)| key.clone()).collect()
    };
    let without = |keys: BTreeSet<String>, refused: BTreeSet<String>| &keys - &refused;
    let version_1 = "/then/properties/services/items/properties";
    let version_2 = "/else/properties/services/items/properties";

    assert_eq!(
        keys(at("/properties")),
        keys_read(VERSION_2, "catalog_version = 2")
    );
    assert_eq!(
        keys(at("/properties")),
        keys_read(VERSION_1, "catalog_version = 1")
    );
    let service = without(defined("service"), refused(version_2));
    assert_eq!(service, keys_read(VERSION_2, "name = \"web\""));
    let service = without(defined("service"), refused(version_1));
    assert_eq!(service, keys_read(VERSION_1, "name = \"frontend\""));
    assert_eq!(defined("docker"), keys_read(VERSION_2, "[services.docker]"));
    let docker = without(
        defined("docker"),
        refused(&format!("{version_1}/docker/properties")),
    );
    assert_eq!(docker, keys_read(VERSION_1, "[services.docker]"));
    for (name, text) in [
        ("compose", VERSION_1),
        ("compose", VERSION_2),
        ("probe", VERSION_2),
        ("health_check", VERSION_1),
        ("rollback", VERSION_1),
    ] {
        let read = keys_read(text, &format!("[services.{name}]"));
        assert_eq!(defined(name), read, "{name}");
    }
    assert_eq!(
        defined("http"),
        keys_read(VERSION_2, "[services.probe.http]")
    );
}
