//! The testkit: makes every conformance vector of the package format, byte by
//! byte, from SPEC.md alone.
//!
//! It shares no code with the reader and the writer that the vectors are to
//! test: its own tar headers (`ustar`), its own manifest text (`describe`), its
//! own JSON (`derived`), its own Zstandard frames from raw and RLE blocks
//! (`frame`). Nothing random, no clock: the same bytes on every machine.
//!
//! A vector has one defect. It is made from a sound package (`base`), broken
//! at the stage where the defect belongs (`package`); what is computed after
//! that stage is right, so that a low-level defect can't hide behind a
//! high-level one. `accept` and `reject` have one small function per vector.

#![forbid(unsafe_code)]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::{fs, io};

mod accept;
mod base;
pub mod coverage;
mod derived;
mod describe;
mod digest;
mod frame;
pub mod index;
mod package;
mod parts;
mod reject;
mod ustar;
mod vector;

pub use vector::{Content, Refusal, Released, Vector, Verdict};

/// The contract whose rules the vectors are about.
pub const SPEC: &str = include_str!("../../SPEC.md");

/// What stands in the folder and is written by people.
const BY_HAND: &[&str] = &["README.md", ".gitattributes"];

/// Every vector, in the order of the index.
pub fn vectors() -> Vec<Vector> {
    [accept::vectors(), reject::vectors()].concat()
}

/// Every file of the folder that is made: vectors, index, schema and coverage.
pub fn files() -> BTreeMap<String, Vec<u8>> {
    let vectors = vectors();
    let mut files = index::files(&vectors);
    let coverage = coverage::table(&vectors, SPEC);
    files.insert("COVERAGE.md".to_owned(), coverage.into_bytes());
    files
}

/// The committed folder of vectors.
pub fn committed() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../vectors")
}

/// What in this folder is not as it is made, a line each: files that differ, are
/// missing, or are there and must not be.
pub fn differences(folder: &Path) -> io::Result<Vec<String>> {
    let mut made = files();
    let mut differences = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(inner) = folders.pop() {
        for entry in fs::read_dir(&inner)? {
            let path = entry?.path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let name = path.strip_prefix(folder).unwrap_or(&path);
            let name = name.to_string_lossy().into_owned();
            match made.remove(&name) {
                Some(bytes) if fs::read(&path)? == bytes => {}
                Some(_) => differences.push(format!("{name}: not as the testkit makes it")),
                None if BY_HAND.contains(&name.as_str()) => {}
                None => differences.push(format!("{name}: the testkit does not make it")),
            }
        }
    }
    differences.extend(made.keys().map(|name| format!("{name}: missing")));
    differences.sort();
    Ok(differences)
}
