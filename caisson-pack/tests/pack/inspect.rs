//! What `inspect` prints, letter by letter. The packages are written without
//! compression, so nothing here changes with how layers are packed.
//!
//! `CAISSON_UPDATE_SNAPSHOTS=1` writes the files anew; look at the difference.

use std::fs;
use std::path::{Path, PathBuf};

use edgepkg::Digest;
use edgepkg::manifest::{Compatibility, Service};
use edgepkg::parts::part_path;
use edgepkg::writer::{self, BlobDraft, FileDraft, ImageDraft, LayerDraft, PackageDraft};
use serde_json::Value;

use crate::program::Desk;

/// Bytes that stand for a packed layer: `inspect` reads the head alone.
fn layer(letter: u8, packed: usize, unpacked: u64) -> LayerDraft {
    LayerDraft {
        blob: BlobDraft::from_bytes(vec![letter; packed]),
        diff_id: Digest::of(&[letter]),
        diff_size: unpacked,
    }
}

fn image(reference: &str, platform: &str, layers: Vec<LayerDraft>) -> ImageDraft {
    ImageDraft {
        reference: reference.to_owned(),
        platform: platform.to_owned(),
        config: format!("config of {reference} for {platform}").into_bytes(),
        layers,
    }
}

fn service(name: &str, image: &str) -> Service {
    Service {
        service: name.to_owned(),
        service_revision: format!("{name}-r1"),
        image: image.to_owned(),
    }
}

/// Two services, one of them for two platforms; layers that images share and one
/// that stands twice; everything else a package can have.
fn full() -> PackageDraft {
    let base = layer(b'b', 40_000, 100_000);
    let web = "registry.example:5000/team/web:1.2.0";
    PackageDraft {
        package_version: "1.2.0-rc.1+build.7".to_owned(),
        release: Some(7),
        mtime: 1_767_323_045,
        compatibility: Compatibility {
            min_updater_version: Some("0.2.0".to_owned()),
            engine_api_min: Some("1.41".to_owned()),
        },
        notes: [
            ("by", "\u{202e}liame"),
            ("changelog", "sch\u{f6}ner\nand faster"),
        ]
        .map(|(key, value)| (key.to_owned(), value.to_owned()))
        .into(),
        services: vec![service("web", web), service("database", "db:7")],
        images: vec![
            image(
                web,
                "linux/amd64",
                vec![base.clone(), layer(b'w', 700, 3000), base.clone()],
            ),
            image(web, "linux/arm/v7", vec![layer(b'a', 900, 2 << 20)]),
            image("db:7", "linux/amd64", vec![base, layer(b'd', 5000, 5000)]),
        ],
        files: vec![
            FileDraft {
                name: "A_1.txt".to_owned(),
                blob: BlobDraft::from_bytes(vec![b'x'; 600]),
            },
            FileDraft {
                name: "empty".to_owned(),
                blob: BlobDraft::from_bytes(Vec::new()),
            },
        ],
        ..PackageDraft::default()
    }
}

fn smallest() -> PackageDraft {
    PackageDraft {
        package_version: "1.0.0".to_owned(),
        live_names: true,
        services: vec![service("web", "web:1")],
        images: vec![image("web:1", "linux/amd64", vec![layer(b'w', 10, 20)])],
        ..PackageDraft::default()
    }
}

fn written(draft: &PackageDraft) -> Vec<u8> {
    let mut bytes = Vec::new();
    writer::write(draft, &mut bytes, &mut |_, _| {}).expect("a sound draft");
    bytes
}

/// Compares with the file of this name, or writes it.
#[track_caller]
fn is_snapshot(name: &str, text: &str) {
    let path: PathBuf = [env!("CARGO_MANIFEST_DIR"), "tests/pack/snapshots", name]
        .iter()
        .collect();
    if std::env::var_os("CAISSON_UPDATE_SNAPSHOTS").is_some() {
        fs::write(&path, text).expect("the snapshots can be written");
    }
    let kept = fs::read_to_string(&path).unwrap_or_default();
    assert!(kept == text, "{name} differs. Now:\n{text}");
}

fn pretty(object: &Value) -> String {
    format!("{}\n", serde_json::to_string_pretty(object).expect("JSON"))
}

/// People read the table, scripts the object: a change of either is meant.
#[test]
fn the_table_and_the_object_are_as_they_were() {
    let desk = Desk::new();
    for (name, draft) in [("full", full()), ("smallest", smallest())] {
        let package = format!("{name}.edgepkg");
        desk.write(&package, written(&draft));
        let text = desk.run(&format!("inspect {package}")).succeeded().stdout;
        is_snapshot(&format!("{name}.txt"), &text);
        let object = desk
            .run(&format!("inspect --json {package}"))
            .succeeded()
            .json();
        is_snapshot(&format!("{name}.json"), &pretty(&object));
    }
}

/// A part that nobody sees listed is the one that stays behind.
#[test]
fn parts_are_listed() {
    let desk = Desk::new();
    let bytes = written(&full());
    for (number, part) in (1..).zip(bytes.chunks(30_000)) {
        let path = part_path(Path::new("full.edgepkg"), number);
        desk.write(path.to_str().expect("text"), part);
    }
    let text = desk.run("inspect full.edgepkg.001").succeeded().stdout;
    is_snapshot("split.txt", &text);
    let object = desk
        .run("inspect --json full.edgepkg.001")
        .succeeded()
        .json();
    let parts = object["parts"].as_array().expect("a list");
    assert_eq!(parts[0]["path"], "full.edgepkg.001");
    let sizes = parts
        .iter()
        .map(|part| part["size"].as_u64().expect("a size"));
    assert_eq!(sizes.sum::<u64>(), bytes.len() as u64);
    desk.run("verify full.edgepkg.001").succeeded();
    desk.run("inspect full.edgepkg.002")
        .refused("pkg.part_name", 10);
    desk.run("verify full.edgepkg").refused("pkg.part_name", 10);
}

/// A layer that two images share is in the file once, and must not be counted
/// twice; an engine unpacks a layer that stands twice in an image twice.
#[test]
fn sums_count_what_is_there() {
    let desk = Desk::new();
    desk.write("full.edgepkg", written(&full()));
    let object = desk.run("inspect --json full.edgepkg").succeeded().json();
    let sums = |object: &Value| {
        (
            object["packed_size"].as_u64(),
            object["unpacked_size"].as_u64(),
        )
    };
    let images = &object["images"];
    assert_eq!(
        sums(&images[0]),
        (Some(40_000 + 700), Some(100_000 + 3000 + 100_000))
    );
    assert_eq!(sums(&images[1]), (Some(900), Some(2 << 20)));
    assert_eq!(
        sums(&images[2]),
        (Some(40_000 + 5000), Some(100_000 + 5000))
    );
    assert_eq!(object["layers"], 4);
    let unpacked = 100_000 + 3000 + (2 << 20) + 5000;
    assert_eq!(
        sums(&object),
        (Some(40_000 + 700 + 900 + 5000), Some(unpacked))
    );
}
