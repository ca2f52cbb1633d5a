//! The chunk table and the data under it: what a copy damages, and what a
//! producer can make contradict itself.

use crate::base::{full, pattern, small, with_file};
use crate::digest::sha256;
use crate::package::{CHUNK, CHUNKS_SHA256};
use crate::vector::{Vector, vectors};

const MISMATCH: &str = "pkg.chunk_mismatch";
const INCONSISTENT: &str = "pkg.chunk_table_inconsistent";

/// The full package, where the table's row of this entry is another one.
fn row(path: &str) -> Vector {
    let mut package = full().package();
    let number = package.entries.iter().position(|(known, _)| known == path);
    let at = number.expect("an entry") * 32;
    package.table[at..at + 32].copy_from_slice(&sha256(b"other"));
    let place = format!("{CHUNKS_SHA256}, row of {path}");
    package.seal_table().refuse(14, INCONSISTENT, &[38], &place)
}

/// A package whose one-chunk entry was damaged on its way.
fn damaged(path: &str, offset: usize) -> Vector {
    let package = full().package();
    let mut tape = package.tape();
    tape.item(path).data[offset] ^= 0x20;
    let place = format!("{path}, chunk 1 of 1, byte {}", tape.data_position(path));
    tape.refuse(17, MISMATCH, &[37, 39], &place)
        .released(&package.data_before(path))
}

vectors! {
    /// A byte of the chunk table changed on the way.
    fn chunk_table_damaged() -> Vector {
        let mut tape = small().package().tape();
        tape.item(CHUNKS_SHA256).data[40] ^= 1;
        tape.refuse(13, "pkg.chunk_table_mismatch", &[31, 37], CHUNKS_SHA256).element("damaged")
    }

    /// Two rows of the chunk table have changed places.
    fn chunk_table_rows_swapped() -> Vector {
        let mut package = small().package();
        package.table.rotate_left(32);
        package.refuse(13, "pkg.chunk_table_mismatch", &[31, 37], CHUNKS_SHA256).element("order")
    }

    /// The table, under its right digest, has another digest for a config: a config that nobody named could be read.
    fn chunk_row_of_the_config() -> Vector {
        let path = full().package().entries[4].0.clone();
        row(&path)
    }

    /// The same for a derived file.
    fn chunk_row_of_a_derived_file() -> Vector {
        row("index.json")
    }

    /// The same for a file of less than a chunk.
    fn chunk_row_of_a_file() -> Vector {
        row("files/z.conf")
    }

    /// The same for a file of exactly one chunk.
    fn chunk_row_of_a_whole_chunk() -> Vector {
        let mut package = with_file(CHUNK);
        let last = package.table.len() - 1;
        package.table[last] ^= 1;
        let place = format!("{CHUNKS_SHA256}, row of files/data");
        package.seal_table().refuse(14, INCONSISTENT, &[38], &place).element("exactly one chunk")
    }

    /// The first byte of data changed on the way.
    fn chunk_damaged_first_byte() -> Vector {
        damaged("oci-layout", 0)
    }

    /// A byte of a config changed on the way.
    fn chunk_damaged_config() -> Vector {
        let path = full().package().entries[4].0.clone();
        damaged(&path, 20)
    }

    /// A byte of a layer changed on the way. No decoder may see it.
    fn chunk_damaged_layer() -> Vector {
        let path = full().package().entries[10].0.clone();
        damaged(&path, 5)
    }

    /// The last byte of the last file changed on the way.
    fn chunk_damaged_last_byte() -> Vector {
        damaged("files/z.conf", 6)
    }

    /// A byte of the last of two chunks changed on the way: the first one was released.
    fn chunk_damaged_last_of_two() -> Vector {
        let package = with_file(CHUNK + 10);
        let mut tape = package.tape();
        tape.item("files/data").data[CHUNK] ^= 1;
        let at = tape.data_position("files/data") + CHUNK;
        let place = format!("files/data, chunk 2 of 2, byte {at}");
        let mut released = package.data_before("files/data");
        released.extend(pattern(CHUNK));
        tape.refuse(17, MISMATCH, &[4, 39], &place).released(&released)
    }

    /// The data of two files of one size has changed places under right headers.
    fn chunk_data_swapped() -> Vector {
        let files = [("one", "11"), ("two", "22")];
        let files = files.map(|(name, data)| (name.to_owned(), data.as_bytes().to_vec()));
        let package = crate::describe::Description { files: files.to_vec(), ..small() }.package();
        let mut tape = package.tape();
        tape.item("files/one").data = b"22".to_vec();
        tape.item("files/two").data = b"11".to_vec();
        let place = format!("files/one, chunk 1 of 1, byte {}", tape.data_position("files/one"));
        tape.refuse(17, MISMATCH, &[37, 39], &place).released(&package.data_before("files/one"))
    }

    /// A file's digest is not that of its two chunks, which are as the table wants them. A quick pass relies on the table.
    fn entry_digest_lies() -> Vector {
        let mut package = with_file(CHUNK + 10);
        let right = crate::digest::digest(package.data("files/data"));
        let package = package.edit(&right, &crate::digest::digest(b"other"));
        let mut released = package.data_before("files/data");
        released.extend(pattern(CHUNK));
        package.refuse(18, "pkg.entry_digest_mismatch", &[40], "files/data").released(&released).deep()
    }
}
