//! Layers whose frames are odd and allowed. All are made by hand from raw and
//! RLE blocks.

use crate::base::{layer_tar, pattern, with_layers};
use crate::describe::Layer;
use crate::frame::{Frame, Kind, block, raw_blocks, rle_blocks};
use crate::package::CHUNK;
use crate::vector::{Vector, vectors};

fn tar() -> Vec<u8> {
    layer_tar("srv/data", "data\n")
}

fn sound(unpacked: &[u8], frame: &Frame, musts: &[u32]) -> Vector {
    let layer = Layer::new(unpacked, frame.bytes());
    with_layers(vec![layer]).package().accept(musts)
}

vectors! {
    /// A layer of one byte, its content size in one byte: the shortest frame there is.
    fn frame_size_in_one_byte() -> Vector {
        sound(b"x", &Frame::with_width(b"x", 1), &[26, 33, 34])
    }

    /// The content size in two bytes, which count from 256: exactly 256.
    fn frame_size_in_two_bytes() -> Vector {
        let content = vec![b'x'; 256];
        sound(&content, &Frame::with_width(&content, 2), &[33, 34])
    }

    /// The content size in four bytes though one would do.
    fn frame_size_in_four_bytes() -> Vector {
        sound(b"abc", &Frame::with_width(b"abc", 4), &[33, 34])
    }

    /// The content size in eight bytes: the longest header without a window.
    fn frame_size_in_eight_bytes() -> Vector {
        sound(&tar(), &Frame::with_width(&tar(), 8), &[33, 34])
    }

    /// The content size in eight bytes and a window: the longest header that is allowed.
    fn frame_longest_header() -> Vector {
        sound(&tar(), &Frame::with_width(&tar(), 8).window(11, 0), &[33])
    }

    /// A content checksum follows the last block.
    fn frame_with_checksum() -> Vector {
        sound(&tar(), &Frame::single(&tar()).checksum_of(&tar()), &[33, 34])
    }

    /// A window of exactly 2^22 bytes.
    fn frame_window_greatest() -> Vector {
        sound(&tar(), &Frame::single(&tar()).window(12, 0), &[33])
    }

    /// The largest window with a mantissa that is still allowed: 15/16 of 2^22 bytes.
    fn frame_window_with_mantissa() -> Vector {
        sound(&tar(), &Frame::single(&tar()).window(11, 7), &[33])
    }

    /// The smallest window, 1 KiB: blocks may have no more than that.
    fn frame_window_least() -> Vector {
        let content = pattern(3000);
        let blocks: Vec<u8> = content
            .chunks(1024)
            .enumerate()
            .flat_map(|(index, piece)| block(Kind::Raw, index == 2, piece.len(), piece))
            .collect();
        sound(&content, &Frame::single(&content).window(0, 0).blocks(blocks), &[33, 34])
    }

    /// A single segment of exactly 2^22 bytes: its window is its content, and one byte more would be refused.
    fn frame_single_segment_greatest() -> Vector {
        let content = vec![0; 4 << 20];
        let frame = Frame::single(&content).blocks(rle_blocks(0, content.len()));
        sound(&content, &frame, &[33, 34])
    }

    /// RLE blocks of the greatest size: 2 MiB of zeros in 79 bytes.
    fn frame_rle_blocks() -> Vector {
        let content = vec![0; 2 << 20];
        let frame = Frame::single(&content).window(10, 0).blocks(rle_blocks(0, content.len()));
        sound(&content, &frame.checksum_of(&content), &[33, 34])
    }

    /// Empty raw blocks before, between and after the others.
    fn frame_empty_blocks() -> Vector {
        let empty = |is_last| block(Kind::Raw, is_last, 0, b"");
        let part = |piece: &[u8]| block(Kind::Raw, false, piece.len(), piece);
        let blocks = [empty(false), part(b"abc"), empty(false), part(b"def"), empty(true)].concat();
        sound(b"abcdef", &Frame::single(b"abcdef").blocks(blocks), &[34])
    }

    /// Raw and RLE blocks take turns.
    fn frame_mixed_blocks() -> Vector {
        let content = [&[b'a'; 1000][..], b"raw", &[b'b'; 1]].concat();
        let blocks = [
            block(Kind::Rle, false, 1000, b"a"),
            block(Kind::Raw, false, 3, b"raw"),
            block(Kind::Rle, true, 1, b"b"),
        ];
        sound(&content, &Frame::single(&content).blocks(blocks.concat()), &[34])
    }

    /// A layer whose blob has more than one chunk, cut in the middle of a block.
    fn layer_of_two_chunks() -> Vector {
        let content = pattern(CHUNK + 1000);
        let frame = Frame::single(&content).window(12, 0).blocks(raw_blocks(&content));
        sound(&content, &frame, &[4, 34, 40])
    }
}
