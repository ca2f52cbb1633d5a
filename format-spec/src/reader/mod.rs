//! The one-pass reader: head, then entry by entry, chunk by chunk.
//!
//! What it does: predicts every header, checks every chunk before it releases
//! a byte of it, compares padding and end with zero, and holds one chunk, the
//! chunk table and the manifest in memory, whatever the package's size.
//!
//! What it does not: trust (signatures), devices, unpacking ([`crate::layer`]).
//!
//! Attacks answered: a source that changes between two passes (there is only
//! one); data that is used before it is checked (`next_chunk` has nothing else
//! to give); a caller that goes on after an error (the reader keeps the error
//! and gives it again); entries in another order, twice or under odd names
//! (headers are predicted from the manifest, not parsed).

mod entry;
mod head;
mod source;

use std::io::{Read, Seek};
use std::ops::Range;

pub use entry::EntryReader;
pub use head::{CHUNKS_SHA256, MANIFEST, MANIFEST_SHA256};
#[cfg(feature = "write")]
pub(crate) use head::{file_bytes, manifest_sha256};

use crate::digest::{DIGEST_BYTES, Digest, Hasher};
use crate::error::{Code, PackageError};
use crate::header::padding_len;
use crate::limits::CHUNK_BYTES;
use crate::manifest::{Entry, Manifest, chunk_count};
use source::Source;

/// What the caller knows and wants.
#[derive(Clone, Copy, Debug, Default)]
pub struct ReadOptions {
    /// Size of the file, in bytes, where it is known: a file that lost its end
    /// is refused before data is read.
    pub file_size: Option<u64>,
    /// Size of the first part, in bytes, where the package is split
    /// ([`crate::parts`]): errors then name the part, and say if one is missing.
    pub part_size: Option<u64>,
    /// Also computes the digest of every entry that has more than one chunk.
    /// The chunk table already covers every byte; this finds a producer whose
    /// table and digests contradict each other. About doubles the hashing.
    pub check_digests: bool,
}

/// Reads a package once, from the first byte to the last.
#[derive(Debug)]
pub struct PackageReader<R> {
    source: Source<R>,
    head: head::Head,
    options: ReadOptions,
    /// Index of the entry that `next_entry` will open.
    upcoming: usize,
    current: Option<Current>,
    /// Row of the chunk table that belongs to the next chunk.
    row: usize,
    /// One chunk, allocated once.
    buffer: Vec<u8>,
    /// The verified bytes in `buffer` that were not released yet.
    ready: Range<usize>,
    finished: bool,
    failed: Option<PackageError>,
}

/// The entry that is being read.
#[derive(Debug)]
struct Current {
    index: usize,
    /// Bytes not yet read from the source.
    remaining: u64,
    hasher: Option<Hasher>,
}

impl<R: Read> PackageReader<R> {
    /// Reads and checks the head: everything before the first entry of data.
    ///
    /// # Errors
    /// The codes of SPEC section 8, steps 1 to 15, in that order.
    pub fn open(src: R, options: ReadOptions) -> Result<Self, PackageError> {
        let mut source = Source::new(src, options.part_size);
        let head = head::read(&mut source, options)?;
        let longest = head.manifest.entries.iter().map(|entry| entry.size).max();
        let buffer_bytes = longest.unwrap_or_default().min(CHUNK_BYTES);
        Ok(Self {
            source,
            head,
            options,
            upcoming: 0,
            current: None,
            row: 0,
            buffer: vec![0; usize::try_from(buffer_bytes).expect("at most one chunk")],
            ready: 0..0,
            finished: false,
            failed: None,
        })
    }

    /// The manifest.
    pub fn manifest(&self) -> &Manifest {
        &self.head.manifest
    }

    /// The manifest's bytes, as they stand in the file.
    pub fn manifest_bytes(&self) -> &[u8] {
        &self.head.manifest_bytes
    }

    /// The digest of the manifest's bytes: the identity of the package.
    pub fn manifest_digest(&self) -> Digest {
        self.head.manifest_digest
    }

    /// Bytes of the file read or skipped so far.
    pub fn bytes_read(&self) -> u64 {
        self.source.position()
    }

    /// Size of the whole file, in bytes, as it follows from the manifest.
    pub fn file_bytes(&self) -> u64 {
        self.head.file_bytes
    }

    /// Makes the rest of this pass a deep one, as [`ReadOptions::check_digests`]
    /// does: for callers that open first and choose then.
    pub fn check_digests(&mut self) {
        self.options.check_digests = true;
    }

    /// Opens the next entry, after it read what is left of the current one.
    /// After the last entry it checks the end of the file and returns `None`.
    ///
    /// # Errors
    /// `pkg.truncated`, `pkg.header_not_canonical`, `pkg.padding_not_zero`,
    /// `pkg.chunk_mismatch`, `pkg.entry_digest_mismatch`, `pkg.end_not_zero`,
    /// `pkg.trailing_bytes`, `pkg.read_failed`; once failed, always the same.
    pub fn next_entry(&mut self) -> Result<Option<&Entry>, PackageError> {
        while self.next_chunk()?.is_some() {}
        let opened = self.guarded(Self::open_entry)?;
        Ok(opened.map(|index| &self.head.manifest.entries[index]))
    }

    /// The next verified piece of the current entry, at most 1 MiB; `None` at
    /// the entry's end or if no entry is open.
    ///
    /// # Errors
    /// As [`Self::next_entry`].
    pub fn next_chunk(&mut self) -> Result<Option<&[u8]>, PackageError> {
        if self.ready.is_empty() {
            self.guarded(Self::load_chunk)?;
        }
        let released = std::mem::replace(&mut self.ready, 0..0);
        Ok(Some(&self.buffer[released]).filter(|piece| !piece.is_empty()))
    }

    /// The current entry as a [`std::io::BufRead`].
    pub fn entry_reader(&mut self) -> EntryReader<'_, R> {
        EntryReader::new(self)
    }

    /// Reads and checks everything to the end of the file. `progress` gets the
    /// position in the file after every chunk.
    ///
    /// # Errors
    /// As [`Self::next_entry`].
    pub fn verify_rest(&mut self, progress: &mut dyn FnMut(u64)) -> Result<(), PackageError> {
        loop {
            while self.next_chunk()?.is_some() {
                progress(self.bytes_read());
            }
            if self.next_entry()?.is_none() {
                progress(self.bytes_read());
                return Ok(());
            }
        }
    }

    /// Runs a step unless an earlier one failed, and keeps its error.
    fn guarded<T>(
        &mut self,
        step: impl FnOnce(&mut Self) -> Result<T, PackageError>,
    ) -> Result<T, PackageError> {
        if let Some(error) = &self.failed {
            return Err(error.clone());
        }
        step(self).inspect_err(|error| self.failed = Some(error.clone()))
    }

    fn open_entry(&mut self) -> Result<Option<usize>, PackageError> {
        self.current = None;
        let index = self.upcoming;
        let Some(entry) = self.head.manifest.entries.get(index) else {
            if !self.finished {
                self.source.expect_end()?;
                self.finished = true;
            }
            return Ok(None);
        };
        self.source
            .expect_header(&entry.path, entry.size, self.head.manifest.mtime)?;
        let has_several_chunks = entry.size > CHUNK_BYTES;
        self.current = Some(Current {
            index,
            remaining: entry.size,
            hasher: (self.options.check_digests && has_several_chunks).then(Hasher::new),
        });
        self.upcoming += 1;
        Ok(Some(index))
    }

    /// Reads the next chunk into the buffer and checks it; with the entry's
    /// last one also what follows it. So an entry whose last byte was released
    /// has nothing left to fail.
    fn load_chunk(&mut self) -> Result<(), PackageError> {
        let Some(current) = &mut self.current else {
            return Ok(());
        };
        if current.remaining == 0 {
            return Ok(());
        }
        let entry = &self.head.manifest.entries[current.index];
        let size = current.remaining.min(CHUNK_BYTES);
        let chunk = &mut self.buffer[..usize::try_from(size).expect("a chunk is at most 1 MiB")];
        let number = (entry.size - current.remaining) / CHUNK_BYTES + 1;
        let place = format!(
            "{}, chunk {number} of {}, {}",
            entry.path,
            chunk_count(entry.size),
            self.source.span(size)
        );
        self.source.fill(chunk, &place)?;
        let row = self.row * DIGEST_BYTES;
        let wanted = &self.head.chunk_table[row..row + DIGEST_BYTES];
        let found = Digest::of(chunk);
        if found.as_bytes() != wanted {
            let wanted = Digest::from_bytes(wanted.try_into().expect("a row has 32 bytes"));
            return Err(PackageError::new(
                Code::ChunkMismatch,
                "the package is damaged: a chunk does not have its digest",
                place,
            )
            .found(found)
            .wanted(wanted));
        }
        if let Some(hasher) = &mut current.hasher {
            hasher.update(chunk);
        }
        self.row += 1;
        current.remaining -= size;
        if current.remaining == 0 {
            self.source.expect_padding(entry.size, &entry.path)?;
            check_digest(entry, current.hasher.take())?;
        }
        self.ready = 0..chunk.len();
        Ok(())
    }
}

impl<R: Read + Seek> PackageReader<R> {
    /// Leaves the current entry without reading what is left of it. What is
    /// skipped is not checked; the header after it is.
    ///
    /// # Errors
    /// `pkg.read_failed`; once failed, always the same.
    pub fn skip_entry(&mut self) -> Result<(), PackageError> {
        self.guarded(|reader| {
            reader.ready = 0..0;
            let Some(current) = reader.current.take() else {
                return Ok(());
            };
            if current.remaining == 0 {
                return Ok(());
            }
            let entry = &reader.head.manifest.entries[current.index];
            let chunks = chunk_count(current.remaining);
            reader.row += usize::try_from(chunks).expect("a table has at most 32768 rows");
            let padding = padding_len(entry.size) as u64;
            reader.source.skip(current.remaining + padding, &entry.path)
        })
    }
}

fn check_digest(entry: &Entry, hasher: Option<Hasher>) -> Result<(), PackageError> {
    let Some(found) = hasher.map(Hasher::finish) else {
        return Ok(());
    };
    if found == entry.sha256 {
        return Ok(());
    }
    Err(PackageError::new(
        Code::EntryDigestMismatch,
        "an entry does not have the digest the manifest wants",
        &entry.path,
    )
    .found(found)
    .wanted(entry.sha256))
}
