//! The first header: the only one that a reader must look into. Every other
//! spelling of it is another file.

use crate::base::small;
use crate::package::MANIFEST;
use crate::ustar::{block, sign};
use crate::vector::{Vector, vectors};

const CODE: &str = "pkg.not_version_2";
const PLACE: &str = "first header, byte 0";

/// The small package with another first header.
fn first(element: &str, change: impl FnOnce(&mut Vec<u8>)) -> Vector {
    let mut tape = small().package().tape();
    change(&mut tape.item(MANIFEST).header);
    tape.refuse(1, CODE, &[7], PLACE).element(element)
}

/// The same with a field replaced and the checksum made right.
fn field(element: &str, offset: usize, bytes: &[u8]) -> Vector {
    first(element, |header| {
        header[offset..offset + bytes.len()].copy_from_slice(bytes);
        sign(header);
    })
}

/// Another file altogether.
fn file(element: &str, bytes: Vec<u8>) -> Vector {
    Vector::refuse(bytes, 1, CODE, &[37], PLACE).element(element)
}

vectors! {
    /// The first entry is `./manifest.toml`, as `tar -c .` writes it.
    fn first_header_name_with_dot() -> Vector {
        field("name", 0, b"./manifest.toml")
    }

    /// A byte follows the name's zero. A reader that stops at the zero never sees it.
    fn first_header_name_tail() -> Vector {
        field("name, byte 99", 99, b"x")
    }

    /// The mode is 0600.
    fn first_header_mode() -> Vector {
        field("mode", 100, b"0000600\0")
    }

    /// The owner is user 1000.
    fn first_header_uid() -> Vector {
        field("uid", 108, b"0001750\0")
    }

    /// The size ends with a space instead of a zero, as old tars write it.
    fn first_header_size_with_space() -> Vector {
        field("size, terminator", 135, b" ")
    }

    /// The size begins with spaces instead of zeros.
    fn first_header_size_with_leading_spaces() -> Vector {
        field("size, leading zeros", 124, b"   ")
    }

    /// The size in base 256, as GNU tar writes large ones.
    fn first_header_size_base_256() -> Vector {
        let size = small().package().manifest.len() as u64;
        let mut binary = [0; 12];
        binary[0] = 0x80;
        binary[4..].copy_from_slice(&size.to_be_bytes());
        field("size, base 256", 124, &binary)
    }

    /// The time has a digit that is not octal.
    fn first_header_time_not_octal() -> Vector {
        field("mtime", 146, b"8")
    }

    /// The checksum is one too large, and nothing else is wrong.
    fn first_header_checksum_wrong() -> Vector {
        first("checksum", |header| header[153] ^= 1)
    }

    /// The checksum ends with a space and a zero, the other way round.
    fn first_header_checksum_terminator() -> Vector {
        first("checksum, terminator", |header| header.swap(154, 155))
    }

    /// The type is a zero, which old tars write for a regular file.
    fn first_header_type_old() -> Vector {
        field("typeflag", 156, b"\0")
    }

    /// The magic of GNU tar.
    fn first_header_magic_gnu() -> Vector {
        field("magic", 257, b"ustar  \0")
    }

    /// The owner has a name.
    fn first_header_owner_name() -> Vector {
        field("uname", 265, b"root")
    }

    /// The device numbers are zeros instead of digits.
    fn first_header_device_zeros() -> Vector {
        field("devmajor", 329, &[0; 8])
    }

    /// A byte stands in the block's unused end.
    fn first_header_unused_end() -> Vector {
        field("offset 511", 511, b"x")
    }

    /// A pax header stands before the first entry: what it says could not be known without parsing it.
    fn first_header_pax_before() -> Vector {
        let mut bytes = block("PaxHeaders/manifest.toml", 11, 1_704_067_200, b'x');
        bytes.extend(b"11 path=x\n\0");
        bytes.resize(1024, 0);
        bytes.extend(small().package().tape().bytes());
        file("pax header", bytes)
    }

    /// A pax global header, as `git archive` writes it.
    fn first_header_pax_global() -> Vector {
        let mut bytes = block("pax_global_header", 20, 1_704_067_200, b'g');
        bytes.extend(b"20 comment=abcdefgh\n");
        bytes.resize(1024, 0);
        bytes.extend(small().package().tape().bytes());
        file("pax global header", bytes)
    }

    /// The first entry is `manifest.sha256`: the order is wrong from the start.
    fn first_header_of_another_entry() -> Vector {
        let mut tape = small().package().tape();
        tape.items.swap(0, 1);
        tape.refuse(1, CODE, &[1, 7], PLACE)
    }

    /// A file of zeros: a tar without an entry, and what a broken stick often gives.
    fn file_of_zeros() -> Vector {
        file("zeros", vec![0; 10_240])
    }

    /// The whole package packed once more: a zstd frame.
    fn file_is_zstd() -> Vector {
        let package = small().package().tape().bytes();
        file("zstd", crate::frame::Frame::single(&package).bytes())
    }

    /// The package under a single zero byte: everything is there, one byte too late.
    fn file_shifted_by_a_byte() -> Vector {
        file("shifted", [&b"\0"[..], &small().package().tape().bytes()].concat())
    }

    /// A file of a text, shorter than a block: it ends before the first header does.
    fn file_of_text() -> Vector {
        Vector::refuse(b"hello\n".to_vec(), 1, "pkg.truncated", &[37], PLACE).element("text")
    }

    /// The manifest's size is 0.
    fn manifest_empty() -> Vector {
        let mut package = small().package();
        package.manifest.clear();
        package.refuse(2, "pkg.manifest_size", &[9, 37], PLACE).element("size 0")
    }

    /// The manifest is one byte too large, and sound but for that.
    fn manifest_too_large() -> Vector {
        let package = crate::accept::manifest_of(262_145);
        package.refuse(2, "pkg.manifest_size", &[9], PLACE).element("size 262145")
    }

    /// The first header promises a manifest of nearly 8 GiB, and the file ends there. A reader that makes room first has none left.
    fn manifest_of_eight_gigabytes() -> Vector {
        let bytes = block(MANIFEST, 8_589_934_591, 1_704_067_200, b'0');
        Vector::refuse(bytes, 2, "pkg.manifest_size", &[9], PLACE).element("size 8589934591")
    }
}
