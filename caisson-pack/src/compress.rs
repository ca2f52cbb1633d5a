//! One layer: read, checked against its diff id, compressed into an unlinked
//! temporary file.
//!
//! The compressed bytes depend on the unpacked bytes, the level and the version
//! of libzstd, and on nothing else. For that, zstd always runs in its
//! multi-threaded mode (whose output does not depend on the number of threads,
//! but differs from the single-threaded one), with the job size and overlap
//! fixed, the size pledged beforehand, and input fed in pieces of one size: the
//! source's own read sizes must not show.
//!
//! A thread of its own reads, unpacks and hashes the input, so that zstd's
//! threads need not wait for it. Memory is a few pieces and zstd's own
//! buffers, whatever the layer's size.

use std::fs::File;
use std::io::{self, Read, Write};
use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;

use edgepkg::Digest;
use edgepkg::digest::Hasher;
use edgepkg::limits::ZSTD_WINDOW_LOG_MAX;
use edgepkg::writer::{BlobDraft, BlobHasher, LayerDraft};
use zstd::stream::raw::CParameter;

use crate::error::{Code, PackError, Result};
use crate::source::{FileSlice, SourceLayer};

/// The level unless one is asked for. Measured on 1 GB of a distribution's
/// programs and libraries, two cores: level 3 gives 345 MB in 3.3 s, level 6
/// 321 MB in 6.3 s, level 9 310 MB in 9.8 s, level 12 307 MB in 22 s, level 15
/// 305 MB in 92 s. A package is built once and carried and read many times; 9 is
/// the last level where the time buys something.
pub const LEVEL_DEFAULT: i32 = 9;
/// Lowest level.
pub const LEVEL_MIN: i32 = 1;
/// Highest level: above it zstd wants windows that no device should hold.
pub const LEVEL_MAX: i32 = 19;

/// Greatest number of compressing threads. Each holds about five times a job.
pub const THREADS_MAX: u32 = 16;

/// Bytes of input that one thread compresses: layers of some 10 MB already use
/// several cores.
const JOB_BYTES: u32 = 8 * 1024 * 1024;

/// How much of the job before a job looks at: zstd's 1 (none) to 9 (a whole window).
const OVERLAP: u32 = 6;

/// Bytes handed on at a time.
const PIECE_BYTES: usize = 1024 * 1024;

/// Pieces that may wait between two threads.
const PIECES_WAITING: usize = 4;

/// How to compress.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Compression {
    /// zstd's level, [`LEVEL_MIN`] to [`LEVEL_MAX`].
    pub level: i32,
    /// Compressing threads, 1 to [`THREADS_MAX`]. The bytes don't depend on it.
    pub threads: u32,
}

/// Compresses a layer that unpacks to `diff_size` bytes into a temporary file in
/// `folder`. `progress` hears of unpacked bytes, and may stop the work.
pub fn pack_layer(
    layer: &SourceLayer,
    diff_size: u64,
    compression: Compression,
    folder: &Path,
    progress: &mut dyn FnMut(u64) -> Result<()>,
) -> Result<LayerDraft> {
    let output = |error: &io::Error| PackError::output(error, folder);
    let temporary = tempfile::tempfile_in(folder).map_err(|error| output(&error))?;
    let blob = Blob {
        file: temporary,
        hasher: BlobHasher::new(),
    };
    let unpacked = layer.unpacked()?;
    let (pieces, incoming) = sync_channel(PIECES_WAITING);
    let (compressed, diff_id) = thread::scope(|scope| {
        let reading = scope.spawn(move || read_pieces(unpacked, &pieces));
        let compressed = compress(blob, diff_size, compression, &incoming, progress);
        // Ends the reading thread if compression failed first.
        drop(incoming);
        let diff_id = reading.join().expect("the reading thread does not panic");
        (compressed, diff_id)
    });
    // A damaged source also ends compression early, and one that changed makes
    // it fail; the source is the cause.
    match diff_id.map_err(|error| layer.error(error))? {
        Some(found) if found != layer.diff_id() => {
            return Err(PackError::new(
                Code::SourceLayerDigestMismatch,
                "a layer is not the one the image's config names",
            )
            .at(layer.place())
            .found(found)
            .wanted(layer.diff_id()));
        }
        _ => {}
    }
    let blob = compressed.map_err(|error| PackError::from_io(error, output))?;
    let sum = blob.hasher.finish();
    let (file, size) = (Arc::new(blob.file), sum.size);
    Ok(LayerDraft {
        blob: BlobDraft {
            sum,
            open: Arc::new(move || Ok(Box::new(FileSlice::new(&file, 0, size)))),
        },
        diff_id: layer.diff_id(),
        diff_size,
    })
}

/// Sends full pieces, a shorter last one, and gives the digest of all of it;
/// `None` if nobody listens any more.
fn read_pieces(mut input: impl Read, pieces: &SyncSender<Vec<u8>>) -> io::Result<Option<Digest>> {
    let mut hasher = Hasher::new();
    loop {
        let mut piece = Vec::with_capacity(PIECE_BYTES);
        input
            .by_ref()
            .take(PIECE_BYTES as u64)
            .read_to_end(&mut piece)?;
        if piece.is_empty() {
            return Ok(Some(hasher.finish()));
        }
        hasher.update(&piece);
        if pieces.send(piece).is_err() {
            return Ok(None);
        }
    }
}

fn compress(
    blob: Blob,
    diff_size: u64,
    compression: Compression,
    incoming: &Receiver<Vec<u8>>,
    progress: &mut dyn FnMut(u64) -> Result<()>,
) -> io::Result<Blob> {
    let mut encoder = zstd::stream::write::Encoder::new(blob, compression.level)?;
    for parameter in [
        CParameter::WindowLog(ZSTD_WINDOW_LOG_MAX),
        CParameter::ChecksumFlag(true),
        CParameter::ContentSizeFlag(true),
        CParameter::NbWorkers(compression.threads),
        CParameter::JobSize(JOB_BYTES),
        CParameter::OverlapSizeLog(OVERLAP),
    ] {
        encoder.set_parameter(parameter)?;
    }
    encoder.set_pledged_src_size(Some(diff_size))?;
    for piece in incoming {
        encoder.write_all(&piece)?;
        if let Err(stopped) = progress(piece.len() as u64) {
            // Freeing it would wait until every job at hand is compressed, many
            // seconds at high levels. Somebody pressed Ctrl-C: the process ends.
            std::mem::forget(encoder);
            return Err(stopped.into_io());
        }
    }
    encoder.finish()
}

/// The temporary file with its digest.
struct Blob {
    file: File,
    hasher: BlobHasher,
}

impl Write for Blob {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let count = self.file.write(bytes)?;
        self.hasher.update(&bytes[..count]);
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
