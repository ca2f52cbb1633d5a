//! A part of a file, read at its own position: several may be read at the same
//! time, and none moves another. Its errors are [`PackError`]s inside an
//! [`io::Error`], so that they pass unharmed through a decompressor.

use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::FileExt as _;
use std::sync::Arc;

use crate::error::{Code, PackError};

/// Bytes `start .. start + size` of a file.
#[derive(Clone, Debug)]
pub(crate) struct FileSlice {
    file: Arc<File>,
    start: u64,
    size: u64,
    done: u64,
}

impl FileSlice {
    /// The caller has checked that the file is that long.
    pub(crate) fn new(file: &Arc<File>, start: u64, size: u64) -> Self {
        Self {
            file: Arc::clone(file),
            start,
            size,
            done: 0,
        }
    }

    /// The whole of an open file of this size.
    pub(crate) fn whole(file: File, size: u64) -> Self {
        Self::new(&Arc::new(file), 0, size)
    }

    /// A part of this part; the caller has checked that it lies inside.
    pub(crate) fn part(&self, offset: u64, size: u64) -> Self {
        debug_assert!(
            offset + size <= self.size,
            "outside of what it is a part of"
        );
        Self::new(&self.file, self.start + offset, size)
    }

    /// Fills `buffer` from `offset` on, which the caller has checked to lie inside.
    pub(crate) fn read_exact_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        self.file.read_exact_at(buffer, self.start + offset)
    }

    /// Bytes of the whole part.
    pub(crate) fn size(&self) -> u64 {
        self.size
    }

    /// The same part, to be read from its beginning.
    pub(crate) fn again(&self) -> Self {
        Self::new(&self.file, self.start, self.size)
    }

    /// The first bytes, up to `count`, without moving the position.
    pub(crate) fn peek(&self, count: usize) -> io::Result<Vec<u8>> {
        self.peek_at(0, count)
    }

    /// The bytes from `offset` on, up to `count`, without moving the position.
    pub(crate) fn peek_at(&self, offset: u64, count: usize) -> io::Result<Vec<u8>> {
        let mut part = self.again();
        part.done = offset.min(self.size);
        let mut bytes = Vec::with_capacity(count);
        part.take(count as u64).read_to_end(&mut bytes)?;
        Ok(bytes)
    }
}

impl Read for FileSlice {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let left = self.size - self.done;
        let want = usize::try_from(left).map_or(buffer.len(), |left| left.min(buffer.len()));
        let count = self
            .file
            .read_at(&mut buffer[..want], self.start + self.done)
            .map_err(|error| {
                PackError::new(Code::SourceReadFailed, "the file could not be read")
                    .found(error)
                    .into_io()
            })?;
        if count == 0 && want > 0 {
            // It was long enough when it was indexed.
            let what = "the file became shorter while it was read";
            return Err(PackError::new(Code::SourceTruncated, what).into_io());
        }
        self.done += count as u64;
        Ok(count)
    }
}
