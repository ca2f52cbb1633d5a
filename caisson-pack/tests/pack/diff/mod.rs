//! `diff`: everything that differs is said, and nothing that does not.

mod foreign;
mod layers;
mod rows;

use edgepkg::Digest;
use edgepkg::manifest::Service;
use edgepkg::writer::{BlobDraft, FileDraft, ImageDraft, LayerDraft, PackageDraft, write};
use serde_json::{Value, json};

use crate::archive::{Layout, Stored, TestArchive, TestImage, layer_of};
use crate::program::{Desk, SIMPLE};

const WEB: &str = "registry.example/web:1.0.0";

/// A config with these layers.
fn config(container: &Value, layers: &[Vec<u8>]) -> Value {
    let diff_ids: Vec<String> = layers
        .iter()
        .map(|layer| Digest::of(layer).to_string())
        .collect();
    json!({
        "architecture": "amd64",
        "os": "linux",
        "created": "2026-01-02T03:04:05Z",
        "config": container,
        "rootfs": {"type": "layers", "diff_ids": diff_ids},
        "history": [{"created_by": "one"}],
    })
}

fn packed(layer: &[u8], level: i32) -> LayerDraft {
    let mut encoder = zstd::stream::write::Encoder::new(Vec::new(), level).expect("zstd");
    encoder
        .set_pledged_src_size(Some(layer.len() as u64))
        .expect("size");
    std::io::Write::write_all(&mut encoder, layer).expect("memory");
    LayerDraft {
        blob: BlobDraft::from_bytes(encoder.finish().expect("memory")),
        diff_id: Digest::of(layer),
        diff_size: layer.len() as u64,
    }
}

fn image(reference: &str, config: &Value, layers: &[Vec<u8>], level: i32) -> ImageDraft {
    ImageDraft {
        reference: reference.to_owned(),
        platform: "linux/amd64".to_owned(),
        config: config.to_string().into_bytes(),
        layers: layers.iter().map(|layer| packed(layer, level)).collect(),
    }
}

fn layers() -> Vec<Vec<u8>> {
    vec![
        layer_of("base", &[b'x'; 3000]),
        layer_of("web", &[b'y'; 2000]),
    ]
}

fn container() -> Value {
    json!({"Env": ["PATH=/bin", "VERSION=1"], "Cmd": ["/web"], "Volumes": {"/data": {}}})
}

fn service(name: &str, image: &str) -> Service {
    Service {
        service: name.to_owned(),
        service_revision: "r1".to_owned(),
        image: image.to_owned(),
    }
}

/// One service, one image, and one of everything else.
fn draft() -> PackageDraft {
    let layers = layers();
    PackageDraft {
        package_version: "1.0.0".to_owned(),
        release: Some(6),
        mtime: 1_700_000_000,
        notes: [("changelog".to_owned(), "first".to_owned())].into(),
        services: vec![service("web", WEB)],
        images: vec![image(WEB, &config(&container(), &layers), &layers, 3)],
        files: vec![FileDraft {
            name: "a.txt".to_owned(),
            blob: BlobDraft::from_bytes(b"a".to_vec()),
        }],
        ..PackageDraft::default()
    }
}

/// The same with another config.
fn with_config(change: impl Fn(&mut Value)) -> PackageDraft {
    let mut draft = draft();
    let mut config = config(&container(), &layers());
    change(&mut config);
    draft.images[0].config = config.to_string().into_bytes();
    draft
}

/// The same with other layers.
fn with_layers(layers: &[Vec<u8>], level: i32) -> PackageDraft {
    let mut draft = draft();
    draft.images = vec![image(WEB, &config(&container(), layers), layers, level)];
    draft
}

fn edited(change: impl Fn(&mut PackageDraft)) -> PackageDraft {
    let mut draft = draft();
    change(&mut draft);
    draft
}

fn put(desk: &Desk, name: &str, draft: &PackageDraft) {
    let mut package = Vec::new();
    write(draft, &mut package, &mut |_, _| {}).expect("consistent");
    desk.write(name, package);
}

fn compared(desk: &Desk, first: &str, second: &str) -> Value {
    let ran = desk.run(&format!("diff {first} {second} --json"));
    ran.succeeded().json()
}

/// `(what, name, from, to)` of each change but those that follow from others: the
/// file's size, an image's id.
fn changes(compared: &Value) -> Vec<Value> {
    let changes = compared["changes"].as_array().expect("changes").iter();
    changes
        .filter(|change| change["what"] != "size" && change["what"] != "config")
        .map(|change| json!([change["what"], change["name"], change["from"], change["to"]]))
        .collect()
}

/// Equal packages: silence, and 0 even where a difference has a status of its own.
/// A pipeline that builds twice relies on it.
#[test]
fn equal_packages_are_silent() {
    let desk = Desk::new();
    put(&desk, "a", &draft());
    put(&desk, "b", &draft());
    for flags in ["", "--exit-code"] {
        let ran = desk.run(&format!("diff a b {flags}")).succeeded();
        assert_eq!(ran.stdout, "");
    }
    let compared = compared(&desk, "a", "b");
    assert_eq!(compared["equal"], true);
    assert_eq!(compared["changes"], json!([]));
    assert_eq!(
        compared["a"]["manifest_digest"],
        compared["b"]["manifest_digest"]
    );
}

/// The same settings in other bytes make another image id: an engine would take
/// it for another image, and `diff` must not be at a loss for words.
#[test]
fn a_config_that_says_the_same_is_told() {
    let desk = Desk::new();
    put(&desk, "a", &draft());
    put(
        &desk,
        "b",
        &with_config(|config| config["config"]["User"] = json!("")),
    );
    let seen = compared(&desk, "a", "b");
    assert_eq!(changes(&seen)[0][0], "config_bytes");
    assert_eq!(changes(&seen).len(), 1);
    let words = desk.run("diff a b").succeeded().stdout;
    assert!(words.contains("every setting is the same"), "{words}");
}

/// Images and platforms that only one package has, and a service whose image has
/// a new name: it is the same image, changed, and not one gone and one new.
#[test]
fn images_find_their_partners() {
    let desk = Desk::new();
    let mut first = draft();
    let layers = layers();
    let other = |architecture: &str, reference: &str| {
        let mut config = config(&container(), &layers);
        config["architecture"] = architecture.into();
        let mut image = image(reference, &config, &layers, 3);
        image.platform = format!("linux/{architecture}");
        image
    };
    first.images.push(other("arm64", WEB));
    put(&desk, "a", &first);
    let mut second = draft();
    let renamed = "other.example/elsewhere:2";
    second.services = vec![service("web", renamed)];
    second.images = vec![other("amd64", renamed), other("riscv64", renamed)];
    put(&desk, "b", &second);
    let seen = compared(&desk, "a", "b");
    let images: Vec<_> = seen["changes"]
        .as_array()
        .expect("changes")
        .iter()
        .filter(|change| change["scope"] == "image")
        .map(|change| {
            let (from, to) = (&change["from"], &change["to"]);
            json!([
                change["reference"],
                change["platform"],
                change["what"],
                from.is_null(),
                to.is_null()
            ])
        })
        .collect();
    assert_eq!(
        images,
        [
            json!([renamed, "linux/amd64", "reference", false, false]),
            json!([renamed, "linux/riscv64", "image", true, false]),
            json!([WEB, "linux/arm64", "image", false, true]),
        ]
    );
    // A device of a platform that the first package lacks needs all of it.
    let new = seen["new_layers"].as_array().expect("platforms");
    let new: Vec<_> = new
        .iter()
        .map(|one| json!([one["platform"], one["layers"]]))
        .collect();
    assert_eq!(
        new,
        [json!(["linux/amd64", 0]), json!(["linux/riscv64", 2])]
    );
}

/// The words of an everyday update, as a release engineer reads them.
#[test]
fn an_everyday_update_in_words() {
    let desk = Desk::new();
    for (version, name) in [("1.0.0", "web:1.0.0"), ("1.1.0", "web:1.1.0")] {
        let image = TestImage::named(name);
        let archive = TestArchive::of(&[image], Layout::Old, Stored::Plain);
        desk.write_archive("web.tar", &archive);
        let flags = SIMPLE.replace("1.1.0", version);
        let build = format!("build {flags} --image docker-archive:web.tar --level 3 -o {version}");
        desk.run(&build).succeeded();
    }
    let words = desk.run("diff 1.0.0 1.1.0").succeeded().stdout;
    let images = ["web:1.0.0", "web:1.1.0"].map(TestImage::named);
    let [old, new] = images.each_ref().map(|image| Digest::of(&image.config()));
    let [old_top, new_top] = images.each_ref().map(|image| Digest::of(&image.layers[1]));
    let wanted = format!(
        "package
  version: 1.0.0 -> 1.1.0
service web
  image: docker.io/library/web:1.0.0 -> docker.io/library/web:1.1.0
image docker.io/library/web:1.1.0 for linux/amd64
  name: docker.io/library/web:1.0.0 -> docker.io/library/web:1.1.0
  id: {old} -> {new}
  layer {old_top}: removed, was 90 B in the package, 2.0 KiB unpacked
  layer {new_top}: added, 90 B in the package, 2.0 KiB unpacked
  layers: 2, 167 B in the package, 4.0 KiB unpacked -> 2, 167 B in the package, 4.0 KiB unpacked; 1 kept in place
a linux/amd64 device that holds the first package stores 1 layer anew: 90 B in the package, 2.0 KiB unpacked
"
    );
    assert_eq!(words, wanted);
}

/// The order of services and images is a part of the bytes, and of nothing else.
#[test]
fn another_order_is_said() {
    let desk = Desk::new();
    let mut first = draft();
    let layers = layers();
    let api = "registry.example/api:1";
    first.services.push(service("api", api));
    first
        .images
        .push(image(api, &config(&container(), &layers), &layers, 3));
    put(&desk, "a", &first);
    first.services.reverse();
    first.images.reverse();
    put(&desk, "b", &first);
    let web = format!("{WEB} for linux/amd64");
    let api = format!("{api} for linux/amd64");
    assert_eq!(
        changes(&compared(&desk, "a", "b")),
        [
            json!(["order of services", null, ["web", "api"], ["api", "web"]]),
            json!(["order of images", null, [&web, &api], [&api, &web]]),
        ]
    );
}
