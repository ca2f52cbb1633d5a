//! The table that `inspect` prints. Text of a package's author is escaped here.

use std::fmt::{Display, Write as _};
use std::path::Path;

use edgepkg::manifest::{Image, Layer};

use super::{PackageFacts, count_of_layers, for_terminal, image_sum};
use crate::progress::size;
use crate::timestamp;

/// Width of the names in the first block.
const NAME_WIDTH: usize = 12;

/// How a column is written.
#[derive(Clone, Copy)]
enum Column {
    Left,
    Right,
}
use Column::{Left, Right};

/// The whole table, a line feed after each line.
pub(super) fn of(facts: &PackageFacts, path: &Path) -> String {
    let mut text = head(facts, path);
    for block in [parts(facts), services(facts)] {
        if !block.is_empty() {
            let _ = write!(text, "\n{block}");
        }
    }
    for (index, image) in facts.manifest.images.iter().enumerate() {
        let _ = write!(text, "\n{}", one_image(facts, index, image));
    }
    if facts.manifest.images.len() > 1 {
        let all = facts.all_layers();
        let _ = writeln!(
            text,
            "\nall images: {}, packed {}, unpacked {}; a layer that images share counts once",
            count_of_layers(all.layers),
            size(all.packed),
            size(all.unpacked)
        );
    }
    let files = files(facts);
    if !files.is_empty() {
        let _ = write!(text, "\n{files}");
    }
    text
}

fn head(facts: &PackageFacts, path: &Path) -> String {
    let manifest = &facts.manifest;
    let mut text = String::new();
    let mut row = |name: &str, value: &dyn Display| {
        let _ = writeln!(text, "{name:<NAME_WIDTH$}{value}");
    };
    row("package", &for_terminal(&path.display().to_string()));
    row("version", &manifest.package_version);
    if let Some(release) = manifest.release {
        row("release", &release);
    }
    row("date", &timestamp::show(manifest.mtime));
    row(
        "size",
        &format_args!("{} ({} bytes)", size(facts.size), facts.size),
    );
    row("manifest", &facts.manifest_digest);
    // The reader refuses a package with one.
    row("signatures", &"none");
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
        let mut lines = value.split('\n').map(for_terminal);
        let first = lines.next().unwrap_or_default();
        row("note", &format_args!("{key} = {first}"));
        // Indented: a note's line must not look like one of ours.
        lines.for_each(|line| row("", &format_args!("  {line}")));
    }
    text
}

fn parts(facts: &PackageFacts) -> String {
    if facts.parts.is_empty() {
        return String::new();
    }
    let mut rows = vec![["part", "size"].map(str::to_owned)];
    for (path, bytes) in &facts.parts {
        let name = path.file_name().unwrap_or(path.as_os_str());
        rows.push([for_terminal(&name.to_string_lossy()), size(*bytes)]);
    }
    columns(&rows, [Left, Right])
}

/// A row for each device that can take something: what it takes, and what that
/// costs it.
fn services(facts: &PackageFacts) -> String {
    let manifest = &facts.manifest;
    let mut rows =
        vec![["service", "revision", "platform", "takes", "unpacked"].map(str::to_owned)];
    for service in &manifest.services {
        for (number, image) in (1..).zip(&manifest.images) {
            if image.reference == service.image {
                rows.push([
                    service.service.clone(),
                    service.service_revision.clone(),
                    image.platform.clone(),
                    format!("image {number}"),
                    size(image_sum(image).unpacked),
                ]);
            }
        }
    }
    let mut text = columns(&rows, [Left, Left, Left, Left, Right]);
    text.push_str(
        "A device takes the row with its catalog's service, revision and platform. Its engine\n\
         is sent the image unpacked, and needs about twice that room while it loads.\n",
    );
    text
}

fn one_image(facts: &PackageFacts, index: usize, image: &Image) -> String {
    let mut text = format!(
        "image {}: {} for {}\n",
        index + 1,
        image.reference,
        image.platform
    );
    for (name, digest, whose) in [
        (
            "config",
            image.config,
            "the id on classic stores and Podman",
        ),
        (
            "engine manifest",
            image.engine_manifest,
            "the id on the containerd store",
        ),
    ] {
        let _ = writeln!(text, "  {name:<16}{digest}  {whose}");
    }
    let mut rows = vec![["layer", "packed", "unpacked", "diff_id", ""].map(str::to_owned)];
    for (position, layer) in image.layers.iter().enumerate() {
        rows.push([
            (position + 1).to_string(),
            size(layer.size),
            size(layer.diff_size),
            layer.diff_id.to_string(),
            shared(facts, index, position, layer),
        ]);
    }
    let sum = image_sum(image);
    rows.push([
        "sum".to_owned(),
        size(sum.packed),
        size(sum.unpacked),
        String::new(),
        String::new(),
    ]);
    for line in columns(&rows, [Right, Right, Right, Left, Left]).lines() {
        let _ = writeln!(text, "  {line}");
    }
    text
}

/// Where else the layer stands; it is in the package once.
fn shared(facts: &PackageFacts, index: usize, position: usize, layer: &Layer) -> String {
    let is_same = |other: &Layer| other.digest == layer.digest;
    let images = &facts.manifest.images;
    let mut places: Vec<String> = Vec::new();
    if let Some(first) = images[index].layers[..position].iter().position(is_same) {
        places.push(format!("layer {}", first + 1));
    }
    for (other, image) in images.iter().enumerate() {
        if other != index && image.layers.iter().any(is_same) {
            places.push(format!("image {}", other + 1));
        }
    }
    if places.is_empty() {
        String::new()
    } else {
        format!("also {}", places.join(", "))
    }
}

fn files(facts: &PackageFacts) -> String {
    let mut rows = vec![["file", "size", "digest"].map(str::to_owned)];
    for (name, entry) in facts.files() {
        rows.push([name.to_owned(), size(entry.size), entry.sha256.to_string()]);
    }
    if rows.len() == 1 {
        return String::new();
    }
    columns(&rows, [Left, Right, Left])
}

/// Columns as wide as their widest cell.
fn columns<const N: usize>(rows: &[[String; N]], kinds: [Column; N]) -> String {
    let mut text = String::new();
    for row in rows {
        let mut line = String::new();
        for (column, cell) in row.iter().enumerate() {
            let width = |row: &[String; N]| row[column].chars().count();
            let width = rows.iter().map(width).max().unwrap_or(0);
            let _ = match kinds[column] {
                Left => write!(line, "{cell:<width$}  "),
                Right => write!(line, "{cell:>width$}  "),
            };
        }
        let _ = writeln!(text, "{}", line.trim_end());
    }
    text
}
