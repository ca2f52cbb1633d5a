//! What an image config sets, as a flat list, so that two configs are compared
//! setting by setting: environment and labels by name, ports and volumes one by
//! one, everything else by its key.
//!
//! A value that means "not set" to an engine (`null`, `""`, `[]`, `{}`, `false`,
//! `0`) counts as absent. Text of the config is as it stands here; whoever prints
//! it escapes it.

use std::collections::{BTreeMap, BTreeSet};

use edgepkg::PackageError;
use serde_json::{Map, Value};

use super::{Change, Scope};
use crate::error::{PackError, Result};

/// Settings by kind and, where there can be several, name.
pub(super) type Settings = BTreeMap<(String, Option<String>), Value>;

/// Well-known keys beside `config`; others are shown as `image.KEY`.
const KNOWN_OF_IMAGE: [&str; 8] = [
    "architecture",
    "author",
    "created",
    "history",
    "os",
    "os.features",
    "os.version",
    "variant",
];

/// Names of well-known keys below `config`; others are shown as `config.KEY`.
const KNOWN: [(&str, &str); 10] = [
    ("ArgsEscaped", "args_escaped"),
    ("Cmd", "cmd"),
    ("Entrypoint", "entrypoint"),
    ("Healthcheck", "healthcheck"),
    ("OnBuild", "on_build"),
    ("Shell", "shell"),
    ("StopSignal", "stop_signal"),
    ("StopTimeout", "stop_timeout"),
    ("User", "user"),
    ("WorkingDir", "working_dir"),
];

/// Changes from one config to the other.
pub(super) fn compare(scope: &Scope, one: &Settings, two: &Settings, changes: &mut Vec<Change>) {
    let keys: BTreeSet<_> = one.keys().chain(two.keys()).collect();
    for key in keys {
        let (what, name) = (&key.0, key.1.as_deref());
        let (from, to) = (one.get(key).cloned(), two.get(key).cloned());
        changes.extend(Change::between(scope, what, name, from, to));
    }
}

/// Refuses a config whose settings can't be listed, such as one nested deeper than
/// a parser should follow.
///
/// # Errors
/// `manifest.inconsistent`.
pub(super) fn check(config: &[u8], path: &str) -> Result<()> {
    match serde_json::from_slice::<Map<String, Value>>(config) {
        Ok(_) => Ok(()),
        Err(error) => {
            let what = "an image's config can't be used";
            let refused = PackageError::new(edgepkg::Code::Inconsistent, what, path);
            Err(PackError::package(refused.found(error)))
        }
    }
}

/// The settings of a config that passed [`check`].
pub(super) fn settings(config: &[u8]) -> Settings {
    let mut settings = Settings::new();
    let Ok(Value::Object(config)) = serde_json::from_slice(config) else {
        return settings;
    };
    for (key, value) in &config {
        match (key.as_str(), value) {
            // Compared as layers.
            ("rootfs", _) => {}
            ("config", Value::Object(container)) => add_container(&mut settings, container),
            (key, _) if KNOWN_OF_IMAGE.contains(&key) => add(&mut settings, key, value),
            _ => add(&mut settings, &format!("image.{key}"), value),
        }
    }
    settings
}

fn add_container(settings: &mut Settings, container: &Map<String, Value>) {
    for (key, value) in container {
        match (key.as_str(), value) {
            ("Env", Value::Array(list)) => {
                // Of two of one name the last counts, as in the engine.
                for variable in list.iter().filter_map(Value::as_str) {
                    let (name, value) = variable.split_once('=').unwrap_or((variable, ""));
                    insert(settings, "env", name, value.into());
                }
            }
            ("Labels", Value::Object(labels)) => {
                for (name, value) in labels {
                    insert(settings, "label", name, value.clone());
                }
            }
            ("ExposedPorts", Value::Object(ports)) => {
                for port in ports.keys() {
                    insert(settings, "port", port, true.into());
                }
            }
            ("Volumes", Value::Object(volumes)) => {
                for volume in volumes.keys() {
                    insert(settings, "volume", volume, true.into());
                }
            }
            _ => {
                let known = KNOWN.iter().find(|(known, _)| known == key);
                let what =
                    known.map_or_else(|| format!("config.{key}"), |(_, what)| (*what).into());
                add(settings, &what, value);
            }
        }
    }
}

fn add(settings: &mut Settings, what: &str, value: &Value) {
    let is_unset = match value {
        Value::Null => true,
        Value::Bool(value) => !value,
        Value::Number(number) => number.as_f64() == Some(0.0),
        Value::String(text) => text.is_empty(),
        Value::Array(list) => list.is_empty(),
        Value::Object(map) => map.is_empty(),
    };
    if !is_unset {
        settings.insert((what.to_owned(), None), value.clone());
    }
}

/// One of several, which counts also if it is empty.
fn insert(settings: &mut Settings, what: &str, name: &str, value: Value) {
    settings.insert((what.to_owned(), Some(name.to_owned())), value);
}
