//! The folder of vectors: every file of it, and the index that says what each is.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use crate::vector::{Content, Refusal, Vector, Verdict};

/// The index's own version: another number means other members.
const INDEX_VERSION: u32 = 1;

/// The JSON schema of the index.
const SCHEMA: &str = include_str!("index.schema.json");

/// The files that a program makes: path below the folder, and bytes. What a
/// person writes there, its README, is not among them.
pub fn files(vectors: &[Vector]) -> BTreeMap<String, Vec<u8>> {
    let mut files = BTreeMap::new();
    for vector in vectors {
        match &vector.content {
            Content::Whole(bytes) => {
                files.insert(path(vector), bytes.clone());
            }
            Content::Parts { files: parts, .. } => {
                for (name, bytes) in parts {
                    files.insert(format!("{}/{name}", folder(vector)), bytes.clone());
                }
            }
        }
    }
    files.insert("index.json".to_owned(), index(vectors).into_bytes());
    files.insert("index.schema.json".to_owned(), SCHEMA.into());
    files
}

/// The index, one vector after the other, indented for people and for diffs.
fn index(vectors: &[Vector]) -> String {
    let vectors: Vec<Value> = vectors.iter().map(row).collect();
    let index = json!({
        "$schema": "./index.schema.json",
        "index_version": INDEX_VERSION,
        "format_version": 2,
        "vectors": vectors,
    });
    serde_json::to_string_pretty(&index).expect("JSON of texts and numbers") + "\n"
}

fn row(vector: &Vector) -> Value {
    let mut row = Map::new();
    let mut put = |key: &str, value: Value| row.insert(key.to_owned(), value);
    put("name", json!(vector.name));
    put("file", json!(path(vector)));
    if let Content::Parts { files, .. } = &vector.content {
        let parts = files
            .iter()
            .map(|(name, _)| format!("{}/{name}", folder(vector)));
        put("parts", json!(parts.collect::<Vec<_>>()));
    }
    let musts: Vec<String> = vector.musts.iter().map(|must| format!("M{must}")).collect();
    put("musts", json!(musts));
    put("sentence", json!(vector.sentence));
    match &vector.verdict {
        Verdict::Accept { manifest_digest } => {
            put("expect", json!("accept"));
            put("manifest_digest", json!(manifest_digest));
        }
        Verdict::Reject(refusal) => {
            put("expect", json!("reject"));
            put(
                "depth",
                json!(if refusal.is_deep { "contents" } else { "file" }),
            );
            refused(refusal, &mut row);
        }
    }
    Value::Object(row)
}

fn refused(refusal: &Refusal, row: &mut Map<String, Value>) {
    let mut put = |key: &str, value: Value| row.insert(key.to_owned(), value);
    put("code", json!(refusal.code));
    if let Some(step) = refusal.step {
        put("step", json!(step));
    }
    put("place", json!(refusal.place));
    if let Some(element) = &refusal.element {
        put("element", json!(element));
    }
    let released = &refusal.released;
    put(
        "released",
        json!({"bytes": released.bytes, "sha256": released.sha256}),
    );
    if let Some(stream) = &refusal.stream {
        let mut inner = Map::new();
        refused(stream, &mut inner);
        put("stream", Value::Object(inner));
    }
}

/// The path that a reader is given.
fn path(vector: &Vector) -> String {
    match &vector.content {
        Content::Whole(_) => format!("{}.edgepkg", folder(vector)),
        Content::Parts { given, .. } => format!("{}/{given}", folder(vector)),
    }
}

fn folder(vector: &Vector) -> String {
    let expect = match vector.verdict {
        Verdict::Accept { .. } => "accept",
        Verdict::Reject(_) => "reject",
    };
    format!("{expect}/{}", vector.name)
}
