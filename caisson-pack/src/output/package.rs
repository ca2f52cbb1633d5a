//! The output of a build: one file, or the parts of one.

use std::io::{self, Write};
use std::path::Path;
use std::thread;

use edgepkg::parts::part_path;

use super::PartFile;
use super::follow::{Follower, Written};
use super::split::{PartSize, SplitFile};
use crate::describe::PackageFacts;
use crate::error::{PackError, Result};
use crate::progress::Watch;
use crate::verify::{Depth, check_parts};

/// A package that is not there yet. Dropped before [`PackageOutput::publish`], it
/// leaves no file.
#[derive(Debug)]
pub enum PackageOutput {
    /// One file.
    Whole(PartFile),
    /// Several.
    Split(SplitFile),
}

/// What must be done with an output beside writing it.
pub(crate) struct Beside {
    /// Told of every byte that was written, and dropped after the last.
    pub(crate) written: Written,
    /// Brings the output to the disk.
    pub(crate) sync: Box<dyn FnOnce() -> io::Result<()> + Send>,
    /// Reads the output while it is written, where that can be.
    pub(crate) follower: Option<Follower>,
}

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

    /// What runs in other threads while the output is written.
    pub(crate) fn beside(&mut self) -> io::Result<Beside> {
        let written = Written::default();
        Ok(match self {
            Self::Whole(file) => {
                let syncing = written.follow(file.file().try_clone()?);
                Beside {
                    follower: Some(written.follow(file.file().try_clone()?)),
                    sync: Box::new(move || syncing.sync()),
                    written,
                }
            }
            // Each part is synced when it is full. Readers judge all parts when
            // they open the first, so no part is read before the last is there.
            Self::Split(_) => Beside {
                follower: None,
                sync: Box::new(|| Ok(())),
                written,
            },
        })
    }

    /// Reads what was written with the device's reader, as far as nothing has
    /// followed it.
    pub(crate) fn check(&mut self, watch: &mut Watch) -> Result<Option<PackageFacts>> {
        let Self::Split(parts) = self else {
            return Ok(None);
        };
        let sync = thread::spawn(parts.sync());
        let checked = check_parts(parts.joined()?, Depth::File, watch);
        let synced = sync.join().expect("the syncing thread does not panic");
        synced.map_err(|error| PackError::output(&error, parts.part_path()))?;
        checked.map(Some)
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
