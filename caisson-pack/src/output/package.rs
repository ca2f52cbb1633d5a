//! The output of a build: one file, or the parts of one.

use std::io::{self, Seek as _, Write};
use std::path::Path;

use edgepkg::parts::part_path;

use super::PartFile;
use super::split::{PartSize, SplitFile};
use crate::describe::PackageFacts;
use crate::error::{PackError, Result};
use crate::progress::Watch;
use crate::verify::{Depth, check_file, check_parts};

/// A package that is not there yet. Dropped before [`PackageOutput::publish`], it
/// leaves no file.
#[derive(Debug)]
pub enum PackageOutput {
    /// One file.
    Whole(PartFile),
    /// Several.
    Split(SplitFile),
}

/// Brings a file to the disk.
pub(crate) type Sync = Box<dyn FnOnce() -> io::Result<()> + Send>;

impl PackageOutput {
    /// Creates the file, or its first part.
    ///
    /// # Errors
    /// As [`PartFile::create`] and [`SplitFile::create`].
    pub fn create(path: &Path, split: Option<PartSize>, replace: bool) -> Result<Self> {
        match split {
            None => PartFile::create(path, replace).map(Self::Whole),
            Some(size) => SplitFile::create(path, size, replace).map(Self::Split),
        }
    }

    /// Where temporary files go too.
    pub fn folder(&self) -> &Path {
        match self {
            Self::Whole(file) => file.folder(),
            Self::Split(parts) => parts.folder(),
        }
    }

    /// The path of the file that is being written.
    pub fn part_path(&self) -> &Path {
        match self {
            Self::Whole(file) => file.part_path(),
            Self::Split(parts) => parts.part_path(),
        }
    }

    /// What brings all that was written to the disk.
    pub(crate) fn sync(&mut self) -> io::Result<Sync> {
        match self {
            Self::Whole(file) => {
                let file = file.file().try_clone()?;
                Ok(Box::new(move || file.sync_all()))
            }
            Self::Split(parts) => Ok(Box::new(parts.sync())),
        }
    }

    /// Reads what was written with the device's reader.
    pub(crate) fn check(&self, watch: &mut Watch) -> Result<PackageFacts> {
        match self {
            Self::Whole(file) => {
                let failed = |error: io::Error| PackError::output(&error, file.part_path());
                let mut file = file.file();
                file.rewind().map_err(failed)?;
                let size = file.metadata().map_err(failed)?.len();
                check_file(file, Some(size), Depth::File, watch)
            }
            Self::Split(parts) => check_parts(parts.joined()?, Depth::File, watch),
        }
    }

    /// Gives the files, which the caller has synced, their names, and names them in
    /// `facts`.
    ///
    /// # Errors
    /// As [`PackageOutput::create`].
    pub fn publish(self, path: &Path, facts: &mut PackageFacts) -> Result<()> {
        for (number, (part, _)) in (1..).zip(&mut facts.parts) {
            *part = part_path(path, number);
        }
        match self {
            Self::Whole(file) => file.publish(),
            Self::Split(parts) => parts.publish(),
        }
    }
}

impl Write for PackageOutput {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Whole(file) => file.file().write(bytes),
            Self::Split(parts) => parts.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
