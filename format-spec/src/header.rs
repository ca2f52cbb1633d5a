//! The one canonical header for a name, a size and a time.
//!
//! A package's headers are not parsed but predicted: the reader knows which
//! entry comes next, encodes its header and compares bytes. So there is no
//! tar parser to attack: no link, no device, no absolute path, no sparse
//! file, no second name by an extension can be expressed.
//!
//! `caisson-apply` writes the stream for the engine with the same headers.

use crate::limits::{MTIME_MAX, USTAR_SIZE_MAX};

/// Size of a tar block, in bytes.
pub const BLOCK_BYTES: usize = 512;

/// Longest name a header can hold, in bytes.
pub const NAME_MAX: usize = 100;

/// Name of the pax header before an entry larger than [`USTAR_SIZE_MAX`].
pub const PAX_NAME: &str = "PaxHeaders/size";

/// The canonical header: 512 bytes, or 1536 above [`USTAR_SIZE_MAX`], where a
/// pax header and its one record come first.
///
/// # Panics
/// If `name` is empty, longer than [`NAME_MAX`] or not ASCII, or `mtime` is
/// above [`MTIME_MAX`]: callers pass names and times that were checked.
pub fn encode(name: &str, size: u64, mtime: u64) -> Vec<u8> {
    if size <= USTAR_SIZE_MAX {
        return block(name, size, mtime, b'0').to_vec();
    }
    let record = pax_size_record(size);
    let mut header = Vec::with_capacity(3 * BLOCK_BYTES);
    header.extend_from_slice(&block(PAX_NAME, record.len() as u64, mtime, b'x'));
    header.extend_from_slice(record.as_bytes());
    header.resize(2 * BLOCK_BYTES, 0);
    header.extend_from_slice(&block(name, 0, mtime, b'0'));
    header
}

/// Length of the canonical header for an entry of this size, in bytes.
pub fn encoded_len(size: u64) -> u64 {
    if size <= USTAR_SIZE_MAX { 512 } else { 1536 }
}

/// Number of zero bytes after an entry's data of this size.
pub fn padding_len(size: u64) -> usize {
    let over = usize::try_from(size % BLOCK_BYTES as u64).expect("a remainder below 512");
    (BLOCK_BYTES - over) % BLOCK_BYTES
}

/// The number in an octal field of the canonical form: digits to the last byte
/// but one, then NUL. `None` for any other form.
pub(crate) fn octal_field(field: &[u8]) -> Option<u64> {
    let (last, digits) = field.split_last()?;
    if *last != 0 {
        return None;
    }
    digits.iter().try_fold(0_u64, |number, digit| {
        matches!(digit, b'0'..=b'7')
            .then(|| number.checked_mul(8)?.checked_add(u64::from(digit - b'0')))?
    })
}

/// The size field's range in a header.
pub(crate) const SIZE_FIELD: std::ops::Range<usize> = 124..136;
/// The time field's range in a header.
pub(crate) const MTIME_FIELD: std::ops::Range<usize> = 136..148;

fn block(name: &str, size: u64, mtime: u64, typeflag: u8) -> [u8; BLOCK_BYTES] {
    assert!(
        !name.is_empty() && name.len() <= NAME_MAX && name.is_ascii(),
        "an entry name that was checked has 1 to 100 ASCII bytes"
    );
    assert!(mtime <= MTIME_MAX, "a time that was checked fits its field");
    let mut block = [0; BLOCK_BYTES];
    block[..name.len()].copy_from_slice(name.as_bytes());
    block[100..108].copy_from_slice(b"0000644\0");
    block[108..116].copy_from_slice(b"0000000\0");
    block[116..124].copy_from_slice(b"0000000\0");
    block[SIZE_FIELD].copy_from_slice(format!("{size:011o}\0").as_bytes());
    block[MTIME_FIELD].copy_from_slice(format!("{mtime:011o}\0").as_bytes());
    block[156] = typeflag;
    block[257..265].copy_from_slice(b"ustar\x0000");
    block[329..337].copy_from_slice(b"0000000\0");
    block[337..345].copy_from_slice(b"0000000\0");
    // The checksum counts its own field as eight spaces.
    let sum: u32 = block.iter().map(|byte| u32::from(*byte)).sum::<u32>() + 8 * u32::from(b' ');
    block[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    block
}

/// `LENGTH size=SIZE\n`, where LENGTH counts the whole record.
fn pax_size_record(size: u64) -> String {
    let body = format!(" size={size}\n");
    let mut length = body.len() + 1;
    while length != body.len() + length.to_string().len() {
        length = body.len() + length.to_string().len();
    }
    format!("{length}{body}")
}
