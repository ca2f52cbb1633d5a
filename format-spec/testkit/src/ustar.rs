//! Tar headers by the table of SPEC section 2, field by field, so that a vector
//! can change one of them.

/// Size of a tar block, in bytes.
pub(crate) const BLOCK: usize = 512;

/// The largest size that eleven octal digits hold, in bytes.
const OCTAL_MAX: u64 = 0o777_7777_7777;

/// The header that must stand before an entry: one block, or three above eight GiB.
pub(crate) fn header(name: &str, size: u64, mtime: u64) -> Vec<u8> {
    if size <= OCTAL_MAX {
        return block(name, size, mtime, b'0');
    }
    let mut record = String::new();
    // The length counts itself: at most two digits here.
    for digits in 1..=3 {
        let length = digits + format!(" size={size}\n").len();
        if length.to_string().len() == digits {
            record = format!("{length} size={size}\n");
        }
    }
    let mut blocks = block("PaxHeaders/size", record.len() as u64, mtime, b'x');
    blocks.extend(record.bytes());
    blocks.resize(2 * BLOCK, 0);
    blocks.extend(block(name, 0, mtime, b'0'));
    blocks
}

/// One block with the canonical fields.
pub(crate) fn block(name: &str, size: u64, mtime: u64, typeflag: u8) -> Vec<u8> {
    let mut block = vec![0; BLOCK];
    let mut put = |offset: usize, bytes: &[u8]| {
        block[offset..offset + bytes.len()].copy_from_slice(bytes);
    };
    put(0, name.as_bytes());
    put(100, b"0000644\0");
    put(108, b"0000000\0");
    put(116, b"0000000\0");
    put(124, format!("{size:011o}\0").as_bytes());
    put(136, format!("{mtime:011o}\0").as_bytes());
    put(156, &[typeflag]);
    put(257, b"ustar\0");
    put(263, b"00");
    put(329, b"0000000\0");
    put(337, b"0000000\0");
    sign(&mut block);
    block
}

/// Makes the checksum of a block right again.
pub(crate) fn sign(block: &mut [u8]) {
    block[148..156].copy_from_slice(b"        ");
    let sum: u64 = block.iter().map(|byte| u64::from(*byte)).sum();
    block[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
}

/// Number of zeros after data of this size.
pub(crate) fn padding(size: usize) -> usize {
    size.next_multiple_of(BLOCK) - size
}
