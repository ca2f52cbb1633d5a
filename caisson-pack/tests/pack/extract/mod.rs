//! `extract`: what comes out is what went in, in a form that old engines read.

mod failures;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::Read as _;

use edgepkg::Digest;
use serde_json::Value;

use crate::archive::{Layout, Stored, TestArchive, TestImage};
use crate::program::Desk;

/// Two platforms of one image, and a second image that shares their base.
const SITE: &str = r#"
package_version = "1.1.0"
level = 3
images = [
  { source = "docker-archive:amd64.tar", platform = "linux/amd64" },
  { source = "docker-archive:arm64.tar", platform = "linux/arm64" },
  { source = "docker-archive:api.tar", platform = "linux/amd64" },
]
services = [
  { service = "web", service_revision = "r1", image = "web:1.1.0" },
  { service = "api", service_revision = "r1", image = "registry.example/api:2" },
]
"#;

const WEB: &str = "docker.io/library/web:1.1.0";
const API: &str = "registry.example/api:2";

fn images() -> [(&'static str, TestImage); 3] {
    let web = TestImage::named("web:1.1.0");
    let mut arm = web.clone();
    (arm.architecture, arm.variant) = ("arm64", Some("v8"));
    arm.layers[1] = crate::archive::layer_of("bin/web", b"for arm");
    [
        ("amd64.tar", web),
        ("arm64.tar", arm),
        ("api.tar", TestImage::named("registry.example/api:2")),
    ]
}

/// A desk with `site.edgepkg`.
fn site() -> Desk {
    let desk = Desk::new();
    for (name, image) in images() {
        let archive = TestArchive::of(&[image], Layout::Old, Stored::Gzip);
        desk.write_archive(name, &archive);
    }
    desk.write("caisson.toml", SITE);
    desk.run("build -f caisson.toml -o site.edgepkg")
        .succeeded();
    desk
}

/// The files of a tar, and their names in order.
fn untar(bytes: &[u8]) -> (BTreeMap<String, Vec<u8>>, Vec<String>) {
    let (mut files, mut order) = (BTreeMap::new(), Vec::new());
    for entry in tar::Archive::new(bytes).entries().expect("a tar") {
        let mut entry = entry.expect("an entry");
        assert_eq!(entry.header().mtime().expect("a time"), 1_767_323_045);
        let path = entry.path().expect("a path").to_string_lossy().into_owned();
        let mut data = Vec::new();
        entry.read_to_end(&mut data).expect("data");
        order.push(path.clone());
        assert!(files.insert(path, data).is_none(), "an entry twice");
    }
    (files, order)
}

fn json_in(files: &BTreeMap<String, Vec<u8>>, path: &str) -> Value {
    serde_json::from_slice(&files[path]).expect("JSON")
}

fn path_of(digest: &Value) -> String {
    let digest = digest.as_str().expect("a digest");
    digest.replace("sha256:", "blobs/sha256/")
}

/// Follows a manifest's descriptors to blobs of the right digest and size.
fn assert_whole(files: &BTreeMap<String, Vec<u8>>, manifest: &Value, image: &TestImage) {
    let blob = |descriptor: &Value| {
        let data = &files[&path_of(&descriptor["digest"])];
        assert_eq!(descriptor["digest"], Digest::of(data).to_string());
        assert_eq!(descriptor["size"], data.len());
        data
    };
    assert_eq!(*blob(&manifest["config"]), image.config());
    let layers = manifest["layers"].as_array().expect("layers");
    assert_eq!(layers.len(), image.layers.len());
    for (descriptor, layer) in layers.iter().zip(&image.layers) {
        assert_eq!(blob(descriptor), layer);
    }
}

/// A docker archive read with nothing but tar and SHA-256: both lists in it must
/// lead to the image that went in, under its own name, and the names come last.
#[test]
fn a_docker_archive_holds_the_image_that_went_in() {
    let desk = site();
    let facts = desk
        .run("extract site.edgepkg --docker-archive x.tar --platform linux/amd64 --json")
        .succeeded()
        .json();
    let bytes = desk.read("x.tar");
    let (files, order) = untar(&bytes);
    assert_eq!(facts["event"], "extracted");
    assert_eq!(facts["form"], "docker-archive");
    assert_eq!(facts["size"], bytes.len());
    assert_eq!(
        order[order.len() - 3..],
        ["oci-layout", "index.json", "manifest.json"]
    );
    // The base is in it once.
    assert_eq!(order.len(), 2 + 3 + 2 + 3);
    let [(_, web), _, (_, api)] = images();
    let package = desk.run("inspect site.edgepkg --json").succeeded().json();
    let index = json_in(&files, "index.json");
    let items = json_in(&files, "manifest.json");
    for (number, (reference, image)) in [(WEB, &web), (API, &api)].into_iter().enumerate() {
        let packed = &package["images"]
            .as_array()
            .expect("images")
            .iter()
            .find(|packed| packed["reference"] == reference && packed["platform"] == "linux/amd64");
        let packed = packed.expect("the image is packed");
        let named = index["manifests"].as_array().expect("manifests");
        let named = named.iter().find(|one| {
            one["annotations"]["io.containerd.image.name"] == reference
                && one["annotations"]["org.opencontainers.image.ref.name"] == reference
        });
        let named = named.expect("the index names the image");
        assert_eq!(named["digest"], packed["engine_manifest"], "{number}");
        let manifest = json_in(&files, &path_of(&named["digest"]));
        assert!(
            manifest["mediaType"]
                .as_str()
                .expect("a type")
                .contains("docker")
        );
        assert_whole(&files, &manifest, image);
        let item = items.as_array().expect("items").iter();
        let item = item
            .clone()
            .find(|item| item["RepoTags"] == serde_json::json!([reference]));
        let item = item.expect("the list names the image");
        assert_eq!(item["Config"], path_of(&packed["config"]));
        let layers: Vec<String> = image
            .layers
            .iter()
            .map(|layer| format!("blobs/sha256/{}", Digest::of(layer).hex()))
            .collect();
        assert_eq!(item["Layers"], serde_json::json!(layers));
    }
}

/// An OCI layout, as a folder and as a tar: the same files, and an index of
/// platforms under the name that has two.
#[test]
fn an_oci_layout_holds_every_platform() {
    let desk = site();
    desk.run("extract site.edgepkg --oci-archive x.tar")
        .succeeded();
    std::fs::create_dir(desk.path("x")).expect("an empty folder is no obstacle");
    desk.run("extract site.edgepkg --oci x").succeeded();
    let (files, order) = untar(&desk.read("x.tar"));
    assert_eq!(order.last().expect("files"), "index.json");
    for (path, data) in &files {
        assert_eq!(desk.read(&format!("x/{path}")), *data, "{path}");
    }
    let blobs = std::fs::read_dir(desk.path("x/blobs/sha256")).expect("blobs");
    assert_eq!(blobs.count(), files.len() - 2);
    assert_eq!(std::fs::read_dir(desk.path("x")).expect("x").count(), 3);
    let [(_, web), (_, arm), (_, api)] = images();
    let index = json_in(&files, "index.json");
    for (reference, wanted) in [(WEB, vec![&web, &arm]), (API, vec![&api])] {
        let named = index["manifests"].as_array().expect("manifests").iter();
        let named: Vec<&Value> = named
            .filter(|one| one["annotations"]["org.opencontainers.image.ref.name"] == reference)
            .collect();
        assert_eq!(named.len(), 1, "{reference}");
        let target = json_in(&files, &path_of(&named[0]["digest"]));
        if wanted.len() == 1 {
            assert_whole(&files, &target, wanted[0]);
            continue;
        }
        for image in wanted {
            let listed = target["manifests"].as_array().expect("platforms").iter();
            let mut listed =
                listed.filter(|one| one["platform"]["architecture"] == image.architecture);
            let listed = listed.next().expect("the platform is listed");
            assert_whole(&files, &json_in(&files, &path_of(&listed["digest"])), image);
        }
    }
}

/// What is extracted and packed again must be the very same package: nothing was
/// lost, added or renamed on the way.
#[test]
fn the_way_back_gives_the_same_package() {
    let desk = site();
    let wanted = desk.read("site.edgepkg");
    let flags = "extract site.edgepkg --force --docker-archive";
    for (output, choice) in [
        ("amd64.tar", "--image web:1.1.0 --platform linux/amd64"),
        ("arm64.tar", "--image web:1.1.0 --platform linux/arm64"),
        ("api.tar", "--image registry.example/api:2"),
    ] {
        desk.run(&format!("{flags} {output} {choice}")).succeeded();
    }
    desk.run("build -f caisson.toml -o again.edgepkg")
        .succeeded();
    assert_eq!(desk.read("again.edgepkg"), wanted);

    // Both images of one archive, each chosen by the name it has there.
    desk.run(&format!("{flags} both.tar --platform linux/amd64"))
        .succeeded();
    let both = SITE
        .replace("amd64.tar", &format!("both.tar:{WEB}"))
        .replace("api.tar", &format!("both.tar:{API}"));
    desk.write("caisson.toml", both);
    desk.run("build -f caisson.toml -o both.edgepkg")
        .succeeded();
    assert_eq!(desk.read("both.edgepkg"), wanted);

    // Equal packages give equal archives, wherever they go.
    let piped = desk
        .command()
        .args(format!("{flags} - --platform linux/amd64").split(' '))
        .output();
    let piped = piped.expect("the program starts");
    assert!(piped.status.success());
    assert_eq!(piped.stdout, desk.read("both.tar"));
    let said = String::from_utf8(piped.stderr).expect("text");
    assert!(
        said.starts_with("standard output: docker-archive"),
        "{said}"
    );
}

/// The same through an OCI layout, with both platforms under one name.
#[test]
fn the_way_back_through_an_oci_layout_gives_the_same_package() {
    let desk = site();
    desk.run("extract site.edgepkg --oci layout").succeeded();
    desk.run("extract site.edgepkg --oci-archive layout.tar")
        .succeeded();
    for source in ["oci:layout", "oci-archive:layout.tar"] {
        let text = SITE
            .replace("docker-archive:amd64.tar", &format!("{source}:{WEB}"))
            .replace("docker-archive:arm64.tar", &format!("{source}:{WEB}"))
            .replace("docker-archive:api.tar", &format!("{source}:{API}"));
        desk.write("caisson.toml", text);
        desk.run("build -f caisson.toml -o again.edgepkg --force")
            .succeeded();
        assert_eq!(
            desk.read("again.edgepkg"),
            desk.read("site.edgepkg"),
            "{source}"
        );
    }
}

/// One image under two names: its blobs are written once, and both names lead to it.
#[test]
fn an_image_may_have_two_names() {
    let desk = Desk::new();
    let [(file, image), ..] = images();
    let archive = TestArchive::of(std::slice::from_ref(&image), Layout::Old, Stored::Plain);
    desk.write_archive(file, &archive);
    let mut text = String::from("package_version = \"1.1.0\"\n");
    for (service, reference) in [("web", WEB), ("api", API)] {
        let _ = write!(
            text,
            "
            [[images]]
            source = \"docker-archive:{file}\"
            reference = \"{reference}\"
            platform = \"linux/amd64\"
            [[services]]
            service = \"{service}\"
            service_revision = \"r1\"
            image = \"{reference}\""
        );
    }
    desk.write("caisson.toml", text);
    desk.run("build -f caisson.toml -o x.edgepkg").succeeded();
    for output in ["--docker-archive", "--oci-archive"] {
        desk.run(&format!("extract x.edgepkg {output} x.tar --force"))
            .succeeded();
        let (files, _) = untar(&desk.read("x.tar"));
        let index = json_in(&files, "index.json");
        let named = index["manifests"].as_array().expect("manifests");
        assert_eq!(named.len(), 2);
        assert_eq!(named[0]["digest"], named[1]["digest"]);
        assert_whole(
            &files,
            &json_in(&files, &path_of(&named[0]["digest"])),
            &image,
        );
    }
}

/// A wrong choice must be answered with the right ones.
#[test]
fn a_choice_that_is_not_there_is_refused() {
    let desk = site();
    let before = desk.names();
    for (choice, code, status, words) in [
        ("", "extract.platform_needed", 2, "linux/amd64, linux/arm64"),
        ("--image web:1.1.0", "extract.platform_needed", 2, WEB),
        ("--image web:1.2.0", "extract.image_not_found", 2, API),
        (
            "--image web:1.1.0 --platform linux/arm/v7",
            "extract.image_not_found",
            2,
            "arm64",
        ),
        ("--platform pdp11", "usage.invalid", 2, "linux/arm64"),
        ("--image UPPER", "build.reference_invalid", 2, "UPPER"),
        ("--oci x", "usage.invalid", 2, "cannot be used with"),
    ] {
        let ran = desk.run(&format!(
            "extract site.edgepkg --docker-archive x.tar {choice}"
        ));
        let ran = ran.refused(code, status);
        assert!(ran.stderr.contains(words), "{}", ran.stderr);
    }
    desk.run("extract site.edgepkg").refused("usage.invalid", 2);
    desk.run("extract site.edgepkg --oci-archive - --json")
        .json()["code"]
        .as_str()
        .filter(|code| *code == "usage.invalid")
        .expect("one standard output for two things");
    desk.run("extract none.edgepkg --oci x")
        .refused("usage.file_unreadable", 2);
    assert_eq!(desk.names(), before);
}

/// What is there stays there.
#[test]
fn nothing_is_overwritten_unasked() {
    let desk = site();
    desk.write("x.tar", "mine");
    std::fs::create_dir(desk.path("full")).expect("a folder");
    desk.write("full/x", "mine");
    let before = desk.names();
    let extract = "extract site.edgepkg --platform linux/amd64";
    for (output, code, status) in [
        ("--docker-archive x.tar", "build.output_exists", 2),
        ("--oci-archive x.tar", "build.output_exists", 2),
        ("--oci full", "build.output_exists", 2),
        ("--oci x.tar", "build.output_exists", 2),
        ("--oci no/such/folder", "build.output_failed", 1),
        ("--docker-archive full --force", "build.output_failed", 1),
        ("--oci-archive /dev/null --force", "build.output_failed", 1),
    ] {
        desk.run(&format!("{extract} {output}"))
            .refused(code, status);
    }
    assert_eq!(
        (desk.read("x.tar"), desk.read("full/x")),
        (b"mine".to_vec(), b"mine".to_vec())
    );
    assert_eq!(desk.names(), before);
    desk.run(&format!("{extract} --docker-archive x.tar --force"))
        .succeeded();
    assert_eq!(untar(&desk.read("x.tar")).1.len(), 10);
}
