//! The current entry as a stream, for decoders that want one.

use std::io::{self, BufRead, Read};

use super::PackageReader;

/// The current entry's verified bytes. Errors come as [`io::Error`] with the
/// package error inside: [`crate::PackageError::from_io`] takes it out again.
#[derive(Debug)]
pub struct EntryReader<'a, R> {
    package: &'a mut PackageReader<R>,
}

impl<'a, R: Read> EntryReader<'a, R> {
    pub(super) fn new(package: &'a mut PackageReader<R>) -> Self {
        Self { package }
    }

    /// Position in the package file, in bytes, for progress.
    pub fn bytes_read(&self) -> u64 {
        self.package.bytes_read()
    }
}

impl<R: Read> BufRead for EntryReader<'_, R> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        if self.package.ready.is_empty() {
            self.package.guarded(PackageReader::load_chunk)?;
        }
        Ok(&self.package.buffer[self.package.ready.clone()])
    }

    fn consume(&mut self, count: usize) {
        let ready = &mut self.package.ready;
        ready.start = ready.end.min(ready.start + count);
    }
}

impl<R: Read> Read for EntryReader<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let available = self.fill_buf()?;
        let count = available.len().min(buffer.len());
        buffer[..count].copy_from_slice(&available[..count]);
        self.consume(count);
        Ok(count)
    }
}
