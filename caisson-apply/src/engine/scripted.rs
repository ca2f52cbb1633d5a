//! For tests: an engine on a real Unix socket that answers by script. It has no
//! containers and no opinions; it records what it was asked and misbehaves
//! exactly as told.
#![expect(
    clippy::disallowed_methods,
    reason = "an engine of the tests, on a real socket in real time"
)]

use std::io::{ErrorKind, Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::thread::JoinHandle;
use std::time::Duration;

use super::deadlines::Deadlines;
use super::docker::DockerEngine;

/// What happens on one connection, after those before it.
#[derive(Debug, Clone)]
pub(super) enum Reply {
    /// Read the whole request, send these bytes, close.
    Answer(Vec<u8>),
    /// Read the whole request, send these bytes one by one with this pause between.
    Dripping(Vec<u8>, Duration),
    /// Read that many bytes of the request, send these, close without reading on.
    EarlyThenClose(usize, Vec<u8>),
    /// Read that many bytes of the request, send these, then neither read nor close.
    EarlyThenHang(usize, Vec<u8>),
    /// Send these before reading anything, then read the whole request, then send those.
    Both(Vec<u8>, Vec<u8>),
}

impl Reply {
    /// A JSON answer with that status, in two chunks.
    pub(super) fn json(status: u16, body: &str) -> Self {
        let (first, second) = body.as_bytes().split_at(body.len() / 2);
        let mut bytes =
            format!("HTTP/1.1 {status} X\r\nTransfer-Encoding: chunked\r\n\r\n").into_bytes();
        for chunk in [first, second]
            .into_iter()
            .filter(|chunk| !chunk.is_empty())
        {
            bytes.extend(format!("{:x}\r\n", chunk.len()).bytes());
            bytes.extend(chunk);
            bytes.extend(b"\r\n");
        }
        bytes.extend(b"0\r\n\r\n");
        Self::Answer(bytes)
    }

    /// An answer without a body.
    pub(super) fn status(status: u16) -> Self {
        Self::Answer(format!("HTTP/1.1 {status} X\r\nContent-Length: 0\r\n\r\n").into_bytes())
    }
}

/// A request as it arrived.
#[derive(Debug, Clone, Default)]
pub(super) struct Asked {
    /// `POST /v1.41/containers/x/start`.
    pub(super) line: String,
    /// Unframed; what came of it.
    pub(super) body: Vec<u8>,
    /// The request was complete.
    pub(super) whole: bool,
}

/// The running script.
#[derive(Debug)]
pub(super) struct Scripted {
    thread: Option<JoinHandle<Vec<Asked>>>,
    folder: tempfile::TempDir,
}

/// Deadlines for tests of silence; long enough for a busy machine.
pub(super) const QUICK: Deadlines = Deadlines {
    connect: Duration::from_millis(300),
    ping: Duration::from_millis(300),
    look: Duration::from_millis(300),
    change: Duration::from_millis(300),
    remove: Duration::from_millis(300),
    stop_margin: Duration::from_millis(300),
    load_idle: Duration::from_millis(300),
};

/// Starts the script; `/_ping` is answered beside it, as Docker 20.10 does.
pub(super) fn scripted(replies: Vec<Reply>) -> (DockerEngine, Scripted) {
    scripted_with(Deadlines::default(), "Api-Version: 1.41\r\n", replies)
}

/// As [`scripted`], with the header fields that `/_ping` gives.
pub(super) fn scripted_with(
    deadlines: Deadlines,
    ping_fields: &'static str,
    replies: Vec<Reply>,
) -> (DockerEngine, Scripted) {
    let folder = tempfile::tempdir().expect("a scratch folder");
    let socket = folder.path().join("engine.sock");
    let listener = UnixListener::bind(&socket).expect("a socket in a fresh folder");
    let thread = std::thread::spawn(move || serve(&listener, ping_fields, &replies));
    (
        DockerEngine::with_deadlines(socket, deadlines),
        Scripted {
            thread: Some(thread),
            folder,
        },
    )
}

impl Scripted {
    /// Ends the script and gives everything it was asked, pings left out.
    pub(super) fn asked(mut self) -> Vec<Asked> {
        // A connection that says nothing; refused if the script panicked before.
        drop(UnixStream::connect(self.folder.path().join("engine.sock")));
        let thread = self.thread.take().expect("joined only here");
        thread.join().expect("the script ran to its end")
    }
}

fn serve(listener: &UnixListener, ping_fields: &str, replies: &[Reply]) -> Vec<Asked> {
    let mut asked = Vec::new();
    let mut held = Vec::new();
    let mut replies = replies.iter();
    loop {
        let (mut stream, _) = listener.accept().expect("the listener lives");
        let mut request = Incoming::default();
        request.read_from(&mut stream, 1);
        if request.bytes.is_empty() {
            return asked;
        }
        if request.bytes.starts_with(b"GET /_ping ") {
            request.read_from(&mut stream, usize::MAX);
            let answer = format!("HTTP/1.1 200 OK\r\n{ping_fields}Content-Length: 2\r\n\r\nOK");
            send(&mut stream, answer.as_bytes());
            continue;
        }
        let reply = replies
            .next()
            .unwrap_or_else(|| panic!("one call too many: {}", request.line()));
        match reply {
            Reply::Answer(bytes) => {
                request.read_from(&mut stream, usize::MAX);
                send(&mut stream, bytes);
            }
            Reply::Dripping(bytes, pause) => {
                request.read_from(&mut stream, usize::MAX);
                for byte in bytes {
                    if !send(&mut stream, &[*byte]) {
                        break;
                    }
                    std::thread::sleep(*pause);
                }
            }
            Reply::EarlyThenClose(count, bytes) => {
                request.read_from(&mut stream, *count);
                send(&mut stream, bytes);
            }
            Reply::EarlyThenHang(count, bytes) => {
                request.read_from(&mut stream, *count);
                send(&mut stream, bytes);
                held.push(stream);
            }
            Reply::Both(before, after) => {
                send(&mut stream, before);
                request.read_from(&mut stream, usize::MAX);
                send(&mut stream, after);
            }
        }
        asked.push(request.asked());
    }
}

/// False if the client is gone; it may give up at any time.
fn send(stream: &mut UnixStream, bytes: &[u8]) -> bool {
    stream.write_all(bytes).is_ok()
}

#[derive(Debug, Default)]
struct Incoming {
    bytes: Vec<u8>,
}

impl Incoming {
    /// Reads until the request is whole, the client is gone or `count` bytes came.
    fn read_from(&mut self, stream: &mut UnixStream, count: usize) {
        let mut piece = [0; 16 * 1024];
        while self.bytes.len() < count && !self.is_whole() {
            match stream.read(&mut piece) {
                Ok(0) => return,
                Ok(read) => self.bytes.extend_from_slice(&piece[..read]),
                Err(error) if error.kind() == ErrorKind::ConnectionReset => return,
                Err(error) => panic!("the scripted engine can't read: {error}"),
            }
        }
    }

    fn head_end(&self) -> Option<usize> {
        self.bytes
            .windows(4)
            .position(|four| four == b"\r\n\r\n")
            .map(|at| at + 4)
    }

    fn is_chunked(head: &str) -> bool {
        head.contains("\r\nTransfer-Encoding: chunked\r\n")
    }

    fn is_whole(&self) -> bool {
        // Looking for the end of the head in megabytes of body would take long.
        if self.bytes.len() > 64 * 1024 {
            return self.bytes.ends_with(b"\r\n0\r\n\r\n");
        }
        let Some(end) = self.head_end() else {
            return false;
        };
        let head = String::from_utf8_lossy(&self.bytes[..end]);
        if Self::is_chunked(&head) {
            return self.bytes.ends_with(b"\r\n0\r\n\r\n");
        }
        let length = head
            .lines()
            .find_map(|line| line.strip_prefix("Content-Length: "))
            .map_or(0, |digits| digits.parse().expect("our own number"));
        self.bytes.len() >= end + length
    }

    fn line(&self) -> String {
        let line = self
            .bytes
            .split(|&byte| byte == b'\r')
            .next()
            .unwrap_or_default();
        String::from_utf8_lossy(line)
            .trim_end_matches(" HTTP/1.1")
            .to_owned()
    }

    fn asked(&self) -> Asked {
        let end = self.head_end().unwrap_or(self.bytes.len());
        let head = String::from_utf8_lossy(&self.bytes[..end]).into_owned();
        let body = &self.bytes[end..];
        let body = if Self::is_chunked(&head) {
            unchunked(body)
        } else {
            body.to_vec()
        };
        Asked {
            line: self.line(),
            body,
            whole: self.is_whole(),
        }
    }
}

/// The data of the chunks that are there; written apart from the real reader.
fn unchunked(mut bytes: &[u8]) -> Vec<u8> {
    let mut data = Vec::new();
    while let Some(at) = bytes.windows(2).position(|pair| pair == b"\r\n") {
        let size = std::str::from_utf8(&bytes[..at]).expect("a chunk size");
        let size = usize::from_str_radix(size, 16).expect("a chunk size");
        let rest = &bytes[at + 2..];
        let there = size.min(rest.len());
        data.extend_from_slice(&rest[..there]);
        bytes = rest.get(there + 2..).unwrap_or_default();
    }
    data
}
