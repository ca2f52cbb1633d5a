//! What is in a package: the images that went in, whole, and nothing else.

use std::io::Read as _;

use edgepkg::Digest;
use serde_json::json;

use crate::archive::{Layout, Stored, TestArchive, TestImage, half_random};
use crate::program::Desk;

/// A package that depends on how a tool stored the image would differ between
/// two pipelines. All ways must give one package, byte for byte.
#[test]
fn layout_and_compression_of_the_source_do_not_show() {
    let desk = Desk::new();
    let image = TestImage::named("web:1.1.0");
    let mut packages = Vec::new();
    for layout in [Layout::Old, Layout::Blobs] {
        for stored in [Stored::Plain, Stored::Gzip, Stored::Zstd] {
            let archive = TestArchive::of(std::slice::from_ref(&image), layout, stored);
            let name = format!("{layout:?}-{stored:?}");
            desk.write_archive(&format!("{name}.tar"), &archive);
            let output = format!("{name}.edgepkg");
            desk.build(
                &format!("docker-archive:{name}.tar"),
                &format!("-o {output}"),
            )
            .succeeded();
            packages.push(desk.read(&output));
        }
    }
    for package in &packages[1..] {
        assert_eq!(*package, packages[0]);
    }
}

/// Read the package with nothing but tar, zstd and SHA-256: the config and each
/// layer must come back as they went in.
#[test]
fn any_tool_gets_the_image_back() {
    let desk = Desk::new();
    let image = TestImage::named("web:1.1.0");
    desk.write_archive("web.tar", &TestArchive::simple());
    let facts = desk
        .build("docker-archive:web.tar", "-o web.edgepkg --json")
        .succeeded()
        .json();
    let package = desk.read("web.edgepkg");
    let mut files = std::collections::BTreeMap::new();
    for entry in tar::Archive::new(&package[..]).entries().expect("a tar") {
        let mut entry = entry.expect("an entry");
        let path = entry.path().expect("a path").to_string_lossy().into_owned();
        let mut data = Vec::new();
        entry.read_to_end(&mut data).expect("data");
        assert!(files.insert(path, data).is_none(), "an entry twice");
    }
    let blob = |digest: &serde_json::Value| {
        let digest = digest
            .as_str()
            .expect("a digest")
            .replace("sha256:", "blobs/sha256/");
        &files[&digest]
    };
    assert_eq!(facts["event"], "built");
    assert_eq!(facts["size"], package.len());
    assert_eq!(
        facts["manifest_digest"],
        Digest::of(&files["manifest.toml"]).to_string()
    );
    let packed = &facts["images"][0];
    assert_eq!(packed["reference"], "docker.io/library/web:1.1.0");
    assert_eq!(packed["platform"], "linux/amd64");
    assert_eq!(*blob(&packed["config"]), image.config());
    for (number, layer) in image.layers.iter().enumerate() {
        let facts = &packed["layers"][number];
        assert_eq!(facts["diff_id"], Digest::of(layer).to_string());
        assert_eq!(facts["diff_size"], layer.len());
        let unpacked = zstd::decode_all(&blob(&facts["digest"])[..]).expect("one frame");
        assert_eq!(unpacked, *layer);
    }
    assert_eq!(
        facts["services"],
        json!([{"service": "web", "service_revision": "r1", "image": "docker.io/library/web:1.1.0"}])
    );
    // `created` of the config, rounded down.
    assert_eq!(facts["mtime"], 1_767_323_045);
}

/// The id the engine will show on its containerd store, computed by hand.
#[test]
fn the_engine_manifest_is_the_digest_of_the_canonical_docker_manifest() {
    let desk = Desk::new();
    let image = TestImage::named("web:1.1.0");
    desk.write_archive("web.tar", &TestArchive::simple());
    let facts = desk
        .build("docker-archive:web.tar", "-o web.edgepkg --json")
        .succeeded()
        .json();
    let config = image.config();
    let layers: Vec<String> = image
        .layers
        .iter()
        .map(|layer| {
            format!(
                r#"{{"mediaType":"application/vnd.docker.image.rootfs.diff.tar","digest":"{}","size":{}}}"#,
                Digest::of(layer),
                layer.len()
            )
        })
        .collect();
    let manifest = format!(
        r#"{{"schemaVersion":2,"mediaType":"application/vnd.docker.distribution.manifest.v2+json","config":{{"mediaType":"application/vnd.docker.container.image.v1+json","digest":"{}","size":{}}},"layers":[{}]}}"#,
        Digest::of(&config),
        config.len(),
        layers.join(",")
    );
    assert_eq!(
        facts["images"][0]["engine_manifest"],
        Digest::of(manifest.as_bytes()).to_string()
    );
}

/// Two images that share a base must not carry it twice, and an image that has
/// one layer twice must still have it twice.
#[test]
fn shared_and_repeated_layers_are_stored_once() {
    let desk = Desk::new();
    let one = TestImage::named("one:1");
    let mut two = TestImage::named("two:1");
    two.layers.push(two.layers[0].clone());
    for layout in [Layout::Old, Layout::Blobs] {
        let archive = TestArchive::of(&[one.clone(), two.clone()], layout, Stored::Plain);
        desk.write_archive("both.tar", &archive);
        desk.write(
            "caisson.toml",
            "package_version = \"1.0.0\"\n\
             [[images]]\nsource = \"docker-archive:both.tar:one:1\"\nplatform = \"linux/amd64\"\n\
             [[images]]\nsource = \"docker-archive:both.tar:two:1\"\nplatform = \"linux/amd64\"\n\
             [[services]]\nservice = \"a\"\nservice_revision = \"r\"\nimage = \"one:1\"\n\
             [[services]]\nservice = \"b\"\nservice_revision = \"r\"\nimage = \"two:1\"\n",
        );
        let facts = desk
            .run("build -f caisson.toml -o both.edgepkg --force --json")
            .succeeded()
            .json();
        let layers = |image: usize| &facts["images"][image]["layers"];
        assert_eq!(layers(0)[0], layers(1)[0]);
        assert_eq!(layers(1)[2], layers(1)[0]);
        let package = desk.read("both.edgepkg");
        let blobs = tar::Archive::new(&package[..])
            .entries()
            .expect("a tar")
            .filter(|entry| {
                let path = entry.as_ref().expect("an entry").path().expect("a path");
                path.starts_with("blobs")
            })
            .count();
        // Two manifests, two configs, the base, one layer of each.
        assert_eq!(blobs, 7);
        desk.run("verify --deep both.edgepkg").succeeded();
    }
}

/// Layers at the edges: one byte, around the size from which zstd uses its
/// threads, around its window; and an image without layers.
#[test]
fn layers_of_odd_sizes() {
    let desk = Desk::new();
    for (number, size) in [1, 512 * 1024, 512 * 1024 + 1, 1 << 20, (4 << 20) + 1]
        .into_iter()
        .enumerate()
    {
        let mut image = TestImage::named("web:1");
        image.layers.push(half_random(size));
        let archive = TestArchive::of(&[image], Layout::Old, Stored::Plain);
        desk.write_archive("web.tar", &archive);
        let output = format!("{number}.edgepkg");
        desk.build("docker-archive:web.tar", &format!("-o {output}"))
            .succeeded();
        desk.run(&format!("verify --deep {output}")).succeeded();
    }
    let mut image = TestImage::named("web:1");
    image.layers.clear();
    let archive = TestArchive::of(&[image], Layout::Old, Stored::Plain);
    desk.write_archive("web.tar", &archive);
    desk.build("docker-archive:web.tar", "-o none.edgepkg")
        .refused("source.config_invalid", 10);
}

/// What `inspect` says must be what the build said.
#[test]
fn inspect_shows_what_was_built() {
    let desk = Desk::new();
    desk.write_archive("web.tar", &TestArchive::simple());
    let more = "--release 7 --min-updater-version 0.2.0 --engine-api-min 1.41 \
                --note changelog=sch\u{f6}ner --note by=\u{202e}liame -o web.edgepkg --json";
    let mut built = desk
        .build("docker-archive:web.tar", more)
        .succeeded()
        .json();
    let inspected = desk.run("inspect --json web.edgepkg").succeeded().json();
    built["event"] = "inspected".into();
    assert_eq!(built, inspected);
    assert_eq!(inspected["release"], 7);
    assert_eq!(inspected["notes"]["changelog"], "sch\u{f6}ner");
    assert_eq!(inspected["compatibility"]["engine_api_min"], "1.41");
    let text = desk.run("verify web.edgepkg").succeeded().stdout;
    assert!(text.contains(": sound\nmanifest sha256:"), "{text}");
}

/// Names that `docker load` of the raw file would use: never the real ones
/// unless somebody asked for it.
#[test]
fn live_names_only_where_asked_for() {
    let desk = Desk::new();
    desk.write_archive("web.tar", &TestArchive::simple());
    for (flags, live) in [("-o a.edgepkg", false), ("-o b.edgepkg --live-names", true)] {
        desk.build("docker-archive:web.tar", flags).succeeded();
        let package = desk.read(&flags[3..12]);
        let text = String::from_utf8_lossy(&package);
        assert_eq!(text.contains("[\"docker.io/library/web:1.1.0\"]"), live);
        assert_eq!(text.contains("[\"caisson.local/"), !live);
    }
}
