//! The output file: written as `FILE.part`, made durable, then renamed. Whoever
//! sees `FILE` sees all of it; whatever fails leaves nothing.
//!
//! Two builds of one output at the same time: the second is refused, by a lock
//! on the part file. A part file that a killed build left behind has no lock
//! and is written over.
//!
//! [`split`] writes one package into several such files.

pub(crate) mod follow;
pub mod package;
pub mod split;

use std::ffi::OsString;
use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use rustix::fs::{CWD, FlockOperation, RenameFlags, flock, renameat_with};
use rustix::io::Errno;

use crate::error::{Code, PackError, Result};

/// What follows the name of a file that is being written.
const PART_SUFFIX: &str = ".part";

/// An output that is not there yet. Dropped before [`PartFile::publish`], it
/// leaves no file.
#[derive(Debug)]
pub struct PartFile {
    name: PartName,
    file: File,
}

/// The two names of an output: the one it has while it is written, and its own.
/// Dropped before it was renamed, it leaves no file.
#[derive(Debug)]
struct PartName {
    path: PathBuf,
    part: PathBuf,
    replace: bool,
    published: bool,
}

impl PartFile {
    /// Creates `PATH.part`.
    ///
    /// # Errors
    /// `build.output_exists` if the output is there and `replace` is false,
    /// `build.output_busy`, `build.output_failed`, `build.no_space`.
    pub fn create(path: &Path, replace: bool) -> Result<Self> {
        refuse_existing(path, replace)?;
        let mut part = OsString::from(path);
        part.push(PART_SUFFIX);
        let part = PathBuf::from(part);
        let failed = |error: io::Error| PackError::output(&error, &part);
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(&part)
            .map_err(failed)?;
        if !locked_and_in_place(&file, &part).map_err(failed)? {
            return Err(
                PackError::new(Code::OutputBusy, "another build writes this output").at_path(&part),
            );
        }
        // Only now: before the lock it may have been somebody else's work.
        file.set_len(0).map_err(failed)?;
        let name = PartName {
            path: path.to_owned(),
            part,
            replace,
            published: false,
        };
        Ok(Self { name, file })
    }

    /// The folder of the output, where temporary files go too.
    pub fn folder(&self) -> &Path {
        folder_of(&self.name.path)
    }

    /// The part file.
    pub fn file(&self) -> &File {
        &self.file
    }

    /// The path of the part file.
    pub fn part_path(&self) -> &Path {
        &self.name.part
    }

    /// Gives the file, which the caller has synced, its name, and makes that
    /// durable too.
    ///
    /// # Errors
    /// As [`PartFile::create`].
    pub fn publish(mut self) -> Result<()> {
        self.name.rename()?;
        sync_folder(&self.name.path)
    }
}

impl PartName {
    fn rename(&mut self) -> Result<()> {
        let failed = |error: io::Error| PackError::output(&error, &self.path);
        let flags = if self.replace {
            RenameFlags::empty()
        } else {
            RenameFlags::NOREPLACE
        };
        match renameat_with(CWD, &self.part, CWD, &self.path, flags) {
            Ok(()) => {}
            Err(Errno::EXIST) => refuse_existing(&self.path, false)?,
            // A file system without NOREPLACE, such as FAT on some kernels.
            Err(Errno::INVAL | Errno::NOSYS) => {
                refuse_existing(&self.path, self.replace)?;
                fs::rename(&self.part, &self.path).map_err(failed)?;
            }
            Err(error) => return Err(failed(error.into())),
        }
        self.published = true;
        Ok(())
    }
}

impl Drop for PartName {
    fn drop(&mut self) {
        if !self.published {
            // It is an error's way out already; that error counts.
            let _ = fs::remove_file(&self.part);
        }
    }
}

/// Makes the names in the folder of `path` durable.
fn sync_folder(path: &Path) -> Result<()> {
    File::open(folder_of(path))
        .and_then(|folder| folder.sync_all())
        .map_err(|error| PackError::output(&error, path))
}

fn refuse_existing(path: &Path, replace: bool) -> Result<()> {
    match fs::symlink_metadata(path) {
        Ok(metadata) if metadata.is_dir() => {
            Err(PackError::new(Code::OutputFailed, "the output is a folder").at_path(path))
        }
        // A rename would put a file in the place of a device such as /dev/null.
        Ok(metadata) if !metadata.is_file() && !metadata.is_symlink() => Err(PackError::new(
            Code::OutputFailed,
            "the output is a device or a pipe",
        )
        .at_path(path)),
        Ok(_) if !replace => Err(PackError::new(
            Code::OutputExists,
            "refusing to replace a file that exists",
        )
        .at_path(path)),
        Ok(_) => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(PackError::output(&error, path)),
    }
}

/// Takes the lock. Between the open and the lock another build may have
/// finished and renamed the very file we hold: then it is no part file any more.
fn locked_and_in_place(file: &File, part: &Path) -> io::Result<bool> {
    match flock(file, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => {}
        Err(Errno::WOULDBLOCK) => return Ok(false),
        Err(error) => return Err(error.into()),
    }
    let held = file.metadata()?;
    match fs::symlink_metadata(part) {
        Ok(there) => Ok(there.dev() == held.dev() && there.ino() == held.ino()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

fn folder_of(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write as _;

    /// A failed build that leaves a file, or replaces one unasked, would show.
    #[test]
    fn nothing_is_left_or_replaced_unasked() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("a.edgepkg");
        drop(PartFile::create(&path, false).expect("created"));
        assert_eq!(fs::read_dir(folder.path()).expect("readable").count(), 0);

        let output = PartFile::create(&path, false).expect("created");
        fs::write(&path, "another").expect("written");
        assert_eq!(output.publish().unwrap_err().code, Code::OutputExists);
        assert_eq!(fs::read(&path).expect("readable"), b"another");
        assert_eq!(
            PartFile::create(&path, false).unwrap_err().code,
            Code::OutputExists
        );
        let output = PartFile::create(&path, true).expect("created");
        output.file().write_all(b"new").expect("written");
        output.publish().expect("replaced");
        assert_eq!(fs::read(&path).expect("readable"), b"new");
        assert_eq!(fs::read_dir(folder.path()).expect("readable").count(), 1);
    }

    /// Two builds that write one part file would publish a mixture.
    #[test]
    fn a_second_build_of_one_output_is_refused() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("a.edgepkg");
        let first = PartFile::create(&path, false).expect("created");
        assert_eq!(
            PartFile::create(&path, false).unwrap_err().code,
            Code::OutputBusy
        );
        drop(first);
        // A killed build leaves its part file, but no lock.
        fs::write(folder.path().join("a.edgepkg.part"), "stale").expect("written");
        let output = PartFile::create(&path, false).expect("stale part is taken over");
        output.publish().expect("published");
        assert_eq!(fs::read(&path).expect("readable"), b"");
    }
}
