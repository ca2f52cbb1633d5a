//! Layers of what a distribution really has: this machine's programs, libraries
//! and documents, as an image that `caisson-pack` takes.

use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use edgepkg::Digest;
use edgepkg::digest::Hasher;
use serde_json::json;
use tar::{Builder, EntryType, Header};

/// Where each layer comes from, and which of a folder's own folders is large
/// enough: libraries of one architecture, not compilers and SDKs.
const SOURCES: [(&str, &str); 3] = [
    ("bin", "/usr/bin"),
    ("lib", "/usr/lib/*-linux-gnu*"),
    ("share", "/usr/share"),
];

/// Greatest size of a layer, in bytes.
const LAYER_BYTES_MAX: u64 = 700 << 20;

/// Layer tars, and the archive with all of them.
#[derive(Debug)]
pub(crate) struct Distribution {
    pub(crate) layers: Vec<PathBuf>,
    pub(crate) archive: PathBuf,
    pub(crate) bytes: u64,
}

impl Distribution {
    /// Writes the tars into `folder`.
    pub(crate) fn write(folder: &Path) -> Result<Self> {
        let (mut layers, mut diff_ids, mut bytes) = (Vec::new(), Vec::new(), 0);
        for (name, source) in SOURCES {
            let path = folder.join(format!("{name}.tar"));
            diff_ids.push(write_layer(&source_folder(source)?, &path)?);
            bytes += fs::metadata(&path)?.len();
            layers.push(path);
        }
        let archive = folder.join("image.tar");
        write_archive(&archive, &layers, &diff_ids)?;
        Ok(Self {
            layers,
            archive,
            bytes,
        })
    }
}

/// The folder, or the first whose name fits before and after the `*`.
fn source_folder(pattern: &str) -> Result<PathBuf> {
    let Some((before, _)) = pattern.split_once('*') else {
        return Ok(pattern.into());
    };
    let fits = |path: &PathBuf| path.to_string_lossy().contains("-linux-gnu");
    let folders = sorted(Path::new(before))?;
    folders
        .into_iter()
        .find(fits)
        .with_context(|| format!("no folder {pattern}"))
}

fn sorted(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let entries = fs::read_dir(folder)?;
    let mut paths: Vec<PathBuf> = entries
        .map(|entry| entry.map(|entry| entry.path()))
        .collect::<io::Result<_>>()?;
    paths.sort();
    Ok(paths)
}

/// Hashes what passes through.
struct Hashed<W> {
    sink: W,
    hasher: Hasher,
    bytes: u64,
}

impl<W: Write> Write for Hashed<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let count = self.sink.write(bytes)?;
        self.hasher.update(&bytes[..count]);
        self.bytes += count as u64;
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.sink.flush()
    }
}

/// Regular files of the folder, in order, as many as fit.
fn write_layer(folder: &Path, path: &Path) -> Result<Digest> {
    let mut layer = Builder::new(Hashed {
        sink: BufWriter::new(File::create(path)?),
        hasher: Hasher::new(),
        bytes: 0,
    });
    let mut waiting = vec![folder.to_owned()];
    while let Some(path) = waiting.pop() {
        let facts = fs::symlink_metadata(&path)?;
        if facts.is_dir() {
            waiting.extend(sorted(&path)?.into_iter().rev());
        } else if facts.is_file() && layer.get_ref().bytes + facts.len() <= LAYER_BYTES_MAX {
            let mut header = header(facts.len());
            let name = path.strip_prefix("/")?;
            layer.append_data(&mut header, name, File::open(&path)?)?;
        }
    }
    let mut hashed = layer.into_inner()?;
    hashed.sink.flush()?;
    Ok(hashed.hasher.finish())
}

fn write_archive(path: &Path, layers: &[PathBuf], diff_ids: &[Digest]) -> Result<()> {
    let mut archive = Builder::new(BufWriter::new(File::create(path)?));
    let history: Vec<_> = diff_ids.iter().map(|_| json!({})).collect();
    let config = json!({
        "architecture": "amd64",
        "os": "linux",
        "created": "2026-01-01T00:00:00Z",
        "config": {"Cmd": ["/bin/sh"]},
        "rootfs": {"type": "layers", "diff_ids": diff_ids},
        "history": history,
    })
    .to_string();
    let config_path = format!("{}.json", Digest::of(config.as_bytes()).hex());
    let mut names = Vec::new();
    for (layer, diff_id) in layers.iter().zip(diff_ids) {
        let name = format!("{}/layer.tar", diff_id.hex());
        let file = File::open(layer)?;
        let mut header = header(file.metadata()?.len());
        archive.append_data(&mut header, &name, file)?;
        names.push(name);
    }
    let list = json!([{
        "Config": config_path,
        "RepoTags": ["bench:1"],
        "Layers": names,
    }])
    .to_string();
    for (name, text) in [(config_path.as_str(), config), ("manifest.json", list)] {
        archive.append_data(&mut header(text.len() as u64), name, text.as_bytes())?;
    }
    archive.into_inner()?.flush()?;
    Ok(())
}

fn header(size: u64) -> Header {
    let mut header = Header::new_gnu();
    header.set_entry_type(EntryType::Regular);
    header.set_mode(0o644);
    header.set_size(size);
    header
}
