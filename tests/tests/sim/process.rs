//! The engine as a process of its own.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use caisson_tests::images::ImageRecipe;
use caisson_tests::sim::free_port;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::json;

use crate::client::{create, get, post, request, version};

fn spawn(root: &Path, store: &str) -> Child {
    let mut engine = Command::new(env!("CARGO_BIN_EXE_caisson-sim-engine"))
        .arg("--socket")
        .arg(root.join("docker.sock"))
        .arg("--root")
        .arg(root)
        .args(["--store", store])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("the engine's program");
    let mut line = String::new();
    let out = engine.stdout.as_mut().expect("a pipe");
    BufReader::new(out).read_line(&mut line).expect("a line");
    assert!(line.starts_with("listens on "), "{line}");
    engine
}

fn ends_well(mut engine: Child, socket: &Path) {
    let until = Instant::now() + Duration::from_secs(10);
    while Instant::now() < until {
        if let Some(status) = engine.try_wait().expect("a child") {
            assert!(status.success() && !socket.exists(), "{status}");
            return;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    // It is ours, and this test has failed.
    let _ = engine.kill();
    panic!("the engine didn't end");
}

/// The demo runs on this where there is no Docker: a crash loop must go on by
/// itself, and whichever way its starter ends, nothing may stay behind.
#[test]
fn it_lives_and_ends_with_its_starter() {
    for store in ["classic", "containerd"] {
        let dir = tempfile::tempdir().expect("a scratch folder");
        let socket = dir.path().join("docker.sock");
        let engine = spawn(dir.path(), store);
        let recipe = ImageRecipe::new("example.test/web:1", "1").with_env("CRASH_AFTER_MS", "200");
        let mut archive = Vec::new();
        recipe
            .write_docker_archive_to(&mut archive)
            .expect("an archive");
        let loaded = request(&socket, "POST", "/images/load", &archive).expect("an answer");
        assert!(
            loaded.text().contains("Loaded image: example.test/web:1"),
            "{loaded:?}"
        );
        let port = free_port();
        create(&socket, "web", "example.test/web:1", port, "always");
        post(&socket, "/containers/web/start", &json!({}));
        assert_eq!(version(port).as_deref(), Some("1"));
        let until = Instant::now() + Duration::from_secs(10);
        while get(&socket, "/containers/web/json").json()["RestartCount"] != json!(2) {
            assert!(Instant::now() < until, "no second restart");
            std::thread::sleep(Duration::from_millis(20));
        }
        if store == "classic" {
            let pid = Pid::from_child(&engine);
            kill_process(pid, Signal::TERM).expect("a signal");
            ends_well(engine, &socket);
        } else {
            let mut engine = engine;
            drop(engine.stdin.take());
            ends_well(engine, &socket);
        }
        assert!(std::net::TcpListener::bind(("127.0.0.1", port)).is_ok());
    }
}

/// A typing error must not start an engine in a place nobody meant.
#[test]
fn wrong_flags_are_refused() {
    let refused = Command::new(env!("CARGO_BIN_EXE_caisson-sim-engine"))
        .args(["--sokcet", "/nowhere"])
        .output()
        .expect("the engine's program");
    assert!(!refused.status.success());
    assert!(String::from_utf8_lossy(&refused.stderr).contains("--sokcet"));
}
