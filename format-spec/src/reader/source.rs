//! The byte source with its position: exact reads, predicted bytes, zeros.
//!
//! Attacks answered: a source that returns short reads, is interrupted or
//! ends anywhere is one loop; nothing is allocated by a size from the file.

use std::io::{self, Read, Seek, SeekFrom};

use crate::error::{Code, PackageError};
use crate::header::{self, BLOCK_BYTES};

/// Longest canonical header, in bytes: with a pax record.
const HEADER_BYTES_MAX: usize = 3 * BLOCK_BYTES;

#[derive(Debug)]
pub(super) struct Source<R> {
    inner: R,
    position: u64,
    /// Size of the parts of a split package, in bytes.
    part_size: Option<u64>,
}

impl<R: Read> Source<R> {
    pub(super) fn new(inner: R, part_size: Option<u64>) -> Self {
        Self {
            inner,
            position: 0,
            part_size: part_size.filter(|size| *size > 0),
        }
    }

    pub(super) fn position(&self) -> u64 {
        self.position
    }

    /// The position for a message, and the part it is in.
    pub(super) fn here(&self) -> String {
        self.span(1)
    }

    /// The position for a message about this many bytes, and the parts they are in.
    pub(super) fn span(&self, bytes: u64) -> String {
        let position = self.position;
        let Some(size) = self.part_size else {
            return format!("byte {position}");
        };
        let (first, offset) = (position / size + 1, position % size);
        let last = (position + bytes.max(1) - 1) / size + 1;
        if first == last {
            format!("byte {position} (part .{first:03}, byte {offset})")
        } else {
            format!("byte {position} (part .{first:03}, byte {offset}, to part .{last:03})")
        }
    }

    /// Fills the buffer, or fails with `pkg.truncated`.
    pub(super) fn fill(&mut self, buffer: &mut [u8], place: &str) -> Result<(), PackageError> {
        let mut filled = 0;
        while filled < buffer.len() {
            let count = self.read(&mut buffer[filled..], place)?;
            if count == 0 {
                // Where a part ends that is as large as the first, another may follow.
                if let Some(size) = self
                    .part_size
                    .filter(|size| self.position.is_multiple_of(*size))
                {
                    return Err(part_missing(self.position / size + 1));
                }
                return Err(PackageError::new(
                    Code::Truncated,
                    "the file ends too early: it was not copied whole",
                    place,
                )
                .found(format!("the file ends at {}", self.here()))
                .wanted(format!("at least {} bytes more", buffer.len() - filled)));
            }
            filled += count;
        }
        Ok(())
    }

    /// Reads the header that must stand here and nothing else.
    pub(super) fn expect_header(
        &mut self,
        name: &str,
        size: u64,
        mtime: u64,
    ) -> Result<(), PackageError> {
        let place = format!("header of {name} at {}", self.here());
        let wanted = header::encode(name, size, mtime);
        let mut found = [0; HEADER_BYTES_MAX];
        let found = &mut found[..wanted.len()];
        self.fill(found, &place)?;
        compare_header(found, &wanted, &place)
    }

    /// Reads the padding after data of this size; all of it must be zero.
    pub(super) fn expect_padding(&mut self, size: u64, name: &str) -> Result<(), PackageError> {
        let mut padding = [0; BLOCK_BYTES];
        let padding = &mut padding[..header::padding_len(size)];
        if padding.is_empty() {
            return Ok(());
        }
        let place = format!("padding of {name} at {}", self.here());
        self.fill(padding, &place)?;
        expect_zeros(padding, Code::PaddingNotZero, &place)
    }

    /// Reads the two blocks of zeros and finds the end of the file behind them.
    pub(super) fn expect_end(&mut self) -> Result<(), PackageError> {
        let place = format!("end of the package at {}", self.here());
        let mut end = [0; 2 * BLOCK_BYTES];
        self.fill(&mut end, &place)?;
        expect_zeros(&end, Code::EndNotZero, &place)?;
        let mut one = [0; 1];
        let place = self.here();
        if self.read(&mut one, &place)? == 0 {
            return Ok(());
        }
        Err(PackageError::new(
            Code::TrailingBytes,
            "bytes follow the end of the package",
            place,
        ))
    }

    fn read(&mut self, buffer: &mut [u8], place: &str) -> Result<usize, PackageError> {
        loop {
            match self.inner.read(buffer) {
                Ok(count) => {
                    self.position += count as u64;
                    return Ok(count);
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => {
                    return Err(PackageError::new(
                        Code::ReadFailed,
                        "the package could not be read",
                        format!("{place}, {}", self.here()),
                    )
                    .found(error));
                }
            }
        }
    }
}

impl<R: Read + Seek> Source<R> {
    /// Moves past bytes without reading them.
    pub(super) fn skip(&mut self, count: u64, place: &str) -> Result<(), PackageError> {
        let place = format!("{place}, {}", self.here());
        let failed = |error: &dyn std::fmt::Display| {
            PackageError::new(Code::ReadFailed, "the package could not be read", &place)
                .found(error)
        };
        let step = i64::try_from(count).map_err(|error| failed(&error))?;
        self.inner
            .seek(SeekFrom::Current(step))
            .map_err(|error| failed(&error))?;
        self.position += count;
        Ok(())
    }
}

/// The package goes on, and its next part isn't there.
pub(super) fn part_missing(number: u64) -> PackageError {
    PackageError::new(
        Code::PartMissing,
        "a part of the package is missing, or the part before it was not copied whole",
        format!("part .{number:03}"),
    )
}

/// Compares a header with the one that must stand there.
pub(super) fn compare_header(found: &[u8], wanted: &[u8], place: &str) -> Result<(), PackageError> {
    let Some(offset) = first_difference(found, wanted) else {
        return Ok(());
    };
    Err(PackageError::new(
        Code::HeaderNotCanonical,
        "not the header that must stand here",
        format!("{place}, offset {offset}"),
    )
    .found(format!("0x{:02x}", found[offset]))
    .wanted(format!("0x{:02x}", wanted[offset])))
}

fn first_difference(found: &[u8], wanted: &[u8]) -> Option<usize> {
    found
        .iter()
        .zip(wanted)
        .position(|(found, wanted)| found != wanted)
}

fn expect_zeros(bytes: &[u8], code: Code, place: &str) -> Result<(), PackageError> {
    let Some(offset) = bytes.iter().position(|byte| *byte != 0) else {
        return Ok(());
    };
    Err(PackageError::new(
        code,
        "a byte that must be zero is not",
        format!("{place}, offset {offset}"),
    )
    .found(format!("0x{:02x}", bytes[offset])))
}
