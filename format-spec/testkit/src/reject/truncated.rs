//! Files that end too early, at each place where a reader waits for bytes. Where
//! the size of the file is known, everything after the chunk table is found at once.

use crate::base::{pattern, small, with_file};
use crate::digest::sha256;
use crate::package::{CHUNK, CHUNKS_SHA256, MANIFEST, MANIFEST_SHA256, Package, Tape};
use crate::ustar::{block, header, sign};
use crate::vector::{Vector, vectors};

const CODE: &str = "pkg.truncated";

/// The small package, cut where a reader of the head waits.
fn head(step: u32, bytes: usize, place: &str) -> Vector {
    let mut file = small().package().tape().bytes();
    file.truncate(bytes);
    Vector::refuse(file, step, CODE, &[37], place)
}

/// A package with a small file, cut where a reader of data waits.
fn data(element: &str, bytes: usize, step: u32, place: &str, released: &[u8]) -> Vector {
    cut(&with_a_file(), element, bytes, step, place, released)
}

fn cut(
    package: &Package,
    element: &str,
    bytes: usize,
    step: u32,
    place: &str,
    released: &[u8],
) -> Vector {
    let mut file = package.tape().bytes();
    file.truncate(bytes);
    Vector::refuse(file, 15, CODE, &[37], "size of the file")
        .element(element)
        .in_stream(step, CODE, place, released)
}

/// The least size that eleven octal digits don't hold, in bytes.
const HUGE: u64 = 8_589_934_592;

/// A package with a file of that size and this header before it, of which 2 KiB of
/// zeros are there. Nobody gets far enough to ask for the digest of its data.
fn huge(header: Vec<u8>) -> Tape {
    let mut package = with_file(0);
    let chunk = sha256(&vec![0; CHUNK]);
    package.table.extend(chunk.repeat(8192));
    let row = |size: u64| format!("path = \"files/data\"\nsize = {size}\n");
    let package = package.edit(&row(0), &row(HUGE)).seal_table();
    let mut tape = package.tape();
    let item = tape.item("files/data");
    item.header = header;
    item.data = vec![0; 2048];
    tape.end.clear();
    tape
}

fn with_a_file() -> Package {
    with_file(10)
}

vectors! {
    /// The file is empty.
    fn truncated_to_nothing() -> Vector {
        head(1, 0, "first header, byte 0").element("empty")
    }

    /// The file ends a byte before its first header does.
    fn truncated_in_the_first_header() -> Vector {
        head(1, 511, "first header, byte 0").element("511 bytes")
    }

    /// The file ends within the manifest.
    fn truncated_in_the_manifest() -> Vector {
        head(3, 600, MANIFEST)
    }

    /// The file ends within the padding of the manifest.
    fn truncated_in_the_padding_of_the_manifest() -> Vector {
        let tape = small().package().tape();
        let at = tape.padding_position(MANIFEST);
        head(3, at + 1, &format!("padding of {MANIFEST} at byte {at}"))
    }

    /// The file ends within the header of `manifest.sha256`.
    fn truncated_in_the_second_header() -> Vector {
        let at = small().package().tape().position(MANIFEST_SHA256);
        head(4, at + 100, &format!("header of {MANIFEST_SHA256} at byte {at}"))
    }

    /// The file ends before the last byte of `manifest.sha256`.
    fn truncated_in_the_digest_line() -> Vector {
        let at = small().package().tape().padding_position(MANIFEST_SHA256);
        head(5, at - 1, MANIFEST_SHA256)
    }

    /// The file ends within the padding of `manifest.sha256`.
    fn truncated_in_the_padding_of_the_digest_line() -> Vector {
        let at = small().package().tape().padding_position(MANIFEST_SHA256);
        head(5, at + 431, &format!("padding of {MANIFEST_SHA256} at byte {at}"))
    }

    /// The file ends where the chunk table's header must begin. The manifest is there, but is not judged before.
    fn truncated_before_the_third_header() -> Vector {
        let at = small().package().tape().position(CHUNKS_SHA256);
        head(6, at, &format!("header of {CHUNKS_SHA256} at byte {at}"))
    }

    /// The file ends within the chunk table.
    fn truncated_in_the_chunk_table() -> Vector {
        let at = small().package().tape().data_position(CHUNKS_SHA256);
        head(12, at + 32, CHUNKS_SHA256)
    }

    /// The file ends within the padding of the chunk table.
    fn truncated_in_the_padding_of_the_chunk_table() -> Vector {
        let at = small().package().tape().padding_position(CHUNKS_SHA256);
        head(12, at + 10, &format!("padding of {CHUNKS_SHA256} at byte {at}"))
    }

    /// The file ends after the chunk table: nothing of the data is there.
    fn truncated_after_the_chunk_table() -> Vector {
        let at = with_a_file().tape().position("oci-layout");
        data("no data", at, 16, &format!("header of oci-layout at byte {at}"), b"")
    }

    /// The file ends within the header of an entry.
    fn truncated_in_a_header() -> Vector {
        let package = with_a_file();
        let at = package.tape().position("index.json");
        let place = format!("header of index.json at byte {at}");
        data("header", at + 511, 16, &place, &package.data_before("index.json"))
    }

    /// The file ends within the data of a small entry.
    fn truncated_in_data() -> Vector {
        let package = with_a_file();
        let at = package.tape().data_position("index.json");
        let place = format!("index.json, chunk 1 of 1, byte {at}");
        data("data", at + 100, 17, &place, &package.data_before("index.json"))
    }

    /// The file ends between two chunks of an entry: the first one was released.
    fn truncated_between_chunks() -> Vector {
        let package = with_file(CHUNK + 10);
        let at = package.tape().data_position("files/data") + CHUNK;
        let place = format!("files/data, chunk 2 of 2, byte {at}");
        let mut released = package.data_before("files/data");
        released.extend(pattern(CHUNK));
        cut(&package, "between chunks", at, 17, &place, &released)
    }

    /// The file ends within the padding of its last entry, whose last chunk must not be released.
    fn truncated_in_padding() -> Vector {
        let package = with_a_file();
        let at = package.tape().padding_position("files/data");
        let place = format!("padding of files/data at byte {at}");
        data("padding", at + 1, 18, &place, &package.data_before("files/data"))
    }

    /// The end is missing: all data is there, and a tar program finds nothing to complain about.
    fn truncated_before_the_end() -> Vector {
        let package = with_a_file();
        let at = package.tape().position("");
        let place = format!("end of the package at byte {at}");
        data("before the end", at, 19, &place, &package.all_data())
    }

    /// Half of the end is missing.
    fn truncated_in_the_end() -> Vector {
        let package = with_a_file();
        let at = package.tape().position("");
        let place = format!("end of the package at byte {at}");
        data("one block of the end", at + 512, 19, &place, &package.all_data())
    }

    /// A file above eight GiB, cut within it. A reader that gets as far must have known the three blocks of its header.
    fn truncated_in_a_huge_file() -> Vector {
        let tape = huge(header("files/data", HUGE, small().mtime));
        let at = tape.data_position("files/data");
        let place = format!("files/data, chunk 1 of 8192, byte {at}");
        let released = with_file(0).data_before("files/data");
        tape.refuse(15, CODE, &[8, 37], "size of the file")
            .element("huge file")
            .in_stream(17, CODE, &place, &released)
    }

    /// The size of a file above eight GiB stands in its header in base 256 instead of a pax record.
    fn truncated_huge_file_in_base_256() -> Vector {
        let mut block = block("files/data", 0, small().mtime, b'0');
        block[124] = 0x80;
        block[128..136].copy_from_slice(&HUGE.to_be_bytes());
        sign(&mut block);
        let tape = huge(block);
        let place = format!("header of files/data at byte {}, offset 0", tape.position("files/data"));
        let released = with_file(0).data_before("files/data");
        tape.refuse(15, CODE, &[8, 37], "size of the file")
            .element("huge file in base 256")
            .in_stream(16, "pkg.header_not_canonical", &place, &released)
    }
}
