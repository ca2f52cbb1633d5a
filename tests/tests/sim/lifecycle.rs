//! Containers from creation to removal.

use std::time::Duration;

use caisson_tests::images::ImageRecipe;
use caisson_tests::sim::{Sim, free_port};
use serde_json::{Value, json};

use crate::Bench;
use crate::client::{create, delete, get, post, request, service, version};

fn inspect(sim: &Sim, name: &str) -> Value {
    get(sim.socket(), &format!("/containers/{name}/json")).json()
}

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

/// The settings of the container win over the image's, and both arrive inside.
#[test]
fn settings_reach_the_service_and_the_inspection() {
    let bench = Bench::new();
    let (sim, socket, port) = (&bench.sim, bench.sim.socket(), free_port());
    let mut recipe = ImageRecipe::new("example.test/web:1", "1").with_env("COLOUR", "red");
    recipe.volumes.push("/data".to_owned());
    recipe.labels.insert("from".to_owned(), "image".to_owned());
    sim.load_image_direct(&recipe.facts().unwrap());
    let body = json!({
        "Image": "example.test/web:1",
        "Cmd": ["VERSION=9"],
        "Env": ["COLOUR=blue", "OWN=1"],
        "Labels": {"mine": "yes"},
        "HostConfig": {
            "Binds": ["named:/state"],
            "PortBindings": {"8080/tcp": [{"HostPort": port.to_string()}]},
            "Memory": 67_108_864,
        },
    });
    assert_eq!(
        post(socket, "/containers/create?name=web", &body).status,
        201
    );
    post(socket, "/containers/web/start", &json!({}));
    let facts = service(port, "/").unwrap().text();
    for line in ["version=9", "env.COLOUR=blue", "env.OWN=1"] {
        assert!(
            facts.lines().any(|found| found == line),
            "{line} in {facts}"
        );
    }
    let web = inspect(sim, "web");
    assert_eq!(
        web["Config"]["Env"],
        json!(["COLOUR=blue", "OWN=1", "VERSION=1"])
    );
    assert_eq!(
        web["Config"]["Labels"],
        json!({"from": "image", "mine": "yes"})
    );
    assert_eq!(web["HostConfig"]["Memory"], 67_108_864);
    assert_eq!(web["Mounts"][0]["Destination"], "/data");
    assert_eq!(web["Mounts"][1]["Name"], "named");
    assert_eq!(
        web["NetworkSettings"]["Ports"]["8080/tcp"][0]["HostPort"],
        port.to_string()
    );
    assert_eq!(sim.state().volumes.len(), 2);
    // Only the anonymous volume goes with its container.
    delete(socket, "/containers/web?force=1&v=1");
    assert_eq!(sim.state().volumes, ["named"]);
}

/// Clients decide by these statuses.
#[test]
fn refusals() {
    let bench = Bench::new();
    let socket = bench.sim.socket();
    bench.image("1", &[]);
    create(socket, "web", "example.test/web:1", free_port(), "no");
    let image = json!({"Image": "example.test/web:1"});
    let cases: &[(&str, &str, Value, u16)] = &[
        ("POST", "/containers/create?name=web", image.clone(), 409),
        ("POST", "/containers/create?name=a%20b", image.clone(), 400),
        (
            "POST",
            "/containers/create?name=x1",
            json!({"Image": "nothing:1"}),
            404,
        ),
        ("POST", "/containers/create?name=x1", json!([]), 400),
        ("POST", "/containers/nothing/start", json!({}), 404),
        ("POST", "/containers/web/unpause", json!({}), 500),
        (
            "POST",
            "/containers/web/update",
            json!({"RestartPolicy": {"Name": "maybe"}}),
            400,
        ),
        (
            "POST",
            "/networks/bridge/connect",
            json!({"Container": "nothing"}),
            404,
        ),
        (
            "POST",
            "/images/example.test/web:1/tag?repo=Bad&tag=1",
            json!({}),
            500,
        ),
        ("DELETE", "/images/example.test/web:1", json!({}), 409),
        ("GET", "/v1.99/info", json!({}), 400),
        ("GET", "/nothing", json!({}), 404),
    ];
    for (method, target, body, status) in cases {
        let answer = request(socket, method, target, body.to_string().as_bytes()).unwrap();
        assert_eq!(
            answer.status,
            *status,
            "{method} {target}: {}",
            answer.text()
        );
        assert!(answer.json()["message"].is_string(), "{method} {target}");
    }
    // As plain text.
    let old = get(socket, "/v1.11/info");
    assert!(
        old.status == 400 && old.text().contains("is too old"),
        "{old:?}"
    );
    let ping = get(socket, "/_ping");
    assert!(
        ping.head.contains("Api-Version: 1.41") && ping.text() == "OK",
        "{ping:?}"
    );
    let info = get(socket, "/v1.41/info").json();
    assert_eq!(
        info["DockerRootDir"].as_str(),
        bench.sim.data_root().to_str()
    );
}

/// Two engines that do the same must be the same: ids, times, everything.
#[test]
fn it_is_repeatable() {
    let run = || {
        let bench = Bench::new();
        let socket = bench.sim.socket();
        bench.image("1", &[("CRASH_AFTER_MS", "300")]);
        let body = json!({"Image": "example.test/web:1", "Volumes": {"/data": {}},
            "HostConfig": {"RestartPolicy": {"Name": "always"}}});
        post(socket, "/containers/create?name=web", &body);
        post(socket, "/containers/web/start", &json!({}));
        bench.sim.advance(Duration::from_secs(30));
        let mut web = inspect(&bench.sim, "web");
        // Paths hold the scratch folder's name.
        for key in [
            "ResolvConfPath",
            "HostnamePath",
            "HostsPath",
            "LogPath",
            "Mounts",
        ] {
            web[key] = Value::Null;
        }
        (bench.sim.state(), web)
    };
    assert_eq!(run(), run());
}

/// The log shows what the service printed, newest lines last, both streams.
#[test]
fn logs() {
    let bench = Bench::new();
    let socket = bench.sim.socket();
    bench.image("1", &[("CRASH_AFTER_MS", "10"), ("EXIT_CODE", "4")]);
    create(socket, "web", "example.test/web:1", free_port(), "no");
    post(socket, "/containers/web/start", &json!({}));
    bench.sim.advance(Duration::from_secs(1));
    let frames = |query: &str| {
        let body = get(socket, &format!("/containers/web/logs?{query}")).body;
        let mut lines = Vec::new();
        let mut rest = &body[..];
        while let [stream, 0, 0, 0, a, b, c, d, after @ ..] = rest {
            let length = u32::from_be_bytes([*a, *b, *c, *d]) as usize;
            lines.push((
                *stream,
                String::from_utf8(after[..length].to_vec()).unwrap(),
            ));
            rest = &after[length..];
        }
        lines
    };
    let all = frames("stdout=1&stderr=1");
    assert_eq!(
        all.iter().map(|(stream, _)| *stream).collect::<Vec<_>>(),
        [1, 1, 2]
    );
    assert_eq!(all[2].1, "service 1 ends with exit code 4, as told\n");
    assert_eq!(frames("stdout=1&stderr=1&tail=1"), all[2..]);
}
