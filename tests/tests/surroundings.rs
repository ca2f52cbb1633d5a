//! Surroundings that don't play along: a second instance, a state directory that
//! can't be written, a stick that goes away, a person with ctrl-c. Each ends with
//! a coded error and the service up.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread;
use std::time::Duration;

use caisson_apply::journal::{Event, StepId};
use caisson_tests::device::{HTTP_PROBE, Said};
use caisson_tests::sweep::guards;
use caisson_tests::witness::{Place, Poller, Running, wait_until};
use rustix::process::Signal;
use serde_json::Value;

const SOON: Duration = Duration::from_secs(10);
/// A probe that takes longer than another instance waits (10 s).
const LONG_PROBE: &str =
    "all_of = [\"http\"]\nstart_timeout_secs = 8\nstable_secs = 13\nsuccesses = 2\n";
/// Random bytes that take long enough to be imported for something to happen meanwhile.
const SOME_TIME_BYTES: u64 = 24 << 20;

/// Two technicians, or one who pressed twice: they must not undo each other's work.
#[test]
fn of_two_instances_one_installs_and_the_other_waits_or_gives_up() {
    let Some(place) = Place::new().unwrap() else {
        return;
    };
    let device = &place.device;
    place.install("1.0.0").unwrap();
    let (package, _) = device.pack(&device.recipe("1.1.0")).unwrap();
    let both = |package: &Path| -> Vec<Said> {
        let running = [(), ()].map(|()| Running::load(device, package).unwrap());
        running.map(|one| one.end().unwrap()).into()
    };
    let poller = Poller::start(device.port);

    let mut results: Vec<_> = both(&package).iter().map(result).collect();
    results.sort_unstable();
    assert!(
        results == ["0 done", "0 installed_already"] || results == ["0 done", "40 update.locked"],
        "{results:?}"
    );
    assert_eq!(device.version().as_deref(), Some("1.1.0"));
    assert_eq!(place.contents().unwrap().kind("container").len(), 2);

    device.catalog(LONG_PROBE).unwrap();
    let (package, _) = device.pack(&device.recipe("1.2.0")).unwrap();
    let said = both(&package);
    let mut results: Vec<_> = said.iter().map(result).collect();
    results.sort_unstable();
    assert_eq!(results, ["0 done", "40 update.locked"]);
    let locked = said.iter().find(|said| said.code == 40).unwrap();
    assert_eq!(
        locked.json().unwrap()["state"],
        "nothing changed by this one"
    );
    assert_eq!(device.version().as_deref(), Some("1.2.0"));
    assert_eq!(place.contents().unwrap().kind("container").len(), 2);
    let polls = poller.end();
    assert_eq!(polls.versions, ["1.0.0", "1.1.0", "1.2.0"]);
    println!("longest gap {:?}", polls.longest_gap);
}

/// Exit status and the word for scripts.
fn result(said: &Said) -> String {
    let json = said.json().unwrap();
    let word = json["error"].as_str().or(json["result"].as_str());
    format!("{} {}", said.code, word.unwrap_or_default())
}

/// The command with mounts of its own, made by a script that gets the state
/// directory as `$0`. The mounts end with the last process in there: nothing is
/// left, whatever becomes of the test.
fn with_mounts(script: &str, state_dir: &Path, command: &Command) -> Command {
    let mut within = Command::new("unshare");
    within
        .args(["--mount", "sh", "-euc", &format!("{script}\nexec \"$@\"")])
        .arg(state_dir)
        .arg(command.get_program())
        .args(command.get_args())
        .stdin(Stdio::null());
    within
}

/// A journal that can't be written must be noticed before anything is touched.
#[test]
fn a_read_only_state_directory_is_refused_and_can_be_read() {
    let Some(place) = Place::private().unwrap() else {
        return;
    };
    let device = &place.device;
    place.install("1.0.0").unwrap();
    let (package, _) = device.pack(&device.recipe("1.1.0")).unwrap();
    let before = place.contents().unwrap();
    let poller = Poller::start(device.port);
    let read_only = |command: &Command| {
        let script = "mount --bind \"$0\" \"$0\"; mount -o remount,bind,ro \"$0\"";
        let mut within = with_mounts(script, &device.state_dir(), command);
        Said::of(&within.output().unwrap())
    };
    let mut load = device.load_command(&package);
    let said = read_only(load.arg("--json")).expect(21).unwrap();
    let json = said.json().unwrap();
    assert_eq!(json["error"], "state.unusable", "{json}");
    assert_eq!(json["state"], "nothing changed");

    for arguments in [
        &["history", "list"][..],
        &["service", "list"],
        &["service", "show", &device.name],
        &["package", "plan", package.to_str().unwrap()],
        &["package", "validate", package.to_str().unwrap()],
    ] {
        read_only(device.command().args(arguments))
            .expect(0)
            .unwrap();
    }
    let polls = poller.end();
    assert_eq!(polls.failures, []);
    assert_eq!(place.contents().unwrap().changes_since(&before), [""; 0]);
}

/// Room may end at any row. Before the commit the old version must come back
/// without one byte being written; after it, the new one must stay.
#[test]
fn a_full_state_directory_costs_no_version() {
    let Some(place) = Place::private().unwrap() else {
        return;
    };
    let device = &place.device;
    place.install("1.0.0").unwrap();
    let (package, _) = device.pack(&device.recipe("1.1.0")).unwrap();
    let before = place.contents().unwrap();
    let container = device.inspect("").unwrap().unwrap()["Id"].clone();
    let mut seen = Vec::new();
    for free_kib in (0..).map(|n| n * 48) {
        assert!(free_kib < 2048, "never enough: {seen:?}");
        let said = load_with_room(&place, &package, free_kib);
        let json = said.json().unwrap();
        seen.push((free_kib, result(&said), json["what"].clone()));
        end_guards(&device.state_dir());
        if said.code == 0 {
            assert_eq!(device.version().as_deref(), Some("1.1.0"), "{seen:?}");
            break;
        }
        assert!([13, 21, 30].contains(&said.code), "{said:?}");
        device.wait_for_version("1.0.0", SOON).unwrap();
        let now = device.inspect("").unwrap().unwrap();
        assert_eq!(now["Id"], container, "{said:?}");
        let changes = place.contents().unwrap().changes_since(&before);
        assert_eq!(changes, [""; 0], "{free_kib} KiB: {said:?}");
    }
    for (free_kib, result, what) in &seen {
        println!("{free_kib:>4} KiB free: {result}: {what}");
    }
    assert_eq!(seen[0].1, "21 state.unusable");
    assert!(
        seen.iter().any(|(_, result, _)| result.starts_with("30 ")),
        "never full while the service was touched: {seen:?}"
    );
    // And the device is none the worse for it.
    let (last, _) = device.pack(&device.recipe("1.2.0")).unwrap();
    device.load(&last).unwrap().expect(0).unwrap();
    assert_eq!(place.contents().unwrap().kind("container").len(), 2);
}

/// A load whose state directory is a small file system with so much room.
fn load_with_room(place: &Place, package: &Path, free_kib: u32) -> Said {
    let script = format!(
        "cp -a \"$0\" \"$0.copy\"
         mount -t tmpfs -o size=4m caisson-test \"$0\"
         cp -a \"$0.copy/.\" \"$0\"; rm -rf \"$0.copy\"
         dd if=/dev/zero of=\"$0/fill\" bs=4k 2>/dev/null || true
         truncate -s -{free_kib}K \"$0/fill\""
    );
    let mut load = place.device.load_command(package);
    load.arg("--json");
    let mut within = with_mounts(&script, &place.device.state_dir(), &load);
    Said::of(&within.output().unwrap())
}

/// A guard that goes on trying where nothing can be written is not for the next round.
fn end_guards(state_dir: &Path) {
    let gone = wait_until("the guard leaves", Duration::from_secs(1), || {
        guards(state_dir).is_empty()
    });
    if gone.is_err() {
        for pid in guards(state_dir) {
            let pid = i32::try_from(pid)
                .ok()
                .and_then(rustix::process::Pid::from_raw);
            let _ = rustix::process::kill_process(pid.unwrap(), Signal::KILL);
        }
    }
}

/// Ctrl-c, or a shutdown of the machine, at both sides of the first effect on the service.
#[test]
fn a_signal_before_the_commit_ends_on_the_old_version() {
    let Some(place) = Place::new().unwrap() else {
        return;
    };
    let device = &place.device;
    place.install("1.0.0").unwrap();
    device.catalog(LONG_PROBE).unwrap();
    let recipe = device.recipe("1.1.0").with_padding(SOME_TIME_BYTES, 7);
    let (package, _) = device.pack(&recipe).unwrap();
    let before = place.contents().unwrap();
    let container = device.inspect("").unwrap().unwrap()["Id"].clone();
    for (signal, step, code, state) in [
        (Signal::INT, StepId::ImportImage, 3, "nothing changed"),
        (Signal::TERM, StepId::ImportImage, 3, "nothing changed"),
        (Signal::INT, StepId::Probe, 30, "rolled back"),
        (Signal::TERM, StepId::Probe, 30, "rolled back"),
    ] {
        let poller = Poller::start(device.port);
        let mut load = Running::load(device, &package).unwrap();
        load.wait_for((step, Event::Started)).unwrap();
        load.signal(Signal::STOP).unwrap();
        load.signal(signal).unwrap();
        load.signal(Signal::CONT).unwrap();
        // A person presses it more than once.
        thread::sleep(Duration::from_millis(50));
        let _ = load.signal(signal);
        let json = load.end().unwrap().expect(code).unwrap().json().unwrap();
        assert_eq!(json["error"], "update.interrupted", "{json}");
        assert!(json["state"].as_str().unwrap().starts_with(state), "{json}");
        device.wait_for_version("1.0.0", SOON).unwrap();
        let polls = poller.end();
        if step == StepId::ImportImage {
            assert_eq!(polls.failures, []);
        }
        assert_eq!(device.inspect("").unwrap().unwrap()["Id"], container);
        let changes = place.contents().unwrap().changes_since(&before);
        assert_eq!(changes, [""; 0], "{signal:?} in {step}");
    }
}

/// A terminal that closes in the middle, and ctrl-c too late, must not matter.
#[test]
fn a_hangup_or_a_late_signal_changes_nothing() {
    let Some(place) = Place::new().unwrap() else {
        return;
    };
    let device = &place.device;
    device.catalog(HTTP_PROBE).unwrap();
    place.install("1.0.0").unwrap();
    for (version, signal, moment) in [
        ("1.1.0", Signal::HUP, (StepId::ImportImage, Event::Started)),
        ("1.2.0", Signal::HUP, (StepId::Probe, Event::Started)),
        ("1.3.0", Signal::TERM, (StepId::Commit, Event::Committed)),
    ] {
        let recipe = device.recipe(version).with_padding(SOME_TIME_BYTES, 7);
        let (package, _) = device.pack(&recipe).unwrap();
        let mut load = Running::load(device, &package).unwrap();
        load.wait_for(moment).unwrap();
        // It may be over already.
        let _ = load.signal(signal);
        let said = load.end().unwrap().expect(0).unwrap();
        assert_eq!(said.json().unwrap()["cleanup_pending"], Value::Bool(false));
        assert_eq!(device.version().as_deref(), Some(version));
    }
}

/// The stick is pulled or written to while it is read.
#[test]
fn a_package_that_changes_while_it_is_read_is_refused() {
    let Some(place) = Place::new().unwrap() else {
        return;
    };
    let device = &place.device;
    place.install("1.0.0").unwrap();
    let recipe = device.recipe("1.1.0").with_padding(SOME_TIME_BYTES, 7);
    let (package, _) = device.pack(&recipe).unwrap();
    let whole = fs::read(&package).unwrap();
    let before = place.contents().unwrap();
    let half = whole.len() as u64 / 2;
    let truncate = || {
        let file = fs::File::options().write(true).open(&package).unwrap();
        file.set_len(half).unwrap();
    };
    let overwrite = || {
        let mut other = whole.clone();
        other[whole.len() / 2..].fill(b'x');
        fs::write(&package, other).unwrap();
    };
    let poller = Poller::start(device.port);
    for change in [&truncate as &dyn Fn(), &overwrite] {
        let mut load = Running::load(device, &package).unwrap();
        load.wait_for((StepId::ImportImage, Event::Started))
            .unwrap();
        load.signal(Signal::STOP).unwrap();
        change();
        load.signal(Signal::CONT).unwrap();
        let json = load.end().unwrap().expect(10).unwrap().json().unwrap();
        assert!(
            json["error"].as_str().unwrap().starts_with("pkg."),
            "{json}"
        );
        assert!(
            json["state"]
                .as_str()
                .unwrap()
                .starts_with("nothing changed"),
            "{json}"
        );
        fs::write(&package, &whole).unwrap();
        let changes = place.contents().unwrap().changes_since(&before);
        assert_eq!(changes, [""; 0], "{json}");
    }
    let polls = poller.end();
    assert_eq!(polls.failures, []);
    // A name that goes away is no loss: the file is open.
    let mut load = Running::load(device, &package).unwrap();
    load.wait_for((StepId::ImportImage, Event::Started))
        .unwrap();
    fs::remove_file(&package).unwrap();
    load.end().unwrap().expect(0).unwrap();
    assert_eq!(device.version().as_deref(), Some("1.1.0"));
}
