//! The parts of one package as one stream of bytes. One part is open at a time.

use std::fs::{self, File};
use std::io::{self, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use super::{OpenError, file_name, part_path, regular, unreadable};
use crate::error::{Code, PackageError};
use crate::limits::PARTS_MAX;

/// Parts whose sizes were judged, behind [`Read`] and [`Seek`].
#[derive(Debug)]
pub(super) struct JoinedParts {
    package: PathBuf,
    suffix: String,
    /// Size of every part but the last, in bytes; at least 1.
    part_bytes: u64,
    file_bytes: u64,
    position: u64,
    open: Option<OpenPart>,
}

#[derive(Debug)]
struct OpenPart {
    number: u64,
    file: File,
    /// Where the file stands, in bytes.
    at: u64,
}

impl JoinedParts {
    /// Finds the parts, up to the first name that isn't there, and judges their sizes.
    pub(super) fn open(package: &Path, suffix: &str) -> Result<Self, OpenError> {
        let mut parts = Self {
            package: package.to_owned(),
            suffix: suffix.to_owned(),
            part_bytes: 0,
            file_bytes: 0,
            position: 0,
            open: None,
        };
        let mut last_bytes = 0;
        for number in 1..=PARTS_MAX {
            let path = parts.path(number);
            let facts = match fs::metadata(&path) {
                Ok(facts) => facts,
                Err(error) if number > 1 && error.kind() == io::ErrorKind::NotFound => break,
                Err(error) => return Err(unreadable(&path, error)),
            };
            if number == 1 {
                parts.part_bytes = facts.len();
            } else if last_bytes != parts.part_bytes {
                // Known only now that it is not the last.
                let bytes = format!("{} bytes", parts.part_bytes);
                return Err(parts.wrong_size(number - 1, last_bytes, bytes));
            }
            // Opened for a moment, so that a part which can't be read is found
            // before anything was begun.
            regular(&facts)
                .and_then(|()| File::open(&path).map(drop))
                .map_err(|error| unreadable(&path, error))?;
            last_bytes = facts.len();
            if last_bytes == 0 || last_bytes > parts.part_bytes {
                let bytes = format!("1 to {} bytes", parts.part_bytes.max(1));
                return Err(parts.wrong_size(number, last_bytes, bytes));
            }
            parts.file_bytes = parts.file_bytes.saturating_add(last_bytes);
        }
        Ok(parts)
    }

    pub(super) fn file_bytes(&self) -> u64 {
        self.file_bytes
    }

    pub(super) fn part_bytes(&self) -> u64 {
        self.part_bytes
    }

    pub(super) fn list(&self) -> Vec<(PathBuf, u64)> {
        let mut start = 0;
        let mut list = Vec::new();
        for number in 1..=PARTS_MAX {
            if start >= self.file_bytes {
                break;
            }
            let bytes = self.part_bytes.min(self.file_bytes - start);
            list.push((self.path(number), bytes));
            start += bytes;
        }
        list
    }

    fn path(&self, number: u32) -> PathBuf {
        let mut path = part_path(&self.package, number).into_os_string();
        path.push(&self.suffix);
        PathBuf::from(path)
    }

    fn wrong_size(&self, number: u32, found: u64, wanted: String) -> OpenError {
        let error = PackageError::new(
            Code::PartSize,
            "a part of the package has the wrong size: every part is as large as the first, \
             and only the last may be smaller",
            file_name(&self.path(number)),
        );
        OpenError::Refused(error.found(format!("{found} bytes")).wanted(wanted))
    }

    /// The part that the position is in, open, and how many bytes of it are left.
    fn part_here(&mut self) -> io::Result<(&mut OpenPart, PathBuf, u64)> {
        let number = self.position / self.part_bytes + 1;
        let offset = self.position % self.part_bytes;
        let bytes = self
            .part_bytes
            .min(self.file_bytes - (self.position - offset));
        let path = self.path(u32::try_from(number).unwrap_or(u32::MAX));
        if self.open.as_ref().is_none_or(|open| open.number != number) {
            self.open = None;
            let file = open_again(&path, bytes).map_err(|error| named(&path, &error))?;
            self.open = Some(OpenPart {
                number,
                file,
                at: 0,
            });
        }
        let open = self.open.as_mut().expect("it was opened above");
        if open.at != offset {
            let seeked = open.file.seek(SeekFrom::Start(offset));
            open.at = seeked.map_err(|error| named(&path, &error))?;
        }
        Ok((open, path, bytes - offset))
    }
}

/// Opens a part that was looked at before.
fn open_again(path: &Path, bytes: u64) -> io::Result<File> {
    regular(&fs::metadata(path)?)?;
    let file = File::open(path)?;
    let found = file.metadata()?.len();
    if found == bytes {
        return Ok(file);
    }
    Err(io::Error::other(format!(
        "it has {found} bytes, and had {bytes} when the package was opened"
    )))
}

/// The error, with the name of the part it happened in.
fn named(path: &Path, error: &io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("{}: {error}", file_name(path)))
}

impl Read for JoinedParts {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if buffer.is_empty() || self.position >= self.file_bytes {
            return Ok(0);
        }
        let (open, path, left) = self.part_here()?;
        let most = buffer
            .len()
            .min(usize::try_from(left).unwrap_or(usize::MAX));
        let count = open
            .file
            .read(&mut buffer[..most])
            .map_err(|error| named(&path, &error))?;
        if count == 0 {
            let error = io::Error::other("it became shorter while it was read");
            return Err(named(&path, &error));
        }
        open.at += count as u64;
        self.position += count as u64;
        Ok(count)
    }
}

impl Seek for JoinedParts {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let position = match to {
            SeekFrom::Start(offset) => Some(offset),
            SeekFrom::Current(step) => self.position.checked_add_signed(step),
            SeekFrom::End(step) => self.file_bytes.checked_add_signed(step),
        };
        self.position = position.ok_or_else(|| {
            io::Error::new(io::ErrorKind::InvalidInput, "a position before the start")
        })?;
        Ok(self.position)
    }
}
