//! What comes back after everything died at once and the engine was started again.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use caisson_tests::engines::{EngineApi, RealEngine, private_engines_allowed};
use caisson_tests::images::ImageRecipe;
use caisson_tests::sim::{RealClock, Sim, SimOptions, Tail};
use serde_json::json;

const POLICIES: [&str; 4] = ["no", "always", "unless-stopped", "on-failure"];

/// What is done to a container of each policy before the cut. Nothing paused: a
/// frozen process can't be killed, so a cut by killing can't be had with one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Before {
    Created,
    Running,
    PolicySetWhileRunning,
    Killed,
    EndedWell,
    StoppedThenNo,
    Insured,
    CrashLoop,
    Renamed,
}

const ALL: [Before; 9] = [
    Before::Created,
    Before::Running,
    Before::PolicySetWhileRunning,
    Before::Killed,
    Before::EndedWell,
    Before::StoppedThenNo,
    Before::Insured,
    Before::CrashLoop,
    Before::Renamed,
];

fn ok(api: &EngineApi, path: &str, body: Option<&serde_json::Value>) {
    let answer = api.post(path, body).expect("an answer");
    assert!(
        answer.status < 300,
        "{path}: {} {}",
        answer.status,
        answer.text()
    );
}

fn set_policy(api: &EngineApi, name: &str, policy: &str) {
    let body = json!({"RestartPolicy": {"Name": policy}});
    ok(api, &format!("/containers/{name}/update"), Some(&body));
}

fn prepare(api: &EngineApi) {
    for version in ["good", "stubborn", "crashing"] {
        let mut recipe =
            ImageRecipe::new(&format!("example.test/web:{version}"), version).runnable();
        match version {
            "stubborn" => recipe = recipe.with_env("IGNORE_TERM", "1"),
            "crashing" => recipe = recipe.with_env("CRASH_AFTER_MS", "300"),
            _ => {}
        }
        let mut archive = Vec::new();
        recipe
            .write_docker_archive_to(&mut archive)
            .expect("an archive");
        api.load(&mut &archive[..]).expect("a load");
    }
    for before in ALL {
        for policy in POLICIES {
            bring(api, before, policy);
        }
    }
}

fn bring(api: &EngineApi, before: Before, policy: &str) {
    let name = format!("{before:?}.{policy}");
    let version = match before {
        Before::Killed | Before::StoppedThenNo | Before::Insured => "stubborn",
        Before::CrashLoop => "crashing",
        _ => "good",
    };
    let first = if before == Before::PolicySetWhileRunning {
        "no"
    } else {
        policy
    };
    let body = json!({
        "Image": format!("example.test/web:{version}"),
        "HostConfig": {"RestartPolicy": {"Name": first}},
    });
    ok(api, &format!("/containers/create?name={name}"), Some(&body));
    if before == Before::Created {
        return;
    }
    ok(api, &format!("/containers/{name}/start"), None);
    let stop = || ok(api, &format!("/containers/{name}/stop?t=0"), None);
    match before {
        Before::PolicySetWhileRunning => set_policy(api, &name, policy),
        Before::Killed | Before::EndedWell => {
            // The service handles SIGTERM only once it is up.
            std::thread::sleep(Duration::from_millis(300));
            ok(api, &format!("/containers/{name}/stop?t=1"), None);
        }
        Before::StoppedThenNo => {
            stop();
            set_policy(api, &name, "no");
        }
        Before::Insured => {
            set_policy(api, &name, "always");
            stop();
        }
        Before::Renamed => ok(
            api,
            &format!("/containers/{name}/rename?name={name}.new"),
            None,
        ),
        Before::Created | Before::Running | Before::CrashLoop => {}
    }
}

/// Name to status, with `up` for everything that has or will have a payload.
fn seen(api: &EngineApi) -> BTreeMap<String, String> {
    let rows = api.get_json("/containers/json?all=1").expect("a list");
    rows.as_array()
        .expect("rows")
        .iter()
        .map(|row| {
            let name = row["Names"][0].as_str().expect("a name").to_owned();
            let state = row["State"].as_str().expect("a state");
            let up = matches!(state, "running" | "restarting");
            (name, if up { "up" } else { state }.to_owned())
        })
        .collect()
}

/// Boots go on for a moment after the engine answers: waits until two looks agree.
fn settled(api: &EngineApi) -> BTreeMap<String, String> {
    let until = Instant::now() + Duration::from_secs(20);
    let mut last = seen(api);
    loop {
        std::thread::sleep(Duration::from_secs(1));
        let now = seen(api);
        if now == last || Instant::now() > until {
            return now;
        }
        last = now;
    }
}

/// The insurance of an update stands on what engines do here.
#[test]
fn the_same_containers_come_back() {
    if !private_engines_allowed() {
        return;
    }
    let mut engine = RealEngine::start().expect("a private engine");
    prepare(&engine.api());
    engine.power_cut().expect("a power cut");
    engine.start_again().expect("a start");
    let real = settled(&engine.api());
    drop(engine);

    let dir = tempfile::tempdir().expect("a scratch folder");
    let mut options = SimOptions::new(dir.path());
    options.clock = Arc::new(RealClock::new());
    let sim = Sim::start(options).expect("a simulated engine");
    let api = EngineApi::new(sim.socket());
    prepare(&api);
    sim.power_cycle(Tail::Kept).expect("a power cycle");
    let simulated = settled(&api);
    assert_eq!(real.len(), ALL.len() * POLICIES.len());
    let differences: Vec<_> = real
        .iter()
        .filter(|(name, state)| simulated.get(*name) != Some(state))
        .map(|(name, state)| format!("{name}: real {state}, simulated {:?}", simulated.get(name)))
        .collect();
    assert!(differences.is_empty(), "{}", differences.join("\n"));
}
