//! What is asked of the engine, byte by byte.

use super::*;

type Change = fn(&DockerEngine) -> EngineResult<()>;

/// Each change with the status that answers it, and the request it must be.
fn assert_asked(cases: &[(Change, u16, &str, &str)]) {
    for (change, status, line, body) in cases {
        let (outcome, asked) = call(Reply::status(*status), change);
        outcome.unwrap_or_else(|error| panic!("{line}: {error:?}"));
        assert_eq!(
            asked.line,
            format!("POST /v1.41{}", line.replace("{ID}", ID))
        );
        let sent = String::from_utf8(asked.body).unwrap();
        assert_eq!(sent, body.replace("{ID}", ID));
    }
}

/// A wrong path, query or body would do something else to somebody's container.
#[test]
fn changes_of_containers_are_asked_for_as_meant() {
    const GRACE: Duration = Duration::from_secs(10);
    assert_asked(&[
        (
            |engine| engine.start_container(ID),
            204,
            "/containers/{ID}/start",
            "",
        ),
        (
            |engine| engine.start_container(ID),
            304,
            "/containers/{ID}/start",
            "",
        ),
        (
            |engine| engine.stop_container(ID, GRACE),
            204,
            "/containers/{ID}/stop",
            "",
        ),
        (
            |engine| engine.stop_container(ID, Duration::MAX),
            304,
            "/containers/{ID}/stop",
            "",
        ),
        (
            |engine| engine.unpause_container(ID),
            204,
            "/containers/{ID}/unpause",
            "",
        ),
        (
            |engine| engine.rename_container(ID, "web.caisson-old"),
            204,
            "/containers/{ID}/rename?name=web.caisson-old",
            "",
        ),
        (
            |engine| engine.connect_network("my net/x", ID, &json!({"Aliases": ["db"]})),
            200,
            "/networks/my%20net%2Fx/connect",
            r#"{"Container":"{ID}","EndpointConfig":{"Aliases":["db"]}}"#,
        ),
    ]);
}

/// Docker refuses a retry count beside any policy but `on-failure`.
#[test]
fn policies_are_asked_for_as_meant() {
    fn policy(engine: &DockerEngine, name: &str) -> EngineResult<()> {
        let name = name.to_owned();
        engine.set_restart_policy(
            ID,
            &RestartPolicy {
                name,
                maximum_retry_count: 5,
            },
        )
    }
    const UPDATE: &str = "/containers/{ID}/update";
    assert_asked(&[
        (
            |engine| policy(engine, "always"),
            200,
            UPDATE,
            r#"{"RestartPolicy":{"Name":"always","MaximumRetryCount":0}}"#,
        ),
        (
            |engine| policy(engine, "no"),
            200,
            UPDATE,
            r#"{"RestartPolicy":{"Name":"no","MaximumRetryCount":0}}"#,
        ),
        (
            |engine| policy(engine, "on-failure"),
            200,
            UPDATE,
            r#"{"RestartPolicy":{"Name":"on-failure","MaximumRetryCount":5}}"#,
        ),
    ]);
}

/// A tag on the wrong image, or another tag, breaks the rollback.
#[test]
fn tags_are_asked_for_as_meant() {
    assert_asked(&[
        (
            |engine| engine.tag_image("sha256:0a1b", "caisson.local/web:1.4.1_a-0123456789ab"),
            201,
            "/images/sha256:0a1b/tag?repo=caisson.local/web&tag=1.4.1_a-0123456789ab",
            "",
        ),
        (
            |engine| engine.tag_image("reg.example:5000/a/b:1", "localhost:5000/x:y"),
            201,
            "/images/reg.example:5000/a/b:1/tag?repo=localhost:5000/x&tag=y",
            "",
        ),
    ]);
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
    let (old, odd) = (EngineErrorKind::Unsupported, EngineErrorKind::Malformed);
    for (fields, kind, word) in [
        ("Api-Version: 1.39\r\n", old, "1.40 or newer"),
        ("Api-Version: 1.\r\n", odd, "not an API version"),
        ("", odd, "does not say"),
    ] {
        let (engine, script) = scripted_with(Deadlines::default(), fields, vec![]);
        engine.ping().unwrap();
        let error = engine.start_container("x").unwrap_err();
        assert_eq!((error.kind, error.call.as_str()), (kind, "GET /_ping"));
        assert!(error.message.contains(word), "{error:?}");
        assert!(
            script.asked().is_empty(),
            "nothing may be sent to such an engine"
        );
    }
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
