//! The files of a source by their paths, wherever they are: in a tar or in a folder.

use std::io::Read as _;

use super::file_slice::FileSlice;
use super::tar_index::TarIndex;
use crate::error::{Code, PackError, Result};

/// Finds files.
pub(super) trait Files {
    /// Names the source in messages.
    fn place(&self) -> &str;

    /// The file at this path, links inside the source followed, or `None` if
    /// nothing stands there.
    ///
    /// # Errors
    /// `source.link_refused` for a path or link that leads out,
    /// `source.entry_refused` for what is no file.
    fn find(&self, name: &str) -> Result<Option<FileSlice>>;
}

impl Files for TarIndex {
    fn place(&self) -> &str {
        TarIndex::place(self)
    }

    fn find(&self, name: &str) -> Result<Option<FileSlice>> {
        TarIndex::find(self, name)
    }
}

/// All bytes of a file, if they are at most `limit`. `place` names it in errors.
pub(super) fn read_whole(mut data: FileSlice, limit: u64, place: &str) -> Result<Vec<u8>> {
    if data.size() > limit {
        return Err(PackError::new(
            Code::SourceLimitExceeded,
            "a file of the image source is too large",
        )
        .at(place)
        .found(format!("{} bytes", data.size()))
        .wanted(format!("at most {limit} bytes")));
    }
    let mut bytes = Vec::new();
    data.read_to_end(&mut bytes).map_err(|error| {
        PackError::from_io(error, |error| {
            PackError::new(Code::SourceReadFailed, "the image source could not be read")
                .found(error)
        })
        .at(place)
    })?;
    Ok(bytes)
}
