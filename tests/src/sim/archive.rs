//! Reads the body of `POST /images/load`: a plain tar, every file hashed, only
//! small JSON files and the paths inside layers kept. Memory doesn't grow with
//! the layers.
//!
//! What the files mean is decided in `load`.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, BufRead, BufReader, Read};

use serde_json::Value;
use sha2::{Digest, Sha256};
use tar::Archive;

use crate::digest;

/// Naming files and configs are far smaller; layers that begin like JSON aren't parsed.
const JSON_BYTES_MAX: u64 = 4 * 1024 * 1024;
/// Paths kept of one layer; beyond it the layer's content counts as unknown.
const PATHS_MAX: usize = 10_000;

/// A file of the archive.
#[derive(Debug, Clone)]
pub(super) struct Part {
    pub(super) digest: String,
    pub(super) bytes: u64,
    /// The exact bytes and their meaning, if it is a small JSON file.
    pub(super) json: Option<(Vec<u8>, Value)>,
    /// What is inside, if it is a tar that could be listed.
    pub(super) listing: Option<LayerListing>,
}

/// The files of a layer.
#[derive(Debug, Clone)]
pub(super) struct LayerListing {
    pub(super) paths: BTreeSet<String>,
    /// Of the files' content: what engines show as the size of a layer.
    pub(super) content_bytes: u64,
}

/// All files of the archive by path.
pub(super) type Parts = BTreeMap<String, Part>;

/// Reads to the end of the tar. The error is what the body's reader or the tar
/// reader says; a body that ends early is one.
pub(super) fn read(body: &mut dyn Read) -> io::Result<Parts> {
    let mut parts = Parts::new();
    let mut archive = Archive::new(BufReader::with_capacity(128 * 1024, &mut *body));
    for entry in archive.entries()? {
        let mut entry = entry?;
        if !entry.header().entry_type().is_file() {
            continue;
        }
        let path = entry
            .path()?
            .to_string_lossy()
            .trim_start_matches("./")
            .to_owned();
        let bytes = entry.size();
        let part = read_part(&mut entry, bytes)?;
        parts.insert(path, part);
    }
    let mut rest = archive.into_inner();
    // The closing chunk must come too, or the client may have been cut.
    io::copy(&mut rest, &mut io::sink())?;
    Ok(parts)
}

fn read_part(content: &mut dyn Read, bytes: u64) -> io::Result<Part> {
    let mut hashing = BufReader::with_capacity(64 * 1024, Hashing::new(content));
    let looks_like_json = matches!(hashing.fill_buf()?.first(), Some(b'{' | b'['));
    let mut json = None;
    let mut listing = None;
    if looks_like_json && bytes <= JSON_BYTES_MAX {
        let mut text = Vec::new();
        hashing.read_to_end(&mut text)?;
        json = serde_json::from_slice(&text)
            .ok()
            .map(|value| (text, value));
    } else {
        listing = list(&mut hashing);
    }
    io::copy(&mut hashing, &mut io::sink())?;
    let hashing = hashing.into_inner();
    if hashing.bytes != bytes {
        let found = hashing.bytes;
        let message = format!("unexpected EOF: {found} of {bytes} bytes of a file");
        return Err(io::Error::new(io::ErrorKind::UnexpectedEof, message));
    }
    Ok(Part {
        digest: digest::finish(hashing.hash),
        bytes,
        json,
        listing,
    })
}

/// What a layer has; `None` if it isn't a tar or has too many files.
fn list(layer: &mut dyn Read) -> Option<LayerListing> {
    let mut listing = LayerListing {
        paths: BTreeSet::new(),
        content_bytes: 0,
    };
    for entry in Archive::new(layer).entries().ok()? {
        let entry = entry.ok()?;
        let path = entry.path().ok()?.to_string_lossy().into_owned();
        listing.paths.insert(format!(
            "/{}",
            path.trim_start_matches("./").trim_matches('/')
        ));
        listing.content_bytes += entry.size();
        if listing.paths.len() > PATHS_MAX {
            return None;
        }
    }
    Some(listing)
}

struct Hashing<R> {
    inner: R,
    hash: Sha256,
    bytes: u64,
}

impl<R> Hashing<R> {
    fn new(inner: R) -> Self {
        Self {
            inner,
            hash: Sha256::new(),
            bytes: 0,
        }
    }
}

impl<R: Read> Read for Hashing<R> {
    fn read(&mut self, piece: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(piece)?;
        self.hash.update(&piece[..count]);
        self.bytes += count as u64;
        Ok(count)
    }
}
