//! Archives that are damaged or made to do harm. Each must be refused with its
//! own code, and leave nothing.

use edgepkg::Digest;

use crate::archive::{Item, Layout, Stored, TestArchive, TestImage};
use crate::program::Desk;

mod entries;
mod images;
mod layouts;

/// What is wrong, how a sound archive is bent, and the code that must come.
type Case = (&'static str, fn(&mut TestArchive), &'static str);

fn gzip(data: &[u8]) -> Vec<u8> {
    use std::io::Write as _;
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(data).expect("memory");
    encoder.finish().expect("memory")
}

/// An archive that gets through, or fails with another word than its own, would
/// show as a wrong code; a file left behind would show in the folder.
#[test]
fn each_bent_archive_is_refused_with_its_code() {
    let desk = Desk::new();
    for (name, bend, code) in entries::CASES.iter().chain(images::CASES) {
        let mut archive = TestArchive::simple();
        bend(&mut archive);
        desk.write_archive("web.tar", &archive);
        let ran = desk.build("docker-archive:web.tar", "-o x.edgepkg");
        assert!(
            ran.stderr.starts_with(&format!("error[{code}]: ")),
            "{name}: {ran:?}"
        );
        assert_eq!(ran.status, 10, "{name}: {ran:?}");
        assert!(ran.stderr.contains("web.tar"), "{name}: {ran:?}");
        assert_eq!(desk.names(), ["web.tar"], "{name}");
    }
}

/// In the newer layout the names of layers are digests too: stored bytes that
/// are others must be found even where they unpack to the right ones.
#[test]
fn stored_layers_have_the_digest_that_names_them() {
    let desk = Desk::new();
    let image = TestImage::named("web:1.1.0");
    for stored in [Stored::Plain, Stored::Gzip] {
        let mut archive = TestArchive::of(std::slice::from_ref(&image), Layout::Blobs, stored);
        let wrong = Digest::of(b"wrong").hex();
        let right = archive.0[1]
            .path
            .rsplit('/')
            .next()
            .expect("a name")
            .to_owned();
        archive.0[1].path = format!("blobs/sha256/{wrong}");
        archive.edit_manifest(&right, &wrong);
        desk.write_archive("web.tar", &archive);
        desk.build("docker-archive:web.tar", "-o x.edgepkg")
            .refused("source.blob_digest_mismatch", 10);
    }
}

/// Cut anywhere, an archive must not become a smaller image.
#[test]
fn a_cut_archive_is_refused_at_every_length() {
    let desk = Desk::new();
    let whole = TestArchive::simple().bytes();
    for length in (0..whole.len() - 1024).step_by(177) {
        desk.write("web.tar", &whole[..length]);
        let ran = desk.build("docker-archive:web.tar", "-o x.edgepkg");
        let code = if length < 512 {
            "source.not_a_tar"
        } else {
            "source.truncated"
        };
        assert!(
            ran.stderr.starts_with(&format!("error[{code}]")),
            "{length}: {ran:?}"
        );
        assert_eq!(desk.names(), ["web.tar"], "{length}");
    }
}

/// A file that is no tar at all deserves a plain word.
#[test]
fn other_files_are_told_apart() {
    let desk = Desk::new();
    let whole = TestArchive::simple().bytes();
    for (name, bytes, code) in [
        ("bzip2", b"BZh91AY&SY".to_vec(), "source.compressed"),
        (
            "half a gzip",
            gzip(&whole)[..300].to_vec(),
            "source.compressed",
        ),
        ("text", vec![b'x'; 2000], "source.not_a_tar"),
        ("zeros", vec![0; 2000], "source.manifest_missing"),
        (
            "a bad check sum",
            {
                let mut bytes = whole.clone();
                bytes[0] ^= 1;
                bytes
            },
            "source.not_a_tar",
        ),
    ] {
        desk.write("web.tar", bytes);
        let ran = desk.build("docker-archive:web.tar", "-o x.edgepkg");
        assert!(
            ran.stderr.starts_with(&format!("error[{code}]")),
            "{name}: {ran:?}"
        );
    }
}

/// What honest tools write must pass: folders, `./` before names, old folders,
/// long names, unknown pax keys, files nobody names.
#[test]
fn odd_but_honest_archives_pass() {
    let desk = Desk::new();
    let mut archive = TestArchive::simple();
    for item in &mut archive.0 {
        item.path.insert_str(0, "./");
    }
    let folder = |path: &str| Item {
        kind: tar::EntryType::Directory,
        ..Item::file(path, b"")
    };
    archive.0.insert(0, folder("./"));
    archive.0.insert(1, folder("./a"));
    archive.0.insert(2, folder("./a/"));
    archive.0.insert(3, Item::file("repositories", b"{}"));
    archive.0.insert(
        4,
        Item {
            kind: tar::EntryType::XGlobalHeader,
            ..Item::file("g", b"14 comment=ab\n")
        },
    );
    let long = format!("{}\0", "long/".repeat(50));
    archive.0.insert(
        5,
        Item {
            kind: tar::EntryType::GNULongName,
            ..Item::file("././@LongLink", long.as_bytes())
        },
    );
    archive.0.insert(6, Item::file("long", b"data"));
    desk.write_archive("web.tar", &archive);
    desk.build("docker-archive:web.tar", "-o odd.edgepkg")
        .succeeded();
    desk.write_archive("web.tar", &TestArchive::simple());
    desk.build("docker-archive:web.tar", "-o plain.edgepkg")
        .succeeded();
    assert_eq!(desk.read("odd.edgepkg"), desk.read("plain.edgepkg"));
}
