//! The keys of `caisson.toml` in its schema, and which keys the program reads. (The
//! program `schemas` compares everything else; this is here because it is quick.)

use std::collections::BTreeSet;
use std::path::Path;

use caisson_pack::description::Description;
use serde_json::Value;

use super::document;

const SCHEMA: &str = "format-spec/schemas/caisson.schema.json";

/// Every table there is, with as little as it needs.
const SMALLEST: &str = "\
live_names = true
[compatibility]
[[images]]
source = \"docker-archive:web.tar\"
platform = \"linux/amd64\"
[[services]]
service = \"web\"
service_revision = \"r1\"
";

/// The keys that the description's reader takes in the table of this line.
fn keys_read(after: &str) -> BTreeSet<String> {
    let text = SMALLEST.replacen(after, &format!("{after}\nzzzzzzzz = 1"), 1);
    let error = Description::parse(&text, Path::new("x")).expect_err("an unknown key");
    let (_, list) = error.what.split_once("expected ").expect("the known keys");
    list.split('`')
        .skip(1)
        .step_by(2)
        .map(str::to_owned)
        .collect()
}

/// A key that the schema lacks is red in every editor; one that it invents fails
/// the build.
#[test]
fn keys_are_the_readers() {
    let schema: Value = serde_json::from_str(&document(SCHEMA)).expect("JSON");
    for (pointer, after) in [
        ("/properties", "live_names = true"),
        ("/properties/compatibility/properties", "[compatibility]"),
        ("/$defs/image/properties", "[[images]]"),
        ("/$defs/service/properties", "[[services]]"),
    ] {
        let properties = schema.pointer(pointer).and_then(Value::as_object);
        let keys: BTreeSet<_> = properties.expect(pointer).keys().cloned().collect();
        assert_eq!(
            keys,
            keys_read(after),
            "{SCHEMA}, {pointer}, and the keys that are read"
        );
    }
}
