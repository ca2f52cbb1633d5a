//! The published JSON schemas against the programs, in both directions: what a
//! program reads or prints the schema allows, and what it refuses the schema
//! refuses, but for rules that a schema can't say, each named here.

mod description;
mod mutations;
mod outputs;
mod services;

use std::fs;
use std::path::PathBuf;

use caisson_tests::programs::workspace;
use jsonschema::Validator;
use serde_json::Value;

/// A published schema.
fn schema(name: &str) -> Value {
    let path: PathBuf = ["format-spec/schemas", name].iter().collect();
    let text = fs::read_to_string(workspace().join(path)).expect("a published schema");
    serde_json::from_str(&text).expect("a schema is JSON")
}

fn validator(name: &str) -> Validator {
    jsonschema::validator_for(&schema(name)).expect("a sound schema")
}

/// The text as an editor sees it; `None` if it is no TOML at all.
fn toml(text: &str) -> Option<Value> {
    toml::from_str(text).ok()
}

/// What the schema has against the value, for a message.
fn complaints(validator: &Validator, value: &Value) -> String {
    let lines = validator
        .iter_errors(value)
        .map(|error| format!("{}: {error}", error.instance_path()));
    lines.collect::<Vec<_>>().join("\n")
}

/// A schema that is none would be taken for one that allows everything.
#[test]
fn the_schemas_are_schemas() {
    for entry in fs::read_dir(workspace().join("format-spec/schemas")).expect("the schemas") {
        let name = entry.expect("an entry").file_name();
        let schema = schema(name.to_str().expect("text"));
        let checked = jsonschema::draft202012::meta::validate(&schema);
        assert!(checked.is_ok(), "{name:?}: {checked:?}");
        assert_eq!(
            schema["$schema"],
            "https://json-schema.org/draft/2020-12/schema"
        );
    }
}
