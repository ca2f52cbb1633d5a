//! What is understood of the engine's answers.

use super::super::super::StoreKind;
use super::*;

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
