//! One wrong byte, in a source or in a package.

use std::path::Path;

use caisson_pack::build::build;
use caisson_pack::compress::Compression;
use caisson_pack::error::Exit;
use caisson_pack::progress::Watch;
use caisson_pack::request::{BuildRequest, ImageRequest, ServiceRequest};
use caisson_pack::source::{EngineWish, SourceSpec};
use edgepkg::manifest::Compatibility;

use crate::archive::TestArchive;
use crate::program::Desk;

fn request(folder: &Path) -> BuildRequest {
    BuildRequest {
        images: vec![ImageRequest {
            source: SourceSpec::parse("docker-archive:web.tar", folder).expect("sound"),
            reference: Some("web:1.1.0".to_owned()),
            platforms: vec!["linux/amd64".to_owned()],
        }],
        services: vec![ServiceRequest {
            service: "web".to_owned(),
            service_revision: "r1".to_owned(),
            image: None,
        }],
        package_version: "1.1.0".to_owned(),
        release: None,
        compatibility: Compatibility::default(),
        notes: std::collections::BTreeMap::new(),
        live_names: false,
        compression: Compression {
            level: 1,
            threads: 1,
        },
        epoch: Some(0),
        engine: EngineWish::default(),
        split: None,
        output: folder.join("x.edgepkg"),
        force: true,
    }
}

/// A flipped bit anywhere in a source either is refused or does not matter: the
/// package is then the very same. A third outcome would be a wrong image.
#[test]
fn a_flipped_bit_in_a_source_never_changes_the_package() {
    let desk = Desk::new();
    let request = request(desk.folder());
    let sound = TestArchive::simple().bytes();
    desk.write("web.tar", &sound);
    build(&request, &mut Watch::silent()).expect("a sound archive");
    let wanted = desk.read("x.edgepkg");
    let (mut refused, mut harmless) = (0, 0);
    for position in (0..sound.len()).step_by(13) {
        let mut bent = sound.clone();
        bent[position] ^= 1 << (position % 8);
        desk.write("web.tar", &bent);
        match build(&request, &mut Watch::silent()) {
            Ok(_) => {
                assert_eq!(desk.read("x.edgepkg"), wanted, "byte {position}");
                harmless += 1;
            }
            Err(error) => {
                assert_eq!(
                    error.code.exit(),
                    Exit::Rejected,
                    "byte {position}: {error:?}"
                );
                refused += 1;
            }
        }
    }
    // Padding is harmless, data is not: both must have been hit.
    assert!(
        refused > 50 && harmless > 50,
        "{refused} refused, {harmless} harmless"
    );
}

/// A flipped bit anywhere in a package must be found by `verify`, and none may
/// turn into a panic or a hang.
#[test]
fn a_flipped_bit_in_a_package_is_refused() {
    let desk = Desk::new();
    desk.write_archive("web.tar", &TestArchive::simple());
    desk.build("docker-archive:web.tar", "-o x.edgepkg")
        .succeeded();
    let sound = desk.read("x.edgepkg");
    for position in (0..sound.len()).step_by(sound.len() / 150) {
        let mut bent = sound.clone();
        bent[position] ^= 1 << (position % 8);
        desk.write("bent.edgepkg", &bent);
        let ran = desk.run("verify --json bent.edgepkg");
        assert_eq!(ran.status, 10, "byte {position}: {ran:?}");
        let code = ran.json()["code"].as_str().expect("a code").to_owned();
        assert!(
            code.starts_with("pkg.") || code.starts_with("manifest."),
            "{code}"
        );
    }
    for length in (0..sound.len()).step_by(sound.len() / 40) {
        desk.write("bent.edgepkg", &sound[..length]);
        assert_eq!(
            desk.run("verify bent.edgepkg").status,
            10,
            "length {length}"
        );
    }
    let mut longer = sound.clone();
    longer.push(0);
    desk.write("bent.edgepkg", &longer);
    desk.run("verify bent.edgepkg")
        .refused("pkg.trailing_bytes", 10);
    desk.run("verify none.edgepkg")
        .refused("usage.file_unreadable", 2);
    desk.run("inspect .").refused("usage.file_unreadable", 2);
}

/// Packages that were written consistently around contents that are not what
/// the manifest says, with the code that says so; the first one is sound.
pub(crate) fn contradictions() -> Vec<(Vec<u8>, Option<&'static str>)> {
    use edgepkg::writer::{BlobDraft, ImageDraft, LayerDraft, PackageDraft, write};
    let image = crate::archive::TestImage::named("web:1");
    let package = |diff: &[u8], platform: &str, config: Vec<u8>| {
        let mut encoder = zstd::stream::write::Encoder::new(Vec::new(), 1).expect("zstd");
        encoder
            .set_pledged_src_size(Some(image.layers[0].len() as u64))
            .expect("size");
        std::io::Write::write_all(&mut encoder, &image.layers[0]).expect("memory");
        let draft = PackageDraft {
            package_version: "1.0.0".to_owned(),
            services: vec![edgepkg::manifest::Service {
                service: "web".to_owned(),
                service_revision: "r1".to_owned(),
                image: "web:1".to_owned(),
            }],
            images: vec![ImageDraft {
                reference: "web:1".to_owned(),
                platform: platform.to_owned(),
                config,
                layers: vec![LayerDraft {
                    blob: BlobDraft::from_bytes(encoder.finish().expect("memory")),
                    diff_id: edgepkg::Digest::of(diff),
                    diff_size: image.layers[0].len() as u64,
                }],
            }],
            ..PackageDraft::default()
        };
        let mut package = Vec::new();
        write(&draft, &mut package, &mut |_, _| {}).expect("consistent");
        package
    };
    let mut one_layer = image.clone();
    one_layer.layers.truncate(1);
    let (layer, config) = (&image.layers[0][..], one_layer.config());
    let strange_layer = package(b"other", "linux/amd64", {
        let other = edgepkg::Digest::of(b"other").to_string();
        let text = String::from_utf8(config.clone()).expect("JSON is text");
        text.replace(&edgepkg::Digest::of(layer).to_string(), &other)
            .into_bytes()
    });
    let code = Some("manifest.inconsistent");
    vec![
        (package(layer, "linux/amd64", config.clone()), None),
        (strange_layer, Some("pkg.layer_digest_mismatch")),
        (package(b"other", "linux/amd64", config.clone()), code),
        (package(layer, "linux/amd64", image.config()), code),
        (package(layer, "linux/arm64", config), code),
        (package(layer, "linux/amd64", b"{}".to_vec()), code),
    ]
}

/// `--deep` must find what the chunk table can't.
#[test]
fn deep_verification_unpacks() {
    let desk = Desk::new();
    for (package, code) in contradictions() {
        desk.write("x.edgepkg", &package);
        desk.run("verify x.edgepkg").succeeded();
        let deep = desk.run("verify --deep x.edgepkg");
        match code {
            None => drop(deep.succeeded()),
            Some(code) => drop(deep.refused(code, 10)),
        }
    }
}
