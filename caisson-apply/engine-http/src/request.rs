//! Request heads and chunked request bodies.

use std::io::{self, Write};

/// Data of one outgoing chunk that is gathered from small writes.
pub(crate) const CHUNK_BYTES: usize = 64 * 1024;

/// What follows a request head.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RequestBody {
    None,
    /// JSON of this many bytes.
    Json(usize),
    /// A tar of unknown length, in chunks.
    ChunkedTar,
}

/// The bytes of a request head. `target` must be percent-encoded already;
/// `agent` is who asks, such as `caisson-apply/0.2.0`.
///
/// There is no `Accept`: newer engines answer some calls in another form for it.
pub fn request_head(agent: &str, method: &str, target: &str, body: RequestBody) -> Vec<u8> {
    debug_assert!(
        target.bytes().all(|byte| byte.is_ascii_graphic()),
        "unescaped target"
    );
    let body_fields = match body {
        RequestBody::None if method == "GET" => String::new(),
        RequestBody::None => "Content-Length: 0\r\n".to_owned(),
        RequestBody::Json(length) => {
            format!("Content-Type: application/json\r\nContent-Length: {length}\r\n")
        }
        RequestBody::ChunkedTar => {
            "Content-Type: application/x-tar\r\nTransfer-Encoding: chunked\r\n".to_owned()
        }
    };
    format!(
        "{method} {target} HTTP/1.1\r\nHost: localhost\r\nUser-Agent: {agent}\r\n\
         Connection: close\r\n{body_fields}\r\n",
    )
    .into_bytes()
}

/// Frames what is written as the chunks of a request body. Dropping it leaves
/// the body cut; only [`ChunkedWriter::finish`] sends the closing chunk.
#[derive(Debug)]
pub struct ChunkedWriter<W: Write> {
    out: W,
    pending: Vec<u8>,
}

impl<W: Write> ChunkedWriter<W> {
    pub fn new(out: W) -> Self {
        Self {
            out,
            pending: Vec::with_capacity(CHUNK_BYTES),
        }
    }

    /// Where the chunks go.
    pub fn sink(&self) -> &W {
        &self.out
    }

    /// Everything written so far is sent, then the closing chunk.
    pub fn finish(mut self) -> io::Result<()> {
        self.send_pending()?;
        self.out.write_all(b"0\r\n\r\n")?;
        self.out.flush()
    }

    fn send_pending(&mut self) -> io::Result<()> {
        if !self.pending.is_empty() {
            send_chunk(&mut self.out, &self.pending)?;
            self.pending.clear();
        }
        Ok(())
    }
}

impl<W: Write> Write for ChunkedWriter<W> {
    fn write(&mut self, data: &[u8]) -> io::Result<usize> {
        if self.pending.len() + data.len() > CHUNK_BYTES {
            self.send_pending()?;
        }
        if data.len() >= CHUNK_BYTES {
            send_chunk(&mut self.out, data)?;
        } else {
            self.pending.extend_from_slice(data);
        }
        Ok(data.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.send_pending()?;
        self.out.flush()
    }
}

/// An empty chunk would end the body, so empty data is never sent as one.
fn send_chunk(out: &mut impl Write, data: &[u8]) -> io::Result<()> {
    debug_assert!(!data.is_empty(), "an empty chunk ends the body");
    out.write_all(format!("{:x}\r\n", data.len()).as_bytes())?;
    out.write_all(data)?;
    out.write_all(b"\r\n")
}
