//! Packages of format version 1, the predecessor's: a tar with `manifest.toml`
//! and a docker archive `image.tar`, to be built again as version 2.
//!
//! Nothing in such a file has a digest, so nothing of it is believed beyond its
//! form: the image is checked as any docker archive is, and what the manifest says
//! of its platform is held against the image's config.
//!
//! Attacks answered here: entries besides the two, which the predecessor read past
//! in silence; a manifest that is too large, or says it is of another version.

use std::path::Path;

use edgepkg::platform;
use serde::Deserialize;

use super::archive::{open_file, plain};
use super::docker_archive;
use super::files::read_whole;
use super::tar_index::TarIndex;
use super::{Opening, SourceImage, Which, platform_missing};
use crate::error::{Code, PackError, Result};
use crate::timestamp;

const MANIFEST: &str = "manifest.toml";
const IMAGE: &str = "image.tar";

/// Greatest size of the manifest, in bytes: the predecessor's own limit.
const MANIFEST_BYTES_MAX: u64 = 64 * 1024;

/// What the manifest of a version 1 package says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Version1 {
    /// Semantic version of what is delivered.
    pub package_version: String,
    /// The service's name in the device's catalog.
    pub service: String,
    /// The service's revision in the device's catalog.
    pub service_revision: String,
    /// The platform, normalized.
    pub platform: String,
    /// The name of the image, in whatever form.
    pub reference: String,
    /// The lowest version of the predecessor that could read it. It counts another
    /// program's versions, so it means nothing in a package of version 2.
    pub min_updater_version: Option<String>,
}

#[derive(Deserialize)]
struct Raw {
    format_version: toml::Value,
    package_type: String,
    package_version: String,
    created_at: String,
    target: RawTarget,
    image: RawImage,
    #[serde(default)]
    compatibility: RawCompatibility,
}

#[derive(Deserialize)]
struct RawTarget {
    service: String,
    service_revision: String,
    platform: String,
}

#[derive(Deserialize)]
struct RawImage {
    reference: String,
}

#[derive(Default, Deserialize)]
struct RawCompatibility {
    min_updater_version: Option<String>,
}

impl Version1 {
    /// Reads the manifest of the package at this path.
    ///
    /// # Errors
    /// `usage.file_unreadable`, and what is refused of any tar; `source.entry_refused`
    /// for further entries, `source.manifest_missing`, `source.manifest_invalid`.
    pub fn read(path: &Path) -> Result<Self> {
        Self::of(&open_package(path)?)
    }

    fn of(package: &TarIndex) -> Result<Self> {
        let place = format!("{}: {MANIFEST}", package.place());
        let data = package
            .find(MANIFEST)?
            .ok_or_else(|| missing(package, MANIFEST))?;
        let bytes = read_whole(data, MANIFEST_BYTES_MAX, &place)?;
        let invalid = |what: &str| PackError::new(Code::SourceManifestInvalid, what).at(&place);
        let text = std::str::from_utf8(&bytes)
            .map_err(|error| invalid("the manifest is no text").found(error))?;
        let raw: Raw = toml::from_str(text).map_err(|error| {
            invalid("the manifest is not one of format version 1").found(error.message())
        })?;
        let is_version_1 = match &raw.format_version {
            toml::Value::Integer(number) => *number == 1,
            toml::Value::String(text) => text == "1",
            _ => false,
        };
        if !is_version_1 {
            return Err(invalid("the package is of another format version").wanted("1"));
        }
        if !matches!(&*raw.package_type, "service" | "service-update") {
            return Err(invalid("the package is of another type")
                .found(&raw.package_type)
                .wanted("service"));
        }
        if timestamp::parse(&raw.created_at).is_none() {
            return Err(invalid("its `created_at` is no date")
                .found(&raw.created_at)
                .wanted("such as 2026-01-31T12:00:00Z"));
        }
        let platform = platform::normalize(&raw.target.platform)
            .ok_or_else(|| invalid("its platform makes no sense").found(&raw.target.platform))?;
        Ok(Self {
            package_version: raw.package_version,
            service: raw.target.service,
            service_revision: raw.target.service_revision,
            platform,
            reference: raw.image.reference,
            min_updater_version: raw.compatibility.min_updater_version,
        })
    }
}

/// The package's image, for the platform it says; that must be the one asked for,
/// if one was.
pub(super) fn open(
    path: &Path,
    platforms: &[String],
    opening: &mut Opening,
) -> Result<Vec<SourceImage>> {
    let package = open_package(path)?;
    let version_1 = Version1::of(&package)?;
    if let Some(version) = &version_1.min_updater_version {
        opening.watch.note(&format!(
            "{}: min_updater_version {version} is left out: it counts the predecessor's versions",
            package.place()
        ));
    }
    let said = &version_1.platform;
    if let Some(other) = platforms.iter().find(|platform| *platform != said) {
        return Err(platform_missing(
            package.place(),
            other,
            std::slice::from_ref(said),
        ));
    }
    let place = format!("{}: {IMAGE}", package.place());
    let image = package
        .find(IMAGE)?
        .ok_or_else(|| missing(&package, IMAGE))?;
    let index = TarIndex::of(place.clone(), plain(&place, image, opening)?)?;
    let which = Which::Named(version_1.reference);
    docker_archive::open(&index, &which, std::slice::from_ref(said))
}

fn open_package(path: &Path) -> Result<TarIndex> {
    let package = TarIndex::of(path.display().to_string(), open_file(path)?)?;
    let stray = package
        .paths()
        .find(|(path, is_file)| !is_file || !matches!(*path, MANIFEST | IMAGE));
    match stray {
        None => Ok(package),
        Some((stray, _)) => Err(PackError::new(
            Code::SourceEntryRefused,
            "this is no package of format version 1: it has an entry too many",
        )
        .at(package.place())
        .found(stray)
        .wanted(format!("{MANIFEST} and {IMAGE}"))),
    }
}

fn missing(package: &TarIndex, name: &str) -> PackError {
    PackError::new(
        Code::SourceManifestMissing,
        "this is no package of format version 1: an entry is missing",
    )
    .at(package.place())
    .wanted(name)
    .next("give the package itself, as the predecessor's tool wrote it")
}
