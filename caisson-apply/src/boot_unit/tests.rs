//! Units rendered, installed below a scratch root, and looked at again.
#![expect(clippy::disallowed_methods, reason = "builds scratch roots")]

use std::fs;
use std::io;

use super::*;

const STATE: &str = "/var/lib/caisson";
const ENGINE: &str = "unix:///var/run/docker.sock";

/// A root with systemd (not running) and our program.
fn device() -> tempfile::TempDir {
    let root = tempfile::tempdir().expect("scratch");
    for file in ["usr/lib/systemd/systemd", "usr/local/bin/caisson-apply"] {
        let path = root.path().join(file);
        fs::create_dir_all(path.parent().expect("has one")).expect("scratch");
        fs::write(path, "x").expect("scratch");
    }
    root
}

fn units() -> Vec<UnitFile> {
    render(
        Path::new("/usr/local/bin/caisson-apply"),
        Path::new(STATE),
        ENGINE,
    )
    .expect("plain paths")
}

fn installed() -> tempfile::TempDir {
    let root = device();
    install(root.path(), &units(), &mut |_| Ok(())).expect("installs");
    root
}

fn look(root: &tempfile::TempDir) -> Status {
    status(root.path(), Path::new(STATE), ENGINE)
}

/// The reasons of a status that isn't `Installed`.
fn reasons(root: &tempfile::TempDir) -> Vec<String> {
    match look(root) {
        Status::Installed => panic!("claims to be installed"),
        Status::Incomplete(reasons) => reasons,
    }
}

/// The units would call something else, or depend on an engine that isn't there.
#[test]
fn units_hold_the_command_and_never_require_the_engine() {
    let units = units();
    assert_eq!(units.len(), 2);
    assert_eq!(
        units[0].path,
        Path::new("/etc/systemd/system/caisson-recover.service")
    );
    let service = &units[0].text;
    let command = "ExecStart=/usr/local/bin/caisson-apply --state-dir /var/lib/caisson \
                   --engine unix:///var/run/docker.sock recover --wait 120\n";
    assert!(service.contains(command), "{service}");
    assert!(
        service.contains("\nWants=docker.service\n\n[Service]\n"),
        "{service}"
    );
    assert!(!service.contains("\nRequires="));
    assert!(!service.contains("@COMMAND@") && !service.contains("@WANTS@"));
    assert!(units[1].text.contains("OnUnitInactiveSec=1min"));
}

/// A private engine's unit would start the distribution's Docker.
#[test]
fn only_usual_sockets_want_a_unit() {
    let service = |engine: &str| {
        render(Path::new("/x"), Path::new("/y"), engine).expect("plain")[0]
            .text
            .clone()
    };
    assert!(service("/run/podman/podman.sock").contains("\nWants=podman.socket\n"));
    let private = service("/srv/engine.sock");
    assert!(!private.contains("Wants="));
    assert!(
        private.contains("podman.socket\n\n[Service]\n"),
        "{private}"
    );
}

/// A path that a unit can't hold would be cut, or become another directive.
#[test]
fn impossible_paths_are_refused() {
    let good = Path::new("/x");
    for bad in ["x", "/a\nExecStart=/evil", "/a\tb", ""] {
        let bad = Path::new(bad);
        assert_eq!(
            render(bad, good, ENGINE).expect_err("bad").code,
            Code::BootUnitWrite
        );
        assert_eq!(
            render(good, bad, ENGINE).expect_err("bad").code,
            Code::BootUnitWrite
        );
    }
    assert!(render(good, good, "").is_err());
    assert!(render(good, good, "/a\nb").is_err());
}

/// A path that only looks like one of our marks must not be filled in.
#[test]
fn marks_in_paths_stay() {
    let units = render(Path::new("/x"), Path::new("/@WANTS@/@COMMAND@"), ENGINE).expect("odd");
    assert!(
        units[0].text.contains("--state-dir /@WANTS@/@COMMAND@ "),
        "{}",
        units[0].text
    );
}

/// What was installed isn't found again, or a second run breaks it.
#[test]
fn installing_is_seen_and_repeatable() {
    let root = device();
    assert_eq!(reasons(&root).len(), 2);
    for _ in 0..2 {
        let mut called = 0;
        install(root.path(), &units(), &mut |_| {
            called += 1;
            Ok(())
        })
        .expect("installs");
        assert_eq!(called, 0, "systemd doesn't run in this root");
        assert_eq!(look(&root), Status::Installed);
    }
    let link = root
        .path()
        .join("etc/systemd/system/timers.target.wants/caisson-recover.timer");
    let target = fs::read_link(link).expect("a link");
    assert_eq!(
        target,
        Path::new("/etc/systemd/system/caisson-recover.timer")
    );
    let left = fs::read_dir(root.path().join("etc/systemd/system")).expect("there");
    let names: Vec<String> = left
        .map(|entry| {
            entry
                .expect("readable")
                .file_name()
                .to_string_lossy()
                .into_owned()
        })
        .collect();
    assert!(names.iter().all(|name| !name.starts_with('.')), "{names:?}");
    // Other spellings of the same place are the same place.
    let same = status(
        root.path(),
        Path::new("/var/lib/./caisson/"),
        "/run/docker.sock",
    );
    assert_eq!(same, Status::Installed);
}

/// A path with everything systemd replaces must be found again as itself.
#[test]
fn awkward_paths_are_found_again() {
    let root = device();
    let state = Path::new("/srv/my data/100%/$HOME/\"x\"/it's");
    let units = render(Path::new("/usr/local/bin/caisson-apply"), state, ENGINE).expect("odd");
    install(root.path(), &units, &mut |_| Ok(())).expect("installs");
    assert_eq!(status(root.path(), state, ENGINE), Status::Installed);
}

/// A unit that repairs nothing would count as insurance.
#[test]
fn units_that_repair_nothing_are_named() {
    let dir = "etc/systemd/system";
    let root = installed();
    fs::remove_file(
        root.path()
            .join(dir)
            .join("multi-user.target.wants/caisson-recover.service"),
    )
    .expect("was there");
    assert_eq!(reasons(&root), ["caisson-recover.service is not enabled"]);

    let root = installed();
    fs::remove_file(root.path().join(dir).join("caisson-recover.timer")).expect("was there");
    assert_eq!(reasons(&root), ["caisson-recover.timer is not installed"]);
    std::os::unix::fs::symlink(
        "/dev/null",
        root.path().join(dir).join("caisson-recover.timer"),
    )
    .expect("scratch");
    assert_eq!(reasons(&root), ["caisson-recover.timer is masked"]);

    let root = installed();
    let other = status(root.path(), Path::new("/srv/other"), "/srv/x.sock");
    let Status::Incomplete(reasons_of_other) = other else {
        panic!("claims to be installed")
    };
    assert_eq!(
        reasons_of_other,
        [
            "caisson-recover.service is for the state directory /var/lib/caisson, not /srv/other",
            "caisson-recover.service is for the engine unix:///var/run/docker.sock, not /srv/x.sock",
        ]
    );

    fs::remove_file(root.path().join("usr/local/bin/caisson-apply")).expect("was there");
    assert!(reasons(&root)[0].contains("/usr/local/bin/caisson-apply, is not there"));

    let service = root.path().join(dir).join("caisson-recover.service");
    for text in [
        "[Service]\n",
        "ExecStart=/a\nExecStart=/b\n",
        "ExecStart=/x $HOME\n",
        "ExecStart=/bin/true\n",
    ] {
        fs::write(&service, text).expect("scratch");
        assert!(!reasons(&root).is_empty(), "{text}");
    }
}

/// Where systemd runs it must take notice, and its refusal must not be swallowed.
#[test]
fn a_running_systemd_is_told() {
    let root = device();
    fs::create_dir_all(root.path().join("run/systemd/system")).expect("scratch");
    let mut called = Vec::new();
    install(root.path(), &units(), &mut |words| {
        called.push(words.join(" "));
        Ok(())
    })
    .expect("installs");
    assert_eq!(called, ["daemon-reload", "start caisson-recover.timer"]);
    let error = install(root.path(), &units(), &mut |_| {
        Err(io::Error::other("no bus"))
    })
    .expect_err("systemctl failed");
    assert_eq!(error.code, Code::BootUnitWrite);
    assert_eq!(error.found.as_deref(), Some("no bus"));
    assert_eq!(
        look(&root),
        Status::Installed,
        "the files are written all the same"
    );
}

/// Files for a program that isn't there would promise a repair that never comes.
#[test]
fn a_device_without_systemd_is_told_so() {
    let root = tempfile::tempdir().expect("scratch");
    let error = install(root.path(), &units(), &mut |_| Ok(())).expect_err("no systemd");
    assert_eq!(error.code, Code::BootUnitWrite);
    assert!(!root.path().join("etc").exists());
}

/// A directory that can't be written is said with its path.
#[test]
fn unwritable_places_are_named() {
    let root = device();
    fs::create_dir_all(root.path().join("etc")).expect("scratch");
    fs::write(
        root.path().join("etc/systemd"),
        "a file where a folder belongs",
    )
    .expect("scratch");
    let error = install(root.path(), &units(), &mut |_| Ok(())).expect_err("blocked");
    assert_eq!(
        error.place.as_deref(),
        Some("/etc/systemd/system/caisson-recover.service")
    );
    assert!(error.found.is_some() && error.state.is_some());
}
