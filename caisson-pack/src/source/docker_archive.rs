//! What `docker save` writes: a tar with `manifest.json`, configs and layers.
//! Both layouts: the old one (`<id>/layer.tar`, config `<hex>.json`, repeated
//! layers as symlinks) and that of Docker 25 and later (`blobs/sha256/<hex>`,
//! with an OCI layout beside it, which is not read).
//!
//! Attacks answered here: a huge or malformed `manifest.json`; files it names
//! that are missing or outside; a config that does not have the digest it is
//! named by; a number of layers other than the config's. Paths and links are
//! judged by [`super::tar_scan`], the layers' bytes by [`super::layer`].

use std::io::Read as _;
use std::path::Path;

use edgepkg::Digest;
use edgepkg::limits::CONFIG_BYTES_MAX;
use serde::Deserialize;

use super::file_slice::FileSlice;
use super::tar_index::TarIndex;
use super::{ImageConfig, SourceImage, SourceLayer, Which};
use crate::error::{Code, PackError, Result};
use crate::reference;

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

/// Finds the image in the archive and reads and checks its config.
pub(super) fn open(path: &Path, which: &Which) -> Result<SourceImage> {
    let index = TarIndex::open(path)?;
    let item = choose(path, read_manifest(&index)?, which)?;
    let config_bytes = read_config(&index, &item.config)?;
    let config_place = format!("{}: {}", path.display(), item.config);
    let config = ImageConfig::parse(&config_bytes, &config_place)?;
    let paths = item.layers.unwrap_or_default();
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
        let place = format!("{}: {name}", path.display());
        let data = blob(&index, name)?;
        layers.push(SourceLayer::new(
            place,
            data,
            *diff_id,
            stored_digest(name),
        )?);
    }
    let names = match which {
        Which::Named(chosen) => vec![chosen.clone()],
        Which::Only | Which::At(_) => item.names.unwrap_or_default(),
    };
    Ok(SourceImage {
        place: path.display().to_string(),
        names,
        config_bytes,
        config,
        layers,
    })
}

fn read_manifest(index: &TarIndex) -> Result<Vec<Item>> {
    let place = format!("{}: {MANIFEST}", index.path().display());
    let Some(data) = index.find(MANIFEST)? else {
        return Err(PackError::new(
            Code::SourceManifestMissing,
            "the archive has no `manifest.json`, so it holds no image",
        )
        .at_path(index.path()));
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

fn choose(path: &Path, items: Vec<Item>, which: &Which) -> Result<Item> {
    let count = items.len();
    let all_names = list_names(&items);
    let mut fitting = Vec::new();
    let wanted = match which {
        Which::Named(name) => Some(reference::qualify(name, "the image source")?),
        Which::Only | Which::At(_) => None,
    };
    for (position, item) in items.into_iter().enumerate() {
        let fits = match which {
            Which::Only => true,
            Which::At(wanted) => *wanted == position,
            Which::Named(_) => item.names.iter().flatten().any(|name| {
                reference::qualify(name, "").is_ok_and(|full| Some(&full) == wanted.as_ref())
            }),
        };
        if fits {
            fitting.push(item);
        }
    }
    match (fitting.pop(), fitting.is_empty()) {
        (Some(item), true) => Ok(item),
        (Some(_), false) => Err(PackError::new(
            Code::ImageAmbiguous,
            format!("the archive has {count} images; which one is meant"),
        )
        .at_path(path)
        .found(all_names)),
        (None, _) => Err(PackError::new(
            Code::ImageNotFound,
            "the archive does not have that image",
        )
        .at_path(path)
        .found(all_names)
        .wanted(match which {
            Which::At(position) => format!("image {position}, counted from 0"),
            _ => wanted.unwrap_or_default(),
        })),
    }
}

fn list_names(items: &[Item]) -> String {
    let names: Vec<String> = items
        .iter()
        .enumerate()
        .map(|(position, item)| match item.names.as_deref() {
            None | Some([]) => format!("@{position}"),
            Some(names) => names.join(", "),
        })
        .collect();
    names.join("; ")
}

fn read_config(index: &TarIndex, name: &str) -> Result<Vec<u8>> {
    let place = format!("{}: {name}", index.path().display());
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
        .at_path(index.path())
        .wanted(name)
    })
}

/// The digest of the stored bytes, where the layout promises it.
fn stored_digest(name: &str) -> Option<Digest> {
    name.strip_prefix(BLOBS).and_then(Digest::from_hex)
}

fn read_whole(mut data: FileSlice, limit: u64, place: &str) -> Result<Vec<u8>> {
    if data.size() > limit {
        return Err(PackError::new(
            Code::SourceLimitExceeded,
            "a file of the archive is too large",
        )
        .at(place)
        .found(format!("{} bytes", data.size()))
        .wanted(format!("at most {limit} bytes")));
    }
    let mut bytes = Vec::new();
    data.read_to_end(&mut bytes).map_err(|error| {
        PackError::from_io(error, |error| {
            PackError::new(Code::SourceReadFailed, "the image source could not be read")
                .found(error)
        })
        .at(place)
    })?;
    Ok(bytes)
}
