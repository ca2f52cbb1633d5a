//! Packages of format version 1, built again.

use crate::archive::{Item, Stored, TestArchive, pack};
use crate::program::Desk;

/// A package of version 1 for this platform with this `image.tar`.
pub(crate) fn package(platform: &str, image: &[u8]) -> Vec<u8> {
    archive(platform, image).bytes()
}

fn archive(platform: &str, image: &[u8]) -> TestArchive {
    let manifest = format!(
        "format_version = 1\npackage_type = \"service\"\npackage_version = \"1.1.0\"\n\
         created_at = \"2026-03-16T18:30:00Z\"\n\n[target]\nservice = \"web\"\n\
         service_revision = \"r1\"\nplatform = \"{platform}\"\n\n[image]\n\
         reference = \"web:1.1.0\"\n"
    );
    TestArchive(vec![
        Item::file("manifest.toml", manifest.as_bytes()),
        Item::file("image.tar", image),
    ])
}

/// Nobody should have to write again what the old package says, and what it says
/// of the predecessor's versions is dropped with a word.
#[test]
fn the_old_package_says_what_it_is_for() {
    let desk = Desk::new();
    let image = TestArchive::simple();
    desk.write_archive("web.tar", &image);
    desk.build("docker-archive:web.tar", "-o wanted.edgepkg")
        .succeeded();
    let mut old = archive("linux/x86_64", &pack(&image.bytes(), Stored::Gzip));
    old.0[0]
        .data
        .extend_from_slice(b"\n[compatibility]\nmin_updater_version = \"0.1.0-alpha\"\n");
    // Order is free in version 1, and so are `./` names.
    old.0.reverse();
    old.0[0].path = "./image.tar".to_owned();
    desk.write_archive("old.edgepkg", &old);
    let ran = desk.run("build --image v1:old.edgepkg -o new.edgepkg");
    assert_eq!(ran.status, 0, "{ran:?}");
    assert!(ran.stderr.starts_with("note: "), "{ran:?}");
    assert!(
        ran.stderr
            .contains("min_updater_version 0.1.0-alpha is left out")
    );
    assert!(desk.read("new.edgepkg") == desk.read("wanted.edgepkg"));
    // Flags win, but for the platform, which is the image's.
    let facts = desk
        .run(
            "build --image v1:old.edgepkg --service db --package-version 2.0.0 -o b.edgepkg --json",
        )
        .json();
    assert_eq!(facts["services"][0]["service"], "db");
    assert_eq!(facts["package_version"], "2.0.0");
    let ran = desk.run("build --image v1:old.edgepkg --platform linux/arm64 -o c.edgepkg");
    assert!(
        ran.stderr.contains("error[source.platform_mismatch]"),
        "{ran:?}"
    );
    desk.run("build --image docker-archive:web.tar --platform linux/amd64 -o c.edgepkg")
        .refused("usage.invalid", 2);
}

/// What the predecessor read past, or would have believed, is refused.
#[test]
fn bent_old_packages_are_refused() {
    type Bend = fn(&mut TestArchive);
    let cases: &[(&str, Bend, &str)] = &[
        (
            "stray entry",
            |old| old.0.push(Item::file("setup.sh", b"x")),
            "source.entry_refused",
        ),
        (
            "two manifests",
            |old| old.0.push(old.0[0].clone()),
            "source.entry_duplicate",
        ),
        (
            "no image",
            |old| {
                old.0.pop();
            },
            "source.manifest_missing",
        ),
        (
            "no manifest",
            |old| {
                old.0.remove(0);
            },
            "source.manifest_missing",
        ),
        (
            "version 2",
            |old| replace(old, "format_version = 1", "format_version = 2"),
            "source.manifest_invalid",
        ),
        (
            "another type",
            |old| replace(old, "\"service\"", "\"updater\""),
            "source.manifest_invalid",
        ),
        (
            "a date that is none",
            |old| replace(old, "2026-03-16T", "yesterday "),
            "source.manifest_invalid",
        ),
        (
            "no service",
            |old| replace(old, "service = \"web\"\n", ""),
            "source.manifest_invalid",
        ),
        (
            "a platform of its own",
            |old| replace(old, "linux/amd64", "linux/arm64"),
            "source.platform_mismatch",
        ),
        (
            "another image",
            |old| replace(old, "web:1.1.0", "db:1"),
            "source.image_not_found",
        ),
        (
            "large manifest",
            |old| old.0[0].data.extend(vec![b'#'; 70_000]),
            "source.limit_exceeded",
        ),
    ];
    for (name, bend, code) in cases {
        let desk = Desk::new();
        let mut old = archive("linux/amd64", &TestArchive::simple().bytes());
        bend(&mut old);
        desk.write_archive("old.edgepkg", &old);
        let ran = desk.run("build --image v1:old.edgepkg -o new.edgepkg");
        assert!(
            ran.stderr.starts_with(&format!("error[{code}]: ")),
            "{name}: {ran:?}"
        );
        assert_eq!(desk.names(), ["old.edgepkg"], "{name}");
    }
}

fn replace(old: &mut TestArchive, from: &str, to: &str) {
    let text = String::from_utf8(old.0[0].data.clone()).expect("text");
    assert!(text.contains(from));
    old.0[0].data = text.replacen(from, to, 1).into_bytes();
}
