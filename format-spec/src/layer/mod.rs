//! Unpacks one layer: exactly one zstd frame, exactly its size, flat memory.
//!
//! The packed bytes were verified by the reader before they get here, so what
//! this module defends against is a producer that means harm or has a bug, not
//! damage on the way: decompression bombs (never more than `diff_size` bytes
//! reach the sink), large windows (`frame`), frames after the first, and a
//! frame that never ends.
//!
//! It does not look into the tar inside: that is the engine's.

mod frame;

use std::fmt;
use std::io::{self, BufRead, Write};

use zstd::stream::raw::{DParameter, Decoder, Operation};

use crate::digest::Hasher;
use crate::error::{Code, PackageError};
use crate::limits::ZSTD_WINDOW_LOG_MAX;
use crate::manifest::Layer;

/// Size of the buffer for unpacked bytes: two zstd blocks.
const OUTPUT_BYTES: usize = 256 * 1024;

/// Whether the unpacked bytes are hashed and held against `diff_id`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DiffIdCheck {
    /// Hash them here.
    Here,
    /// Somebody else does: most engines hash what they import.
    Elsewhere,
}

/// Why a layer was not unpacked.
#[derive(Debug)]
pub enum DecodeError {
    /// The package is at fault, or its source failed.
    Package(PackageError),
    /// The sink failed.
    Sink(io::Error),
}

impl fmt::Display for DecodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Package(error) => fmt::Display::fmt(error, f),
            Self::Sink(_) => f.write_str("the unpacked layer could not be written"),
        }
    }
}

impl std::error::Error for DecodeError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Package(_) => None,
            Self::Sink(error) => Some(error),
        }
    }
}

impl From<PackageError> for DecodeError {
    fn from(error: PackageError) -> Self {
        Self::Package(error)
    }
}

/// Unpacks `entry`, which holds the packed bytes of `layer`, into `sink`.
/// `progress` gets the number of unpacked bytes written so far.
///
/// # Errors
/// `pkg.layer_frame_refused` before a byte is written; `pkg.layer_damaged`,
/// `pkg.layer_trailing_bytes`, `pkg.layer_digest_mismatch` after at most
/// `diff_size` bytes; what `entry` fails with; [`DecodeError::Sink`].
pub fn decode(
    entry: &mut impl BufRead,
    layer: &Layer,
    diff_id: DiffIdCheck,
    sink: &mut dyn Write,
    progress: &mut dyn FnMut(u64),
) -> Result<(), DecodeError> {
    let head = read_head(entry, layer)?;
    frame::check(&head, layer)?;
    let mut frame = Frame::new(layer, diff_id)?;
    let mut fed = 0;
    while fed < head.len() && !frame.ended {
        fed += frame.feed(&head[fed..], sink, progress)?;
    }
    while !frame.ended {
        // At the entry's end the input is empty: the decoder may still hold
        // output, and if it does not, `feed` says so.
        let input = entry.fill_buf().map_err(|error| source(error, layer))?;
        let count = frame.feed(input, sink, progress)?;
        entry.consume(count);
    }
    let rest = entry.fill_buf().map_err(|error| source(error, layer))?;
    if fed < head.len() || !rest.is_empty() {
        return Err(PackageError::new(
            Code::LayerTrailingBytes,
            "bytes follow the layer's zstd frame",
            place(layer),
        )
        .into());
    }
    frame.finish()?;
    Ok(())
}

/// One frame while it is decoded.
struct Frame<'a> {
    layer: &'a Layer,
    decoder: Decoder<'static>,
    output: Vec<u8>,
    written: u64,
    hasher: Option<Hasher>,
    ended: bool,
}

impl<'a> Frame<'a> {
    fn new(layer: &'a Layer, diff_id: DiffIdCheck) -> Result<Self, PackageError> {
        let new_decoder = || {
            let mut decoder = Decoder::new()?;
            decoder.set_parameter(DParameter::WindowLogMax(ZSTD_WINDOW_LOG_MAX))?;
            Ok(decoder)
        };
        Ok(Self {
            layer,
            decoder: new_decoder()
                .map_err(|error: io::Error| damaged(layer, &error.to_string()))?,
            output: vec![0; OUTPUT_BYTES],
            written: 0,
            hasher: (diff_id == DiffIdCheck::Here).then(Hasher::new),
            ended: false,
        })
    }

    /// Decodes some of the input, writes what comes out, and says how much of
    /// the input was used.
    fn feed(
        &mut self,
        input: &[u8],
        sink: &mut dyn Write,
        progress: &mut dyn FnMut(u64),
    ) -> Result<usize, DecodeError> {
        let status = self
            .decoder
            .run_on_buffers(input, &mut self.output)
            .map_err(|error| damaged(self.layer, &error.to_string()))?;
        let output = &self.output[..status.bytes_written];
        let written = self.written + output.len() as u64;
        if written > self.layer.diff_size {
            return Err(damaged(self.layer, "more bytes than the layer's diff_size").into());
        }
        if status.bytes_read == 0 && output.is_empty() && status.remaining > 0 {
            return Err(damaged(self.layer, "the frame ends too early").into());
        }
        if !output.is_empty() {
            if let Some(hasher) = &mut self.hasher {
                hasher.update(output);
            }
            sink.write_all(output).map_err(DecodeError::Sink)?;
            self.written = written;
            progress(written);
        }
        self.ended = status.remaining == 0;
        Ok(status.bytes_read)
    }

    fn finish(self) -> Result<(), PackageError> {
        if self.written != self.layer.diff_size {
            return Err(damaged(
                self.layer,
                "fewer bytes than the layer's diff_size",
            ));
        }
        let Some(found) = self.hasher.map(Hasher::finish) else {
            return Ok(());
        };
        if found == self.layer.diff_id {
            return Ok(());
        }
        Err(PackageError::new(
            Code::LayerDigestMismatch,
            "the unpacked layer does not have its digest",
            place(self.layer),
        )
        .found(found)
        .wanted(self.layer.diff_id))
    }
}

/// The first bytes of the entry, as many as the longest frame header has.
fn read_head(entry: &mut impl BufRead, layer: &Layer) -> Result<Vec<u8>, PackageError> {
    let mut head = Vec::with_capacity(frame::HEADER_BYTES_MAX);
    while head.len() < frame::HEADER_BYTES_MAX {
        let input = entry.fill_buf().map_err(|error| source(error, layer))?;
        if input.is_empty() {
            break;
        }
        let count = input.len().min(frame::HEADER_BYTES_MAX - head.len());
        head.extend_from_slice(&input[..count]);
        entry.consume(count);
    }
    Ok(head)
}

fn source(error: io::Error, layer: &Layer) -> PackageError {
    PackageError::from_io(error, &place(layer))
}

fn damaged(layer: &Layer, found: &str) -> PackageError {
    PackageError::new(
        Code::LayerDamaged,
        "the layer does not unpack to what the manifest says",
        place(layer),
    )
    .found(found)
    .wanted(format!("exactly {} bytes", layer.diff_size))
}

fn place(layer: &Layer) -> String {
    format!("layer {}", layer.digest)
}
