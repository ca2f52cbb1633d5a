//! One image manifest: the config and layers it names, held against each other.
//!
//! Attacks answered here: a manifest that is an index at once, a config or layer
//! of another size or digest than promised, layers that are only on a server,
//! layers of a kind we don't know, a number of layers other than the config's.
//! The layers' bytes are judged by [`super::layer`] while they stream.
//!
//! Source: OCI image-spec, `manifest.md`; distribution, `manifest-v2-2`.

use edgepkg::limits::CONFIG_BYTES_MAX;
use serde::Deserialize;
use serde::de::IgnoredAny;

use super::descriptor::{Descriptor, Kind, LayerKind, is_image_config};
use super::files::Files;
use super::{ImageConfig, SourceImage, SourceLayer};
use crate::error::{Code, PackError, Result};

/// Greatest size of a manifest, in bytes. With the most layers an image may have
/// it has about 40 000.
const MANIFEST_BYTES_MAX: u64 = 1024 * 1024;

/// The part of an image manifest that we read.
#[derive(Deserialize)]
struct Manifest {
    #[serde(rename = "schemaVersion")]
    schema_version: u64,
    #[serde(rename = "mediaType", default)]
    media_type: Option<String>,
    config: Descriptor,
    layers: Vec<Descriptor>,
    /// The key of an index: whoever has both could mean two things.
    #[serde(default)]
    manifests: Option<IgnoredAny>,
}

/// A manifest whose config was read, and nothing more.
pub(super) struct Candidate {
    place: String,
    manifest: Manifest,
    config_bytes: Vec<u8>,
    pub(super) config: ImageConfig,
}

impl Candidate {
    /// Reads the manifest and its config; `None` if it is no container image.
    /// `named_by` is what names it.
    ///
    /// # Errors
    /// `source.blob_*`, `source.manifest_invalid`, `source.config_invalid`,
    /// `source.limit_exceeded`.
    pub(super) fn read(
        files: &dyn Files,
        descriptor: &Descriptor,
        named_by: &str,
    ) -> Result<Option<Self>> {
        let data = descriptor.find_needed(files, named_by)?;
        let place = format!("{}: {}", files.place(), descriptor.digest_text());
        let bytes = descriptor.read(data, MANIFEST_BYTES_MAX, &place)?;
        let manifest = Manifest::parse(&bytes, &place)?;
        if !is_image_config(&manifest.config.media_type) {
            return Ok(None);
        }
        let data = manifest.config.find_needed(files, &place)?;
        let config_place = format!("{}: {}", files.place(), manifest.config.digest_text());
        let config_bytes = manifest
            .config
            .read(data, CONFIG_BYTES_MAX, &config_place)?;
        let config = ImageConfig::parse(&config_bytes, &config_place)?;
        Ok(Some(Self {
            place,
            manifest,
            config_bytes,
            config,
        }))
    }

    /// Gives the memory of a config back that nobody asked for.
    pub(super) fn forget_config(&mut self) {
        self.config_bytes = Vec::new();
    }

    /// Finds the layers and holds their number, kinds and sizes against the config.
    ///
    /// # Errors
    /// `source.layer_count_mismatch`, `source.layer_foreign`,
    /// `source.media_type_unknown`, `source.blob_*`.
    pub(super) fn image(self, files: &dyn Files, names: Vec<String>) -> Result<SourceImage> {
        let descriptors = &self.manifest.layers;
        if descriptors.len() != self.config.diff_ids.len() {
            return Err(PackError::new(
                Code::SourceLayerCount,
                "the manifest and the image's config name different numbers of layers",
            )
            .at(self.place)
            .found(format!("{} in the manifest", descriptors.len()))
            .wanted(format!("{} as in the config", self.config.diff_ids.len())));
        }
        let mut layers = Vec::with_capacity(descriptors.len());
        for (descriptor, diff_id) in descriptors.iter().zip(&self.config.diff_ids) {
            check_kind(descriptor, &self.place)?;
            let data = descriptor.find_needed(files, &self.place)?;
            let place = format!("{}: {}", files.place(), descriptor.digest_text());
            let stored = descriptor.digest(&self.place)?;
            layers.push(SourceLayer::new(place, data, *diff_id, Some(stored))?);
        }
        Ok(SourceImage {
            place: self.place,
            names,
            tag: None,
            config_bytes: self.config_bytes,
            config: self.config,
            layers,
        })
    }
}

impl Manifest {
    fn parse(bytes: &[u8], place: &str) -> Result<Self> {
        let invalid = |what: &str| PackError::new(Code::SourceManifestInvalid, what).at(place);
        let manifest: Self = serde_json::from_slice(bytes)
            .map_err(|error| invalid("this is no image manifest").found(error))?;
        let kind = manifest.media_type.as_deref().map(Kind::of);
        if manifest.schema_version != 2 || kind.is_some_and(|kind| kind != Kind::Manifest) {
            return Err(invalid("the manifest says it is something else")
                .found(
                    manifest
                        .media_type
                        .as_deref()
                        .unwrap_or("another schema version"),
                )
                .wanted("an image manifest of schema version 2"));
        }
        if manifest.manifests.is_some() {
            return Err(invalid("a document is an index and a manifest at once"));
        }
        Ok(manifest)
    }
}

fn check_kind(layer: &Descriptor, place: &str) -> Result<()> {
    match layer.layer_kind() {
        LayerKind::Here => Ok(()),
        LayerKind::Foreign => Err(PackError::new(
            Code::SourceLayerForeign,
            "a layer may only be had from a server, so it can't be packed",
        )
        .at(place)
        .found(layer.digest_text())),
        LayerKind::Unknown => Err(PackError::new(
            Code::SourceMediaTypeUnknown,
            "a layer is of a kind that is not known",
        )
        .at(place)
        .found(&layer.media_type)
        .wanted("a tar, plain, gzip or zstd")),
    }
}
