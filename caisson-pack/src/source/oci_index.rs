//! Image indexes: `index.json` of a layout, and the indexes it leads to.
//!
//! What is no container image is passed over with a word: attestations, and
//! manifests of a kind we don't know. So is an image of another platform that is
//! listed, but not there: engines save only what they hold.
//!
//! The platform of an image is what its config says; where the index says
//! another, the source contradicts itself and is refused.
//!
//! Attacks answered here: indexes nested deep or in circles, thousands of
//! manifests, a document that is index and manifest at once, an index that lies
//! about platforms.
//!
//! Source: OCI image-spec, `image-index.md`.

use std::collections::BTreeSet;

use edgepkg::{Digest, platform};
use serde::Deserialize;
use serde::de::IgnoredAny;

use super::descriptor::{Descriptor, Kind, PlatformClaim};
use super::files::Files;
use super::oci_image::Candidate;
use crate::error::{Code, PackError, Result};
use crate::progress::Watch;

/// Greatest size of an index, in bytes. A descriptor has about 500.
pub(super) const INDEX_BYTES_MAX: u64 = 4 * 1024 * 1024;

/// How deep indexes may lead to each other, `index.json` not counted. Builders
/// write one.
const DEPTH_MAX: usize = 4;

/// Greatest number of manifests and indexes that are read for one image. The
/// widest official images have about thirty, attestations included.
const MANIFESTS_MAX: usize = 128;

/// What builders put on the manifests that describe how an image was built.
const REFERENCE_TYPE: &str = "vnd.docker.reference.type";

/// The part of an index that we read.
#[derive(Deserialize)]
pub(super) struct Index {
    #[serde(rename = "schemaVersion")]
    schema_version: u64,
    #[serde(rename = "mediaType", default)]
    media_type: Option<String>,
    pub(super) manifests: Vec<Descriptor>,
    /// Keys of a manifest: whoever has both could mean two things.
    #[serde(default)]
    config: Option<IgnoredAny>,
    #[serde(default)]
    layers: Option<IgnoredAny>,
}

impl Index {
    /// # Errors
    /// `source.manifest_invalid`.
    pub(super) fn parse(bytes: &[u8], place: &str) -> Result<Self> {
        let invalid = |what: &str| PackError::new(Code::SourceManifestInvalid, what).at(place);
        let index: Self = serde_json::from_slice(bytes)
            .map_err(|error| invalid("this is no image index").found(error))?;
        let kind = index.media_type.as_deref().map(Kind::of);
        if index.schema_version != 2 || kind.is_some_and(|kind| kind != Kind::Index) {
            return Err(invalid("the index says it is something else")
                .found(
                    index
                        .media_type
                        .as_deref()
                        .unwrap_or("another schema version"),
                )
                .wanted("an image index of schema version 2"));
        }
        if index.config.is_some() || index.layers.is_some() {
            return Err(invalid("a document is an index and a manifest at once"));
        }
        Ok(index)
    }
}

/// Finds the manifests that an index leads to.
pub(super) struct Walk<'a> {
    files: &'a dyn Files,
    /// Normalized platforms that are asked for.
    platforms: &'a [String],
    watch: &'a mut Watch,
    seen: BTreeSet<Digest>,
}

impl<'a> Walk<'a> {
    pub(super) fn new(files: &'a dyn Files, platforms: &'a [String], watch: &'a mut Watch) -> Self {
        Self {
            files,
            platforms,
            watch,
            seen: BTreeSet::new(),
        }
    }

    /// Adds the images that `descriptor` is or leads to, in order, each once.
    ///
    /// # Errors
    /// `source.limit_exceeded`, `source.blob_*`, `source.manifest_invalid`,
    /// `source.config_invalid`.
    pub(super) fn collect(
        &mut self,
        descriptor: &Descriptor,
        place: &str,
        depth: usize,
        images: &mut Vec<Candidate>,
    ) -> Result<()> {
        let kind = Kind::of(&descriptor.media_type);
        if let Some(why) = passed_over(descriptor, kind) {
            self.pass_over(descriptor, &why);
            return Ok(());
        }
        if !self.seen.insert(descriptor.digest(place)?) {
            return Ok(());
        }
        if depth > DEPTH_MAX || self.seen.len() > MANIFESTS_MAX {
            return Err(
                PackError::new(Code::SourceLimitExceeded, "an image index leads too far")
                    .at(place)
                    .wanted(format!(
                        "at most {DEPTH_MAX} indexes deep and {MANIFESTS_MAX} manifests"
                    )),
            );
        }
        if depth > 0 && !self.is_wanted(descriptor) && descriptor.find(self.files, place)?.is_none()
        {
            self.pass_over(descriptor, "it is listed, but not in the source");
            return Ok(());
        }
        if kind == Kind::Manifest {
            return self.add(descriptor, place, images);
        }
        let data = descriptor.find_needed(self.files, place)?;
        let place = format!("{}: {}", self.files.place(), descriptor.digest_text());
        let bytes = descriptor.read(data, INDEX_BYTES_MAX, &place)?;
        for inner in &Index::parse(&bytes, &place)?.manifests {
            self.collect(inner, &place, depth + 1, images)?;
        }
        Ok(())
    }

    fn add(
        &mut self,
        descriptor: &Descriptor,
        place: &str,
        images: &mut Vec<Candidate>,
    ) -> Result<()> {
        let Some(mut candidate) = Candidate::read(self.files, descriptor, place)? else {
            self.pass_over(descriptor, "no container image, but some other artifact");
            return Ok(());
        };
        check_claim(descriptor, &candidate.config.platform, place)?;
        if !self.platforms.contains(&candidate.config.platform) {
            candidate.forget_config();
        }
        images.push(candidate);
        Ok(())
    }

    /// False if the index says that it is for a platform nobody asked for.
    fn is_wanted(&self, descriptor: &Descriptor) -> bool {
        let claim = descriptor.platform.as_ref().and_then(PlatformClaim::normal);
        claim.is_none_or(|claim| self.platforms.contains(&claim))
    }

    fn pass_over(&mut self, descriptor: &Descriptor, why: &str) {
        let shown = descriptor
            .platform
            .as_ref()
            .and_then(PlatformClaim::normal)
            .map_or(String::new(), |platform| format!(" ({platform})"));
        self.watch.note(&format!(
            "{}: passed over {}{shown}: {why}",
            self.files.place(),
            descriptor.digest_text(),
        ));
    }
}

impl PlatformClaim {
    /// The normalized platform, if it makes sense.
    pub(super) fn normal(&self) -> Option<String> {
        let spelled = match self.variant.as_deref() {
            None | Some("") => format!("{}/{}", self.os, self.architecture),
            Some(variant) => format!("{}/{}/{variant}", self.os, self.architecture),
        };
        platform::normalize(&spelled)
    }
}

fn passed_over(descriptor: &Descriptor, kind: Kind) -> Option<String> {
    if let Some(kind) = descriptor.annotation(REFERENCE_TYPE) {
        return Some(format!("no image, but a note about one ({kind})"));
    }
    let claim = descriptor.platform.as_ref().and_then(PlatformClaim::normal);
    if claim.as_deref() == Some("unknown/unknown") {
        return Some("no image, it is for no platform".to_owned());
    }
    (kind == Kind::Unknown)
        .then(|| format!("an unknown kind of manifest, `{}`", descriptor.media_type))
}

/// Does the index say the same platform as the config? A variant that only one of
/// them names is no contradiction: many tools leave it out.
fn check_claim(descriptor: &Descriptor, platform: &str, place: &str) -> Result<()> {
    let Some(claim) = descriptor.platform.as_ref().and_then(PlatformClaim::normal) else {
        return Ok(());
    };
    let without_variant = |text: &str| text.split('/').take(2).collect::<Vec<_>>().join("/");
    if without_variant(&claim) == without_variant(platform) {
        return Ok(());
    }
    Err(PackError::new(
        Code::SourceManifestInvalid,
        "the index and the image's config name different platforms",
    )
    .at(format!("{place}, {}", descriptor.digest_text()))
    .found(claim)
    .wanted(platform))
}
