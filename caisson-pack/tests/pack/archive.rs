//! Docker archives made by hand, entry by entry, so that a test can bend any of
//! them. Nothing here uses the code under test.

use std::io::Write as _;

use edgepkg::Digest;

/// Where layers and configs stand in the archive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Layout {
    /// `<id>/layer.tar` and `<hex>.json`; repeated layers are symlinks.
    Old,
    /// `blobs/sha256/<hex>`, as Docker 25 and later write.
    Blobs,
}

/// How layers are stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stored {
    Plain,
    Gzip,
    Zstd,
}

/// One image of an archive.
#[derive(Clone, Debug)]
pub(crate) struct TestImage {
    pub(crate) architecture: &'static str,
    pub(crate) variant: Option<&'static str>,
    pub(crate) created: &'static str,
    pub(crate) names: Vec<&'static str>,
    pub(crate) layers: Vec<Vec<u8>>,
}

impl TestImage {
    /// An image for linux/amd64 with two small layers.
    pub(crate) fn named(name: &'static str) -> Self {
        Self {
            architecture: "amd64",
            variant: None,
            created: "2026-01-02T03:04:05.678Z",
            names: vec![name],
            layers: vec![
                layer_of("bin/base", b"base"),
                layer_of("bin/web", name.as_bytes()),
            ],
        }
    }

    /// The config's bytes.
    pub(crate) fn config(&self) -> Vec<u8> {
        let diff_ids: Vec<String> = self
            .layers
            .iter()
            .map(|layer| Digest::of(layer).to_string())
            .collect();
        let history: Vec<_> = diff_ids.iter().map(|_| serde_json::json!({})).collect();
        let mut config = serde_json::json!({
            "architecture": self.architecture,
            "os": "linux",
            "created": self.created,
            "config": {"Cmd": ["/bin/web"]},
            "rootfs": {"type": "layers", "diff_ids": diff_ids},
            "history": history,
        });
        if let Some(variant) = self.variant {
            config["variant"] = variant.into();
        }
        config.to_string().into_bytes()
    }
}

/// One entry of an archive.
#[derive(Clone, Debug)]
pub(crate) struct Item {
    pub(crate) path: String,
    pub(crate) kind: tar::EntryType,
    pub(crate) link: String,
    pub(crate) data: Vec<u8>,
}

impl Item {
    pub(crate) fn file(path: &str, data: &[u8]) -> Self {
        Self {
            path: path.to_owned(),
            kind: tar::EntryType::Regular,
            link: String::new(),
            data: data.to_vec(),
        }
    }

    pub(crate) fn link(path: &str, target: &str) -> Self {
        Self {
            kind: tar::EntryType::Symlink,
            link: target.to_owned(),
            ..Self::file(path, b"")
        }
    }
}

/// An archive before it is written.
#[derive(Clone, Debug)]
pub(crate) struct TestArchive(pub(crate) Vec<Item>);

impl TestArchive {
    /// What `docker save` would write of these images.
    pub(crate) fn of(images: &[TestImage], layout: Layout, stored: Stored) -> Self {
        let mut items: Vec<Item> = Vec::new();
        let mut list = Vec::new();
        for image in images {
            let config = image.config();
            let hex = Digest::of(&config).hex();
            let config_path = match layout {
                Layout::Old => format!("{hex}.json"),
                Layout::Blobs => format!("blobs/sha256/{hex}"),
            };
            push_new(&mut items, Item::file(&config_path, &config));
            let layers: Vec<String> = (0..image.layers.len())
                .map(|number| push_layer(&mut items, image, number, layout, stored))
                .collect();
            list.push(serde_json::json!({
                "Config": config_path,
                "RepoTags": image.names,
                "Layers": layers,
                "LayerSources": {},
            }));
        }
        if layout == Layout::Blobs {
            items.push(Item::file(
                "oci-layout",
                br#"{"imageLayoutVersion":"1.0.0"}"#,
            ));
            items.push(Item::file("index.json", b"{}"));
        }
        let list = serde_json::Value::from(list).to_string();
        items.push(Item::file("manifest.json", list.as_bytes()));
        Self(items)
    }

    /// One image in the old layout, stored plain.
    pub(crate) fn simple() -> Self {
        Self::of(&[TestImage::named("web:1.1.0")], Layout::Old, Stored::Plain)
    }

    /// The entry whose path ends so.
    pub(crate) fn item(&mut self, end: &str) -> &mut Item {
        let found = self.0.iter_mut().find(|item| item.path.ends_with(end));
        found.expect("the archive has such an entry")
    }

    /// Replaces text in `manifest.json`.
    pub(crate) fn edit_manifest(&mut self, from: &str, to: &str) {
        let item = self.item("manifest.json");
        let text = String::from_utf8(item.data.clone()).expect("JSON is text");
        assert!(text.contains(from), "nothing to replace in {text}");
        item.data = text.replace(from, to).into_bytes();
    }

    /// Replaces the config and everything that names it by its digest.
    pub(crate) fn edit_config(&mut self, from: &str, to: &str) {
        let hex_of = |data: &[u8]| Digest::of(data).hex();
        let config = self
            .0
            .iter_mut()
            .find(|item| item.data.starts_with(b"{\"architecture"))
            .expect("the archive has a config");
        let old = hex_of(&config.data);
        let text = String::from_utf8(config.data.clone()).expect("JSON is text");
        assert!(text.contains(from), "nothing to replace in {text}");
        config.data = text.replace(from, to).into_bytes();
        let new = hex_of(&config.data);
        config.path = config.path.replace(&old, &new);
        self.edit_manifest(&old, &new);
    }

    /// The tar.
    pub(crate) fn bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        for item in &self.0 {
            append(&mut bytes, item);
        }
        bytes.resize(bytes.len() + 1024, 0);
        bytes
    }
}

fn push_new(items: &mut Vec<Item>, item: Item) {
    if items.iter().all(|there| there.path != item.path) {
        items.push(item);
    }
}

fn push_layer(
    items: &mut Vec<Item>,
    image: &TestImage,
    number: usize,
    layout: Layout,
    stored: Stored,
) -> String {
    let data = pack(&image.layers[number], stored);
    match layout {
        Layout::Blobs => {
            let path = format!("blobs/sha256/{}", Digest::of(&data).hex());
            push_new(items, Item::file(&path, &data));
            path
        }
        Layout::Old => {
            // Ids of the old layout are digests of something else.
            let id = Digest::of(format!("{:?} {number}", image.names).as_bytes()).hex();
            let path = format!("{id}/layer.tar");
            let before = items
                .iter()
                .find(|item| item.path.ends_with("/layer.tar") && item.data == data);
            let item = match before {
                Some(first) => Item::link(&path, &format!("../{}", first.path)),
                None => Item::file(&path, &data),
            };
            items.push(item);
            path
        }
    }
}

/// The data, stored so.
pub(crate) fn pack(data: &[u8], stored: Stored) -> Vec<u8> {
    match stored {
        Stored::Plain => data.to_vec(),
        Stored::Gzip => {
            let mut encoder =
                flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
            encoder.write_all(data).expect("memory");
            encoder.finish().expect("memory")
        }
        Stored::Zstd => zstd::encode_all(data, 1).expect("memory"),
    }
}

/// Writes a header as it is told to, however wrong it is.
fn append(bytes: &mut Vec<u8>, item: &Item) {
    let mut header = tar::Header::new_ustar();
    {
        let fields = header.as_old_mut();
        fields.name[..item.path.len()].copy_from_slice(item.path.as_bytes());
        fields.linkname[..item.link.len()].copy_from_slice(item.link.as_bytes());
    }
    header.set_entry_type(item.kind);
    header.set_mode(0o644);
    header.set_size(item.data.len() as u64);
    header.set_cksum();
    bytes.extend_from_slice(header.as_bytes());
    bytes.extend_from_slice(&item.data);
    bytes.resize(bytes.len().next_multiple_of(512), 0);
}

/// A layer tar with one file.
pub(crate) fn layer_of(path: &str, data: &[u8]) -> Vec<u8> {
    TestArchive(vec![Item::file(path, data)]).bytes()
}

/// Bytes that compress to about half and are the same each time.
pub(crate) fn half_random(count: usize) -> Vec<u8> {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut bytes = Vec::with_capacity(count);
    while bytes.len() < count {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        let word = state.to_le_bytes();
        bytes.extend_from_slice(&word[..4]);
        bytes.extend_from_slice(b"same");
    }
    bytes.truncate(count);
    bytes
}
