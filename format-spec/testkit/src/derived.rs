//! The derived files of SPEC section 6, written from its text.

use crate::describe::{Description, Image, blob_path};
use crate::digest::digest;

/// Section 6.1.
pub(crate) fn oci_layout() -> Vec<u8> {
    br#"{"imageLayoutVersion":"1.0.0"}"#.to_vec()
}

/// Section 6.2.
pub(crate) fn index_json(package: &Description) -> Vec<u8> {
    let items = package.images.iter().map(|image| {
        let manifest = oci_manifest(image);
        let name = name(package, image);
        let platform: Vec<&str> = image.platform.splitn(3, '/').collect();
        let part = |index: usize| platform.get(index).copied().unwrap_or_default();
        let variant = platform
            .get(2)
            .map_or_else(String::new, |variant| format!(r#","variant":"{variant}""#));
        format!(
            r#"{{"mediaType":"application/vnd.oci.image.manifest.v1+json","digest":"{}","size":{},"annotations":{{"io.containerd.image.name":"{name}","org.opencontainers.image.ref.name":"{name}"}},"platform":{{"architecture":"{}","os":"{}"{variant}}}}}"#,
            digest(&manifest),
            manifest.len(),
            part(1),
            part(0),
        )
    });
    format!(
        r#"{{"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json","manifests":[{}]}}"#,
        joined(items)
    )
    .into_bytes()
}

/// Section 6.3.
pub(crate) fn manifest_json(package: &Description) -> Vec<u8> {
    let items = package.images.iter().map(|image| {
        let layers = image.layers.iter();
        let layers = layers.map(|layer| format!("\"{}\"", blob_path(&layer.blob)));
        format!(
            r#"{{"Config":"{}","RepoTags":["{}"],"Layers":[{}]}}"#,
            blob_path(&image.config),
            name(package, image),
            joined(layers)
        )
    });
    format!("[{}]", joined(items)).into_bytes()
}

/// Section 6.4.
pub(crate) fn oci_manifest(image: &Image) -> Vec<u8> {
    let layers = image.layers.iter().map(|layer| {
        format!(
            r#"{{"mediaType":"application/vnd.oci.image.layer.v1.tar+zstd","digest":"{}","size":{}}}"#,
            digest(&layer.blob),
            layer.blob.len()
        )
    });
    format!(
        r#"{{"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json","config":{{"mediaType":"application/vnd.oci.image.config.v1+json","digest":"{}","size":{}}},"layers":[{}]}}"#,
        digest(&image.config),
        image.config.len(),
        joined(layers)
    )
    .into_bytes()
}

/// Section 6.5.
pub(crate) fn engine_manifest(image: &Image) -> Vec<u8> {
    let layers = image.layers.iter().map(|layer| {
        format!(
            r#"{{"mediaType":"application/vnd.docker.image.rootfs.diff.tar","digest":"{}","size":{}}}"#,
            layer.diff_id, layer.diff_size
        )
    });
    format!(
        r#"{{"schemaVersion":2,"mediaType":"application/vnd.docker.distribution.manifest.v2+json","config":{{"mediaType":"application/vnd.docker.container.image.v1+json","digest":"{}","size":{}}},"layers":[{}]}}"#,
        digest(&image.config),
        image.config.len(),
        joined(layers)
    )
    .into_bytes()
}

/// [M32]; a text that is no reference is taken as a path, since no reader gets
/// as far as its name.
fn name(package: &Description, image: &Image) -> String {
    if package.live_names {
        return image.reference.clone();
    }
    let local = match image.reference.split_once('/') {
        Some((first, rest)) if is_domain(first) => {
            format!("{}/{rest}", first.to_ascii_lowercase().replace(':', "-"))
        }
        _ => image.reference.clone(),
    };
    let images = package.images.iter();
    let same = images.filter(|other| other.reference == image.reference);
    let suffix = if same.count() > 1 {
        format!("-{}", image.platform.replace('/', "-"))
    } else {
        String::new()
    };
    format!("caisson.local/{local}{suffix}")
}

fn is_domain(first: &str) -> bool {
    first == "localhost"
        || first.contains(['.', ':'])
        || first.bytes().any(|byte| byte.is_ascii_uppercase())
}

fn joined(items: impl Iterator<Item = String>) -> String {
    items.collect::<Vec<_>>().join(",")
}
