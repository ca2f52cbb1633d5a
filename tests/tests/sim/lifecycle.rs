//! Containers from creation to removal.

use std::time::Duration;

use caisson_tests::images::ImageRecipe;
use caisson_tests::sim::free_port;
use serde_json::json;

use crate::Bench;
use crate::client::{create, delete, inspect, post, service, version};

/// A swap by hand: if ports, names or rollback by start didn't work as on a real
/// engine, every update test would prove something else.
#[test]
fn a_swap_and_back() {
    let bench = Bench::new();
    let (sim, socket, port) = (&bench.sim, bench.sim.socket(), free_port());
    bench.image("1", &[]);
    bench.image("2", &[]);
    create(socket, "web", "example.test/web:1", port, "always");
    assert_eq!(version(port), None);
    assert_eq!(
        post(socket, "/containers/web/start", &json!({})).status,
        204
    );
    assert_eq!(
        post(socket, "/containers/web/start", &json!({})).status,
        304
    );
    assert_eq!(version(port).as_deref(), Some("1"));

    create(socket, "web.new", "example.test/web:2", port, "no");
    let refused = post(socket, "/containers/web.new/start", &json!({}));
    assert_eq!(refused.status, 500);
    assert!(
        refused.text().contains("port is already allocated"),
        "{}",
        refused.text()
    );
    let failed = inspect(sim, "web.new");
    assert_eq!(failed["State"]["Status"], "created");
    assert!(
        failed["State"]["Error"]
            .as_str()
            .unwrap()
            .contains("already allocated")
    );

    assert_eq!(
        post(socket, "/containers/web/stop?t=5", &json!({})).status,
        204
    );
    assert_eq!(post(socket, "/containers/web/stop", &json!({})).status, 304);
    assert_eq!(version(port), None);
    assert_eq!(
        post(socket, "/containers/web/rename?name=web.old", &json!({})).status,
        204
    );
    assert_eq!(
        post(
            socket,
            "/containers/web.new/rename?name=web.old",
            &json!({})
        )
        .status,
        409
    );
    assert_eq!(
        post(socket, "/containers/web.new/rename?name=web", &json!({})).status,
        204
    );
    assert_eq!(
        post(socket, "/containers/web/start", &json!({})).status,
        204
    );
    assert_eq!(version(port).as_deref(), Some("2"));

    assert_eq!(delete(socket, "/containers/web").status, 409);
    assert_eq!(delete(socket, "/containers/web?force=1").status, 204);
    assert_eq!(delete(socket, "/containers/web?force=1").status, 404);
    assert_eq!(
        post(socket, "/containers/web.old/start", &json!({})).status,
        204
    );
    assert_eq!(version(port).as_deref(), Some("1"));
    assert_eq!(sim.state().containers.len(), 1);
}

/// A port that somebody outside holds must fail the start and leave nothing open.
#[test]
fn a_port_held_by_somebody_else() {
    let bench = Bench::new();
    let (socket, port) = (bench.sim.socket(), free_port());
    bench.image("1", &[]);
    create(socket, "web", "example.test/web:1", port, "no");
    let holder = std::net::TcpListener::bind(("127.0.0.1", port)).unwrap();
    let refused = post(socket, "/containers/web/start", &json!({}));
    assert_eq!(refused.status, 500);
    assert!(
        refused.text().contains("Error starting userland proxy"),
        "{}",
        refused.text()
    );
    drop(holder);
    assert_eq!(
        post(socket, "/containers/web/start", &json!({})).status,
        204
    );
    assert_eq!(version(port).as_deref(), Some("1"));
}

/// Slow start, deafness and bad health are what probes must tell apart.
#[test]
fn behaviours_on_the_virtual_clock() {
    let bench = Bench::new();
    let (sim, socket, port) = (&bench.sim, bench.sim.socket(), free_port());
    bench.image("slow", &[("START_DELAY_MS", "1500")]);
    bench.image("deaf", &[("DEAF", "1")]);
    bench.image("ill", &[("HEALTH", "bad")]);
    for name in ["slow", "deaf", "ill"] {
        create(
            socket,
            name,
            &format!("example.test/web:{name}"),
            port,
            "no",
        );
    }
    post(socket, "/containers/slow/start", &json!({}));
    sim.advance(Duration::from_millis(1_499));
    assert_eq!(version(port), None);
    sim.advance(Duration::from_millis(1));
    assert_eq!(version(port).as_deref(), Some("slow"));
    post(socket, "/containers/slow/stop", &json!({}));

    post(socket, "/containers/deaf/start", &json!({}));
    sim.advance(Duration::from_hours(1));
    // The port takes the connection, as Docker's proxy does, and nothing comes back.
    assert!(std::net::TcpStream::connect(("127.0.0.1", port)).is_ok());
    assert!(service(port, "/").is_err());
    post(socket, "/containers/deaf/stop", &json!({}));

    post(socket, "/containers/ill/start", &json!({}));
    assert_eq!(version(port).as_deref(), Some("ill"));
    assert_eq!(service(port, "/health").unwrap().status, 503);
}

/// A crash loop must look like one: restarting, a growing count, growing pauses,
/// and the port free in between.
#[test]
fn a_crash_loop() {
    let bench = Bench::new();
    let (sim, socket, port) = (&bench.sim, bench.sim.socket(), free_port());
    bench.image("1", &[("CRASH_AFTER_MS", "1000"), ("EXIT_CODE", "7")]);
    create(socket, "web", "example.test/web:1", port, "always");
    post(socket, "/containers/web/start", &json!({}));
    sim.advance(Duration::from_secs(1));
    let state = inspect(sim, "web")["State"].clone();
    assert_eq!(
        (&state["Status"], &state["Running"]),
        (&json!("restarting"), &json!(true))
    );
    assert_eq!(state["ExitCode"], 7);
    assert!(std::net::TcpListener::bind(("127.0.0.1", port)).is_ok());
    // Pauses of 0.1, 0.2, 0.4 and 0.8 s after runs of 1 s.
    sim.advance(Duration::from_millis(100));
    assert_eq!(version(port).as_deref(), Some("1"));
    sim.advance(Duration::from_millis(1_000 + 200 + 1_000 + 400 + 1_000));
    assert_eq!(inspect(sim, "web")["RestartCount"], 4);
    // A policy taken away ends it at the next crash.
    let policy = json!({"RestartPolicy": {"Name": "no"}});
    assert_eq!(post(socket, "/containers/web/update", &policy).status, 200);
    sim.advance(Duration::from_mins(1));
    let web = inspect(sim, "web");
    assert_eq!(
        (&web["State"]["Status"], &web["RestartCount"]),
        (&json!("exited"), &json!(4))
    );
    // A start by a client counts from zero.
    post(socket, "/containers/web/start", &json!({}));
    assert_eq!(inspect(sim, "web")["RestartCount"], 0);
}

/// `on-failure` with a limit gives up; a stop ends a loop for good.
#[test]
fn loops_that_end() {
    let bench = Bench::new();
    let (sim, socket) = (&bench.sim, bench.sim.socket());
    bench.image("1", &[("CRASH_AFTER_MS", "10")]);
    let body = json!({"Image": "example.test/web:1",
        "HostConfig": {"RestartPolicy": {"Name": "on-failure", "MaximumRetryCount": 2}}});
    post(socket, "/containers/create?name=limited", &body);
    post(socket, "/containers/limited/start", &json!({}));
    create(
        socket,
        "stopped",
        "example.test/web:1",
        free_port(),
        "always",
    );
    post(socket, "/containers/stopped/start", &json!({}));
    sim.advance(Duration::from_millis(50));
    assert_eq!(inspect(sim, "stopped")["State"]["Status"], "restarting");
    assert_eq!(
        post(socket, "/containers/stopped/stop", &json!({})).status,
        204
    );
    sim.advance(Duration::from_mins(1));
    assert_eq!(inspect(sim, "stopped")["State"]["Status"], "exited");
    let limited = inspect(sim, "limited");
    assert_eq!(limited["State"]["Status"], "exited");
    assert_eq!(limited["RestartCount"], 2);
}

/// A payload that ignores SIGTERM costs its grace and ends with 137; one that
/// obeys costs nothing.
#[test]
fn stops_take_their_grace() {
    let bench = Bench::new();
    let (sim, socket) = (&bench.sim, bench.sim.socket());
    bench.image("deaf-to-term", &[("IGNORE_TERM", "1")]);
    bench.image("good", &[]);
    for (name, seconds, code) in [("deaf-to-term", 3, 137), ("good", 0, 0)] {
        create(
            socket,
            name,
            &format!("example.test/web:{name}"),
            free_port(),
            "no",
        );
        post(socket, &format!("/containers/{name}/start"), &json!({}));
        let finish = sim.now() + Duration::from_secs(seconds);
        post(socket, &format!("/containers/{name}/stop?t=3"), &json!({}));
        assert_eq!(sim.now(), finish);
        assert_eq!(inspect(sim, name)["State"]["ExitCode"], code);
    }
}

/// Health goes from starting to healthy, or after the retries to unhealthy.
#[test]
fn health_checks() {
    let bench = Bench::new();
    let (sim, socket) = (&bench.sim, bench.sim.socket());
    for (version, health) in [("good", "good"), ("bad", "bad")] {
        let recipe = ImageRecipe::new(&format!("example.test/web:{version}"), version)
            .with_env("HEALTH", health)
            .with_healthcheck(1_000, 3);
        sim.load_image_direct(&recipe.facts().unwrap());
        create(
            socket,
            version,
            &format!("example.test/web:{version}"),
            free_port(),
            "no",
        );
        post(socket, &format!("/containers/{version}/start"), &json!({}));
    }
    let health = |name: &str| sim.state().container(name).unwrap().health.clone().unwrap();
    sim.advance(Duration::from_millis(999));
    assert_eq!(health("good"), "starting");
    sim.advance(Duration::from_millis(1));
    assert_eq!(
        (health("good").as_str(), health("bad").as_str()),
        ("healthy", "starting")
    );
    sim.advance(Duration::from_secs(2));
    assert_eq!(
        (health("good").as_str(), health("bad").as_str()),
        ("healthy", "unhealthy")
    );
    let shown = inspect(sim, "bad")["State"]["Health"].clone();
    assert_eq!(shown["FailingStreak"], 3);
    assert_eq!(
        shown["Log"][2]["Output"],
        "HTTP/1.1 503 Service Unavailable\n"
    );
}
