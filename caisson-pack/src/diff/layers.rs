//! Which layers stayed, came and went, and what that costs a device.
//!
//! An engine keeps a layer together with those below it, under the chain id of
//! the OCI image specification ("Layer `ChainID`"). So a layer that is the same
//! but stands on others is stored once more, and is said to be so.

use std::collections::{BTreeMap, BTreeSet};

use edgepkg::Digest;
use edgepkg::manifest::{Image, Layer, Manifest};
use serde::Serialize;
use serde_json::{Value, json};

use super::{Change, Scope};

/// What a device of one platform stores anew.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct NewLayers {
    /// The platform.
    pub platform: String,
    /// Number of layers.
    pub layers: usize,
    /// Their size in the package, in bytes.
    pub size: u64,
    /// Their size on the device, in bytes.
    pub diff_size: u64,
}

/// A layer by its diff id and, as one may stand in an image twice, its occurrence.
type Key = (Digest, usize);

/// A layer where it stands in its image.
struct Placed<'a> {
    layer: &'a Layer,
    /// Counted from 1, the base.
    position: usize,
    chain: Digest,
}

/// Changes of the layers, removed ones first. True if the unpacked layers are
/// the same ones in the same order.
pub(super) fn compare(scope: &Scope, one: &Image, two: &Image, changes: &mut Vec<Change>) -> bool {
    let (first, second) = (placed(one), placed(two));
    let found = changes.len();
    let mut push = |layer: &Layer, from: Option<Value>, to: Option<Value>| {
        let name = layer.diff_id.to_string();
        changes.extend(Change::between(scope, "layer", Some(&name), from, to));
    };
    for (key, placed) in in_order(&first) {
        if !second.contains_key(key) {
            push(placed.layer, Some(shown(placed)), None);
        }
    }
    let (mut repacked, mut kept) = (Repacked::default(), 0_usize);
    for (key, placed) in in_order(&second) {
        match first.get(key) {
            None => push(placed.layer, None, Some(shown(placed))),
            Some(before) if before.chain != placed.chain => {
                push(placed.layer, Some(shown(before)), Some(shown(placed)));
            }
            Some(before) => {
                kept += 1;
                repacked.note(before.layer, placed.layer);
            }
        }
    }
    let is_same = changes.len() == found;
    let (from, mut to) = (totals(one), totals(two));
    if !is_same || from != to {
        to["kept"] = kept.into();
        changes.push(Change {
            scope: scope.clone(),
            what: "layers".to_owned(),
            name: None,
            from: Some(from),
            to: Some(to),
        });
    }
    if repacked.layers > 0 {
        let value = |size| Some(json!({ "layers": repacked.layers, "size": size }));
        let (from, to) = (value(repacked.from), value(repacked.to));
        changes.push(Change {
            scope: scope.clone(),
            what: "packing".to_owned(),
            name: None,
            from,
            to,
        });
    }
    is_same
}

/// Number and sizes of an image's layers.
pub(super) fn totals(image: &Image) -> Value {
    json!({
        "layers": image.layers.len(),
        "size": image.layers.iter().map(|layer| layer.size).sum::<u64>(),
        "diff_size": image.layers.iter().map(|layer| layer.diff_size).sum::<u64>(),
    })
}

/// Layers that are the same unpacked and other bytes in the package.
#[derive(Default)]
struct Repacked {
    layers: usize,
    from: u64,
    to: u64,
}

impl Repacked {
    fn note(&mut self, before: &Layer, after: &Layer) {
        if before.digest != after.digest {
            self.layers += 1;
            self.from = self.from.saturating_add(before.size);
            self.to = self.to.saturating_add(after.size);
        }
    }
}

/// Base first.
fn in_order<'a, 'b>(placed: &'b BTreeMap<Key, Placed<'a>>) -> Vec<(&'b Key, &'b Placed<'a>)> {
    let mut placed: Vec<_> = placed.iter().collect();
    placed.sort_by_key(|(_, placed)| placed.position);
    placed
}

/// The layers of an image.
fn placed(image: &Image) -> BTreeMap<Key, Placed<'_>> {
    let mut placed = BTreeMap::new();
    for ((position, layer), chain) in image.layers.iter().enumerate().zip(chains(image)) {
        let before = image.layers[..position].iter();
        let occurrence = before
            .filter(|other| other.diff_id == layer.diff_id)
            .count();
        let value = Placed {
            layer,
            position: position + 1,
            chain,
        };
        placed.insert((layer.diff_id, occurrence), value);
    }
    placed
}

fn shown(placed: &Placed<'_>) -> Value {
    json!({
        "position": placed.position,
        "chain_id": placed.chain,
        "size": placed.layer.size,
        "diff_size": placed.layer.diff_size,
    })
}

/// The layers' chain ids, base first.
fn chains(image: &Image) -> impl Iterator<Item = Digest> {
    image.layers.iter().scan(None, |below, layer| {
        let chain = match below {
            None => layer.diff_id,
            Some(below) => Digest::of(format!("{below} {}", layer.diff_id).as_bytes()),
        };
        *below = Some(chain);
        Some(chain)
    })
}

/// What a device that holds the first package's images stores of the second's.
pub(super) fn new_layers(first: &Manifest, second: &Manifest) -> Vec<NewLayers> {
    let platforms: BTreeSet<&str> = platforms(second).collect();
    let of = |manifest, platform| {
        let images = images_for(manifest, platform);
        images.flat_map(|image: &Image| chains(image).zip(&image.layers))
    };
    platforms
        .into_iter()
        .map(|platform| {
            let held: BTreeSet<Digest> = of(first, platform).map(|(chain, _)| chain).collect();
            let new: BTreeMap<Digest, &Layer> = of(second, platform)
                .filter(|(chain, _)| !held.contains(chain))
                .collect();
            NewLayers {
                platform: platform.to_owned(),
                layers: new.len(),
                size: new.values().map(|layer| layer.size).sum(),
                diff_size: new.values().map(|layer| layer.diff_size).sum(),
            }
        })
        .collect()
}

fn platforms(manifest: &Manifest) -> impl Iterator<Item = &str> {
    manifest.images.iter().map(|image| image.platform.as_str())
}

fn images_for<'a>(manifest: &'a Manifest, platform: &'a str) -> impl Iterator<Item = &'a Image> {
    let images = manifest.images.iter();
    images.filter(move |image| image.platform == platform)
}
