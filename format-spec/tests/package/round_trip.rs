//! What the writer writes, the reader reads, and nothing depends on the day.

use std::io::{self, Read, Write};

use crate::support::{
    assert_refused, draft, layer, noise, package, read_all, read_with, small_draft,
};
use edgepkg::digest::Digest;
use edgepkg::manifest::{Manifest, blob_path};
use edgepkg::reader::{PackageReader, ReadOptions};
use edgepkg::writer::{self, BlobDraft, WriteError};
use edgepkg::{Code, header};

/// A reader that loses, adds or changes an entry, a chunk or a byte would show
/// here, with sizes on both sides of block and chunk.
#[test]
fn every_entry_comes_back_as_it_went_in() {
    let mut full = draft();
    for size in [1, 511, 512, 513, 1 << 20, (1 << 20) + 1, (3 << 20) + 77] {
        full.files.push(crate::support::file(
            &format!("n{size}"),
            &noise(size as u64, size),
        ));
    }
    let bytes = package(&full);
    let manifest = full.manifest().unwrap();
    let options = ReadOptions {
        file_size: Some(bytes.len() as u64),
        part_size: None,
        check_digests: true,
    };
    let mut reader = PackageReader::open(&bytes[..], options).unwrap();
    assert_eq!(reader.manifest(), &manifest);
    assert_eq!(
        reader.manifest_digest(),
        Digest::of(reader.manifest_bytes())
    );
    assert_eq!(reader.file_bytes(), bytes.len() as u64);
    for wanted in &manifest.entries {
        assert_eq!(reader.next_entry().unwrap(), Some(wanted));
        let mut data = Vec::new();
        while let Some(piece) = reader.next_chunk().unwrap() {
            assert!(piece.len() <= 1 << 20);
            data.extend_from_slice(piece);
        }
        assert_eq!(data.len() as u64, wanted.size);
        assert_eq!(Digest::of(&data), wanted.sha256);
        assert_eq!(reader.next_chunk().unwrap(), None);
    }
    assert_eq!(reader.next_entry().unwrap(), None);
    assert_eq!(reader.next_entry().unwrap(), None);
    assert_eq!(reader.bytes_read(), bytes.len() as u64);
}

/// Reads one byte, then three, then is interrupted.
struct Dribble<'a>(&'a [u8], usize);

impl Read for Dribble<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.1 += 1;
        if self.1.is_multiple_of(5) {
            return Err(io::ErrorKind::Interrupted.into());
        }
        let count = (self.1 % 3 + 1).min(buffer.len());
        self.0.read(&mut buffer[..count])
    }
}

/// A pipe or a slow stick gives short reads: they must not look like an end.
#[test]
fn short_and_interrupted_reads_change_nothing() {
    let bytes = package(&draft());
    let mut reader = PackageReader::open(Dribble(&bytes, 0), ReadOptions::default()).unwrap();
    let mut positions = Vec::new();
    reader
        .verify_rest(&mut |position| positions.push(position))
        .unwrap();
    assert!(positions.is_sorted());
    assert_eq!(positions.last(), Some(&(bytes.len() as u64)));
}

/// Skipping must end at the same headers and ask the same end of the file.
#[test]
fn skipped_entries_are_jumped_over_exactly() {
    let mut full = draft();
    full.files
        .push(crate::support::file("big", &noise(5, (2 << 20) + 9)));
    let bytes = package(&full);
    let names: Vec<String> = read_all(&bytes)
        .unwrap()
        .entries
        .into_iter()
        .map(|entry| entry.path)
        .collect();
    for keep in 0..3 {
        let mut reader =
            PackageReader::open(io::Cursor::new(&bytes), ReadOptions::default()).unwrap();
        let mut seen = Vec::new();
        while let Some(entry) = reader.next_entry().unwrap() {
            seen.push(entry.path.clone());
            // Some are read whole, some in part, some not at all.
            match (seen.len() + keep) % 3 {
                0 => while reader.next_chunk().unwrap().is_some() {},
                1 => drop(reader.next_chunk().unwrap()),
                _ => {}
            }
            reader.skip_entry().unwrap();
            assert_eq!(reader.next_chunk().unwrap(), None);
        }
        assert_eq!(seen, names);
        assert_eq!(reader.bytes_read(), bytes.len() as u64);
    }
}

/// A package depends on its inputs only: not on the order of files, the time,
/// or how the blobs are opened.
#[test]
fn the_same_draft_gives_the_same_bytes() {
    let bytes = package(&draft());
    let mut other = draft();
    other.files.reverse();
    assert_eq!(package(&other), bytes);
    assert_eq!(Digest::of(&bytes), Digest::of(&package(&draft())));
}

/// A change of the format by accident shows as another digest here. Blobs are
/// stored as they are, so only our own bytes count.
#[test]
fn the_bytes_are_pinned() {
    let mut pinned = small_draft(0);
    pinned.images[0].layers[0].blob = BlobDraft::from_bytes(b"not compressed here".to_vec());
    pinned.images[0].layers[0].diff_size = 19;
    pinned.mtime = 1_600_000_000;
    pinned.release = Some(3);
    pinned.files.push(crate::support::file("note", b"note"));
    let bytes = package(&pinned);
    assert_eq!(
        (bytes.len(), Digest::of(&bytes).hex().as_str()),
        (
            12800,
            "fe04dd31ad82862e582dacc04439f6f1868a3d371a71ab219f05dfb4d6782203"
        )
    );
}

/// A temporary file that changes while we pack must not end in a package that
/// every device refuses.
#[test]
fn a_blob_that_changed_is_an_error() {
    for changed in [noise(9, 99), noise(9, 101), noise(8, 100)] {
        let mut other = small_draft(10);
        let mut blob = BlobDraft::from_bytes(noise(9, 100));
        blob.open = BlobDraft::from_bytes(changed).open;
        other.files.push(writer::FileDraft {
            name: "f".to_string(),
            blob,
        });
        let result = writer::write(&other, &mut Vec::new(), &mut |_, _| {});
        assert!(
            matches!(&result, Err(WriteError::Changed { path }) if path == "files/f"),
            "{result:?}"
        );
    }
}

/// Takes this many bytes.
struct Full(usize);
impl Write for Full {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0 = self
            .0
            .checked_sub(bytes.len())
            .ok_or_else(|| io::Error::other("full"))?;
        Ok(bytes.len())
    }
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Failing sources and sinks keep their own error.
#[test]
fn failures_of_source_and_sink_are_told_apart() {
    let mut other = small_draft(10);
    other.images[0].layers[0].blob.open =
        std::sync::Arc::new(|| Err(io::Error::other("no such file")));
    let result = writer::write(&other, &mut Vec::new(), &mut |_, _| {});
    let path = blob_path(&other.images[0].layers[0].blob.sum.digest);
    assert!(matches!(result, Err(WriteError::Source { path: found, .. }) if found == path));

    let whole = package(&small_draft(10)).len();
    for room in (0..whole).step_by(509) {
        let result = writer::write(&small_draft(10), &mut Full(room), &mut |_, _| {});
        assert!(matches!(result, Err(WriteError::Sink(_))), "{room}");
    }
}

/// The writer must not make what the reader refuses.
#[test]
fn a_draft_that_breaks_a_rule_is_not_written() {
    let mut bad = draft();
    bad.services[0].image = "other:1".to_string();
    let mut out = Vec::new();
    let result = writer::write(&bad, &mut out, &mut |_, _| {});
    assert!(matches!(result, Err(WriteError::Rules(error)) if error.code == Code::Inconsistent));
    assert!(out.is_empty());
}

/// A manifest over its limit must be refused before it is written.
#[test]
fn a_manifest_that_grows_too_large_is_refused() {
    let mut bad = small_draft(10);
    for number in 0..32 {
        bad.notes.insert(format!("n{number}"), "\"".repeat(4096));
    }
    let result = writer::write(&bad, &mut Vec::new(), &mut |_, _| {});
    assert!(matches!(result, Err(WriteError::Rules(error)) if error.code == Code::ManifestSize));
}

/// Other people's tar readers must find the same names, sizes and bytes.
#[test]
fn other_tar_readers_agree() {
    let bytes = package(&draft());
    let manifest = read_all(&bytes).unwrap();
    let mut others = tar::Archive::new(&bytes[..]);
    let mut seen = Vec::new();
    for entry in others.entries().unwrap() {
        let mut entry = entry.unwrap();
        assert_eq!(entry.header().mtime().unwrap(), manifest.mtime);
        assert_eq!(entry.header().mode().unwrap(), 0o644);
        let path = entry.path().unwrap().to_str().unwrap().to_string();
        let mut data = Vec::new();
        entry.read_to_end(&mut data).unwrap();
        seen.push((path, Digest::of(&data)));
    }
    let head = ["manifest.toml", "manifest.sha256", "chunks.sha256"];
    assert_eq!(seen.len(), head.len() + manifest.entries.len());
    for (found, wanted) in seen.iter().zip(head) {
        assert_eq!(found.0, wanted);
    }
    for (found, wanted) in seen[3..].iter().zip(&manifest.entries) {
        assert_eq!((&found.0, found.1), (&wanted.path, wanted.sha256));
    }
}

/// What a canonical manifest says must be the same for any TOML reader.
#[test]
fn other_toml_readers_agree() {
    let full = draft();
    let manifest = full.manifest().unwrap();
    let table: toml::Table = manifest.emit().parse().unwrap();
    assert_eq!(table["format_version"].as_integer(), Some(2));
    assert_eq!(table["release"].as_integer(), Some(7));
    for (key, value) in &manifest.notes {
        assert_eq!(table["notes"][key].as_str(), Some(value.as_str()));
    }
    let images = table["images"].as_array().unwrap();
    assert_eq!(images.len(), 3);
    assert_eq!(images[0]["layers"].as_array().unwrap().len(), 3);
    let entries = table["entries"].as_array().unwrap();
    assert_eq!(entries.len(), manifest.entries.len());
    assert_eq!(
        Manifest::parse(manifest.emit().as_bytes()).unwrap(),
        manifest
    );
}

/// A package for several services and platforms gives each its own image.
#[test]
fn images_are_found_by_service_and_platform() {
    let manifest = draft().manifest().unwrap();
    let found = |service, platform| {
        manifest
            .image_for(service, platform)
            .map(|(service, image)| (service.service_revision.clone(), image.config))
    };
    assert_eq!(
        found("web", "linux/arm/v7"),
        Some(("web-r1".to_string(), manifest.images[1].config))
    );
    assert_eq!(
        found("db", "linux/amd64"),
        Some(("db-r1".to_string(), manifest.images[2].config))
    );
    assert_eq!(found("db", "linux/arm/v7"), None);
    assert_eq!(found("mail", "linux/amd64"), None);
}

/// Above eight GiB the size moves into a pax record: other readers must find
/// the same size, at the border and far above it.
#[test]
fn sizes_above_the_octal_field_are_read_by_others() {
    const BORDER: u64 = 8_589_934_591;
    for size in [0, 1, BORDER, BORDER + 1, 10_000_000_000, 999_999_999_999] {
        let encoded = header::encode("blobs/sha256/x", size, 1);
        assert_eq!(encoded.len() as u64, header::encoded_len(size));
        assert_eq!(encoded.len(), if size > BORDER { 1536 } else { 512 });
        let mut others = tar::Archive::new(&encoded[..]);
        let entry = others.entries().unwrap().next().unwrap().unwrap();
        assert_eq!(entry.size(), size);
        assert_eq!(entry.path().unwrap().to_str(), Some("blobs/sha256/x"));
    }
    let encoded = header::encode("x", BORDER + 1, 1);
    assert!(encoded[512..].starts_with(b"19 size=8589934592\n\0"));
}

/// Two layers of one image may be the same blob; it is stored once.
#[test]
fn a_layer_used_twice_is_stored_once() {
    let bytes = package(&draft());
    let manifest = read_with(&bytes, ReadOptions::default()).unwrap();
    let image = &manifest.images[0];
    assert_eq!(image.layers[0], image.layers[2]);
    let path = blob_path(&image.layers[0].digest);
    let count = manifest
        .entries
        .iter()
        .filter(|entry| entry.path == path)
        .count();
    assert_eq!(count, 1);
}

/// Once failed, always failed: a caller that ignores an error gets no byte.
#[test]
fn a_reader_that_failed_gives_the_same_error_again() {
    let mut full = small_draft(100);
    full.files.push(crate::support::file("f", b"abc"));
    full.files.push(crate::support::file("g", b"abc"));
    let mut bytes = package(&full);
    let position = bytes.len() - 1024 - 1024 - 512;
    assert_eq!(bytes[position], b'a', "the data of files/f");
    bytes[position] ^= 1;
    let error = assert_refused(&bytes, Code::ChunkMismatch);
    let mut reader = PackageReader::open(io::Cursor::new(&bytes), ReadOptions::default()).unwrap();
    assert_eq!(reader.verify_rest(&mut |_| {}).unwrap_err(), error);
    assert_eq!(reader.next_chunk().unwrap_err(), error);
    assert_eq!(reader.next_entry().unwrap_err(), error);
    assert_eq!(reader.skip_entry().unwrap_err(), error);
    let carried = reader.entry_reader().read(&mut [0; 10]).unwrap_err();
    assert_eq!(edgepkg::PackageError::from_io(carried, "x"), error);
}

/// A layer must be what the layer helper packs: a guard for the tests here.
#[test]
fn test_layers_are_layers() {
    let made = layer(b"abc");
    assert_eq!(made.layer().diff_id, Digest::of(b"abc"));
}
