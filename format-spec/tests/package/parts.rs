//! Split packages: parts in real folders, sound ones and every way to lose one.

use std::ffi::OsStr;
use std::fs;
use std::io::{Read, Seek, SeekFrom};
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use edgepkg::parts::{OpenError, PackageFile, part_count, part_path};
use edgepkg::reader::PackageReader;
use edgepkg::{Code, Manifest, PackageError};

use crate::support::{draft, package, small_draft};

/// A package in parts, in a folder that goes away with it.
pub(crate) struct Split {
    folder: tempfile::TempDir,
    package: PathBuf,
    bytes: Vec<u8>,
}

impl Split {
    fn new(bytes: &[u8], part_bytes: usize) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let package = folder.path().join("x.edgepkg");
        for (index, part) in bytes.chunks(part_bytes).enumerate() {
            fs::write(part_path(&package, u32::try_from(index).unwrap() + 1), part).unwrap();
        }
        Self {
            folder,
            package,
            bytes: bytes.to_vec(),
        }
    }

    fn small(part_bytes: usize) -> Self {
        Self::new(&package(&small_draft(10)), part_bytes)
    }

    fn part(&self, number: u32) -> PathBuf {
        part_path(&self.package, number)
    }

    fn resize(&self, number: u32, bytes: u64) {
        let part = fs::OpenOptions::new().write(true).open(self.part(number));
        part.unwrap().set_len(bytes).unwrap();
    }

    fn read(&self) -> Result<Manifest, PackageError> {
        read(&self.part(1))
    }

    #[track_caller]
    fn refused(&self, code: Code) -> PackageError {
        let error = self.read().expect_err("the package must be refused");
        assert_eq!(error.code, code, "{error}");
        error
    }
}

/// Reads the whole package.
fn read(path: &Path) -> Result<Manifest, PackageError> {
    let file = PackageFile::open(path).map_err(|error| match error {
        OpenError::Refused(error) => error,
        OpenError::Unreadable { path, error } => panic!("{}: {error}", path.display()),
    })?;
    let options = file.read_options();
    let mut reader = PackageReader::open(file, options)?;
    reader.verify_rest(&mut |_| {})?;
    Ok(reader.manifest().clone())
}

fn unreadable(path: &Path) -> (PathBuf, String) {
    match PackageFile::open(path).expect_err("it can't be opened") {
        OpenError::Unreadable { path, error } => (path, error.to_string()),
        OpenError::Refused(error) => panic!("{error}"),
    }
}

/// Zeros in parts of these sizes; for the list of codes.
pub(crate) fn refused_parts(name: &str, sizes: &[usize]) -> PackageError {
    let split = Split::small(20_000);
    fs::remove_file(split.part(1)).unwrap();
    let mut rest = split.bytes.clone();
    rest.resize(100_000, 0);
    for (number, size) in (1..).zip(sizes) {
        fs::write(split.part(number), rest.drain(..*size).as_slice()).unwrap();
    }
    read(&split.folder.path().join(name)).expect_err("the parts must be refused")
}

/// A reader that loses or doubles a byte where two parts meet would find damage
/// in a sound package: cut at every size, read in odd pieces.
#[test]
fn a_package_in_parts_is_the_package() {
    let bytes = package(&draft());
    let whole = crate::support::read_all(&bytes).unwrap();
    let most = bytes.len() + 1;
    for part_bytes in (bytes.len().div_ceil(999)..1200).step_by(37).chain([
        4096,
        65_536,
        most - 2,
        most - 1,
        most,
    ]) {
        let split = Split::new(&bytes, part_bytes);
        assert_eq!(split.read().unwrap(), whole, "parts of {part_bytes}");
        let mut file = PackageFile::open(&split.part(1)).unwrap();
        let count = part_count(bytes.len() as u64, part_bytes as u64);
        assert_eq!(file.parts().len() as u64, count);
        assert_eq!(file.file_bytes(), bytes.len() as u64);
        assert_eq!(
            file.parts().iter().map(|part| part.1).sum::<u64>(),
            file.file_bytes()
        );
        let mut joined = Vec::new();
        let mut piece = [0; 777];
        loop {
            let count = file.read(&mut piece).unwrap();
            if count == 0 {
                break;
            }
            joined.extend_from_slice(&piece[..count]);
        }
        assert!(joined == bytes, "parts of {part_bytes}");
    }
}

/// A device skips what it doesn't need: a jump must land on the same byte.
#[test]
fn seeking_lands_on_the_byte() {
    let split = Split::small(700);
    let bytes = &split.bytes;
    let mut file = PackageFile::open(&split.part(1)).unwrap();
    let mut byte = [0; 1];
    for position in [
        0,
        1,
        699,
        700,
        5000,
        701,
        1400,
        1399,
        4900,
        0,
        bytes.len() - 1,
    ] {
        assert_eq!(
            file.seek(SeekFrom::Start(position as u64)).unwrap(),
            position as u64
        );
        file.read_exact(&mut byte).unwrap();
        assert_eq!(byte[0], bytes[position], "byte {position}");
    }
    assert_eq!(
        file.seek(SeekFrom::Current(-1)).unwrap(),
        bytes.len() as u64 - 1
    );
    let end = file.seek(SeekFrom::End(0)).unwrap();
    assert_eq!(end, bytes.len() as u64);
    file.seek(SeekFrom::Current(i64::MAX - 1_000_000)).unwrap();
    assert_eq!(file.read(&mut byte).unwrap(), 0);
    assert!(file.seek(SeekFrom::Current(-i64::MAX)).is_err());
    assert!(file.seek(SeekFrom::End(-1_000_000)).is_err());
}

/// Each part once lost, cut, empty or grown: the code and the part that is named.
#[test]
fn a_wrong_part_is_named() {
    let count = Split::small(1000).bytes.len().div_ceil(1000);
    let last = u32::try_from(count).unwrap();
    for number in 1..=last {
        let name = format!("x.edgepkg.{number:03}");
        let split = Split::small(1000);
        if number > 1 {
            fs::remove_file(split.part(number)).unwrap();
            let error = split.refused(Code::PartMissing);
            assert_eq!(error.place, format!("part .{number:03}"));
        }
        let split = Split::small(1000);
        split.resize(number, 0);
        assert_eq!(split.refused(Code::PartSize).place, name);

        let split = Split::small(1000);
        split.resize(number, 999.min(split.bytes.len() as u64 % 1000 - 1));
        let error = split.read().unwrap_err();
        let wanted = if number == last {
            (Code::Truncated, format!("size of part .{last:03}"))
        } else if number == 1 {
            // The others are now larger than the first.
            (Code::PartSize, "x.edgepkg.002".to_owned())
        } else {
            (Code::PartSize, name.clone())
        };
        assert_eq!((error.code, error.place), wanted);

        let split = Split::small(1000);
        split.resize(number, 1001);
        let named = if number == 1 { "x.edgepkg.002" } else { &name };
        assert_eq!(split.refused(Code::PartSize).place, named);
    }
    let split = Split::small(1000);
    split.resize(last, 1000);
    let error = split.refused(Code::TrailingBytes);
    assert_eq!(error.place, format!("size of part .{last:03}"));
}

/// The rest of an older, larger package of the same name stays on the stick.
#[test]
fn parts_that_do_not_belong_are_found() {
    let split = Split::new(&package(&small_draft(10)), 6000);
    fs::write(split.part(3), [0; 6000]).unwrap();
    split.refused(Code::PartSize);
    split.resize(2, 6000);
    let error = split.refused(Code::PartSurplus);
    assert_eq!(error.place, "part .003");

    // The middle of another package of the same size.
    let (one, other) = (package(&small_draft(3000)), package(&draft()));
    assert!(other.len() > 9000);
    let split = Split::new(&one, 3000);
    fs::write(split.part(3), &other[6000..9000]).unwrap();
    let error = split.read().unwrap_err();
    assert!(error.place.contains("part .003"), "{error}");
}

/// A head that ends with its part is cut or goes on in the next one: the sizes
/// must not be forgotten before the manifest says the package's.
#[test]
fn a_head_that_is_cut_says_which_part() {
    for (part_bytes, parts, code) in [
        (400, 1, Code::PartMissing),
        (512, 2, Code::PartMissing),
        (1000, 1, Code::PartMissing),
    ] {
        let split = Split::small(part_bytes);
        for number in (parts + 1).. {
            if fs::remove_file(split.part(number)).is_err() {
                break;
            }
        }
        let error = split.refused(code);
        assert_eq!(error.place, format!("part .{:03}", parts + 1));
    }
    let split = Split::small(400);
    for number in 3..=40 {
        let _ = fs::remove_file(split.part(number));
    }
    split.resize(2, 300);
    let error = split.refused(Code::Truncated);
    assert!(error.found.unwrap().contains("(part .002, byte 300)"));
}

/// The name decides what is opened; a wrong one must lead to the right one.
#[test]
fn another_name_leads_to_the_first_part() {
    let split = Split::small(1000);
    for path in [split.part(2), split.part(999), split.package.clone()] {
        let error = read(&path).unwrap_err();
        assert_eq!(error.code, Code::PartName, "{}", path.display());
        assert_eq!(error.wanted.as_deref(), Some("x.edgepkg.001"));
    }
    // Whole files of any name are read, also beside parts.
    fs::write(&split.package, &split.bytes).unwrap();
    assert!(read(&split.package).is_ok());
    let odd = split.folder.path().join("x.edgepkg.0001");
    fs::write(&odd, &split.bytes).unwrap();
    assert!(read(&odd).is_ok());
    let (path, error) = unreadable(&split.folder.path().join("y.edgepkg.001"));
    assert!(
        path.ends_with("y.edgepkg.001") && error.contains("No such file"),
        "{error}"
    );
    assert!(
        unreadable(&split.folder.path().join("y"))
            .1
            .contains("No such file")
    );
}

/// What is no file could block for ever; what leads to one is one.
#[test]
fn only_files_are_parts() {
    let split = Split::small(1000);
    fs::rename(split.part(2), split.folder.path().join("elsewhere")).unwrap();
    symlink("elsewhere", split.part(2)).unwrap();
    assert!(split.read().is_ok());
    fs::remove_file(split.part(2)).unwrap();
    symlink("nowhere", split.part(2)).unwrap();
    assert_eq!(split.refused(Code::PartMissing).place, "part .002");
    fs::remove_file(split.part(2)).unwrap();
    fs::create_dir(split.part(2)).unwrap();
    let (path, error) = unreadable(&split.part(1));
    assert!(
        path.ends_with("x.edgepkg.002") && error == "it is a folder",
        "{error}"
    );
    fs::remove_dir(split.part(2)).unwrap();
    let made = std::process::Command::new("mkfifo")
        .arg(split.part(2))
        .status();
    assert!(made.unwrap().success());
    let (path, error) = unreadable(&split.part(1));
    assert!(
        path.ends_with("x.edgepkg.002") && error == "it is no regular file",
        "{error}"
    );
    assert_eq!(unreadable(split.folder.path()).1, "it is a folder");
}

/// A stick that is pulled, or files that are replaced, while the package is read.
#[test]
fn a_part_that_changes_is_a_failed_read() {
    type Change = fn(&Split);
    let changes: [(Change, &str); 4] = [
        (
            |split| fs::remove_file(split.part(5)).unwrap(),
            "No such file",
        ),
        (
            |split| split.resize(5, 999),
            "it has 999 bytes, and had 1000",
        ),
        (
            |split| split.resize(5, 2000),
            "it has 2000 bytes, and had 1000",
        ),
        (
            |split| {
                fs::remove_file(split.part(5)).unwrap();
                fs::create_dir(split.part(5)).unwrap();
            },
            "it is a folder",
        ),
    ];
    for (change, words) in changes {
        let split = Split::small(1000);
        let mut file = PackageFile::open(&split.part(1)).unwrap();
        let mut start = [0; 1500];
        file.read_exact(&mut start).unwrap();
        file.seek(SeekFrom::Start(0)).unwrap();
        change(&split);
        let options = file.read_options();
        let read = PackageReader::open(file, options)
            .and_then(|mut reader| reader.verify_rest(&mut |_| {}));
        let error = read.expect_err("the part changed");
        assert_eq!(error.code, Code::ReadFailed, "{error}");
        let found = error.found.unwrap();
        assert!(
            found.contains("x.edgepkg.005: ") && found.contains(words),
            "{found}"
        );
    }
    // The open part itself.
    let split = Split::small(1000);
    let mut file = PackageFile::open(&split.part(1)).unwrap();
    file.read_exact(&mut [0; 1100]).unwrap();
    split.resize(2, 500);
    let error = file.read_to_end(&mut Vec::new()).unwrap_err();
    assert!(
        error
            .to_string()
            .contains("x.edgepkg.002: it became shorter"),
        "{error}"
    );
}

/// Names on a stick need not be text; parts may wait under a name of their own.
#[test]
fn odd_names_and_suffixes_are_read() {
    let split = Split::small(1000);
    let count = split.bytes.len().div_ceil(1000);
    let odd = split.folder.path().join(OsStr::from_bytes(b"m\xfcnchen"));
    for number in 1..=u32::try_from(count).unwrap() {
        fs::copy(split.part(number), part_path(&odd, number)).unwrap();
        let mut waiting = split.part(number).into_os_string();
        waiting.push(".part");
        fs::rename(split.part(number), waiting).unwrap();
    }
    assert!(read(&part_path(&odd, 1)).is_ok());
    let mut file = PackageFile::open_parts(&split.package, ".part").unwrap();
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes).unwrap();
    assert!(bytes == split.bytes);
    assert!(file.parts()[0].0.ends_with("x.edgepkg.001.part"));
}
