//! Damage on the way: flipped bits, lost ends, bytes too many, moved blocks.

use edgepkg::Code;
use edgepkg::reader::{PackageReader, ReadOptions};

use crate::support::{Random, draft, package, read_all, read_with, small_draft};

/// One bit on a bad stick decides over a device: every single bit of a whole
/// package, headers, padding and end included, must be noticed.
#[test]
fn every_flipped_bit_is_refused() {
    let bytes = package(&small_draft(300));
    let work: Vec<usize> = (0..bytes.len()).collect();
    let halves = work.split_at(work.len() / 2);
    std::thread::scope(|scope| {
        for half in [halves.0, halves.1] {
            let mut copy = bytes.clone();
            scope.spawn(move || {
                for &position in half {
                    for bit in 0..8 {
                        copy[position] ^= 1 << bit;
                        assert!(read_all(&copy).is_err(), "byte {position}, bit {bit}");
                        copy[position] ^= 1 << bit;
                    }
                }
                assert!(read_all(&copy).is_ok());
            });
        }
    });
}

/// The same over a package with everything in it: one bit at each of 4000
/// places.
#[test]
fn flipped_bits_of_a_full_package_are_refused() {
    let mut bytes = package(&draft());
    let mut random = Random::new(1);
    for _ in 0..4000 {
        let position = usize::try_from(random.below(bytes.len() as u64)).unwrap();
        let bit = 1 << random.below(8);
        bytes[position] ^= bit;
        assert!(read_all(&bytes).is_err(), "byte {position}, mask {bit}");
        bytes[position] ^= bit;
    }
    assert!(read_all(&bytes).is_ok());
}

/// A copy that stopped early must be called that, at every length, whether or
/// not the size of the file is known beforehand.
#[test]
fn every_lost_end_is_truncation() {
    let bytes = package(&small_draft(300));
    for length in 0..bytes.len() {
        let cut = &bytes[..length];
        let unknown = read_all(cut).expect_err("a cut package");
        assert_eq!(unknown.code, Code::Truncated, "cut at {length}: {unknown}");
        let options = ReadOptions {
            file_size: Some(length as u64),
            part_size: None,
            check_digests: true,
        };
        let known = read_with(cut, options).expect_err("a cut package");
        assert_eq!(known.code, Code::Truncated, "cut at {length}: {known}");
    }
}

/// Bytes after the end are a second content that nobody checked: refused,
/// zeros too, since a package has one length.
#[test]
fn bytes_too_many_are_refused() {
    let bytes = package(&small_draft(100));
    for extra in [&b"\0"[..], b"x", &[0; 512], &[0; 8704], &bytes] {
        let long = [&bytes, extra].concat();
        let unknown = read_all(&long).expect_err("a long package");
        assert_eq!(unknown.code, Code::TrailingBytes, "{unknown}");
        let options = ReadOptions {
            file_size: Some(long.len() as u64),
            part_size: None,
            check_digests: false,
        };
        let known = read_with(&long, options).expect_err("a long package");
        assert_eq!(known.code, Code::TrailingBytes, "{known}");
    }
}

/// Where the file's size is known, a wrong one is found before data is read,
/// so that nobody waits for gigabytes to learn it.
#[test]
fn a_known_size_is_judged_at_once() {
    let bytes = package(&small_draft(300));
    let size = bytes.len() as u64;
    let open = |file_size| {
        let options = ReadOptions {
            file_size: Some(file_size),
            part_size: None,
            check_digests: false,
        };
        PackageReader::open(&bytes[..], options)
            .map(|reader| reader.file_bytes())
            .map_err(|error| error.code)
    };
    assert_eq!(open(size), Ok(size));
    assert_eq!(open(size - 1), Err(Code::Truncated));
    assert_eq!(open(0), Err(Code::Truncated));
    assert_eq!(open(size + 1), Err(Code::TrailingBytes));
    assert_eq!(open(u64::MAX), Err(Code::TrailingBytes));
}

/// Blocks that are swapped, lost, doubled or overwritten: no other bytes than
/// the package's own may pass, and nothing may panic.
#[test]
fn moved_blocks_and_random_bytes_are_refused() {
    let bytes = package(&draft());
    for seed in 0..3000 {
        let mut random = Random::new(seed);
        let mut changed = bytes.clone();
        for _ in 0..=random.below(3) {
            mutate(&mut changed, &mut random);
        }
        if changed != bytes {
            assert!(read_all(&changed).is_err(), "seed {seed}");
        }
    }
}

fn mutate(bytes: &mut Vec<u8>, random: &mut Random) {
    let blocks = bytes.len() as u64 / 512;
    if blocks < 4 {
        return;
    }
    let mut block = || usize::try_from(random.below(blocks)).unwrap() * 512;
    let (one, other) = (block(), block());
    match random.below(6) {
        0 => {
            let (low, high) = (one.min(other), one.max(other));
            let (front, back) = bytes.split_at_mut(high);
            if low < high {
                front[low..low + 512].swap_with_slice(&mut back[..512]);
            }
        }
        1 => drop(bytes.drain(one..one + 512)),
        2 => {
            let copy = bytes[one..one + 512].to_vec();
            bytes.splice(other..other, copy);
        }
        3 => bytes[one..one + 512].fill(0),
        4 => {
            let at = one + usize::try_from(random.below(512)).unwrap();
            bytes[at] = random.next().to_le_bytes()[0];
        }
        _ => {
            let at = one + usize::try_from(random.below(512)).unwrap();
            bytes.remove(at);
        }
    }
}

/// Bytes that have nothing to do with a package: a code, never a panic.
#[test]
fn other_files_are_not_version_2() {
    for (bytes, found) in [
        (b"\x1f\x8b\x08".to_vec(), "a gzip file"),
        (b"PK\x03\x04".to_vec(), "a zip file"),
        (b"\x28\xb5\x2f\xfd".to_vec(), "a zstd file"),
        (Vec::new(), "zeros"),
    ] {
        let mut block = bytes;
        block.resize(2048, 0);
        let error = read_all(&block).expect_err("not a package");
        assert_eq!(error.code, Code::NotVersion2);
        assert_eq!(error.found.as_deref(), Some(found));
    }
    let mut builder = tar::Builder::new(Vec::new());
    let mut header = tar::Header::new_gnu();
    header.set_size(4);
    header.set_cksum();
    builder
        .append_data(&mut header, "image.tar", &b"data"[..])
        .unwrap();
    let error = read_all(&builder.into_inner().unwrap()).expect_err("not a package");
    assert_eq!(error.code, Code::NotVersion2);
    assert_eq!(error.found.as_deref(), Some("the tar header of image.tar"));
    for seed in 0..200 {
        let mut random = Random::new(seed);
        let size = usize::try_from(random.below(3000)).unwrap();
        let error = read_all(&crate::support::noise(seed, size)).expect_err("noise");
        assert!(matches!(error.code, Code::NotVersion2 | Code::Truncated));
    }
}
