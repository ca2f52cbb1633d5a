//! A container engine that answers from a script, and images fetched from it.

use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::net::{UnixListener, UnixStream};
use std::sync::{Arc, Mutex};
use std::thread;

use crate::archive::{Layout, Stored, TestArchive, TestImage};
use crate::program::Desk;

/// What the engine says to a request for an image.
#[derive(Clone)]
pub(crate) enum Answer {
    /// This archive, in chunks.
    Archive(Vec<u8>),
    /// This, and then the end of the connection.
    Raw(Vec<u8>),
}

/// An engine on a socket in a desk's folder. Its thread ends with the test program.
pub(crate) struct ScriptedEngine {
    socket: String,
    asked: Arc<Mutex<Vec<String>>>,
}

impl ScriptedEngine {
    pub(crate) fn start(desk: &Desk, version: &'static str, answer: Answer) -> Self {
        let folder = tempfile::tempdir_in(desk.folder())
            .expect("a folder")
            .keep();
        let socket = folder.join("s");
        let listener = UnixListener::bind(&socket).expect("a socket");
        let asked = Arc::new(Mutex::new(Vec::new()));
        let log = Arc::clone(&asked);
        thread::spawn(move || {
            for connection in listener.incoming() {
                let mut connection = connection.expect("a connection");
                let target = read_request(&connection);
                // A client that had enough hangs up: no concern of the engine's.
                let _ = respond(&mut connection, &target, version, &answer);
                log.lock().expect("not poisoned").push(target);
            }
        });
        Self {
            socket: socket.display().to_string(),
            asked,
        }
    }

    pub(crate) fn socket(&self) -> &str {
        &self.socket
    }

    fn asked(&self) -> Vec<String> {
        self.asked.lock().expect("not poisoned").clone()
    }
}

fn read_request(connection: &UnixStream) -> String {
    let mut lines = BufReader::new(connection).lines();
    let first = lines.next().expect("a line").expect("text");
    for line in lines {
        if line.expect("text").is_empty() {
            break;
        }
    }
    first.split(' ').nth(1).expect("a target").to_owned()
}

fn respond(
    connection: &mut UnixStream,
    target: &str,
    version: &str,
    answer: &Answer,
) -> std::io::Result<()> {
    if target == "/_ping" {
        return write!(
            connection,
            "HTTP/1.1 200 OK\r\nApi-Version: {version}\r\nContent-Length: 2\r\n\r\nOK"
        );
    }
    match answer {
        Answer::Archive(bytes) => {
            write!(
                connection,
                "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
            )?;
            for chunk in bytes.chunks(1000) {
                write!(connection, "{:x}\r\n", chunk.len())?;
                connection.write_all(chunk)?;
                connection.write_all(b"\r\n")?;
            }
            connection.write_all(b"0\r\n\r\n")
        }
        Answer::Raw(bytes) => connection.write_all(bytes),
    }
}

fn raw(text: &str) -> Answer {
    Answer::Raw(text.as_bytes().to_vec())
}

fn build(desk: &Desk, name: &str, engine: &ScriptedEngine) -> crate::program::Ran {
    let more = format!("-o x.edgepkg --force --engine {}", engine.socket());
    desk.build(&format!("docker-daemon:{name}"), &more)
}

/// An engine that misbehaves must end in a word about it: never in a package,
/// never in waiting for ever.
#[test]
fn what_an_engine_does_wrong_is_named() {
    let whole = TestArchive::simple().bytes();
    let json = |status: &str, text: &str| {
        raw(&format!(
            "HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{text}",
            text.len()
        ))
    };
    let mut cut = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n400\r\n".to_vec();
    cut.extend_from_slice(&whole[..700]);
    for (what, answer, code, exit, word) in [
        (
            "unknown",
            json("404 Not Found", r#"{"message":"No such image: web"}"#),
            "source.image_not_found",
            2,
            "No such image: web",
        ),
        (
            "broken",
            json("500 Oops", r#"{"message":"disk \u001b[31mfailed"}"#),
            "engine.failed",
            20,
            "status 500: disk \\u{1b}[31mfailed",
        ),
        ("cut", Answer::Raw(cut), "engine.failed", 20, "ended inside"),
        (
            "no HTTP",
            raw("220 mail.example ESMTP\r\n\r\n"),
            "engine.failed",
            20,
            "not an HTTP answer",
        ),
        ("nothing", raw(""), "engine.failed", 20, "ended inside"),
        (
            "an error for an archive",
            json("200 OK", r#"{"message":"layer is gone"}"#),
            "engine.failed",
            20,
            "layer is gone",
        ),
        (
            "no archive",
            json("200 OK", "<html>"),
            "source.not_a_tar",
            10,
            "",
        ),
        (
            "too long",
            raw("HTTP/1.1 200 OK\r\nContent-Length: 999999999999999\r\n\r\n"),
            "engine.failed",
            20,
            "larger than",
        ),
    ] {
        let desk = Desk::new();
        let engine = ScriptedEngine::start(&desk, "1.41", answer);
        let ran = build(&desk, "web", &engine).refused(code, exit);
        assert!(ran.stderr.contains(word), "{what}: {ran:?}");
        assert!(
            !desk.names().iter().any(|name| name.contains("edgepkg")),
            "{what}"
        );
    }
}

/// The wrong socket, or none, is no riddle.
#[test]
fn engines_that_are_not_there() {
    let desk = Desk::new();
    for (socket, code, exit) in [
        ("/nowhere.sock", "engine.unreachable", 20),
        ("tcp://127.0.0.1:2375", "usage.invalid", 2),
        ("relative.sock", "usage.invalid", 2),
    ] {
        desk.build(
            "docker-daemon:web",
            &format!("-o x.edgepkg --engine {socket}"),
        )
        .refused(code, exit);
    }
    let answer = Answer::Archive(TestArchive::simple().bytes());
    let engine = ScriptedEngine::start(&desk, "1.41", answer);
    build(&desk, "../containers/json", &engine).refused("build.reference_invalid", 2);
    assert_eq!(engine.asked(), ["/_ping"]);
}

/// A newer engine is asked for the platform, so that one with several gives the
/// right one.
#[test]
fn the_platform_is_asked_for_where_engines_know_it() {
    let desk = Desk::new();
    let saved = TestArchive::simple().bytes();
    for (version, asked) in [
        ("1.47", "/v1.47/images/web:1.1.0/get"),
        (
            "1.99",
            "/v1.51/images/web:1.1.0/get?platform=%7B%22os%22:%22linux%22%2C%22architecture%22:%22amd64%22%7D",
        ),
    ] {
        let engine = ScriptedEngine::start(&desk, version, Answer::Archive(saved.clone()));
        build(&desk, "web:1.1.0", &engine).succeeded();
        assert_eq!(engine.asked()[1], asked);
    }
}

/// For a name without a tag an engine sends every tag, and other images with it:
/// the one that is meant is `latest`, whatever stands first. An id has no name.
#[test]
fn one_of_several_tags_is_meant() {
    let desk = Desk::new();
    let images = [TestImage::named("web:1"), TestImage::named("web:latest")];
    let saved = TestArchive::of(&images, Layout::Blobs, Stored::Plain);
    let engine = ScriptedEngine::start(&desk, "1.41", Answer::Archive(saved.bytes()));
    build(&desk, "web", &engine).succeeded();
    let facts = desk.run("inspect x.edgepkg --json").json();
    assert_eq!(
        facts["images"][0]["reference"],
        "docker.io/library/web:latest"
    );
    let config = images[1].config();
    let id = edgepkg::Digest::of(&config).to_string();
    assert_eq!(facts["images"][0]["config"], id.as_str());

    let mut unnamed = images[1].clone();
    unnamed.names.clear();
    let saved = TestArchive::of(&[unnamed], Layout::Blobs, Stored::Plain);
    let engine = ScriptedEngine::start(&desk, "1.41", Answer::Archive(saved.bytes()));
    build(&desk, &id, &engine).refused("build.reference_missing", 2);
}
