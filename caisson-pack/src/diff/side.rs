//! One of the two packages, as far as a comparison needs it.

use std::collections::BTreeMap;
use std::path::Path;

use edgepkg::manifest::{Manifest, blob_path};
use edgepkg::{Digest, PackageReader};

use super::settings;
use crate::error::{PackError, Result};
use crate::progress::Watch;
use crate::verify::{compare_config, open_source, read_config};

/// Head and configs of a package.
#[derive(Clone, Debug)]
pub struct Side {
    /// Its manifest.
    pub manifest: Manifest,
    /// The identity of the package.
    pub manifest_digest: Digest,
    /// Size of the package, in bytes.
    pub size: u64,
    /// The configs' bytes: at most 64 of at most 1 MiB, by the format's limits.
    pub configs: BTreeMap<Digest, Vec<u8>>,
}

impl Side {
    /// Reads a package up to its last config; what follows are layers.
    ///
    /// # Errors
    /// As [`super::compare`].
    pub fn read(path: &Path, watch: &mut Watch) -> Result<Self> {
        let (source, options) = open_source(path)?;
        let mut reader = PackageReader::open(source, options).map_err(PackError::package)?;
        let mut side = Self {
            manifest: reader.manifest().clone(),
            manifest_digest: reader.manifest_digest(),
            size: reader.file_bytes(),
            configs: BTreeMap::new(),
        };
        let manifest = &side.manifest;
        let mut wanted: BTreeMap<String, Vec<_>> = BTreeMap::new();
        for image in &manifest.images {
            let images = wanted.entry(blob_path(&image.config)).or_default();
            images.push(image);
        }
        while !wanted.is_empty() {
            let entry = reader.next_entry().map_err(PackError::package)?;
            // Every config has its entry: that is a rule of the manifest.
            let Some(entry) = entry else { break };
            let path = entry.path.clone();
            watch.reach(reader.bytes_read())?;
            for image in wanted.remove(&path).unwrap_or_default() {
                if side.configs.contains_key(&image.config) {
                    continue;
                }
                let (bytes, config) = read_config(&mut reader, &path)?;
                compare_config(&config, image, &path)?;
                settings::check(&bytes, &path)?;
                side.configs.insert(image.config, bytes);
            }
        }
        Ok(side)
    }
}
