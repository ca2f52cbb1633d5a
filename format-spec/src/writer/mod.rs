//! The deterministic writer: a draft in, the only possible bytes out.
//!
//! What it does: it derives the manifest from the draft, holds it against the
//! reader's own rules, and writes front to back to any [`Write`]. It checks
//! every blob again while it writes: a temporary file that changed since its
//! digest was taken ends in an error, not in a package that no device accepts.
//!
//! What it does not: it compresses nothing, reads no image source, and leaves
//! temporary names, syncing and renaming of the output to its caller.

mod blob;
mod draft;

use std::fmt;
use std::io::{self, Read, Write};

use blob::ChunkHasher;
pub use blob::{BlobDraft, BlobHasher, BlobSum, Opener};
pub use draft::{FileDraft, ImageDraft, LayerDraft, PackageDraft};

use crate::digest::Digest;
use crate::error::{Code, PackageError};
use crate::header::{self, BLOCK_BYTES};
use crate::limits::MANIFEST_BYTES_MAX;
use crate::manifest::{Entry, Manifest};
use crate::reader::{CHUNKS_SHA256, MANIFEST, MANIFEST_SHA256, file_bytes, manifest_sha256};

/// Size of the copy buffer, in bytes.
const COPY_BYTES: usize = 256 * 1024;

/// Why no package was written.
#[derive(Debug)]
pub enum WriteError {
    /// The draft breaks a rule of the format.
    Rules(PackageError),
    /// A blob could not be opened or read.
    Source {
        /// The entry it belongs to.
        path: String,
        /// What failed.
        error: io::Error,
    },
    /// A blob's bytes are not those its sums were taken from.
    Changed {
        /// The entry it belongs to.
        path: String,
    },
    /// The output could not be written.
    Sink(io::Error),
}

impl fmt::Display for WriteError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Rules(_) => f.write_str("the package would break a rule of the format"),
            Self::Source { path, .. } => write!(f, "the data of {path} could not be read"),
            Self::Changed { path } => write!(f, "the data of {path} changed while it was packed"),
            Self::Sink(_) => f.write_str("the package could not be written"),
        }
    }
}

impl std::error::Error for WriteError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Rules(error) => Some(error),
            Self::Source { error, .. } | Self::Sink(error) => Some(error),
            Self::Changed { .. } => None,
        }
    }
}

impl From<PackageError> for WriteError {
    fn from(error: PackageError) -> Self {
        Self::Rules(error)
    }
}

/// Writes the package. `progress` gets the bytes written so far and the bytes
/// of the whole file.
pub fn write(
    draft: &PackageDraft,
    out: &mut dyn Write,
    progress: &mut dyn FnMut(u64, u64),
) -> Result<Manifest, WriteError> {
    let plan = draft.plan()?;
    let manifest = plan.manifest;
    let manifest_bytes = manifest.emit().into_bytes();
    if manifest_bytes.len() as u64 > MANIFEST_BYTES_MAX {
        return Err(PackageError::new(
            Code::ManifestSize,
            "the package would need too large a manifest",
            MANIFEST,
        )
        .found(format!("{} bytes", manifest_bytes.len()))
        .wanted(format!("at most {MANIFEST_BYTES_MAX} bytes"))
        .into());
    }
    let mut output = Output {
        out,
        written: 0,
        total: file_bytes(&manifest, manifest_bytes.len() as u64),
        mtime: manifest.mtime,
        progress,
    };
    let digest = Digest::of(&manifest_bytes);
    output.small_entry(MANIFEST, &manifest_bytes)?;
    output.small_entry(MANIFEST_SHA256, &manifest_sha256(&digest))?;
    output.small_entry(CHUNKS_SHA256, &plan.chunk_table)?;
    for (entry, blob) in manifest.entries.iter().zip(&plan.data) {
        output.entry(entry, blob)?;
    }
    output.bytes(&[0; 2 * BLOCK_BYTES])?;
    output.out.flush().map_err(WriteError::Sink)?;
    Ok(manifest)
}

struct Output<'a> {
    out: &'a mut dyn Write,
    written: u64,
    total: u64,
    mtime: u64,
    progress: &'a mut dyn FnMut(u64, u64),
}

impl Output<'_> {
    fn small_entry(&mut self, name: &str, data: &[u8]) -> Result<(), WriteError> {
        self.bytes(&header::encode(name, data.len() as u64, self.mtime))?;
        self.bytes(data)?;
        self.padding(data.len() as u64)
    }

    fn entry(&mut self, entry: &Entry, blob: &BlobDraft) -> Result<(), WriteError> {
        let source_failed = |error| WriteError::Source {
            path: entry.path.clone(),
            error,
        };
        self.bytes(&header::encode(&entry.path, entry.size, self.mtime))?;
        // One byte more than promised is enough to notice a source that grew.
        let mut data = (blob.open)().map_err(source_failed)?.take(entry.size + 1);
        // Bytes of equal chunks are equal: the digest of the whole is not taken again.
        let mut hasher = ChunkHasher::default();
        let mut buffer = vec![0; COPY_BYTES];
        let mut size = 0;
        loop {
            let count = match data.read(&mut buffer) {
                Ok(0) => break,
                Ok(count) => count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(source_failed(error)),
            };
            size += count as u64;
            if size > entry.size {
                break;
            }
            hasher.update(&buffer[..count]);
            self.bytes(&buffer[..count])?;
        }
        if size > entry.size || hasher.finish() != blob.sum.chunks {
            return Err(WriteError::Changed {
                path: entry.path.clone(),
            });
        }
        self.padding(entry.size)
    }

    fn padding(&mut self, size: u64) -> Result<(), WriteError> {
        self.bytes(&[0; BLOCK_BYTES][..header::padding_len(size)])
    }

    fn bytes(&mut self, bytes: &[u8]) -> Result<(), WriteError> {
        self.out.write_all(bytes).map_err(WriteError::Sink)?;
        self.written += bytes.len() as u64;
        (self.progress)(self.written, self.total);
        Ok(())
    }
}
