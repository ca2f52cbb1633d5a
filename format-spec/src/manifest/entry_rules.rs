//! The rules of `[[entries]]` and `[chunks]`: the list is the one that follows
//! from the images, in its order, with the sizes and digests that follow.

use super::order::FILES;
use super::rules::{count, fault, form, range};
use super::{BLOBS, Entry, Manifest, blob_path};
use crate::digest::{DIGEST_BYTES, Digest};
use crate::error::{Code, PackageError};
use crate::limits::{CHUNK_BYTES, CHUNK_TABLE_BYTES_MAX, CONFIG_BYTES_MAX, ENTRIES_MAX};
use crate::{derive, name};

impl Manifest {
    pub(super) fn check_entries(&self) -> Result<(), PackageError> {
        let list = "manifest.toml, [[entries]]";
        count("entries", self.entries.len(), 1, ENTRIES_MAX, list)?;
        self.check_configs(list)?;
        let expected = self.derived_and_blob_entries();
        self.check_order(&expected)?;
        self.check_files(expected.len())?;
        for (position, (found, wanted)) in self.entries.iter().zip(&expected).enumerate() {
            if found == wanted {
                continue;
            }
            let (code, what) = if wanted.path.starts_with(BLOBS) {
                (Code::Inconsistent, "not the size or digest of this blob")
            } else {
                (
                    Code::DerivedMismatch,
                    "not the file that follows from the manifest",
                )
            };
            let place = format!("{list} {}", position + 1);
            return Err(fault(code, what, &place)
                .found(format!("{} bytes, {}", found.size, found.sha256))
                .wanted(format!("{} bytes, {}", wanted.size, wanted.sha256)));
        }
        self.check_engine_manifests()
    }

    /// The paths first: where they differ, sizes and digests say nothing.
    fn check_order(&self, expected: &[Entry]) -> Result<(), PackageError> {
        for (position, wanted) in expected.iter().enumerate() {
            let found = self.entries.get(position).map(|entry| entry.path.as_str());
            if found != Some(&wanted.path) {
                return Err(fault(
                    Code::EntriesMismatch,
                    "not the entry that follows from the images",
                    &format!("manifest.toml, [[entries]] {}", position + 1),
                )
                .found(found.unwrap_or("no entry"))
                .wanted(&wanted.path));
            }
        }
        Ok(())
    }

    fn check_configs(&self, list: &str) -> Result<(), PackageError> {
        for image in &self.images {
            let Some(size) = self.config_size(image) else {
                return Err(fault(
                    Code::EntriesMismatch,
                    "an image's config has no entry",
                    list,
                )
                .wanted(blob_path(&image.config)));
            };
            range("a config's size", size, 1, CONFIG_BYTES_MAX, list)?;
        }
        Ok(())
    }

    fn check_engine_manifests(&self) -> Result<(), PackageError> {
        for (position, image) in self.images.iter().enumerate() {
            let size = self.config_size(image).unwrap_or_default();
            let bytes = derive::engine_manifest(&image.config, size, &image.layers);
            let wanted = Digest::of(&bytes);
            if image.engine_manifest != wanted {
                return Err(fault(
                    Code::DerivedMismatch,
                    "`engine_manifest` is not the digest that follows from the image",
                    &format!("manifest.toml, [[images]] {}", position + 1),
                )
                .found(image.engine_manifest)
                .wanted(wanted));
            }
        }
        Ok(())
    }

    /// What follows the blobs is `files/`, in ascending order.
    fn check_files(&self, first: usize) -> Result<(), PackageError> {
        let mut previous: Option<&str> = None;
        for (position, entry) in self.entries.iter().enumerate().skip(first) {
            let place = format!("manifest.toml, [[entries]] {}", position + 1);
            let Some(file) = entry.path.strip_prefix(FILES) else {
                return Err(fault(
                    Code::EntriesMismatch,
                    "an entry that neither follows from the images nor is below files/",
                    &place,
                )
                .found(&entry.path));
            };
            form(
                name::is_file(file),
                "path",
                &entry.path,
                "files/ and 1 to 90 of A-Z a-z 0-9 . _ -",
                &place,
            )?;
            match previous {
                Some(previous) if previous == file => {
                    return Err(fault(Code::Duplicate, "two entries of one path", &place)
                        .found(&entry.path));
                }
                Some(previous) if previous > file => {
                    return Err(fault(
                        Code::EntriesMismatch,
                        "the files are not in ascending order",
                        &place,
                    )
                    .found(&entry.path));
                }
                _ => previous = Some(file),
            }
            if entry.size == 0 && entry.sha256 != Digest::of(b"") {
                return Err(fault(
                    Code::Inconsistent,
                    "an empty entry with a digest of something",
                    &place,
                )
                .found(entry.sha256)
                .wanted(Digest::of(b"")));
            }
        }
        Ok(())
    }

    pub(super) fn check_chunks(&self) -> Result<(), PackageError> {
        let place = "manifest.toml, [chunks]";
        let chunks = self.entries.iter().fold(0_u64, |sum, entry| {
            sum.saturating_add(chunk_count(entry.size))
        });
        let wanted = chunks.saturating_mul(DIGEST_BYTES as u64);
        if wanted > CHUNK_TABLE_BYTES_MAX {
            return Err(fault(
                Code::LimitExceeded,
                "the package holds more data than a chunk table can describe",
                place,
            )
            .found(format!("{chunks} chunks"))
            .wanted(format!(
                "at most {} chunks of 1 MiB",
                CHUNK_TABLE_BYTES_MAX / DIGEST_BYTES as u64
            )));
        }
        if self.chunks.size != wanted {
            return Err(fault(
                Code::Inconsistent,
                "the chunk table does not have 32 bytes per chunk of the entries",
                place,
            )
            .found(self.chunks.size)
            .wanted(wanted));
        }
        Ok(())
    }
}

/// Number of chunks of an entry of this size.
pub(crate) fn chunk_count(size: u64) -> u64 {
    size.div_ceil(CHUNK_BYTES)
}
