//! What `docker save` writes: a tar with `manifest.json`, configs and layers.
//! Both layouts: the old one (`<id>/layer.tar`, config `<hex>.json`, repeated
//! layers as symlinks) and that of Docker 25 and later (`blobs/sha256/<hex>`,
//! with an OCI layout beside it, which is not read).
//!
//! Attacks answered here: a huge or malformed `manifest.json`; files it names
//! that are missing or outside; a config that does not have the digest it is
//! named by; a number of layers other than the config's. Paths and links are
//! judged by [`super::tar_scan`], the layers' bytes by [`super::layer`].

use edgepkg::Digest;
use edgepkg::limits::CONFIG_BYTES_MAX;
use serde::Deserialize;

use super::file_slice::FileSlice;
use super::files::read_whole;
use super::names::{Named, choose, names_chosen};
use super::tar_index::TarIndex;
use super::{ImageConfig, SourceImage, SourceLayer, Which, pick};
use crate::error::{Code, PackError, Result};

const MANIFEST: &str = "manifest.json";

/// Greatest size of `manifest.json`, in bytes. It has about 100 for each layer.
const MANIFEST_BYTES_MAX: u64 = 4 * 1024 * 1024;

/// Folder of files that are named by their digest.
const BLOBS: &str = "blobs/sha256/";

/// One image of `manifest.json`. Docker and others add more keys.
#[derive(Deserialize)]
struct Item {
    #[serde(rename = "Config")]
    config: String,
    #[serde(rename = "RepoTags", default)]
    names: Option<Vec<String>>,
    #[serde(rename = "Layers", default)]
    layers: Option<Vec<String>>,
}

impl Named for Item {
    const UNNAMED_ARE_ONE: bool = false;

    fn names(&self) -> &[String] {
        self.names.as_deref().unwrap_or_default()
    }
}

/// The image of the archive for each of these platforms.
pub(super) fn open(
    index: &TarIndex,
    which: &Which,
    platforms: &[String],
) -> Result<Vec<SourceImage>> {
    let mut there = Vec::new();
    let mut found = Vec::new();
    for item in choose(index.place(), read_manifest(index)?, which)? {
        let bytes = read_config(index, &item.config)?;
        let config_place = format!("{}: {}", index.place(), item.config);
        let config = ImageConfig::parse(&bytes, &config_place)?;
        there.push(config.platform.clone());
        if platforms.contains(&config.platform) {
            let names = names_chosen(&item, which);
            let layers = layers(index, &item, &config, &config_place)?;
            found.push(SourceImage {
                place: index.place().to_owned(),
                names,
                tag: None,
                config_bytes: bytes,
                config,
                layers,
            });
        }
    }
    pick(index.place(), found, there, platforms)
}

fn layers(
    index: &TarIndex,
    item: &Item,
    config: &ImageConfig,
    config_place: &str,
) -> Result<Vec<SourceLayer>> {
    let paths = item.layers.as_deref().unwrap_or_default();
    if paths.len() != config.diff_ids.len() {
        return Err(PackError::new(
            Code::SourceLayerCount,
            "the archive and the image's config name different numbers of layers",
        )
        .at(config_place)
        .found(format!("{} in {MANIFEST}", paths.len()))
        .wanted(format!("{} as in the config", config.diff_ids.len())));
    }
    let mut layers = Vec::with_capacity(paths.len());
    for (name, diff_id) in paths.iter().zip(&config.diff_ids) {
        let place = format!("{}: {name}", index.place());
        let data = blob(index, name)?;
        layers.push(SourceLayer::new(
            place,
            data,
            *diff_id,
            stored_digest(name),
        )?);
    }
    Ok(layers)
}

fn read_manifest(index: &TarIndex) -> Result<Vec<Item>> {
    let place = format!("{}: {MANIFEST}", index.place());
    let Some(data) = index.find(MANIFEST)? else {
        return Err(PackError::new(
            Code::SourceManifestMissing,
            "the archive has no `manifest.json`, so it holds no image",
        )
        .at(index.place()));
    };
    let bytes = read_whole(data, MANIFEST_BYTES_MAX, &place)?;
    let items: Vec<Item> = serde_json::from_slice(&bytes).map_err(|error| {
        PackError::new(
            Code::SourceManifestInvalid,
            "`manifest.json` is no list of images",
        )
        .at(&place)
        .found(error)
    })?;
    if items.is_empty() {
        return Err(PackError::new(
            Code::SourceManifestInvalid,
            "`manifest.json` lists no image",
        )
        .at(place));
    }
    Ok(items)
}

fn read_config(index: &TarIndex, name: &str) -> Result<Vec<u8>> {
    let place = format!("{}: {name}", index.place());
    let bytes = read_whole(blob(index, name)?, CONFIG_BYTES_MAX, &place)?;
    // `<hex>.json` by Docker, `sha256:<hex>` by crane and kaniko.
    let file = name.rsplit('/').next().unwrap_or(name);
    let hex = file.strip_suffix(".json").unwrap_or(file);
    let hex = hex.strip_prefix("sha256:").unwrap_or(hex);
    match Digest::from_hex(hex) {
        Some(wanted) if wanted != Digest::of(&bytes) => Err(PackError::new(
            Code::SourceBlobDigestMismatch,
            "the image's config does not have the digest it is named by",
        )
        .at(place)
        .found(Digest::of(&bytes))
        .wanted(wanted)),
        _ => Ok(bytes),
    }
}

fn blob(index: &TarIndex, name: &str) -> Result<FileSlice> {
    index.find(name)?.ok_or_else(|| {
        PackError::new(
            Code::SourceBlobMissing,
            "a file that `manifest.json` names is not in the archive",
        )
        .at(index.place())
        .wanted(name)
    })
}

/// The digest of the stored bytes, where the layout promises it.
fn stored_digest(name: &str) -> Option<Digest> {
    name.strip_prefix(BLOBS).and_then(Digest::from_hex)
}
