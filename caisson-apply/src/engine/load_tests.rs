//! Loads against an engine that answers late, early, half, or with an error that
//! looks like success.

use std::time::Instant;

use super::super::deadlines::Deadlines;
use super::super::docker::DockerEngine;
use super::super::scripted::{Asked, QUICK, Reply, scripted, scripted_with};
use super::super::{Engine, EngineError, EngineResult};
use super::*;

const MIB: usize = 1024 * 1024;

fn load_against(reply: Reply, body: LoadBody<'_>) -> (EngineResult<Vec<String>>, Asked) {
    load_with(Deadlines::default(), reply, body)
}

fn load_with(
    deadlines: Deadlines,
    reply: Reply,
    body: LoadBody<'_>,
) -> (EngineResult<Vec<String>>, Asked) {
    let (engine, script) = scripted_with(deadlines, "Api-Version: 1.41\r\n", vec![reply]);
    let outcome = engine.load_images(body);
    let asked = script.asked();
    assert_eq!(asked.len(), 1);
    (outcome, asked.into_iter().next().expect("counted above"))
}

/// A body of megabytes, more than any socket buffer holds.
fn megabytes(count: usize) -> impl FnMut(&mut dyn Write) -> io::Result<()> {
    move |out| {
        let piece = vec![7; MIB];
        (0..count).try_for_each(|_| out.write_all(&piece))
    }
}

fn refused(outcome: EngineResult<Vec<String>>) -> EngineError {
    let error = outcome.expect_err("refused");
    assert_eq!(error.kind, EngineErrorKind::Refused, "{error:?}");
    assert_eq!(error.call, "POST /images/load");
    error
}

/// One byte lost or doubled in the framing is a damaged image.
#[test]
fn the_body_arrives_as_it_was() {
    let data: Vec<u8> = (0..700_000_u32)
        .map(|n| ((n * 7) >> 3).to_le_bytes()[0])
        .collect();
    let answer = "{\"stream\":\"Loaded image: caisson.local/web:1\\n\"}\r\n{\"stream\":\"\"}\r\n{}";
    for step in [1000, 65_536, 700_000] {
        let (outcome, asked) = load_against(Reply::json(200, answer), &mut |out| {
            data.chunks(step).try_for_each(|piece| out.write_all(piece))
        });
        assert_eq!(outcome.unwrap(), ["Loaded image: caisson.local/web:1"]);
        assert_eq!(asked.line, "POST /v1.41/images/load?quiet=1");
        assert!(
            asked.whole && asked.body == data,
            "step {step}: {} bytes",
            asked.body.len()
        );
    }
    let (outcome, asked) = load_against(Reply::json(200, ""), &mut |_| Ok(()));
    assert!(outcome.unwrap().is_empty() && asked.whole && asked.body.is_empty());
}

/// Each of these comes with status 200 and means that there is no usable image.
#[test]
fn failures_under_status_200_are_found() {
    let loaded = r#"{"stream":"Loaded image: caisson.local/web:1\n"}"#;
    let cases = [
        (
            r#"{"errorDetail":{"message":"unexpected EOF"},"error":"unexpected EOF"}"#,
            "unexpected EOF",
        ),
        (
            r#"{"errorDetail":{"message":"no space left on device"}}"#,
            "no space left on device",
        ),
        (r#"{"error":"no space left"}"#, "no space left"),
        (r#"{"errorDetail":{},"error":""}"#, "an error without words"),
        (
            r#"{"stream":"Error unpacking image caisson.local/web:1: wrong diff id\n"}"#,
            "Error unpacking image caisson.local/web:1: wrong diff id",
        ),
    ];
    for (document, words) in cases {
        for body in [
            format!("{document}\r\n"),
            format!("{loaded}\r\n{document}\r\n"),
            format!("{loaded}\n{document}"),
            format!("{document}{loaded}"),
            format!(" {loaded}\r\n\r\n\t{document}\r\n{loaded}\r\n"),
        ] {
            let (outcome, _) = load_against(Reply::json(200, &body), &mut |_| Ok(()));
            let error = refused(outcome);
            assert_eq!(
                (error.message.as_str(), error.status),
                (words, Some(200)),
                "{body}"
            );
        }
    }
    let podman = r#"{"cause":"x","message":"payload does not match any\nof","response":500}"#;
    let (outcome, _) = load_against(Reply::json(500, podman), &mut |_| Ok(()));
    let error = refused(outcome);
    assert_eq!(
        (error.message.as_str(), error.status),
        ("payload does not match any\\nof", Some(500))
    );
}

/// An answer that is cut or no JSON is not a success, but one that reported an error first is a refusal.
#[test]
fn half_answers_are_no_success() {
    let head = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
    let cases = [
        (
            format!("{head}f\r\n{{\"stream\":\"Loa\r\n"),
            EngineErrorKind::Unanswered,
        ),
        (
            format!("{head}f\r\n{{\"stream\":\"Loa\"\r\n0\r\n\r\n"),
            EngineErrorKind::Malformed,
        ),
        (
            format!("{head}4\r\ntext\r\n0\r\n\r\n"),
            EngineErrorKind::Malformed,
        ),
        (
            format!("{head}f\r\n{{\"stream\":true}}\r\n0\r\n\r\n"),
            EngineErrorKind::Malformed,
        ),
        (
            format!("{head}d\r\n{{\"error\":\"x\"}}\r\n"),
            EngineErrorKind::Refused,
        ),
        (
            format!("{head}e\r\n{{\"error\":\"x\"}}{{\r\n0\r\n\r\n"),
            EngineErrorKind::Refused,
        ),
        (head.to_owned(), EngineErrorKind::Unanswered),
        (String::new(), EngineErrorKind::Unanswered),
    ];
    for (bytes, kind) in cases {
        let reply = Reply::Answer(bytes.clone().into_bytes());
        let error = load_against(reply, &mut |_| Ok(())).0.unwrap_err();
        assert_eq!(error.kind, kind, "{bytes}: {error:?}");
    }
    let endless = format!("{{\"stream\":\"{}\"}}", "x".repeat(DOCUMENT_BYTES_MAX));
    let error = load_against(Reply::json(200, &endless), &mut |_| Ok(()))
        .0
        .unwrap_err();
    assert_eq!(error.kind, EngineErrorKind::Malformed);
}

/// An engine with a full disk says so and closes while we send: its words must reach the technician, not "broken pipe".
#[test]
fn an_early_refusal_is_read() {
    let answers = [
        (r#"{"message":"no space left on device"}"#, 500),
        (
            r#"{"errorDetail":{"message":"no space left on device"}}"#,
            200,
        ),
    ];
    for (body, status) in answers {
        let Reply::Answer(bytes) = Reply::json(status, body) else {
            unreachable!("made by json")
        };
        for taken in [1, 3 * MIB] {
            let reply = Reply::EarlyThenClose(taken, bytes.clone());
            let (outcome, asked) = load_against(reply, &mut megabytes(32));
            let error = refused(outcome);
            assert_eq!(
                (error.message.as_str(), error.status),
                ("no space left on device", Some(status))
            );
            assert!(!asked.whole);
        }
    }
    let Reply::Answer(clean) = Reply::json(200, r#"{"stream":"Loaded image: x"}"#) else {
        unreachable!("made by json")
    };
    let (outcome, _) = load_against(Reply::EarlyThenClose(MIB, clean), &mut megabytes(32));
    assert!(
        refused(outcome)
            .message
            .contains("before it had the whole image")
    );
    let (outcome, _) = load_against(Reply::EarlyThenClose(MIB, vec![]), &mut megabytes(32));
    let error = outcome.unwrap_err();
    assert_eq!(error.kind, EngineErrorKind::Unanswered);
    assert!(error.message.contains("while sending"), "{error:?}");
}

/// An engine that refuses but keeps the connection open would block us for half an hour.
#[test]
fn an_early_refusal_without_close_is_seen() {
    let Reply::Answer(bytes) = Reply::json(500, r#"{"message":"no"}"#) else {
        unreachable!("made by json")
    };
    let started = Instant::now();
    let (outcome, _) = load_against(Reply::EarlyThenHang(MIB, bytes), &mut megabytes(32));
    assert_eq!(refused(outcome).message, "no");
    assert!(started.elapsed() < Duration::from_secs(10));
}

/// A refusal that is never finished must not hold us for the idle time of a load.
#[test]
fn half_a_refusal_is_enough() {
    let bytes = b"HTTP/1.1 500 X\r\nContent-Length: 500\r\n\r\nno space left".to_vec();
    let started = Instant::now();
    let (outcome, _) = load_against(Reply::EarlyThenHang(MIB, bytes), &mut megabytes(32));
    assert_eq!(refused(outcome).message, "no space left");
    assert!(started.elapsed() < Duration::from_secs(20));
}

/// Progress that comes while the body is sent belongs to the answer and stops nothing.
#[test]
fn early_progress_is_part_of_the_answer() {
    let before = "HTTP/1.1 200 OK\r\n\r\n{\"status\":\"Loading layer\",\"progressDetail\":{\"current\":1}}\r\n";
    let after = "{\"stream\":\"Loaded image: x\\n\"}\r\n";
    let reply = Reply::Both(before.as_bytes().to_vec(), after.as_bytes().to_vec());
    let (outcome, asked) = load_against(reply, &mut megabytes(8));
    assert_eq!(outcome.unwrap(), ["Loaded image: x"]);
    assert!(asked.whole);
    assert_eq!(asked.body.len(), 8 * MIB);
}

/// A damaged package must leave the engine a cut body, and must not be taken for the engine's fault.
#[test]
fn our_own_failure_cuts_the_body() {
    let (outcome, asked) = load_against(Reply::json(200, "{}"), &mut |out| {
        out.write_all(&vec![1; 100_000])?;
        Err(io::Error::new(
            io::ErrorKind::InvalidData,
            "chunk 7 does not match",
        ))
    });
    let error = outcome.unwrap_err();
    assert_eq!(
        (error.kind, error.message.as_str()),
        (EngineErrorKind::Body, "chunk 7 does not match")
    );
    assert!(!asked.whole, "the closing chunk was sent");
    assert!(asked.body.len() <= 100_000);
}

/// The writer of the body may wrap or swallow our errors; what broke first counts.
#[test]
fn the_first_cause_counts() {
    let Reply::Answer(bytes) = Reply::json(500, r#"{"message":"no"}"#) else {
        unreachable!("made by json")
    };
    let early = || Reply::EarlyThenClose(1, bytes.clone());
    let (outcome, _) = load_against(early(), &mut |out| {
        megabytes(32)(out).map_err(|_| io::Error::other("entry `blobs/x`: the sink failed"))
    });
    assert_eq!(refused(outcome).message, "no");
    let (outcome, asked) = load_against(early(), &mut |out| {
        for _ in 0..32 {
            let _ = out.write_all(&vec![0; MIB]);
        }
        Ok(())
    });
    assert_eq!(refused(outcome).message, "no");
    assert!(!asked.whole);
}

/// Neither an engine that stops reading nor one that never answers may hold us beyond the idle limit.
#[test]
fn silence_ends_a_load() {
    for (body, reply) in [
        (megabytes(32), Reply::EarlyThenHang(1, vec![])),
        (megabytes(0), Reply::EarlyThenHang(usize::MAX, vec![])),
        (
            megabytes(0),
            Reply::EarlyThenHang(usize::MAX, b"HTTP/1.1 200 OK\r\n\r\n{".to_vec()),
        ),
    ] {
        let mut body = body;
        let started = Instant::now();
        let (outcome, _) = load_with(QUICK, reply, &mut body);
        assert_eq!(outcome.unwrap_err().kind, EngineErrorKind::Unanswered);
        let took = started.elapsed();
        assert!(
            (Duration::from_millis(250)..Duration::from_secs(7)).contains(&took),
            "{took:?}"
        );
    }
}

/// A load that moves takes as long as it takes.
#[test]
fn a_slow_load_is_not_cut() {
    let answer = b"HTTP/1.1 200 OK\r\n\r\n{\"stream\":\"Loaded\"}".to_vec();
    let reply = Reply::Dripping(answer, Duration::from_millis(20));
    let (outcome, _) = load_with(QUICK, reply, &mut |out| {
        for _ in 0..5 {
            out.write_all(b"slow stick")?;
            out.flush()?;
            std::thread::sleep(Duration::from_millis(150));
        }
        Ok(())
    });
    assert_eq!(outcome.unwrap(), ["Loaded"]);
}

/// Where a document ends must not depend on how it was cut, nor on braces in its strings.
#[test]
fn documents_survive_every_split() {
    let bytes = br#"{"a":"}{\"\\"} {"b":[{"c":{}}]}
{}{"d":"\\\"}"}"#;
    let whole: [&[u8]; 4] = [
        br#"{"a":"}{\"\\"}"#,
        br#"{"b":[{"c":{}}]}"#,
        b"{}",
        br#"{"d":"\\\"}"}"#,
    ];
    for cut in 0..=bytes.len() {
        let mut found = Vec::new();
        let mut documents = Documents::default();
        for part in [&bytes[..cut], &bytes[cut..]] {
            let mut each = |document: &[u8]| {
                found.push(document.to_vec());
                Ok(())
            };
            documents.feed(part, &mut each).unwrap();
        }
        documents.end().unwrap();
        assert_eq!(found, whole, "cut at {cut}");
    }
    for odd in ["{]", "[", "x", "{\"a\":1}}", "{}]"] {
        let mut documents = Documents::default();
        let fed = documents.feed(odd.as_bytes(), &mut |document| {
            serde_json::from_slice::<LoadDocument>(document)
                .map(drop)
                .map_err(|error| malformed(error.to_string()))
        });
        assert!(fed.and_then(|()| documents.end()).is_err(), "{odd}");
    }
}

/// The list of lines given back is bounded, and keeps the newest.
#[test]
fn lines_are_bounded() {
    let lines: Vec<String> = (0..500)
        .map(|n| format!("{{\"stream\":\"line {n}\\n\"}}"))
        .collect();
    let body = lines.join("\r\n");
    let (engine, script) = scripted(vec![Reply::json(200, &body)]);
    let lines = DockerEngine::load_images(&engine, &mut |_| Ok(())).unwrap();
    assert_eq!(
        (lines.len(), lines.last().map(String::as_str)),
        (LINES_MAX, Some("line 499"))
    );
    drop(script.asked());
}
