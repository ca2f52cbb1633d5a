//! Each code can happen, means what it says, and is explained.

use std::io;

use edgepkg::digest::Digest;
use edgepkg::layer::{DecodeError, DiffIdCheck, decode};
use edgepkg::manifest::Layer;
use edgepkg::reader::{PackageReader, ReadOptions};
use edgepkg::{Code, PackageError, limits};

use crate::forge::Forge;
use crate::parts::refused_parts;
use crate::support::{draft, file, noise, package, read_all, read_with, small_draft, zstd_frame};

/// A new code without an example does not compile; one whose example gives
/// another code fails.
#[test]
fn every_code_happens() {
    for code in Code::ALL {
        let error = example(*code);
        assert_eq!(error.code, *code, "{error}");
        assert!(!error.what.is_empty() && !error.place.is_empty());
    }
}

/// A code that nobody explained leaves a person alone with it.
#[test]
fn every_code_is_explained() {
    let explained = include_str!("../../ERRORS.md");
    for code in Code::ALL {
        let heading = format!("### `{code}`\n");
        assert_eq!(explained.matches(&heading).count(), 1, "{code}");
    }
    // The tools have codes in these areas, too; each tool's own tests see to them.
    let ours = explained
        .split("\n## Codes of the build tool")
        .next()
        .expect("a first part");
    for heading in ours.lines().filter(|line| line.starts_with("### `")) {
        let text = heading.trim_start_matches("### `").trim_end_matches('`');
        if text.starts_with("pkg.") || text.starts_with("manifest.") {
            let known = Code::ALL.iter().any(|code| code.as_str() == text);
            assert!(known, "ERRORS.md explains {text}, which nothing reports");
        }
    }
}

/// A limit that SPEC gives another number than the code is no contract.
#[test]
fn the_limits_of_the_spec_are_those_of_the_code() {
    let spec = include_str!("../../SPEC.md");
    for (name, value) in [
        ("MANIFEST_BYTES_MAX", limits::MANIFEST_BYTES_MAX),
        ("SIGNATURES_MAX", limits::SIGNATURES_MAX as u64),
        ("SIGNATURE_BYTES_MAX", limits::SIGNATURE_BYTES_MAX),
        ("CHUNK_BYTES", limits::CHUNK_BYTES),
        ("CHUNK_TABLE_BYTES_MAX", limits::CHUNK_TABLE_BYTES_MAX),
        ("ENTRIES_MAX", limits::ENTRIES_MAX as u64),
        ("IMAGES_MAX", limits::IMAGES_MAX as u64),
        ("SERVICES_MAX", limits::SERVICES_MAX as u64),
        ("LAYERS_MAX", limits::LAYERS_MAX as u64),
        ("CONFIG_BYTES_MAX", limits::CONFIG_BYTES_MAX),
        ("DIFF_BYTES_TOTAL_MAX", limits::DIFF_BYTES_TOTAL_MAX),
        (
            "ZSTD_WINDOW_LOG_MAX",
            u64::from(limits::ZSTD_WINDOW_LOG_MAX),
        ),
        ("INTEGER_MAX", limits::INTEGER_MAX),
        ("USTAR_SIZE_MAX", limits::USTAR_SIZE_MAX),
        ("MTIME_MAX", limits::MTIME_MAX),
        ("FILE_NAME_MAX", limits::FILE_NAME_MAX as u64),
        ("SERVICE_NAME_MAX", limits::SERVICE_NAME_MAX as u64),
        ("SERVICE_REVISION_MAX", limits::SERVICE_REVISION_MAX as u64),
        ("REFERENCE_MAX", limits::REFERENCE_MAX as u64),
        ("TAG_MAX", limits::TAG_MAX as u64),
        ("PLATFORM_MAX", limits::PLATFORM_MAX as u64),
        ("VERSION_MAX", limits::VERSION_MAX as u64),
        ("REQUIRES_MAX", limits::REQUIRES_MAX as u64),
        ("FEATURE_NAME_MAX", limits::FEATURE_NAME_MAX as u64),
        ("NOTES_MAX", limits::NOTES_MAX as u64),
        ("NOTE_KEY_MAX", limits::NOTE_KEY_MAX as u64),
        ("NOTE_VALUE_MAX", limits::NOTE_VALUE_MAX as u64),
        ("PARTS_MAX", u64::from(limits::PARTS_MAX)),
    ] {
        let row = format!("| `{name}` | {value} |");
        assert!(spec.contains(&row), "SPEC.md has no row {row}");
    }
    let constants = include_str!("../../src/limits.rs")
        .matches("pub const ")
        .count();
    assert_eq!(constants, 28, "a limit is missing in the list above");
}

/// One package per code. There is no `_` arm on purpose.
fn example(code: Code) -> PackageError {
    let small = || Forge::new(&small_draft(10));
    let changed = |change: fn(&mut Forge)| {
        let mut forge = small();
        change(&mut forge);
        refused(&forge.bytes())
    };
    let edited = |from: &str, to: &str| refused(&small().edit(from, to).bytes());
    match code {
        Code::ReadFailed => failing_source(),
        Code::Truncated => refused(&package(&small_draft(10))[..5000]),
        Code::NotVersion2 => refused(&[b'x'; 512]),
        Code::HeaderNotCanonical => changed(|forge| forge.parts[4].0.push('x')),
        Code::PaddingNotZero => flipped(small().parts[0].1.len() + 512),
        Code::ManifestSize => changed(|forge| forge.data("manifest.toml").clear()),
        Code::ManifestDigestMismatch => flipped(600),
        Code::NotSupportedYet => {
            let mut forge = small();
            let path = "signatures/0123456789ABCDEF.minisig".to_string();
            forge.parts.insert(2, (path, b"signature".to_vec()));
            refused(&forge.bytes())
        }
        Code::FormatVersionUnsupported => edited("format_version = 2", "format_version = 1"),
        Code::FeatureRequired => edited("requires = []", "requires = [\"thin\"]"),
        Code::PackageTypeUnsupported => edited("\"service\"\n", "\"trust\"\n"),
        Code::ChunkTableMismatch => changed(|forge| forge.data("chunks.sha256")[0] ^= 1),
        Code::ChunkTableInconsistent => {
            let mut forge = small();
            forge.data("chunks.sha256")[0] ^= 1;
            refused(&forge.seal_table().bytes())
        }
        Code::ChunkMismatch => changed(|forge| forge.data("oci-layout")[0] ^= 1),
        Code::EntryDigestMismatch => lying_digest(),
        Code::EndNotZero => flipped(package(&small_draft(10)).len() - 1),
        Code::TrailingBytes => refused(&[&package(&small_draft(10)), &b"x"[..]].concat()),
        Code::PartName => refused_parts("x.edgepkg.002", &[]),
        Code::PartSize => refused_parts("x.edgepkg.001", &[3000, 2999, 3000]),
        Code::PartMissing => refused_parts("x.edgepkg.001", &[3000, 3000]),
        Code::PartSurplus => refused_parts("x.edgepkg.001", &[8000, 8000, 8000]),
        Code::LayerFrameRefused => undecoded(&zstd_frame(b"abcd"), b"abc"),
        Code::LayerDamaged => {
            let frame = zstd_frame(&noise(1, 1000));
            undecoded(&frame[..500], &noise(1, 1000))
        }
        Code::LayerTrailingBytes => undecoded(&[&zstd_frame(b"abc"), &b"x"[..]].concat(), b"abc"),
        Code::LayerDigestMismatch => undecoded(&zstd_frame(b"abd"), b"abc"),
        Code::NotCanonical => edited("\n[chunks]", "# end\n[chunks]"),
        Code::UnknownKey => edited("package_type", "packagetype"),
        Code::MissingKey => edited("package_type = \"service\"\n", ""),
        Code::BadValue => edited("mtime = 0", "mtime = never"),
        Code::LimitExceeded => edited("mtime = 0", "mtime = 8589934592"),
        Code::Duplicate => edited(
            "\n[[images]]",
            "\n[[services]]\nservice = \"web\"\nservice_revision = \"r\"\nimage = \"web:1\"\n\n[[images]]",
        ),
        Code::Inconsistent => edited("image = \"web:1\"", "image = \"web:2\""),
        Code::EntriesMismatch => edited("\"oci-layout\"", "\"oci-layouts\""),
        Code::DerivedMismatch => {
            let engine_manifest = small_draft(10).manifest().unwrap().images[0].engine_manifest;
            let other = Digest::of(b"other");
            edited(&engine_manifest.to_string(), &other.to_string())
        }
    }
}

fn refused(bytes: &[u8]) -> PackageError {
    read_all(bytes).expect_err("the package must be refused")
}

fn flipped(position: usize) -> PackageError {
    let mut bytes = package(&small_draft(10));
    bytes[position] ^= 1;
    refused(&bytes)
}

fn failing_source() -> PackageError {
    #[derive(Debug)]
    struct Failing;
    impl io::Read for Failing {
        fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
            Err(io::Error::other("no medium"))
        }
    }
    PackageReader::open(Failing, ReadOptions::default()).expect_err("the source fails")
}

fn lying_digest() -> PackageError {
    let mut full = draft();
    full.files = vec![file("big", &noise(6, (1 << 20) + 5))];
    let mut forge = Forge::new(&full);
    let right = Digest::of(forge.data("files/big")).to_string();
    let forge = forge.edit(&right, &Digest::of(b"other").to_string());
    let options = ReadOptions {
        file_size: None,
        part_size: None,
        check_digests: true,
    };
    read_with(&forge.bytes(), options).expect_err("the digest lies")
}

fn undecoded(packed: &[u8], unpacked: &[u8]) -> PackageError {
    let layer = Layer {
        digest: Digest::of(packed),
        size: packed.len() as u64,
        diff_id: Digest::of(unpacked),
        diff_size: unpacked.len() as u64,
    };
    let result = decode(
        &mut { packed },
        &layer,
        DiffIdCheck::Here,
        &mut io::sink(),
        &mut |_| {},
    );
    match result.expect_err("the layer must be refused") {
        DecodeError::Package(error) => error,
        DecodeError::Sink(error) => panic!("the sink takes all: {error}"),
    }
}
