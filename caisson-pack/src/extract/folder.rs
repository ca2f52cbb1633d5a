//! An OCI layout as a folder: written beside its place under a name nobody else
//! has, made durable, then renamed. Whoever sees the folder sees all of it, and
//! nothing that was there is touched: a rename replaces an empty folder only.

use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use rustix::io::Errno;
use tempfile::TempDir;

use super::output::Output;
use super::output_failed;
use crate::error::{Code, PackError, Result};

const BUFFER_BYTES: usize = 128 * 1024;

/// A folder that is not there yet. Dropped before [`FolderOutput::publish`], it
/// leaves nothing.
#[derive(Debug)]
pub(super) struct FolderOutput {
    path: PathBuf,
    part: TempDir,
    /// The folder the output goes into.
    parent: PathBuf,
    file: Option<BufWriter<File>>,
    written: u64,
}

impl FolderOutput {
    /// # Errors
    /// `build.output_exists` if there is anything but an empty folder,
    /// `build.output_failed`, `build.no_space`.
    pub(super) fn create(path: &Path) -> Result<Self> {
        refuse_content(path)?;
        let parent = match path.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => parent,
            _ => Path::new("."),
        };
        let part = tempfile::Builder::new()
            .prefix(".caisson-extract-")
            .suffix(".part")
            // As `mkdir` would: the umask takes away from it.
            .permissions(fs::Permissions::from_mode(0o777))
            .tempdir_in(parent)
            .map_err(|error| output_failed(&error, parent))?;
        let blobs = part.path().join("blobs/sha256");
        fs::create_dir_all(&blobs).map_err(|error| output_failed(&error, &blobs))?;
        Ok(Self {
            path: path.to_owned(),
            parent: parent.to_owned(),
            part,
            file: None,
            written: 0,
        })
    }

    pub(super) fn part_path(&self) -> &Path {
        self.part.path()
    }

    /// Gives the folder its name; the bytes of its files.
    pub(super) fn publish(self) -> Result<u64> {
        let part = self.part.path();
        for folder in [part.join("blobs/sha256"), part.join("blobs"), part.into()] {
            sync_folder(&folder).map_err(|error| output_failed(&error, &folder))?;
        }
        match rustix::fs::rename(part, &self.path) {
            Ok(()) => {}
            Err(Errno::EXIST | Errno::NOTEMPTY | Errno::NOTDIR) => {
                return Err(exists(&self.path));
            }
            Err(error) => return Err(output_failed(&error.into(), &self.path)),
        }
        // Its name is another one now: nothing is left to remove.
        let _ = self.part.keep();
        sync_folder(&self.parent).map_err(|error| output_failed(&error, &self.path))?;
        Ok(self.written)
    }
}

impl Output for FolderOutput {
    fn begin(&mut self, path: &str, _size: u64) -> io::Result<()> {
        let file = File::create_new(self.part.path().join(path))?;
        self.file = Some(BufWriter::with_capacity(BUFFER_BYTES, file));
        Ok(())
    }

    fn end(&mut self) -> io::Result<()> {
        match self.file.take() {
            Some(file) => file.into_inner()?.sync_all(),
            None => Ok(()),
        }
    }
}

impl Write for FolderOutput {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let file = self.file.as_mut();
        let file = file.ok_or_else(|| io::Error::other("no file was begun"))?;
        let count = file.write(bytes)?;
        self.written += count as u64;
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.as_mut().map_or(Ok(()), Write::flush)
    }
}

fn sync_folder(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}

fn exists(path: &Path) -> PackError {
    PackError::new(
        Code::OutputExists,
        "refusing to write into a folder that has content, or over a file",
    )
    .at_path(path)
    .next("choose another name; the folder is made, or must be empty")
}

fn refuse_content(path: &Path) -> Result<()> {
    let is_free = match fs::symlink_metadata(path) {
        Ok(metadata) if metadata.is_dir() => {
            let mut entries = fs::read_dir(path).map_err(|error| output_failed(&error, path))?;
            entries.next().is_none()
        }
        Ok(_) => false,
        Err(error) if error.kind() == io::ErrorKind::NotFound => true,
        Err(error) => return Err(output_failed(&error, path)),
    };
    if is_free { Ok(()) } else { Err(exists(path)) }
}
