//! A layer of a source: stored plain, gzipped or zstd-compressed, read as the
//! plain tar it unpacks to.
//!
//! What this does not do: it does not look into the tar of the layer; the
//! engine does that, and the config's diff id says what it must be.
//!
//! Attacks answered here: a layer that unpacks without end (stopped at the
//! format's limit), one that needs a window of gigabytes (refused), stored
//! bytes that are not those their name promises, damage anywhere in between
//! (the caller compares the diff id of what [`SourceLayer::unpacked`] gave).

use std::io::{self, BufReader, Read};

use edgepkg::Digest;
use edgepkg::digest::Hasher;
use edgepkg::limits::DIFF_BYTES_TOTAL_MAX;
use flate2::read::MultiGzDecoder;

use super::file_slice::FileSlice;
use crate::error::{Code, PackError, Result};

/// Bytes read from a stored layer at a time.
const STORED_BUFFER_BYTES: usize = 256 * 1024;

/// Greatest window of a zstd layer, as a power of two: 128 MiB, what `zstd`
/// itself accepts without being asked.
pub(super) const STORED_WINDOW_LOG_MAX: u32 = 27;

/// Greatest size of a zstd frame's header, in bytes (RFC 8878, 3.1.1.1, with the
/// magic number).
const ZSTD_HEADER_BYTES_MAX: usize = 18;

/// What sizes in gzip trailers are counted modulo, in bytes.
const GZIP_SIZE_MODULUS: u64 = 1 << 32;

/// How the source stores a layer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Encoding {
    Plain,
    Gzip,
    Zstd,
}

/// One layer, not yet read.
#[derive(Clone, Debug)]
pub struct SourceLayer {
    place: String,
    data: FileSlice,
    diff_id: Digest,
    stored: Option<Digest>,
    encoding: Encoding,
}

impl SourceLayer {
    /// `stored` is the digest that names the stored bytes, where one does.
    pub(super) fn new(
        place: String,
        data: FileSlice,
        diff_id: Digest,
        stored: Option<Digest>,
    ) -> Result<Self> {
        let magic = data.peek(6).map_err(|error| read_error(error, &place))?;
        let encoding = match magic[..] {
            [0x1f, 0x8b, ..] => Encoding::Gzip,
            [0x28, 0xb5, 0x2f, 0xfd, ..] => Encoding::Zstd,
            [b'B', b'Z', b'h', ..] | [0xfd, b'7', b'z', b'X', b'Z', 0] => {
                return Err(PackError::new(
                    Code::SourceLayerEncoding,
                    "a layer is compressed in a way that is not supported",
                )
                .at(place)
                .found(if magic[0] == 0xfd { "xz" } else { "bzip2" })
                .wanted("plain, gzip or zstd"));
            }
            _ => Encoding::Plain,
        };
        let layer = Self {
            place,
            data,
            diff_id,
            stored,
            encoding,
        };
        match stored {
            // Plain bytes have one digest: two promises about it can't differ.
            Some(stored) if encoding == Encoding::Plain && stored != diff_id => {
                Err(stored_mismatch(&stored, &diff_id).at(&layer.place))
            }
            _ => Ok(layer),
        }
    }

    /// Names the layer in messages.
    pub fn place(&self) -> &str {
        &self.place
    }

    /// What the unpacked bytes must hash to.
    pub fn diff_id(&self) -> Digest {
        self.diff_id
    }

    /// The size the layer says it unpacks to, in bytes: true for a plain layer, a
    /// claim of the gzip trailer or the zstd header otherwise, which the caller
    /// must hold against what it counts. `None` if nothing sensible is said.
    pub fn size_hint(&self) -> Option<u64> {
        let claimed = match self.encoding {
            Encoding::Plain => Some(self.data.size()),
            Encoding::Gzip => self.gzip_size_hint(),
            Encoding::Zstd => {
                let head = self.data.peek(ZSTD_HEADER_BYTES_MAX).ok()?;
                zstd::zstd_safe::get_frame_content_size(&head).ok()?
            }
        };
        claimed.filter(|size| (1..=DIFF_BYTES_TOTAL_MAX).contains(size))
    }

    /// RFC 1952, 2.3.1: the last four bytes are the size modulo 2^32. Above that
    /// the least size that is not smaller than what is stored is a good guess.
    fn gzip_size_hint(&self) -> Option<u64> {
        let stored = self.data.size();
        let tail = self.data.peek_at(stored.checked_sub(4)?, 4).ok()?;
        let size = u64::from(u32::from_le_bytes(tail.try_into().ok()?));
        if size >= stored || stored < GZIP_SIZE_MODULUS {
            return Some(size);
        }
        Some(size + (stored - size).next_multiple_of(GZIP_SIZE_MODULUS))
    }

    /// The unpacked bytes, checked against the format's limit while they are read
    /// and against the stored digest at their end. Errors of this reader become
    /// ours by [`SourceLayer::error`].
    pub fn unpacked(&self) -> Result<impl Read + Send + use<>> {
        let is_plain = self.encoding == Encoding::Plain;
        if is_plain && self.data.size() > DIFF_BYTES_TOTAL_MAX {
            return Err(too_large().at(&self.place));
        }
        let stored = Stored {
            data: self.data.again(),
            // A plain layer's diff id is its stored digest.
            hasher: self.stored.filter(|_| !is_plain).map(|_| Hasher::new()),
        };
        Ok(Checked {
            unpacked: self.decode(stored)?,
            stored: self.stored,
            size: 0,
        })
    }

    /// What a failed read of [`SourceLayer::unpacked`] means.
    pub fn error(&self, error: io::Error) -> PackError {
        PackError::from_io(error, |error| {
            PackError::new(Code::SourceLayerDamaged, "a layer can't be unpacked").found(error)
        })
        .at(&self.place)
    }

    fn decode(&self, data: Stored) -> Result<Unpacked> {
        let buffered = |data| BufReader::with_capacity(STORED_BUFFER_BYTES, data);
        Ok(match self.encoding {
            Encoding::Plain => Unpacked::Plain(data),
            Encoding::Gzip => Unpacked::Gzip(MultiGzDecoder::new(buffered(data))),
            Encoding::Zstd => {
                let limited = zstd::stream::read::Decoder::with_buffer(buffered(data)).and_then(
                    |mut decoder| {
                        decoder.window_log_max(STORED_WINDOW_LOG_MAX)?;
                        Ok(decoder)
                    },
                );
                Unpacked::Zstd(limited.map_err(|error| self.error(error))?)
            }
        })
    }
}

fn too_large() -> PackError {
    PackError::new(Code::SourceLimitExceeded, "a layer unpacks to too much")
        .wanted(format!("at most {DIFF_BYTES_TOTAL_MAX} bytes"))
}

fn stored_mismatch(wanted: &Digest, found: &Digest) -> PackError {
    PackError::new(
        Code::SourceBlobDigestMismatch,
        "a layer does not have the digest it is named by",
    )
    .found(found)
    .wanted(wanted)
}

fn read_error(error: io::Error, place: &str) -> PackError {
    PackError::from_io(error, |error| {
        PackError::new(Code::SourceReadFailed, "the image source could not be read").found(error)
    })
    .at(place)
}

/// A reader of what a layer unpacks to.
enum Unpacked {
    Plain(Stored),
    Gzip(MultiGzDecoder<BufReader<Stored>>),
    Zstd(zstd::stream::read::Decoder<'static, BufReader<Stored>>),
}

impl Unpacked {
    /// Reads what is stored behind the end, and gives its digest.
    fn stored_digest(&mut self) -> io::Result<Option<Digest>> {
        let stored = match self {
            Self::Plain(stored) => stored,
            Self::Gzip(decoder) => drained(decoder.get_mut())?,
            Self::Zstd(decoder) => drained(decoder.get_mut())?,
        };
        Ok(stored.hasher.take().map(Hasher::finish))
    }
}

fn drained(buffered: &mut BufReader<Stored>) -> io::Result<&mut Stored> {
    io::copy(buffered, &mut io::sink())?;
    Ok(buffered.get_mut())
}

impl Read for Unpacked {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Plain(data) => data.read(buffer),
            Self::Gzip(data) => data.read(buffer),
            Self::Zstd(data) => data.read(buffer),
        }
    }
}

/// Holds what a layer unpacks to against the limit and its stored digest.
struct Checked {
    unpacked: Unpacked,
    stored: Option<Digest>,
    size: u64,
}

impl Read for Checked {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.unpacked.read(buffer)?;
        self.size += count as u64;
        if self.size > DIFF_BYTES_TOTAL_MAX {
            return Err(too_large().into_io());
        }
        if count == 0 && !buffer.is_empty() {
            let found = self.unpacked.stored_digest()?;
            if let (Some(found), Some(wanted)) = (found, self.stored)
                && found != wanted
            {
                return Err(stored_mismatch(&wanted, &found).into_io());
            }
            if self.size == 0 {
                // An empty tar has 1024 bytes.
                let what = "a layer unpacks to nothing, not even to an empty tar";
                return Err(PackError::new(Code::SourceLayerDamaged, what).into_io());
            }
        }
        Ok(count)
    }
}

/// Hashes stored bytes as they are read.
struct Stored {
    data: FileSlice,
    hasher: Option<Hasher>,
}

impl Read for Stored {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.data.read(buffer)?;
        if let Some(hasher) = &mut self.hasher {
            hasher.update(&buffer[..count]);
        }
        Ok(count)
    }
}
