//! What clients read: settings, refusals, logs, and the same in every run.

use std::time::Duration;

use caisson_tests::images::ImageRecipe;
use caisson_tests::sim::free_port;
use serde_json::{Value, json};

use crate::Bench;
use crate::client::{create, delete, get, inspect, post, request, service};

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
