//! OCI layouts that are damaged or made to do harm.

use std::os::unix::fs::symlink;

use serde_json::json;

use crate::archive::{Item, Stored, TestImage};
use crate::layout::{TestLayout, Types};
use crate::program::Desk;

/// What is wrong, how a sound layout is bent, and the code that must come.
type Case = (&'static str, fn(&mut TestLayout), &'static str);

const INDEX: &str = "application/vnd.oci.image.index.v1+json";

const CASES: &[Case] = &[
    (
        "a layer's bytes",
        |it| it.files.get_mut(&it.first_layer()).expect("there")[12] ^= 1,
        "source.layer_damaged",
    ),
    (
        "another layer of that size",
        |it| {
            let path = it.first_layer();
            let mut other =
                TestLayout::of(&[TestImage::named("web:1.1.1")], Stored::Gzip, Types::Oci);
            other.files.retain(|name, _| !name.contains(&path));
            let data = it.files.get_mut(&path).expect("there");
            // The gzip header's time: the same layer in other bytes.
            data[4] ^= 1;
        },
        "source.blob_digest_mismatch",
    ),
    (
        "a shorter layer",
        |it| {
            it.files.get_mut(&it.first_layer()).expect("there").pop();
        },
        "source.blob_size_mismatch",
    ),
    (
        "no layer",
        |it| {
            it.files.remove(&it.first_layer());
        },
        "source.blob_missing",
    ),
    (
        "a layer too few",
        |it| {
            it.edit_manifest(|m| {
                m["layers"].as_array_mut().expect("list").pop();
            });
        },
        "source.layer_count_mismatch",
    ),
    (
        "layers swapped",
        |it| it.edit_manifest(|m| m["layers"].as_array_mut().expect("list").reverse()),
        "source.layer_digest_mismatch",
    ),
    (
        "a layer of a server",
        |it| it.edit_manifest(|m| m["layers"][0]["urls"] = json!(["http://x"])),
        "source.layer_foreign",
    ),
    (
        "a layer of another kind",
        |it| it.edit_manifest(|m| m["layers"][0]["mediaType"] = "text/plain".into()),
        "source.media_type_unknown",
    ),
    (
        "a digest that is a path",
        |it| it.edit_manifest(|m| m["layers"][0]["digest"] = "sha256:../../../etc/passwd".into()),
        "source.manifest_invalid",
    ),
    (
        "another algorithm",
        |it| {
            it.edit_manifest(|m| {
                m["config"]["digest"] = format!("sha512:{}", "0".repeat(128)).into();
            });
        },
        "source.manifest_invalid",
    ),
    (
        "negative size",
        |it| it.edit_manifest(|m| m["layers"][0]["size"] = (-1).into()),
        "source.manifest_invalid",
    ),
    (
        "manifest and index at once",
        |it| it.edit_manifest(|m| m["manifests"] = json!([])),
        "source.manifest_invalid",
    ),
    (
        "a manifest that says it is an index",
        |it| it.edit_manifest(|m| m["mediaType"] = INDEX.into()),
        "source.manifest_invalid",
    ),
    (
        "schema version 1",
        |it| it.edit_manifest(|m| m["schemaVersion"] = 1.into()),
        "source.manifest_invalid",
    ),
    (
        "a manifest's bytes",
        |it| {
            let digest = it.index["manifests"][0]["digest"]
                .as_str()
                .expect("text")
                .to_owned();
            let path = format!("blobs/sha256/{}", digest.trim_start_matches("sha256:"));
            let data = it.files.get_mut(&path).expect("there");
            let end = data.len() - 1;
            data[end] = b' ';
        },
        "source.blob_digest_mismatch",
    ),
    (
        "another size of the manifest",
        |it| it.index["manifests"][0]["size"] = 1.into(),
        "source.blob_size_mismatch",
    ),
    (
        "an index that lies about the platform",
        |it| it.index["manifests"][0]["platform"]["architecture"] = "arm64".into(),
        "source.manifest_invalid",
    ),
    (
        "no layout file",
        |it| {
            it.files.remove("oci-layout");
        },
        "source.manifest_missing",
    ),
    (
        "layout version 2",
        |it| {
            it.files.insert(
                "oci-layout".into(),
                br#"{"imageLayoutVersion":"2.0.0"}"#.to_vec(),
            );
        },
        "source.manifest_invalid",
    ),
    (
        "index of schema version 1",
        |it| it.index["schemaVersion"] = 1.into(),
        "source.manifest_invalid",
    ),
    (
        "index without a list",
        |it| it.index = json!({"schemaVersion": 2}),
        "source.manifest_invalid",
    ),
    (
        "a huge layout file",
        |it| {
            it.files.insert("oci-layout".into(), vec![b' '; 5000]);
        },
        "source.limit_exceeded",
    ),
    (
        "a huge index",
        |it| it.index["x"] = "x".repeat(5 << 20).into(),
        "source.limit_exceeded",
    ),
    (
        "JSON as deep as it goes",
        |it| {
            it.files.insert("oci-layout".into(), vec![b'['; 4000]);
        },
        "source.manifest_invalid",
    ),
    (
        "indexes too deep",
        |it| (0..6).for_each(|_| it.nest("web:1.1.0")),
        "source.limit_exceeded",
    ),
    (
        "too many manifests",
        |it| {
            let image = TestImage::named("web:1.1.0");
            for number in 0..150_u32 {
                let image = TestImage {
                    created: "2026-01-01T00:00:00Z",
                    layers: vec![vec![0; 1024], number.to_le_bytes().to_vec()],
                    ..image.clone()
                };
                let line = it.add_image(&image, Stored::Plain, Types::Oci);
                it.push(line);
            }
            it.nest("web:1.1.0");
        },
        "source.limit_exceeded",
    ),
    (
        "two images for one platform",
        |it| {
            let mut other = TestImage::named("web:1.1.0");
            other.created = "2026-01-01T00:00:00Z";
            let line = it.add_image(&other, Stored::Plain, Types::Oci);
            it.push(line);
            it.nest("web:1.1.0");
        },
        "source.image_ambiguous",
    ),
    (
        "nothing but notes",
        |it| {
            it.index["manifests"][0]["annotations"] =
                json!({"vnd.docker.reference.type": "attestation-manifest"});
        },
        "source.image_not_found",
    ),
];

/// A layout that gets through, or is refused for another reason, would show.
#[test]
fn each_bent_layout_is_refused_with_its_code() {
    for (name, bend, code) in CASES {
        let desk = Desk::new();
        let mut layout = TestLayout::simple();
        bend(&mut layout);
        layout.write_folder(&desk, "in");
        desk.write_archive("in.tar", &layout.archive());
        for source in ["oci:in", "oci-archive:in.tar"] {
            let ran = desk.build(source, "-o x.edgepkg");
            let refusal = format!("error[{code}]: ");
            assert!(
                ran.stderr.lines().any(|line| line.starts_with(&refusal)),
                "{name}: {ran:?}"
            );
            assert_eq!(desk.names(), ["in", "in.tar"], "{name}");
        }
    }
}

/// A folder can have more than files in it.
#[test]
fn what_is_no_file_is_not_opened() {
    let layout = TestLayout::simple();
    let layer = layout.first_layer();
    let build = |bend: &dyn Fn(&std::path::Path)| {
        let desk = Desk::new();
        layout.write_folder(&desk, "in");
        desk.write("outside", &layout.files[&layer]);
        let path = desk.path("in").join(&layer);
        std::fs::remove_file(&path).expect("it was there");
        bend(&path);
        desk.build("oci:in", "-o x.edgepkg")
    };
    build(&|path| symlink("../../../outside", path).expect("a link"))
        .refused("source.link_refused", 10);
    build(&|path| symlink(path.file_name().expect("a name"), path).expect("a link"))
        .refused("source.link_refused", 10);
    build(&|path| std::fs::create_dir(path).expect("a folder")).refused("source.entry_refused", 10);
    build(&|path| {
        let made = std::process::Command::new("mkfifo").arg(path).status();
        assert!(made.expect("mkfifo is there").success());
    })
    .refused("source.entry_refused", 10);
    build(&|path| symlink("/dev/zero", path).expect("a link")).refused("source.link_refused", 10);
    // A link that stays inside is an honest way to share blobs.
    build(&|path| {
        let other = path.with_file_name("elsewhere");
        std::fs::write(&other, &layout.files[&layer]).expect("writable");
        symlink("elsewhere", path).expect("a link");
    })
    .succeeded();
    let desk = Desk::new();
    desk.build("oci:nowhere", "-o x.edgepkg")
        .refused("usage.file_unreadable", 2);
    desk.write("file", "x");
    desk.build("oci:file", "-o x.edgepkg")
        .refused("usage.file_unreadable", 2);
}

/// A compressed archive is unpacked beside the output, under no name, and not
/// without end.
#[test]
fn compressed_archives_that_are_damaged() {
    let desk = Desk::new();
    let layout = TestLayout::simple();
    let whole = super::gzip(&layout.archive().bytes());
    desk.write("cut.tar.gz", &whole[..whole.len() / 2]);
    desk.build("oci-archive:cut.tar.gz", "-o x.edgepkg")
        .refused("source.compressed", 10);
    let mut bent = whole.clone();
    bent[whole.len() - 6] ^= 1;
    desk.write("bent.tar.gz", &bent);
    desk.build("oci-archive:bent.tar.gz", "-o x.edgepkg")
        .refused("source.compressed", 10);
    desk.write("web.tar.xz", b"\xfd7zXZ\0rest of it");
    desk.build("oci-archive:web.tar.xz", "-o x.edgepkg")
        .refused("source.compressed", 10);
    desk.write("docker.tar", TestLayout::simple().archive().bytes());
    desk.build("docker-archive:docker.tar", "-o x.edgepkg")
        .refused("source.manifest_missing", 10);
    assert!(
        !desk
            .names()
            .iter()
            .any(|name| name.starts_with("x.edgepkg"))
    );
}

/// One digest under two spellings must not become two files of an archive.
#[test]
fn blobs_have_one_path() {
    let desk = Desk::new();
    let mut archive = TestLayout::simple().archive();
    let twice = archive.0[0].clone();
    archive.0.push(Item {
        path: format!("./{}", twice.path),
        ..twice
    });
    desk.write_archive("in.tar", &archive);
    desk.build("oci-archive:in.tar", "-o x.edgepkg")
        .refused("source.entry_duplicate", 10);
}
