//! The files that make images of blobs, over unpacked layers.
//!
//! A docker archive is written as a hybrid: docker's `manifest.json` and an OCI
//! layout over the same blobs, with docker's media types. Docker with its
//! classic store reads only the first, its containerd store and Podman prefer
//! the second, and with OCI's media types Podman would drop the health check.
//! Its manifests are the canonical ones of SPEC section 6, so an image that is
//! loaded from it has the id that `caisson-apply` expects.
//!
//! An OCI layout is written after the OCI image specification, with its media
//! types. Several platforms of one name go into an index of their own.

use edgepkg::manifest::{Image, Layer, Manifest};
use edgepkg::{Digest, derive, platform};
use serde_json::{Value, json};

const OCI_INDEX_TYPE: &str = "application/vnd.oci.image.index.v1+json";
const OCI_MANIFEST_TYPE: &str = "application/vnd.oci.image.manifest.v1+json";
const OCI_CONFIG_TYPE: &str = "application/vnd.oci.image.config.v1+json";
const OCI_LAYER_TYPE: &str = "application/vnd.oci.image.layer.v1.tar";
const DOCKER_MANIFEST_TYPE: &str = "application/vnd.docker.distribution.manifest.v2+json";

/// What is written after the blobs of the package.
#[derive(Debug, Default)]
pub(super) struct Naming {
    /// Digest of each chosen image's manifest, in the order of the images.
    pub(super) manifests: Vec<Digest>,
    /// Manifests and indexes that stand among the blobs.
    pub(super) blobs: Vec<(Digest, Vec<u8>)>,
    /// Files with a name of their own; the last one completes the output.
    pub(super) files: Vec<(&'static str, Vec<u8>)>,
}

/// Names for [`super::Form::DockerArchive`].
pub(super) fn docker_archive(manifest: &Manifest, chosen: &[&Image]) -> Naming {
    let mut naming = Naming::default();
    let mut descriptors = Vec::new();
    let mut items = Vec::new();
    for image in chosen {
        let bytes = derive::engine_manifest(
            &image.config,
            manifest.config_size(image).unwrap_or_default(),
            &image.layers,
        );
        let descriptor = naming.add(DOCKER_MANIFEST_TYPE, bytes);
        naming
            .manifests
            .push(naming.blobs[naming.blobs.len() - 1].0);
        descriptors.push(named(with_platform(descriptor, image), &image.reference));
        let layers: Vec<String> = image.layers.iter().map(path_of).collect();
        items.push(json!({
            "Config": edgepkg::manifest::blob_path(&image.config),
            "RepoTags": [image.reference],
            "Layers": layers,
        }));
    }
    naming.finish(&descriptors);
    let items = Value::from(items).to_string().into_bytes();
    naming.files.push((derive::MANIFEST_JSON, items));
    naming
}

/// Names for [`super::Form::Oci`].
pub(super) fn oci_layout(manifest: &Manifest, chosen: &[&Image]) -> Naming {
    let mut naming = Naming::default();
    let mut by_reference: Vec<(&str, Vec<Value>)> = Vec::new();
    for image in chosen {
        let bytes = oci_manifest(manifest, image);
        let descriptor = naming.add(OCI_MANIFEST_TYPE, bytes);
        naming
            .manifests
            .push(naming.blobs[naming.blobs.len() - 1].0);
        let descriptor = with_platform(descriptor, image);
        match by_reference
            .iter_mut()
            .find(|(reference, _)| *reference == image.reference)
        {
            Some((_, platforms)) => platforms.push(descriptor),
            None => by_reference.push((&image.reference, vec![descriptor])),
        }
    }
    let mut descriptors = Vec::new();
    for (reference, mut platforms) in by_reference {
        let descriptor = if platforms.len() == 1 {
            platforms.remove(0)
        } else {
            naming.add(OCI_INDEX_TYPE, index(&platforms))
        };
        descriptors.push(named(descriptor, reference));
    }
    naming.finish(&descriptors);
    naming
}

impl Naming {
    /// Adds a blob and gives its descriptor.
    fn add(&mut self, media_type: &str, bytes: Vec<u8>) -> Value {
        let digest = Digest::of(&bytes);
        let descriptor = descriptor(media_type, digest, bytes.len() as u64);
        self.blobs.push((digest, bytes));
        descriptor
    }

    fn finish(&mut self, descriptors: &[Value]) {
        self.files.push((derive::OCI_LAYOUT, derive::oci_layout()));
        self.files.push((derive::INDEX_JSON, index(descriptors)));
    }
}

fn oci_manifest(manifest: &Manifest, image: &Image) -> Vec<u8> {
    let config_size = manifest.config_size(image).unwrap_or_default();
    let layers: Vec<Value> = image
        .layers
        .iter()
        .map(|layer| descriptor(OCI_LAYER_TYPE, layer.diff_id, layer.diff_size))
        .collect();
    let manifest = json!({
        "schemaVersion": 2,
        "mediaType": OCI_MANIFEST_TYPE,
        "config": descriptor(OCI_CONFIG_TYPE, image.config, config_size),
        "layers": layers,
    });
    manifest.to_string().into_bytes()
}

fn index(manifests: &[Value]) -> Vec<u8> {
    let index = json!({
        "schemaVersion": 2,
        "mediaType": OCI_INDEX_TYPE,
        "manifests": manifests,
    });
    index.to_string().into_bytes()
}

fn descriptor(media_type: &str, digest: Digest, size: u64) -> Value {
    json!({ "mediaType": media_type, "digest": digest, "size": size })
}

fn with_platform(mut descriptor: Value, image: &Image) -> Value {
    let (os, architecture, variant) = platform::split(&image.platform);
    descriptor["platform"] = json!({ "architecture": architecture, "os": os });
    if let Some(variant) = variant {
        descriptor["platform"]["variant"] = variant.into();
    }
    descriptor
}

/// The name where engines and tools look for it: containerd in the first,
/// everybody else in the second.
fn named(mut descriptor: Value, reference: &str) -> Value {
    descriptor["annotations"] = json!({
        "io.containerd.image.name": reference,
        "org.opencontainers.image.ref.name": reference,
    });
    descriptor
}

fn path_of(layer: &Layer) -> String {
    edgepkg::manifest::blob_path(&layer.diff_id)
}
