//! The head's entries, their order, padding, and the end of the file.

use crate::base::{full, small};
use crate::digest::hex;
use crate::package::{CHUNKS_SHA256, Item, MANIFEST, MANIFEST_SHA256, Tape};
use crate::vector::{Vector, vectors};

const HEADER: &str = "pkg.header_not_canonical";
const TRAILING: &str = "pkg.trailing_bytes";
const SIZE: &str = "size of the file";

fn small_tape() -> Tape {
    small().package().tape()
}

/// The small package with another line in `manifest.sha256`.
fn digest_line(element: &str, line: &dyn Fn(&str) -> String) -> Vector {
    let package = small().package();
    let mut tape = package.tape();
    let changed = line(&hex(&package.manifest));
    let mtime = package.mtime;
    *tape.item(MANIFEST_SHA256) = Item::new(MANIFEST_SHA256, changed.as_bytes(), mtime);
    tape.refuse(5, "pkg.manifest_digest_mismatch", &[2], MANIFEST)
        .element(element)
}

/// A package with this entry before the chunk table.
fn signed(name: &str, size: usize) -> Tape {
    let mut tape = small_tape();
    tape.items
        .insert(2, Item::new(name, &vec![b's'; size], small().mtime));
    tape
}

fn third_header(tape: &Tape, offset: usize) -> String {
    let at = tape.position(MANIFEST_SHA256) + 1024;
    format!("header of {CHUNKS_SHA256} at byte {at}, offset {offset}")
}

/// A byte of this entry's padding is one.
fn padding(mut tape: Tape, step: u32, name: &str, is_last: bool, released: &[u8]) -> Vector {
    let padding = &mut tape.item(name).padding;
    let offset = if is_last { padding.len() - 1 } else { 0 };
    padding[offset] = 1;
    let place = format!(
        "padding of {name} at byte {}, offset {offset}",
        tape.padding_position(name)
    );
    tape.refuse(step, "pkg.padding_not_zero", &[5], &place)
        .released(released)
}

const KEY: &str = "signatures/0123456789ABCDEF.minisig";

vectors! {
    /// `manifest.sha256` is not there.
    fn digest_line_missing() -> Vector {
        let mut tape = small_tape();
        tape.items.remove(1);
        let at = tape.position(CHUNKS_SHA256);
        let place = format!("header of {MANIFEST_SHA256} at byte {at}, offset 0");
        tape.refuse(4, HEADER, &[1], &place)
    }

    /// A byte of the manifest changed on the way: the version says 1.0.1. It is found before the manifest is parsed.
    fn manifest_damaged() -> Vector {
        let mut tape = small_tape();
        let manifest = &mut tape.item(MANIFEST).data;
        let text = b"package_version = \"1.0.";
        let at = manifest.windows(text.len()).position(|window| window == text);
        manifest[at.expect("a version") + text.len()] ^= 1;
        tape.refuse(5, "pkg.manifest_digest_mismatch", &[2, 37], MANIFEST).element("manifest")
    }

    /// The digest of `manifest.sha256` is in upper case: the same digest in a second spelling.
    fn digest_line_upper_case() -> Vector {
        digest_line("upper case", &|hex| format!("{}  manifest.toml\n", hex.to_uppercase()))
    }

    /// The line has the mark of binary mode, which `sha256sum -c` takes as well.
    fn digest_line_binary_mark() -> Vector {
        digest_line("binary mark", &|hex| format!("{hex} *manifest.toml\n"))
    }

    /// The line ends with a carriage return, and has no line feed.
    fn digest_line_carriage_return() -> Vector {
        digest_line("carriage return", &|hex| format!("{hex}  manifest.toml\r"))
    }

    /// The line names another file of as many letters.
    fn digest_line_other_name() -> Vector {
        digest_line("name", &|hex| format!("{hex}  manifest.json\n"))
    }

    /// The package is signed. This edition can't check signatures, and must not look as if it had.
    fn signature_present() -> Vector {
        let tape = signed(KEY, 300);
        let place = third_header(&tape, 0).replace(", offset 0", "");
        tape.refuse(6, "pkg.not_supported_yet", &[3, 37], &place).element("one")
    }

    /// The signature is judged before the manifest's first line: this one has no known format version either.
    fn signature_before_the_manifest() -> Vector {
        let package = small().package().edit("format_version = 2", "format_version = 3");
        let mut tape = package.tape();
        tape.items.insert(2, Item::new(KEY, &[b's'; 4096], package.mtime));
        let place = third_header(&tape, 0).replace(", offset 0", "");
        tape.refuse(6, "pkg.not_supported_yet", &[3, 37], &place).element("of 4096 bytes")
    }

    /// A signature of no byte is no signature entry, but a header in the wrong place.
    fn signature_empty() -> Vector {
        let tape = signed(KEY, 0);
        tape.refuse(11, HEADER, &[3], &third_header(&tape, 0)).element("size 0")
    }

    /// A signature of 4097 bytes is over the limit, so no signature entry.
    fn signature_too_large() -> Vector {
        let tape = signed(KEY, 4097);
        tape.refuse(11, HEADER, &[3, 9], &third_header(&tape, 0)).element("size 4097")
    }

    /// The key id is in lower case: a second spelling of one key.
    fn signature_key_lower_case() -> Vector {
        let tape = signed("signatures/0123456789abcdef.minisig", 300);
        tape.refuse(11, HEADER, &[3], &third_header(&tape, 0)).element("lower case")
    }

    /// The signature's name leads out of its folder.
    fn signature_path_escapes() -> Vector {
        let tape = signed("signatures/../../etc/x.minisig", 300);
        tape.refuse(11, HEADER, &[3], &third_header(&tape, 0)).element("path")
    }

    /// The chunk table is not there: the first file of data stands in its place.
    fn chunk_table_missing() -> Vector {
        let mut tape = small_tape();
        tape.items.remove(2);
        tape.refuse(11, HEADER, &[1], &third_header(&tape, 0))
    }

    /// The chunk table stands there twice. A reader that does not know the file's size finds it in the first entry's place.
    fn chunk_table_twice() -> Vector {
        let mut tape = small_tape();
        let again = tape.items[2].clone();
        tape.items.insert(3, again);
        let at = tape.position("oci-layout") - 1024;
        let place = format!("header of oci-layout at byte {at}, offset 0");
        tape.refuse(15, TRAILING, &[1], SIZE)
            .element("chunk table twice")
            .in_stream(16, HEADER, &place, b"")
    }

    /// All headers have another time than the manifest says.
    fn time_of_headers_is_not_the_manifests() -> Vector {
        let mut package = small().package();
        package.mtime += 1;
        package.refuse(10, HEADER, &[7, 17, 37], "header of manifest.toml at byte 0")
    }

    /// A byte of the manifest's padding is not zero.
    fn padding_of_the_manifest() -> Vector {
        padding(small_tape(), 3, MANIFEST, false, b"")
    }

    /// The last byte of the padding of `manifest.sha256` is not zero.
    fn padding_of_the_digest_line() -> Vector {
        padding(small_tape(), 5, MANIFEST_SHA256, true, b"")
    }

    /// A byte of the chunk table's padding is not zero.
    fn padding_of_the_chunk_table() -> Vector {
        padding(small_tape(), 12, CHUNKS_SHA256, false, b"")
    }

    /// The last byte of an entry's padding is not zero. The entry's only chunk must not be released.
    fn padding_of_an_entry() -> Vector {
        let package = full().package();
        let released = package.data_before("index.json");
        padding(package.tape(), 18, "index.json", true, &released)
    }

    /// The first byte of the end is not zero.
    fn end_first_byte() -> Vector {
        end_byte(0)
    }

    /// The last byte of the end is not zero.
    fn end_last_byte() -> Vector {
        end_byte(1023)
    }

    /// An entry follows that the manifest does not name. A tar program shows it like all others.
    fn end_with_another_entry() -> Vector {
        let package = small().package();
        let mut tape = package.tape();
        tape.items.push(Item::new("files/extra", b"extra", package.mtime));
        let place = format!("end of the package at byte {}, offset 0", tape.position("files/extra"));
        tape.refuse(15, TRAILING, &[1, 6], SIZE)
            .element("entry")
            .in_stream(19, "pkg.end_not_zero", &place, &package.all_data())
    }

    /// One zero byte follows the end.
    fn trailing_byte() -> Vector {
        trailing(1, "one byte")
    }

    /// The file is filled up with zeros to 10 240 bytes, as tar programs write their records.
    fn trailing_record() -> Vector {
        let size = small_tape().bytes().len();
        trailing(size.next_multiple_of(10_240) - size, "record")
    }

    /// A second package follows the first.
    fn trailing_package() -> Vector {
        let bytes = small_tape().bytes();
        trailing_after([&bytes[..], &bytes].concat(), bytes.len(), "package")
    }
}

fn end_byte(offset: usize) -> Vector {
    let package = small().package();
    let mut tape = package.tape();
    tape.end[offset] = b'e';
    let place = format!(
        "end of the package at byte {}, offset {offset}",
        tape.position("")
    );
    tape.refuse(19, "pkg.end_not_zero", &[6], &place)
        .released(&package.all_data())
}

fn trailing(count: usize, element: &str) -> Vector {
    let mut bytes = small_tape().bytes();
    let end = bytes.len();
    bytes.resize(end + count, 0);
    trailing_after(bytes, end, element)
}

fn trailing_after(bytes: Vec<u8>, end: usize, element: &str) -> Vector {
    Vector::refuse(bytes, 15, TRAILING, &[6, 37], SIZE)
        .element(element)
        .in_stream(
            19,
            TRAILING,
            &format!("byte {end}"),
            &small().package().all_data(),
        )
}
