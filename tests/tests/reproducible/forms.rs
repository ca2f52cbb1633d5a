//! One image in the forms in which people have it: the same config and the same
//! unpacked layers, everything around them different.

use std::fs::{self, File};
use std::io::{Read, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use caisson_tests::digest;
use caisson_tests::images::ImageRecipe;
use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::{Value, json};
use tar::{Builder, EntryType, Header};

/// How layers are stored in an archive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Packed {
    Plain,
    Gzip(u32),
    Zstd,
}

/// What may differ between two archives of one image.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Form {
    pub(crate) packed: Packed,
    /// Media types of OCI instead of Docker's.
    pub(crate) oci_types: bool,
    /// Entries and files in the opposite order.
    pub(crate) backwards: bool,
    /// Modification times, owners and modes that nobody has.
    pub(crate) odd_attributes: bool,
}

impl Form {
    /// As engines write it.
    pub(crate) const USUAL: Self = Self {
        packed: Packed::Plain,
        oci_types: true,
        backwards: false,
        odd_attributes: false,
    };
}

/// An image taken apart.
pub(crate) struct Image {
    reference: String,
    platform: Value,
    config: Vec<u8>,
    layers: Vec<Vec<u8>>,
}

/// The same image as each kind of source, in one form.
pub(crate) struct Archives {
    pub(crate) docker_archive: PathBuf,
    pub(crate) oci: PathBuf,
    pub(crate) oci_archive: PathBuf,
    pub(crate) v1: PathBuf,
}

impl Archives {
    pub(crate) fn below(folder: &Path) -> Self {
        Self {
            docker_archive: folder.join("image.tar"),
            oci: folder.join("layout"),
            oci_archive: folder.join("layout.tar"),
            v1: folder.join("old.edgepkg"),
        }
    }
}

impl Image {
    /// The image of the recipe, whose archive is left in `folder`.
    pub(crate) fn of(recipe: &ImageRecipe, folder: &Path) -> Result<Self> {
        let path = folder.join("recipe.tar");
        let facts = recipe.write_docker_archive(&path)?;
        let mut layers = Vec::new();
        let mut archive = tar::Archive::new(File::open(&path)?);
        for entry in archive.entries()? {
            let mut entry = entry?;
            if entry.path()?.ends_with("layer.tar") {
                let mut layer = Vec::new();
                entry.read_to_end(&mut layer)?;
                layers.push(layer);
            }
        }
        Ok(Self {
            reference: facts.reference.context("a name")?,
            platform: json!({"architecture": recipe.platform.architecture, "os": recipe.platform.os}),
            config: facts.config,
            layers,
        })
    }

    /// Writes it in every kind below `folder`.
    pub(crate) fn write(&self, form: Form, folder: &Path) -> Result<Archives> {
        fs::create_dir_all(folder)?;
        let archives = Archives::below(folder);
        let docker = self.docker_entries(form)?;
        write_tar(&archives.docker_archive, &docker, form)?;
        let layout = self.layout_entries(form)?;
        write_tar(&archives.oci_archive, &layout, form)?;
        write_folder(&archives.oci, &layout, form)?;
        let manifest = self.v1_manifest()?;
        let image = fs::read(&archives.docker_archive)?;
        let v1 = [
            ("manifest.toml".to_owned(), manifest),
            ("image.tar".to_owned(), image),
        ];
        write_tar(&archives.v1, &v1, form)?;
        Ok(archives)
    }

    fn stored(&self, form: Form) -> Result<Vec<Vec<u8>>> {
        let packed = self.layers.iter().map(|layer| pack(layer, form.packed));
        packed.collect()
    }

    fn docker_entries(&self, form: Form) -> Result<Vec<(String, Vec<u8>)>> {
        let mut entries = Vec::new();
        let mut names = Vec::new();
        for (index, layer) in self.stored(form)?.into_iter().enumerate() {
            let name = format!("{index}/layer.tar");
            names.push(name.clone());
            entries.push((name, layer));
        }
        let config = format!("{}.json", digest::hex_part(&digest::of(&self.config)));
        let manifest = json!([{"Config": config, "RepoTags": [self.reference], "Layers": names}]);
        entries.push((config, self.config.clone()));
        entries.push((
            "manifest.json".to_owned(),
            manifest.to_string().into_bytes(),
        ));
        Ok(entries)
    }

    fn layout_entries(&self, form: Form) -> Result<Vec<(String, Vec<u8>)>> {
        let mut entries = vec![(
            "oci-layout".to_owned(),
            json!({"imageLayoutVersion": "1.0.0"})
                .to_string()
                .into_bytes(),
        )];
        let mut layers = Vec::new();
        for layer in self.stored(form)? {
            layers.push(blob(&mut entries, layer_type(form), layer));
        }
        let (config_type, manifest_type) = if form.oci_types {
            (
                "application/vnd.oci.image.config.v1+json",
                "application/vnd.oci.image.manifest.v1+json",
            )
        } else {
            (
                "application/vnd.docker.container.image.v1+json",
                "application/vnd.docker.distribution.manifest.v2+json",
            )
        };
        let config = blob(&mut entries, config_type, self.config.clone());
        let manifest = json!({
            "schemaVersion": 2,
            "mediaType": manifest_type,
            "config": config,
            "layers": layers,
        });
        let mut listed = blob(
            &mut entries,
            manifest_type,
            manifest.to_string().into_bytes(),
        );
        listed["platform"] = self.platform.clone();
        listed["annotations"] = json!({"org.opencontainers.image.ref.name": self.reference});
        let index = json!({"schemaVersion": 2, "manifests": [listed]});
        entries.push(("index.json".to_owned(), index.to_string().into_bytes()));
        Ok(entries)
    }

    fn v1_manifest(&self) -> Result<Vec<u8>> {
        let word = |key: &str| self.platform[key].as_str().context("a platform");
        let (os, architecture) = (word("os")?, word("architecture")?);
        let reference = &self.reference;
        let text = format!(
            "format_version = 1\npackage_type = \"service\"\npackage_version = \"0.9.0\"\n\
             created_at = \"2026-03-16T18:30:00Z\"\n[target]\nservice = \"web\"\n\
             service_revision = \"r1\"\nplatform = \"{os}/{architecture}\"\n\
             [image]\nreference = \"{reference}\"\n"
        );
        Ok(text.into_bytes())
    }
}

/// Adds a blob and gives its descriptor.
fn blob(entries: &mut Vec<(String, Vec<u8>)>, kind: &str, bytes: Vec<u8>) -> Value {
    let digest = digest::of(&bytes);
    let descriptor = json!({"mediaType": kind, "digest": digest, "size": bytes.len()});
    let name = format!("blobs/sha256/{}", digest::hex_part(&digest));
    if !entries.iter().any(|(there, _)| *there == name) {
        entries.push((name, bytes));
    }
    descriptor
}

fn layer_type(form: Form) -> &'static str {
    match (form.oci_types, form.packed) {
        (true, Packed::Plain) => "application/vnd.oci.image.layer.v1.tar",
        (true, Packed::Gzip(_)) => "application/vnd.oci.image.layer.v1.tar+gzip",
        (true, Packed::Zstd) => "application/vnd.oci.image.layer.v1.tar+zstd",
        (false, Packed::Plain) => "application/vnd.docker.image.rootfs.diff.tar",
        (false, Packed::Gzip(_)) => "application/vnd.docker.image.rootfs.diff.tar.gzip",
        (false, Packed::Zstd) => "application/vnd.docker.image.rootfs.diff.tar.zstd",
    }
}

fn pack(layer: &[u8], packed: Packed) -> Result<Vec<u8>> {
    Ok(match packed {
        Packed::Plain => layer.to_vec(),
        Packed::Gzip(level) => {
            let mut encoder = GzEncoder::new(Vec::new(), Compression::new(level));
            encoder.write_all(layer)?;
            encoder.finish()?
        }
        Packed::Zstd => zstd::encode_all(layer, 1)?,
    })
}

fn write_tar(path: &Path, entries: &[(String, Vec<u8>)], form: Form) -> Result<()> {
    let mut tar = Builder::new(File::create(path)?);
    for (name, bytes) in ordered(entries, form) {
        let mut header = Header::new_ustar();
        header.set_entry_type(EntryType::Regular);
        header.set_size(bytes.len() as u64);
        header.set_path(name)?;
        if form.odd_attributes {
            header.set_mode(0o400);
            header.set_uid(4711);
            header.set_gid(4712);
            header.set_mtime(1_234_567_890);
            header.set_username("nobody-special")?;
        } else {
            header.set_mode(0o644);
        }
        header.set_cksum();
        tar.append(&header, bytes.as_slice())?;
    }
    tar.finish()?;
    Ok(())
}

fn write_folder(folder: &Path, entries: &[(String, Vec<u8>)], form: Form) -> Result<()> {
    for (name, bytes) in ordered(entries, form) {
        let path = folder.join(name);
        fs::create_dir_all(path.parent().context("a folder")?)?;
        fs::write(&path, bytes)?;
        if form.odd_attributes {
            let old = std::time::SystemTime::UNIX_EPOCH + std::time::Duration::from_hours(24);
            File::options().write(true).open(&path)?.set_modified(old)?;
            // Only root may give files away; for others their own owner must do.
            let _ = std::os::unix::fs::chown(&path, Some(4711), Some(4712));
        }
    }
    Ok(())
}

fn ordered(entries: &[(String, Vec<u8>)], form: Form) -> Vec<&(String, Vec<u8>)> {
    let mut ordered: Vec<_> = entries.iter().collect();
    if form.backwards {
        ordered.reverse();
    }
    ordered
}
