//! The zstd frame header of a layer, judged before anything is decoded.
//!
//! Attacks answered: a window that needs more memory than the device has, a
//! frame that hides its size, a dictionary, skippable frames and zstd's old
//! formats (another magic number).

use crate::error::{Code, PackageError};
use crate::limits::ZSTD_WINDOW_LOG_MAX;
use crate::manifest::Layer;

/// Longest zstd frame header, in bytes: magic, descriptor, window, dictionary
/// and content size.
pub(super) const HEADER_BYTES_MAX: usize = 4 + 1 + 1 + 4 + 8;

const MAGIC: [u8; 4] = [0x28, 0xb5, 0x2f, 0xfd];

/// Refuses a frame that does not say exactly what the format wants: standard
/// magic, no dictionary, a window of at most 4 MiB, and the layer's own
/// unpacked size as content size. `bytes` begins with the frame.
pub(super) fn check(bytes: &[u8], layer: &Layer) -> Result<(), PackageError> {
    let refuse = |found: &str, wanted: &str| {
        Err(PackageError::new(
            Code::LayerFrameRefused,
            "the layer is not a zstd frame of the form this format wants",
            format!("layer {}", layer.digest),
        )
        .found(found)
        .wanted(wanted))
    };
    let Some(header) = parse(bytes) else {
        return refuse("no complete zstd frame header", "a zstd frame");
    };
    if header.has_dictionary {
        return refuse("a frame that needs a dictionary", "none");
    }
    if header.window_bytes > 1 << ZSTD_WINDOW_LOG_MAX {
        return refuse(
            &format!("a window of {} bytes", header.window_bytes),
            &format!("at most {} bytes", 1_u64 << ZSTD_WINDOW_LOG_MAX),
        );
    }
    match header.content_bytes {
        Some(size) if size == layer.diff_size => Ok(()),
        Some(size) => refuse(
            &format!("a content size of {size} bytes"),
            &format!("{} bytes, the layer's diff_size", layer.diff_size),
        ),
        None => refuse("no content size", "the layer's diff_size"),
    }
}

struct FrameHeader {
    has_dictionary: bool,
    window_bytes: u64,
    content_bytes: Option<u64>,
}

/// The header's fields by RFC 8878, section 3.1.1.1.
fn parse(bytes: &[u8]) -> Option<FrameHeader> {
    let (magic, rest) = bytes.split_first_chunk::<4>()?;
    let (descriptor, mut rest) = rest.split_first()?;
    let is_reserved_bit_set = descriptor & 0b1000 != 0;
    if *magic != MAGIC || is_reserved_bit_set {
        return None;
    }
    let is_single_segment = descriptor & 0b10_0000 != 0;
    let mut window_bytes = 0;
    if !is_single_segment {
        let (window, after) = rest.split_first()?;
        let base = 1_u64 << (10 + (window >> 3));
        window_bytes = base + base / 8 * u64::from(window & 7);
        rest = after;
    }
    let dictionary_bytes = [0, 1, 2, 4][usize::from(descriptor & 0b11)];
    let rest = rest.get(dictionary_bytes..)?;
    let content_bytes = match (descriptor >> 6, is_single_segment) {
        (0, false) => None,
        (0, true) => Some(little_endian(rest.get(..1)?)),
        (1, _) => Some(little_endian(rest.get(..2)?) + 256),
        (2, _) => Some(little_endian(rest.get(..4)?)),
        _ => Some(little_endian(rest.get(..8)?)),
    };
    if is_single_segment {
        window_bytes = content_bytes?;
    }
    Some(FrameHeader {
        has_dictionary: dictionary_bytes > 0,
        window_bytes,
        content_bytes,
    })
}

fn little_endian(bytes: &[u8]) -> u64 {
    bytes
        .iter()
        .rev()
        .fold(0, |number, byte| number << 8 | u64::from(*byte))
}
