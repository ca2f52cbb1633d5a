//! Layers that are as their maker wrote them, and wrong: SPEC section 7. A quick
//! pass accepts these packages; a deep pass, and a device that imports them, does not.

use crate::base::{base_layer, layer_tar, with_layers};
use crate::describe::Layer;
use crate::digest::digest;
use crate::frame::{Frame, Kind, block, raw_blocks, rle_blocks, skippable};
use crate::vector::{Vector, vectors};

const REFUSED: &str = "pkg.layer_frame_refused";
const DAMAGED: &str = "pkg.layer_damaged";
const TRAILING: &str = "pkg.layer_trailing_bytes";

fn tar() -> Vec<u8> {
    layer_tar("srv/data", "data\n")
}

fn sound() -> Frame {
    Frame::single(&tar())
}

/// A package whose second layer has this blob.
fn layer(layer: &Layer, code: &str, must: u32, element: &str) -> Vector {
    let package = with_layers(vec![base_layer(), layer.clone()]).package();
    let place = format!("layer {}", digest(&layer.blob));
    package
        .refuse(0, code, &[must], &place)
        .released(&package.all_data())
        .element(element)
        .in_layer()
}

/// The blob in place of the tar's frame.
fn blob(blob: Vec<u8>, code: &str, must: u32, element: &str) -> Vector {
    layer(&Layer::new(&tar(), blob), code, must, element)
}

fn frame(frame: &Frame, code: &str, must: u32, element: &str) -> Vector {
    blob(frame.bytes(), code, must, element)
}

vectors! {
    /// The layer is not packed at all.
    fn frame_not_packed() -> Vector {
        blob(tar(), REFUSED, 33, "a tar")
    }

    /// The layer is packed with gzip, as most images are.
    fn frame_is_gzip() -> Vector {
        let tar = tar();
        let size = u16::try_from(tar.len()).expect("a small layer").to_le_bytes();
        let not_size = [!size[0], !size[1]];
        let gzip = [
            &[0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255, 1][..],
            &size, &not_size, &tar, &[0; 8],
        ];
        blob(gzip.concat(), REFUSED, 33, "gzip")
    }

    /// The magic number of the format's version 0.7, which libraries can be built to read.
    fn frame_magic_of_version_0_7() -> Vector {
        let mut old = sound();
        old.magic[0] = 0x27;
        frame(&old, REFUSED, 33, "magic 0.7")
    }

    /// A skippable frame stands before the frame.
    fn frame_skippable_first() -> Vector {
        blob([skippable(b"note"), sound().bytes()].concat(), REFUSED, 33, "skippable frame first")
    }

    /// The blob is a skippable frame and nothing else.
    fn frame_skippable_only() -> Vector {
        blob(skippable(&tar()), REFUSED, 33, "skippable frame only")
    }

    /// The reserved bit of the descriptor is set.
    fn frame_reserved_bit() -> Vector {
        let mut reserved = sound();
        reserved.descriptor |= 0x08;
        frame(&reserved, REFUSED, 33, "reserved bit")
    }

    /// The frame needs a dictionary.
    fn frame_dictionary() -> Vector {
        let mut dictionary = sound();
        dictionary.descriptor |= 1;
        dictionary.dictionary = vec![7];
        frame(&dictionary, REFUSED, 33, "dictionary 7")
    }

    /// The frame has a dictionary id of four bytes, all of them zero: no dictionary, and still an id.
    fn frame_dictionary_zero() -> Vector {
        let mut dictionary = sound();
        dictionary.descriptor |= 3;
        dictionary.dictionary = vec![0; 4];
        frame(&dictionary, REFUSED, 33, "dictionary 0")
    }

    /// The window is the next larger one after 2^22 bytes: 4.5 MiB.
    fn frame_window_too_large() -> Vector {
        frame(&sound().window(12, 1), REFUSED, 33, "window of 4.5 MiB")
    }

    /// The largest window that a frame can ask for, nearly 4 TiB.
    fn frame_window_of_terabytes() -> Vector {
        frame(&sound().window(31, 7), REFUSED, 33, "window of 3.75 TiB")
    }

    /// A single segment of 2^22 bytes and one: its window is its content.
    fn frame_single_segment_too_large() -> Vector {
        let content = vec![0; (4 << 20) + 1];
        let large = Frame::single(&content).blocks(rle_blocks(0, content.len()));
        layer(&Layer::new(&content, large.bytes()), REFUSED, 33, "single segment of 4 MiB and 1")
    }

    /// The frame does not say the size of its content.
    fn frame_without_content_size() -> Vector {
        let mut streamed = sound().window(11, 0);
        streamed.descriptor &= 0x3f;
        streamed.content_size.clear();
        frame(&streamed, REFUSED, 33, "no content size")
    }

    /// The frame says one byte less than the manifest.
    fn frame_content_size_too_small() -> Vector {
        let content = tar();
        let mut less = Layer::new(&content[..content.len() - 1], Vec::new());
        less.blob = Frame::single(&content[..content.len() - 1]).bytes();
        less.diff_size += 1;
        layer(&less, REFUSED, 33, "one byte less")
    }

    /// The frame says 2^64 - 1 bytes, which some libraries take for "not known".
    fn frame_content_size_unknown() -> Vector {
        let mut unknown = Frame::with_width(&tar(), 8);
        unknown.content_size = vec![0xff; 8];
        frame(&unknown.window(11, 0), REFUSED, 33, "2^64 - 1")
    }

    /// The blob ends within the frame's header.
    fn frame_header_truncated() -> Vector {
        blob(sound().bytes()[..6].to_vec(), REFUSED, 33, "six bytes")
    }

    /// The frame holds one byte less than it says.
    fn frame_output_too_short() -> Vector {
        let tar = tar();
        frame(&sound().blocks(raw_blocks(&tar[1..])), DAMAGED, 34, "a byte less")
    }

    /// The frame holds one byte more than it says. It must not be passed on.
    fn frame_output_too_long() -> Vector {
        let long = [tar(), b"x".to_vec()].concat();
        frame(&sound().blocks(raw_blocks(&long)), DAMAGED, 34, "a byte more")
    }

    /// A bomb: the frame says 2048 bytes and holds 1 GiB in RLE blocks.
    fn frame_output_bomb() -> Vector {
        frame(&sound().window(12, 0).blocks(rle_blocks(0, 1 << 30)), DAMAGED, 34, "1 GiB")
    }

    /// The frame has no last block.
    fn frame_without_last_block() -> Vector {
        let tar = tar();
        let open = block(Kind::Raw, false, tar.len(), &tar);
        frame(&sound().blocks(open), DAMAGED, 34, "no last block")
    }

    /// The blob ends within a block.
    fn frame_block_truncated() -> Vector {
        let bytes = sound().bytes();
        blob(bytes[..bytes.len() - 100].to_vec(), DAMAGED, 34, "block cut")
    }

    /// The blob ends after the frame's header.
    fn frame_without_blocks() -> Vector {
        frame(&sound().blocks(Vec::new()), DAMAGED, 34, "no block")
    }

    /// A block of the reserved type.
    fn frame_reserved_block() -> Vector {
        let tar = tar();
        frame(&sound().blocks(block(Kind::Reserved, true, tar.len(), &tar)), DAMAGED, 34, "reserved block")
    }

    /// A compressed block of bytes that are none.
    fn frame_compressed_block_of_garbage() -> Vector {
        let garbage = block(Kind::Compressed, true, 5, &[0xff; 5]);
        frame(&sound().blocks(garbage), DAMAGED, 34, "compressed block")
    }

    /// A block larger than the window allows.
    fn frame_block_larger_than_window() -> Vector {
        frame(&sound().window(0, 0), DAMAGED, 34, "block larger than the window")
    }

    /// The content checksum is wrong, and the content is right.
    fn frame_checksum_wrong() -> Vector {
        let mut wrong = sound().checksum_of(&tar());
        wrong.checksum[0] ^= 1;
        frame(&wrong, DAMAGED, 34, "checksum")
    }

    /// The content checksum is announced and not there.
    fn frame_checksum_missing() -> Vector {
        let mut without = sound().checksum_of(&tar());
        without.checksum.clear();
        frame(&without, DAMAGED, 34, "no checksum")
    }

    /// A zero byte follows the frame.
    fn frame_trailing_byte() -> Vector {
        blob([&sound().bytes()[..], &[0]].concat(), TRAILING, 35, "a byte")
    }

    /// A byte follows a frame that is shorter than the longest frame header: a reader that looks at as many bytes first may forget it.
    fn frame_trailing_byte_after_short_frame() -> Vector {
        let short = [&Frame::single(b"x").bytes()[..], b"y"].concat();
        layer(&Layer::new(b"x", short), TRAILING, 35, "a byte after a short frame")
    }

    /// A second frame follows: many tools unpack both.
    fn frame_second_frame() -> Vector {
        blob([sound().bytes(), sound().bytes()].concat(), TRAILING, 35, "a frame")
    }

    /// A frame without content follows: unpacked, nothing is different.
    fn frame_empty_frame_follows() -> Vector {
        blob([sound().bytes(), Frame::single(b"").bytes()].concat(), TRAILING, 35, "an empty frame")
    }

    /// A skippable frame follows: a place for anything.
    fn frame_skippable_follows() -> Vector {
        blob([sound().bytes(), skippable(b"seek table")].concat(), TRAILING, 35, "a skippable frame")
    }

    /// A checksum that the frame does not announce follows it.
    fn frame_checksum_not_announced() -> Vector {
        let frame = sound().checksum_of(&tar());
        blob([&sound().bytes()[..], &frame.checksum].concat(), TRAILING, 35, "a checksum")
    }

    /// The layer unpacks to as many other bytes.
    fn layer_other_content() -> Vector {
        let other = layer_tar("srv/data", "DATA\n");
        let mut wrong = Layer::of(&other);
        wrong.diff_id = digest(&tar());
        layer(&wrong, "pkg.layer_digest_mismatch", 36, "other content")
    }
}
