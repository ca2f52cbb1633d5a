//! The counting, killing proxy: the kill sweeps are only as true as this.

use std::io::{Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::Duration;

use caisson_tests::proxy::{At, Proxy, When};

const PATIENCE: Duration = Duration::from_secs(10);
/// Nothing more comes after this.
const QUIET: Duration = Duration::from_millis(300);
const SOCKET: &str = "CAISSON_PROXY_TEST_SOCKET";

/// An engine that answers `ok` once it has a whole request, and says what it got.
fn engine(socket: PathBuf) -> Receiver<String> {
    let listener = UnixListener::bind(socket).unwrap();
    let (tell, told) = channel();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let (mut stream, tell) = (stream.unwrap(), tell.clone());
            thread::spawn(move || {
                let mut got = Vec::new();
                let mut piece = [0; 4096];
                // Bodies of this test end with `!`.
                while !got.ends_with(b"!") {
                    match stream.read(&mut piece) {
                        Ok(0) | Err(_) => break,
                        Ok(length) => got.extend_from_slice(&piece[..length]),
                    }
                }
                let whole = got.ends_with(b"!");
                let _ = tell.send(String::from_utf8(got).unwrap());
                if whole {
                    let _ = stream.write_all(b"HTTP/1.1 200 OK\r\n\r\nok");
                }
            });
        }
    });
    told
}

fn ask(socket: &Path, line: &str, body: &str) -> String {
    let mut stream = UnixStream::connect(socket).unwrap();
    let head = format!("{line} HTTP/1.1\r\nConnection: close\r\n\r\n");
    stream
        .write_all(format!("{head}{body}!").as_bytes())
        .unwrap();
    let mut answer = String::new();
    let _ = stream.read_to_string(&mut answer);
    answer
}

/// A process of its own that asks `one`, `two`, `three`, in that order.
fn client(socket: &Path) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "client_process", "--ignored", "--quiet"])
        .env(SOCKET, socket)
        .stdout(Stdio::null())
        .spawn()
        .unwrap()
}

#[test]
#[ignore = "a part of the other tests, which start it as a process"]
fn client_process() {
    let socket = PathBuf::from(std::env::var_os(SOCKET).unwrap());
    for word in ["one", "two", "three"] {
        assert!(ask(&socket, &format!("POST /{word}"), "body").ends_with("ok"));
    }
}

struct Setting {
    _folder: tempfile::TempDir,
    proxy: Proxy,
    told: Receiver<String>,
}

fn setting() -> Setting {
    let folder = tempfile::tempdir().unwrap();
    let told = engine(folder.path().join("engine"));
    let proxy = Proxy::start(&folder.path().join("proxy"), &folder.path().join("engine")).unwrap();
    Setting {
        _folder: folder,
        proxy,
        told,
    }
}

/// What the engine got while the client died at `/two`.
fn killed_at_two(at: At, when: When) -> Vec<String> {
    let setting = setting();
    let proxy = &setting.proxy;
    proxy.arm(at, when);
    let mut client = client(proxy.socket());
    let done = proxy.wait_done(PATIENCE).unwrap();
    let status = client.wait().unwrap();
    assert_eq!(done.request.line, "POST /two");
    assert_eq!((done.request.number, done.request.pid), (2, client.id()));
    assert_eq!(status.code(), None, "killed, not ended");
    // Others are served afterwards, and counted on.
    assert!(ask(proxy.socket(), "POST /after", "").ends_with("ok"));
    assert_eq!(proxy.log().last().unwrap().number, 3);
    assert_eq!(proxy.complaints(), Vec::<String>::new());
    // A cut request is told when its connection ends, so maybe after `/after`.
    let mut got = Vec::new();
    while let Ok(request) = setting.told.recv_timeout(QUIET) {
        got.push(request);
    }
    got.retain(|request| !request.starts_with("POST /after"));
    got
}

/// If the engine heard of it, "before" would test the same as "after".
#[test]
fn before_means_the_engine_never_hears_of_it() {
    let got = killed_at_two(At::Number(2), When::Before);
    assert_eq!(got.len(), 1, "{got:?}");
    assert!(got[0].starts_with("POST /one"));
}

/// If the kill came before the effect, "after" would test the same as "before".
#[test]
fn after_means_the_engine_has_answered() {
    let got = killed_at_two(At::Containing("/two".into()), When::After);
    assert_eq!(got.len(), 2, "{got:?}");
    assert!(got[1].ends_with("body!"));
}

/// A cut inside a body must leave the engine with a part of it, and then the end.
#[test]
fn inside_a_body_the_engine_gets_a_part() {
    let got = killed_at_two(At::Number(2), When::InBody(3));
    assert_eq!(got.len(), 2, "{got:?}");
    assert!(got[1].ends_with("\r\n\r\nbod"), "{got:?}");
}

/// A proxy that changes or holds back bytes would make every other test lie.
#[test]
fn unarmed_it_changes_nothing_and_counts() {
    let setting = setting();
    let body = "x".repeat(3 << 20);
    assert!(ask(setting.proxy.socket(), "POST /big?a=b", &body).ends_with("ok"));
    let got = setting.told.recv_timeout(PATIENCE).unwrap();
    assert!(got.ends_with(&format!("{body}!")));
    let log = setting.proxy.log();
    assert_eq!((log.len(), log[0].line.as_str()), (1, "POST /big?a=b"));
    assert_eq!(log[0].pid, std::process::id());
    assert!(client(setting.proxy.socket()).wait().unwrap().success());
    assert_eq!(setting.proxy.log().len(), 4);
    assert_eq!(setting.proxy.done(), None);
}

/// A connection that is kept open would carry requests past the count.
#[test]
fn a_kept_connection_is_a_complaint() {
    let setting = setting();
    let mut stream = UnixStream::connect(setting.proxy.socket()).unwrap();
    stream.write_all(b"GET /_ping HTTP/1.1\r\n\r\n").unwrap();
    assert_eq!(stream.read(&mut [0; 1]).unwrap_or(0), 0);
    assert_eq!(setting.proxy.complaints().len(), 1);
}
