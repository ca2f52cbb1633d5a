//! Which image, under which name, for which platform: never a guess.

use crate::archive::{Layout, Stored, TestArchive, TestImage};
use crate::program::{Desk, SIMPLE};

fn two_images() -> TestArchive {
    let images = [
        TestImage::named("web:1"),
        TestImage::named("reg.example:5000/db:2"),
    ];
    TestArchive::of(&images, Layout::Blobs, Stored::Plain)
}

/// The wrong image of an archive with several would be installed on devices.
#[test]
fn an_image_is_chosen_by_name_or_place() {
    let desk = Desk::new();
    desk.write_archive("two.tar", &two_images());
    for (choice, reference) in [
        (":web:1", "docker.io/library/web:1"),
        (":docker.io/library/web:1", "docker.io/library/web:1"),
        (":reg.example:5000/db:2", "reg.example:5000/db:2"),
        (":@0", "docker.io/library/web:1"),
        (":@1", "reg.example:5000/db:2"),
    ] {
        let source = format!("docker-archive:two.tar{choice}");
        let ran = desk
            .build(&source, "-o x.edgepkg --force --json")
            .succeeded();
        assert_eq!(ran.json()["images"][0]["reference"], reference, "{choice}");
    }
    desk.build("docker-archive:two.tar", "-o y.edgepkg")
        .refused("source.image_ambiguous", 2);
    for choice in ["web:2", "@2"] {
        let ran = desk.build(&format!("docker-archive:two.tar:{choice}"), "-o y.edgepkg");
        let ran = ran.refused("source.image_not_found", 2);
        assert!(
            ran.stderr.contains("web:1; reg.example:5000/db:2"),
            "{}",
            ran.stderr
        );
    }
    desk.build("dir:out", "-o y.edgepkg")
        .refused("usage.source_unknown", 2);
    desk.build("docker-archive:none.tar", "-o y.edgepkg")
        .refused("usage.file_unreadable", 2);
    desk.build("docker-archive:.", "-o y.edgepkg")
        .refused("usage.file_unreadable", 2);
    assert_eq!(desk.names(), ["two.tar", "x.edgepkg"]);
}

/// Two images without a name may be two programs: their platforms don't choose.
#[test]
fn images_without_a_name_are_not_guessed() {
    let desk = Desk::new();
    let mut images = [TestImage::named("web:1"), TestImage::named("db:2")];
    images[1].architecture = "arm64";
    for image in &mut images {
        image.names.clear();
    }
    let archive = TestArchive::of(&images, Layout::Blobs, Stored::Plain);
    desk.write_archive("two.tar", &archive);
    let source = "docker-archive:two.tar";
    desk.build(source, "--reference web -o x.edgepkg")
        .refused("source.image_ambiguous", 2);
    desk.build(&format!("{source}:@0"), "--reference web -o x.edgepkg")
        .succeeded();
}

/// A name that is guessed at would move with the order in which Docker happens
/// to list tags.
#[test]
fn the_name_is_given_or_unmistakable() {
    let desk = Desk::new();
    let mut image = TestImage::named("web:1");
    let build = |image: &TestImage, more: &str| {
        let archive = TestArchive::of(std::slice::from_ref(image), Layout::Old, Stored::Plain);
        desk.write_archive("web.tar", &archive);
        desk.build(
            "docker-archive:web.tar",
            &format!("-o x.edgepkg --force {more}"),
        )
    };
    image.names = vec!["web:2", "web:1"];
    build(&image, "").refused("build.reference_ambiguous", 2);
    // Who chose it by one of its names has said which one is meant.
    let ran = desk.build("docker-archive:web.tar:web:2", "-o y.edgepkg --json");
    let facts = ran.succeeded().json();
    assert_eq!(facts["images"][0]["reference"], "docker.io/library/web:2");
    image.names = vec![];
    build(&image, "").refused("build.reference_missing", 2);
    build(&image, "--reference Web").refused("build.reference_invalid", 2);
    build(&image, "--reference web@sha256:00").refused("build.reference_invalid", 2);
    let facts = build(&image, "--reference web --json").succeeded().json();
    assert_eq!(
        facts["images"][0]["reference"],
        "docker.io/library/web:latest"
    );
    image.names = vec!["web:1", "docker.io/library/web:1"];
    build(&image, "").succeeded();
}

/// An image for another processor would be found out on the device only.
#[test]
fn the_platform_must_be_the_image_s_own() {
    let desk = Desk::new();
    let mut image = TestImage::named("web:1");
    image.architecture = "arm64";
    image.variant = Some("v8");
    let archive = TestArchive::of(&[image], Layout::Old, Stored::Plain);
    desk.write_archive("web.tar", &archive);
    desk.build("docker-archive:web.tar", "-o x.edgepkg")
        .refused("source.platform_mismatch", 10);
    let arm = SIMPLE.replace("linux/amd64", "linux/aarch64");
    let facts = desk
        .run(&format!(
            "build {arm} --image docker-archive:web.tar -o x.edgepkg --json"
        ))
        .succeeded()
        .json();
    assert_eq!(facts["images"][0]["platform"], "linux/arm64");
}

/// One service, several platforms, by flags alone: the order of flags must not
/// show, and a missing platform must not be guessed.
#[test]
fn several_platforms_by_flags() {
    let desk = Desk::new();
    let mut arm = TestImage::named("web:1");
    arm.architecture = "arm64";
    for (name, image) in [("amd.tar", TestImage::named("web:1")), ("arm.tar", arm)] {
        desk.write_archive(name, &TestArchive::of(&[image], Layout::Old, Stored::Plain));
    }
    let common = "build --service web --service-revision r1 --package-version 1.0.0";
    let amd = "--image docker-archive:amd.tar --platform linux/amd64";
    let arm = "--image docker-archive:arm.tar --platform linux/arm64";
    desk.run(&format!("{common} {amd} {arm} -o a.edgepkg"))
        .succeeded();
    desk.run(&format!("{common} {arm} {amd} -o b.edgepkg"))
        .succeeded();
    assert_eq!(desk.read("a.edgepkg"), desk.read("b.edgepkg"));
    let text = desk.run("inspect a.edgepkg").succeeded().stdout;
    for platform in ["linux/amd64", "linux/arm64"] {
        assert!(
            text.contains(&format!("web      r1        {platform}  image ")),
            "{text}"
        );
    }
    desk.run(&format!(
        "{common} {amd} --image docker-archive:arm.tar -o c.edgepkg"
    ))
    .refused("usage.invalid", 2);
    desk.run(&format!("{common} {amd} {amd} -o c.edgepkg"))
        .refused("manifest.duplicate", 10);
    desk.write_archive("two.tar", &two_images());
    let web = "--image docker-archive:two.tar:@0 --platform linux/amd64";
    let db = "--image docker-archive:two.tar:@1 --platform linux/amd64";
    desk.run(&format!("{common} {web} {db} -o c.edgepkg"))
        .refused("usage.images_conflict", 2);
}

/// Mistakes in flags and in the description must be found before any work, with
/// a code, also where a script asked for JSON.
#[test]
fn mistakes_in_the_request_are_named() {
    let desk = Desk::new();
    desk.write_archive("web.tar", &TestArchive::simple());
    let source = "docker-archive:web.tar";
    for (more, code, status) in [
        ("--level 0", "usage.invalid", 2),
        ("--level 20", "usage.invalid", 2),
        ("--note x", "usage.invalid", 2),
        ("--platform linux/x86_64", "usage.invalid", 2),
        ("--frobnicate", "usage.invalid", 2),
        ("-f caisson.toml", "usage.invalid", 2),
        ("--note Bad-Key=1", "manifest.bad_value", 10),
        ("--release 0", "manifest.bad_value", 10),
        ("--min-updater-version 1", "manifest.bad_value", 10),
        ("--engine-api-min one", "manifest.bad_value", 10),
    ] {
        desk.build(source, &format!("{more} -o x.edgepkg"))
            .refused(code, status);
    }
    // No device takes it, so no build gives it.
    let windows = SIMPLE.replace("linux/amd64", "windows/amd64");
    desk.run(&format!("build {windows} --image {source} -o x.edgepkg"))
        .refused("usage.invalid", 2);
    let nonsense = SIMPLE.replace("1.1.0", "v1");
    desk.run(&format!("build {nonsense} --image {source} -o x.edgepkg"))
        .refused("manifest.bad_value", 10);
    desk.run("build -f none.toml -o x.edgepkg")
        .refused("usage.file_unreadable", 2);
    desk.write("caisson.toml", "images = 1");
    desk.run("build -f caisson.toml -o x.edgepkg")
        .refused("usage.description_invalid", 2);
    desk.write("caisson.toml", "images = []\nservices = []");
    desk.run("build -f caisson.toml -o x.edgepkg")
        .refused("usage.invalid", 2);
    let json = desk.run("build --json --level 3").json();
    assert_eq!(json["code"], "usage.invalid");
    assert_eq!(json["exit"], 2);
    assert_eq!(desk.names(), ["caisson.toml", "web.tar"]);
}

/// The example that people copy from the help must work as it stands.
#[test]
fn the_description_in_the_help_builds() {
    let desk = Desk::new();
    std::fs::create_dir(desk.path("out")).expect("a folder");
    desk.write_archive("out/web-amd64.tar", &TestArchive::simple());
    let help = desk.run("build --help").succeeded().stdout;
    let (_, example) = help
        .split_once("A caisson.toml")
        .expect("the help has an example");
    let example = example
        .lines()
        .skip(1)
        .take_while(|line| !line.starts_with("Names"));
    desk.write("caisson.toml", example.collect::<Vec<_>>().join("\n"));
    let built = desk
        .run("build -f caisson.toml -o x.edgepkg --json")
        .succeeded()
        .json();
    assert_eq!(built["release"], 7);
    assert_eq!(built["notes"]["changelog"], "faster start");
    assert_eq!(built["compatibility"]["engine_api_min"], "1.41");
    // Flags win over the file.
    let flags =
        "--package-version 2.0.0 --release 8 --note changelog=other --min-updater-version 0.3.0";
    let built = desk.run(&format!(
        "build -f caisson.toml {flags} -o y.edgepkg --json"
    ));
    let built = built.succeeded().json();
    assert_eq!(built["package_version"], "2.0.0");
    assert_eq!(built["release"], 8);
    assert_eq!(built["notes"]["changelog"], "other");
    assert_eq!(built["compatibility"]["min_updater_version"], "0.3.0");
}

/// The date of a package comes from its images or from the pipeline, and never
/// from the clock.
#[test]
fn the_date_comes_from_epoch_or_images() {
    let desk = Desk::new();
    desk.write_archive("web.tar", &TestArchive::simple());
    let with_epoch = |epoch: &str| {
        let args =
            format!("build {SIMPLE} --image docker-archive:web.tar -o x.edgepkg --force --json");
        let mut command = desk.command();
        command
            .env("SOURCE_DATE_EPOCH", epoch)
            .args(args.split_whitespace());
        crate::program::Ran::of(&command.output().expect("the program starts"))
    };
    assert_eq!(
        with_epoch("1700000000").succeeded().json()["mtime"],
        1_700_000_000
    );
    assert_eq!(with_epoch("tomorrow").json()["code"], "usage.epoch_invalid");
    assert_eq!(
        with_epoch("9999999999999").json()["code"],
        "manifest.limit_exceeded"
    );
    let mut old = TestImage::named("web:1");
    old.created = "0001-01-01T00:00:00Z";
    let archive = TestArchive::of(&[old], Layout::Old, Stored::Plain);
    desk.write_archive("web.tar", &archive);
    let built = desk.build("docker-archive:web.tar", "-o x.edgepkg --force --json");
    assert_eq!(built.succeeded().json()["mtime"], 0);
}
