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
//! The size is taken from what the stored layer claims. If that proves wrong, the
//! layer is read to its end without being compressed and begun again with the
//! size that was counted: a claim costs time at most, never a byte.
//!
//! Threads of their own read and unpack, hash what is unpacked, and hash and write
//! what is packed, so that zstd's threads need not wait. Memory is a few pieces
//! and zstd's own buffers, whatever the layer's size.

use std::fs::File;
use std::io::{self, Read, Write};
use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;

use edgepkg::Digest;
use edgepkg::digest::Hasher;
use edgepkg::limits::ZSTD_WINDOW_LOG_MAX;
use edgepkg::writer::{BlobDraft, BlobHasher, BlobSum, LayerDraft};
use zstd::stream::raw::CParameter;

use crate::error::{Code, PackError, Result};
use crate::layers::{Task, Wish};
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

/// Greatest number of compressing threads of one build. Each holds about five
/// times a job.
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

impl Compression {
    /// As many of the threads as a layer that unpacks to `size` bytes keeps busy.
    pub(crate) fn threads_for(self, size: u64) -> u32 {
        let jobs = size.div_ceil(u64::from(JOB_BYTES));
        u32::try_from(jobs).map_or(self.threads, |jobs| jobs.clamp(1, self.threads))
    }
}

/// Compresses a layer into a temporary file in `folder`, with all threads that
/// `compression` names. `task` hears of unpacked bytes, and may call the work off:
/// then a sound layer gives `None`.
pub(crate) fn pack_layer(
    layer: &SourceLayer,
    compression: Compression,
    folder: &Path,
    task: &Task,
) -> Result<Option<LayerDraft>> {
    let claimed = layer.size_hint();
    let size = match pass(layer, claimed, compression, folder, task)? {
        Pass::Packed(draft) => return Ok(Some(draft)),
        Pass::Checked(_) if task.wish() != Wish::Pack => return Ok(None),
        Pass::Checked(size) => size,
    };
    task.expect_again(claimed, size);
    match pass(layer, Some(size), compression, folder, task)? {
        Pass::Packed(draft) => Ok(Some(draft)),
        Pass::Checked(_) if task.wish() != Wish::Pack => Ok(None),
        // Equal digests, but another size.
        Pass::Checked(_) => Err(PackError::new(
            Code::SourceReadFailed,
            "the layer changed while it was read",
        )
        .at(layer.place())),
    }
}

/// What a layer read from beginning to end gave.
enum Pass {
    /// All of it.
    Packed(LayerDraft),
    /// It is sound and has this size, but was not packed.
    Checked(u64),
}

/// Reads the layer once; compresses it if it has the `pledged` size.
fn pass(
    layer: &SourceLayer,
    pledged: Option<u64>,
    compression: Compression,
    folder: &Path,
    task: &Task,
) -> Result<Pass> {
    let output = |error: &io::Error| PackError::output(error, folder);
    let temporary = tempfile::tempfile_in(folder).map_err(|error| output(&error))?;
    let unpacked = layer.unpacked()?;
    let (fed, diff_id) = thread::scope(|scope| {
        let (pieces, incoming) = sync_channel(PIECES_WAITING);
        let (copies, to_hash) = sync_channel(PIECES_WAITING);
        let reading = scope.spawn(move || read_pieces(unpacked, &pieces, &copies));
        let hashing = scope.spawn(move || digest_of(&to_hash));
        let fed = feed(temporary, pledged, compression, &incoming, task);
        // Ends the other threads if compression failed first.
        drop(incoming);
        let read = reading.join().expect("the reading thread does not panic");
        let diff_id = hashing.join().expect("the hashing thread does not panic");
        (fed, read.map(|whole| whole.then_some(diff_id)))
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
    let (size, packed) = fed.map_err(|error| PackError::from_io(error, output))?;
    let Some((file, sum)) = packed else {
        return Ok(Pass::Checked(size));
    };
    let (file, packed_size) = (Arc::new(file), sum.size);
    Ok(Pass::Packed(LayerDraft {
        blob: BlobDraft {
            sum,
            open: Arc::new(move || Ok(Box::new(FileSlice::new(&file, 0, packed_size)))),
        },
        diff_id: layer.diff_id(),
        diff_size: size,
    }))
}

/// A piece of a layer, read by two threads.
type Piece = Arc<Vec<u8>>;

/// Sends full pieces and a shorter last one; false if nobody listens any more.
fn read_pieces(
    mut input: impl Read,
    pieces: &SyncSender<Piece>,
    copies: &SyncSender<Piece>,
) -> io::Result<bool> {
    loop {
        let mut piece = Vec::with_capacity(PIECE_BYTES);
        input
            .by_ref()
            .take(PIECE_BYTES as u64)
            .read_to_end(&mut piece)?;
        if piece.is_empty() {
            return Ok(true);
        }
        let piece = Arc::new(piece);
        if copies.send(Arc::clone(&piece)).is_err() || pieces.send(piece).is_err() {
            return Ok(false);
        }
    }
}

fn digest_of(pieces: &Receiver<Piece>) -> Digest {
    let mut hasher = Hasher::new();
    for piece in pieces {
        hasher.update(&piece);
    }
    hasher.finish()
}

/// Takes in all pieces. Gives their size, and the packed file if that is the
/// pledged one and nobody called the work off.
fn feed(
    file: File,
    pledged: Option<u64>,
    compression: Compression,
    incoming: &Receiver<Piece>,
    task: &Task,
) -> io::Result<(u64, Option<(File, BlobSum)>)> {
    thread::scope(|scope| {
        let (packed, to_write) = sync_channel(PIECES_WAITING);
        let writing = scope.spawn(move || write_packed(file, &to_write));
        let fed = compress(packed, pledged, compression, incoming, task);
        // The writing thread's error is the cause of a broken pipe to it.
        let written = writing.join().expect("the writing thread does not panic")?;
        let (size, whole) = fed?;
        Ok((size, whole.then_some(written)))
    })
}

/// The size of all pieces; true if they were compressed.
fn compress(
    packed: SyncSender<Vec<u8>>,
    pledged: Option<u64>,
    compression: Compression,
    incoming: &Receiver<Piece>,
    task: &Task,
) -> io::Result<(u64, bool)> {
    let mut encoder = match pledged {
        Some(size) => Some((encoder(packed, size, compression)?, size)),
        None => None,
    };
    let mut size = 0;
    for piece in incoming {
        size += piece.len() as u64;
        match task.wish() {
            Wish::Pack => {}
            Wish::Check => encoder = None,
            Wish::Stop => return Err(io::ErrorKind::Interrupted.into()),
        }
        encoder = encoder.filter(|(_, pledged)| size <= *pledged);
        if let Some((encoder, _)) = &mut encoder {
            encoder.write_all(&piece)?;
        }
        task.advance(piece.len() as u64);
    }
    match encoder {
        Some((encoder, pledged)) if pledged == size => {
            task.fed();
            encoder.finish()?.end()?;
            Ok((size, true))
        }
        _ => Ok((size, false)),
    }
}

fn encoder(
    packed: SyncSender<Vec<u8>>,
    size: u64,
    compression: Compression,
) -> io::Result<zstd::stream::write::Encoder<'static, Packed>> {
    let packed = Packed {
        pieces: packed,
        piece: Vec::with_capacity(PIECE_BYTES),
    };
    let mut encoder = zstd::stream::write::Encoder::new(packed, compression.level)?;
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
    encoder.set_pledged_src_size(Some(size))?;
    Ok(encoder)
}

/// Hands packed bytes to the thread that writes them.
struct Packed {
    pieces: SyncSender<Vec<u8>>,
    piece: Vec<u8>,
}

impl Packed {
    fn end(mut self) -> io::Result<()> {
        self.send()
    }

    fn send(&mut self) -> io::Result<()> {
        let piece = std::mem::replace(&mut self.piece, Vec::with_capacity(PIECE_BYTES));
        let sent = self.pieces.send(piece);
        sent.map_err(|_| io::ErrorKind::BrokenPipe.into())
    }
}

impl Write for Packed {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let count = bytes.len().min(PIECE_BYTES - self.piece.len());
        self.piece.extend_from_slice(&bytes[..count]);
        if self.piece.len() == PIECE_BYTES {
            self.send()?;
        }
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn write_packed(mut file: File, pieces: &Receiver<Vec<u8>>) -> io::Result<(File, BlobSum)> {
    let mut hasher = BlobHasher::new();
    for piece in pieces {
        hasher.update(&piece);
        file.write_all(&piece)?;
    }
    Ok((file, hasher.finish()))
}
