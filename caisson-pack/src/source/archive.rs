//! A tar on disk, plain or compressed as a whole (`docker save | gzip`).
//!
//! Attacks answered here: a pipe or device in the place of a file (refused before
//! it is opened for reading), an archive that unpacks without end (stopped at a
//! limit, in a file without a name that goes away with the program).

use std::cell::Cell;
use std::fs::File;
use std::io::{self, BufReader, Read};
use std::path::Path;
use std::rc::Rc;

use flate2::read::MultiGzDecoder;

use super::Opening;
use super::file_slice::FileSlice;
use super::layer::STORED_WINDOW_LOG_MAX;
use super::spool::Spool;
use super::tar_index::TarIndex;
use crate::error::{Code, PackError, Result};

/// Bytes of the compressed archive read at a time.
const BUFFER_BYTES: usize = 256 * 1024;

/// Reads the headers of the tar at this path.
pub(super) fn open(path: &Path, opening: &mut Opening) -> Result<TarIndex> {
    let place = path.display().to_string();
    let file = plain(&place, open_file(path)?, opening)?;
    TarIndex::of(place, file)
}

/// The file at this path, which must be a regular one.
pub(super) fn open_file(path: &Path) -> Result<FileSlice> {
    let unreadable = |error: io::Error| {
        PackError::new(Code::FileUnreadable, "the image source can't be opened")
            .at_path(path)
            .found(error)
    };
    // Before opening it: a pipe would block for ever.
    if !path.metadata().map_err(unreadable)?.is_file() {
        return Err(
            PackError::new(Code::FileUnreadable, "the image source is not a file")
                .at_path(path)
                .next("write pipes to a file first; the archive is read at several places"),
        );
    }
    let file = File::open(path).map_err(unreadable)?;
    let size = file.metadata().map_err(unreadable)?.len();
    Ok(FileSlice::whole(file, size))
}

/// The archive itself if it is plain, else what it unpacks to.
pub(super) fn plain(place: &str, file: FileSlice, opening: &mut Opening) -> Result<FileSlice> {
    let magic = file.peek(6).unwrap_or_default();
    let total = file.size();
    let done = Rc::new(Cell::new(0));
    let data = Counted {
        data: file.again(),
        done: Rc::clone(&done),
    };
    let data = BufReader::with_capacity(BUFFER_BYTES, data);
    let mut decoder: Box<dyn Read> = match magic[..] {
        [0x1f, 0x8b, ..] => Box::new(MultiGzDecoder::new(data)),
        [0x28, 0xb5, 0x2f, 0xfd, ..] => {
            let mut decoder = zstd::stream::read::Decoder::with_buffer(data)
                .map_err(|error| damaged(place, error))?;
            decoder
                .window_log_max(STORED_WINDOW_LOG_MAX)
                .map_err(|error| damaged(place, error))?;
            Box::new(decoder)
        }
        [b'B', b'Z', b'h', ..] => return Err(unsupported(place, "bzip2")),
        [0xfd, b'7', b'z', b'X', b'Z', 0] => return Err(unsupported(place, "xz")),
        _ => return Ok(file),
    };
    let mut spool = Spool::create(opening.scratch)?;
    opening.watch.begin("unpacking", total);
    let mut buffer = vec![0; BUFFER_BYTES];
    loop {
        match decoder.read(&mut buffer) {
            Ok(0) => break,
            Ok(count) => spool.append(&buffer[..count], place)?,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(damaged(place, error)),
        }
        opening.watch.reach(done.get())?;
    }
    opening.watch.end();
    Ok(spool.finish())
}

fn unsupported(place: &str, found: &str) -> PackError {
    PackError::new(
        Code::SourceCompressed,
        "the whole image source is compressed in a way that is not supported",
    )
    .at(place)
    .found(found)
    .wanted("a plain tar, gzip or zstd")
}

fn damaged(place: &str, error: io::Error) -> PackError {
    PackError::from_io(error, |error| {
        PackError::new(
            Code::SourceCompressed,
            "the compressed image source can't be unpacked",
        )
        .found(error)
        .next("copy or save the image again; the file is damaged")
    })
    .at(place)
}

/// Counts what is read.
struct Counted {
    data: FileSlice,
    done: Rc<Cell<u64>>,
}

impl Read for Counted {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.data.read(buffer)?;
        self.done.set(self.done.get() + count as u64);
        Ok(count)
    }
}
