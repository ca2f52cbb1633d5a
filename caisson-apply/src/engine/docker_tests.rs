//! Every call against an engine that answers by script: what is asked, what is
//! understood, and what becomes of answers that are late, cut or nonsense.
#![expect(
    clippy::disallowed_methods,
    reason = "real sockets answer in real time"
)]

use std::time::Instant;

use super::super::StoreKind;
use super::super::scripted::{Asked, QUICK, Reply, scripted, scripted_with};
use super::*;

const ID: &str = "4f1c0a5b6d7e8f90112233445566778899aabbccddeeff001122334455667788";
const IMAGE: &str = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

fn one(asked: Vec<Asked>) -> Asked {
    assert_eq!(asked.len(), 1, "{asked:?}");
    let asked = asked.into_iter().next().expect("counted above");
    assert!(asked.whole, "{asked:?}");
    asked
}

/// Runs a call against one answer; gives the call's outcome and what was asked.
fn call<T>(
    reply: Reply,
    ask: impl FnOnce(&DockerEngine) -> EngineResult<T>,
) -> (EngineResult<T>, Asked) {
    let (engine, script) = scripted(vec![reply]);
    let outcome = ask(&engine);
    (outcome, one(script.asked()))
}

/// A wrong path, query or body would do something else to somebody's container.
#[test]
fn changes_are_asked_for_as_meant() {
    type Change = fn(&DockerEngine) -> EngineResult<()>;
    let cases: [(Change, u16, &str, &str); 12] = [
        (
            |engine| engine.start_container(ID),
            204,
            "POST /v1.41/containers/{ID}/start",
            "",
        ),
        (
            |engine| engine.start_container(ID),
            304,
            "POST /v1.41/containers/{ID}/start",
            "",
        ),
        (
            |engine| engine.stop_container(ID, Duration::from_secs(10)),
            204,
            "POST /v1.41/containers/{ID}/stop",
            "",
        ),
        (
            |engine| engine.stop_container(ID, Duration::MAX),
            304,
            "POST /v1.41/containers/{ID}/stop",
            "",
        ),
        (
            |engine| engine.unpause_container(ID),
            204,
            "POST /v1.41/containers/{ID}/unpause",
            "",
        ),
        (
            |engine| engine.rename_container(ID, "web.caisson-old"),
            204,
            "POST /v1.41/containers/{ID}/rename?name=web.caisson-old",
            "",
        ),
        (
            |engine| engine.set_restart_policy(ID, &RestartPolicy::always()),
            200,
            "POST /v1.41/containers/{ID}/update",
            r#"{"RestartPolicy":{"Name":"always","MaximumRetryCount":0}}"#,
        ),
        (
            |engine| {
                let policy = RestartPolicy {
                    name: "on-failure".to_owned(),
                    maximum_retry_count: 5,
                };
                engine.set_restart_policy(ID, &policy)
            },
            200,
            "POST /v1.41/containers/{ID}/update",
            r#"{"RestartPolicy":{"Name":"on-failure","MaximumRetryCount":5}}"#,
        ),
        (
            |engine| {
                let policy = RestartPolicy {
                    name: "no".to_owned(),
                    maximum_retry_count: 5,
                };
                engine.set_restart_policy(ID, &policy)
            },
            200,
            "POST /v1.41/containers/{ID}/update",
            r#"{"RestartPolicy":{"Name":"no","MaximumRetryCount":0}}"#,
        ),
        (
            |engine| engine.connect_network("my net/x", ID, &json!({"Aliases": ["db"]})),
            200,
            "POST /v1.41/networks/my%20net%2Fx/connect",
            r#"{"Container":"{ID}","EndpointConfig":{"Aliases":["db"]}}"#,
        ),
        (
            |engine| engine.tag_image(IMAGE, "caisson.local/web:1.4.1_a-0123456789ab"),
            201,
            "POST /v1.41/images/sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855\
             /tag?repo=caisson.local/web&tag=1.4.1_a-0123456789ab",
            "",
        ),
        (
            |engine| engine.tag_image("reg.example:5000/a/b:1", "localhost:5000/x:y"),
            201,
            "POST /v1.41/images/reg.example:5000/a/b:1/tag?repo=localhost:5000/x&tag=y",
            "",
        ),
    ];
    for (change, status, line, body) in cases {
        let (outcome, asked) = call(Reply::status(status), change);
        outcome.unwrap_or_else(|error| panic!("{line}: {error:?}"));
        assert_eq!(asked.line, line.replace("{ID}", ID));
        assert_eq!(
            String::from_utf8(asked.body).unwrap(),
            body.replace("{ID}", ID)
        );
    }
}

/// A changed container configuration is a changed service: it must arrive as it was.
#[test]
fn creating_sends_the_body_unchanged() {
    let body = json!({"Image": IMAGE, "Zeta": null, "Alpha": 18_446_744_073_709_551_615_u64,
                      "HostConfig": {"NanoCpus": -1, "Überraschung": ["\u{0}", 1.5]}});
    let reply = Reply::json(201, &format!(r#"{{"Id":"{ID}","Warnings":null}}"#));
    let (outcome, asked) = call(reply, |engine| engine.create_container("web new&x", &body));
    assert_eq!(outcome.unwrap(), ID);
    assert_eq!(
        asked.line,
        "POST /v1.41/containers/create?name=web%20new%26x"
    );
    assert_eq!(asked.body, body.to_string().into_bytes());
    let (outcome, _) = call(Reply::json(201, "{}"), |engine| {
        engine.create_container("x", &body)
    });
    assert_eq!(outcome.unwrap_err().kind, EngineErrorKind::Malformed);
}

/// "Gone" and "was never there" are facts the undo relies on; anything else must not look like them.
#[test]
fn removals() {
    for (status, removed) in [(204, true), (200, true), (404, false)] {
        let (outcome, asked) = call(Reply::status(status), |engine| {
            engine.remove_container(ID, true, false)
        });
        assert_eq!(outcome.unwrap(), removed);
        assert_eq!(
            asked.line,
            format!("DELETE /v1.41/containers/{ID}?force=true&v=false")
        );
    }
    for (status, removed) in [(200, true), (404, false)] {
        let (outcome, asked) = call(Reply::json(status, "[]"), |engine| {
            engine.untag_image("caisson.local/web:1")
        });
        assert_eq!(outcome.unwrap(), removed);
        assert_eq!(asked.line, "DELETE /v1.41/images/caisson.local/web:1");
    }
    let running = r#"{"message":"You cannot remove a running container 4f1c. Stop it"}"#;
    let (outcome, _) = call(Reply::json(409, running), |engine| {
        engine.remove_container(ID, false, true)
    });
    let error = outcome.unwrap_err();
    assert_eq!(
        (error.kind, error.status),
        (EngineErrorKind::Refused, Some(409))
    );
}

/// Two removals at once (ours and `--rm`'s, or one of a run that was cut) end in one.
#[test]
fn a_removal_in_progress_is_awaited() {
    let conflict = || {
        Reply::json(
            409,
            r#"{"message":"removal of container 4f1c is already in progress"}"#,
        )
    };
    let waited = r#"{"StatusCode":0,"Error":null}"#;
    let (engine, script) = scripted(vec![
        conflict(),
        Reply::json(200, waited),
        Reply::status(404),
    ]);
    assert!(engine.remove_container(ID, true, true).unwrap());
    let lines: Vec<String> = script.asked().into_iter().map(|asked| asked.line).collect();
    let delete = format!("DELETE /v1.41/containers/{ID}?force=true&v=true");
    let wait = format!("POST /v1.41/containers/{ID}/wait?condition=removed");
    assert_eq!(lines, [delete.clone(), wait, delete]);

    let (engine, script) = scripted(vec![conflict(), Reply::status(404), Reply::status(404)]);
    assert!(engine.remove_container(ID, true, true).unwrap());
    assert_eq!(script.asked().len(), 3);

    let failed = r#"{"StatusCode":0,"Error":{"Message":"driver busy"}}"#;
    let (engine, script) = scripted(vec![conflict(), Reply::json(200, failed)]);
    assert_eq!(
        engine.remove_container(ID, true, true).unwrap_err().message,
        "driver busy"
    );
    assert_eq!(script.asked().len(), 2);
}

const CONTAINER: &str = r#"{"Id":"4f1c0a5b6d7e8f90112233445566778899aabbccddeeff001122334455667788",
    "Name":"/web","Image":"sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    "RestartCount":3,"Unheard":{"Of":[1]},
    "State":{"Status":"running","Running":true,"Paused":false,"Restarting":true,"OOMKilled":true,
      "ExitCode":137,"Error":"no such file","StartedAt":"2026-01-01T00:00:00.5Z",
      "Health":{"Status":"unhealthy","FailingStreak":2,"Log":[{"Output":"old"},{"ExitCode":1,"Output":"new"}]}},
    "Config":{"Labels":{"a":"b"},"StopTimeout":30,"Tty":false},
    "HostConfig":{"RestartPolicy":{"Name":"on-failure","MaximumRetryCount":5},"AutoRemove":true}}"#;

/// The fields that the update decides on, from a full answer.
#[test]
fn a_container_is_read() {
    let (outcome, asked) = call(Reply::json(200, CONTAINER), |engine| {
        engine.container("web")
    });
    let container = outcome.unwrap().unwrap();
    assert_eq!(asked.line, "GET /v1.41/containers/web/json");
    assert_eq!(
        (container.id.as_str(), container.name.as_str()),
        (ID, "web")
    );
    assert_eq!(container.image_id, IMAGE);
    assert!(container.running && container.restarting && container.oom_killed && !container.paused);
    assert_eq!(
        (container.status.as_str(), container.exit_code),
        ("running", 137)
    );
    assert_eq!(
        (container.error.as_str(), container.restart_count),
        ("no such file", 3)
    );
    assert_eq!(container.started_at, "2026-01-01T00:00:00.5Z");
    assert_eq!(container.health.as_deref(), Some("unhealthy"));
    assert_eq!(container.health_log.as_deref(), Some("new"));
    assert_eq!(container.restart_policy.name, "on-failure");
    assert_eq!(container.restart_policy.maximum_retry_count, 5);
    assert!(container.auto_remove);
    assert_eq!(container.labels["a"], "b");
    assert_eq!(container.stop_timeout_secs, Some(30));
    assert_eq!(container.raw["Unheard"]["Of"][0], 1);
}

/// Podman sends nulls and leaves fields out; that is not an error and not a value.
#[test]
fn absent_and_null_are_empty() {
    let bare = format!(r#"{{"Id":"{ID}","Name":"web"}}"#);
    let nulls = format!(
        r#"{{"Id":"{ID}","Name":"web","Image":null,"RestartCount":null,
            "State":{{"Health":{{"Status":"","Log":null}},"ExitCode":null,"StartedAt":null}},
            "Config":{{"Labels":null,"StopTimeout":null}},
            "HostConfig":{{"RestartPolicy":{{"Name":"","MaximumRetryCount":null}},"AutoRemove":null}}}}"#
    );
    for body in [bare, nulls] {
        let (outcome, _) = call(Reply::json(200, &body), |engine| engine.container(ID));
        let container = outcome.unwrap().unwrap();
        assert_eq!(container.restart_policy, RestartPolicy::no());
        assert_eq!((container.health, container.health_log), (None, None));
        assert_eq!(container.stop_timeout_secs, None);
        assert!(!container.running && container.labels.is_empty());
    }
    let endless = format!(r#"{{"Id":"{ID}","Name":"web","Config":{{"StopTimeout":-1}}}}"#);
    let (outcome, _) = call(Reply::json(200, &endless), |engine| engine.container(ID));
    assert_eq!(
        outcome.unwrap().unwrap().stop_timeout_secs,
        Some(facts::STOP_WITHOUT_LIMIT_SECS)
    );
}

/// A service called `4f1c` must not be found in a container whose id starts so.
#[test]
fn only_the_container_asked_for_counts() {
    for (asked_for, found) in [
        ("web", true),
        ("/web", true),
        (ID, true),
        ("4f1c", false),
        ("we", false),
    ] {
        let (outcome, _) = call(Reply::json(200, CONTAINER), |engine| {
            engine.container(asked_for)
        });
        assert_eq!(outcome.unwrap().is_some(), found, "{asked_for}");
    }
    let missing = Reply::json(404, r#"{"message":"No such container: web"}"#);
    assert_eq!(
        call(missing, |engine| engine.container("web")).0.unwrap(),
        None
    );
}

/// Wrong types, rubbish and cut JSON are the engine's fault and said so, not read as "absent".
#[test]
fn nonsense_is_malformed() {
    for body in [
        "",
        "null x",
        "[]",
        "7",
        "{\"Id\":7}",
        "{\"Id\":\"x\",\"State\":{\"Running\":\"false\"}}",
        "{\"Id\":\"",
        "\u{0}",
    ] {
        let (outcome, _) = call(Reply::json(200, body), |engine| engine.container("web"));
        let error = outcome.unwrap_err();
        assert_eq!(error.kind, EngineErrorKind::Malformed, "{body}: {error:?}");
        assert_eq!(error.call, "GET /containers/web/json");
    }
    let huge = Reply::Answer(
        format!(
            "HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n",
            INSPECT_BYTES_MAX + 1
        )
        .into_bytes(),
    );
    let error = call(huge, |engine| engine.container("web")).0.unwrap_err();
    assert_eq!(error.kind, EngineErrorKind::Malformed);
    let deep = "[".repeat(100_000);
    let error = call(Reply::json(200, &deep), |engine| engine.container("web"))
        .0
        .unwrap_err();
    assert_eq!(error.kind, EngineErrorKind::Malformed);
}

#[test]
fn rows_are_read() {
    let body = format!(
        r#"[{{"Id":"{ID}","Names":["/other/alias","/web"],"Image":"x","ImageID":"{}","State":"exited","Labels":{{"k":"v"}}}},
            {{"Id":"1","Names":null,"Labels":null}}]"#,
        &IMAGE["sha256:".len()..]
    );
    let (outcome, asked) = call(Reply::json(200, &body), Engine::containers);
    let rows = outcome.unwrap();
    assert_eq!(asked.line, "GET /v1.41/containers/json?all=1");
    assert_eq!(rows[0].names, ["web", "other/alias"]);
    assert_eq!(
        (rows[0].image_id.as_str(), rows[0].state.as_str()),
        (IMAGE, "exited")
    );
    assert_eq!(rows[0].labels["k"], "v");
    assert!(rows[1].names.is_empty());

    let body = format!(
        r#"[{{"Id":"{IMAGE}","RepoTags":["<none>:<none>"],"Size":5}},{{"Id":"x","RepoTags":["a:1"],"Size":-1}}]"#
    );
    let (outcome, asked) = call(Reply::json(200, &body), Engine::images);
    let rows = outcome.unwrap();
    assert_eq!(asked.line, "GET /v1.41/images/json");
    assert_eq!((rows[0].id.as_str(), rows[0].size), (IMAGE, 5));
    assert!(rows[0].tags.is_empty());
    assert_eq!(
        (rows[1].tags.as_slice(), rows[1].size),
        (["a:1".to_owned()].as_slice(), 0)
    );
}

#[test]
fn an_image_is_read() {
    let body = format!(
        r#"{{"Id":"{IMAGE}","RepoTags":["a/b:1"],"Os":"linux","Architecture":"arm","Variant":"","Size":42,
            "RootFS":{{"Type":"layers","Layers":["sha256:1","sha256:2"]}},"Config":{{"Env":["A=b"]}}}}"#
    );
    let (outcome, asked) = call(Reply::json(200, &body), |engine| {
        engine.image("reg.example:1/a/b:1")
    });
    let image = outcome.unwrap().unwrap();
    assert_eq!(asked.line, "GET /v1.41/images/reg.example:1/a/b:1/json");
    assert_eq!(image.diff_ids, ["sha256:1", "sha256:2"]);
    assert_eq!((image.platform.as_str(), image.size), ("linux/arm/v7", 42));
    assert_eq!(image.config["Env"][0], "A=b");
    // What Docker 28 shows of an image whose layer is missing.
    let body = format!(r#"{{"Id":"{IMAGE}","RootFS":{{}}}}"#);
    let image = call(Reply::json(200, &body), |engine| engine.image(IMAGE))
        .0
        .unwrap()
        .unwrap();
    assert!(image.diff_ids.is_empty() && image.platform.is_empty() && image.config.is_null());
    let gone = Reply::json(404, r#"{"message":"No such image"}"#);
    assert_eq!(call(gone, |engine| engine.image(IMAGE)).0.unwrap(), None);
}

const VERSION: &str =
    r#"{"Version":"28.5.2","Os":"linux","Arch":"amd64","Components":[{"Name":"Engine"}]}"#;
const INFO: &str = r#"{"Driver":"overlayfs","Architecture":"x86_64","DockerRootDir":"/var/lib/docker",
    "DriverStatus":[["driver-type","io.containerd.snapshotter.v1"]],"LiveRestoreEnabled":true}"#;

#[test]
fn the_engine_is_described() {
    let replies = vec![Reply::json(200, VERSION), Reply::json(200, INFO)];
    let (engine, script) = scripted_with(Deadlines::default(), "Api-Version: 1.52\r\n", replies);
    let info = engine.info().unwrap();
    assert_eq!(
        (info.name.as_str(), info.api_version.as_str()),
        ("Docker Engine 28.5.2", "1.51")
    );
    assert_eq!(
        (info.store, info.driver.as_str()),
        (StoreKind::Containerd, "overlayfs")
    );
    assert_eq!(
        (info.platform.as_str(), info.live_restore),
        ("linux/amd64", true)
    );
    assert_eq!(info.data_root, Path::new("/var/lib/docker"));
    let lines: Vec<String> = script.asked().into_iter().map(|asked| asked.line).collect();
    assert_eq!(lines, ["GET /v1.51/version", "GET /v1.51/info"]);

    let version = r#"{"Version":"4.3.1","Os":"linux","Arch":"arm64","Components":[{"Name":"Podman Engine"}]}"#;
    let info = r#"{"Driver":"overlay","Architecture":"arm64","DriverStatus":null,"DockerRootDir":"/var/lib/containers/storage"}"#;
    let replies = vec![Reply::json(200, version), Reply::json(200, info)];
    let (engine, _script) = scripted_with(
        Deadlines::default(),
        "Api-Version: 1.41\r\nLibpod-Api-Version: 4.3.1\r\n",
        replies,
    );
    let info = engine.info().unwrap();
    assert_eq!(
        (info.name.as_str(), info.store),
        ("Podman 4.3.1", StoreKind::Podman)
    );
    assert_eq!(
        (info.api_version.as_str(), info.platform.as_str()),
        ("1.41", "linux/arm64")
    );

    for info in [r#"{"DockerRootDir":"relative"}"#, "{}"] {
        let (engine, _script) = scripted(vec![Reply::json(200, VERSION), Reply::json(200, info)]);
        assert_eq!(engine.info().unwrap_err().kind, EngineErrorKind::Malformed);
    }
}

/// Speaking a version the engine does not know, or one too old to be right, changes meanings silently.
#[test]
fn the_api_version_is_negotiated_once() {
    for (fields, prefix) in [
        ("Api-Version: 1.40\r\n", "/v1.40"),
        ("Api-Version: 1.45\r\n", "/v1.45"),
        ("API-VERSION:  1.99 \r\n", "/v1.51"),
        ("Api-Version: 2.0\r\n", "/v1.51"),
    ] {
        let replies = vec![Reply::status(204), Reply::status(204)];
        let (engine, script) = scripted_with(Deadlines::default(), fields, replies);
        engine.ping().unwrap();
        engine.start_container("x").unwrap();
        engine.start_container("x").unwrap();
        for asked in script.asked() {
            assert_eq!(asked.line, format!("POST {prefix}/containers/x/start"));
        }
    }
    for (fields, word) in [
        ("Api-Version: 1.39\r\n", "1.40 or newer"),
        ("Api-Version: 1.\r\n", "not an API version"),
        ("", "does not say"),
    ] {
        let (engine, script) = scripted_with(Deadlines::default(), fields, vec![]);
        engine.ping().unwrap();
        let error = engine.start_container("x").unwrap_err();
        assert_eq!(
            (error.kind, error.call.as_str()),
            (EngineErrorKind::Malformed, "GET /_ping")
        );
        assert!(error.message.contains(word), "{error:?}");
        assert!(
            script.asked().is_empty(),
            "nothing may be sent to such an engine"
        );
    }
}

/// The engine's words are what a technician reads: whole enough, harmless, and never empty.
#[test]
fn refusals_carry_the_engines_words() {
    let cases: [(&str, &str); 5] = [
        (
            r#"{"message":"port is already\nallocated"}"#,
            "port is already\\nallocated",
        ),
        (
            r#"{"cause":"x","message":"no\u001b[2J","response":500}"#,
            "no\\u{1b}[2J",
        ),
        (
            "client version 1.99 is too new\n",
            "client version 1.99 is too new",
        ),
        ("", "status 500 without a reason"),
        (r#"{"message":null}"#, "status 500 without a reason"),
    ];
    for (body, words) in cases {
        let (outcome, _) = call(Reply::json(500, body), |engine| {
            engine.start_container("web")
        });
        let error = outcome.unwrap_err();
        assert_eq!(
            (error.kind, error.status),
            (EngineErrorKind::Refused, Some(500))
        );
        assert_eq!(
            (error.call.as_str(), error.message.as_str()),
            ("POST /containers/web/start", words)
        );
    }
    let long = format!(r#"{{"message":"{}"}}"#, "x".repeat(60_000));
    let error = call(Reply::json(500, &long), |engine| {
        engine.start_container("web")
    })
    .0
    .unwrap_err();
    assert!((1024..1030).contains(&error.message.len()));
    // Cut in its words, it is still a refusal: the status has arrived.
    let cut =
        Reply::Answer(b"HTTP/1.1 409 Conflict\r\nContent-Length: 500\r\n\r\nname is".to_vec());
    let error = call(cut, |engine| engine.start_container("web"))
        .0
        .unwrap_err();
    assert_eq!(
        (error.kind, error.message.as_str()),
        (EngineErrorKind::Refused, "name is")
    );
}

/// "Unreachable" lets the update conclude that nothing happened, "unanswered" that anything may have.
#[test]
fn no_engine_and_no_answer_are_told_apart() {
    let folder = tempfile::tempdir().unwrap();
    let engine = DockerEngine::new(folder.path().join("nothing.sock"));
    assert_eq!(
        engine.ping().unwrap_err().kind,
        EngineErrorKind::Unreachable
    );
    assert_eq!(
        engine.start_container("x").unwrap_err().kind,
        EngineErrorKind::Unreachable
    );
    assert_eq!(
        engine.load_images(&mut |_| Ok(())).unwrap_err().kind,
        EngineErrorKind::Unreachable
    );
    let stale = folder.path().join("stale.sock");
    drop(std::os::unix::net::UnixListener::bind(&stale).unwrap());
    assert_eq!(
        DockerEngine::new(&stale).ping().unwrap_err().kind,
        EngineErrorKind::Unreachable
    );

    for cut in [
        "",
        "HTTP/1.1 20",
        "HTTP/1.1 204 No Content\r\n",
        "SSH-2.0-x\r\n\r\n",
    ] {
        let reply = Reply::Answer(cut.as_bytes().to_vec());
        let error = call(reply, |engine| engine.start_container("x"))
            .0
            .unwrap_err();
        assert_eq!(error.kind, EngineErrorKind::Unanswered, "{cut}: {error:?}");
    }
}

/// Silence and drops of one byte must both end at the deadline.
#[test]
fn no_call_outlives_its_deadline() {
    type Call = fn(&DockerEngine) -> EngineErrorKind;
    let calls: [Call; 4] = [
        |engine| engine.container("x").unwrap_err().kind,
        |engine| engine.start_container("x").unwrap_err().kind,
        |engine| {
            engine
                .stop_container("x", Duration::from_millis(100))
                .unwrap_err()
                .kind
        },
        |engine| engine.remove_container("x", true, true).unwrap_err().kind,
    ];
    let slow = || Reply::Dripping(vec![b'H'; 100], Duration::from_millis(20));
    for (at, ask) in calls.into_iter().enumerate() {
        let reply = if at % 2 == 0 {
            Reply::EarlyThenHang(1, vec![])
        } else {
            slow()
        };
        let (engine, script) = scripted_with(QUICK, "Api-Version: 1.41\r\n", vec![reply]);
        let started = Instant::now();
        assert_eq!(ask(&engine), EngineErrorKind::Unanswered, "call {at}");
        let took = started.elapsed();
        assert!(
            (Duration::from_millis(250)..Duration::from_millis(1500)).contains(&took),
            "{took:?}"
        );
        drop(script.asked());
    }
}

/// A listener that has stopped accepting (its queue full) must not hold us either.
#[test]
fn connecting_has_a_deadline() {
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("engine.sock");
    let _listener = std::os::unix::net::UnixListener::bind(&socket).unwrap();
    let mut queue = Vec::new();
    let failed = loop {
        match super::super::socket::connect(&socket, Duration::from_millis(100)) {
            Ok(stream) => queue.push(stream),
            Err(error) => break error,
        }
        assert!(queue.len() < 100_000, "the queue never fills");
    };
    assert_eq!(failed.kind(), std::io::ErrorKind::TimedOut);
    let started = Instant::now();
    let engine = DockerEngine::with_deadlines(&socket, QUICK);
    assert_eq!(
        engine.ping().unwrap_err().kind,
        EngineErrorKind::Unreachable
    );
    assert!(started.elapsed() < Duration::from_secs(2));
}

/// Names that would reach another route are never sent.
#[test]
fn impossible_names_are_not_sent() {
    let (engine, script) = scripted(vec![]);
    let errors = [
        engine.container("").unwrap_err(),
        engine.start_container("..").unwrap_err(),
        engine.image("../containers/json").unwrap_err(),
        engine.untag_image(IMAGE).unwrap_err(),
        engine.untag_image("0123abcd").unwrap_err(),
        engine.untag_image("reg:5000/x").unwrap_err(),
        engine.untag_image("x@sha256:00").unwrap_err(),
        engine.tag_image(IMAGE, "untagged").unwrap_err(),
        engine.connect_network("", ID, &Value::Null).unwrap_err(),
    ];
    for error in errors {
        assert_eq!(
            (error.kind, error.status),
            (EngineErrorKind::Refused, None),
            "{error:?}"
        );
    }
    assert!(script.asked().is_empty());
}

/// The evidence of a failed probe: both streams, last lines, from either form.
#[test]
fn logs_are_read_in_both_forms() {
    let framed = b"\x01\0\0\0\0\0\0\x06hello\n\x02\0\0\0\0\0\0\x05oops\n";
    let answer = |content_type: &str, body: &[u8]| {
        let mut bytes = format!(
            "HTTP/1.1 200 OK\r\nContent-Type: {content_type}\r\nContent-Length: {}\r\n\r\n",
            body.len()
        )
        .into_bytes();
        bytes.extend_from_slice(body);
        Reply::Answer(bytes)
    };
    let inspected = |tty: bool| Reply::json(200, &format!(r#"{{"Config":{{"Tty":{tty}}}}}"#));
    let cases = [
        (
            false,
            answer("application/octet-stream", framed),
            vec!["hello", "oops"],
        ),
        (
            false,
            answer("application/vnd.docker.multiplexed-stream", framed),
            vec!["hello", "oops"],
        ),
        (
            true,
            answer("application/vnd.docker.raw-stream", b"one\r\ntwo"),
            vec!["one", "two"],
        ),
        (
            true,
            answer("application/octet-stream", b"one\r\ntwo"),
            vec!["one", "two"],
        ),
    ];
    for (tty, reply, lines) in cases {
        let (engine, script) = scripted(vec![inspected(tty), reply]);
        assert_eq!(engine.container_logs(ID, 20).unwrap(), lines);
        let asked = script.asked();
        assert_eq!(
            asked[1].line,
            format!("GET /v1.41/containers/{ID}/logs?stdout=1&stderr=1&tail=20")
        );
    }
    let chatty = vec![b'x'; usize::try_from(STREAM_BYTES_MAX).unwrap() + 10_000];
    let mut endless = b"HTTP/1.1 200 OK\r\n\r\n".to_vec();
    endless.extend_from_slice(&chatty);
    let (engine, script) = scripted(vec![inspected(true), Reply::Answer(endless)]);
    assert_eq!(engine.container_logs(ID, 20).unwrap().len(), 1);
    drop(script.asked());
}
