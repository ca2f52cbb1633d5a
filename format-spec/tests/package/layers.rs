//! Layers: one frame, one size, one window, and a sink that never gets more.

use std::io::{self, BufReader, Write};

use edgepkg::Code;
use edgepkg::digest::Digest;
use edgepkg::layer::{DecodeError, DiffIdCheck, decode};
use edgepkg::manifest::Layer;
use edgepkg::reader::{PackageReader, ReadOptions};

use crate::support::{Random, noise, package, small_draft, zstd_frame};

fn described(packed: &[u8], unpacked: &[u8]) -> Layer {
    Layer {
        digest: Digest::of(packed),
        size: packed.len() as u64,
        diff_id: Digest::of(unpacked),
        diff_size: unpacked.len() as u64,
    }
}

/// Decodes and says what reached the sink.
fn decoded(packed: &[u8], layer: &Layer) -> (Result<(), Code>, Vec<u8>) {
    let mut sink = Vec::new();
    let mut last = 0;
    let result = decode(
        &mut { packed },
        layer,
        DiffIdCheck::Here,
        &mut sink,
        &mut |written| last = written,
    );
    assert_eq!(last, sink.len() as u64, "progress is what was written");
    assert!(sink.len() as u64 <= layer.diff_size, "never more");
    let result = result.map_err(|error| match error {
        DecodeError::Package(error) => error.code,
        DecodeError::Sink(error) => panic!("a vector takes all: {error}"),
    });
    (result, sink)
}

/// Every size around blocks and buffers, compressible or not, comes back whole
/// through buffers of any size.
#[test]
fn layers_come_back_whole() {
    let sizes = [1, 2, 17, 18, 19, 1024, 131_072, 262_144, 262_145, 1_500_000];
    for size in sizes {
        for unpacked in [noise(3, size), vec![7; size]] {
            let packed = zstd_frame(&unpacked);
            let layer = described(&packed, &unpacked);
            assert_eq!(decoded(&packed, &layer), (Ok(()), unpacked.clone()));
            for capacity in [1, 7, 4096] {
                let mut slow = BufReader::with_capacity(capacity, &packed[..]);
                let mut sink = Vec::new();
                decode(
                    &mut slow,
                    &layer,
                    DiffIdCheck::Elsewhere,
                    &mut sink,
                    &mut |_| {},
                )
                .unwrap();
                assert!(sink == unpacked, "size {size}, capacity {capacity}");
            }
        }
    }
}

/// A layer straight out of a package, as the device reads it.
#[test]
fn a_layer_is_decoded_from_the_package_reader() {
    let bytes = package(&small_draft(3_000_000));
    let mut reader = PackageReader::open(&bytes[..], ReadOptions::default()).unwrap();
    let layer = reader.manifest().images[0].layers[0].clone();
    while reader.next_entry().unwrap().unwrap().sha256 != layer.digest {}
    let mut sink = Vec::new();
    decode(
        &mut reader.entry_reader(),
        &layer,
        DiffIdCheck::Here,
        &mut sink,
        &mut |_| {},
    )
    .unwrap();
    assert!(sink == noise(9, 3_000_000));
    assert!(reader.next_entry().unwrap().is_none());
}

/// Damage that the reader finds below the decoder keeps the reader's code.
#[test]
fn an_error_of_the_reader_comes_through_the_decoder() {
    let mut bytes = package(&small_draft(3_000_000));
    let position = bytes.len() - 2048;
    bytes[position] ^= 1;
    let mut reader = PackageReader::open(&bytes[..], ReadOptions::default()).unwrap();
    let layer = reader.manifest().images[0].layers[0].clone();
    while reader.next_entry().unwrap().unwrap().sha256 != layer.digest {}
    let error = decode(
        &mut reader.entry_reader(),
        &layer,
        DiffIdCheck::Here,
        &mut io::sink(),
        &mut |_| {},
    )
    .unwrap_err();
    assert!(
        matches!(&error, DecodeError::Package(error) if error.code == Code::ChunkMismatch),
        "{error}"
    );
}

/// An engine that hangs up is not a bad package.
#[test]
fn an_error_of_the_sink_stays_its_own() {
    struct Closed;
    impl Write for Closed {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(io::ErrorKind::BrokenPipe.into())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    let packed = zstd_frame(b"abc");
    let layer = described(&packed, b"abc");
    let error = decode(
        &mut &packed[..],
        &layer,
        DiffIdCheck::Here,
        &mut Closed,
        &mut |_| {},
    )
    .unwrap_err();
    assert!(matches!(error, DecodeError::Sink(error) if error.kind() == io::ErrorKind::BrokenPipe));
}

fn encoder_frame(
    unpacked: &[u8],
    set: impl FnOnce(&mut zstd::stream::Encoder<'static, Vec<u8>>) -> io::Result<()>,
) -> Vec<u8> {
    let mut encoder = zstd::stream::Encoder::new(Vec::new(), 3).unwrap();
    set(&mut encoder).unwrap();
    encoder.write_all(unpacked).unwrap();
    encoder.finish().unwrap()
}

/// Frames of another form are refused by their header: nothing is decoded.
#[test]
fn frames_of_another_form_are_refused_before_decoding() {
    let unpacked = noise(4, 5000);
    let good = zstd_frame(&unpacked);
    let layer = described(&good, &unpacked);
    let refused = |packed: &[u8]| {
        assert_eq!(
            decoded(packed, &layer),
            (Err(Code::LayerFrameRefused), Vec::new())
        );
    };
    refused(b"");
    refused(&good[..4]);
    refused(&unpacked);
    // gzip, a skippable frame, an old format of zstd.
    refused(b"\x1f\x8b\x08\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0");
    refused(&[&b"\x50\x2a\x4d\x18\x04\0\0\0abcd"[..], &good].concat());
    refused(b"\x27\xb5\x2f\xfd\0\0\0\0\0\0\0\0\0\0\0\0\0\0");
    // No content size: written without knowing the length.
    refused(&encoder_frame(&unpacked, |_| Ok(())));
    // The reserved bit.
    let mut reserved = good.clone();
    reserved[4] |= 8;
    refused(&reserved);
    // Another content size than the manifest's.
    refused(&zstd_frame(&unpacked[1..]));
    // A dictionary: the flag and one byte with its number.
    let mut dictionary = good.clone();
    dictionary[4] |= 1;
    dictionary.insert(if good[4] & 0x20 == 0 { 6 } else { 5 }, 77);
    refused(&dictionary);
}

/// A window that does not fit the memory budget is refused, the largest that
/// does is taken.
#[test]
fn windows_above_four_mib_are_refused() {
    let unpacked = noise(5, 9 << 20);
    let frame = |log: u32| {
        encoder_frame(&unpacked, |encoder| {
            encoder.set_pledged_src_size(Some(9 << 20))?;
            encoder.window_log(log)?;
            encoder.long_distance_matching(false)
        })
    };
    let good = frame(22);
    assert_eq!(decoded(&good, &described(&good, &unpacked)).0, Ok(()));
    let bad = frame(23);
    assert_eq!(
        decoded(&bad, &described(&bad, &unpacked)),
        (Err(Code::LayerFrameRefused), Vec::new())
    );
    // A window of 2^41 bytes in the header of nothing.
    let mut bomb = b"\x28\xb5\x2f\xfd\xc0\xff".to_vec();
    bomb.extend(u64::MAX.to_le_bytes());
    let mut layer = described(&bomb, b"x");
    layer.diff_size = u64::MAX;
    assert_eq!(
        decoded(&bomb, &layer),
        (Err(Code::LayerFrameRefused), Vec::new())
    );
}

/// A frame that lies about its size, ends early, or unpacks to more.
#[test]
fn frames_that_lie_are_damaged() {
    let unpacked = noise(6, 300_000);
    let packed = zstd_frame(&unpacked);
    let layer = described(&packed, &unpacked);
    for length in [19, 1000, packed.len() - 1] {
        assert_eq!(
            decoded(&packed[..length], &layer).0,
            Err(Code::LayerDamaged),
            "cut at {length}"
        );
    }
    // The content size field says less, or more, than what is inside.
    assert_eq!(packed[4] >> 6, 2, "a content size of four bytes");
    let field = if packed[4] & 0x20 == 0 { 6 } else { 5 };
    for size in [299_999_u32, 300_001, 1_000_000, 131_072] {
        let mut lying = packed.clone();
        lying[field..field + 4].copy_from_slice(&size.to_le_bytes());
        let mut described = described(&lying, &unpacked);
        described.diff_size = u64::from(size);
        assert_eq!(
            decoded(&lying, &described).0,
            Err(Code::LayerDamaged),
            "{size}"
        );
    }
}

/// A frame that goes on after the size it promised, with a window so small
/// that the decoder library hands out blocks beyond it: the sink must not see
/// them.
#[test]
fn a_frame_that_goes_on_gives_no_byte_more() {
    let unpacked = noise(8, 2_000_000);
    let mut lying = encoder_frame(&unpacked, |encoder| {
        encoder.set_pledged_src_size(Some(2_000_000))?;
        encoder.window_log(17)
    });
    assert_eq!(lying[4], 0x80, "a window, and a content size of four bytes");
    lying[6..10].copy_from_slice(&1_000_000_u32.to_le_bytes());
    let mut layer = described(&lying, &unpacked);
    layer.diff_size = 1_000_000;
    let (result, sink) = decoded(&lying, &layer);
    assert_eq!(result, Err(Code::LayerDamaged));
    assert!(!sink.is_empty() && sink == unpacked[..sink.len()]);
}

/// Whatever follows the frame is a second content: refused.
#[test]
fn bytes_after_the_frame_are_refused() {
    for size in [3, 5000] {
        let unpacked = noise(7, size);
        let packed = zstd_frame(&unpacked);
        let layer = described(&packed, &unpacked);
        for extra in [&b"\0"[..], &packed, b"\x50\x2a\x4d\x18\0\0\0\0"] {
            let long = [&packed, extra].concat();
            assert_eq!(
                decoded(&long, &layer).0,
                Err(Code::LayerTrailingBytes),
                "{size}"
            );
        }
    }
}

/// The unpacked bytes are hashed only if asked for, and then held against
/// `diff_id`.
#[test]
fn another_diff_id_is_found_where_it_is_checked() {
    let packed = zstd_frame(b"abc");
    let mut layer = described(&packed, b"abc");
    layer.diff_id = Digest::of(b"abd");
    assert_eq!(decoded(&packed, &layer).0, Err(Code::LayerDigestMismatch));
    let mut sink = Vec::new();
    decode(
        &mut &packed[..],
        &layer,
        DiffIdCheck::Elsewhere,
        &mut sink,
        &mut |_| {},
    )
    .unwrap();
    assert_eq!(sink, b"abc");
}

/// Random damage to a frame: an error or the very same bytes (zstd has no
/// checksum by default), never a panic and never more than `diff_size`.
#[test]
fn damaged_frames_never_panic_and_never_give_more() {
    let unpacked: Vec<u8> = (0..20_000_u32)
        .flat_map(|number| (number / 7).to_le_bytes())
        .collect();
    let packed = zstd_frame(&unpacked);
    let layer = described(&packed, &unpacked);
    for seed in 0..2000 {
        let mut random = Random::new(seed);
        let mut changed = packed.clone();
        for _ in 0..=random.below(4) {
            let at = usize::try_from(random.below(changed.len() as u64)).unwrap();
            changed[at] ^= 1 << random.below(8);
        }
        let (result, sink) = decoded(&changed, &layer);
        assert!(
            result.is_err() || sink == unpacked,
            "seed {seed}: other bytes pass as the layer"
        );
    }
}
