//! The power switch.

use std::io::Write;
use std::os::unix::net::UnixStream;

use caisson_tests::sim::{CutWhen, RealClock, Tail, free_port};
use serde_json::json;

use crate::Bench;
use crate::client::{create, get, post, read_answer, request, version};

/// Before: nothing happened. After: it happened and nobody was told. In both
/// cases nobody answers any more, and the payloads run on until the power goes.
#[test]
fn before_and_after_an_effect() {
    for when in [CutWhen::Before, CutWhen::After] {
        let bench = Bench::new();
        let (sim, socket, port) = (&bench.sim, bench.sim.socket(), free_port());
        bench.image("1", &[]);
        create(socket, "web", "example.test/web:1", port, "always");
        post(socket, "/containers/web/start", &json!({}));
        sim.cut_at(2, when);
        assert_eq!(get(socket, "/_ping").status, 200);
        assert!(request(socket, "POST", "/containers/web/rename?name=old", b"").is_err());
        assert!(sim.is_cut());
        assert!(!socket.exists());
        assert!(request(socket, "GET", "/_ping", b"").is_err());
        assert_eq!(version(port).as_deref(), Some("1"));
        let name = if when == CutWhen::Before {
            "web"
        } else {
            "old"
        };
        assert!(sim.state().container(name).is_some(), "{when:?}");

        sim.answer_again().unwrap();
        assert_eq!(get(socket, &format!("/containers/{name}/json")).status, 200);
        sim.cut_now();
        sim.power_cycle(Tail::Kept).unwrap();
        assert_eq!(version(port).as_deref(), Some("1"));
        let log = sim.requests();
        let cut = log
            .iter()
            .find(|request| request.target.contains("rename"))
            .unwrap();
        assert_eq!((cut.index, cut.changes, cut.status), (4, true, None));
    }
}

/// Counting only changes, reading costs nothing.
#[test]
fn counting_changes_only() {
    let bench = Bench::new();
    let (sim, socket) = (&bench.sim, bench.sim.socket());
    sim.cut_at_change(1, CutWhen::Before);
    for _ in 0..3 {
        assert_eq!(get(socket, "/_ping").status, 200);
    }
    assert!(request(socket, "POST", "/networks/create", b"{\"Name\":\"n\"}").is_err());
    sim.answer_again().unwrap();
    assert!(!sim.state().networks.contains(&"n".to_owned()));
    // A cut happens once.
    assert_eq!(
        post(socket, "/networks/create", &json!({"Name": "n"})).status,
        201
    );
}

/// Several requests on one connection, and one that is cut in the middle of its head.
#[test]
fn connections_are_kept() {
    let bench = Bench::new();
    let mut stream = UnixStream::connect(bench.sim.socket()).unwrap();
    stream
        .write_all(b"GET /_ping HTTP/1.1\r\nHost: x\r\n\r\n")
        .unwrap();
    stream
        .write_all(b"GET /containers/json HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        .unwrap();
    let both = read_answer(&mut stream).unwrap();
    assert!(both.text().ends_with("[]\n"), "{both:?}");
    let mut half = UnixStream::connect(bench.sim.socket()).unwrap();
    half.write_all(b"POST /containers/cre").unwrap();
    drop(half);
    assert_eq!(get(bench.sim.socket(), "/_ping").status, 200);
    assert_eq!(bench.sim.requests().len(), 3);
}

/// Nothing is left of an engine that was dropped; a second one on the same socket
/// is refused while the first lives.
#[test]
fn it_leaves_nothing() {
    let bench = Bench::new();
    let port = free_port();
    bench.image("1", &[]);
    create(bench.sim.socket(), "web", "example.test/web:1", port, "no");
    post(bench.sim.socket(), "/containers/web/start", &json!({}));
    let socket = bench.sim.socket().to_owned();
    let mut options = caisson_tests::sim::SimOptions::new(socket.parent().unwrap());
    options.socket = Some(socket.clone());
    assert!(caisson_tests::sim::Sim::start(options).is_err());
    drop(bench);
    assert!(!socket.exists());
    assert!(std::net::TcpListener::bind(("127.0.0.1", port)).is_ok());
}

/// On the real clock things happen without requests.
#[test]
fn the_real_clock_moves_by_itself() {
    let bench = Bench::with(|options| options.clock = std::sync::Arc::new(RealClock::new()));
    let socket = bench.sim.socket();
    bench.image("1", &[("CRASH_AFTER_MS", "100"), ("IGNORE_TERM", "1")]);
    create(socket, "web", "example.test/web:1", free_port(), "no");
    post(socket, "/containers/web/start", &json!({}));
    let started = std::time::Instant::now();
    // The stop waits for its grace, and sees the crash long before it.
    assert_eq!(
        post(socket, "/containers/web/stop?t=15", &json!({})).status,
        204
    );
    assert!(started.elapsed().as_secs() < 10);
    let web = bench.sim.state().container("web").cloned().unwrap();
    assert_eq!((web.status.as_str(), web.exit_code), ("exited", 1));
}
