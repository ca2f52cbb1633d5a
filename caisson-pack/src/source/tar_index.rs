//! Which file stands at which path of a tar, and the bytes of it. The tar is
//! read once by [`super::tar_scan`]; later reads go to the offsets, and nothing
//! is unpacked.
//!
//! Attacks answered here: a name that climbs out of the archive, links that
//! lead round in circles or to folders.

use std::collections::BTreeMap;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::file_slice::FileSlice;
use super::tar_path::join;
use super::tar_scan::{Node, scan};
use crate::error::{Code, PackError, Result};

/// How many links may follow each other. Old Docker writes chains of one.
const LINK_HOPS_MAX: usize = 8;

/// The files of one tar.
#[derive(Debug)]
pub(super) struct TarIndex {
    path: PathBuf,
    file: Arc<File>,
    nodes: BTreeMap<String, Node>,
}

impl TarIndex {
    /// Reads the headers of the tar at this path.
    pub(super) fn open(path: &Path) -> Result<Self> {
        let unreadable = |error: std::io::Error| {
            PackError::new(Code::FileUnreadable, "the image source can't be opened")
                .at_path(path)
                .found(error)
        };
        let file = File::open(path).map_err(unreadable)?;
        let metadata = file.metadata().map_err(unreadable)?;
        if !metadata.is_file() {
            return Err(
                PackError::new(Code::FileUnreadable, "the image source is not a file")
                    .at_path(path)
                    .next("write pipes to a file first; the archive is read at several places"),
            );
        }
        let nodes = scan(path, &file, metadata.len())?;
        Ok(Self {
            path: path.to_owned(),
            file: Arc::new(file),
            nodes,
        })
    }

    /// The path of the tar itself.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// The file at this path of the archive, links followed, or `None` if
    /// nothing stands there.
    pub(super) fn find(&self, name: &str) -> Result<Option<FileSlice>> {
        let refuse = |what: &str, found: &str| {
            PackError::new(Code::SourceLinkRefused, what)
                .at(format!("{}: {name}", self.path.display()))
                .found(found)
        };
        let Some(mut at) = join("", name) else {
            return Err(refuse("a path leads out of the archive", name));
        };
        for _ in 0..=LINK_HOPS_MAX {
            match self.nodes.get(&at) {
                None => return Ok(None),
                Some(Node::File { offset, size }) => {
                    return Ok(Some(FileSlice::new(&self.file, *offset, *size)));
                }
                Some(Node::Folder) => return Err(refuse("a folder stands where a file must", &at)),
                Some(Node::Link { target }) => at.clone_from(target),
            }
        }
        Err(refuse("links lead round in circles", &at))
    }
}
