//! A package in parts: the same bytes, all of them or none, never two packages'.

use std::fs;
use std::process::Command;

use caisson_pack::output::split::PartSize;

use crate::archive::{Layout, Stored, TestArchive, TestImage, half_random, layer_of};
use crate::program::{Desk, Ran, SIMPLE};

const SOURCE: &str = "docker-archive:web.tar";

/// A desk with an image that makes a package of some 3.5 MB.
fn desk() -> Desk {
    let desk = Desk::new();
    write_image(&desk, 7 << 20);
    desk
}

fn write_image(desk: &Desk, bytes: usize) {
    let mut image = TestImage::named("web:1.1.0");
    image.layers.push(layer_of("data", &half_random(bytes)));
    let archive = TestArchive::of(&[image], Layout::Old, Stored::Plain);
    desk.write_archive("web.tar", &archive);
}

/// A byte lost, doubled or moved at a cut would show in the joined bytes; a name
/// or size that scripts can't foresee, in the list.
#[test]
fn parts_are_the_package_cut_into_pieces() {
    let desk = desk();
    desk.build(SOURCE, "-o x.edgepkg --level 1").succeeded();
    let whole = desk.read("x.edgepkg");
    fs::remove_file(desk.path("x.edgepkg")).expect("removed");
    for (size, bytes, count) in [
        ("1MiB", 1 << 20, 4),
        ("1500kB", 1_500_000, 3),
        ("fat32", 0, 1),
    ] {
        let more = format!("-o x.edgepkg --level 1 --split {size} --force --json");
        let json = desk.build(SOURCE, &more).succeeded().json();
        let parts = json["parts"].as_array().expect("a list");
        assert_eq!(parts.len(), count, "{size}");
        assert_eq!(json["path"], "x.edgepkg.001");
        assert_eq!(json["size"], whole.len());
        let mut joined = Vec::new();
        for (number, part) in (1..).zip(parts) {
            let name = format!("x.edgepkg.{number:03}");
            assert_eq!(part["path"], *name);
            let data = desk.read(&name);
            assert_eq!(part["size"], data.len());
            assert!(data.len() == bytes || number == count, "{name} of {size}");
            joined.extend(data);
        }
        assert!(joined == whole, "{size}");
        assert_eq!(desk.names().len(), count + 1, "{:?}", desk.names());
        desk.run("verify --deep x.edgepkg.001").succeeded();
    }
    let more = "-o y.edgepkg --level 1 --split 2MiB";
    let words = desk.build(SOURCE, more).succeeded().stdout;
    assert!(words.starts_with("y.edgepkg.001: version 1.1.0"), "{words}");
    assert!(words.contains("part y.edgepkg.001: 2.0 MiB\n"), "{words}");
}

/// Parts of an older, longer package beside the new ones would be read as theirs.
#[test]
fn what_an_older_package_left_is_refused_or_removed() {
    let desk = desk();
    desk.build(SOURCE, "-o x.edgepkg --level 1 --split 1MiB")
        .succeeded();
    let old = desk.read("x.edgepkg.001");
    write_image(&desk, 3 << 20);
    let again = "-o x.edgepkg --level 1 --split 1MiB";
    desk.build(SOURCE, again).refused("build.output_exists", 2);
    // A force that fails leaves what was there.
    desk.build("docker-archive:none.tar", &format!("{again} --force"))
        .refused("usage.file_unreadable", 2);
    assert_eq!(desk.read("x.edgepkg.001"), old);
    assert_eq!(desk.names().len(), 5);
    // What a killed build left is nobody's.
    desk.write("x.edgepkg.003.part", "stale");
    desk.write("x.edgepkg.009.part", "stale");
    desk.write("x.edgepkg.010", "an old part");
    desk.build(SOURCE, &format!("{again} --force")).succeeded();
    assert_eq!(desk.names(), ["web.tar", "x.edgepkg.001", "x.edgepkg.002"]);
    desk.run("verify --deep x.edgepkg.001").succeeded();
    for left in ["x.edgepkg.002", "x.edgepkg.999", "x.edgepkg"] {
        let other = Desk::new();
        write_image(&other, 1000);
        other.write(left, "an old one");
        let ran = other.build(SOURCE, again).refused("build.output_exists", 2);
        assert!(ran.stderr.contains(left), "{ran:?}");
        assert_eq!(other.names(), ["web.tar", left]);
        other.build(SOURCE, &format!("{again} --force")).succeeded();
        assert_eq!(other.names(), ["web.tar", "x.edgepkg.001"]);
    }
}

/// A size that is taken for another would make parts the medium can't hold.
#[test]
fn sizes_that_make_no_sense_are_refused() {
    let desk = desk();
    for size in ["1", "1000000B", "fat", "2G", "0", "-1MiB"] {
        desk.build(SOURCE, &format!("-o x.edgepkg --split={size}"))
            .refused("usage.invalid", 2);
    }
    desk.build(SOURCE, "-o x.edgepkg.001 --split 1MiB")
        .refused("usage.invalid", 2);
    assert_eq!(desk.names(), ["web.tar"]);
    let description = |split: &str| {
        format!(
            "package_version = \"1.1.0\"\nlevel = 1\nsplit = \"{split}\"\n\
             [[images]]\nsource = \"{SOURCE}\"\nplatform = \"linux/amd64\"\n\
             [[services]]\nservice = \"web\"\nservice_revision = \"r1\"\n"
        )
    };
    desk.write("c.toml", description("1.5GiB"));
    let ran = desk.run("build -f c.toml -o x.edgepkg");
    assert!(ran.refused("usage.invalid", 2).stderr.contains("c.toml"));
    desk.write("c.toml", description("2MiB"));
    desk.run("build -f c.toml -o x.edgepkg").succeeded();
    // The flag wins.
    desk.run("build -f c.toml -o x.edgepkg --split fat32 --force")
        .succeeded();
    assert_eq!(desk.names(), ["c.toml", "web.tar", "x.edgepkg.001"]);
}

/// Part 1000 would have no name that a reader knows. A package that large takes
/// too long for a test; what the build asks is asked here.
#[test]
fn no_package_has_more_parts_than_names() {
    let size: PartSize = "1MiB".parse().expect("a size");
    assert_eq!(size.check(999 << 20), Ok(()));
    let error = size.check((999 << 20) + 1).unwrap_err();
    assert_eq!(error.code.as_str(), "build.parts_too_many");
    assert!(error.next.contains("2 MiB or more"), "{error:?}");
}

/// A disk that fills up at any moment must leave no file, split or not.
#[test]
fn a_full_disk_leaves_nothing() {
    let desk = desk();
    fs::create_dir(desk.path("small")).expect("a folder");
    let unshared = |script: &str| {
        let mut command = Command::new("unshare");
        command.args(["--user", "--map-root-user", "--mount", "sh", "-c", script]);
        command.current_dir(desk.folder()).output()
    };
    if !unshared("true").is_ok_and(|output| output.status.success()) {
        println!("skipped: this machine lets nobody mount a small disk");
        return;
    }
    // Too little for the layers, for the package beside them, and enough.
    for (size, status) in [("1m", 13), ("4m", 13), ("6m", 13), ("12m", 0)] {
        for split in ["", "--split 1MiB"] {
            let script = format!(
                "mount -t tmpfs -o size={size} none small || exit 99\n\
                 {} build {SIMPLE} --image {SOURCE} --level 1 -o small/x.edgepkg {split}\n\
                 status=$?; ls -A small; exit $status",
                env!("CARGO_BIN_EXE_caisson-pack")
            );
            let ran = Ran::of(&unshared(&script).expect("it starts"));
            assert_eq!(ran.status, status, "{size} {split}: {ran:?}");
            if status == 13 {
                let ran = ran.refused("build.no_space", 13);
                assert_eq!(ran.stdout, "", "{size} {split}");
            }
        }
    }
}
