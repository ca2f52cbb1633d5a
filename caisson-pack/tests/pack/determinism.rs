//! The same inputs give the same bytes, wherever and however they are packed.

use edgepkg::Digest;

use crate::archive::{Layout, Stored, TestArchive, TestImage, half_random, layer_of};
use crate::program::{Desk, Ran, SIMPLE};

/// An image with a layer of several compression jobs and one below a job.
fn larger_image() -> TestImage {
    let mut image = TestImage::named("web:1.1.0");
    image.layers.push(layer_of("data", &half_random(20 << 20)));
    image.layers.push(layer_of("more", &half_random(300_000)));
    image
}

/// Surroundings that must not show: threads, folder, time zone, locale, umask,
/// home, the name of the output.
#[test]
fn surroundings_do_not_show() {
    let desk = Desk::new();
    let archive = TestArchive::of(&[larger_image()], Layout::Old, Stored::Plain);
    desk.write_archive("web.tar", &archive);
    let gzipped = TestArchive::of(&[larger_image()], Layout::Blobs, Stored::Gzip);
    desk.write_archive("gzipped.tar", &gzipped);
    std::fs::create_dir(desk.path("sub")).expect("a folder");
    let source = desk.path("web.tar").display().to_string();
    let gzipped = desk.path("gzipped.tar").display().to_string();
    let mut digests = Vec::new();
    for (number, (script, source)) in [
        ("$P --threads 1", &source),
        ("$P --threads 2", &source),
        ("$P --threads 7", &source),
        ("cd sub; umask 077; TZ=Asia/Tokyo $P", &source),
        (
            "umask 0; LC_ALL=tr_TR.UTF-8 LANG=C HOME=/nonexistent $P --threads 3",
            &source,
        ),
        ("env -i $P", &source),
        ("$P --threads 5", &gzipped),
    ]
    .into_iter()
    .enumerate()
    {
        let output = desk.path(&format!("{number}.edgepkg"));
        let build = format!(
            "{} build {SIMPLE} --image docker-archive:{source} -o {} --level 3",
            env!("CARGO_BIN_EXE_caisson-pack"),
            output.display()
        );
        let ran = std::process::Command::new("sh")
            .current_dir(desk.folder())
            .env_remove("SOURCE_DATE_EPOCH")
            .args(["-c", &script.replace("$P", &build)])
            .output();
        Ran::of(&ran.expect("sh starts")).succeeded();
        digests.push(Digest::of(&std::fs::read(output).expect("a package")));
    }
    for digest in &digests[1..] {
        assert_eq!(*digest, digests[0]);
    }
}

/// A new libzstd, a changed setting or a changed format would change the bytes of
/// packages that are already signed and out. That may be meant; then these
/// digests change in the same commit, with a line in the change log.
#[test]
fn known_packages_keep_their_bytes() {
    let desk = Desk::new();
    let archive = TestArchive::of(&[larger_image()], Layout::Old, Stored::Plain);
    desk.write_archive("web.tar", &archive);
    let digest = |more: &str| {
        let more = format!("-o x.edgepkg --force {more}");
        desk.build("docker-archive:web.tar", &more).succeeded();
        Digest::of(&desk.read("x.edgepkg")).to_string()
    };
    assert_eq!(digest(""), PINNED_DEFAULT);
    assert_eq!(digest("--level 1 --release 3 --note a=b"), PINNED_FAST);
}

const PINNED_DEFAULT: &str =
    "sha256:ba7947eecf2f70783bf31ceec4a442aab939e203fca868a6be1141226154be1f";
const PINNED_FAST: &str = "sha256:22f10969dfe2059981148c8b708b7a0433f1df3f4cfa26892982ed8a43b2e437";
