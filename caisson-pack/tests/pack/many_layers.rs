//! Many layers at the same time: the bytes, the errors and the memory of a build
//! must not show which of them was quicker.

use std::io::Write as _;

use edgepkg::Digest;

use crate::archive::{Layout, Stored, TestArchive, TestImage, half_random, layer_of};
use crate::program::Desk;

/// Thirty layers below a compression job, and one of several jobs among them.
fn many_layers() -> TestImage {
    let mut image = TestImage::named("web:1.1.0");
    for number in 0..30 {
        let data = half_random(20_000 + number * 7000);
        image.layers.push(layer_of(&format!("f{number}"), &data));
        if number == 11 {
            image.layers.push(layer_of("data", &half_random(30 << 20)));
        }
    }
    image
}

/// The stored layers of an archive of the old layout, in the image's order.
fn stored_layers(archive: &mut TestArchive) -> Vec<&mut Vec<u8>> {
    let items = archive.0.iter_mut();
    let layers = items.filter(|item| item.path.ends_with("/layer.tar"));
    layers.map(|item| &mut item.data).collect()
}

/// A layer that is cut otherwise by more threads, or lands in another's place,
/// would change the bytes.
#[test]
fn the_number_of_threads_does_not_show() {
    let desk = Desk::new();
    let archive = TestArchive::of(&[many_layers()], Layout::Old, Stored::Plain);
    desk.write_archive("web.tar", &archive);
    let mut digests = Vec::new();
    for threads in [1, 2, 3, 16, 2] {
        let more = format!("-o x.edgepkg --force --level 1 --threads {threads}");
        desk.build("docker-archive:web.tar", &more).succeeded();
        digests.push(Digest::of(&desk.read("x.edgepkg")));
    }
    desk.run("verify --deep x.edgepkg").succeeded();
    for digest in &digests[1..] {
        assert_eq!(*digest, digests[0]);
    }
    assert_eq!(desk.names(), ["web.tar", "x.edgepkg"]);
}

/// Of several bad layers the first one is named, however late its threads come
/// to it: a pipeline that fails twice must fail with the same word. The large
/// layer is the slowest, and begun first.
#[test]
fn the_first_bad_layer_is_named() {
    let desk = Desk::new();
    let sound = TestArchive::of(&[many_layers()], Layout::Old, Stored::Plain);
    // The large layer is the fifteenth: two of `named`, then twelve.
    for bad in [&[20][..], &[14, 20], &[0, 14, 32], &[30, 32]] {
        let mut archive = sound.clone();
        let mut place = String::new();
        for number in bad.iter().rev() {
            let mut layers = stored_layers(&mut archive);
            let last = layers[*number].len() - 1100;
            layers[*number][last] ^= 1;
        }
        let items = archive.0.iter();
        let mut layers = items.filter(|item| item.path.ends_with("/layer.tar"));
        if let Some(item) = layers.nth(bad[0]) {
            place.clone_from(&item.path);
        }
        desk.write_archive("web.tar", &archive);
        for threads in [1, 2, 16] {
            let more = format!("-o x.edgepkg --threads {threads}");
            let ran = desk.build("docker-archive:web.tar", &more);
            let ran = ran.refused("source.layer_digest_mismatch", 10);
            assert!(ran.stderr.contains(&place), "{bad:?} {threads}: {ran:?}");
            assert_eq!(desk.names(), ["web.tar"]);
        }
    }
}

fn gzip(data: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(data).expect("memory");
    encoder.finish().expect("memory")
}

fn zstd_frame(data: &[u8], with_size: bool) -> Vec<u8> {
    let mut encoder = zstd::stream::write::Encoder::new(Vec::new(), 1).expect("zstd");
    if with_size {
        let size = Some(data.len() as u64);
        encoder.set_pledged_src_size(size).expect("a size");
    }
    encoder.write_all(data).expect("memory");
    encoder.finish().expect("memory")
}

/// What a stored layer claims to unpack to may be wrong, or be missing: it must
/// cost time at most, and never a byte of the package.
#[test]
fn a_layer_that_claims_another_size_gives_the_same_package() {
    let desk = Desk::new();
    let mut image = TestImage::named("web:1.1.0");
    image.layers.push(layer_of("data", &half_random(10 << 20)));
    let sound = TestArchive::of(&[image.clone()], Layout::Old, Stored::Plain);
    desk.write_archive("web.tar", &sound);
    desk.build("docker-archive:web.tar", "-o x.edgepkg --level 1")
        .succeeded();
    let wanted = Digest::of(&desk.read("x.edgepkg"));
    let layer = &image.layers[2];
    let (head, tail) = layer.split_at(5000);
    let (long, short) = layer.split_at(layer.len() - 5000);
    for (name, stored) in [
        ("gzip", gzip(layer)),
        ("gzip, too little", [gzip(long), gzip(short)].concat()),
        ("gzip, almost all", [gzip(head), gzip(tail)].concat()),
        ("zstd", zstd_frame(layer, true)),
        ("zstd, nothing", zstd_frame(layer, false)),
        (
            "zstd, too little",
            [zstd_frame(long, true), zstd_frame(short, true)].concat(),
        ),
    ] {
        let mut archive = sound.clone();
        *stored_layers(&mut archive)[2] = stored;
        desk.write_archive("web.tar", &archive);
        let built = desk.build(
            "docker-archive:web.tar",
            "-o x.edgepkg --force --level 1 --threads 2",
        );
        built.succeeded();
        assert_eq!(Digest::of(&desk.read("x.edgepkg")), wanted, "{name}");
    }
}
