//! One pass over the headers of a tar: what stands at which path and where its
//! bytes begin. No file is read and nothing unpacked.
//!
//! What this does not do: it gives no meaning to the files. Formats are old
//! Unix, ustar, GNU (long names) and pax (`path`, `linkpath`, `size`).
//!
//! Attacks answered here:
//! - A path that is absolute or climbs with `..`, a device, a FIFO, a link to
//!   outside: refused, wherever it stands, used or not.
//! - Two entries of one path, so that two readers see two images: refused.
//! - A long name or pax record of gigabytes: refused before it is read.
//! - Millions of entries: refused at a limit.
//! - A size that leads past the end of the file: found before any read.
//! - A sparse file, whose bytes are not where they seem: refused.

use std::collections::BTreeMap;

use tar::{EntryType, Header, PaxExtensions};

use super::file_slice::FileSlice;
use super::tar_path::join;
use crate::error::{Code, PackError, Result};

/// Bytes of a block: every header, and what data is padded to.
const BLOCK: usize = 512;
/// The same for positions in the file.
const BLOCK_BYTES: u64 = BLOCK as u64;

/// Greatest number of entries. `docker save` of twenty images with 125 layers
/// each in the old layout has about ten thousand.
const ENTRIES_MAX: usize = 50_000;

/// Greatest size of a long name or of a pax header, in bytes. Paths in such an
/// archive have about a hundred; pax headers may carry attributes.
const EXTENSION_BYTES_MAX: u64 = 64 * 1024;

/// Longest path, in bytes. Honest ones have about a hundred; with the number of
/// entries this bounds the memory of the index to some 30 MB.
const PATH_BYTES_MAX: usize = 512;

/// What stands at a path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Node {
    File {
        offset: u64,
        size: u64,
    },
    /// A link, with the path it leads to, from the archive's root.
    Link {
        target: String,
    },
    Folder,
}

/// What stands at each path of the tar `file`. `place` names it in errors.
pub(super) fn scan(place: &str, file: &FileSlice) -> Result<BTreeMap<String, Node>> {
    let mut scan = Scan {
        path: place,
        file,
        file_size: file.size(),
        position: 0,
        nodes: BTreeMap::new(),
    };
    scan.run()?;
    Ok(scan.nodes)
}

/// One pass over the headers.
struct Scan<'a> {
    path: &'a str,
    file: &'a FileSlice,
    file_size: u64,
    position: u64,
    nodes: BTreeMap<String, Node>,
}

/// What extension headers say about the next entry.
#[derive(Default)]
struct Extensions {
    path: Option<Vec<u8>>,
    link: Option<Vec<u8>>,
    size: Option<u64>,
}

impl Scan<'_> {
    fn run(&mut self) -> Result<()> {
        let mut extensions = Extensions::default();
        loop {
            // An archive cut exactly between two entries looks whole to many
            // readers; here the end must be written down.
            let block = self.block()?;
            if block.iter().all(|byte| *byte == 0) {
                return Ok(());
            }
            let header = Header::from_byte_slice(&block);
            self.check_sum(header, &block)?;
            let kind = header.entry_type();
            let stored = header
                .entry_size()
                .map_err(|_| self.not_a_tar("the size in a header is not a number"))?;
            let is_extension = kind.is_gnu_longname()
                || kind.is_gnu_longlink()
                || kind.is_pax_local_extensions()
                || kind.is_pax_global_extensions();
            let size = match extensions.size {
                // As Go's reader has it: a link or folder has no data, whatever
                // its size field says.
                _ if is_header_only(kind) => 0,
                Some(size) if !is_extension => size,
                _ => stored,
            };
            let offset = self.position;
            self.skip(size)?;
            if is_extension {
                let data = self.extension(offset, size)?;
                self.extend(&mut extensions, kind, &data)?;
            } else {
                let extensions = std::mem::take(&mut extensions);
                self.entry(header, extensions, offset, size)?;
            }
        }
    }

    /// The next 512 bytes.
    fn block(&mut self) -> Result<[u8; BLOCK]> {
        let mut block = [0; BLOCK];
        if self.file_size - self.position < BLOCK_BYTES {
            return Err(if self.position == 0 {
                self.not_a_tar("the file is too short")
            } else {
                self.truncated()
            });
        }
        self.file
            .read_exact_at(&mut block, self.position)
            .map_err(|error| self.read_failed(&error))?;
        self.position += BLOCK_BYTES;
        Ok(block)
    }

    /// Moves over an entry's data and its padding.
    fn skip(&mut self, size: u64) -> Result<()> {
        let end = size
            .checked_next_multiple_of(BLOCK_BYTES)
            .and_then(|padded| self.position.checked_add(padded));
        match end {
            Some(end) if end <= self.file_size => {
                self.position = end;
                Ok(())
            }
            _ => Err(self.truncated()),
        }
    }

    fn check_sum(&self, header: &Header, block: &[u8; BLOCK]) -> Result<()> {
        // The sum counts its own eight bytes as spaces.
        let sum: u32 = block
            .iter()
            .enumerate()
            .map(|(at, byte)| {
                if (148..156).contains(&at) {
                    32
                } else {
                    u32::from(*byte)
                }
            })
            .sum();
        if header.cksum().is_ok_and(|stored| stored == sum) {
            Ok(())
        } else {
            Err(self.not_a_tar("a header's check sum is wrong"))
        }
    }

    fn extension(&self, offset: u64, size: u64) -> Result<Vec<u8>> {
        if size > EXTENSION_BYTES_MAX {
            return Err(self
                .limit("a long name or pax header is too large")
                .found(format!("{size} bytes"))
                .wanted(format!("at most {EXTENSION_BYTES_MAX} bytes")));
        }
        let length = usize::try_from(size).expect("the limit is far below any usize");
        let mut data = vec![0; length];
        self.file
            .read_exact_at(&mut data, offset)
            .map_err(|error| self.read_failed(&error))?;
        Ok(data)
    }

    fn extend(&self, extensions: &mut Extensions, kind: EntryType, data: &[u8]) -> Result<()> {
        if kind.is_gnu_longname() {
            extensions.path = Some(until_zero(data).to_vec());
        } else if kind.is_gnu_longlink() {
            extensions.link = Some(until_zero(data).to_vec());
        } else {
            let is_global = kind.is_pax_global_extensions();
            for record in PaxExtensions::new(data) {
                let record = record.map_err(|_| self.not_a_tar("a pax record is malformed"))?;
                let key = record.key_bytes();
                let matters = matches!(key, b"path" | b"linkpath" | b"size")
                    || key.starts_with(b"GNU.sparse");
                if is_global && matters {
                    return Err(self.refused("a global pax header changes entries", "pax header"));
                }
                match key {
                    b"path" => extensions.path = Some(record.value_bytes().to_vec()),
                    b"linkpath" => extensions.link = Some(record.value_bytes().to_vec()),
                    b"size" => {
                        let size = record.value().ok().and_then(|text| text.parse().ok());
                        let Some(size) = size else {
                            return Err(self.not_a_tar("a pax size is not a number"));
                        };
                        extensions.size = Some(size);
                    }
                    _ if matters => return Err(self.refused("a sparse file", "pax header")),
                    _ => {}
                }
            }
        }
        Ok(())
    }

    fn entry(
        &mut self,
        header: &Header,
        extensions: Extensions,
        offset: u64,
        size: u64,
    ) -> Result<()> {
        let raw = extensions
            .path
            .unwrap_or_else(|| header.path_bytes().into_owned());
        let shown = String::from_utf8_lossy(&raw).into_owned();
        let path = self.inside(&raw, &shown)?;
        let kind = header.entry_type();
        let node = if kind.is_file() || kind.is_contiguous() {
            // Before ustar a folder was a file whose name ends in a slash.
            if shown.ends_with('/') {
                Node::Folder
            } else {
                Node::File { offset, size }
            }
        } else if kind.is_dir() {
            Node::Folder
        } else if kind.is_symlink() || kind.is_hard_link() {
            let link = extensions
                .link
                .or_else(|| header.link_name_bytes().map(std::borrow::Cow::into_owned))
                .unwrap_or_default();
            let folder = match path.rsplit_once('/') {
                Some((folder, _)) if kind.is_symlink() => folder,
                _ => "",
            };
            let target = self.link_target(folder, &link, &shown)?;
            Node::Link { target }
        } else {
            return Err(self.refused("neither file, folder nor link", &shown));
        };
        self.add(&path, node)
    }

    fn add(&mut self, path: &str, node: Node) -> Result<()> {
        if path.is_empty() {
            // `./`, which `tar c .` writes first.
            return if node == Node::Folder {
                Ok(())
            } else {
                Err(self.refused("an entry without a name", ""))
            };
        }
        if self.nodes.len() == ENTRIES_MAX {
            return Err(self
                .limit("the archive has too many entries")
                .wanted(format!("at most {ENTRIES_MAX}")));
        }
        let is_folder = node == Node::Folder;
        match self.nodes.insert(path.to_owned(), node) {
            Some(Node::Folder) if is_folder => Ok(()),
            Some(_) => Err(PackError::new(
                Code::SourceEntryDuplicate,
                "two entries of the archive have the same path",
            )
            .at(format!("{}: {path}", self.path))),
            None => Ok(()),
        }
    }

    fn inside(&self, raw: &[u8], shown: &str) -> Result<String> {
        if raw.len() > PATH_BYTES_MAX {
            return Err(self.limit("a path of the archive is too long").found(shown));
        }
        // In an entry's own name `..` is refused even where it stays inside: no
        // honest tool writes it. In a link it is how Docker writes them.
        std::str::from_utf8(raw)
            .ok()
            .filter(|text| text.split('/').all(|part| part != ".."))
            .and_then(|text| join("", text))
            .ok_or_else(|| self.refused("a path that leads out of the archive", shown))
    }

    fn link_target(&self, folder: &str, raw: &[u8], shown: &str) -> Result<String> {
        let target = std::str::from_utf8(raw)
            .ok()
            .and_then(|text| join(folder, text));
        target.filter(|target| !target.is_empty()).ok_or_else(|| {
            PackError::new(Code::SourceLinkRefused, "a link leads out of the archive")
                .at(format!("{}: {shown}", self.path))
                .found(String::from_utf8_lossy(raw))
        })
    }

    fn refused(&self, what: &str, shown: &str) -> PackError {
        PackError::new(
            Code::SourceEntryRefused,
            format!("refusing an entry of the archive: {what}"),
        )
        .at(format!("{}: {shown}", self.path))
    }

    fn limit(&self, what: &str) -> PackError {
        PackError::new(Code::SourceLimitExceeded, what).at(self.place())
    }

    fn not_a_tar(&self, what: &str) -> PackError {
        PackError::new(
            Code::SourceNotTar,
            format!("the image source is not a tar: {what}"),
        )
        .at(self.place())
    }

    fn truncated(&self) -> PackError {
        PackError::new(Code::SourceTruncated, "the image source ends too early")
            .at(self.place())
            .found(format!("{} bytes", self.file_size))
    }

    fn read_failed(&self, error: &std::io::Error) -> PackError {
        PackError::new(Code::SourceReadFailed, "the image source could not be read")
            .at(self.place())
            .found(error)
    }

    fn place(&self) -> String {
        format!("{}, byte {}", self.path, self.position)
    }
}

fn is_header_only(kind: EntryType) -> bool {
    kind.is_dir() || kind.is_symlink() || kind.is_hard_link()
}

fn until_zero(data: &[u8]) -> &[u8] {
    let end = data
        .iter()
        .position(|byte| *byte == 0)
        .unwrap_or(data.len());
    &data[..end]
}
