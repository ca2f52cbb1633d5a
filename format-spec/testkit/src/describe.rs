//! What a package shall say, as plain texts, so that a vector can say what no
//! package may; and the sound package around it: everything that follows from
//! the description is computed, whatever the description says.

use std::fmt::Write as _;

use crate::derived;
use crate::digest::{digest, hex};
use crate::frame::Frame;
use crate::package::Package;

/// Everything that a maker chooses. Numbers are texts where a vector gives
/// another spelling of one.
#[derive(Clone)]
pub(crate) struct Description {
    pub(crate) package_version: String,
    pub(crate) release: Option<String>,
    pub(crate) mtime: u64,
    pub(crate) live_names: bool,
    pub(crate) compatibility: Vec<(&'static str, String)>,
    pub(crate) notes: Vec<(String, String)>,
    /// Service, revision, image.
    pub(crate) services: Vec<[String; 3]>,
    pub(crate) images: Vec<Image>,
    /// Names after `files/`, in file order.
    pub(crate) files: Vec<(String, Vec<u8>)>,
}

#[derive(Clone)]
pub(crate) struct Image {
    pub(crate) reference: String,
    pub(crate) platform: String,
    pub(crate) config: Vec<u8>,
    pub(crate) layers: Vec<Layer>,
}

#[derive(Clone)]
pub(crate) struct Layer {
    pub(crate) blob: Vec<u8>,
    pub(crate) diff_id: String,
    pub(crate) diff_size: u64,
}

impl Layer {
    /// These bytes, unpacked, and the blob that holds them.
    pub(crate) fn new(unpacked: &[u8], blob: Vec<u8>) -> Self {
        Self {
            blob,
            diff_id: digest(unpacked),
            diff_size: unpacked.len() as u64,
        }
    }

    /// These bytes in the plainest frame.
    pub(crate) fn of(unpacked: &[u8]) -> Self {
        Self::new(unpacked, Frame::single(unpacked).bytes())
    }
}

impl Image {
    /// An image with the config that goes with its platform and layers.
    pub(crate) fn new(reference: &str, platform: &str, layers: Vec<Layer>) -> Self {
        Self {
            reference: reference.to_owned(),
            platform: platform.to_owned(),
            config: config(platform, &layers),
            layers,
        }
    }
}

/// An OCI image configuration: what engines and checkers of contents read.
pub(crate) fn config(platform: &str, layers: &[Layer]) -> Vec<u8> {
    let mut parts = platform.splitn(3, '/');
    let os = parts.next().unwrap_or_default();
    let architecture = parts.next().unwrap_or_default();
    let variant = parts
        .next()
        .map_or_else(String::new, |variant| format!(r#","variant":"{variant}""#));
    let diff_ids: Vec<String> = layers
        .iter()
        .map(|layer| format!("\"{}\"", layer.diff_id))
        .collect();
    format!(
        r#"{{"architecture":"{architecture}","os":"{os}"{variant},"config":{{}},"rootfs":{{"type":"layers","diff_ids":[{}]}}}}"#,
        diff_ids.join(",")
    )
    .into_bytes()
}

impl Description {
    /// The package that follows.
    pub(crate) fn package(&self) -> Package {
        let entries = self.entries();
        let manifest = self.manifest(&entries);
        Package::new(self.mtime, manifest, entries)
    }

    /// SPEC [M28]: each path once, at the first place where it would stand.
    fn entries(&self) -> Vec<(String, Vec<u8>)> {
        let mut entries = vec![
            ("oci-layout".to_owned(), derived::oci_layout()),
            ("index.json".to_owned(), derived::index_json(self)),
            ("manifest.json".to_owned(), derived::manifest_json(self)),
        ];
        let mut add = |blob: Vec<u8>| {
            let path = blob_path(&blob);
            if entries.iter().all(|(known, _)| *known != path) {
                entries.push((path, blob));
            }
        };
        for image in &self.images {
            add(derived::oci_manifest(image));
            add(image.config.clone());
        }
        for layer in self.images.iter().flat_map(|image| &image.layers) {
            add(layer.blob.clone());
        }
        let files = self.files.iter();
        entries.extend(files.map(|(name, data)| (format!("files/{name}"), data.clone())));
        entries
    }

    fn manifest(&self, entries: &[(String, Vec<u8>)]) -> String {
        let mut text = String::from("format_version = 2\nrequires = []\n");
        text.push_str("package_type = \"service\"\n");
        put(&mut text, "package_version", &self.package_version);
        if let Some(release) = &self.release {
            let _ = writeln!(text, "release = {release}");
        }
        let _ = writeln!(text, "mtime = {}", self.mtime);
        if self.live_names {
            text.push_str("live_names = true\n");
        }
        if !self.compatibility.is_empty() {
            text.push_str("\n[compatibility]\n");
        }
        for (key, value) in &self.compatibility {
            put(&mut text, key, value);
        }
        if !self.notes.is_empty() {
            text.push_str("\n[notes]\n");
        }
        for (key, value) in &self.notes {
            put(&mut text, key, value);
        }
        for [service, revision, image] in &self.services {
            text.push_str("\n[[services]]\n");
            put(&mut text, "service", service);
            put(&mut text, "service_revision", revision);
            put(&mut text, "image", image);
        }
        for image in &self.images {
            put_image(&mut text, image);
        }
        for (path, data) in entries {
            text.push_str("\n[[entries]]\n");
            put(&mut text, "path", path);
            let _ = writeln!(text, "size = {}", data.len());
            put(&mut text, "sha256", &digest(data));
        }
        text.push_str("\n[chunks]\n");
        text
    }
}

fn put_image(text: &mut String, image: &Image) {
    text.push_str("\n[[images]]\n");
    put(text, "reference", &image.reference);
    put(text, "platform", &image.platform);
    put(text, "config", &digest(&image.config));
    let engine_manifest = derived::engine_manifest(image);
    put(text, "engine_manifest", &digest(&engine_manifest));
    for layer in &image.layers {
        text.push_str("\n[[images.layers]]\n");
        put(text, "digest", &digest(&layer.blob));
        let _ = writeln!(text, "size = {}", layer.blob.len());
        put(text, "diff_id", &layer.diff_id);
        let _ = writeln!(text, "diff_size = {}", layer.diff_size);
    }
}

fn put(text: &mut String, key: &str, value: &str) {
    let escaped = value
        .replace('\\', "\\\\")
        .replace('"', "\\\"")
        .replace('\n', "\\n")
        .replace('\t', "\\t");
    let _ = writeln!(text, "{key} = \"{escaped}\"");
}

/// Where the blob of these bytes stands.
pub(crate) fn blob_path(blob: &[u8]) -> String {
    format!("blobs/sha256/{}", hex(blob))
}
