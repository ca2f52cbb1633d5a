//! One request and its answer over a connection of its own, with one deadline
//! for both, and what a failure means for who asked.
//!
//! A connection per request costs well under a millisecond and rids us of
//! every doubt about what a reused connection still has in its buffers.

use std::io::{self, Read, Write};
use std::path::Path;
use std::time::Duration;

use super::types::ErrorAnswer;
use super::words::{WORDS_BYTES_MAX, printable};
use super::{EngineError, EngineErrorKind, EngineResult};
use engine_http::{self as http, HttpError, RequestBody, Response, ResponseHead};
use engine_http::{Connection, TimeLimit};

/// How we name ourselves to the engine.
pub(super) const USER_AGENT: &str = concat!("caisson-apply/", env!("CARGO_PKG_VERSION"));
/// What is read of a refusal at most; the words are cut to [`WORDS_BYTES_MAX`] anyway.
const REFUSAL_BYTES_MAX: usize = 64 * 1024;

/// A request as it is sent.
#[derive(Debug)]
pub(super) struct Request<'a> {
    pub(super) method: &'static str,
    /// `/v1.41`, or empty for `/_ping`.
    pub(super) version: &'a str,
    /// Path and query, percent-encoded.
    pub(super) path: String,
    pub(super) json: Option<Vec<u8>>,
    /// From connecting to the last byte of the answer.
    pub(super) deadline: Duration,
    /// Bytes of the answer's body.
    pub(super) answer_bytes_max: u64,
}

impl Request<'_> {
    /// The call as people know it, without the API version.
    pub(super) fn call(&self) -> String {
        format!("{} {}", self.method, self.path)
    }

    /// An error of this call.
    pub(super) fn error(&self, kind: EngineErrorKind, message: &str) -> EngineError {
        failure(kind, &self.call(), message)
    }

    /// An error of this call's answer.
    pub(super) fn http_error(&self, error: &HttpError) -> EngineError {
        self.error(kind_of(error), &error.to_string())
    }
}

/// Words of any origin become an error of ours: escaped and cut here, once.
pub(super) fn failure(kind: EngineErrorKind, call: &str, message: &str) -> EngineError {
    EngineError {
        kind,
        call: call.to_owned(),
        status: None,
        message: printable(message, WORDS_BYTES_MAX),
    }
}

/// Over a limit is a matter of the answer; everything else leaves open whether
/// the engine did what was asked.
pub(super) fn kind_of(error: &HttpError) -> EngineErrorKind {
    match error {
        HttpError::Io(_) | HttpError::Cut(_) | HttpError::Malformed(_) => {
            EngineErrorKind::Unanswered
        }
        HttpError::TooLarge(_) => EngineErrorKind::Malformed,
    }
}

/// An answer with a status that the caller expects; its body is yet to be read.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) head: ResponseHead,
    pub(super) body: Response<Connection>,
}

/// Sends `request` to the engine at `socket`. Statuses of `expected` are answers,
/// every other is [`EngineErrorKind::Refused`] with the engine's words.
pub(super) fn exchange(
    socket: &Path,
    connect_timeout: Duration,
    request: &Request<'_>,
    expected: &[u16],
) -> EngineResult<Answer> {
    let limit = TimeLimit::within(request.deadline);
    let mut connection = Connection::open(socket, connect_timeout.min(request.deadline), limit)
        .map_err(|error| request.error(EngineErrorKind::Unreachable, &error.to_string()))?;
    let body = request
        .json
        .as_deref()
        .map_or(RequestBody::None, |json| RequestBody::Json(json.len()));
    let target = format!("{}{}", request.version, request.path);
    let mut bytes = http::request_head(USER_AGENT, request.method, &target, body);
    bytes.extend_from_slice(request.json.as_deref().unwrap_or_default());
    // An engine that closed on us may have said why before.
    let sent = connection.write_all(&bytes);
    let (head, mut body) = match (Response::start(connection, request.answer_bytes_max), sent) {
        (Ok(answer), _) => answer,
        (Err(_), Err(error)) => return Err(request.http_error(&HttpError::Io(error))),
        (Err(error), Ok(())) => return Err(request.http_error(&error)),
    };
    if expected.contains(&head.status) {
        return Ok(Answer { head, body });
    }
    let mut error = request.error(EngineErrorKind::Refused, &refusal_words(&head, &mut body));
    error.status = Some(head.status);
    Err(error)
}

/// Why the engine refused, in its own words: the `message` of its JSON, else the
/// text as it is (Docker 28 sends plain text for some), else the bare status.
/// A refusal stays one even if its words are cut off.
pub(super) fn refusal_words(head: &ResponseHead, body: &mut Response<impl Read>) -> String {
    let mut text = Vec::new();
    let mut piece = [0; 4096];
    while text.len() < REFUSAL_BYTES_MAX {
        match body.read(&mut piece) {
            Ok(0) | Err(_) => break,
            Ok(count) => text.extend_from_slice(&piece[..count]),
        }
    }
    let words = match serde_json::from_slice::<ErrorAnswer>(&text) {
        Ok(answer) => answer.message,
        Err(_) => String::from_utf8_lossy(&text).into_owned(),
    };
    let words = printable(&words, WORDS_BYTES_MAX);
    if words.is_empty() {
        format!("status {} without a reason", head.status)
    } else {
        words
    }
}

/// An I/O error of a connection that could not be made.
pub(super) fn unreachable(call: &str, error: &io::Error) -> EngineError {
    failure(EngineErrorKind::Unreachable, call, &error.to_string())
}
