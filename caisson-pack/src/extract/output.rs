//! Where extracted files go: one trait, and the tar. The folder is a file of its own.

use std::fs::File;
use std::io::{self, BufWriter, Write};

use edgepkg::header;

/// Headers and small files are gathered; pieces of layers are larger.
const BUFFER_BYTES: usize = 128 * 1024;

/// A writer of one file after another.
pub(super) trait Output: Write {
    /// Begins a file. `path` has one or more names of ASCII letters, digits,
    /// `.` and `-` between slashes; `size` bytes are written next.
    fn begin(&mut self, path: &str, size: u64) -> io::Result<()>;

    /// Ends the file.
    fn end(&mut self) -> io::Result<()>;
}

/// A tar with the headers of the package format: its bytes depend on nothing
/// but the files, their order and `mtime`.
#[derive(Debug)]
pub(super) struct TarOutput {
    sink: BufWriter<File>,
    mtime: u64,
    /// Size of the file that is being written, in bytes.
    size: u64,
    /// Bytes written so far.
    written: u64,
}

impl TarOutput {
    pub(super) fn new(file: File, mtime: u64) -> Self {
        Self {
            sink: BufWriter::with_capacity(BUFFER_BYTES, file),
            mtime,
            size: 0,
            written: 0,
        }
    }

    /// Ends the tar; gives its size in bytes, and the file.
    pub(super) fn finish(mut self) -> io::Result<(u64, File)> {
        self.write_all(&[0; 2 * header::BLOCK_BYTES])?;
        let file = self.sink.into_inner()?;
        Ok((self.written, file))
    }
}

impl Output for TarOutput {
    fn begin(&mut self, path: &str, size: u64) -> io::Result<()> {
        self.size = size;
        self.write_all(&header::encode(path, size, self.mtime))
    }

    fn end(&mut self) -> io::Result<()> {
        self.write_all(&[0; header::BLOCK_BYTES][..header::padding_len(self.size)])
    }
}

impl Write for TarOutput {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let count = self.sink.write(bytes)?;
        self.written += count as u64;
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.sink.flush()
    }
}
