//! The docker-archive around the layers.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::Path;

use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use tar::{Builder, EntryType};

use super::ImageRecipe;
use super::layer::{Layer, append};
use crate::digest;

/// What came out of a recipe.
#[derive(Debug, Clone, PartialEq)]
pub struct ImageFacts {
    /// `sha256:...` of the config: the image's id on classic engines and Podman.
    pub config_digest: String,
    /// `sha256:...` of the layer tars, base first.
    pub diff_ids: Vec<String>,
    /// Bytes of the layer tars, base first.
    pub layer_bytes: Vec<u64>,
    /// `registry/name:tag`, as asked for.
    pub reference: Option<String>,
    /// The exact config.
    pub config: Vec<u8>,
}

impl ImageRecipe {
    /// Writes the image as `docker save` of Docker 20.10 writes it. One pass:
    /// memory doesn't grow with the layers. The same recipe and program give
    /// the same bytes.
    pub fn write_docker_archive(&self, path: &Path) -> io::Result<ImageFacts> {
        let mut file = BufWriter::with_capacity(256 * 1024, File::create(path)?);
        let facts = self.write_docker_archive_to(&mut file)?;
        file.flush()?;
        Ok(facts)
    }

    /// The same into any writer.
    pub fn write_docker_archive_to(&self, sink: &mut dyn Write) -> io::Result<ImageFacts> {
        let mut tar = Builder::new(&mut *sink);
        let mut diff_ids = Vec::new();
        let mut layer_bytes = Vec::new();
        let mut layer_paths = Vec::new();
        for (index, layer) in self.layers().iter().enumerate() {
            let folder = self.layer_folder(index);
            append(
                &mut tar,
                &format!("{folder}/"),
                EntryType::Directory,
                0o755,
                0,
                io::empty(),
            )?;
            append_bytes(&mut tar, &format!("{folder}/VERSION"), b"1.0")?;
            let legacy = json!({"id": folder, "os": self.platform.os}).to_string();
            append_bytes(&mut tar, &format!("{folder}/json"), legacy.as_bytes())?;
            let name = format!("{folder}/layer.tar");
            let bytes = layer.tar_bytes()?;
            diff_ids.push(append_layer(&mut tar, &name, bytes, layer)?);
            layer_bytes.push(bytes);
            layer_paths.push(name);
        }
        let config = self.config(&diff_ids).to_string().into_bytes();
        let config_digest = digest::of(&config);
        let config_path = format!("{}.json", digest::hex_part(&config_digest));
        append_bytes(&mut tar, &config_path, &config)?;
        let tags: Value = match &self.reference {
            Some(reference) => json!([reference]),
            None => Value::Null,
        };
        let manifest = json!([{"Config": config_path, "RepoTags": tags, "Layers": layer_paths}]);
        append_bytes(&mut tar, "manifest.json", manifest.to_string().as_bytes())?;
        if let Some((repository, tag)) = self.reference.as_deref().and_then(|r| r.rsplit_once(':'))
        {
            let top = self.layer_folder(layer_paths.len() - 1);
            let repositories = json!({repository: {tag: top}}).to_string();
            append_bytes(&mut tar, "repositories", repositories.as_bytes())?;
        }
        tar.finish()?;
        drop(tar);
        sink.flush()?;
        Ok(ImageFacts {
            config_digest,
            diff_ids,
            layer_bytes,
            reference: self.reference.clone(),
            config,
        })
    }

    /// What the image is, without writing it anywhere.
    pub fn facts(&self) -> io::Result<ImageFacts> {
        self.write_docker_archive_to(&mut io::sink())
    }

    fn layers(&self) -> Vec<Layer<'_>> {
        let mut layers = vec![Layer::Program(&self.program)];
        layers.extend(
            self.padding
                .iter()
                .enumerate()
                .map(|(i, p)| Layer::Padding(i + 1, *p)),
        );
        layers
    }

    /// A name in the old id form. It can't be the layer's digest, which is only
    /// known after the layer; readers must not take it for one anyway.
    fn layer_folder(&self, index: usize) -> String {
        let seed = format!("{:?} {} {index}", self.reference, self.version);
        digest::hex_part(&digest::of(seed.as_bytes())).to_owned()
    }
}

/// Appends a layer and gives its `sha256:...`.
fn append_layer(
    tar: &mut Builder<impl Write>,
    name: &str,
    bytes: u64,
    layer: &Layer<'_>,
) -> io::Result<String> {
    // The header promises the content, which then goes past the builder: a layer
    // is written, and the builder only takes what it can read. A layer tar is a
    // multiple of 512 bytes, so nothing is left to pad.
    append(tar, name, EntryType::Regular, 0o644, bytes, io::empty())?;
    let mut hashing = Hashing {
        inner: tar.get_mut(),
        hash: Sha256::new(),
        bytes: 0,
    };
    layer.write(&mut hashing)?;
    if hashing.bytes != bytes {
        let found = hashing.bytes;
        return Err(io::Error::other(format!(
            "layer {name}: found {found} bytes, wanted {bytes}"
        )));
    }
    Ok(digest::finish(hashing.hash))
}

fn append_bytes(tar: &mut Builder<impl Write>, name: &str, bytes: &[u8]) -> io::Result<()> {
    append(
        tar,
        name,
        EntryType::Regular,
        0o644,
        bytes.len() as u64,
        bytes,
    )
}

/// Hashes and counts what passes.
struct Hashing<W> {
    inner: W,
    hash: Sha256,
    bytes: u64,
}

impl<W: Write> Write for Hashing<W> {
    fn write(&mut self, piece: &[u8]) -> io::Result<usize> {
        let count = self.inner.write(piece)?;
        self.hash.update(&piece[..count]);
        self.bytes += count as u64;
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}
