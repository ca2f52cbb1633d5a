//! New versions that don't serve, on a real engine: each costs the service only
//! the time to find out, and the very same container answers again. And packages
//! that must not be installed at all, or not again.

use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use caisson_tests::device::RUNNING_PROBE;
use caisson_tests::images::ImageRecipe;
use caisson_tests::witness::{Place, Poller, wait_until};
use serde_json::Value;

const SOON: Duration = Duration::from_secs(10);

/// The service's own answer within 3 s.
const ANSWERS_IN_3_S: &str =
    "all_of = [\"http\"]\nstart_timeout_secs = 3\nstable_secs = 1\nsuccesses = 2\n";
/// The image's own health check within 5 s.
const HEALTHY_IN_5_S: &str =
    "all_of = [\"container_health\"]\nstart_timeout_secs = 4\nstable_secs = 1\nsuccesses = 1\n";

/// One way for a new version to be bad.
#[derive(Clone, Copy)]
struct Case {
    title: &'static str,
    policy: &'static str,
    probe: &'static str,
    /// Both versions have the tag that the catalog calls the live one.
    same_tag: bool,
    good: fn(ImageRecipe) -> ImageRecipe,
    bad: fn(ImageRecipe) -> ImageRecipe,
    code: &'static str,
    /// Must stand in the evidence of the history.
    saw: &'static str,
}

const SAME: fn(ImageRecipe) -> ImageRecipe = |recipe| recipe;

const CRASH_LOOP: Case = Case {
    title: "crash-loops under restart: always",
    policy: "always",
    probe: RUNNING_PROBE,
    same_tag: false,
    good: SAME,
    bad: |recipe| {
        recipe
            .with_env("CRASH_AFTER_MS", "300")
            .with_env("EXIT_CODE", "7")
    },
    code: "probe.failed",
    saw: "service 1.1.0 ends with exit code 7, as told",
};

const ENDS_AFTER_3_S: Case = Case {
    title: "ends after 3 s",
    bad: |recipe| recipe.with_env("CRASH_AFTER_MS", "3000"),
    saw: "it ended with exit code 1",
    ..CRASH_LOOP
};

const ENDS_WELL: Case = Case {
    title: "ends after 1 s with exit code 0",
    policy: "unless-stopped",
    bad: |recipe| {
        recipe
            .with_env("CRASH_AFTER_MS", "1000")
            .with_env("EXIT_CODE", "0")
    },
    saw: "it ended with exit code 0",
    ..CRASH_LOOP
};

const DEAF: Case = Case {
    title: "listens on nothing",
    probe: ANSWERS_IN_3_S,
    bad: |recipe| recipe.with_env("DEAF", "1"),
    saw: "/health",
    ..CRASH_LOOP
};

const SAYS_503: Case = Case {
    title: "answers that it is ill",
    policy: "unless-stopped",
    probe: ANSWERS_IN_3_S,
    bad: |recipe| recipe.with_env("HEALTH", "bad"),
    saw: "503",
    ..CRASH_LOOP
};

const UNHEALTHY: Case = Case {
    title: "is unhealthy by its own health check",
    probe: HEALTHY_IN_5_S,
    good: |recipe| recipe.with_healthcheck(500, 2),
    bad: |recipe| recipe.with_healthcheck(500, 2).with_env("HEALTH", "bad"),
    saw: "unhealthy",
    ..CRASH_LOOP
};

const NO_PROGRAM: Case = Case {
    title: "has no program to start",
    bad: |mut recipe| {
        recipe.entrypoint = vec!["/missing".to_owned()];
        recipe
    },
    code: "update.candidate_start",
    saw: "",
    ..CRASH_LOOP
};

const SAME_TAG_CRASHES: Case = Case {
    title: "crash-loops, with the tag of the good one",
    same_tag: true,
    ..CRASH_LOOP
};

const SAME_TAG_DEAF: Case = Case {
    title: "listens on nothing, with the tag of the good one",
    same_tag: true,
    ..DEAF
};

/// Every place is an engine of its own; the time goes by in waiting.
fn side_by_side(cases: &[Case]) {
    thread::scope(|scope| {
        let running: Vec<_> = cases
            .iter()
            .map(|case| scope.spawn(move || (case.title, rolled_back(case))))
            .collect();
        let mut failed = Vec::new();
        for one in running {
            let (title, outcome) = one.join().expect("a case fails without a panic");
            match outcome {
                Ok(words) => println!("{title}: {words}"),
                Err(error) => failed.push(format!("{title}: {error:?}")),
            }
        }
        assert!(failed.is_empty(), "{}", failed.join("\n\n"));
    });
}

/// A crash loop looks alive to whoever looks between two crashes.
#[test]
fn a_version_that_ends_is_rolled_back() {
    side_by_side(&[
        CRASH_LOOP,
        ENDS_AFTER_3_S,
        ENDS_WELL,
        SAME_TAG_CRASHES,
        NO_PROGRAM,
    ]);
}

/// A container that runs is not a service that serves.
#[test]
fn a_version_that_runs_and_does_not_serve_is_rolled_back() {
    side_by_side(&[DEAF, SAYS_503, UNHEALTHY, SAME_TAG_DEAF]);
}

fn rolled_back(case: &Case) -> Result<String> {
    let Some(mut place) = Place::new()? else {
        return Ok("skipped".to_owned());
    };
    case.policy.clone_into(&mut place.device.policy);
    place.device.catalog(case.probe)?;
    let recipe = |version: &str| {
        let mut recipe = place.device.recipe(version);
        if case.same_tag {
            recipe.reference = Some(place.device.live_tag());
        }
        recipe
    };
    place.install_recipe(&(case.good)(recipe("1.0.0")))?;
    let (bad, _) = place.device.pack(&(case.bad)(recipe("1.1.0")))?;
    let before = place.contents()?;
    let container = place.device.inspect("")?.context("it runs")?;
    let live_tag = format!("/images/{}/json", place.device.live_tag());
    let live = place.api().get_json(&live_tag)?;
    let poller = Poller::start(place.device.port);

    let said = place.device.load_with(&bad, &["--json"])?.expect(30)?;
    let json = said.json()?;
    ensure!(
        json["error"] == case.code && json["exit"] == 30,
        "wanted {}: {json}",
        case.code
    );
    let state = json["state"].as_str().unwrap_or_default();
    ensure!(
        state.contains("rolled back") && state.contains("runs 1.0.0, the same container"),
        "state {state}"
    );
    place.device.wait_for_version("1.0.0", SOON)?;
    let polls = poller.end();
    ensure!(
        polls.versions.last().map(String::as_str) == Some("1.0.0"),
        "{polls:?}"
    );

    let again = place.device.inspect("")?.context("it runs again")?;
    same_container(&container, &again)?;
    let live_now = place.api().get_json(&live_tag)?;
    ensure!(
        live_now["Id"] == live["Id"] && live["Id"] == container["Image"],
        "the live tag moved"
    );
    let changes = place.contents()?.changes_since(&before);
    ensure!(changes.is_empty(), "left behind: {changes:#?}");
    evidence(&place, case)?;
    Ok(format!(
        "dark for {:.1} s; {}",
        polls.longest_gap.as_secs_f64(),
        json["what"]
    ))
}

fn same_container(before: &Value, now: &Value) -> Result<()> {
    const RUNS: &str = "/State/Running";
    const POLICY: &str = "/HostConfig/RestartPolicy";
    for pointer in ["/Id", "/Name", "/Image", RUNS, POLICY] {
        let (was, is) = (before.pointer(pointer), now.pointer(pointer));
        ensure!(is == was, "{pointer} is {is:?} and was {was:?}");
    }
    Ok(())
}

/// The history must tell a developer far away what happened on the device.
fn evidence(place: &Place, case: &Case) -> Result<()> {
    let list = place
        .device
        .apply(&["--json", "history", "list", "--limit", "1"])?
        .expect(0)?
        .json()?;
    ensure!(
        list["outcome"] == "rolled_back"
            && list["from_version"] == "1.0.0"
            && list["to_version"] == "1.1.0",
        "{list}"
    );
    let id = list["update_id"].as_str().context("update_id")?;
    let shown = place
        .device
        .apply(&["--json", "history", "show", id])?
        .expect(0)?
        .json()?;
    let failed = shown["rows"]
        .as_array()
        .into_iter()
        .flatten()
        .find(|row| row["event"] == "failed")
        .context("no step failed")?;
    let detail = &failed["detail"];
    ensure!(detail["code"] == case.code, "{detail}");
    if case.code == "probe.failed" {
        let rounds = detail["evidence"]["rounds"].as_array().map_or(0, Vec::len);
        ensure!(rounds > 0, "no rounds: {detail}");
        // Behind a port of the engine's nothing may listen; that is no answer.
        ensure!(
            case.probe != ANSWERS_IN_3_S
                || detail.to_string().contains("answers 503") == (case.saw == "503"),
            "{detail}"
        );
        let log = detail["evidence"]["log"].to_string();
        ensure!(log.contains("service 1.1.0 starts"), "no log: {detail}");
    } else {
        ensure!(detail["found"].to_string().contains("missing"), "{detail}");
    }
    ensure!(
        detail.to_string().contains(case.saw),
        "no {:?} in {detail}",
        case.saw
    );
    let words = place.device.apply(&["history", "show", id])?.expect(0)?;
    ensure!(words.out.contains("rolled back"), "{}", words.out);
    Ok(())
}

/// A limit that is too strict would throw away a good version.
#[test]
fn a_slow_start_within_the_limit_is_no_failure() {
    let Some(place) = Place::new().unwrap() else {
        return;
    };
    place
        .device
        .catalog("all_of = [\"http\"]\nstart_timeout_secs = 20\nstable_secs = 1\nsuccesses = 2\n")
        .unwrap();
    place.install("1.0.0").unwrap();
    let slow = place
        .device
        .recipe("1.1.0")
        .with_env("START_DELAY_MS", "4000");
    let (slow, _) = place.device.pack(&slow).unwrap();
    place.device.load(&slow).unwrap().expect(0).unwrap();
    assert_eq!(place.device.version().as_deref(), Some("1.1.0"));
}

/// The first version has nothing to go back to: nothing of it may stay.
#[test]
fn a_first_version_that_fails_leaves_nothing() {
    let Some(place) = Place::new().unwrap() else {
        return;
    };
    place.device.catalog(RUNNING_PROBE).unwrap();
    let bad = place
        .device
        .recipe("1.0.0")
        .with_env("CRASH_AFTER_MS", "500");
    let (bad, _) = place.device.pack(&bad).unwrap();
    let before = place.contents().unwrap();
    let said = place.device.load_with(&bad, &["--json"]).unwrap();
    let json = said.expect(30).unwrap().json().unwrap();
    assert_eq!(json["error"], "probe.failed");
    let state = json["state"].as_str().unwrap_or_default();
    assert!(state.contains("not installed, as before"), "{state}");
    assert_eq!(place.contents().unwrap().changes_since(&before), [""; 0]);
    assert!(place.device.inspect("").unwrap().is_none());
    // And the device is none the worse for it.
    place.install("1.0.1").unwrap();
}

/// Installing backwards or twice, by mistake, must change nothing at all.
#[test]
fn older_and_equal_versions_are_refused_unless_they_are_meant() {
    let Some(place) = Place::new().unwrap() else {
        return;
    };
    let device = &place.device;
    let first = place.install("1.0.0").unwrap();
    let second = place.install("1.1.0").unwrap();
    let other = device.recipe("1.1.0").with_env("BUILD", "2");
    let (other, _) = device.pack(&other).unwrap();
    let before = place.contents().unwrap();
    let id = || device.inspect("").unwrap().expect("it runs")["Id"].clone();
    let installed = id();
    let poller = Poller::start(device.port);
    let load = |package, flags: &[&str], code| {
        let said = device.load_with(package, &[&["--json"], flags].concat());
        said.unwrap().expect(code).unwrap().json().unwrap()
    };

    assert_eq!(load(&first, &[], 12)["error"], "device.downgrade");
    assert_eq!(
        load(&first, &["--reinstall"], 12)["error"],
        "device.downgrade"
    );
    assert_eq!(load(&other, &[], 12)["error"], "device.same_version");
    assert_eq!(load(&second, &[], 0)["result"], "installed_already");
    let polls = poller.end();
    assert_eq!(polls.failures, [], "the service was touched");
    assert_eq!(place.contents().unwrap().changes_since(&before), [""; 0]);
    assert_eq!(id(), installed);

    assert_eq!(load(&second, &["--reinstall"], 0)["result"], "done");
    device.wait_for_version("1.1.0", SOON).unwrap();
    assert_ne!(id(), installed, "nothing was done");
    load(&other, &["--allow-downgrade"], 0);
    assert!(device.answer().unwrap().contains("env.BUILD=2"));
    load(&first, &["--allow-downgrade"], 0);
    device.wait_for_version("1.0.0", SOON).unwrap();
    // What is installed now counts, not the newest one ever.
    load(&second, &[], 0);
    device.wait_for_version("1.1.0", SOON).unwrap();
    assert_eq!(place.contents().unwrap().kind("container").len(), 2);
}

/// Somebody stopped it for a reason: an update must not start it.
#[test]
fn a_stopped_service_stays_stopped() {
    let Some(place) = Place::new().unwrap() else {
        return;
    };
    let device = &place.device;
    place.install("1.0.0").unwrap();
    let stop = format!("/containers/{}/stop", device.name);
    assert_eq!(place.api().post(&stop, None).unwrap().status, 204);
    // It would be rolled back if it were probed.
    let unprobed = device.recipe("1.1.0").with_env("CRASH_AFTER_MS", "3000");
    let (unprobed, _) = device.pack(&unprobed).unwrap();
    let poller = Poller::start(device.port);
    let said = device.load_with(&unprobed, &["--json"]).unwrap();
    let json = said.expect(0).unwrap().json().unwrap();
    assert_eq!(json["running"], Value::Bool(false), "{json}");
    let polls = poller.end();
    assert_eq!(polls.good, 0, "it was started: {polls:?}");
    let now = device.inspect("").unwrap().expect("the new one");
    assert_eq!(now["State"]["Running"], false);
    assert_eq!(now["State"]["Status"], "created");
    assert_eq!(now["HostConfig"]["RestartPolicy"]["Name"], "unless-stopped");
    let start = format!("/containers/{}/start", device.name);
    assert_eq!(place.api().post(&start, None).unwrap().status, 204);
    wait_until("1.1.0 answers", SOON, || {
        device.version().as_deref() == Some("1.1.0")
    })
    .unwrap();
}
