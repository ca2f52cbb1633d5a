//! The rules a manifest must follow beyond its grammar, in SPEC's order.
//!
//! The same function judges a manifest that was read and one that is about to
//! be written, so a writer cannot make what a reader refuses.

use std::collections::{BTreeMap, BTreeSet};

use super::order::FILES;
use super::parse::check_features;
use super::{FORMAT_VERSION, Image, Layer, Manifest, PACKAGE_TYPE_SERVICE};
use crate::digest::{DIGEST_BYTES, Digest};
use crate::error::{Code, PackageError};
use crate::limits::{
    CHUNK_BYTES, CHUNK_TABLE_BYTES_MAX, CONFIG_BYTES_MAX, DIFF_BYTES_TOTAL_MAX, ENTRIES_MAX,
    IMAGES_MAX, INTEGER_MAX, LAYERS_MAX, MTIME_MAX, NOTE_VALUE_MAX, NOTES_MAX, SERVICES_MAX,
};
use crate::{derive, name, platform};

impl Manifest {
    /// Holds the manifest against every rule of SPEC section 5.
    ///
    /// # Errors
    /// `manifest.*`, `pkg.format_version_unsupported`, `pkg.feature_required`,
    /// `pkg.package_type_unsupported`; the first rule that is broken.
    pub fn check(&self) -> Result<(), PackageError> {
        self.check_top()?;
        self.check_notes()?;
        self.check_services()?;
        self.check_images()?;
        self.check_blobs()?;
        self.check_entries()?;
        self.check_chunks()
    }

    fn check_top(&self) -> Result<(), PackageError> {
        const TOP: &str = "manifest.toml";
        if self.format_version != FORMAT_VERSION {
            return Err(fault(
                Code::FormatVersionUnsupported,
                "this is not the format version of this crate",
                TOP,
            )
            .found(self.format_version)
            .wanted(FORMAT_VERSION));
        }
        check_features(&self.requires, TOP)?;
        if self.package_type != PACKAGE_TYPE_SERVICE {
            return Err(fault(
                Code::PackageTypeUnsupported,
                "the package is of a type this program does not know",
                TOP,
            )
            .found(&self.package_type)
            .wanted(PACKAGE_TYPE_SERVICE));
        }
        form(
            name::is_version(&self.package_version),
            "package_version",
            &self.package_version,
            "a semantic version such as 1.2.0",
            TOP,
        )?;
        if let Some(release) = self.release {
            range("release", release, 1, INTEGER_MAX, TOP)?;
        }
        range("mtime", self.mtime, 0, MTIME_MAX, TOP)?;
        let place = "manifest.toml, [compatibility]";
        if let Some(version) = &self.compatibility.min_updater_version {
            form(
                name::is_version(version),
                "min_updater_version",
                version,
                "a semantic version such as 1.2.0",
                place,
            )?;
        }
        if let Some(version) = &self.compatibility.engine_api_min {
            form(
                name::is_engine_api(version),
                "engine_api_min",
                version,
                "a Docker API version such as 1.41",
                place,
            )?;
        }
        Ok(())
    }

    fn check_notes(&self) -> Result<(), PackageError> {
        let place = "manifest.toml, [notes]";
        count("notes", self.notes.len(), 0, NOTES_MAX, place)?;
        for (key, value) in &self.notes {
            form(
                name::is_note_key(key),
                "a note's key",
                key,
                "1 to 64 of a-z 0-9 _ -",
                place,
            )?;
            count(key, value.len(), 0, NOTE_VALUE_MAX, place)?;
            let printable = value
                .chars()
                .all(|character| !character.is_control() || "\n\t".contains(character));
            form(printable, key, value, "no control characters", place)?;
        }
        Ok(())
    }

    fn check_services(&self) -> Result<(), PackageError> {
        let list = "manifest.toml, [[services]]";
        count("services", self.services.len(), 1, SERVICES_MAX, list)?;
        let mut targets = BTreeSet::new();
        for (position, service) in self.services.iter().enumerate() {
            let place = format!("{list} {}", position + 1);
            form(
                name::is_service(&service.service),
                "service",
                &service.service,
                "a letter or digit, then letters, digits, . _ -, at most 64",
                &place,
            )?;
            form(
                name::is_service_revision(&service.service_revision),
                "service_revision",
                &service.service_revision,
                "a letter or digit, then letters, digits, . _ - : + @ /, at most 128",
                &place,
            )?;
            let mut images = self
                .images
                .iter()
                .filter(|image| image.reference == service.image)
                .peekable();
            if images.peek().is_none() {
                return Err(fault(
                    Code::Inconsistent,
                    "the service's image is not in the package",
                    &place,
                )
                .found(&service.image));
            }
            for image in images {
                if !targets.insert((&service.service, &image.platform)) {
                    return Err(fault(
                        Code::Duplicate,
                        "two images for one service and platform",
                        &place,
                    )
                    .found(format!("{} on {}", service.service, image.platform)));
                }
            }
        }
        Ok(())
    }

    fn check_images(&self) -> Result<(), PackageError> {
        let list = "manifest.toml, [[images]]";
        count("images", self.images.len(), 1, IMAGES_MAX, list)?;
        let mut names = BTreeSet::new();
        for (position, image) in self.images.iter().enumerate() {
            let place = format!("{list} {}", position + 1);
            form(
                name::parse_reference(&image.reference).is_some(),
                "reference",
                &image.reference,
                "an image reference with a tag and without a digest",
                &place,
            )?;
            form(
                platform::normalize(&image.platform).as_ref() == Some(&image.platform),
                "platform",
                &image.platform,
                "a normalized platform such as linux/arm64",
                &place,
            )?;
            if !names.insert((&image.reference, &image.platform)) {
                return Err(fault(
                    Code::Duplicate,
                    "two images of one reference and platform",
                    &place,
                )
                .found(format!("{} for {}", image.reference, image.platform)));
            }
            if !self
                .services
                .iter()
                .any(|service| service.image == image.reference)
            {
                return Err(fault(
                    Code::Inconsistent,
                    "no service of the package uses this image",
                    &place,
                )
                .found(&image.reference));
            }
            check_layers(&image.layers, &place)?;
        }
        Ok(())
    }

    /// One digest means one thing everywhere, so a reader may go by digest alone.
    fn check_blobs(&self) -> Result<(), PackageError> {
        let mut by_digest: BTreeMap<Digest, &Layer> = BTreeMap::new();
        let mut by_diff_id: BTreeMap<Digest, &Layer> = BTreeMap::new();
        let mut by_config: BTreeMap<Digest, &Image> = BTreeMap::new();
        for (position, image) in self.images.iter().enumerate() {
            let place = format!("manifest.toml, [[images]] {}", position + 1);
            let contradiction =
                |what: &str, digest: Digest| fault(Code::Inconsistent, what, &place).found(digest);
            for layer in &image.layers {
                if *by_digest.entry(layer.digest).or_insert(layer) != layer {
                    let what = "one blob is described in two ways";
                    return Err(contradiction(what, layer.digest));
                }
                if *by_diff_id.entry(layer.diff_id).or_insert(layer) != layer {
                    let what = "one unpacked layer is packed in two ways";
                    return Err(contradiction(what, layer.diff_id));
                }
            }
            let twin = *by_config.entry(image.config).or_insert(image);
            if twin.layers != image.layers || twin.platform != image.platform {
                let what = "one config with two lists of layers or two platforms";
                return Err(contradiction(what, image.config));
            }
        }
        match by_config
            .keys()
            .find(|config| by_digest.contains_key(config))
        {
            None => Ok(()),
            Some(config) => Err(fault(
                Code::Inconsistent,
                "one blob is a config and a layer",
                "manifest.toml, [[images]]",
            )
            .found(config)),
        }
    }

    fn check_entries(&self) -> Result<(), PackageError> {
        let list = "manifest.toml, [[entries]]";
        count("entries", self.entries.len(), 1, ENTRIES_MAX, list)?;
        self.check_configs(list)?;
        let expected = self.derived_and_blob_entries();
        for (position, wanted) in expected.iter().enumerate() {
            let place = format!("{list} {}", position + 1);
            let found = self.entries.get(position);
            if found.map(|entry| &entry.path) != Some(&wanted.path) {
                return Err(fault(
                    Code::EntriesMismatch,
                    "not the entry that follows from the images",
                    &place,
                )
                .found(found.map_or("no entry", |entry| entry.path.as_str()))
                .wanted(&wanted.path));
            }
            if found != Some(wanted) {
                let derived = !wanted.path.starts_with(super::BLOBS);
                let (code, what) = if derived {
                    (
                        Code::DerivedMismatch,
                        "not the file that follows from the manifest",
                    )
                } else {
                    (Code::Inconsistent, "not the size or digest of this blob")
                };
                return Err(fault(code, what, &place)
                    .found(found.map_or_else(String::new, |entry| {
                        format!("{} bytes, {}", entry.size, entry.sha256)
                    }))
                    .wanted(format!("{} bytes, {}", wanted.size, wanted.sha256)));
            }
        }
        self.check_engine_manifests()?;
        self.check_files(expected.len())
    }

    fn check_configs(&self, list: &str) -> Result<(), PackageError> {
        for image in &self.images {
            let Some(size) = self.config_size(image) else {
                return Err(fault(
                    Code::EntriesMismatch,
                    "an image's config has no entry",
                    list,
                )
                .wanted(super::blob_path(&image.config)));
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

    fn check_chunks(&self) -> Result<(), PackageError> {
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

fn check_layers(layers: &[Layer], image: &str) -> Result<(), PackageError> {
    count("layers", layers.len(), 1, LAYERS_MAX, image)?;
    let mut total = 0_u64;
    for (position, layer) in layers.iter().enumerate() {
        let place = format!("{image}, layer {}", position + 1);
        range("size", layer.size, 1, INTEGER_MAX, &place)?;
        range(
            "diff_size",
            layer.diff_size,
            1,
            DIFF_BYTES_TOTAL_MAX,
            &place,
        )?;
        total = total.saturating_add(layer.diff_size);
    }
    range(
        "the sum of diff_size",
        total,
        1,
        DIFF_BYTES_TOTAL_MAX,
        image,
    )
}

fn fault(code: Code, what: &str, place: &str) -> PackageError {
    PackageError::new(code, what, place)
}

fn form(
    holds: bool,
    key: &str,
    value: &str,
    wanted: &str,
    place: &str,
) -> Result<(), PackageError> {
    if holds {
        return Ok(());
    }
    let what = format!("`{key}` has a value it cannot have");
    Err(fault(Code::BadValue, &what, place)
        .found(value)
        .wanted(wanted))
}

/// A number below its least value is a bad value, one above its greatest is
/// over a limit.
fn range(key: &str, value: u64, least: u64, most: u64, place: &str) -> Result<(), PackageError> {
    let (code, what) = if value < least {
        (Code::BadValue, format!("`{key}` is too small"))
    } else if value > most {
        (Code::LimitExceeded, format!("`{key}` is too large"))
    } else {
        return Ok(());
    };
    Err(fault(code, &what, place)
        .found(value)
        .wanted(format!("{least} to {most}")))
}

fn count(
    key: &str,
    value: usize,
    least: u64,
    most: usize,
    place: &str,
) -> Result<(), PackageError> {
    range(key, value as u64, least, most as u64, place)
}
