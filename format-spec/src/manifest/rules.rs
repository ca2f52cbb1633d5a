//! The rules a manifest must follow beyond its grammar, in SPEC's order.
//!
//! The same function judges a manifest that was read and one that is about to
//! be written, so a writer cannot make what a reader refuses.

use std::collections::{BTreeMap, BTreeSet};

use super::parse::check_features;
use super::{FORMAT_VERSION, Image, Layer, Manifest, PACKAGE_TYPE_SERVICE};
use crate::digest::Digest;
use crate::error::{Code, PackageError};
use crate::limits::{
    DIFF_BYTES_TOTAL_MAX, IMAGES_MAX, INTEGER_MAX, LAYERS_MAX, MTIME_MAX, NOTE_VALUE_MAX,
    NOTES_MAX, SERVICES_MAX,
};
use crate::{name, platform};

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
            // That no two images share reference and platform follows: the
            // service that uses them would have two images for one platform.
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

pub(super) fn fault(code: Code, what: &str, place: &str) -> PackageError {
    PackageError::new(code, what, place)
}

pub(super) fn form(
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
pub(super) fn range(
    key: &str,
    value: u64,
    least: u64,
    most: u64,
    place: &str,
) -> Result<(), PackageError> {
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

pub(super) fn count(
    key: &str,
    value: usize,
    least: u64,
    most: usize,
    place: &str,
) -> Result<(), PackageError> {
    range(key, value as u64, least, most as u64, place)
}
