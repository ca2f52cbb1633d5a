//! What a package holds, for people ([`table`]) and for scripts (JSON): the same
//! facts in both. `format-spec/schemas/inspect.schema.json` describes the JSON.
//!
//! Sums: packed sizes count a layer once, as the file has it once. Unpacked sizes of
//! one image count it as often as it stands there, as an engine unpacks it.

mod table;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use edgepkg::Digest;
use edgepkg::manifest::{Image, Layer, Manifest};
use serde_json::{Value, json};

use crate::progress::size;

/// Where an entry stands that is no blob and no derived file.
const FILES: &str = "files/";

/// What is known about a package file.
#[derive(Clone, Debug)]
pub struct PackageFacts {
    /// Its manifest.
    pub manifest: Manifest,
    /// Digest of the manifest's bytes: the identity of the package.
    pub manifest_digest: Digest,
    /// Size of the file, in bytes.
    pub size: u64,
    /// Path and size of each part, if the package is split.
    pub parts: Vec<(PathBuf, u64)>,
}

/// Number and sizes of some layers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Sum {
    layers: usize,
    packed: u64,
    unpacked: u64,
}

impl PackageFacts {
    /// One JSON object; `event` says what happened to the package.
    pub fn json(&self, event: &str, path: &Path) -> Value {
        let manifest = &self.manifest;
        let parts: Vec<Value> = self
            .parts
            .iter()
            .map(|(path, size)| json!({"path": path.display().to_string(), "size": size}))
            .collect();
        let files: Vec<Value> = self
            .files()
            .map(|(name, entry)| json!({"name": name, "size": entry.size, "sha256": entry.sha256}))
            .collect();
        let all = self.all_layers();
        json!({
            "event": event,
            "path": path.display().to_string(),
            "parts": parts,
            "size": self.size,
            "manifest_digest": self.manifest_digest,
            "signatures": [],
            "format_version": manifest.format_version,
            "package_type": manifest.package_type,
            "package_version": manifest.package_version,
            "release": manifest.release,
            "mtime": manifest.mtime,
            "live_names": manifest.live_names,
            "requires": manifest.requires,
            "compatibility": manifest.compatibility,
            "notes": manifest.notes,
            "services": manifest.services,
            "images": manifest.images.iter().map(image_json).collect::<Vec<_>>(),
            "layers": all.layers,
            "packed_size": all.packed,
            "unpacked_size": all.unpacked,
            "files": files,
            // A build fills them in.
            "remarks": [],
        })
    }

    /// One line.
    pub fn headline(&self, path: &Path) -> String {
        format!(
            "{}: version {}, {}",
            for_terminal(&path.display().to_string()),
            self.manifest.package_version,
            size(self.size)
        )
    }

    /// The whole table, a line feed after each line.
    pub fn table(&self, path: &Path) -> String {
        table::of(self, path)
    }

    /// One line for each part of a split package.
    pub fn parts_in_words(&self) -> String {
        let mut text = String::new();
        for (path, bytes) in &self.parts {
            let name = path.file_name().unwrap_or(path.as_os_str());
            let name = for_terminal(&name.to_string_lossy());
            let _ = writeln!(text, "part {name}: {}", size(*bytes));
        }
        text
    }

    /// A short account of a build: one line for each service and image.
    pub fn services_and_images(&self) -> String {
        let mut text = format!("manifest {}\n", self.manifest_digest);
        for service in &self.manifest.services {
            let _ = writeln!(
                text,
                "service {} ({}) runs {}",
                service.service, service.service_revision, service.image
            );
        }
        for image in &self.manifest.images {
            let sum = image_sum(image);
            let _ = writeln!(
                text,
                "image {} for {}: {}, {}, unpacked {}",
                image.reference,
                image.platform,
                count_of_layers(sum.layers),
                size(sum.packed),
                size(sum.unpacked)
            );
        }
        text
    }

    /// The layers of all images, each once.
    fn all_layers(&self) -> Sum {
        let images = self.manifest.images.iter();
        let layers = different(images.flat_map(|image| &image.layers));
        Sum {
            layers: layers.len(),
            packed: layers.values().map(|layer| layer.size).sum(),
            unpacked: layers.values().map(|layer| layer.diff_size).sum(),
        }
    }

    /// The entries below `files/`, with their names there.
    fn files(&self) -> impl Iterator<Item = (&str, &edgepkg::manifest::Entry)> {
        let entries = self.manifest.entries.iter();
        entries.filter_map(|entry| Some((entry.path.strip_prefix(FILES)?, entry)))
    }
}

/// An image as the manifest has it, with its sums.
fn image_json(image: &Image) -> Value {
    let sum = image_sum(image);
    json!({
        "reference": image.reference,
        "platform": image.platform,
        "config": image.config,
        "engine_manifest": image.engine_manifest,
        "packed_size": sum.packed,
        "unpacked_size": sum.unpacked,
        "layers": image.layers,
    })
}

/// What one image takes: in the package, and when it is sent to an engine.
fn image_sum(image: &Image) -> Sum {
    Sum {
        layers: image.layers.len(),
        packed: different(&image.layers)
            .values()
            .map(|layer| layer.size)
            .sum(),
        unpacked: image.layers.iter().map(|layer| layer.diff_size).sum(),
    }
}

/// Each layer once.
fn different<'a>(layers: impl IntoIterator<Item = &'a Layer>) -> BTreeMap<Digest, &'a Layer> {
    let layers = layers.into_iter();
    layers.map(|layer| (layer.digest, layer)).collect()
}

/// `1 layer`, `2 layers`.
pub(crate) fn count_of_layers(count: usize) -> String {
    format!("{count} layer{}", if count == 1 { "" } else { "s" })
}

/// Text in its author's own letters, without what would move the cursor, hide
/// or turn around text.
pub(crate) fn for_terminal(text: &str) -> String {
    let mut shown = String::new();
    for character in text.chars() {
        let is_invisible = matches!(
            character,
            '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
                | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e0fff}'
        );
        if character.is_control() || is_invisible {
            shown.extend(character.escape_unicode());
        } else {
            shown.push(character);
        }
    }
    shown
}
