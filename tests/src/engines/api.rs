//! The engine's HTTP API as a person with `curl` would use it.
//!
//! Written apart from `caisson-apply`'s client on purpose: what a test sees of
//! an engine must not depend on the code under test. One connection per
//! request, everything in memory, no retries.

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;

/// An engine took longer than this only if it hangs: loads of test images and
/// stops of test services are seconds.
const DEADLINE: Duration = Duration::from_mins(2);
/// Test images are a few MiB, their exports too.
const ANSWER_LIMIT: usize = 512 << 20;
/// Piece size of a streamed body.
const PIECE: usize = 64 << 10;

/// An engine's API behind its Unix socket.
#[derive(Debug, Clone)]
pub struct EngineApi {
    socket: PathBuf,
}

/// What the engine said.
#[derive(Debug, Clone)]
pub struct Answer {
    /// HTTP status.
    pub status: u16,
    /// The body, chunks joined.
    pub body: Vec<u8>,
}

impl Answer {
    /// The body as text, for messages.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).trim().to_owned()
    }

    /// The body as JSON.
    pub fn json(&self) -> Result<Value> {
        serde_json::from_slice(&self.body).with_context(|| format!("not JSON: {}", self.text()))
    }
}

impl EngineApi {
    /// Nothing is opened yet.
    pub fn new(socket: &Path) -> Self {
        Self {
            socket: socket.to_owned(),
        }
    }

    /// Where it listens.
    pub fn socket(&self) -> &Path {
        &self.socket
    }

    /// `GET`, any status.
    pub fn get(&self, path: &str) -> Result<Answer> {
        self.request("GET", path, Body::None)
    }

    /// `GET` of JSON; every status but 200 is an error with the engine's words.
    pub fn get_json(&self, path: &str) -> Result<Value> {
        let answer = self.get(path)?;
        ensure!(
            answer.status == 200,
            "GET {path}: {} {}",
            answer.status,
            answer.text()
        );
        answer.json().with_context(|| format!("GET {path}"))
    }

    /// `POST` with an optional JSON body, any status.
    pub fn post(&self, path: &str, body: Option<&Value>) -> Result<Answer> {
        match body {
            Some(json) => self.request("POST", path, Body::Json(json)),
            None => self.request("POST", path, Body::None),
        }
    }

    /// `DELETE`, any status.
    pub fn delete(&self, path: &str) -> Result<Answer> {
        self.request("DELETE", path, Body::None)
    }

    /// `POST /images/load`; an error inside the answer of a 200 is an error too.
    pub fn load(&self, tar: &mut dyn Read) -> Result<String> {
        let answer = self.request("POST", "/images/load?quiet=1", Body::Tar(tar))?;
        let text = answer.text();
        let refused = text.contains("\"error") || text.contains("Error unpacking");
        ensure!(
            answer.status == 200 && !refused,
            "load: {} {text}",
            answer.status
        );
        Ok(text)
    }

    /// One request. The answer is read to its end.
    pub fn request(&self, method: &str, path: &str, body: Body<'_>) -> Result<Answer> {
        self.exchange(method, path, body)
            .with_context(|| format!("{method} {path} at {}", self.socket.display()))
    }

    fn exchange(&self, method: &str, path: &str, body: Body<'_>) -> Result<Answer> {
        let mut stream = UnixStream::connect(&self.socket)?;
        stream.set_read_timeout(Some(DEADLINE))?;
        stream.set_write_timeout(Some(DEADLINE))?;
        let head = format!("{method} {path} HTTP/1.1\r\nHost: engine\r\nConnection: close\r\n");
        match body {
            Body::None => {
                stream.write_all(format!("{head}Content-Length: 0\r\n\r\n").as_bytes())?;
            }
            Body::Json(json) => {
                let json = serde_json::to_string(json)?;
                let length = json.len();
                let kind = "application/json";
                let head =
                    format!("{head}Content-Type: {kind}\r\nContent-Length: {length}\r\n\r\n");
                stream.write_all(format!("{head}{json}").as_bytes())?;
            }
            Body::Tar(tar) => {
                let kind = "application/x-tar";
                let head =
                    format!("{head}Content-Type: {kind}\r\nTransfer-Encoding: chunked\r\n\r\n");
                stream.write_all(head.as_bytes())?;
                send_chunks(tar, &mut stream)?;
            }
        }
        let mut raw = Vec::new();
        stream.take(ANSWER_LIMIT as u64).read_to_end(&mut raw)?;
        parse_answer(&raw)
    }
}

/// A request's body.
#[expect(missing_debug_implementations, reason = "a reader has nothing to show")]
pub enum Body<'a> {
    /// No body.
    None,
    /// A JSON object.
    Json(&'a Value),
    /// A tar, sent in chunks as it is read.
    Tar(&'a mut dyn Read),
}

fn send_chunks(from: &mut dyn Read, to: &mut dyn Write) -> Result<()> {
    let mut piece = vec![0; PIECE];
    loop {
        let length = from.read(&mut piece)?;
        write!(to, "{length:x}\r\n")?;
        to.write_all(&piece[..length])?;
        to.write_all(b"\r\n")?;
        if length == 0 {
            return Ok(());
        }
    }
}

/// A complete answer, read up to the end of the connection.
fn parse_answer(raw: &[u8]) -> Result<Answer> {
    let end = raw
        .windows(4)
        .position(|four| four == b"\r\n\r\n")
        .with_context(|| format!("no HTTP head in {} bytes", raw.len()))?;
    let head = String::from_utf8_lossy(&raw[..end]).to_ascii_lowercase();
    let body = &raw[end + 4..];
    let status = head
        .split(' ')
        .nth(1)
        .and_then(|status| status.parse().ok())
        .with_context(|| format!("no status in {head}"))?;
    let field = |name: &str| {
        head.lines()
            .filter_map(|line| line.split_once(':'))
            .find(|(key, _)| *key == name)
            .map(|(_, value)| value.trim().to_owned())
    };
    let body = if field("transfer-encoding").is_some_and(|coding| coding == "chunked") {
        join_chunks(body)?
    } else if let Some(length) = field("content-length") {
        let length: usize = length.parse().context("Content-Length")?;
        ensure!(body.len() >= length, "answer cut at {} bytes", body.len());
        body[..length].to_vec()
    } else {
        body.to_vec()
    };
    Ok(Answer { status, body })
}

fn join_chunks(mut raw: &[u8]) -> Result<Vec<u8>> {
    let mut joined = Vec::new();
    loop {
        let Some(line_end) = raw.windows(2).position(|two| two == b"\r\n") else {
            bail!("answer cut inside a chunk head");
        };
        let size = std::str::from_utf8(&raw[..line_end])?;
        let size = usize::from_str_radix(size.split(';').next().unwrap_or(size).trim(), 16)?;
        let chunk = &raw[line_end + 2..];
        if size == 0 {
            return Ok(joined);
        }
        ensure!(chunk.len() >= size + 2, "answer cut inside a chunk");
        joined.extend_from_slice(&chunk[..size]);
        raw = &chunk[size + 2..];
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chunks_are_joined_and_a_cut_is_an_error() {
        let whole = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n";
        let answer = parse_answer(whole).unwrap();
        assert_eq!(
            (answer.status, answer.body.as_slice()),
            (200, &b"abcde"[..])
        );
        for cut in 0..whole.len() - 4 {
            assert!(parse_answer(&whole[..cut]).is_err(), "cut at {cut}");
        }
    }

    #[test]
    fn content_length_bounds_the_body() {
        let answer = parse_answer(b"HTTP/1.1 404 X\r\nContent-Length: 2\r\n\r\n{}rest").unwrap();
        assert_eq!((answer.status, answer.text()), (404, "{}".to_owned()));
        assert!(parse_answer(b"HTTP/1.1 200 X\r\nContent-Length: 9\r\n\r\n{}").is_err());
    }
}
