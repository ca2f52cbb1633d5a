//! Differences of the package as a whole, and of its services.

use std::collections::{BTreeMap, BTreeSet};

use edgepkg::manifest::{FILES, Manifest, Service};
use serde_json::{Map, Value, json};

use super::side::Side;
use super::{Change, Scope};

/// Keys of the manifest that are compared part by part, or follow from the rest.
const IN_PARTS: [&str; 6] = [
    "services",
    "images",
    "entries",
    "chunks",
    "notes",
    "compatibility",
];

/// Every plain key, compatibility, notes, further files and the size.
pub(super) fn compare(first: &Side, second: &Side, changes: &mut Vec<Change>) {
    let (one, two) = (as_map(&first.manifest), as_map(&second.manifest));
    let mut push = |what: &str, name: Option<&str>, from: Option<Value>, to: Option<Value>| {
        changes.extend(Change::between(&Scope::Package, what, name, from, to));
    };
    for key in keys(&one, &two) {
        if !IN_PARTS.contains(&key) {
            push(key, None, present(&one, key), present(&two, key));
        }
    }
    let tables = |table: &str| [&one, &two].map(|map| table_of(map, table));
    let [from, to] = tables("compatibility");
    for key in keys(&from, &to) {
        push(key, None, present(&from, key), present(&to, key));
    }
    let [from, to] = tables("notes");
    for key in keys(&from, &to) {
        push("note", Some(key), present(&from, key), present(&to, key));
    }
    let [from, to] = [&first.manifest, &second.manifest].map(files);
    for key in keys(&from, &to) {
        push("file", Some(key), present(&from, key), present(&to, key));
    }
    let [from, to] = [first.size, second.size].map(|size| Some(size.into()));
    push("size", None, from, to);
}

/// Services: a service with one row in each package is compared by its parts,
/// one with several, each for other platforms, by whole rows.
pub(super) fn compare_services(first: &Side, second: &Side, changes: &mut Vec<Change>) {
    let [one, two] = [&first.manifest, &second.manifest].map(services);
    let names: BTreeSet<&str> = one.keys().chain(two.keys()).copied().collect();
    for name in names {
        let scope = Scope::Service {
            service: name.to_owned(),
        };
        let rows = |map: &BTreeMap<&str, Vec<Value>>| map.get(name).cloned().unwrap_or_default();
        let (from, to) = (rows(&one), rows(&two));
        if let ([from], [to]) = (&from[..], &to[..]) {
            for key in ["service_revision", "image"] {
                let [from, to] = [from, to].map(|row| row.get(key).cloned());
                changes.extend(Change::between(&scope, key, None, from, to));
            }
            continue;
        }
        for row in from.iter().filter(|row| !to.contains(row)) {
            let row = Some(row.clone());
            changes.extend(Change::between(&scope, "service", None, row, None));
        }
        for row in to.iter().filter(|row| !from.contains(row)) {
            let row = Some(row.clone());
            changes.extend(Change::between(&scope, "service", None, None, row));
        }
    }
}

/// What both packages have, in another order.
pub(super) fn compare_order(first: &Side, second: &Side, changes: &mut Vec<Change>) {
    let services = |manifest: &Manifest| -> Vec<String> {
        let names = manifest.services.iter();
        names.map(|service| service.service.clone()).collect()
    };
    let images = |manifest: &Manifest| -> Vec<String> {
        let names = manifest.images.iter();
        names
            .map(|image| format!("{} for {}", image.reference, image.platform))
            .collect()
    };
    for (what, list) in [
        (
            "order of services",
            &services as &dyn Fn(&Manifest) -> Vec<String>,
        ),
        ("order of images", &images),
    ] {
        let (one, two) = (list(&first.manifest), list(&second.manifest));
        let from: Vec<&String> = one.iter().filter(|name| two.contains(name)).collect();
        let to: Vec<&String> = two.iter().filter(|name| one.contains(name)).collect();
        let (from, to) = (Some(json!(from)), Some(json!(to)));
        changes.extend(Change::between(&Scope::Package, what, None, from, to));
    }
}

/// For two manifests that differ where nothing above looks: the first place.
pub(super) fn name_the_place(first: &Side, second: &Side, changes: &mut Vec<Change>) {
    let [one, two] = [&first.manifest, &second.manifest].map(|manifest| json!(manifest));
    let mut place = String::from("manifest.toml");
    let (from, to) = first_difference(one, two, &mut place);
    changes.push(Change {
        scope: Scope::Package,
        what: "manifest".to_owned(),
        name: Some(place),
        from,
        to,
    });
}

fn first_difference(one: Value, two: Value, place: &mut String) -> (Option<Value>, Option<Value>) {
    let parts = |value: &Value| -> Option<Vec<(String, Value)>> {
        match value {
            Value::Object(map) => Some(map.clone().into_iter().collect()),
            Value::Array(list) => {
                let numbered = list.iter().enumerate();
                Some(
                    numbered
                        .map(|(at, value)| ((at + 1).to_string(), value.clone()))
                        .collect(),
                )
            }
            _ => None,
        }
    };
    if let (Some(from), Some(to)) = (parts(&one), parts(&two))
        && from.len() == to.len()
        && let Some(((key, from), (_, to))) = from.into_iter().zip(to).find(|(from, to)| from != to)
    {
        place.push_str(", ");
        place.push_str(&key);
        return first_difference(from, to, place);
    }
    (Some(one), Some(two))
}

fn as_map(manifest: &Manifest) -> Map<String, Value> {
    match json!(manifest) {
        Value::Object(map) => map,
        _ => Map::new(),
    }
}

fn table_of(map: &Map<String, Value>, key: &str) -> Map<String, Value> {
    map.get(key)
        .and_then(Value::as_object)
        .cloned()
        .unwrap_or_default()
}

/// Keys of the first in their order, then what only the second has.
fn keys<'a>(one: &'a Map<String, Value>, two: &'a Map<String, Value>) -> Vec<&'a str> {
    let more = two.keys().filter(|key| !one.contains_key(*key));
    one.keys().chain(more).map(String::as_str).collect()
}

fn present(map: &Map<String, Value>, key: &str) -> Option<Value> {
    map.get(key).filter(|value| !value.is_null()).cloned()
}

fn files(manifest: &Manifest) -> Map<String, Value> {
    let entries = manifest.entries.iter();
    let files = entries.filter_map(|entry| {
        let name = entry.path.strip_prefix(FILES)?;
        Some((
            name.to_owned(),
            json!({ "size": entry.size, "digest": entry.sha256 }),
        ))
    });
    files.collect()
}

fn services(manifest: &Manifest) -> BTreeMap<&str, Vec<Value>> {
    let mut services: BTreeMap<&str, Vec<Value>> = BTreeMap::new();
    for Service {
        service,
        service_revision,
        image,
    } in &manifest.services
    {
        let row = json!({ "service_revision": service_revision, "image": image });
        services.entry(service).or_default().push(row);
    }
    services
}
