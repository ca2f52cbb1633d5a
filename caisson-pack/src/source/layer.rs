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
const STORED_WINDOW_LOG_MAX: u32 = 27;

/// How the source stores a layer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Encoding {
    Plain,
    Gzip,
    Zstd,
}

/// One layer, not yet read.
#[derive(Debug)]
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
                Err(layer.stored_mismatch(&stored, &diff_id))
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

    /// Bytes as stored: what reading it will cost.
    pub fn stored_size(&self) -> u64 {
        self.data.size()
    }

    /// True if the size of the unpacked layer is only known after reading it.
    pub fn is_compressed(&self) -> bool {
        self.encoding != Encoding::Plain
    }

    /// The size of the unpacked layer, in bytes. Reads a compressed layer once
    /// and checks its stored digest; `progress` hears of stored bytes.
    pub fn measure(&self, progress: &mut dyn FnMut(u64) -> Result<()>) -> Result<u64> {
        let size = if self.is_compressed() {
            self.measure_compressed(progress)?
        } else {
            self.within_limit(self.data.size())?
        };
        if size == 0 {
            // An empty tar has 1024 bytes.
            let what = "a layer unpacks to nothing, not even to an empty tar";
            return Err(PackError::new(Code::SourceLayerDamaged, what).at(&self.place));
        }
        Ok(size)
    }

    fn measure_compressed(&self, progress: &mut dyn FnMut(u64) -> Result<()>) -> Result<u64> {
        let mut meter = Meter {
            data: self.data.again(),
            hasher: self.stored.map(|_| Hasher::new()),
            progress,
        };
        let mut size = 0;
        {
            let mut unpacked = self.decode(&mut meter)?;
            let mut buffer = vec![0; STORED_BUFFER_BYTES];
            loop {
                match unpacked.read(&mut buffer) {
                    Ok(0) => break,
                    Ok(count) => size = self.within_limit(size + count as u64)?,
                    Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                    Err(error) => return Err(self.error(error)),
                }
            }
        }
        io::copy(&mut meter, &mut io::sink()).map_err(|error| self.error(error))?;
        if let (Some(hasher), Some(wanted)) = (meter.hasher, self.stored) {
            let found = hasher.finish();
            if found != wanted {
                return Err(self.stored_mismatch(&wanted, &found));
            }
        }
        Ok(size)
    }

    /// The unpacked bytes. Errors of this reader become ours by [`SourceLayer::error`].
    pub fn unpacked(&self) -> Result<impl Read + Send + use<>> {
        self.decode(self.data.again())
    }

    /// What a failed read of [`SourceLayer::unpacked`] means.
    pub fn error(&self, error: io::Error) -> PackError {
        PackError::from_io(error, |error| {
            PackError::new(Code::SourceLayerDamaged, "a layer can't be unpacked").found(error)
        })
        .at(&self.place)
    }

    fn decode<R: Read>(&self, data: R) -> Result<Unpacked<R>> {
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

    fn within_limit(&self, size: u64) -> Result<u64> {
        if size <= DIFF_BYTES_TOTAL_MAX {
            return Ok(size);
        }
        Err(
            PackError::new(Code::SourceLimitExceeded, "a layer unpacks to too much")
                .at(&self.place)
                .wanted(format!("at most {DIFF_BYTES_TOTAL_MAX} bytes")),
        )
    }

    fn stored_mismatch(&self, wanted: &Digest, found: &Digest) -> PackError {
        PackError::new(
            Code::SourceBlobDigestMismatch,
            "a layer does not have the digest it is named by",
        )
        .at(&self.place)
        .found(found)
        .wanted(wanted)
    }
}

fn read_error(error: io::Error, place: &str) -> PackError {
    PackError::from_io(error, |error| {
        PackError::new(Code::SourceReadFailed, "the image source could not be read").found(error)
    })
    .at(place)
}

/// A reader of what a layer unpacks to.
enum Unpacked<R: Read> {
    Plain(R),
    Gzip(MultiGzDecoder<BufReader<R>>),
    Zstd(zstd::stream::read::Decoder<'static, BufReader<R>>),
}

impl<R: Read> Read for Unpacked<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Plain(data) => data.read(buffer),
            Self::Gzip(data) => data.read(buffer),
            Self::Zstd(data) => data.read(buffer),
        }
    }
}

/// Hashes and counts stored bytes as they are read.
struct Meter<'a> {
    data: FileSlice,
    hasher: Option<Hasher>,
    progress: &'a mut dyn FnMut(u64) -> Result<()>,
}

impl Read for Meter<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.data.read(buffer)?;
        if let Some(hasher) = &mut self.hasher {
            hasher.update(&buffer[..count]);
        }
        (self.progress)(count as u64).map_err(PackError::into_io)?;
        Ok(count)
    }
}
