//! Descriptors of the OCI image specification: media type, digest and size of a
//! blob, and the blob itself, held against them.
//!
//! Attacks answered here: a digest of another algorithm or that is a path, a size
//! that disagrees with the blob, a blob too large to be read whole.
//!
//! Source: OCI image-spec, `descriptor.md`; Docker's older media types,
//! distribution `manifest-v2-2`.

use std::collections::BTreeMap;

use edgepkg::Digest;
use serde::Deserialize;

use super::file_slice::FileSlice;
use super::files::{Files, read_whole};
use crate::error::{Code, PackError, Result};

/// Points to a blob. Other keys are not ours to judge.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct Descriptor {
    #[serde(rename = "mediaType", default)]
    pub(super) media_type: String,
    /// As it stands there: only a blob that is used must have one we know.
    digest: String,
    size: u64,
    #[serde(default)]
    pub(super) platform: Option<PlatformClaim>,
    #[serde(default)]
    annotations: Option<BTreeMap<String, String>>,
    #[serde(default)]
    urls: Option<Vec<String>>,
}

/// What an index says about the platform of an image.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct PlatformClaim {
    #[serde(default)]
    pub(super) os: String,
    #[serde(default)]
    pub(super) architecture: String,
    #[serde(default)]
    pub(super) variant: Option<String>,
}

/// What a manifest or index is, by its media type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Index,
    Manifest,
    Unknown,
}

/// How a layer of that media type may be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum LayerKind {
    /// Its bytes are in the source, in whatever compression they show.
    Here,
    /// Its bytes may only be had from a server.
    Foreign,
    Unknown,
}

impl Kind {
    pub(super) fn of(media_type: &str) -> Self {
        match media_type {
            "application/vnd.oci.image.index.v1+json"
            | "application/vnd.docker.distribution.manifest.list.v2+json" => Self::Index,
            "application/vnd.oci.image.manifest.v1+json"
            | "application/vnd.docker.distribution.manifest.v2+json" => Self::Manifest,
            _ => Self::Unknown,
        }
    }
}

/// True if a manifest with such a config is a container image; else it is some
/// other artifact.
pub(super) fn is_image_config(media_type: &str) -> bool {
    matches!(
        media_type,
        "application/vnd.oci.image.config.v1+json"
            | "application/vnd.docker.container.image.v1+json"
    )
}

impl LayerKind {
    fn of(media_type: &str) -> Self {
        match media_type {
            "application/vnd.oci.image.layer.v1.tar"
            | "application/vnd.oci.image.layer.v1.tar+gzip"
            | "application/vnd.oci.image.layer.v1.tar+zstd"
            | "application/vnd.docker.image.rootfs.diff.tar"
            | "application/vnd.docker.image.rootfs.diff.tar.gzip"
            | "application/vnd.docker.image.rootfs.diff.tar.zstd" => Self::Here,
            "application/vnd.docker.image.rootfs.foreign.diff.tar"
            | "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip" => Self::Foreign,
            _ if media_type.starts_with("application/vnd.oci.image.layer.nondistributable.v1.") => {
                Self::Foreign
            }
            _ => Self::Unknown,
        }
    }
}

impl Descriptor {
    /// The digest as it is written, for messages.
    pub(super) fn digest_text(&self) -> &str {
        &self.digest
    }

    pub(super) fn annotation(&self, key: &str) -> Option<&str> {
        self.annotations.as_ref()?.get(key).map(String::as_str)
    }

    pub(super) fn layer_kind(&self) -> LayerKind {
        if self.urls.as_ref().is_some_and(|urls| !urls.is_empty()) {
            return LayerKind::Foreign;
        }
        LayerKind::of(&self.media_type)
    }

    /// The digest, where we know its algorithm. `place` names who points there.
    ///
    /// # Errors
    /// `source.manifest_invalid`.
    pub(super) fn digest(&self, place: &str) -> Result<Digest> {
        self.digest.parse().map_err(|wanted| {
            PackError::new(
                Code::SourceManifestInvalid,
                "a blob is named by no digest we know",
            )
            .at(place)
            .found(&self.digest)
            .wanted(wanted)
        })
    }

    /// The blob, of the size that is promised, or `None` if the source has none.
    ///
    /// # Errors
    /// `source.manifest_invalid`, `source.blob_size_mismatch`, and those of [`Files::find`].
    pub(super) fn find(&self, files: &dyn Files, place: &str) -> Result<Option<FileSlice>> {
        let path = format!("blobs/sha256/{}", self.digest(place)?.hex());
        let Some(data) = files.find(&path)? else {
            return Ok(None);
        };
        if data.size() == self.size {
            return Ok(Some(data));
        }
        Err(PackError::new(
            Code::SourceBlobSizeMismatch,
            "a blob does not have the size that is promised",
        )
        .at(format!("{}: {path}", files.place()))
        .found(format!("{} bytes", data.size()))
        .wanted(format!("{} bytes, by {place}", self.size)))
    }

    /// The same, for a blob that must be there.
    ///
    /// # Errors
    /// `source.blob_missing`, and those of [`Descriptor::find`].
    pub(super) fn find_needed(&self, files: &dyn Files, place: &str) -> Result<FileSlice> {
        self.find(files, place)?.ok_or_else(|| {
            PackError::new(
                Code::SourceBlobMissing,
                "a blob that is named is not in the source",
            )
            .at(place)
            .wanted(&self.digest)
        })
    }

    /// The bytes of a small blob that was found, held against its digest.
    ///
    /// # Errors
    /// `source.limit_exceeded`, `source.blob_digest_mismatch`.
    pub(super) fn read(&self, data: FileSlice, limit: u64, place: &str) -> Result<Vec<u8>> {
        let wanted = self.digest(place)?;
        let bytes = read_whole(data, limit, place)?;
        let found = Digest::of(&bytes);
        if found == wanted {
            return Ok(bytes);
        }
        Err(PackError::new(
            Code::SourceBlobDigestMismatch,
            "a blob does not have the digest it is named by",
        )
        .at(place)
        .found(found)
        .wanted(wanted))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A layer that can't be in the source must not be taken for one that is.
    #[test]
    fn layers_by_media_type() {
        let kind = |media_type: &str, urls: &str| {
            let text = format!(r#"{{"mediaType":"{media_type}","digest":"d","size":1{urls}}}"#);
            let descriptor: Descriptor = serde_json::from_str(&text).expect("sound");
            descriptor.layer_kind()
        };
        let oci = "application/vnd.oci.image.layer";
        assert_eq!(kind(&format!("{oci}.v1.tar+zstd"), ""), LayerKind::Here);
        assert_eq!(
            kind(&format!("{oci}.v1.tar"), r#","urls":[]"#),
            LayerKind::Here
        );
        assert_eq!(
            kind(&format!("{oci}.v1.tar"), r#","urls":["http://x"]"#),
            LayerKind::Foreign
        );
        let foreign = format!("{oci}.nondistributable.v1.tar+gzip");
        assert_eq!(kind(&foreign, ""), LayerKind::Foreign);
        assert_eq!(kind(&format!("{oci}.v1.tar+xz"), ""), LayerKind::Unknown);
        assert_eq!(kind("", ""), LayerKind::Unknown);
    }
}
