//! A package file on a disk, whole or split into parts (SPEC section 10): the
//! one way to open it, whatever reads it.
//!
//! What it does: finds the parts, judges their sizes before a byte is read, and
//! joins them behind [`Read`] and [`Seek`] with one file open at a time, so that
//! [`crate::PackageReader`] reads a split package as any other.
//!
//! What it does not: look into a part. Whether the parts belong to one package
//! is decided by the digests inside, as damage is.
//!
//! Attacks answered: parts that are folders or pipes (refused before they are
//! opened: opening a pipe would wait for ever), a list of parts without end
//! (at most 999), parts that change between the first look and their reading
//! (each is read as long as it was then, or not at all).

mod joined;

use std::ffi::OsString;
use std::fmt;
use std::fs::{self, File};
use std::io::{self, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use crate::error::{Code, PackageError, printable};
use crate::limits::PARTS_MAX;
use crate::reader::ReadOptions;
use joined::JoinedParts;

/// The path of part `number`, counted from 1, of the package `package`:
/// `site.edgepkg` and 2 give `site.edgepkg.002`.
pub fn part_path(package: &Path, number: u32) -> PathBuf {
    let mut path = OsString::from(package);
    path.push(format!(".{number:03}"));
    PathBuf::from(path)
}

/// The package and the number in the path of a part; `None` if the path is not
/// that of a part. Only the name is looked at.
pub fn split_part_path(path: &Path) -> Option<(PathBuf, u32)> {
    let digits = path.extension()?.to_str()?;
    if digits.len() != 3 || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let number = digits.parse().ok().filter(|number| *number > 0)?;
    Some((path.with_extension(""), number))
}

/// The number of parts of a package of `file_bytes` bytes, cut every `part_bytes`.
pub fn part_count(file_bytes: u64, part_bytes: u64) -> u64 {
    file_bytes.div_ceil(part_bytes.max(1))
}

/// What a person does about an error of the parts; `None` for every other code.
pub fn advice(code: Code) -> Option<&'static str> {
    match code {
        Code::PartName => Some("give the name of the first part"),
        Code::PartSize | Code::PartMissing => {
            Some("put all parts of the package into one folder, each copied whole")
        }
        Code::PartSurplus => {
            Some("take away the parts of another package, and copy this one's again")
        }
        _ => None,
    }
}

/// A package file: one regular file, or its parts joined.
#[derive(Debug)]
pub struct PackageFile {
    kind: Kind,
}

#[derive(Debug)]
enum Kind {
    Whole { file: File, bytes: u64 },
    Parts(JoinedParts),
}

impl PackageFile {
    /// Opens a package by its name, or by that of its first part.
    ///
    /// # Errors
    /// [`OpenError::Unreadable`] if a file isn't there, is no regular file or
    /// can't be opened; [`OpenError::Refused`] with `pkg.part_name` or
    /// `pkg.part_size`.
    pub fn open(path: &Path) -> Result<Self, OpenError> {
        if let Some((package, number)) = split_part_path(path) {
            if number == 1 {
                return Self::open_parts(&package, "");
            }
            return Err(OpenError::Refused(other_part(&package, number)));
        }
        // Before it is opened: opening a named pipe would wait for ever.
        let regular = fs::metadata(path).and_then(|facts| regular(&facts));
        match regular.and_then(|()| File::open(path)) {
            Ok(file) => {
                let bytes = file.metadata().map_err(|error| unreadable(path, error))?;
                let bytes = bytes.len();
                let kind = Kind::Whole { file, bytes };
                Ok(Self { kind })
            }
            Err(error)
                if error.kind() == io::ErrorKind::NotFound && part_path(path, 1).is_file() =>
            {
                Err(OpenError::Refused(whole_of_parts(path)))
            }
            Err(error) => Err(unreadable(path, error)),
        }
    }

    /// Opens the parts of `package`. What stands in `suffix` follows the number in
    /// their names: for parts that have not got their names yet.
    ///
    /// # Errors
    /// As [`Self::open`].
    pub fn open_parts(package: &Path, suffix: &str) -> Result<Self, OpenError> {
        let kind = Kind::Parts(JoinedParts::open(package, suffix)?);
        Ok(Self { kind })
    }

    /// Size of the whole file, in bytes.
    pub fn file_bytes(&self) -> u64 {
        match &self.kind {
            Kind::Whole { bytes, .. } => *bytes,
            Kind::Parts(parts) => parts.file_bytes(),
        }
    }

    /// Size of the first part, in bytes; `None` if the package is not split.
    pub fn part_bytes(&self) -> Option<u64> {
        match &self.kind {
            Kind::Whole { .. } => None,
            Kind::Parts(parts) => Some(parts.part_bytes()),
        }
    }

    /// Path and size of each part; none if the package is not split.
    pub fn parts(&self) -> Vec<(PathBuf, u64)> {
        match &self.kind {
            Kind::Whole { .. } => Vec::new(),
            Kind::Parts(parts) => parts.list(),
        }
    }

    /// What a [`crate::PackageReader`] is to know of this file.
    pub fn read_options(&self) -> ReadOptions {
        ReadOptions {
            file_size: Some(self.file_bytes()),
            part_size: self.part_bytes(),
            check_digests: false,
        }
    }
}

impl Read for PackageFile {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match &mut self.kind {
            Kind::Whole { file, .. } => file.read(buffer),
            Kind::Parts(parts) => parts.read(buffer),
        }
    }
}

impl Seek for PackageFile {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        match &mut self.kind {
            Kind::Whole { file, .. } => file.seek(to),
            Kind::Parts(parts) => parts.seek(to),
        }
    }
}

/// Why a package file can't be opened.
#[derive(Debug)]
pub enum OpenError {
    /// A file isn't there, is no regular file or can't be opened. It says
    /// nothing about the package.
    Unreadable {
        /// The file: the one that was named, or a part.
        path: PathBuf,
        /// What the system says.
        error: io::Error,
    },
    /// The names or sizes of the parts are wrong.
    Refused(PackageError),
}

impl fmt::Display for OpenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unreadable { path, error } => {
                let path = printable(&path.display().to_string());
                write!(f, "{path} can't be opened: {error}")
            }
            Self::Refused(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for OpenError {}

fn unreadable(path: &Path, error: io::Error) -> OpenError {
    OpenError::Unreadable {
        path: path.to_owned(),
        error,
    }
}

fn regular(facts: &fs::Metadata) -> io::Result<()> {
    if facts.is_file() {
        Ok(())
    } else if facts.is_dir() {
        Err(io::Error::other("it is a folder"))
    } else {
        Err(io::Error::other("it is no regular file"))
    }
}

/// The last component of a path, for a message.
fn file_name(path: &Path) -> String {
    let name = path.file_name().unwrap_or(path.as_os_str());
    name.to_string_lossy().into_owned()
}

fn other_part(package: &Path, number: u32) -> PackageError {
    PackageError::new(
        Code::PartName,
        "a split package is read from its first part on, and this is the name of another",
        file_name(&part_path(package, number)),
    )
    .found(format!("the name of part {number}"))
    .wanted(file_name(&part_path(package, 1)))
}

fn whole_of_parts(package: &Path) -> PackageError {
    PackageError::new(
        Code::PartName,
        "there is no such file, but a package of this name that is split into parts",
        file_name(package),
    )
    .found("no such file")
    .wanted(file_name(&part_path(package, 1)))
}

/// A limit that names and counts of parts rest on: three digits.
const _: () = assert!(PARTS_MAX == 999);

#[cfg(test)]
mod tests {
    use super::*;
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt as _;

    /// A part under another name than the one that is looked for would be missing.
    #[test]
    fn names_of_parts_are_made_and_understood() {
        for (package, number, path) in [
            ("site.edgepkg", 1, "site.edgepkg.001"),
            ("a/b.c/site", 27, "a/b.c/site.027"),
            ("/x.001", 999, "/x.001.999"),
        ] {
            assert_eq!(part_path(Path::new(package), number), Path::new(path));
            let back = split_part_path(Path::new(path));
            assert_eq!(back, Some((PathBuf::from(package), number)));
        }
        for path in [
            "site.edgepkg",
            "site.edgepkg.000",
            "site.edgepkg.01",
            "site.edgepkg.0001",
            "site.edgepkg.+01",
            "site.edgepkg.1e1",
            ".001",
            "",
            "/",
            "a/..",
            "x.٠٠١",
        ] {
            assert_eq!(split_part_path(Path::new(path)), None, "{path}");
        }
    }

    /// A stick's names need not be UTF-8.
    #[test]
    fn names_that_are_not_text_work() {
        let package = Path::new(OsStr::from_bytes(b"m\xfcnchen.edgepkg"));
        let part = part_path(package, 3);
        assert_eq!(part.as_os_str().as_bytes(), b"m\xfcnchen.edgepkg.003");
        assert_eq!(split_part_path(&part), Some((package.to_owned(), 3)));
    }
}
