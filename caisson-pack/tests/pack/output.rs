//! The output file: whole or not there, and never somebody else's.

use std::time::{Duration, Instant};

use crate::archive::{Layout, Stored, TestArchive, TestImage, half_random, layer_of};
use crate::program::{Desk, Ran, SIMPLE};

/// A file that is replaced unasked is gone for good.
#[test]
fn a_file_is_replaced_only_by_force() {
    let desk = Desk::new();
    desk.write_archive("web.tar", &TestArchive::simple());
    desk.write("x.edgepkg", "mine");
    desk.build("docker-archive:web.tar", "-o x.edgepkg")
        .refused("build.output_exists", 2);
    assert_eq!(desk.read("x.edgepkg"), b"mine");
    // Also a force that fails leaves what was there.
    desk.build("docker-archive:none.tar", "-o x.edgepkg --force")
        .refused("usage.file_unreadable", 2);
    assert_eq!(desk.read("x.edgepkg"), b"mine");
    desk.build("docker-archive:web.tar", "-o x.edgepkg --force")
        .succeeded();
    desk.run("verify x.edgepkg").succeeded();
    assert_eq!(desk.names(), ["web.tar", "x.edgepkg"]);
    desk.build("docker-archive:web.tar", "-o no/such/folder/x")
        .refused("build.output_failed", 1);
    std::fs::create_dir(desk.path("folder")).expect("a folder");
    desk.build("docker-archive:web.tar", "-o folder --force")
        .refused("build.output_failed", 1);
}

fn long_build(desk: &Desk, more: &str, part: &str) -> std::process::Child {
    let mut image = TestImage::named("web:1.1.0");
    image.layers.push(layer_of("data", &half_random(64 << 20)));
    let archive = TestArchive::of(&[image], Layout::Old, Stored::Plain);
    desk.write_archive("web.tar", &archive);
    let args = format!(
        "build {SIMPLE} --image docker-archive:web.tar -o x.edgepkg --level 12 --threads 1 {more}"
    );
    let child = desk
        .command()
        .args(args.split_whitespace())
        .stderr(std::process::Stdio::piped())
        .stdout(std::process::Stdio::piped())
        .spawn()
        .expect("the program starts");
    let deadline = Instant::now() + Duration::from_mins(1);
    while !desk.path(part).exists() {
        assert!(Instant::now() < deadline, "the build did not begin");
        std::thread::sleep(Duration::from_millis(5));
    }
    child
}

/// Ctrl-C and a pipeline's TERM must leave no file, and say so.
#[test]
fn a_signal_leaves_no_file() {
    for (signal, more, part) in [
        (rustix::process::Signal::INT, "", "x.edgepkg.part"),
        (rustix::process::Signal::TERM, "", "x.edgepkg.part"),
        (
            rustix::process::Signal::TERM,
            "--split 1MiB",
            "x.edgepkg.001.part",
        ),
    ] {
        let desk = Desk::new();
        let child = long_build(&desk, more, part);
        std::thread::sleep(Duration::from_millis(200));
        let id = i32::try_from(child.id()).expect("a process id");
        let id = rustix::process::Pid::from_raw(id).expect("a process id");
        rustix::process::kill_process(id, signal).expect("it runs");
        let output = child.wait_with_output().expect("it ends");
        Ran::of(&output).refused("build.interrupted", 3);
        assert_eq!(desk.names(), ["web.tar"]);
    }
}

/// Two builds of one output would mix; a killed one must not block the next.
#[test]
fn a_second_build_waits_its_turn() {
    let desk = Desk::new();
    let mut child = long_build(&desk, "", "x.edgepkg.part");
    desk.write_archive("small.tar", &TestArchive::simple());
    desk.build("docker-archive:small.tar", "-o x.edgepkg")
        .refused("build.output_busy", 2);
    child.kill().expect("it runs");
    child.wait().expect("it ends");
    assert!(
        desk.names().contains(&"x.edgepkg.part".to_owned()),
        "a kill leaves the part file"
    );
    desk.build("docker-archive:small.tar", "-o x.edgepkg")
        .succeeded();
    assert_eq!(desk.names(), ["small.tar", "web.tar", "x.edgepkg"]);
}

/// In a pipe the program must be silent but for its result.
#[test]
fn progress_is_for_terminals() {
    let desk = Desk::new();
    desk.write_archive("web.tar", &TestArchive::simple());
    let built = desk
        .build("docker-archive:web.tar", "-o x.edgepkg")
        .succeeded();
    assert_eq!(built.stdout.lines().count(), 4, "{}", built.stdout);
    for args in [
        "inspect x.edgepkg",
        "verify x.edgepkg",
        "verify --deep x.edgepkg",
    ] {
        let ran = desk.run(args).succeeded();
        assert!(!ran.stdout.contains('\r'));
    }
}

/// A flag without a word of help, or a status nobody can look up, would show.
#[test]
fn help_explains_every_flag() {
    let desk = Desk::new();
    for command in ["build", "inspect", "verify"] {
        let help = desk.run(&format!("{command} --help")).succeeded().stdout;
        assert!(help.contains("Example"), "{help}");
        let lines: Vec<&str> = help.lines().collect();
        for (number, line) in lines.iter().enumerate() {
            let flag = line.trim_start();
            if line.starts_with("  ") && flag.starts_with('-') && !flag.starts_with("-o web") {
                let beside = flag.split_once("  ").map(|(_, text)| text);
                let text = beside.or(lines.get(number + 1).copied());
                assert!(text.is_some_and(|text| !text.trim().is_empty()), "{line}");
            }
        }
    }
    let help = desk.run("--help").succeeded().stdout;
    for status in [
        "0  done",
        "2  usage",
        "3  stopped",
        "10  a package",
        "13  not enough",
        "20  the container engine",
    ] {
        assert!(help.contains(status), "{status} is not in {help}");
    }
    desk.run("--version").succeeded();
}
