//! A sound package in parts, to be broken in exactly one place.
//!
//! [`Package`] holds what the digests are over: manifest, chunk table, data.
//! [`Tape`] holds what stands on the file around it: headers, padding, end. A
//! vector changes one of them at the stage where its defect is, and everything
//! after that stage is computed from what it left, so that nothing but the
//! defect is wrong.

use crate::digest::{digest, hex, sha256};
use crate::ustar;
use crate::vector::Vector;

/// Size of a chunk, in bytes.
pub(crate) const CHUNK: usize = 1 << 20;

/// The first three entries.
pub(crate) const MANIFEST: &str = "manifest.toml";
pub(crate) const MANIFEST_SHA256: &str = "manifest.sha256";
pub(crate) const CHUNKS_SHA256: &str = "chunks.sha256";

const CHUNKS_TABLE: &str = "\n[chunks]\n";

#[derive(Clone)]
pub(crate) struct Package {
    /// The time in the headers.
    pub(crate) mtime: u64,
    pub(crate) manifest: Vec<u8>,
    pub(crate) table: Vec<u8>,
    /// Path and data of everything after the chunk table.
    pub(crate) entries: Vec<(String, Vec<u8>)>,
    /// The line of the last edit, counted from 1.
    line: usize,
}

impl Package {
    /// `manifest` ends with the header of `[chunks]`; its keys are computed.
    pub(crate) fn new(mtime: u64, manifest: String, entries: Vec<(String, Vec<u8>)>) -> Self {
        Self {
            mtime,
            manifest: manifest.into_bytes(),
            table: Vec::new(),
            entries,
            line: 0,
        }
        .seal()
    }

    /// Makes the chunk table fit the data, and `[chunks]` the table.
    pub(crate) fn seal(mut self) -> Self {
        let chunks = self.entries.iter().flat_map(|(_, data)| data.chunks(CHUNK));
        self.table = chunks.flat_map(sha256).collect();
        self.seal_table()
    }

    /// Makes `[chunks]` fit the table as it is.
    pub(crate) fn seal_table(mut self) -> Self {
        let text = String::from_utf8(self.manifest).expect("still a text");
        let (before, _) = text.rsplit_once(CHUNKS_TABLE).expect("a manifest");
        let (size, sha256) = (self.table.len(), digest(&self.table));
        let chunks = format!("size = {size}\nsha256 = \"{sha256}\"\n");
        self.manifest = format!("{before}{CHUNKS_TABLE}{chunks}").into_bytes();
        self
    }

    /// Replaces a text that stands in the manifest once.
    pub(crate) fn edit(self, from: &str, to: &str) -> Self {
        let count = self.text().matches(from).count();
        assert_eq!(count, 1, "{from:?} stands in the manifest {count} times");
        self.edit_first(from, to)
    }

    /// Replaces the first of several such texts.
    pub(crate) fn edit_first(self, from: &str, to: &str) -> Self {
        let at = self.text().find(from).expect("a text of the manifest");
        self.edit_at(at, from.as_bytes(), to.as_bytes())
    }

    /// Replaces the last of several such texts.
    pub(crate) fn edit_last(self, from: &str, to: &str) -> Self {
        let at = self.text().rfind(from).expect("a text of the manifest");
        self.edit_at(at, from.as_bytes(), to.as_bytes())
    }

    /// Replaces bytes of the manifest, which need be no text afterwards.
    pub(crate) fn edit_bytes(self, from: &[u8], to: &[u8]) -> Self {
        let from_text = std::str::from_utf8(from).expect("a text is replaced");
        let at = self.text().find(from_text).expect("a text of the manifest");
        self.edit_at(at, from, to)
    }

    fn edit_at(mut self, at: usize, from: &[u8], to: &[u8]) -> Self {
        let same = from.iter().zip(to).take_while(|(from, to)| from == to);
        let before = &self.manifest[..at + same.count()];
        self.line = before.split(|byte| *byte == b'\n').count();
        self.manifest
            .splice(at..at + from.len(), to.iter().copied());
        self
    }

    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(&self.manifest).expect("edited once")
    }

    /// The data of the entry of this path.
    pub(crate) fn data(&mut self, path: &str) -> &mut Vec<u8> {
        let entry = self.entries.iter_mut().find(|(known, _)| known == path);
        &mut entry.expect("an entry of the package").1
    }

    /// Replaces an entry's data, and its size and digest in `[[entries]]`.
    pub(crate) fn replace_data(mut self, path: &str, data: Vec<u8>) -> Self {
        let row = |data: &[u8]| {
            let (size, sha256) = (data.len(), digest(data));
            format!("path = \"{path}\"\nsize = {size}\nsha256 = \"{sha256}\"\n")
        };
        let (from, to) = (row(self.data(path)), row(&data));
        *self.data(path) = data;
        self.edit(&from, &to).seal()
    }

    /// The whole as it must stand on the file.
    pub(crate) fn tape(&self) -> Tape {
        let digest_line = format!("{}  {MANIFEST}\n", hex(&self.manifest));
        let head = [
            (MANIFEST, &self.manifest[..]),
            (MANIFEST_SHA256, digest_line.as_bytes()),
            (CHUNKS_SHA256, &self.table),
        ];
        let entries = self.entries.iter();
        let entries = entries.map(|(path, data)| (path.as_str(), &data[..]));
        Tape {
            items: head
                .into_iter()
                .chain(entries)
                .map(|(name, data)| Item::new(name, data, self.mtime))
                .collect(),
            end: vec![0; 2 * ustar::BLOCK],
        }
    }

    /// The package as an accept vector.
    pub(crate) fn accept(&self, musts: &[u32]) -> Vector {
        Vector::accept(self.tape().bytes(), digest(&self.manifest), musts)
    }

    /// A reject vector whose defect is the line of the last edit.
    pub(crate) fn refuse_line(&self, step: u32, code: &str, musts: &[u32]) -> Vector {
        let place = format!("manifest.toml, line {}", self.line);
        self.refuse(step, code, musts, &place)
    }

    /// A reject vector whose defect is found before any data is released.
    pub(crate) fn refuse(&self, step: u32, code: &str, musts: &[u32], place: &str) -> Vector {
        self.tape().refuse(step, code, musts, place)
    }

    /// A reject vector whose defect a rule of section 5 finds, in this table.
    pub(crate) fn refuse_rule(&self, code: &str, must: u32, table: &str) -> Vector {
        self.refuse(9, code, &[must], &format!("manifest.toml, {table}"))
    }

    /// The data of the entries before this one: what a reader has released.
    pub(crate) fn data_before(&self, path: &str) -> Vec<u8> {
        let before = self.entries.iter().take_while(|(known, _)| known != path);
        before.flat_map(|(_, data)| data.clone()).collect()
    }

    /// The data of all entries.
    pub(crate) fn all_data(&self) -> Vec<u8> {
        self.data_before("")
    }
}

/// A package as it stands on the file.
#[derive(Clone)]
pub(crate) struct Tape {
    pub(crate) items: Vec<Item>,
    pub(crate) end: Vec<u8>,
}

/// One entry on the file.
#[derive(Clone)]
pub(crate) struct Item {
    pub(crate) name: String,
    pub(crate) header: Vec<u8>,
    pub(crate) data: Vec<u8>,
    pub(crate) padding: Vec<u8>,
}

impl Item {
    pub(crate) fn new(name: &str, data: &[u8], mtime: u64) -> Self {
        Self {
            name: name.to_owned(),
            header: ustar::header(name, data.len() as u64, mtime),
            data: data.to_vec(),
            padding: vec![0; ustar::padding(data.len())],
        }
    }

    fn len(&self) -> usize {
        self.header.len() + self.data.len() + self.padding.len()
    }
}

impl Tape {
    /// The number of the entry of this name.
    pub(crate) fn index(&self, name: &str) -> usize {
        let found = self.items.iter().position(|item| item.name == name);
        found.expect("an entry on the tape")
    }

    pub(crate) fn item(&mut self, name: &str) -> &mut Item {
        let index = self.index(name);
        &mut self.items[index]
    }

    /// Where the header of this entry begins; for an unknown name, the end.
    pub(crate) fn position(&self, name: &str) -> usize {
        let before = self.items.iter().take_while(|item| item.name != name);
        before.map(Item::len).sum()
    }

    /// Where the data of this entry begins.
    pub(crate) fn data_position(&self, name: &str) -> usize {
        self.position(name) + self.items[self.index(name)].header.len()
    }

    /// Where the padding of this entry begins.
    pub(crate) fn padding_position(&self, name: &str) -> usize {
        self.data_position(name) + self.items[self.index(name)].data.len()
    }

    pub(crate) fn bytes(&self) -> Vec<u8> {
        let items = self.items.iter();
        let mut bytes: Vec<u8> = items
            .flat_map(|item| [&item.header[..], &item.data, &item.padding])
            .flatten()
            .copied()
            .collect();
        bytes.extend(&self.end);
        bytes
    }

    pub(crate) fn refuse(&self, step: u32, code: &str, musts: &[u32], place: &str) -> Vector {
        Vector::refuse(self.bytes(), step, code, musts, place)
    }
}
