//! What goes into a package, and the manifest that follows from it.

use std::collections::BTreeMap;

use super::blob::BlobDraft;
use crate::derive;
use crate::digest::{DIGEST_BYTES, Digest};
use crate::error::PackageError;
use crate::manifest::{
    Chunks, Compatibility, Entry, FILES, FORMAT_VERSION, Image, Layer, Manifest,
    PACKAGE_TYPE_SERVICE, Service, blob_path,
};
use crate::reader::file_bytes;

/// Everything the writer needs to know before it writes the first byte.
#[derive(Clone, Debug, Default)]
pub struct PackageDraft {
    /// Semantic version of what is delivered.
    pub package_version: String,
    /// Counter that orders releases.
    pub release: Option<u64>,
    /// Seconds since 1970, for every header.
    pub mtime: u64,
    /// Features a reader must know.
    pub requires: Vec<String>,
    /// Whether the derived files carry the images' own references.
    pub live_names: bool,
    /// What the device must be able to do.
    pub compatibility: Compatibility,
    /// Shown to people.
    pub notes: BTreeMap<String, String>,
    /// In the order they shall stand in the manifest.
    pub services: Vec<Service>,
    /// In the order they shall stand in the manifest.
    pub images: Vec<ImageDraft>,
    /// In any order; names are what follows `files/`.
    pub files: Vec<FileDraft>,
}

/// One image.
#[derive(Clone, Debug)]
pub struct ImageDraft {
    /// Its name, with a tag.
    pub reference: String,
    /// Normalized platform.
    pub platform: String,
    /// The config's bytes.
    pub config: Vec<u8>,
    /// Base first.
    pub layers: Vec<LayerDraft>,
}

/// One layer, packed as one zstd frame.
#[derive(Clone, Debug)]
pub struct LayerDraft {
    /// The packed bytes.
    pub blob: BlobDraft,
    /// Digest of the unpacked tar.
    pub diff_id: Digest,
    /// Size of the unpacked tar, in bytes.
    pub diff_size: u64,
}

/// One further payload.
#[derive(Clone, Debug)]
pub struct FileDraft {
    /// Its name below `files/`.
    pub name: String,
    /// Its bytes.
    pub blob: BlobDraft,
}

/// A manifest with the data of each of its entries, in file order.
pub(super) struct Plan {
    pub(super) manifest: Manifest,
    pub(super) chunk_table: Vec<u8>,
    pub(super) data: Vec<BlobDraft>,
}

impl PackageDraft {
    /// The manifest this draft leads to.
    ///
    /// # Errors
    /// What [`Manifest::check`] finds.
    pub fn manifest(&self) -> Result<Manifest, PackageError> {
        self.plan().map(|plan| plan.manifest)
    }

    /// Size of the file this draft leads to, in bytes.
    ///
    /// # Errors
    /// As [`PackageDraft::manifest`].
    pub fn file_bytes(&self) -> Result<u64, PackageError> {
        let manifest = self.manifest()?;
        let manifest_bytes = manifest.emit().len() as u64;
        Ok(file_bytes(&manifest, manifest_bytes))
    }

    pub(super) fn plan(&self) -> Result<Plan, PackageError> {
        let mut manifest = self.manifest_without_entries();
        let mut blobs = self.blobs(&mut manifest);
        for image in &manifest.images {
            let oci_manifest = derive::oci_manifest(&manifest, image);
            let blob = BlobDraft::from_bytes(oci_manifest);
            blobs.insert(blob_path(&blob.sum.digest), blob);
        }
        for (path, bytes) in [
            (derive::OCI_LAYOUT, derive::oci_layout()),
            (derive::INDEX_JSON, derive::index_json(&manifest)),
            (derive::MANIFEST_JSON, derive::manifest_json(&manifest)),
        ] {
            blobs.insert(path.to_string(), BlobDraft::from_bytes(bytes));
        }
        manifest.entries = manifest.derived_and_blob_entries();
        let mut data: Vec<BlobDraft> = manifest
            .entries
            .iter()
            .map(|entry| blobs[&entry.path].clone())
            .collect();

        let mut files: Vec<&FileDraft> = self.files.iter().collect();
        files.sort_by(|one, other| one.name.cmp(&other.name));
        for file in files {
            manifest.entries.push(Entry {
                path: format!("{FILES}{}", file.name),
                size: file.blob.sum.size,
                sha256: file.blob.sum.digest,
            });
            data.push(file.blob.clone());
        }
        let chunk_table = chunk_table(&data);
        manifest.chunks = Chunks {
            size: chunk_table.len() as u64,
            sha256: Digest::of(&chunk_table),
        };
        manifest.check()?;
        Ok(Plan {
            manifest,
            chunk_table,
            data,
        })
    }

    fn manifest_without_entries(&self) -> Manifest {
        Manifest {
            format_version: FORMAT_VERSION,
            requires: self.requires.clone(),
            package_type: PACKAGE_TYPE_SERVICE.to_string(),
            package_version: self.package_version.clone(),
            release: self.release,
            mtime: self.mtime,
            live_names: self.live_names,
            compatibility: self.compatibility.clone(),
            notes: self.notes.clone(),
            services: self.services.clone(),
            images: self.images.iter().map(ImageDraft::image).collect(),
            entries: Vec::new(),
            chunks: Chunks {
                size: 0,
                sha256: Digest::of(b""),
            },
        }
    }

    /// Configs and layers by path. The configs' entries go into the manifest,
    /// where the derivations look for their sizes.
    fn blobs(&self, manifest: &mut Manifest) -> BTreeMap<String, BlobDraft> {
        let mut blobs = BTreeMap::new();
        for image in &self.images {
            let config = BlobDraft::from_bytes(image.config.clone());
            let path = blob_path(&config.sum.digest);
            manifest.entries.push(Entry {
                path: path.clone(),
                size: config.sum.size,
                sha256: config.sum.digest,
            });
            blobs.insert(path, config);
            for layer in &image.layers {
                let path = blob_path(&layer.blob.sum.digest);
                blobs.insert(path, layer.blob.clone());
            }
        }
        blobs
    }
}

impl ImageDraft {
    fn image(&self) -> Image {
        let config = Digest::of(&self.config);
        let layers: Vec<Layer> = self.layers.iter().map(LayerDraft::layer).collect();
        let engine_manifest = derive::engine_manifest(&config, self.config.len() as u64, &layers);
        Image {
            reference: self.reference.clone(),
            platform: self.platform.clone(),
            config,
            engine_manifest: Digest::of(&engine_manifest),
            layers,
        }
    }
}

impl LayerDraft {
    /// The layer as the manifest describes it.
    pub fn layer(&self) -> Layer {
        Layer {
            digest: self.blob.sum.digest,
            size: self.blob.sum.size,
            diff_id: self.diff_id,
            diff_size: self.diff_size,
        }
    }
}

fn chunk_table(data: &[BlobDraft]) -> Vec<u8> {
    let rows: usize = data.iter().map(|blob| blob.sum.chunks.len()).sum();
    let mut table = Vec::with_capacity(rows * DIGEST_BYTES);
    for row in data.iter().flat_map(|blob| &blob.sum.chunks) {
        table.extend_from_slice(row.as_bytes());
    }
    table
}
