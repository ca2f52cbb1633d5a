//! `POST /images/load`: streams a body the engine may refuse half-way, and reads
//! an answer in which success and failure look alike.
//!
//! What can happen while the body is sent, and what is made of it:
//! - the engine answers early and closes (disk full, bad tar): the write fails,
//!   the answer is read, its words are the error;
//! - the engine answers early with an error and neither closes nor reads: after a
//!   second without progress we look for an answer, and stop on an error status;
//! - the engine answers 200 and its progress early: kept, so that neither side
//!   blocks the other;
//! - our own body fails: no closing chunk is sent, so the engine sees a cut body;
//! - nothing moves at all: the idle limit ends it.
//!
//! Memory: one chunk, one answer document, a bounded list of lines.
#![expect(
    clippy::disallowed_methods,
    reason = "deadlines on a socket are real time, below what the tests steer"
)]

use std::io::{self, Read, Write};
use std::time::{Duration, Instant};

use super::differences;
use super::exchange;
use super::types::LoadDocument;
use super::words::{WORDS_BYTES_MAX, printable};
use super::{EngineErrorKind, LoadBody};
use engine_http::Connection;
use engine_http::{self as http, ChunkedWriter, HttpError, Response, ResponseHead};

/// One document of the answer: a line of progress or an error.
pub(super) const DOCUMENT_BYTES_MAX: usize = 64 * 1024;
/// The whole answer; progress of an image of 30 GiB stays below it.
pub(super) const ANSWER_BYTES_MAX: u64 = 64 * 1024 * 1024;
/// Text lines given back: the newest ones.
pub(super) const LINES_MAX: usize = 100;
/// A sender that makes no progress for so long looks for an early answer.
const STALL: Duration = Duration::from_secs(1);
/// How long an answer is awaited after the connection broke on our body.
const LAST_WORDS: Duration = Duration::from_secs(2);
/// Early answer bytes taken while sending; an engine that has more to say waits.
const EARLY_BYTES_MAX: usize = 64 * 1024;

/// How a load failed, without the name of the call.
#[derive(Debug)]
pub(super) struct LoadFailure {
    pub(super) kind: EngineErrorKind,
    pub(super) status: Option<u16>,
    pub(super) message: String,
}

impl LoadFailure {
    fn new(kind: EngineErrorKind, message: impl Into<String>) -> Self {
        Self {
            kind,
            status: None,
            message: message.into(),
        }
    }

    fn with_status(mut self, status: u16) -> Self {
        self.status = Some(status);
        self
    }
}

impl From<HttpError> for LoadFailure {
    fn from(error: HttpError) -> Self {
        Self::new(exchange::kind_of(&error), error.to_string())
    }
}

/// Sends `head` and the body over `connection` and reads the answer. `idle` is
/// how long nothing may move while sending.
pub(super) fn load(
    mut connection: Connection,
    head: &[u8],
    body: LoadBody<'_>,
    idle: Duration,
) -> Result<Vec<String>, LoadFailure> {
    let mut sender = Sender {
        connection: &mut connection,
        idle,
        early: Vec::new(),
        broken: None,
    };
    let sent = send(&mut sender, head, body);
    let Sender { early, broken, .. } = sender;
    if let Sent::BodyFailed(why) = sent {
        return Err(LoadFailure::new(EngineErrorKind::Body, why));
    }
    if broken.is_some() {
        connection.shorten(LAST_WORDS);
    }
    let answer = read_answer(io::Cursor::new(early).chain(connection));
    match (answer, broken) {
        (Ok(_), _) if matches!(sent, Sent::Part) => Err(LoadFailure::new(
            EngineErrorKind::Refused,
            "it answered before it had the whole image",
        )),
        // Without an answer, the failed write says best what happened.
        (Err(failure), Some(broken)) if failure.kind == EngineErrorKind::Unanswered => {
            Err(LoadFailure::new(
                EngineErrorKind::Unanswered,
                format!("while sending: {broken}"),
            ))
        }
        (answer, _) => answer,
    }
}

enum Sent {
    /// All, perhaps without the closing chunk: an engine may close once it saw
    /// the end of the tar, and its answer then counts.
    Whole,
    /// The connection broke or the engine refused while we were sending.
    Part,
    /// Our side failed.
    BodyFailed(String),
}

fn send(sender: &mut Sender<'_>, head: &[u8], body: LoadBody<'_>) -> Sent {
    if sender.write_all(head).is_err() {
        return Sent::Part;
    }
    let mut chunks = ChunkedWriter::new(&mut *sender);
    let result = body(&mut chunks).and_then(|()| chunks.flush());
    // Whether the connection broke counts, not what the body made of that: it
    // may have wrapped our error in its own or gone on in spite of it.
    if chunks.sink().broken.is_some() {
        return Sent::Part;
    }
    match result {
        Ok(()) => {
            // Noted in `broken`; the answer decides.
            let _ = chunks.finish();
            Sent::Whole
        }
        Err(error) => Sent::BodyFailed(error.to_string()),
    }
}

/// The connection while the body is sent. Once broken it stays broken, so a body
/// that ignores an error can't continue behind a gap.
struct Sender<'c> {
    connection: &'c mut Connection,
    idle: Duration,
    early: Vec<u8>,
    broken: Option<String>,
}

impl Sender<'_> {
    fn fail(&mut self, why: &io::Error) -> io::Error {
        self.broken = Some(why.to_string());
        io::Error::new(io::ErrorKind::BrokenPipe, why.to_string())
    }

    /// Takes what the engine has said so far; true if it is a refusal.
    fn is_refused(&mut self) -> bool {
        let mut piece = [0; 4096];
        while self.early.len() < EARLY_BYTES_MAX {
            match self
                .connection
                .read_within(&mut piece, Duration::from_millis(1))
            {
                Ok(count) if count > 0 => self.early.extend_from_slice(&piece[..count]),
                Ok(_) | Err(_) => break,
            }
        }
        http::status_in(&self.early).is_some_and(|status| status >= 300)
    }
}

impl Write for Sender<'_> {
    fn write(&mut self, data: &[u8]) -> io::Result<usize> {
        if let Some(why) = &self.broken {
            return Err(io::Error::new(io::ErrorKind::BrokenPipe, why.clone()));
        }
        let started = Instant::now();
        loop {
            let look_after = STALL.min(self.idle);
            match self.connection.write_within(data, look_after) {
                Ok(0) if !data.is_empty() => {
                    return Err(self.fail(&io::ErrorKind::WriteZero.into()));
                }
                Ok(count) => return Ok(count),
                Err(error) if error.kind() == io::ErrorKind::TimedOut => {
                    if self.is_refused() {
                        return Err(self.fail(&io::Error::other("the engine refused meanwhile")));
                    }
                    if started.elapsed() >= self.idle {
                        return Err(self.fail(&error));
                    }
                }
                Err(error) => return Err(self.fail(&error)),
            }
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn read_answer(input: impl Read) -> Result<Vec<String>, LoadFailure> {
    let (head, mut response) = Response::start(input, ANSWER_BYTES_MAX)?;
    if head.status != 200 {
        let message = exchange::refusal_words(&head, &mut response);
        return Err(LoadFailure::new(EngineErrorKind::Refused, message).with_status(head.status));
    }
    read_documents(&head, &mut response).map_err(|failure| failure.with_status(head.status))
}

/// Reads every document even after an error in one: the first error counts, but
/// an answer cut after it is still an error of the engine, not of the line.
fn read_documents(
    head: &ResponseHead,
    response: &mut Response<impl Read>,
) -> Result<Vec<String>, LoadFailure> {
    debug_assert_eq!(head.status, 200);
    let mut documents = Documents::default();
    let mut lines = Vec::new();
    let mut failure: Option<String> = None;
    let mut piece = [0; 8 * 1024];
    let end = loop {
        let count = match response.read(&mut piece) {
            Ok(0) => break documents.end(),
            Ok(count) => count,
            Err(error) => break Err(error.into()),
        };
        let read = documents.feed(&piece[..count], &mut |document| {
            let document: LoadDocument = serde_json::from_slice(document)
                .map_err(|error| malformed(format!("not the JSON of a load: {error}")))?;
            if let Some(words) = differences::load_failure(&document) {
                failure.get_or_insert(words);
            }
            if !document.stream.trim().is_empty() {
                if lines.len() == LINES_MAX {
                    lines.remove(0);
                }
                lines.push(printable(&document.stream, WORDS_BYTES_MAX));
            }
            Ok(())
        });
        if let Err(error) = read {
            break Err(error);
        }
    };
    match failure {
        Some(words) => {
            let words = printable(&words, WORDS_BYTES_MAX);
            Err(LoadFailure::new(EngineErrorKind::Refused, words))
        }
        None => end.map(|()| lines),
    }
}

/// Splits concatenated JSON objects, with any white space between them (CRLF on
/// Docker, none or LF on Podman), without holding more than one.
#[derive(Debug, Default)]
struct Documents {
    pending: Vec<u8>,
    depth: u32,
    in_string: bool,
    escaped: bool,
}

impl Documents {
    fn feed(
        &mut self,
        bytes: &[u8],
        each: &mut dyn FnMut(&[u8]) -> Result<(), LoadFailure>,
    ) -> Result<(), LoadFailure> {
        for &byte in bytes {
            if self.pending.is_empty() {
                match byte {
                    b' ' | b'\t' | b'\r' | b'\n' => continue,
                    b'{' => {}
                    _ => {
                        let byte = byte.escape_ascii();
                        let why = format!("`{byte}` where a JSON object should begin");
                        return Err(malformed(why));
                    }
                }
            }
            if self.pending.len() == DOCUMENT_BYTES_MAX {
                return Err(malformed(format!(
                    "a document larger than {DOCUMENT_BYTES_MAX} bytes"
                )));
            }
            self.pending.push(byte);
            if self.ends_document(byte) {
                each(&self.pending)?;
                self.pending.clear();
            }
        }
        Ok(())
    }

    fn ends_document(&mut self, byte: u8) -> bool {
        if self.in_string {
            match byte {
                _ if self.escaped => self.escaped = false,
                b'\\' => self.escaped = true,
                b'"' => self.in_string = false,
                _ => {}
            }
            return false;
        }
        match byte {
            b'"' => self.in_string = true,
            b'{' | b'[' => self.depth += 1,
            b'}' | b']' => self.depth -= 1,
            _ => {}
        }
        self.depth == 0
    }

    fn end(&self) -> Result<(), LoadFailure> {
        if self.pending.is_empty() {
            return Ok(());
        }
        Err(malformed("its last JSON document is not whole"))
    }
}

fn malformed(why: impl Into<String>) -> LoadFailure {
    LoadFailure::new(EngineErrorKind::Malformed, why)
}

#[cfg(test)]
#[path = "load_tests.rs"]
mod tests;
