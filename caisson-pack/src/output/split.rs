//! A package cut into parts (SPEC section 10), for media whose file system takes
//! no large file: written straight into the parts, never as a whole beside them.
//!
//! The parts are written as `NAME.NNN.part` and get their names when all of them
//! are complete and were read once: the first one last, since readers begin with
//! it. Its lock keeps other builds away from all of them. What an older package
//! of the name left, more parts or the package as a whole, is refused, or removed
//! if it shall be replaced.

use std::fmt;
use std::fs::{self, File};
use std::io::{self, Write};
use std::mem;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::mpsc::{SyncSender, sync_channel};
use std::thread::{self, JoinHandle};

use edgepkg::PackageFile;
use edgepkg::limits::PARTS_MAX;
use edgepkg::parts::{part_count, part_path, split_part_path};

use super::{PART_SUFFIX, PartFile, PartName, folder_of, refuse_existing, sync_folder};
use crate::error::{Code, PackError, Result};
use crate::progress::size;

/// Least size of a part, in bytes.
const PART_BYTES_MIN: u64 = 1024 * 1024;

/// What `fat32` means, in bytes: the most whole sectors of 512 bytes below 4 GiB,
/// where FAT32 ends.
const FAT32_BYTES: u64 = 4 * 1024 * 1024 * 1024 - 512;

/// What sizes may be given in, with the bytes of each.
const UNITS: [(&str, u64); 7] = [
    ("B", 1),
    ("kB", 1000),
    ("KiB", 1 << 10),
    ("MB", 1_000_000),
    ("MiB", 1 << 20),
    ("GB", 1_000_000_000),
    ("GiB", 1 << 30),
];

/// Parts that may wait to be synced, each with an open file.
const SYNCS_WAITING: usize = 1;

/// Size of every part but the last, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct PartSize(u64);

impl PartSize {
    /// The size in bytes.
    pub fn bytes(self) -> u64 {
        self.0
    }

    /// Refuses a package that needs more parts than there are names for.
    ///
    /// # Errors
    /// `build.parts_too_many`, with the size that would do.
    pub fn check(self, package_bytes: u64) -> Result<()> {
        if part_count(package_bytes, self.0) <= u64::from(PARTS_MAX) {
            return Ok(());
        }
        let enough = package_bytes
            .div_ceil(u64::from(PARTS_MAX))
            .div_ceil(PART_BYTES_MIN);
        let what = "the package needs more parts than there are names for";
        Err(PackError::new(Code::PartsTooMany, what)
            .found(format!("{} in parts of {self}", size(package_bytes)))
            .wanted(format!("at most {PARTS_MAX} parts"))
            .next(format!("split it into parts of {enough} MiB or more")))
    }
}

impl fmt::Display for PartSize {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} bytes", self.0)
    }
}

impl FromStr for PartSize {
    type Err = PackError;

    /// Reads `fat32`, or a whole number and its unit, such as `700MiB`.
    fn from_str(text: &str) -> Result<Self> {
        let bytes = if text == "fat32" {
            Some(FAT32_BYTES)
        } else {
            let digits = text.bytes().take_while(u8::is_ascii_digit).count();
            let (number, unit) = text.split_at(digits);
            let unit = UNITS.iter().find(|(name, _)| *name == unit);
            let number = number.parse::<u64>().ok();
            number
                .zip(unit)
                .and_then(|(number, unit)| number.checked_mul(unit.1))
        };
        bytes
            .filter(|bytes| *bytes >= PART_BYTES_MIN)
            .map(Self)
            .ok_or_else(|| {
                let units = UNITS.map(|(name, _)| name).join(", ");
                PackError::new(Code::Usage, "a package can't be split by this size")
                    .found(text)
                    .wanted(format!(
                        "`fat32`, or a number of {units}, 1 MiB or more, such as 700MiB"
                    ))
            })
    }
}

/// The parts of a package that is not there yet. Dropped before
/// [`SplitFile::publish`], it leaves no file.
#[derive(Debug)]
pub struct SplitFile {
    package: PathBuf,
    part_bytes: u64,
    replace: bool,
    /// Open all the time, for its lock.
    first: PartFile,
    others: Vec<PartName>,
    /// The part that is being written.
    file: File,
    /// Bytes it has room for.
    room: u64,
    syncing: Syncing,
}

impl SplitFile {
    /// Creates the first part of `package`.
    ///
    /// # Errors
    /// As [`PartFile::create`], about any of the files a package of this name may
    /// have left.
    pub fn create(package: &Path, size: PartSize, replace: bool) -> Result<Self> {
        if split_part_path(package).is_some() {
            let what = "the output is the name of a part, which gets its number by itself";
            return Err(PackError::new(Code::Usage, what)
                .at_path(package)
                .wanted("the package's name without a number"));
        }
        for old in names(package) {
            refuse_existing(&old, replace)?;
        }
        let first = PartFile::create(&part_path(package, 1), replace)?;
        let failed = |error: io::Error| PackError::output(&error, first.part_path());
        let file = first.file().try_clone().map_err(failed)?;
        // A build that was killed may have left more parts than this one has.
        for number in 2..=PARTS_MAX {
            let mut stale = part_path(package, number).into_os_string();
            stale.push(PART_SUFFIX);
            remove(Path::new(&stale))?;
        }
        Ok(Self {
            package: package.to_owned(),
            part_bytes: size.bytes(),
            replace,
            first,
            others: Vec::new(),
            file,
            room: size.bytes(),
            syncing: Syncing::start(),
        })
    }

    /// The folder of the parts.
    pub fn folder(&self) -> &Path {
        folder_of(&self.package)
    }

    /// The path of the part that is being written.
    pub fn part_path(&self) -> &Path {
        self.others
            .last()
            .map_or(self.first.part_path(), |name| &name.part)
    }

    /// The parts as written so far, joined.
    ///
    /// # Errors
    /// `build.self_check_failed` if a reader would not take them.
    pub fn joined(&self) -> Result<PackageFile> {
        PackageFile::open_parts(&self.package, PART_SUFFIX).map_err(|error| {
            let what = "the parts that were just written can't be read";
            PackError::new(Code::SelfCheckFailed, what)
                .at_path(&self.package)
                .found(error)
        })
    }

    /// What must be called, from any thread, to have all parts on the disk.
    pub fn sync(&mut self) -> impl FnOnce() -> io::Result<()> + Send + use<> {
        let syncing = mem::replace(&mut self.syncing, Syncing::start());
        let last = self.file.try_clone();
        move || {
            syncing.end()?;
            last?.sync_all()
        }
    }

    /// Gives the parts, which the caller has synced, their names.
    ///
    /// # Errors
    /// As [`SplitFile::create`]; no part has its name then.
    pub fn publish(mut self) -> Result<()> {
        let mut named = Vec::new();
        let published = self.rename_all(&mut named);
        if published.is_err() {
            for path in named {
                // The error that led here counts.
                let _ = fs::remove_file(path);
            }
        }
        published
    }

    fn rename_all(&mut self, named: &mut Vec<PathBuf>) -> Result<()> {
        if self.replace {
            // First the names a reader may begin with: nobody shall read a
            // mixture of old and new parts.
            remove(&self.package)?;
            remove(&part_path(&self.package, 1))?;
        }
        for name in &mut self.others {
            name.rename()?;
            named.push(name.path.clone());
        }
        if self.replace {
            for old in names(&self.package).skip(self.others.len() + 2) {
                remove(&old)?;
            }
        }
        sync_folder(&self.package)?;
        self.first.name.rename()?;
        named.push(self.first.name.path.clone());
        sync_folder(&self.package)
    }

    /// Ends the part that is full and begins the next.
    fn next_part(&mut self) -> io::Result<()> {
        let number = u32::try_from(self.others.len()).unwrap_or(u32::MAX) + 2;
        let path = part_path(&self.package, number);
        let PartFile { name, file } =
            PartFile::create(&path, self.replace).map_err(PackError::into_io)?;
        self.others.push(name);
        let full = mem::replace(&mut self.file, file);
        self.room = self.part_bytes;
        self.syncing.sync(full)
    }
}

impl Write for SplitFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.room == 0 && !bytes.is_empty() {
            self.next_part()?;
        }
        let room = usize::try_from(self.room).unwrap_or(usize::MAX);
        let count = self.file.write(&bytes[..bytes.len().min(room)])?;
        self.room -= count as u64;
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Every name under which a package may be there: as a whole, and its parts.
fn names(package: &Path) -> impl Iterator<Item = PathBuf> {
    let parts = (1..=PARTS_MAX).map(|number| part_path(package, number));
    std::iter::once(package.to_owned()).chain(parts)
}

fn remove(path: &Path) -> Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(PackError::output(&error, path))
        }
        _ => Ok(()),
    }
}

/// A thread that brings full parts to the disk while the next is written.
#[derive(Debug)]
struct Syncing {
    files: SyncSender<File>,
    thread: JoinHandle<io::Result<()>>,
}

impl Syncing {
    fn start() -> Self {
        let (files, full) = sync_channel::<File>(SYNCS_WAITING);
        let thread = thread::spawn(move || full.iter().try_for_each(|file| file.sync_all()));
        Self { files, thread }
    }

    fn sync(&mut self, file: File) -> io::Result<()> {
        if self.files.send(file).is_ok() {
            return Ok(());
        }
        // It ended early, by an error.
        mem::replace(self, Self::start()).end()
    }

    fn end(self) -> io::Result<()> {
        drop(self.files);
        self.thread
            .join()
            .expect("the syncing thread does not panic")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A unit taken for another would give parts that the medium can't hold.
    #[test]
    fn sizes_are_read_with_their_unit() {
        for (text, bytes) in [
            ("fat32", 4_294_966_784),
            ("1048576B", 1 << 20),
            ("1MiB", 1 << 20),
            ("2000kB", 2_000_000),
            ("2048KiB", 2 << 20),
            ("700MB", 700_000_000),
            ("4GB", 4_000_000_000),
            ("2GiB", 2 << 30),
        ] {
            assert_eq!(text.parse(), Ok(PartSize(bytes)), "{text}");
        }
        for text in [
            "",
            "0",
            "1",
            "fat",
            "FAT32",
            "1048575B",
            "1023KiB",
            "1mib",
            "-1GiB",
            "+1GiB",
            "1.5GiB",
            "GiB",
            "1 GiB",
            "1GiBB",
            " 1GiB",
            "99999999999GiB",
            "18446744073709551616B",
        ] {
            let error = text.parse::<PartSize>().unwrap_err();
            assert_eq!(error.code, Code::Usage, "{text}");
        }
    }
}
