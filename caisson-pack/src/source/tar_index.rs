//! Which file stands at which path of a tar, and the bytes of it. The tar is
//! read once by [`super::tar_scan`]; later reads go to the offsets, and nothing
//! is unpacked.
//!
//! Attacks answered here: a name that climbs out of the archive, links that
//! lead round in circles or to folders.

use std::collections::BTreeMap;

use super::file_slice::FileSlice;
use super::tar_path::join;
use super::tar_scan::{Node, scan};
use crate::error::{Code, PackError, Result};

/// How many links may follow each other. Old Docker writes chains of one.
const LINK_HOPS_MAX: usize = 8;

/// The files of one tar.
#[derive(Debug)]
pub(super) struct TarIndex {
    place: String,
    file: FileSlice,
    nodes: BTreeMap<String, Node>,
}

impl TarIndex {
    /// Reads the headers of the tar that these bytes are. `place` names it in errors.
    pub(super) fn of(place: String, file: FileSlice) -> Result<Self> {
        let nodes = scan(&place, &file)?;
        Ok(Self { place, file, nodes })
    }

    /// Names the tar in messages.
    pub(super) fn place(&self) -> &str {
        &self.place
    }

    /// Every path of the tar, with true for a file.
    pub(super) fn paths(&self) -> impl Iterator<Item = (&str, bool)> {
        let is_file = |node: &Node| matches!(node, Node::File { .. });
        self.nodes
            .iter()
            .map(move |(path, node)| (path.as_str(), is_file(node)))
    }

    /// The file at this path of the archive, links followed, or `None` if
    /// nothing stands there.
    pub(super) fn find(&self, name: &str) -> Result<Option<FileSlice>> {
        let refuse = |what: &str, found: &str| {
            PackError::new(Code::SourceLinkRefused, what)
                .at(format!("{}: {name}", self.place))
                .found(found)
        };
        let Some(mut at) = join("", name) else {
            return Err(refuse("a path leads out of the archive", name));
        };
        for _ in 0..=LINK_HOPS_MAX {
            match self.nodes.get(&at) {
                None => return Ok(None),
                Some(Node::File { offset, size }) => {
                    return Ok(Some(self.file.part(*offset, *size)));
                }
                Some(Node::Folder) => return Err(refuse("a folder stands where a file must", &at)),
                Some(Node::Link { target }) => at.clone_from(target),
            }
        }
        Err(refuse("links lead round in circles", &at))
    }
}
