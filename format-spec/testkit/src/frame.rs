//! Zstandard frames from raw and RLE blocks, written by hand after RFC 8878,
//! section 3.1.1. No encoder is asked, so no encoder's habits are tested.

/// Largest block, in bytes.
const BLOCK_MAX: usize = 128 << 10;

/// A frame whose parts a vector can change one by one.
#[derive(Clone)]
pub(crate) struct Frame {
    pub(crate) magic: [u8; 4],
    /// Content size flag, single segment, reserved, checksum and dictionary flags.
    pub(crate) descriptor: u8,
    /// `None` for a single segment.
    pub(crate) window: Option<u8>,
    pub(crate) dictionary: Vec<u8>,
    pub(crate) content_size: Vec<u8>,
    pub(crate) blocks: Vec<u8>,
    pub(crate) checksum: Vec<u8>,
}

const SINGLE_SEGMENT: u8 = 0x20;
const CHECKSUM: u8 = 0x04;

impl Frame {
    /// A single segment with raw blocks, the content size in as few bytes as it takes.
    pub(crate) fn single(content: &[u8]) -> Self {
        let size = content.len() as u64;
        let width = match size {
            0..256 => 1,
            256..65_792 => 2,
            65_792..0x1_0000_0000 => 4,
            _ => 8,
        };
        Self::with_width(content, width)
    }

    /// A single segment whose content size takes 1, 2, 4 or 8 bytes.
    pub(crate) fn with_width(content: &[u8], width: usize) -> Self {
        let size = content.len() as u64;
        let (flag, stored) = match width {
            1 => (0, size),
            2 => (1, size - 256),
            4 => (2, size),
            _ => (3, size),
        };
        Self {
            magic: [0x28, 0xb5, 0x2f, 0xfd],
            descriptor: flag << 6 | SINGLE_SEGMENT,
            window: None,
            dictionary: Vec::new(),
            content_size: stored.to_le_bytes()[..width].to_vec(),
            blocks: raw_blocks(content),
            checksum: Vec::new(),
        }
    }

    /// The same frame with a window: 2^(10 + exponent) * (1 + mantissa / 8) bytes.
    pub(crate) fn window(mut self, exponent: u8, mantissa: u8) -> Self {
        self.descriptor &= !SINGLE_SEGMENT;
        // Without a single segment, one byte of content size can't be said.
        if self.content_size.len() == 1 {
            self.content_size.resize(4, 0);
            self.descriptor |= 2 << 6;
        }
        self.window = Some(exponent << 3 | mantissa);
        self
    }

    /// The same frame with other blocks.
    pub(crate) fn blocks(mut self, blocks: Vec<u8>) -> Self {
        self.blocks = blocks;
        self
    }

    /// The same frame with the checksum of this content.
    pub(crate) fn checksum_of(mut self, content: &[u8]) -> Self {
        self.descriptor |= CHECKSUM;
        self.checksum = xxh64(content).to_le_bytes()[..4].to_vec();
        self
    }

    pub(crate) fn bytes(&self) -> Vec<u8> {
        let mut bytes = self.magic.to_vec();
        bytes.push(self.descriptor);
        bytes.extend(self.window);
        bytes.extend(&self.dictionary);
        bytes.extend(&self.content_size);
        bytes.extend(&self.blocks);
        bytes.extend(&self.checksum);
        bytes
    }
}

/// A frame that every tool skips.
pub(crate) fn skippable(content: &[u8]) -> Vec<u8> {
    let size = u32::try_from(content.len()).expect("a small frame");
    [&[0x50, 0x2a, 0x4d, 0x18][..], &size.to_le_bytes(), content].concat()
}

/// What a block's header says of its content.
#[derive(Clone, Copy)]
pub(crate) enum Kind {
    Raw = 0,
    Rle = 1,
    Compressed = 2,
    Reserved = 3,
}

/// The content as raw blocks, the last one marked.
pub(crate) fn raw_blocks(content: &[u8]) -> Vec<u8> {
    if content.is_empty() {
        return block(Kind::Raw, true, 0, b"");
    }
    let count = content.len().div_ceil(BLOCK_MAX);
    let pieces = content.chunks(BLOCK_MAX).enumerate();
    pieces
        .flat_map(|(index, piece)| block(Kind::Raw, index + 1 == count, piece.len(), piece))
        .collect()
}

/// As many times this byte, as RLE blocks.
pub(crate) fn rle_blocks(byte: u8, count: usize) -> Vec<u8> {
    let mut blocks = Vec::new();
    let mut left = count;
    while left > 0 {
        let size = left.min(BLOCK_MAX);
        left -= size;
        blocks.extend(block(Kind::Rle, left == 0, size, &[byte]));
    }
    blocks
}

/// One block. `size` is what its header says.
pub(crate) fn block(kind: Kind, is_last: bool, size: usize, content: &[u8]) -> Vec<u8> {
    let size = u32::try_from(size).expect("21 bits");
    let header = size << 3 | (kind as u32) << 1 | u32::from(is_last);
    [&header.to_le_bytes()[..3], content].concat()
}

/// XXH64 with seed 0 (its public specification), whose low half is the content
/// checksum of a frame.
fn xxh64(input: &[u8]) -> u64 {
    const P: [u64; 5] = [
        0x9e37_79b1_85eb_ca87,
        0xc2b2_ae3d_27d4_eb4f,
        0x1656_67b1_9e37_79f9,
        0x85eb_ca77_c2b2_ae63,
        0x27d4_eb2f_1656_67c5,
    ];
    let word = |bytes: &[u8]| u64::from_le_bytes(bytes.try_into().expect("eight bytes"));
    let round = |lane: u64, input: u64| {
        lane.wrapping_add(input.wrapping_mul(P[1]))
            .rotate_left(31)
            .wrapping_mul(P[0])
    };
    let mut stripes = input.chunks_exact(32);
    let mut hash = if input.len() < 32 {
        P[4]
    } else {
        let first = P[0].wrapping_add(P[1]);
        let mut lanes = [first, P[1], 0, 0_u64.wrapping_sub(P[0])];
        for stripe in stripes.by_ref() {
            for (lane, piece) in lanes.iter_mut().zip(stripe.chunks(8)) {
                *lane = round(*lane, word(piece));
            }
        }
        let turned = lanes.iter().zip([1, 7, 12, 18]);
        let sum = turned.fold(0_u64, |sum, (lane, by)| {
            sum.wrapping_add(lane.rotate_left(by))
        });
        lanes.iter().fold(sum, |hash, lane| {
            (hash ^ round(0, *lane))
                .wrapping_mul(P[0])
                .wrapping_add(P[3])
        })
    };
    hash = hash.wrapping_add(input.len() as u64);
    let mut words = stripes.remainder().chunks_exact(8);
    for piece in words.by_ref() {
        hash = (hash ^ round(0, word(piece))).rotate_left(27);
        hash = hash.wrapping_mul(P[0]).wrapping_add(P[3]);
    }
    let mut rest = words.remainder();
    if let Some((half, after)) = rest.split_first_chunk::<4>() {
        hash ^= u64::from(u32::from_le_bytes(*half)).wrapping_mul(P[0]);
        hash = hash.rotate_left(23).wrapping_mul(P[1]).wrapping_add(P[2]);
        rest = after;
    }
    for byte in rest {
        hash ^= u64::from(*byte).wrapping_mul(P[4]);
        hash = hash.rotate_left(11).wrapping_mul(P[0]);
    }
    hash = (hash ^ hash >> 33).wrapping_mul(P[1]);
    hash = (hash ^ hash >> 29).wrapping_mul(P[2]);
    hash ^ hash >> 32
}

#[cfg(test)]
mod tests {
    use super::xxh64;

    /// A wrong checksum would make an accept vector that nobody accepts; these
    /// are the known values of the hash.
    #[test]
    fn the_checksum_is_the_known_hash() {
        assert_eq!(xxh64(b""), 0xef46_db37_51d8_e999);
        assert_eq!(xxh64(b"a"), 0xd24e_c4f1_a98c_6e5b);
        assert_eq!(xxh64(b"abc"), 0x44bc_2cf5_ad77_0999);
    }
}
