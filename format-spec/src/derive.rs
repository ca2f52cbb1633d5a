//! Files that follow from the manifest alone, to the byte.
//!
//! They make a package readable by other people's tools, as an OCI image
//! layout and as a docker archive. A reader never acts on them; it only holds
//! their digests against what is derived here. SPEC section 6 gives the bytes.
//!
//! JSON is written by hand: no white space, a fixed key order, and no escape,
//! because no text that gets in here can need one (see [`crate::name`]).

use std::fmt::Write as _;

use crate::digest::Digest;
use crate::manifest::{Image, Layer, Manifest, blob_path};
use crate::name;
use crate::platform;

/// Path of the OCI layout's marker.
pub const OCI_LAYOUT: &str = "oci-layout";
/// Path of the OCI image index.
pub const INDEX_JSON: &str = "index.json";
/// Path of docker's own list of images.
pub const MANIFEST_JSON: &str = "manifest.json";

const OCI_INDEX_TYPE: &str = "application/vnd.oci.image.index.v1+json";
const OCI_MANIFEST_TYPE: &str = "application/vnd.oci.image.manifest.v1+json";
const OCI_CONFIG_TYPE: &str = "application/vnd.oci.image.config.v1+json";
const OCI_LAYER_TYPE: &str = "application/vnd.oci.image.layer.v1.tar+zstd";
const DOCKER_MANIFEST_TYPE: &str = "application/vnd.docker.distribution.manifest.v2+json";
const DOCKER_CONFIG_TYPE: &str = "application/vnd.docker.container.image.v1+json";
const DOCKER_LAYER_TYPE: &str = "application/vnd.docker.image.rootfs.diff.tar";

/// What the derived image names begin with. Nobody can own this domain, so a
/// raw `docker load` of a package moves no tag that is in use.
pub const LOCAL_DOMAIN: &str = "caisson.local";

/// The bytes of `oci-layout`.
pub fn oci_layout() -> Vec<u8> {
    br#"{"imageLayoutVersion":"1.0.0"}"#.to_vec()
}

/// The bytes of `index.json`: one descriptor per image, in the manifest's
/// order. `manifest` has passed its check.
pub fn index_json(manifest: &Manifest) -> Vec<u8> {
    let mut json = format!(r#"{{"schemaVersion":2,"mediaType":"{OCI_INDEX_TYPE}","manifests":["#);
    for (position, image) in manifest.images.iter().enumerate() {
        let bytes = oci_manifest(manifest, image);
        let image_name = image_name(manifest, image);
        comma(&mut json, position);
        json.push_str(&descriptor(
            OCI_MANIFEST_TYPE,
            &Digest::of(&bytes),
            bytes.len() as u64,
        ));
        // Inside the descriptor: reopen it for the two further members.
        json.pop();
        let _ = write!(
            json,
            r#","annotations":{{"io.containerd.image.name":"{image_name}","org.opencontainers.image.ref.name":"{image_name}"}},"platform":{}}}"#,
            platform_json(&image.platform)
        );
    }
    json.push_str("]}");
    json.into_bytes()
}

/// The bytes of `manifest.json`: one item per image, in the manifest's order.
pub fn manifest_json(manifest: &Manifest) -> Vec<u8> {
    let mut json = String::from("[");
    for (position, image) in manifest.images.iter().enumerate() {
        comma(&mut json, position);
        let _ = write!(
            json,
            r#"{{"Config":"{}","RepoTags":["{}"],"Layers":["#,
            blob_path(&image.config),
            image_name(manifest, image)
        );
        for (position, layer) in image.layers.iter().enumerate() {
            comma(&mut json, position);
            let _ = write!(json, r#""{}""#, blob_path(&layer.digest));
        }
        json.push_str("]}");
    }
    json.push(']');
    json.into_bytes()
}

/// The bytes of the image's OCI manifest, over the packed layers.
pub fn oci_manifest(manifest: &Manifest, image: &Image) -> Vec<u8> {
    // A manifest that was built by hand and lacks the config's entry derives
    // a size of 0 here; its check refuses it for the missing entry.
    let config_size = manifest.config_size(image).unwrap_or_default();
    let mut json = format!(
        r#"{{"schemaVersion":2,"mediaType":"{OCI_MANIFEST_TYPE}","config":{},"layers":["#,
        descriptor(OCI_CONFIG_TYPE, &image.config, config_size)
    );
    for (position, layer) in image.layers.iter().enumerate() {
        comma(&mut json, position);
        json.push_str(&descriptor(OCI_LAYER_TYPE, &layer.digest, layer.size));
    }
    json.push_str("]}");
    json.into_bytes()
}

/// The bytes of the canonical docker manifest (schema 2) over the *unpacked*
/// layers. It is no entry of the package: `caisson-apply` sends it to the
/// engine, and its digest is the image's id on the containerd store.
pub fn engine_manifest(config: &Digest, config_size: u64, layers: &[Layer]) -> Vec<u8> {
    let mut json = format!(
        r#"{{"schemaVersion":2,"mediaType":"{DOCKER_MANIFEST_TYPE}","config":{},"layers":["#,
        descriptor(DOCKER_CONFIG_TYPE, config, config_size)
    );
    for (position, layer) in layers.iter().enumerate() {
        comma(&mut json, position);
        json.push_str(&descriptor(
            DOCKER_LAYER_TYPE,
            &layer.diff_id,
            layer.diff_size,
        ));
    }
    json.push_str("]}");
    json.into_bytes()
}

/// The name of the image in the derived files: with `live_names` its own
/// reference, else `caisson.local/` and the reference with its domain made a
/// part of the path (lower case, `:` as `-`). If the package holds another
/// image of the same reference, `-` and the platform, `/` as `-`, follow.
pub fn image_name(manifest: &Manifest, image: &Image) -> String {
    let reference = name::parse_reference(&image.reference).filter(|_| !manifest.live_names);
    let Some(reference) = reference else {
        return image.reference.clone();
    };
    let mut local = format!("{LOCAL_DOMAIN}/");
    if let Some(domain) = reference.domain {
        local.push_str(&domain.to_ascii_lowercase().replace(':', "-"));
        local.push('/');
    }
    let _ = write!(local, "{}:{}", reference.path, reference.tag);
    let namesakes = manifest
        .images
        .iter()
        .filter(|other| other.reference == image.reference)
        .count();
    if namesakes > 1 {
        let _ = write!(local, "-{}", image.platform.replace('/', "-"));
    }
    local
}

fn descriptor(media_type: &str, digest: &Digest, size: u64) -> String {
    format!(r#"{{"mediaType":"{media_type}","digest":"{digest}","size":{size}}}"#)
}

fn platform_json(platform: &str) -> String {
    let (os, architecture, variant) = platform::split(platform);
    let variant = variant.map_or_else(String::new, |variant| format!(r#","variant":"{variant}""#));
    format!(r#"{{"architecture":"{architecture}","os":"{os}"{variant}}}"#)
}

fn comma(json: &mut String, position: usize) {
    if position > 0 {
        json.push(',');
    }
}
