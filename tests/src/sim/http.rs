//! The server's side of HTTP/1.1 over any stream: heads, bodies as readers,
//! answers framed as Go's server frames them. No meaning.

use std::io::{self, BufRead, ErrorKind, Read, Write};

/// A head longer than this is not a request.
const HEAD_BYTES_MAX: u64 = 64 * 1024;
/// Up to this, Go's server knows the whole answer and sends its length;
/// longer ones go out in chunks.
const SIZED_ANSWER_BYTES_MAX: usize = 2_048;

/// A request line and headers.
#[derive(Debug)]
pub(super) struct Head {
    pub(super) method: String,
    pub(super) target: String,
    pub(super) keep_alive: bool,
    body: BodyKind,
}

#[derive(Debug, Clone, Copy)]
enum BodyKind {
    Sized(u64),
    Chunked,
}

fn bad(message: &str) -> io::Error {
    io::Error::new(ErrorKind::InvalidData, message)
}

/// Reads a head. `None`: the client ended the connection between requests.
pub(super) fn read_head(stream: &mut impl BufRead) -> io::Result<Option<Head>> {
    let mut limited = stream.take(HEAD_BYTES_MAX);
    let mut line = String::new();
    if limited.read_line(&mut line)? == 0 {
        return Ok(None);
    }
    let mut words = line.trim_end().split(' ');
    let (Some(method), Some(target), Some(version), None) =
        (words.next(), words.next(), words.next(), words.next())
    else {
        return Err(bad("request line"));
    };
    let mut head = Head {
        method: method.to_owned(),
        target: target.to_owned(),
        keep_alive: version == "HTTP/1.1",
        body: BodyKind::Sized(0),
    };
    loop {
        let mut line = String::new();
        if limited.read_line(&mut line)? == 0 {
            return Err(ErrorKind::UnexpectedEof.into());
        }
        let line = line.trim_end();
        if line.is_empty() {
            return Ok(Some(head));
        }
        let (name, value) = line
            .split_once(':')
            .ok_or_else(|| bad("header without a colon"))?;
        let value = value.trim();
        match name.to_ascii_lowercase().as_str() {
            "content-length" => {
                let bytes = value.parse().map_err(|_| bad("Content-Length"))?;
                head.body = BodyKind::Sized(bytes);
            }
            "transfer-encoding" if value.eq_ignore_ascii_case("chunked") => {
                head.body = BodyKind::Chunked;
            }
            "connection" if value.eq_ignore_ascii_case("close") => head.keep_alive = false,
            _ => {}
        }
    }
}

/// The body that follows a head. A body that ends before its end is an
/// `UnexpectedEof` error, never a short body.
pub(super) struct Body<'a, S> {
    stream: &'a mut S,
    kind: BodyKind,
    /// Of the current chunk, or of the whole body.
    left: u64,
    ended: bool,
}

impl<'a, S: BufRead> Body<'a, S> {
    pub(super) fn new(head: &Head, stream: &'a mut S) -> Self {
        match head.body {
            BodyKind::Sized(bytes) => Self {
                stream,
                kind: head.body,
                left: bytes,
                ended: bytes == 0,
            },
            BodyKind::Chunked => Self {
                stream,
                kind: head.body,
                left: 0,
                ended: false,
            },
        }
    }

    fn next_chunk(&mut self) -> io::Result<()> {
        let size = self.line()?;
        let size = size.split(';').next().unwrap_or_default().trim().to_owned();
        self.left = u64::from_str_radix(&size, 16).map_err(|_| bad("chunk size"))?;
        if self.left == 0 {
            // Trailers up to an empty line.
            while !self.line()?.is_empty() {}
            self.ended = true;
        }
        Ok(())
    }

    fn line(&mut self) -> io::Result<String> {
        let mut line = String::new();
        (&mut *self.stream)
            .take(HEAD_BYTES_MAX)
            .read_line(&mut line)?;
        if !line.ends_with('\n') {
            return Err(ErrorKind::UnexpectedEof.into());
        }
        Ok(line.trim_end().to_owned())
    }
}

impl<S: BufRead> Read for Body<'_, S> {
    fn read(&mut self, piece: &mut [u8]) -> io::Result<usize> {
        if !self.ended && self.left == 0 {
            self.next_chunk()?;
        }
        if self.ended || piece.is_empty() {
            return Ok(0);
        }
        let wanted = usize::try_from(self.left)
            .unwrap_or(usize::MAX)
            .min(piece.len());
        let count = self.stream.read(&mut piece[..wanted])?;
        if count == 0 {
            return Err(ErrorKind::UnexpectedEof.into());
        }
        self.left -= count as u64;
        if self.left == 0 {
            match self.kind {
                BodyKind::Sized(_) => self.ended = true,
                BodyKind::Chunked => {
                    if !self.line()?.is_empty() {
                        return Err(bad("end of chunk"));
                    }
                }
            }
        }
        Ok(count)
    }
}

/// What goes back.
#[derive(Debug, Clone)]
pub(super) struct Reply {
    pub(super) status: u16,
    pub(super) content_type: &'static str,
    pub(super) body: Vec<u8>,
    /// Sent in chunks whatever its size, as the engine does with streams.
    pub(super) streamed: bool,
}

impl Reply {
    /// Writes head and body. `extra` are the engine's own headers, each ending in CRLF.
    pub(super) fn write(
        &self,
        stream: &mut impl Write,
        extra: &str,
        with_body: bool,
        keep_alive: bool,
    ) -> io::Result<()> {
        let mut bytes = format!(
            "HTTP/1.1 {} {}\r\n{extra}",
            self.status,
            reason(self.status)
        );
        let empty = matches!(self.status, 204 | 304);
        if !empty {
            bytes.push_str("Content-Type: ");
            bytes.push_str(self.content_type);
            bytes.push_str("\r\n");
        }
        let chunked = self.streamed || self.body.len() > SIZED_ANSWER_BYTES_MAX;
        if chunked {
            bytes.push_str("Transfer-Encoding: chunked\r\n");
        } else if !empty {
            bytes.push_str("Content-Length: ");
            bytes.push_str(&self.body.len().to_string());
            bytes.push_str("\r\n");
        }
        if !keep_alive {
            bytes.push_str("Connection: close\r\n");
        }
        bytes.push_str("\r\n");
        let mut bytes = bytes.into_bytes();
        if with_body && !empty && chunked {
            for chunk in self.body.chunks(4_096) {
                bytes.extend_from_slice(format!("{:x}\r\n", chunk.len()).as_bytes());
                bytes.extend_from_slice(chunk);
                bytes.extend_from_slice(b"\r\n");
            }
            bytes.extend_from_slice(b"0\r\n\r\n");
        } else if with_body && !empty {
            bytes.extend_from_slice(&self.body);
        }
        stream.write_all(&bytes)?;
        stream.flush()
    }
}

fn reason(status: u16) -> &'static str {
    match status {
        200 => "OK",
        201 => "Created",
        204 => "No Content",
        304 => "Not Modified",
        400 => "Bad Request",
        403 => "Forbidden",
        404 => "Not Found",
        409 => "Conflict",
        _ => "Internal Server Error",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn body_of(request: &str) -> io::Result<String> {
        let mut stream = request.as_bytes();
        let head = read_head(&mut stream)?.expect("a head");
        let mut text = String::new();
        Body::new(&head, &mut stream).read_to_string(&mut text)?;
        Ok(text)
    }

    /// A load that was cut must never look like a short but whole one.
    #[test]
    fn a_body_that_ends_early_is_an_error() {
        let chunked = "POST /x HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n";
        let sized = "POST /x HTTP/1.1\r\nContent-Length: 5\r\n\r\nabcde";
        for request in [chunked, sized] {
            assert_eq!(body_of(request).unwrap(), "abcde");
            let head_bytes = request.find("\r\n\r\n").unwrap() + 4;
            for cut in head_bytes..request.len() {
                let error = body_of(&request[..cut]).unwrap_err();
                assert_eq!(error.kind(), ErrorKind::UnexpectedEof, "cut at {cut}");
            }
        }
    }
}
