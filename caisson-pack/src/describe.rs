//! What a package holds, for people (a table) and for scripts (JSON): the same
//! facts in both.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use edgepkg::Digest;
use edgepkg::manifest::{Image, Manifest};
use serde_json::{Value, json};

use crate::progress::size;

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

impl PackageFacts {
    /// One JSON object; `event` says what happened to the package.
    pub fn json(&self, event: &str, path: &Path) -> Value {
        let manifest = &self.manifest;
        json!({
            "event": event,
            "path": path.display().to_string(),
            "size": self.size,
            "manifest_digest": self.manifest_digest,
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
            "images": manifest.images,
        })
    }

    /// One line.
    pub fn headline(&self, path: &Path) -> String {
        format!(
            "{}: version {}, {}",
            path.display(),
            self.manifest.package_version,
            size(self.size)
        )
    }

    /// The whole table, a line feed after each line.
    pub fn table(&self, path: &Path) -> String {
        let manifest = &self.manifest;
        let mut text = String::new();
        let mut row = |name: &str, value: &dyn std::fmt::Display| {
            let _ = writeln!(text, "{name:<10}{value}");
        };
        row("package", &path.display());
        row("version", &manifest.package_version);
        if let Some(release) = manifest.release {
            row("release", &release);
        }
        row("size", &size(self.size));
        row("manifest", &self.manifest_digest);
        row("mtime", &manifest.mtime);
        if manifest.live_names {
            row(
                "names",
                &"live: `docker load` of this file moves tags that may be in use",
            );
        }
        if let Some(version) = &manifest.compatibility.min_updater_version {
            row("needs", &format_args!("caisson-apply {version} or later"));
        }
        if let Some(version) = &manifest.compatibility.engine_api_min {
            row("needs", &format_args!("engine API {version} or later"));
        }
        for (key, value) in &manifest.notes {
            row("note", &format_args!("{key} = {}", for_terminal(value)));
        }
        text.push_str(&self.services());
        text.push_str(&self.images());
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
            let packed = image.layers.iter().map(|layer| layer.size).sum();
            let unpacked = image.layers.iter().map(|layer| layer.diff_size).sum();
            let _ = writeln!(
                text,
                "image {} for {}: {}, {}, unpacked {}",
                image.reference,
                image.platform,
                count_of_layers(image.layers.len()),
                size(packed),
                size(unpacked)
            );
        }
        text
    }

    fn services(&self) -> String {
        let mut rows = vec![["service", "revision", "image", "platforms"].map(str::to_owned)];
        for service in &self.manifest.services {
            let platforms: Vec<&str> = self
                .manifest
                .images
                .iter()
                .filter(|image| image.reference == service.image)
                .map(|image| image.platform.as_str())
                .collect();
            rows.push([
                service.service.clone(),
                service.service_revision.clone(),
                service.image.clone(),
                platforms.join(", "),
            ]);
        }
        format!("\n{}", columns(&rows))
    }

    fn images(&self) -> String {
        let mut text = String::new();
        for image in &self.manifest.images {
            let _ = writeln!(text, "\nimage {} for {}", image.reference, image.platform);
            let _ = writeln!(text, "  config          {}", image.config);
            let _ = writeln!(text, "  engine manifest {}", image.engine_manifest);
            text.push_str(&layers(image));
        }
        text
    }
}

/// `1 layer`, `2 layers`.
fn count_of_layers(count: usize) -> String {
    format!("{count} layer{}", if count == 1 { "" } else { "s" })
}

fn layers(image: &Image) -> String {
    let mut rows = vec![["  layer", "packed", "unpacked", "diff id"].map(str::to_owned)];
    for (number, layer) in image.layers.iter().enumerate() {
        rows.push([
            format!("  {}", number + 1),
            size(layer.size),
            size(layer.diff_size),
            layer.diff_id.to_string(),
        ]);
    }
    let packed = image.layers.iter().map(|layer| layer.size).sum();
    let unpacked = image.layers.iter().map(|layer| layer.diff_size).sum();
    rows.push([
        "  sum".to_owned(),
        size(packed),
        size(unpacked),
        String::new(),
    ]);
    columns(&rows)
}

/// A note in the author's own letters, without what would move the cursor, hide
/// or turn around text.
fn for_terminal(text: &str) -> String {
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

/// Columns as wide as their widest cell.
fn columns<const N: usize>(rows: &[[String; N]]) -> String {
    let mut text = String::new();
    for row in rows {
        let mut line = String::new();
        for (column, cell) in row.iter().enumerate() {
            let width = rows.iter().map(|row| row[column].len()).max().unwrap_or(0);
            let _ = write!(line, "{cell:<width$}  ");
        }
        let _ = writeln!(text, "{}", line.trim_end());
    }
    text
}
