//! What comes back after the power was gone, and after a restart of the engine.

use std::time::Duration;

use caisson_tests::sim::{Sim, Tail, free_port};
use serde_json::json;

use crate::Bench;
use crate::client::{create, post, version};

const POLICIES: [&str; 4] = ["no", "always", "unless-stopped", "on-failure"];

fn up(sim: &Sim) -> Vec<String> {
    sim.state()
        .up()
        .iter()
        .map(|container| container.name.clone())
        .collect()
}

fn set_policy(sim: &Sim, name: &str, policy: &str) {
    let body = json!({"RestartPolicy": {"Name": policy}});
    assert_eq!(
        post(sim.socket(), &format!("/containers/{name}/update"), &body).status,
        200
    );
}

/// The insurance of an update stands on this table, measured on Docker 20.10, 26.1
/// and 28.5: one container for each policy, brought into a state, then cut.
fn after_a_cut(prepare: impl Fn(&Sim, &str, &str)) -> Vec<String> {
    let bench = Bench::new();
    // SIGTERM is ignored, so a stop ends in 137, as in the measurement.
    bench.image("1", &[("IGNORE_TERM", "1")]);
    for policy in POLICIES {
        create(
            bench.sim.socket(),
            policy,
            "example.test/web:1",
            free_port(),
            policy,
        );
        prepare(&bench.sim, policy, policy);
    }
    bench.sim.power_cycle(Tail::Kept).unwrap();
    up(&bench.sim)
}

fn start(sim: &Sim, name: &str) {
    assert_eq!(
        post(
            sim.socket(),
            &format!("/containers/{name}/start"),
            &json!({})
        )
        .status,
        204
    );
}

fn stop(sim: &Sim, name: &str) {
    assert_eq!(
        post(
            sim.socket(),
            &format!("/containers/{name}/stop?t=1"),
            &json!({})
        )
        .status,
        204
    );
}

#[test]
fn restart_policies_across_a_power_cut() {
    assert!(after_a_cut(|_, _, _| {}).is_empty());
    let running = ["always", "unless-stopped", "on-failure"];
    assert_eq!(after_a_cut(|sim, name, _| start(sim, name)), running);
    let set_while_running = after_a_cut(|sim, name, policy| {
        set_policy(sim, name, "no");
        start(sim, name);
        set_policy(sim, name, policy);
    });
    assert_eq!(set_while_running, running);
    let stopped = after_a_cut(|sim, name, _| {
        start(sim, name);
        stop(sim, name);
    });
    assert_eq!(stopped, ["always", "on-failure"]);
    let stopped_then_no = after_a_cut(|sim, name, _| {
        start(sim, name);
        stop(sim, name);
        set_policy(sim, name, "no");
    });
    assert!(stopped_then_no.is_empty());
    let insured = after_a_cut(|sim, name, _| {
        start(sim, name);
        set_policy(sim, name, "always");
        stop(sim, name);
    });
    assert_eq!(insured, POLICIES);
}

/// The same after the engine ended in order: `always` is resurrected even after a
/// stop by hand, `no` isn't started again.
#[test]
fn restart_policies_across_an_engine_restart() {
    let bench = Bench::new();
    let sim = &bench.sim;
    bench.image("1", &[]);
    let port = free_port();
    for (name, policy) in [("plain", "no"), ("kept", "unless-stopped")] {
        let port = if name == "kept" { port } else { free_port() };
        create(sim.socket(), name, "example.test/web:1", port, policy);
        start(sim, name);
    }
    create(
        sim.socket(),
        "stopped",
        "example.test/web:1",
        free_port(),
        "always",
    );
    start(sim, "stopped");
    stop(sim, "stopped");
    let before = sim.state().container("kept").unwrap().id.clone();
    sim.restart_engine().unwrap();
    assert_eq!(up(sim), ["kept", "stopped"]);
    assert_eq!(sim.state().container("kept").unwrap().id, before);
    assert_eq!(version(port).as_deref(), Some("1"));
}

/// With live-restore payloads outlive their engine; the stopped `always` one still
/// comes up beside them.
#[test]
fn live_restore() {
    let bench = Bench::with(|options| options.live_restore = true);
    let (sim, port) = (&bench.sim, free_port());
    bench.image("1", &[]);
    create(sim.socket(), "runs", "example.test/web:1", port, "no");
    start(sim, "runs");
    create(
        sim.socket(),
        "insured",
        "example.test/web:1",
        free_port(),
        "always",
    );
    start(sim, "insured");
    stop(sim, "insured");
    sim.restart_engine().unwrap();
    assert_eq!(up(sim), ["runs", "insured"]);
    assert_eq!(version(port).as_deref(), Some("1"));
}

/// What nobody synced may be gone, as far as the switch says and never further.
#[test]
fn the_unsynced_tail() {
    for (tail, wanted) in [
        (Tail::Kept, vec!["aa", "bb", "cc"]),
        (Tail::Lose(1), vec!["aa", "bb"]),
        (Tail::Lost, vec!["aa"]),
        (Tail::Lose(100), vec!["aa"]),
    ] {
        let bench = Bench::new();
        let sim = &bench.sim;
        bench.image("1", &[]);
        create(sim.socket(), "aa", "example.test/web:1", 0, "no");
        sim.sync();
        create(sim.socket(), "bb", "example.test/web:1", 0, "no");
        let lost = create(sim.socket(), "cc", "example.test/web:1", 0, "no");
        sim.power_cycle(tail).unwrap();
        let names: Vec<_> = sim.state().containers.into_iter().map(|c| c.name).collect();
        assert_eq!(names, wanted, "{tail:?}");
        // An id that was seen once never names another container.
        assert_ne!(
            create(sim.socket(), "dd", "example.test/web:1", 0, "no"),
            lost
        );
    }
}

/// A crash loop goes on after a boot, with its port.
#[test]
fn a_container_between_crash_and_restart_comes_back() {
    let bench = Bench::new();
    let (sim, port) = (&bench.sim, free_port());
    bench.image("1", &[("CRASH_AFTER_MS", "5000")]);
    create(sim.socket(), "web", "example.test/web:1", port, "always");
    start(sim, "web");
    sim.advance(Duration::from_secs(5));
    assert_eq!(sim.state().container("web").unwrap().status, "restarting");
    sim.power_cycle(Tail::Kept).unwrap();
    assert_eq!(up(sim), ["web"]);
    assert_eq!(version(port).as_deref(), Some("1"));
}
