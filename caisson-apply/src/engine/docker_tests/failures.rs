//! Answers that are refusals, nonsense, late, cut or none.
#![expect(
    clippy::disallowed_methods,
    reason = "real sockets answer in real time"
)]

use std::time::Instant;

use super::super::super::scripted::QUICK;
use super::*;

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
        match super::super::super::socket::connect(&socket, Duration::from_millis(100)) {
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
