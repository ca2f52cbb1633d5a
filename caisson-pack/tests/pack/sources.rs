//! The same image through every kind of source, and what is chosen of several.

use serde_json::json;

use crate::archive::{Layout, Stored, TestArchive, TestImage, layer_of};
use crate::engine::{Answer, ScriptedEngine};
use crate::layout::{TestLayout, Types};
use crate::program::Desk;
use crate::version_1::package;

/// Which tool carried an image, and how it compressed its layers, must not show.
#[test]
fn one_image_is_one_package_through_every_source() {
    let desk = Desk::new();
    let image = TestImage::named("web:1.1.0");
    let images = std::slice::from_ref(&image);
    let archive = TestArchive::of(images, Layout::Old, Stored::Plain);
    desk.write_archive("web.tar", &archive);
    desk.build("docker-archive:web.tar", "-o wanted.edgepkg")
        .succeeded();
    let wanted = desk.read("wanted.edgepkg");
    let mut sources = vec!["docker-archive:web.tar.gz", "docker-archive:web.tar.zst"];
    desk.write(
        "web.tar.gz",
        crate::archive::pack(&archive.bytes(), Stored::Gzip),
    );
    desk.write(
        "web.tar.zst",
        crate::archive::pack(&archive.bytes(), Stored::Zstd),
    );
    let mut number = 0;
    let mut made = Vec::new();
    for stored in [Stored::Plain, Stored::Gzip, Stored::Zstd] {
        for types in [Types::Oci, Types::Docker] {
            number += 1;
            let mut layout = TestLayout::of(images, stored, types);
            if number % 2 == 0 {
                layout.nest("web:1.1.0");
            }
            layout.write_folder(&desk, &format!("layout{number}"));
            desk.write_archive(&format!("layout{number}.tar"), &layout.archive());
            made.push(format!("oci:layout{number}"));
            made.push(format!("oci-archive:layout{number}.tar"));
        }
    }
    sources.extend(made.iter().map(String::as_str));
    desk.write("old.edgepkg", package("linux/amd64", &archive.bytes()));
    sources.push("v1:old.edgepkg");
    for source in sources {
        desk.build(source, "-o x.edgepkg --force").succeeded();
        assert!(desk.read("x.edgepkg") == wanted, "{source}");
    }
    for (version, layout) in [("1.41", Layout::Old), ("1.51", Layout::Blobs)] {
        let saved = TestArchive::of(images, layout, Stored::Plain).bytes();
        let engine = ScriptedEngine::start(&desk, version, Answer::Archive(saved));
        let more = format!("-o x.edgepkg --force --engine {}", engine.socket());
        desk.build("docker-daemon:web:1.1.0", &more).succeeded();
        assert!(desk.read("x.edgepkg") == wanted, "API {version}");
    }
}

fn for_architecture(architecture: &'static str) -> TestImage {
    TestImage {
        architecture,
        layers: vec![layer_of("bin/web", architecture.as_bytes())],
        ..TestImage::named("web:1.1.0")
    }
}

/// What builders put beside images: a note about the build, and something else.
fn with_attestation(layout: &mut TestLayout) {
    let mut line = layout.add_image(&for_architecture("unknown"), Stored::Plain, Types::Oci);
    line["platform"] = json!({"os": "unknown", "architecture": "unknown"});
    line["annotations"] = json!({"vnd.docker.reference.type": "attestation-manifest"});
    layout.push(line);
    let other = layout.add("application/vnd.example.thing+json", b"{}");
    layout.push(other);
}

/// Several platforms of one name are taken in one go, and what is no image is
/// passed over with a word, not in silence.
#[test]
fn several_platforms_of_an_index() {
    let desk = Desk::new();
    let images = [for_architecture("amd64"), for_architecture("arm64")];
    let mut layout = TestLayout::of(&images, Stored::Gzip, Types::Oci);
    with_attestation(&mut layout);
    layout.nest("web:1.1.0");
    layout.write_folder(&desk, "out");
    let ran = desk.build(
        "oci:out",
        "--platform linux/arm64/v8 -o both.edgepkg --json",
    );
    assert_eq!(ran.status, 0, "{ran:?}");
    let facts = ran.json();
    let platforms: Vec<_> = facts["images"].as_array().expect("a list").iter().collect();
    assert_eq!(platforms.len(), 2);
    assert_eq!(platforms[0]["platform"], "linux/amd64");
    assert_eq!(platforms[1]["platform"], "linux/arm64");
    let remarks = facts["remarks"].to_string();
    for word in ["attestation-manifest", "application/vnd.example.thing+json"] {
        assert!(remarks.contains(word), "{remarks}");
        assert!(ran.stderr.contains(word), "{}", ran.stderr);
    }
    // The same by a caisson.toml.
    desk.write(
        "caisson.toml",
        "package_version = \"1.1.0\"\n\
         [[images]]\nsource = \"oci:out\"\nplatforms = [\"linux/arm64\", \"linux/amd64\"]\n\
         [[services]]\nservice = \"web\"\nservice_revision = \"r1\"\n",
    );
    let ran = desk.run("build -f caisson.toml -o toml.edgepkg");
    assert_eq!(ran.status, 0, "{ran:?}");
    assert!(desk.read("toml.edgepkg") == desk.read("both.edgepkg"));
    // A platform that is not there: which ones are.
    let ran = desk.build("oci:out", "--platform linux/riscv64 -o x.edgepkg");
    assert_eq!(ran.status, 10);
    assert!(
        ran.stderr.contains("error[source.platform_mismatch]"),
        "{ran:?}"
    );
    assert!(ran.stderr.contains("linux/amd64, linux/arm64"), "{ran:?}");
}

/// A layout names images by tag alone, or in full; a tag alone is no name.
#[test]
fn images_of_a_layout_by_name() {
    let desk = Desk::new();
    let mut image = TestImage::named("web:1.1.0");
    let mut other = TestImage::named("db:2");
    other.layers = vec![layer_of("bin/db", b"db")];
    let layout = TestLayout::of(&[image.clone(), other], Stored::Plain, Types::Oci);
    layout.write_folder(&desk, "two");
    desk.build("oci:two", "-o x.edgepkg")
        .refused("source.image_ambiguous", 2);
    desk.build("oci:two:cache:1", "-o x.edgepkg")
        .refused("source.image_not_found", 2);
    for (choice, reference) in [
        ("db:2", "docker.io/library/db:2"),
        ("@0", "docker.io/library/web:1.1.0"),
    ] {
        let ran = desk.build(&format!("oci:two:{choice}"), "-o x.edgepkg --force --json");
        assert_eq!(ran.succeeded().json()["images"][0]["reference"], reference);
    }
    image.names = vec!["Stable-1"];
    let layout = TestLayout::of(&[image], Stored::Plain, Types::Oci);
    layout.write_folder(&desk, "tag");
    let ran = desk
        .build("oci:tag", "-o y.edgepkg")
        .refused("build.reference_missing", 2);
    assert!(ran.stderr.contains("only a tag, `Stable-1`"), "{ran:?}");
    desk.build("oci:tag:Stable-1", "--reference web:1 -o y.edgepkg")
        .succeeded();
}
