//! Blobs on the build side: where their bytes come from, and their digests.

use std::fmt;
use std::io::{self, Read, Write};
use std::sync::Arc;

use crate::digest::{Digest, Hasher};
use crate::limits::CHUNK_BYTES;

/// Opens a blob's bytes from the beginning; called once or more.
pub type Opener = Arc<dyn Fn() -> io::Result<Box<dyn Read>> + Send + Sync>;

/// Size and digests of a blob, all of the same bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BlobSum {
    /// Digest of the whole.
    pub digest: Digest,
    /// Size, in bytes.
    pub size: u64,
    /// Digest of each chunk.
    pub chunks: Vec<Digest>,
}

/// Computes a [`BlobSum`] of the bytes written to it, so that whoever makes a
/// blob need not read it again.
#[derive(Debug, Default)]
pub struct BlobHasher {
    whole: Hasher,
    chunks: ChunkHasher,
    size: u64,
}

impl BlobHasher {
    /// A computation that has seen no byte.
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes in more bytes.
    pub fn update(&mut self, bytes: &[u8]) {
        self.whole.update(bytes);
        self.size += bytes.len() as u64;
        self.chunks.update(bytes);
    }

    /// The sum of all bytes taken in.
    pub fn finish(self) -> BlobSum {
        BlobSum {
            digest: self.whole.finish(),
            size: self.size,
            chunks: self.chunks.finish(),
        }
    }
}

/// Computes the digests of a blob's chunks alone.
#[derive(Debug, Default)]
pub(super) struct ChunkHasher {
    chunk: Hasher,
    /// Bytes in the chunk that is not complete.
    chunk_bytes: u64,
    chunks: Vec<Digest>,
}

impl ChunkHasher {
    pub(super) fn update(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            let room = CHUNK_BYTES - self.chunk_bytes;
            let take = usize::try_from(room).map_or(bytes.len(), |room| room.min(bytes.len()));
            let (now, later) = bytes.split_at(take);
            self.chunk.update(now);
            self.chunk_bytes += take as u64;
            bytes = later;
            if self.chunk_bytes == CHUNK_BYTES {
                self.end_chunk();
            }
        }
    }

    pub(super) fn finish(mut self) -> Vec<Digest> {
        if self.chunk_bytes > 0 {
            self.end_chunk();
        }
        self.chunks
    }

    fn end_chunk(&mut self) {
        let chunk = std::mem::take(&mut self.chunk);
        self.chunks.push(chunk.finish());
        self.chunk_bytes = 0;
    }
}

impl Write for BlobHasher {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.update(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl BlobSum {
    /// The sum of these bytes.
    pub fn of(bytes: &[u8]) -> Self {
        let mut hasher = BlobHasher::new();
        hasher.update(bytes);
        hasher.finish()
    }
}

/// A blob that the writer can open.
#[derive(Clone)]
pub struct BlobDraft {
    /// What its bytes must be; the writer checks it while it writes.
    pub sum: BlobSum,
    /// Opens it.
    pub open: Opener,
}

impl BlobDraft {
    /// A blob in memory.
    pub fn from_bytes(bytes: Vec<u8>) -> Self {
        let sum = BlobSum::of(&bytes);
        let bytes: Arc<[u8]> = bytes.into();
        Self {
            sum,
            open: Arc::new(move || Ok(Box::new(io::Cursor::new(Arc::clone(&bytes))))),
        }
    }

    /// A blob behind an opener, which is read once here for its sums.
    pub fn from_opener(open: Opener) -> io::Result<Self> {
        let mut hasher = BlobHasher::new();
        io::copy(&mut open()?, &mut hasher)?;
        Ok(Self {
            sum: hasher.finish(),
            open,
        })
    }
}

impl fmt::Debug for BlobDraft {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BlobDraft")
            .field("sum", &self.sum)
            .finish_non_exhaustive()
    }
}
