//! Layer tars of test images, written as a stream.

use std::fs::File;
use std::io::{self, Read, Write};

use caisson_test_service::PROGRAM_PATH;
use tar::{Builder, EntryType, Header};

use super::{Padding, Program};

/// What a stand-in image has at the place of the program.
const STAND_IN: &[u8] = b"not a program: this image is for tests that never run it\n";

/// One layer: its size is known before its bytes, as a tar header wants it.
pub(super) enum Layer<'a> {
    Program(&'a Program),
    Padding(usize, Padding),
}

impl Layer<'_> {
    /// Size of the layer's tar.
    pub(super) fn tar_bytes(&self) -> io::Result<u64> {
        let (headers, content) = match self {
            // `tmp/` and the program.
            Self::Program(program) => (2, program_bytes(program)?),
            // `padding/` and the file.
            Self::Padding(_, padding) => (2, padding.bytes),
        };
        // Two zero blocks end a tar.
        Ok((headers + 2) * 512 + content.next_multiple_of(512))
    }

    /// Writes the layer's tar.
    pub(super) fn write(&self, sink: &mut dyn Write) -> io::Result<()> {
        let mut tar = Builder::new(sink);
        match self {
            Self::Program(program) => {
                append(
                    &mut tar,
                    "tmp/",
                    EntryType::Directory,
                    0o1777,
                    0,
                    io::empty(),
                )?;
                let name = PROGRAM_PATH.trim_start_matches('/');
                let bytes = program_bytes(program)?;
                let content: Box<dyn Read> = match program {
                    Program::StandIn => Box::new(STAND_IN),
                    Program::File(path) => Box::new(File::open(path)?),
                };
                append(&mut tar, name, EntryType::Regular, 0o755, bytes, content)?;
            }
            Self::Padding(index, padding) => {
                append(
                    &mut tar,
                    "padding/",
                    EntryType::Directory,
                    0o755,
                    0,
                    io::empty(),
                )?;
                let name = format!("padding/{index}");
                let content = Random::new(padding.seed).take(padding.bytes);
                append(
                    &mut tar,
                    &name,
                    EntryType::Regular,
                    0o644,
                    padding.bytes,
                    content,
                )?;
            }
        }
        tar.into_inner()?.flush()
    }
}

fn program_bytes(program: &Program) -> io::Result<u64> {
    match program {
        Program::StandIn => Ok(STAND_IN.len() as u64),
        Program::File(path) => Ok(std::fs::metadata(path)?.len()),
    }
}

/// Appends an entry without owner, names or time, so that only its content counts.
pub(super) fn append(
    tar: &mut Builder<impl Write>,
    name: &str,
    kind: EntryType,
    mode: u32,
    bytes: u64,
    content: impl Read,
) -> io::Result<()> {
    let mut header = Header::new_ustar();
    header.set_entry_type(kind);
    header.set_mode(mode);
    header.set_uid(0);
    header.set_gid(0);
    header.set_mtime(0);
    header.set_size(bytes);
    header.set_path(name)?;
    header.set_cksum();
    tar.append(&header, content)
}

/// Endless incompressible bytes from a seed (splitmix64), whatever the sizes of the reads.
struct Random {
    state: u64,
    word: [u8; 8],
    /// Bytes of `word` that were given out.
    used: usize,
}

impl Random {
    fn new(seed: u64) -> Self {
        Self {
            state: seed,
            word: [0; 8],
            used: 8,
        }
    }

    fn next_word(&mut self) -> [u8; 8] {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut word = self.state;
        word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (word ^ (word >> 31)).to_le_bytes()
    }
}

impl Read for Random {
    fn read(&mut self, piece: &mut [u8]) -> io::Result<usize> {
        let left_over = piece.len().min(8 - self.used);
        let (start, rest) = piece.split_at_mut(left_over);
        start.copy_from_slice(&self.word[self.used..self.used + left_over]);
        self.used += left_over;
        for target in rest.chunks_mut(8) {
            self.word = self.next_word();
            self.used = target.len();
            target.copy_from_slice(&self.word[..target.len()]);
        }
        Ok(piece.len())
    }
}
