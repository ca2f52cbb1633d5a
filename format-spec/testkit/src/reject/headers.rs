//! Headers after the first: each is known before it is read, so each other
//! spelling is refused, whatever a tar program makes of it.

use crate::base::{full, small};
use crate::package::{CHUNKS_SHA256, MANIFEST_SHA256, Tape};
use crate::ustar::{block, sign};
use crate::vector::{Vector, vectors};

const CODE: &str = "pkg.header_not_canonical";

/// A reader stops at the first byte that differs: `offset` in the header of this entry.
fn changed(mut tape: Tape, step: u32, name: &str, offset: usize, bytes: &[u8]) -> Vector {
    let canonical = tape.item(name).header.clone();
    let header = &mut tape.item(name).header;
    header[offset..offset + bytes.len()].copy_from_slice(bytes);
    if !(148..156).contains(&offset) {
        sign(header);
    }
    let pairs = canonical.iter().zip(&tape.item(name).header);
    let first = pairs.take_while(|(one, other)| one == other).count();
    refused(&tape, step, name, first)
}

fn refused(tape: &Tape, step: u32, name: &str, offset: usize) -> Vector {
    let at = tape.position(name);
    let place = format!("header of {name} at byte {at}, offset {offset}");
    tape.refuse(step, CODE, &[7], &place)
}

fn in_head(step: u32, name: &str, offset: usize, bytes: &[u8]) -> Vector {
    changed(small().package().tape(), step, name, offset, bytes)
}

/// In the header of one of the full package's entries.
fn in_entry(name: &str, offset: usize, bytes: &[u8]) -> Vector {
    let package = full().package();
    changed(package.tape(), 16, name, offset, bytes).released(&package.data_before(name))
}

/// Blocks stand before an entry's header. The file is longer than its manifest says; a
/// reader that does not know its size finds the block in the header's place.
fn before(blocks: &[u8], musts: &[u32], element: &str) -> Vector {
    let package = full().package();
    let name = "manifest.json";
    let mut tape = package.tape();
    let canonical = tape.item(name).header.clone();
    tape.item(name).header.splice(0..0, blocks.iter().copied());
    let pairs = canonical.iter().zip(&tape.item(name).header);
    let offset = pairs.take_while(|(one, other)| one == other).count();
    let place = format!(
        "header of {name} at byte {}, offset {offset}",
        tape.position(name)
    );
    tape.refuse(15, "pkg.trailing_bytes", musts, "size of the file")
        .element(element)
        .in_stream(16, CODE, &place, &package.data_before(name))
}

vectors! {
    /// The mode of `manifest.sha256` is 0755.
    fn header_mode() -> Vector {
        in_head(4, MANIFEST_SHA256, 100, b"0000755\0")
    }

    /// The group is 100.
    fn header_gid() -> Vector {
        in_head(4, MANIFEST_SHA256, 116, b"0000144\0")
    }

    /// The size of `manifest.sha256` is 79: one byte of it would be padding that is not zero.
    fn header_size_of_digest_line() -> Vector {
        let mut tape = small().package().tape();
        let item = tape.item(MANIFEST_SHA256);
        item.data.pop();
        item.padding.push(0);
        changed(tape, 4, MANIFEST_SHA256, 124, b"00000000117\0")
    }

    /// The time of one header is a second later than the manifest's.
    fn header_time_of_one_entry() -> Vector {
        in_head(11, CHUNKS_SHA256, 146, b"1")
    }

    /// The checksum has no leading zero but a leading space.
    fn header_checksum_leading_space() -> Vector {
        in_head(11, CHUNKS_SHA256, 148, b" ")
    }

    /// The group has a name.
    fn header_group_name() -> Vector {
        in_head(11, CHUNKS_SHA256, 297, b"root")
    }

    /// The name is split between prefix and name: a tar program sees the same path, `chunks.sha256` in a folder of none.
    fn header_prefix_dot() -> Vector {
        in_head(11, CHUNKS_SHA256, 345, b".")
    }

    /// The path of a file stands half in the prefix field.
    fn header_path_in_prefix() -> Vector {
        let name = "files/a.conf";
        let package = full().package();
        let mut tape = package.tape();
        let header = &mut tape.item(name).header;
        header[..100].fill(0);
        header[..6].copy_from_slice(b"a.conf");
        header[345..350].copy_from_slice(b"files");
        sign(header);
        refused(&tape, 16, name, 0).released(&package.data_before(name))
    }

    /// The type of an entry is a symbolic link, its target outside the package.
    fn header_type_symlink() -> Vector {
        let package = full().package();
        let mut tape = package.tape();
        let header = &mut tape.item("files/z.conf").header;
        header[156] = b'2';
        header[157..167].copy_from_slice(b"/etc/shado");
        sign(header);
        // The checksum differs before the type does.
        let sum = header[148..156].to_vec();
        let right = &package.tape().item("files/z.conf").header[148..156].to_vec();
        let offset = 148 + sum.iter().zip(right).take_while(|(one, other)| one == other).count();
        refused(&tape, 16, "files/z.conf", offset).released(&package.data_before("files/z.conf"))
    }

    /// The type of an entry is a hard link with a size, which tar programs read in two ways.
    fn header_type_hard_link() -> Vector {
        in_entry("index.json", 156, b"1")
    }

    /// The type of an entry is a folder.
    fn header_type_folder() -> Vector {
        in_entry("manifest.json", 156, b"5")
    }

    /// The type of an entry is a contiguous file, which most programs take for a regular one.
    fn header_type_contiguous() -> Vector {
        in_entry("oci-layout", 156, b"7")
    }

    /// A link name in the header of a regular file: without meaning, and a place to hide bytes.
    fn header_link_name() -> Vector {
        in_entry("files/a.conf", 200, b"x")
    }

    /// The name of a file is another one of the same length.
    fn header_name_of_a_file() -> Vector {
        in_entry("files/z.conf", 6, b"y")
    }

    /// The name of a file ends with a slash.
    fn header_name_with_slash() -> Vector {
        in_entry("files/z.conf", 12, b"/")
    }

    /// The size of a file in the header is 0, so that a tar program takes its data for a header.
    fn header_size_of_a_file() -> Vector {
        in_entry("files/a.conf", 124, b"00000000000\0")
    }

    /// A pax header with the path that the entry has anyway.
    fn header_pax_path() -> Vector {
        let mut blocks = block("PaxHeaders/x", 22, 1_704_067_200, b'x');
        blocks.extend(b"22 path=manifest.json\n");
        blocks.resize(1024, 0);
        before(&blocks, &[1, 7], "pax path")
    }

    /// A pax header with the right size before an entry that is small enough to do without.
    fn header_pax_size_not_needed() -> Vector {
        let name = "files/z.conf";
        let package = full().package();
        let mut tape = package.tape();
        let mut blocks = block("PaxHeaders/size", 10, 1_704_067_200, b'x');
        blocks.extend(b"10 size=7\n");
        blocks.resize(1024, 0);
        let header = &mut tape.item(name).header;
        header.splice(0..0, blocks);
        let place = format!("header of {name} at byte {}, offset 0", tape.position(name));
        tape.refuse(15, "pkg.trailing_bytes", &[8], "size of the file")
            .element("pax size")
            .in_stream(16, CODE, &place, &package.data_before(name))
    }

    /// A GNU long name before an entry whose name is short.
    fn header_gnu_long_name() -> Vector {
        let mut blocks = block("././@LongLink", 14, 0, b'L');
        blocks.extend(b"manifest.json\0");
        blocks.resize(1024, 0);
        before(&blocks, &[1, 7], "GNU long name")
    }

    /// A block of zeros between two entries. A tar program may stop there, or skip it.
    fn header_zero_block_before() -> Vector {
        before(&[0; 512], &[1, 6], "zero block")
    }
}
