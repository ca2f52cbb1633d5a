//! A comparison for people: one line for each change, under what it is about.
//!
//! Attacks answered: values come from images and notes of others. What would move
//! the cursor, hide or turn around text is escaped, and long values are cut; the
//! JSON has them whole.

use std::fmt::Write as _;

use serde_json::Value;

use super::{Change, Comparison, NewLayers, Scope};
use crate::describe::{count_of_layers, for_terminal};
use crate::progress::size;
use crate::timestamp;

/// Longest value in a line, in characters: a long command line fits.
const VALUE_CHARS_MAX: usize = 160;

impl Comparison {
    /// Nothing for equal packages, else a line feed after each line.
    pub fn words(&self) -> String {
        let mut text = String::new();
        let mut scope = None;
        for change in &self.changes {
            if scope != Some(&change.scope) {
                scope = Some(&change.scope);
                let _ = writeln!(text, "{}", heading(&change.scope));
            }
            let _ = writeln!(text, "  {}", line(change));
        }
        for new in &self.new_layers {
            let _ = writeln!(text, "{}", summary(new));
        }
        text
    }
}

fn heading(scope: &Scope) -> String {
    match scope {
        Scope::Package => "package".to_owned(),
        Scope::Service { service } => format!("service {service}"),
        Scope::Image {
            reference,
            platform,
        } => format!("image {reference} for {platform}"),
    }
}

fn summary(new: &NewLayers) -> String {
    let platform = &new.platform;
    if new.layers == 0 {
        return format!("a {platform} device that holds the first package stores no new layer");
    }
    let layers = count_of_layers(new.layers);
    format!(
        "a {platform} device that holds the first package stores {layers} anew: {} in the package, {} unpacked",
        size(new.size),
        size(new.diff_size)
    )
}

fn line(change: &Change) -> String {
    let label = label(change);
    let (from, to) = (change.from.as_ref(), change.to.as_ref());
    let show = |value: &Value| shown(&change.what, value);
    match (change.what.as_str(), from, to) {
        ("layer", Some(from), Some(to)) => format!(
            "{label}: the same on other layers, number {} before, {} now; an engine stores it again, {}",
            from["position"],
            to["position"],
            sizes(to)
        ),
        ("packing", Some(from), Some(to)) => format!(
            "{label}: {} the same unpacked, but packed otherwise: {} -> {}",
            layer_count(from),
            size(number(from, "size")),
            size(number(to, "size"))
        ),
        ("layers", Some(from), Some(to)) => format!(
            "{label}: {}, {} -> {}, {}; {} kept in place",
            from["layers"],
            sizes(from),
            to["layers"],
            sizes(to),
            to["kept"]
        ),
        ("config_bytes", ..) => {
            format!("{label}: every setting is the same, but not the bytes that say it")
        }
        ("port" | "volume", None, _) => format!("{label}: added"),
        ("port" | "volume", _, None) => format!("{label}: removed"),
        (_, None, Some(to)) => format!("{label}: added, {}", show(to)),
        (_, Some(from), None) => format!("{label}: removed, was {}", show(from)),
        (_, Some(from), Some(to)) => {
            let (from, to) = (show(from), show(to));
            if from == to {
                // Cut, counted or a matter of bytes: the JSON shows it.
                return format!("{label}: differs, both {to}; --json shows it whole");
            }
            format!("{label}: {from} -> {to}")
        }
        (_, None, None) => label,
    }
}

fn label(change: &Change) -> String {
    let what = match change.what.as_str() {
        "package_version" => "version",
        "service_revision" => "revision",
        "reference" => "name",
        "config" => "id",
        "config_bytes" => "config",
        what => &what.replace('_', " "),
    };
    let what = for_terminal(&cut(what));
    match &change.name {
        Some(name) => format!("{what} {}", for_terminal(&cut(name))),
        None => what,
    }
}

/// A value by what it is: some are counted or summed up.
fn shown(what: &str, value: &Value) -> String {
    match (what, value) {
        ("size", Value::Number(bytes)) => size(bytes.as_u64().unwrap_or_default()),
        ("mtime", Value::Number(seconds)) => timestamp::show(seconds.as_u64().unwrap_or_default()),
        ("history", Value::Array(steps)) => {
            format!(
                "{} step{}",
                steps.len(),
                if steps.len() == 1 { "" } else { "s" }
            )
        }
        ("layer", layer @ Value::Object(_)) => sizes(layer),
        ("image", image @ Value::Object(_)) => format!(
            "{}, {}, id {}",
            layer_count(image),
            sizes(image),
            text(&image["config"])
        ),
        ("service", row @ Value::Object(_)) => format!(
            "revision {}, image {}",
            text(&row["service_revision"]),
            text(&row["image"])
        ),
        ("file", file @ Value::Object(_)) => {
            format!("{}, {}", size(number(file, "size")), text(&file["digest"]))
        }
        (_, value) => text(value),
    }
}

fn sizes(value: &Value) -> String {
    format!(
        "{} in the package, {} unpacked",
        size(number(value, "size")),
        size(number(value, "diff_size"))
    )
}

fn number(value: &Value, key: &str) -> u64 {
    value[key].as_u64().unwrap_or_default()
}

fn layer_count(value: &Value) -> String {
    count_of_layers(usize::try_from(number(value, "layers")).unwrap_or(usize::MAX))
}

/// A plain word as it is, everything else as JSON writes it.
fn text(value: &Value) -> String {
    if let Value::String(word) = value {
        let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"._:/@+-".contains(&byte);
        if !word.is_empty() && word.bytes().all(is_plain) {
            return cut(word);
        }
    }
    for_terminal(&cut(&value.to_string()))
}

fn cut(text: &str) -> String {
    let count = text.chars().count();
    if count <= VALUE_CHARS_MAX {
        return text.to_owned();
    }
    let start: String = text.chars().take(VALUE_CHARS_MAX).collect();
    format!("{start}... ({count} characters)")
}
