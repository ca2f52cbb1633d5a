//! An OCI image layout as a folder.
//!
//! Attacks answered here: a link that leads out of the folder (its end must lie
//! below the folder's own), pipes, devices and folders in the place of blobs
//! (looked at before they are opened, and opened without waiting). Somebody who
//! changes the folder during the build gains nothing: every byte is held against
//! a digest.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fs::OpenOptions;
use std::io;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use rustix::fs::OFlags;

use super::file_slice::FileSlice;
use super::files::Files;
use super::tar_path::join;
use crate::error::{Code, PackError, Result};

/// The folder, with what was opened in it.
#[derive(Debug)]
pub(super) struct Folder {
    place: String,
    /// Without links.
    root: PathBuf,
    /// Each file once: images share layers, and open files are counted.
    opened: RefCell<BTreeMap<String, FileSlice>>,
}

impl Folder {
    /// # Errors
    /// `usage.file_unreadable`.
    pub(super) fn open(path: &Path) -> Result<Self> {
        let unreadable = |what: &str| PackError::new(Code::FileUnreadable, what).at_path(path);
        let root = path.canonicalize().map_err(|error| {
            unreadable("the folder of the image source can't be opened").found(error)
        })?;
        if !root.is_dir() {
            return Err(unreadable("the image source is not a folder")
                .next("an OCI layout in one file is read as oci-archive:FILE"));
        }
        Ok(Self {
            place: path.display().to_string(),
            root,
            opened: RefCell::default(),
        })
    }

    fn open_below(&self, name: &str) -> Result<Option<FileSlice>> {
        let place = format!("{}: {name}", self.place);
        let failed = |error: io::Error| {
            PackError::new(
                Code::SourceReadFailed,
                "a file of the image source can't be read",
            )
            .at(&place)
            .found(error)
        };
        let refused = |code, what: &str| PackError::new(code, what).at(&place);
        let end = match self.root.join(name).canonicalize() {
            Ok(end) => end,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) if error.raw_os_error() == Some(rustix::io::Errno::LOOP.raw_os_error()) => {
                return Err(refused(
                    Code::SourceLinkRefused,
                    "links lead round in circles",
                ));
            }
            Err(error) => return Err(failed(error)),
        };
        if !end.starts_with(&self.root) {
            return Err(
                refused(Code::SourceLinkRefused, "a link leads out of the folder")
                    .found(end.display()),
            );
        }
        let not_a_file = || {
            refused(
                Code::SourceEntryRefused,
                "refusing what is not a file, where a file must be",
            )
        };
        if !end.symlink_metadata().map_err(failed)?.is_file() {
            return Err(not_a_file());
        }
        let flags = OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let file = OpenOptions::new()
            .read(true)
            .custom_flags(i32::try_from(flags.bits()).expect("flags of open are an int"))
            .open(&end)
            .map_err(failed)?;
        let metadata = file.metadata().map_err(failed)?;
        if !metadata.is_file() {
            return Err(not_a_file());
        }
        Ok(Some(FileSlice::whole(file, metadata.len())))
    }
}

impl Files for Folder {
    fn place(&self) -> &str {
        &self.place
    }

    fn find(&self, name: &str) -> Result<Option<FileSlice>> {
        let Some(name) = join("", name) else {
            return Err(
                PackError::new(Code::SourceLinkRefused, "a path leads out of the folder")
                    .at(&self.place)
                    .found(name),
            );
        };
        if let Some(file) = self.opened.borrow().get(&name) {
            return Ok(Some(file.again()));
        }
        let found = self.open_below(&name)?;
        if let Some(file) = &found {
            self.opened.borrow_mut().insert(name, file.again());
        }
        Ok(found)
    }
}
