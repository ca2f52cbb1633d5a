//! The smallest client of the engine: one connection per request, whole answers.
//! Not the product's own client, so that the two can't share a mistake.

use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use caisson_tests::sim::Sim;
use serde_json::{Value, json};

/// Status, head and body of an answer.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}

/// Sends a request; an error is a connection that wasn't there or ended without an answer.
pub(crate) fn request(
    socket: &Path,
    method: &str,
    target: &str,
    body: &[u8],
) -> io::Result<Answer> {
    let mut stream = UnixStream::connect(socket)?;
    stream.set_read_timeout(Some(Duration::from_secs(20)))?;
    write!(
        stream,
        "{method} {target} HTTP/1.1\r\nHost: docker\r\nConnection: close\r\nContent-Length: {}\r\n\r\n",
        body.len()
    )?;
    stream.write_all(body)?;
    read_answer(&mut stream)
}

pub(crate) fn read_answer(stream: &mut impl Read) -> io::Result<Answer> {
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes)?;
    let end = bytes.windows(4).position(|window| window == b"\r\n\r\n");
    let Some(end) = end else {
        return Err(io::ErrorKind::UnexpectedEof.into());
    };
    let head = String::from_utf8_lossy(&bytes[..end]).into_owned();
    let status = head[9..12].parse().expect("a status");
    let mut body = bytes[end + 4..].to_vec();
    if head.contains("Transfer-Encoding: chunked") {
        body = unchunked(&body).ok_or(io::ErrorKind::UnexpectedEof)?;
    }
    Ok(Answer { status, head, body })
}

fn unchunked(mut rest: &[u8]) -> Option<Vec<u8>> {
    let mut body = Vec::new();
    loop {
        let line = rest.windows(2).position(|window| window == b"\r\n")?;
        let size = usize::from_str_radix(std::str::from_utf8(&rest[..line]).ok()?, 16).ok()?;
        rest = &rest[line + 2..];
        if size == 0 {
            return Some(body);
        }
        body.extend_from_slice(rest.get(..size)?);
        rest = rest.get(size + 2..)?;
    }
}

pub(crate) fn get(socket: &Path, target: &str) -> Answer {
    request(socket, "GET", target, b"").expect("an answer")
}

pub(crate) fn post(socket: &Path, target: &str, body: &Value) -> Answer {
    request(socket, "POST", target, body.to_string().as_bytes()).expect("an answer")
}

pub(crate) fn delete(socket: &Path, target: &str) -> Answer {
    request(socket, "DELETE", target, b"").expect("an answer")
}

pub(crate) fn inspect(sim: &Sim, name: &str) -> Value {
    get(sim.socket(), &format!("/containers/{name}/json")).json()
}

/// Creates a container that publishes 8080 on `port`. Gives its id.
pub(crate) fn create(socket: &Path, name: &str, image: &str, port: u16, policy: &str) -> String {
    let body = json!({
        "Image": image,
        "HostConfig": {
            "PortBindings": {"8080/tcp": [{"HostIp": "127.0.0.1", "HostPort": port.to_string()}]},
            "RestartPolicy": {"Name": policy},
        },
    });
    let answer = post(
        socket,
        &format!("/v1.41/containers/create?name={name}"),
        &body,
    );
    assert_eq!(answer.status, 201, "{}", answer.text());
    answer.json()["Id"].as_str().expect("an id").to_owned()
}

/// What the service on a published port answers; an error if it is closed or deaf.
pub(crate) fn service(port: u16, path: &str) -> io::Result<Answer> {
    let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port))?;
    stream.set_read_timeout(Some(Duration::from_secs(20)))?;
    write!(stream, "GET {path} HTTP/1.1\r\nHost: x\r\n\r\n")?;
    read_answer(&mut stream)
}

/// The version that answers on the port, if one does.
pub(crate) fn version(port: u16) -> Option<String> {
    let answer = service(port, "/").ok()?.text();
    answer
        .lines()
        .next()?
        .strip_prefix("version=")
        .map(str::to_owned)
}
