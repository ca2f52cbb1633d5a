//! Which entries follow from the images, in file order.

use std::collections::BTreeSet;

use super::{Entry, Manifest, blob_path};
use crate::derive;
use crate::digest::Digest;

/// The folder of further payloads, with its slash.
pub const FILES: &str = "files/";

impl Manifest {
    /// Every entry but those below `files/`, with size and digest, as it
    /// follows from the images: derived files, then each image's OCI manifest
    /// and config, then the layers, base first; each path once. Sizes of
    /// configs are taken from `entries`, the only place that says them.
    pub(crate) fn derived_and_blob_entries(&self) -> Vec<Entry> {
        let mut list = EntryList::default();
        list.add_bytes(derive::OCI_LAYOUT, &derive::oci_layout());
        list.add_bytes(derive::INDEX_JSON, &derive::index_json(self));
        list.add_bytes(derive::MANIFEST_JSON, &derive::manifest_json(self));
        for image in &self.images {
            let oci_manifest = derive::oci_manifest(self, image);
            list.add_blob(Digest::of(&oci_manifest), oci_manifest.len() as u64);
            list.add_blob(image.config, self.config_size(image).unwrap_or_default());
        }
        for layer in self.images.iter().flat_map(|image| &image.layers) {
            list.add_blob(layer.digest, layer.size);
        }
        list.entries
    }
}

#[derive(Default)]
struct EntryList {
    entries: Vec<Entry>,
    blobs: BTreeSet<Digest>,
}

impl EntryList {
    fn add_bytes(&mut self, path: &str, bytes: &[u8]) {
        self.entries.push(Entry {
            path: path.to_string(),
            size: bytes.len() as u64,
            sha256: Digest::of(bytes),
        });
    }

    fn add_blob(&mut self, digest: Digest, size: u64) {
        if self.blobs.insert(digest) {
            self.entries.push(Entry {
                path: blob_path(&digest),
                size,
                sha256: digest,
            });
        }
    }
}
