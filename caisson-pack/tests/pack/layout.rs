//! OCI image layouts made by hand, as a folder or as a tar, so that a test can
//! bend any part. Nothing here uses the code under test.

use std::collections::BTreeMap;
use std::fs;

use edgepkg::Digest;
use serde_json::{Value, json};

use crate::archive::{Item, Stored, TestArchive, TestImage, pack};
use crate::program::Desk;

/// Whose media types a layout has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Types {
    Oci,
    Docker,
}

/// A layout before it is written.
#[derive(Clone, Debug)]
pub(crate) struct TestLayout {
    /// By path.
    pub(crate) files: BTreeMap<String, Vec<u8>>,
    /// `index.json`.
    pub(crate) index: Value,
}

impl TestLayout {
    /// A line of `index.json` for each image, named by its first name.
    pub(crate) fn of(images: &[TestImage], stored: Stored, types: Types) -> Self {
        let mut layout = Self {
            files: BTreeMap::new(),
            index: json!({"schemaVersion": 2, "manifests": []}),
        };
        let oci = br#"{"imageLayoutVersion":"1.0.0"}"#;
        layout.files.insert("oci-layout".to_owned(), oci.to_vec());
        for image in images {
            let mut line = layout.add_image(image, stored, types);
            if let Some(name) = image.names.first() {
                line["annotations"] = json!({"org.opencontainers.image.ref.name": name});
            }
            layout.push(line);
        }
        layout
    }

    /// One image, OCI types, gzip layers.
    pub(crate) fn simple() -> Self {
        Self::of(&[TestImage::named("web:1.1.0")], Stored::Gzip, Types::Oci)
    }

    /// Adds a line to `index.json`.
    pub(crate) fn push(&mut self, line: Value) {
        let lines = self.index["manifests"].as_array_mut();
        lines.expect("the index has a list").push(line);
    }

    /// Adds a blob and gives its descriptor.
    pub(crate) fn add(&mut self, media_type: &str, data: &[u8]) -> Value {
        let digest = Digest::of(data);
        let path = format!("blobs/sha256/{}", digest.hex());
        self.files.insert(path, data.to_vec());
        json!({"mediaType": media_type, "digest": digest, "size": data.len()})
    }

    /// Adds an image and gives the descriptor of its manifest.
    pub(crate) fn add_image(&mut self, image: &TestImage, stored: Stored, types: Types) -> Value {
        let (manifest_type, config_type, layer_type) = match types {
            Types::Oci => (
                "application/vnd.oci.image.manifest.v1+json",
                "application/vnd.oci.image.config.v1+json",
                "application/vnd.oci.image.layer.v1.tar",
            ),
            Types::Docker => (
                "application/vnd.docker.distribution.manifest.v2+json",
                "application/vnd.docker.container.image.v1+json",
                "application/vnd.docker.image.rootfs.diff.tar",
            ),
        };
        let ending = match (stored, types) {
            (Stored::Plain, _) => "",
            (Stored::Gzip, Types::Oci) => "+gzip",
            (Stored::Gzip, Types::Docker) => ".gzip",
            (Stored::Zstd, Types::Oci) => "+zstd",
            (Stored::Zstd, Types::Docker) => ".zstd",
        };
        let layer_type = format!("{layer_type}{ending}");
        let config = self.add(config_type, &image.config());
        let layers: Vec<Value> = image
            .layers
            .iter()
            .map(|layer| self.add(&layer_type, &pack(layer, stored)))
            .collect();
        let manifest = json!({
            "schemaVersion": 2, "mediaType": manifest_type, "config": config, "layers": layers,
        });
        let mut line = self.add(manifest_type, manifest.to_string().as_bytes());
        line["platform"] = json!({"os": "linux", "architecture": image.architecture});
        if let Some(variant) = image.variant {
            line["platform"]["variant"] = variant.into();
        }
        line
    }

    /// Puts what `index.json` lists into an index of its own, as buildx does, under
    /// a name.
    pub(crate) fn nest(&mut self, name: &str) {
        let kind = "application/vnd.oci.image.index.v1+json";
        let mut inner = self.index.clone();
        inner["mediaType"] = kind.into();
        for line in inner["manifests"].as_array_mut().expect("a list") {
            if let Some(annotations) = line["annotations"].as_object_mut() {
                annotations.remove("org.opencontainers.image.ref.name");
            }
        }
        let mut line = self.add(kind, inner.to_string().as_bytes());
        line["annotations"] = json!({"org.opencontainers.image.ref.name": name});
        self.index["manifests"] = json!([line]);
    }

    /// Changes the first manifest and everything that names it.
    pub(crate) fn edit_manifest(&mut self, edit: impl FnOnce(&mut Value)) {
        let line = self.index["manifests"][0].clone();
        let digest = line["digest"].as_str().expect("text");
        let path = format!("blobs/sha256/{}", digest.trim_start_matches("sha256:"));
        let data = self.files.remove(&path).expect("the manifest is there");
        let mut manifest: Value = serde_json::from_slice(&data).expect("JSON");
        edit(&mut manifest);
        let kind = line["mediaType"].as_str().expect("text");
        let new = self.add(kind, manifest.to_string().as_bytes());
        self.index["manifests"][0]["digest"] = new["digest"].clone();
        self.index["manifests"][0]["size"] = new["size"].clone();
    }

    /// The file of the first layer of the first manifest.
    pub(crate) fn first_layer(&self) -> String {
        let hex = |value: &Value| {
            let text = value["digest"].as_str().expect("text");
            format!("blobs/sha256/{}", text.trim_start_matches("sha256:"))
        };
        let manifest = &self.files[&hex(&self.index["manifests"][0])];
        let manifest: Value = serde_json::from_slice(manifest).expect("JSON");
        hex(&manifest["layers"][0])
    }

    /// As a folder of the desk.
    pub(crate) fn write_folder(&self, desk: &Desk, name: &str) {
        let folder = desk.path(name);
        fs::create_dir_all(folder.join("blobs/sha256")).expect("a new folder");
        for (path, data) in &self.files {
            fs::write(folder.join(path), data).expect("writable");
        }
        fs::write(folder.join("index.json"), self.index.to_string()).expect("writable");
    }

    /// As one tar.
    pub(crate) fn archive(&self) -> TestArchive {
        let files = self.files.iter();
        let mut items: Vec<Item> = files.map(|(path, data)| Item::file(path, data)).collect();
        items.push(Item::file("index.json", self.index.to_string().as_bytes()));
        TestArchive(items)
    }
}
