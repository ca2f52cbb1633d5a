//! A temporary file without a name: it goes away with the program, however that
//! ends, and nobody else can open it.

use std::fs::File;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use edgepkg::limits::DIFF_BYTES_TOTAL_MAX;

use super::file_slice::FileSlice;
use crate::error::{Code, PackError, Result};

/// Greatest size of a spooled archive, in bytes: that of one image's layers. More
/// is no image for a device but a decompression bomb.
const SPOOL_BYTES_MAX: u64 = DIFF_BYTES_TOTAL_MAX;

/// An archive that is being written.
#[derive(Debug)]
pub(super) struct Spool {
    folder: PathBuf,
    file: File,
    size: u64,
}

impl Spool {
    /// # Errors
    /// `build.output_failed`, `build.no_space`.
    pub(super) fn create(folder: &Path) -> Result<Self> {
        let file =
            tempfile::tempfile_in(folder).map_err(|error| PackError::output(&error, folder))?;
        Ok(Self {
            folder: folder.to_owned(),
            file,
            size: 0,
        })
    }

    /// Writes more of the source that `place` names.
    ///
    /// # Errors
    /// `source.limit_exceeded`, and those of [`Spool::create`].
    pub(super) fn append(&mut self, bytes: &[u8], place: &str) -> Result<()> {
        self.size += bytes.len() as u64;
        if self.size > SPOOL_BYTES_MAX {
            return Err(PackError::new(
                Code::SourceLimitExceeded,
                "the image source unpacks to too much",
            )
            .at(place)
            .wanted(format!("at most {SPOOL_BYTES_MAX} bytes")));
        }
        self.file
            .write_all(bytes)
            .map_err(|error| PackError::output(&error, &self.folder))
    }

    /// What was written, to be read at any place.
    pub(super) fn finish(self) -> FileSlice {
        FileSlice::whole(self.file, self.size)
    }
}
