//! Makes the answers of two engines comparable: what depends on the machine or on
//! the moment becomes a word, everything else stays.

use std::collections::BTreeMap;

use serde_json::Value;

/// Values to words, such as a container's id to `<web>`.
#[derive(Debug, Default)]
pub(crate) struct Words {
    words: BTreeMap<String, String>,
}

/// Fields whose content is the machine's or of the moment. Their presence and type
/// are still compared.
const NOT_COMPARED: &[&str] = &[
    "AppArmorProfile",
    "CgroupnsMode",
    "Created",
    "EndpointID",
    "GraphDriver",
    "Gateway",
    "IPAddress",
    "IPPrefixLen",
    "LastTagTime",
    "MacAddress",
    "NetworkID",
    "Pid",
    "SandboxID",
    "SandboxKey",
];

impl Words {
    /// From now on `value` is shown as `word`.
    pub(crate) fn learn(&mut self, value: &str, word: &str) {
        self.words.insert(value.to_owned(), word.to_owned());
    }

    pub(crate) fn normal(&self, value: &Value) -> Value {
        match value {
            Value::Array(list) => {
                let mut list: Vec<Value> = list.iter().map(|item| self.normal(item)).collect();
                list.sort_by_key(place);
                Value::Array(list)
            }
            Value::Object(map) => Value::Object(
                map.iter()
                    .map(|(key, value)| {
                        let value = self.normal(value);
                        let value = if NOT_COMPARED.contains(&key.as_str()) {
                            presence(&value)
                        } else {
                            value
                        };
                        (self.text(key), value)
                    })
                    .collect(),
            ),
            Value::String(text) => Value::String(self.text(text)),
            other => other.clone(),
        }
    }

    pub(crate) fn text(&self, text: &str) -> String {
        let mut text = text.to_owned();
        // Longer values first: an id before its short form.
        let mut words: Vec<_> = self.words.iter().collect();
        words.sort_by_key(|(value, _)| std::cmp::Reverse(value.len()));
        for (value, word) in words {
            text = text.replace(value, word);
        }
        if is_time(&text) {
            return if text.starts_with("0001-") {
                "NEVER"
            } else {
                "TIME"
            }
            .to_owned();
        }
        unhexed(&text)
    }
}

/// Mounts come out of a map, images of the same time in any order: sorted by what
/// tells them apart. Other lists keep their order.
fn place(item: &Value) -> String {
    let key = if item.get("Destination").is_some() {
        &item["Destination"]
    } else if item.get("RepoTags").is_some() {
        &item["Id"]
    } else {
        &Value::Null
    };
    key.as_str().unwrap_or_default().to_owned()
}

fn presence(value: &Value) -> Value {
    match value {
        Value::String(text) if text.is_empty() => "EMPTY".into(),
        Value::String(_) => "SOME".into(),
        Value::Number(number) if number.as_u64() == Some(0) => "ZERO".into(),
        Value::Number(_) => "NUMBER".into(),
        Value::Object(_) => "OBJECT".into(),
        other => other.clone(),
    }
}

fn is_time(text: &str) -> bool {
    let bytes = text.as_bytes();
    bytes.len() >= 20 && bytes[4] == b'-' && bytes[10] == b'T' && bytes[19..].ends_with(b"Z")
}

/// 64 hex digits that nobody taught us are ids that are never asked for again.
fn unhexed(text: &str) -> String {
    let mut kept = String::new();
    let mut run = String::new();
    for character in text.chars().chain(std::iter::once('\0')) {
        if character.is_ascii_hexdigit() && !character.is_ascii_uppercase() {
            run.push(character);
            continue;
        }
        kept.push_str(if run.len() == 64 { "HEX" } else { &run });
        run.clear();
        kept.push(character);
    }
    kept.pop();
    kept
}

/// Where two values differ: path, real, simulated.
pub(crate) fn differences(real: &Value, simulated: &Value) -> Vec<String> {
    let mut found = Vec::new();
    compare("", Some(real), Some(simulated), &mut found);
    found
}

fn compare(path: &str, real: Option<&Value>, simulated: Option<&Value>, found: &mut Vec<String>) {
    match (real, simulated) {
        (Some(Value::Object(real)), Some(Value::Object(simulated))) => {
            let mut keys: Vec<&String> = real.keys().chain(simulated.keys()).collect();
            keys.sort_unstable();
            keys.dedup();
            for key in keys {
                compare(
                    &format!("{path}.{key}"),
                    real.get(key),
                    simulated.get(key),
                    found,
                );
            }
        }
        (Some(Value::Array(real)), Some(Value::Array(simulated)))
            if real.len() == simulated.len() =>
        {
            for (index, (real, simulated)) in real.iter().zip(simulated).enumerate() {
                compare(
                    &format!("{path}[{index}]"),
                    Some(real),
                    Some(simulated),
                    found,
                );
            }
        }
        (real, simulated) if real == simulated => {}
        (real, simulated) => {
            let shown = |value: Option<&Value>| value.map_or("absent".to_owned(), Value::to_string);
            found.push(format!(
                "{path}: real {}, simulated {}",
                shown(real),
                shown(simulated)
            ));
        }
    }
}
