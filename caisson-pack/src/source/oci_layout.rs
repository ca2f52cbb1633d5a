//! OCI image layouts, in a folder or in a tar: `oci-layout`, `index.json` and
//! `blobs/sha256/`. skopeo, buildx, podman and Docker 25 and later write them.
//!
//! Attacks answered here: a huge or malformed `index.json`, a layout of another
//! version. Indexes are walked by
//! [`super::oci_index`], images read by [`super::oci_image`].
//!
//! Source: OCI image-spec, `image-layout.md`, `annotations.md`.

use std::collections::BTreeSet;

use serde::Deserialize;

use super::descriptor::Descriptor;
use super::files::{Files, read_whole};
use super::names::{Named, choose, names_chosen};
use super::oci_image::Candidate;
use super::oci_index::{INDEX_BYTES_MAX, Index, Walk};
use super::{SourceImage, Which, pick};
use crate::error::{Code, PackError, Result};
use crate::progress::Watch;

const LAYOUT: &str = "oci-layout";
const INDEX: &str = "index.json";

/// Greatest size of `oci-layout`, in bytes. It has 30.
const LAYOUT_BYTES_MAX: u64 = 4096;

/// The name or tag of an image: image-spec, `annotations.md`.
const REF_NAME: &str = "org.opencontainers.image.ref.name";
/// The full name, as containerd, Docker and buildx write it.
const IMAGE_NAME: &str = "io.containerd.image.name";

/// One line of `index.json`.
struct Entry {
    descriptor: Descriptor,
    names: Vec<String>,
    tags: Vec<String>,
    /// The images it is or leads to, once they were looked for.
    images: Vec<Candidate>,
}

impl Named for Entry {
    const UNNAMED_ARE_ONE: bool = true;

    fn names(&self) -> &[String] {
        &self.names
    }

    fn tags(&self) -> &[String] {
        &self.tags
    }
}

/// The image of the layout for each of these platforms.
pub(super) fn open(
    files: &dyn Files,
    which: &Which,
    platforms: &[String],
    watch: &mut Watch,
) -> Result<Vec<SourceImage>> {
    check_layout(files)?;
    let place = format!("{}: {INDEX}", files.place());
    let entries = read_entries(files, &place)?;
    let mut walk = Walk::new(files, platforms, watch);
    let chosen = if *which == Which::Only {
        // What is no image must not make the choice ambiguous.
        choose(&place, with_images(&mut walk, entries, &place)?, which)?
    } else {
        with_images(&mut walk, choose(&place, entries, which)?, &place)?
    };
    let mut there = Vec::new();
    let mut found = Vec::new();
    for entry in chosen {
        let names = names_chosen(&entry, which);
        for candidate in entry.images {
            there.push(candidate.config.platform.clone());
            if platforms.contains(&candidate.config.platform) {
                let image = candidate.image(files, names.clone())?;
                let tag = entry.tags.first().cloned();
                found.push(SourceImage { tag, ..image });
            }
        }
    }
    if there.is_empty() {
        return Err(
            PackError::new(Code::ImageNotFound, "the source has no container image").at(place),
        );
    }
    pick(files.place(), found, there, platforms)
}

fn check_layout(files: &dyn Files) -> Result<()> {
    #[derive(Deserialize)]
    struct Layout {
        #[serde(rename = "imageLayoutVersion")]
        version: String,
    }
    let place = format!("{}: {LAYOUT}", files.place());
    let bytes = read_whole(needed(files, LAYOUT)?, LAYOUT_BYTES_MAX, &place)?;
    let layout: Layout = serde_json::from_slice(&bytes).map_err(|error| {
        PackError::new(
            Code::SourceManifestInvalid,
            "`oci-layout` can't be understood",
        )
        .at(&place)
        .found(error)
    })?;
    if layout.version.starts_with("1.") {
        return Ok(());
    }
    Err(PackError::new(
        Code::SourceManifestInvalid,
        "the layout is of another version",
    )
    .at(place)
    .found(layout.version)
    .wanted("1.0.0"))
}

fn needed(files: &dyn Files, name: &str) -> Result<super::FileSlice> {
    files.find(name)?.ok_or_else(|| {
        PackError::new(
            Code::SourceManifestMissing,
            format!("the source has no `{name}`, so it is no OCI image layout"),
        )
        .at(files.place())
        .next("what `docker save` writes is read as docker-archive:FILE")
    })
}

fn read_entries(files: &dyn Files, place: &str) -> Result<Vec<Entry>> {
    let bytes = read_whole(needed(files, INDEX)?, INDEX_BYTES_MAX, place)?;
    let mut entries: Vec<Entry> = Vec::new();
    for descriptor in Index::parse(&bytes, place)?.manifests {
        let entry = Entry::of(descriptor);
        // One image under two names has two lines.
        let before = entries
            .iter_mut()
            .find(|there| there.descriptor.digest_text() == entry.descriptor.digest_text());
        match before {
            Some(there) => {
                there.names = united(&there.names, &entry.names);
                there.tags = united(&there.tags, &entry.tags);
            }
            None => entries.push(entry),
        }
    }
    Ok(entries)
}

fn united(some: &[String], others: &[String]) -> Vec<String> {
    let all: BTreeSet<&String> = some.iter().chain(others).collect();
    all.into_iter().cloned().collect()
}

impl Entry {
    fn of(descriptor: Descriptor) -> Self {
        let mut names = Vec::new();
        let mut tags = Vec::new();
        if let Some(name) = descriptor.annotation(IMAGE_NAME) {
            names.push(name.to_owned());
        }
        if let Some(text) = descriptor.annotation(REF_NAME) {
            // Most tools write the tag alone, some the full name.
            if text.contains([':', '/']) {
                names.push(text.to_owned());
            } else {
                tags.push(text.to_owned());
            }
        }
        names.sort();
        names.dedup();
        Self {
            descriptor,
            names,
            tags,
            images: Vec::new(),
        }
    }
}

/// The entries that are or lead to images, with these.
fn with_images(walk: &mut Walk, entries: Vec<Entry>, place: &str) -> Result<Vec<Entry>> {
    let mut kept = Vec::new();
    for mut entry in entries {
        walk.collect(&entry.descriptor, place, 0, &mut entry.images)?;
        if !entry.images.is_empty() {
            kept.push(entry);
        }
    }
    Ok(kept)
}
