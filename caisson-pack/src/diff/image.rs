//! Differences of one image: its name, its settings, its layers.

use edgepkg::manifest::Image;
use serde_json::{Value, json};

use super::pair::Pair;
use super::side::Side;
use super::{Change, Scope, layers, settings};

/// All changes of one image.
pub(super) fn compare(first: &Side, second: &Side, pair: Pair<'_>, changes: &mut Vec<Change>) {
    let (Some(one), Some(two)) = (pair.first, pair.second) else {
        let from = pair.first.map(summary);
        let to = pair.second.map(summary);
        if let Some(image) = pair.first.or(pair.second) {
            changes.extend(Change::between(&scope(image), "image", None, from, to));
        }
        return;
    };
    let scope = scope(two);
    let mut push = |what: &str, name: Option<&str>, from: Option<Value>, to: Option<Value>| {
        changes.extend(Change::between(&scope, what, name, from, to));
    };
    let both = |of: fn(&Image) -> Value| (Some(of(one)), Some(of(two)));
    let (from, to) = both(|image| json!(image.reference));
    push("reference", None, from, to);
    let (from, to) = both(|image| json!(image.config));
    push("config", None, from, to);
    let found = changes.len();
    if one.config != two.config {
        let bytes = |side: &Side, image: &Image| {
            let bytes = side.configs.get(&image.config);
            settings::settings(bytes.map_or(&[][..], Vec::as_slice))
        };
        settings::compare(&scope, &bytes(first, one), &bytes(second, two), changes);
    }
    let kept_settings = changes.len() == found;
    let kept_layers = layers::compare(&scope, one, two, changes);
    if one.config != two.config && kept_settings && kept_layers {
        // The bytes differ, and nothing that an engine reads from them.
        let (from, to) = both(|image| json!(image.config));
        changes.extend(Change::between(&scope, "config_bytes", None, from, to));
    }
}

fn scope(image: &Image) -> Scope {
    Scope::Image {
        reference: image.reference.clone(),
        platform: image.platform.clone(),
    }
}

/// An image that only one package has.
fn summary(image: &Image) -> Value {
    let mut summary = layers::totals(image);
    summary["config"] = json!(image.config);
    summary
}
