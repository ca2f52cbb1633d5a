//! `manifest.toml`: what a package holds. It is the one thing that is signed,
//! and everything else hangs on the digests in it.
//!
//! The types say what a manifest *is*; [`Manifest::parse`] is the only way to
//! get one from bytes, and what it returns has passed every rule of SPEC
//! section 5. A manifest built by hand passes [`Manifest::check`] first.
//!
//! What this does not do: it reads no file, trusts no signature and knows no
//! device.

mod emit;
mod entry_rules;
mod lines;
mod order;
mod parse;
mod rules;

use std::collections::BTreeMap;

use serde::Serialize;

use crate::digest::Digest;

pub(crate) use entry_rules::chunk_count;
pub use order::FILES;

/// The format version of this crate.
pub const FORMAT_VERSION: u64 = 2;

/// The one `package_type` of version 2.
pub const PACKAGE_TYPE_SERVICE: &str = "service";

/// The whole of `manifest.toml`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Manifest {
    /// Always 2.
    pub format_version: u64,
    /// Features a reader must know. This crate knows none yet.
    pub requires: Vec<String>,
    /// Always `service`.
    pub package_type: String,
    /// Semantic version of what is delivered.
    pub package_version: String,
    /// Counter that orders releases, 1 to 2^53 - 1.
    pub release: Option<u64>,
    /// Seconds since 1970, in every header of the package.
    pub mtime: u64,
    /// True if `index.json` and `manifest.json` carry the images' own
    /// references instead of `caisson.local/` names.
    pub live_names: bool,
    /// What the device must be able to do.
    pub compatibility: Compatibility,
    /// Shown to people, never acted on.
    pub notes: BTreeMap<String, String>,
    /// Services this package updates.
    pub services: Vec<Service>,
    /// Images this package holds.
    pub images: Vec<Image>,
    /// Every entry after `chunks.sha256`, in file order.
    pub entries: Vec<Entry>,
    /// The chunk table.
    pub chunks: Chunks,
}

/// What the device must be able to do.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Compatibility {
    /// Semantic version below which `caisson-apply` must refuse.
    pub min_updater_version: Option<String>,
    /// Docker API version, such as `1.41`, below which the engine is too old.
    pub engine_api_min: Option<String>,
}

/// One service and the image it runs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Service {
    /// The service's name in the device's catalog.
    pub service: String,
    /// Must equal the catalog's.
    pub service_revision: String,
    /// The `reference` of one or more images, one per platform.
    pub image: String,
}

/// One image for one platform.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Image {
    /// The name the image had where it was built, with its tag.
    pub reference: String,
    /// Normalized platform, such as `linux/amd64`.
    pub platform: String,
    /// Digest of the config blob: the image id on classic stores.
    pub config: Digest,
    /// Digest of the canonical docker manifest over the unpacked layers: the
    /// image id on the containerd store.
    pub engine_manifest: Digest,
    /// Layers, base first.
    pub layers: Vec<Layer>,
}

/// One layer, packed and unpacked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Layer {
    /// Digest of the packed blob.
    pub digest: Digest,
    /// Size of the packed blob, in bytes.
    pub size: u64,
    /// Digest of the unpacked tar.
    pub diff_id: Digest,
    /// Size of the unpacked tar, in bytes.
    pub diff_size: u64,
}

/// One entry of the package file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Entry {
    /// Name in the tar.
    pub path: String,
    /// Size of the data, in bytes.
    pub size: u64,
    /// Digest of the data.
    pub sha256: Digest,
}

/// The entry `chunks.sha256`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Chunks {
    /// Its size, in bytes: 32 per chunk.
    pub size: u64,
    /// Its digest.
    pub sha256: Digest,
}

impl Manifest {
    /// The service of this name and its image for this (normalized) platform.
    pub fn image_for(&self, service: &str, platform: &str) -> Option<(&Service, &Image)> {
        self.services
            .iter()
            .filter(|candidate| candidate.service == service)
            .find_map(|candidate| {
                self.images
                    .iter()
                    .find(|image| image.reference == candidate.image && image.platform == platform)
                    .map(|image| (candidate, image))
            })
    }

    /// The entry of this path.
    pub fn entry(&self, path: &str) -> Option<&Entry> {
        self.entries.iter().find(|entry| entry.path == path)
    }

    /// Size of the image's config, in bytes. `None` only for a manifest that
    /// was built by hand and not checked.
    pub fn config_size(&self, image: &Image) -> Option<u64> {
        self.entry(&blob_path(&image.config))
            .map(|entry| entry.size)
    }
}

/// The path of the blob with this digest.
pub fn blob_path(digest: &Digest) -> String {
    format!("{BLOBS}{}", digest.hex())
}

/// The folder of blobs, with its slash.
pub const BLOBS: &str = "blobs/sha256/";
