//! Packages whose digests are right and whose content is not: what a producer
//! with harm or a bug in mind makes. The order of checks shows here too.

use std::io::{self, Read, Seek, SeekFrom};

use edgepkg::digest::Digest;
use edgepkg::header;
use edgepkg::limits::{CHUNK_BYTES, MANIFEST_BYTES_MAX};
use edgepkg::reader::{PackageReader, ReadOptions};
use edgepkg::writer::BlobDraft;
use edgepkg::{Code, PackageError};

use crate::forge::Forge;
use crate::support::{
    assert_refused, draft, file, noise, package, read_all, read_with, small_draft,
};

/// A manifest of four gigabytes must be refused by its header, not by memory.
#[test]
fn sizes_in_headers_are_judged_before_they_are_used() {
    for size in [0, MANIFEST_BYTES_MAX + 1, 8_589_934_591] {
        let bytes = header::encode("manifest.toml", size, 0);
        assert_refused(&bytes, Code::ManifestSize);
    }
    let bytes = header::encode("manifest.toml", MANIFEST_BYTES_MAX, 0);
    assert_refused(&bytes, Code::Truncated);
}

/// Another spelling of the same first header is another file.
#[test]
fn a_first_header_in_another_spelling_is_refused() {
    let bytes = package(&small_draft(10));
    let gnu = {
        let mut header = tar::Header::new_gnu();
        header.set_path("manifest.toml").unwrap();
        header.set_size(100);
        header.set_mode(0o644);
        header.set_cksum();
        header.as_bytes().to_vec()
    };
    let mut dotted = header::encode("./manifest.toml", 100, 0);
    dotted.extend(&bytes[512..]);
    for first in [gnu, dotted] {
        let mut changed = first;
        changed.resize(4096, 0);
        assert_refused(&changed, Code::NotVersion2);
    }
}

/// `manifest.sha256` is held against bytes, before a line of TOML is read.
#[test]
fn the_manifest_is_hashed_before_it_is_parsed() {
    let mut forge = Forge::new(&small_draft(10));
    *forge.data("manifest.toml") = b"not a manifest".to_vec();
    assert_refused(&forge.bytes(), Code::ManifestDigestMismatch);
    assert_refused(&forge.seal_manifest().bytes(), Code::MissingKey);

    for line in [
        "{}  manifest.tomL\n",
        "{} *manifest.toml\n",
        "{}  manifest.toml\r",
    ] {
        let mut forge = Forge::new(&small_draft(10));
        let hex = Digest::of(forge.data("manifest.toml")).hex();
        *forge.data("manifest.sha256") = line.replace("{}", &hex).into_bytes();
        assert_refused(&forge.bytes(), Code::ManifestDigestMismatch);
    }
    let mut forge = Forge::new(&small_draft(10));
    forge.data("manifest.sha256").make_ascii_uppercase();
    assert_refused(&forge.bytes(), Code::ManifestDigestMismatch);
}

/// A signature that is not checked must not look as if it were. It is judged
/// before the manifest is parsed.
#[test]
fn signatures_are_refused_until_they_are_checked() {
    let signature = |path: &str, size: usize| {
        let mut forge = Forge::new(&small_draft(10)).edit("package_type", "nonsense");
        forge.parts.insert(2, (path.to_string(), vec![b's'; size]));
        forge.bytes()
    };
    let path = "signatures/0123456789ABCDEF.minisig";
    assert_refused(&signature(path, 300), Code::NotSupportedYet);
    assert_refused(&signature(path, 4096), Code::NotSupportedYet);
    // Not a signature entry: the manifest is judged first, then the header.
    for (path, size) in [
        (path, 0),
        (path, 4097),
        ("signatures/0123456789abcdef.minisig", 300),
        ("signatures/../../etc/passwd", 300),
    ] {
        assert_refused(&signature(path, size), Code::UnknownKey);
    }
    let mut forge = Forge::new(&small_draft(10));
    forge
        .parts
        .insert(2, ("signatures/x.minisig".to_string(), vec![1; 300]));
    assert_refused(&forge.bytes(), Code::HeaderNotCanonical);
}

/// A later format must be named as one, whatever else its manifest holds.
#[test]
fn versions_and_features_are_judged_before_the_rest() {
    let mut forge = Forge::new(&small_draft(10));
    *forge.data("manifest.toml") = b"format_version = 3\n\xff\xfe garbage".to_vec();
    let error = assert_refused(
        &forge.seal_manifest().bytes(),
        Code::FormatVersionUnsupported,
    );
    assert_eq!(
        (error.found.as_deref(), error.wanted.as_deref()),
        (Some("3"), Some("2"))
    );

    let mut forge = Forge::new(&small_draft(10));
    *forge.data("manifest.toml") =
        b"format_version = 2\nrequires = [\"base\", \"thin\"]\ngarbage".to_vec();
    let error = assert_refused(&forge.seal_manifest().bytes(), Code::FeatureRequired);
    assert_eq!(error.found.as_deref(), Some("base, thin"));
}

/// The time of the headers is the manifest's, or a package had two spellings.
#[test]
fn the_time_of_headers_is_the_manifests() {
    let mut forge = Forge::new(&draft());
    forge.mtime += 1;
    let error = assert_refused(&forge.bytes(), Code::HeaderNotCanonical);
    assert_eq!(error.place, "header of manifest.toml at byte 0");
}

/// Entries that are renamed, moved, lost or added under right digests.
#[test]
fn entries_must_be_the_manifests() {
    let whole = Forge::new(&draft());
    for position in 1..whole.parts.len() {
        let mut changed = whole.clone();
        changed.parts.remove(position);
        let error = read_all(&changed.bytes()).expect_err("an entry is missing");
        assert!(
            matches!(
                error.code,
                Code::HeaderNotCanonical | Code::EndNotZero | Code::Truncated
            ),
            "{error}"
        );
        let mut changed = whole.clone();
        changed.parts.swap(position - 1, position);
        assert!(read_all(&changed.bytes()).is_err());
        let mut changed = whole.clone();
        changed.parts[position].0.push('x');
        assert_refused(&changed.bytes(), Code::HeaderNotCanonical);
    }
    let mut changed = whole.clone();
    changed.parts.push(("files/zz".to_string(), b"zz".to_vec()));
    assert_refused(&changed.bytes(), Code::EndNotZero);
}

/// Padding and the end are no place to hide bytes.
#[test]
fn bytes_between_entries_are_refused() {
    let mut full = small_draft(10);
    full.files.push(file("f", b"f"));
    let bytes = package(&full);
    let mut position = 0;
    let mut paddings = 0;
    for (_, data) in &Forge::new(&full).parts {
        position += 512 + data.len();
        let padding = header::padding_len(data.len() as u64);
        if padding > 0 {
            for at in [position, position + padding - 1] {
                let mut changed = bytes.clone();
                changed[at] = 1;
                assert_refused(&changed, Code::PaddingNotZero);
            }
            paddings += 1;
        }
        position += padding;
    }
    assert!(paddings > 5);
    for at in [position, position + 511, position + 512, position + 1023] {
        let mut changed = bytes.clone();
        changed[at] = 1;
        assert_refused(&changed, Code::EndNotZero);
    }
}

/// The chunk table is held against the manifest before it is used.
#[test]
fn another_chunk_table_is_refused() {
    let mut forge = Forge::new(&small_draft(10));
    let table = forge.data("chunks.sha256");
    table.swap(0, 1);
    assert_refused(&forge.bytes(), Code::ChunkTableMismatch);
    // Signed off by the manifest, but it contradicts a one-chunk entry.
    assert_refused(&forge.seal_table().bytes(), Code::ChunkTableInconsistent);
}

/// A producer that changes a derived file and makes all tables fit is found by
/// the derivation, before any data is read.
#[test]
fn derived_files_are_derived() {
    for (name, from, to) in [
        ("oci-layout", "1.0.0", "1.0.1"),
        ("index.json", "caisson.local", "registry.test"),
        ("manifest.json", "caisson.local", "registry.test"),
    ] {
        let mut forge = Forge::new(&small_draft(10));
        let old = forge.data(name).clone();
        let new = String::from_utf8(old.clone()).unwrap().replace(from, to);
        assert_ne!(new.as_bytes(), &old[..]);
        let old_digest = Digest::of(&old).to_string();
        let new_digest = Digest::of(new.as_bytes()).to_string();
        let sizes =
            [old.len(), new.len()].map(|size| format!("path = \"{name}\"\nsize = {size}\n"));
        *forge.data(name) = new.into_bytes();
        let forge = forge
            .edit(&old_digest, &new_digest)
            .edit(&sizes[0], &sizes[1])
            .seal_chunks();
        assert_refused(&forge.bytes(), Code::DerivedMismatch);
    }
}

/// An entry of several chunks whose table is right and whose digest is not:
/// the quick pass trusts the table, the deep one finds the lie.
#[test]
fn the_deep_pass_finds_a_digest_that_lies() {
    let mut full = small_draft(10);
    full.files.push(file("big", &noise(6, (1 << 20) + 5)));
    let mut forge = Forge::new(&full);
    let right = Digest::of(forge.data("files/big")).to_string();
    let wrong = Digest::of(b"other").to_string();
    let bytes = forge.edit(&right, &wrong).bytes();
    assert!(read_all(&bytes).is_ok());
    let options = ReadOptions {
        check_digests: true,
        ..ReadOptions::default()
    };
    let error = read_with(&bytes, options).expect_err("the digest is wrong");
    assert_eq!(error.code, Code::EntryDigestMismatch);
}

/// No byte of a damaged chunk may be released, and every byte before it is.
#[test]
fn only_verified_chunks_are_released() {
    let mut full = small_draft(10);
    let chunk = usize::try_from(CHUNK_BYTES).unwrap();
    full.files.push(file("big", &noise(7, 3 * chunk + 100)));
    let bytes = package(&full);
    let start = bytes.len() - 1024 - (512 - 100) - 3 * chunk - 100;
    for (damaged, released) in [
        (0, 0),
        (chunk - 1, 0),
        (chunk, chunk),
        (3 * chunk - 1, 2 * chunk),
        (3 * chunk, 3 * chunk),
        (3 * chunk + 99, 3 * chunk),
        // The padding belongs to the last chunk.
        (3 * chunk + 100, 3 * chunk),
    ] {
        let mut changed = bytes.clone();
        changed[start + damaged] ^= 0x10;
        let mut reader = PackageReader::open(&changed[..], ReadOptions::default()).unwrap();
        while reader.next_entry().unwrap().unwrap().path != "files/big" {}
        let mut seen = Vec::new();
        let error = reader.entry_reader().read_to_end(&mut seen).unwrap_err();
        let error = PackageError::from_io(error, "big");
        let wanted = if damaged < 3 * chunk + 100 {
            Code::ChunkMismatch
        } else {
            Code::PaddingNotZero
        };
        assert_eq!((error.code, seen.len()), (wanted, released), "{damaged}");
        assert_eq!(seen, bytes[start..start + released]);
    }
}

/// A source that fails is told from a package that is bad.
#[test]
fn a_failing_source_is_not_a_bad_package() {
    struct Pulled<'a>(&'a [u8]);
    impl Read for Pulled<'_> {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            match self.0.read(buffer)? {
                0 => Err(io::Error::other("stick pulled")),
                count => Ok(count),
            }
        }
    }
    let bytes = package(&small_draft(10));
    for length in (0..bytes.len()).step_by(101) {
        let error = PackageReader::open(Pulled(&bytes[..length]), ReadOptions::default())
            .and_then(|mut reader| reader.verify_rest(&mut |_| {}))
            .expect_err("the source failed");
        assert!(error.is_io(), "{error}");
        assert_eq!(error.found.as_deref(), Some("stick pulled"));
    }
}

/// A file of zeros with a head and a tail, without holding the zeros.
struct Sparse {
    head: Vec<u8>,
    zeros: u64,
    tail: Vec<u8>,
    position: u64,
}

impl Read for Sparse {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let head = self.head.len() as u64;
        let from = |bytes: &[u8], offset: u64, buffer: &mut [u8]| {
            let offset = usize::try_from(offset).unwrap().min(bytes.len());
            (&bytes[offset..]).read(buffer)
        };
        let count = if self.position < head {
            from(&self.head, self.position, buffer)?
        } else if self.position < head + self.zeros {
            let left = head + self.zeros - self.position;
            let count = buffer
                .len()
                .min(usize::try_from(left).unwrap_or(usize::MAX));
            buffer[..count].fill(0);
            count
        } else {
            from(&self.tail, self.position - head - self.zeros, buffer)?
        };
        self.position += count as u64;
        Ok(count)
    }
}

impl Seek for Sparse {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let SeekFrom::Current(step) = to else {
            return Err(io::ErrorKind::Unsupported.into());
        };
        self.position = self.position.checked_add_signed(step).unwrap();
        Ok(self.position)
    }
}

/// An entry above eight GiB has three header blocks: what is before, in and
/// after it must be read and skipped to the byte.
#[test]
fn an_entry_above_the_octal_limit_is_read() {
    const SIZE: u64 = (9 << 30) + 77;
    let chunk = BlobDraft::from_bytes(vec![0; usize::try_from(CHUNK_BYTES).unwrap()]);
    let mut huge = file("huge", b"");
    huge.blob.sum.size = SIZE;
    huge.blob.sum.chunks = vec![chunk.sum.digest; 9 << 10];
    huge.blob.sum.chunks.push(Digest::of(&[0; 77]));
    let mut full = small_draft(10);
    full.files = vec![huge.clone(), file("tail", b"tail")];
    let manifest = full.manifest().unwrap();

    // The real package with the small file in the huge one's place gives the
    // parts around it.
    full.files = vec![file("huge", b""), file("tail", b"tail")];
    let mut forge = Forge::new(&full);
    *forge.data("manifest.toml") = manifest.emit().into_bytes();
    let mut rows = Vec::new();
    for (name, data) in &forge.parts[3..] {
        if name == "files/huge" {
            let chunks = huge.blob.sum.chunks.iter();
            rows.extend(chunks.flat_map(|row| *row.as_bytes()));
        } else {
            rows.extend_from_slice(Digest::of(data).as_bytes());
        }
    }
    *forge.data("chunks.sha256") = rows;
    let mut forge = forge.seal_manifest();
    let tail = forge.parts.pop().unwrap();
    forge.parts.pop();
    let mut head = forge.bytes();
    head.truncate(head.len() - 1024);
    head.extend(header::encode("files/huge", SIZE, 0));
    forge.parts = vec![tail];
    let sparse = Sparse {
        zeros: SIZE.next_multiple_of(512),
        position: 0,
        tail: forge.bytes(),
        head,
    };
    let size = sparse.head.len() as u64 + sparse.zeros + sparse.tail.len() as u64;
    let options = ReadOptions {
        file_size: Some(size),
        ..ReadOptions::default()
    };
    let mut reader = PackageReader::open(sparse, options).unwrap();
    assert_eq!(reader.manifest(), &manifest);
    while reader.next_entry().unwrap().unwrap().path != "files/huge" {}
    for _ in 0..3 {
        assert_eq!(reader.next_chunk().unwrap().unwrap().len(), 1 << 20);
    }
    reader.skip_entry().unwrap();
    assert_eq!(reader.next_entry().unwrap().unwrap().path, "files/tail");
    assert_eq!(reader.next_chunk().unwrap(), Some(&b"tail"[..]));
    assert_eq!(reader.next_entry().unwrap(), None);
    assert_eq!(reader.bytes_read(), size);
}
