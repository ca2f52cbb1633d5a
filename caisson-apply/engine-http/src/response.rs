//! Response heads and bodies, read as they come. The limits are explained above.

use std::io::{self, Read};

use super::HttpError;

/// A response head larger than this is refused. Engines send under 1 KiB.
pub const HEAD_BYTES_MAX: usize = 64 * 1024;
/// A response head with more fields than this is refused. Engines send about ten.
pub const HEADER_COUNT_MAX: usize = 64;
/// A chunk-size line longer than this is refused: 16 digits and a short extension.
pub const CHUNK_LINE_BYTES_MAX: usize = 256;
/// Trailer fields after the last chunk; engines send none.
pub const TRAILER_BYTES_MAX: usize = 8 * 1024;
/// `1xx` answers skipped before the final one.
const INTERIM_HEADS_MAX: usize = 4;
/// One read from the connection.
const READ_BYTES: usize = 8 * 1024;

/// How the end of a response body is found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Framing {
    /// No body at all (204, 304).
    Empty,
    /// `Content-Length`.
    Length(u64),
    Chunked,
    /// The body ends with the connection.
    UntilClose,
}

/// The part of a response head that we read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ResponseHead {
    pub status: u16,
    pub framing: Framing,
    /// `Api-Version`.
    pub api_version: Option<String>,
    /// `Content-Type`, as sent.
    pub content_type: Option<String>,
    /// Podman names itself in `Server` and in a header of its own.
    pub podman: bool,
}

/// Reads one response: [`Response::start`] gives the head, then
/// [`Response::read`] the body, unframed.
#[derive(Debug)]
pub struct Response<R> {
    input: Buffered<R>,
    state: BodyState,
    bytes_left: u64,
    bytes_max: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum BodyState {
    Length(u64),
    /// The next thing is a chunk-size line.
    ChunkSize,
    /// Inside a chunk with that many bytes to come.
    ChunkData(u64),
    UntilClose,
    Ended,
}

impl<R: Read> Response<R> {
    /// Reads up to the end of the response head. The body may have at most
    /// `body_bytes_max` bytes; a larger announced length fails at once.
    pub fn start(input: R, body_bytes_max: u64) -> Result<(ResponseHead, Self), HttpError> {
        let mut input = Buffered {
            input,
            buffer: Vec::new(),
            used: 0,
        };
        for _ in 0..INTERIM_HEADS_MAX {
            let head = input.take_head()?;
            if head.status == 101 {
                return Err(HttpError::Malformed(
                    "it switches protocols unasked".to_owned(),
                ));
            }
            if head.status >= 200 {
                let state = match head.framing {
                    Framing::Empty | Framing::Length(0) => BodyState::Ended,
                    Framing::Length(length) if length > body_bytes_max => {
                        return Err(HttpError::TooLarge(body_bytes_max));
                    }
                    Framing::Length(length) => BodyState::Length(length),
                    Framing::Chunked => BodyState::ChunkSize,
                    Framing::UntilClose => BodyState::UntilClose,
                };
                let response = Self {
                    input,
                    state,
                    bytes_left: body_bytes_max,
                    bytes_max: body_bytes_max,
                };
                return Ok((head, response));
            }
        }
        Err(HttpError::Malformed(format!(
            "more than {INTERIM_HEADS_MAX} interim heads"
        )))
    }

    /// Next piece of the body; 0 is its end, and only a complete body has one.
    pub fn read(&mut self, out: &mut [u8]) -> Result<usize, HttpError> {
        if out.is_empty() {
            return Ok(0);
        }
        loop {
            match self.state {
                BodyState::Ended => return Ok(0),
                BodyState::Length(left) => {
                    let count = self.take(out, left)?;
                    if count == 0 {
                        return Err(HttpError::Cut("body"));
                    }
                    let left = left - count as u64;
                    self.state = if left == 0 {
                        BodyState::Ended
                    } else {
                        BodyState::Length(left)
                    };
                    return Ok(count);
                }
                BodyState::ChunkSize => self.begin_chunk()?,
                BodyState::ChunkData(left) => {
                    let count = self.take(out, left)?;
                    if count == 0 {
                        return Err(HttpError::Cut("body, within a chunk"));
                    }
                    let left = left - count as u64;
                    self.state = BodyState::ChunkData(left);
                    if left == 0 {
                        self.end_chunk()?;
                    }
                    return Ok(count);
                }
                BodyState::UntilClose => {
                    let count = self.take(out, u64::MAX)?;
                    if count == 0 {
                        self.state = BodyState::Ended;
                    }
                    return Ok(count);
                }
            }
        }
    }

    /// The rest of the body, whole. Bounded by the limit given to [`Response::start`].
    pub fn read_to_end(&mut self) -> Result<Vec<u8>, HttpError> {
        let mut body = Vec::new();
        let mut piece = [0; READ_BYTES];
        loop {
            match self.read(&mut piece)? {
                0 => return Ok(body),
                count => body.extend_from_slice(&piece[..count]),
            }
        }
    }

    /// Takes body bytes, at most `left`, against the limit. One byte above the
    /// limit is asked for, so that a body of exactly the limit is accepted.
    fn take(&mut self, out: &mut [u8], left: u64) -> Result<usize, HttpError> {
        let most = left
            .min(self.bytes_left.saturating_add(1))
            .min(out.len() as u64);
        let most = usize::try_from(most).expect("bounded by the length of a slice");
        let count = self.input.read(&mut out[..most])?;
        match self.bytes_left.checked_sub(count as u64) {
            Some(bytes_left) => self.bytes_left = bytes_left,
            None => return Err(HttpError::TooLarge(self.bytes_max)),
        }
        Ok(count)
    }

    fn begin_chunk(&mut self) -> Result<(), HttpError> {
        let line = self.input.take_line(CHUNK_LINE_BYTES_MAX, "chunk size")?;
        let size = chunk_size(&line)?;
        if size > 0 {
            self.state = BodyState::ChunkData(size);
            return Ok(());
        }
        let mut trailer_bytes_left = TRAILER_BYTES_MAX;
        loop {
            let line = self.input.take_line(trailer_bytes_left, "trailer")?;
            if line.is_empty() {
                self.state = BodyState::Ended;
                return Ok(());
            }
            trailer_bytes_left = trailer_bytes_left.saturating_sub(line.len() + 2);
        }
    }

    fn end_chunk(&mut self) -> Result<(), HttpError> {
        let line = self.input.take_line(0, "end of a chunk")?;
        debug_assert!(line.is_empty(), "limited to no bytes");
        self.state = BodyState::ChunkSize;
        Ok(())
    }
}

fn chunk_size(line: &[u8]) -> Result<u64, HttpError> {
    let digits = line
        .split(|&byte| byte == b';')
        .next()
        .unwrap_or_default()
        .trim_ascii_end();
    let valid = (1..=16).contains(&digits.len()) && digits.iter().all(u8::is_ascii_hexdigit);
    str::from_utf8(digits)
        .ok()
        .filter(|_| valid)
        .and_then(|digits| u64::from_str_radix(digits, 16).ok())
        .ok_or_else(|| HttpError::Malformed(format!("chunk size `{}`", line.escape_ascii())))
}

/// The status of an answer that has begun, if its whole head is in `bytes`.
/// For a sender that looks whether it was refused while it still sends.
pub fn status_in(bytes: &[u8]) -> Option<u16> {
    match parse_head(bytes) {
        Ok(Some((head, _))) => Some(head.status),
        Ok(None) | Err(_) => None,
    }
}

/// The head at the start of `bytes` and its length; `None` if it is not whole yet.
fn parse_head(bytes: &[u8]) -> Result<Option<(ResponseHead, usize)>, HttpError> {
    let mut fields = [httparse::EMPTY_HEADER; HEADER_COUNT_MAX];
    let mut parsed = httparse::Response::new(&mut fields);
    let length = match parsed.parse(bytes) {
        Ok(httparse::Status::Complete(length)) => length,
        Ok(httparse::Status::Partial) => return Ok(None),
        Err(error) => return Err(HttpError::Malformed(error.to_string())),
    };
    let status = parsed.code.expect("a complete head has a status");
    let mut head = ResponseHead {
        status,
        framing: Framing::UntilClose,
        api_version: None,
        content_type: None,
        podman: false,
    };
    let mut length_field = None;
    let mut chunked = false;
    for field in parsed.headers.iter() {
        let text = || String::from_utf8_lossy(field.value).trim().to_owned();
        match field.name.to_ascii_lowercase().as_str() {
            "content-length" => {
                let value = content_length(field.value)?;
                if length_field.is_some_and(|before| before != value) {
                    return Err(HttpError::Malformed("two different lengths".to_owned()));
                }
                length_field = Some(value);
            }
            "transfer-encoding" => {
                if chunked || !text().eq_ignore_ascii_case("chunked") {
                    let value = field.value.escape_ascii();
                    return Err(HttpError::Malformed(format!("transfer encoding `{value}`")));
                }
                chunked = true;
            }
            "api-version" => head.api_version = Some(text()),
            "content-type" => head.content_type = Some(text()),
            "server" => head.podman |= field.value.starts_with(b"Libpod/"),
            "libpod-api-version" => head.podman = true,
            _ => {}
        }
    }
    head.framing = match (chunked, length_field) {
        _ if status < 200 || status == 204 || status == 304 => Framing::Empty,
        (true, Some(_)) => {
            return Err(HttpError::Malformed("both a length and chunks".to_owned()));
        }
        (true, None) => Framing::Chunked,
        (false, Some(length)) => Framing::Length(length),
        (false, None) => Framing::UntilClose,
    };
    Ok(Some((head, length)))
}

fn content_length(value: &[u8]) -> Result<u64, HttpError> {
    let digits = value.trim_ascii();
    let valid = !digits.is_empty() && digits.iter().all(u8::is_ascii_digit);
    str::from_utf8(digits)
        .ok()
        .filter(|_| valid)
        .and_then(|digits| digits.parse().ok())
        .ok_or_else(|| HttpError::Malformed(format!("length `{}`", value.escape_ascii())))
}

/// The connection with what was read ahead of need.
#[derive(Debug)]
struct Buffered<R> {
    input: R,
    buffer: Vec<u8>,
    /// Bytes at the start of `buffer` that were given out.
    used: usize,
}

impl<R: Read> Buffered<R> {
    fn read(&mut self, out: &mut [u8]) -> Result<usize, HttpError> {
        if self.used == self.buffer.len() {
            return read_once(&mut self.input, out);
        }
        let count = out.len().min(self.buffer.len() - self.used);
        out[..count].copy_from_slice(&self.buffer[self.used..self.used + count]);
        self.used += count;
        Ok(count)
    }

    /// Appends what one read gives; 0 is the end.
    fn fill(&mut self) -> Result<usize, HttpError> {
        if self.used > 0 {
            self.buffer.drain(..self.used);
            self.used = 0;
        }
        let mut piece = [0; READ_BYTES];
        let count = read_once(&mut self.input, &mut piece)?;
        self.buffer.extend_from_slice(&piece[..count]);
        Ok(count)
    }

    fn take_head(&mut self) -> Result<ResponseHead, HttpError> {
        let mut looked_at = 0;
        loop {
            let seen = &self.buffer[self.used..];
            // A parse per line at most: parsing again for every byte of a
            // dripping peer would cost the square of the head's size.
            if seen[looked_at..].contains(&b'\n')
                && let Some((head, length)) = parse_head(seen)?
            {
                self.used += length;
                return Ok(head);
            }
            looked_at = seen.len();
            if seen.len() > HEAD_BYTES_MAX {
                return Err(HttpError::Malformed(format!(
                    "its head is larger than {HEAD_BYTES_MAX} bytes"
                )));
            }
            if self.fill()? == 0 {
                return Err(HttpError::Cut(if looked_at == 0 {
                    "wait for an answer"
                } else {
                    "head"
                }));
            }
        }
    }

    /// A line of at most `bytes_max` bytes, without its CRLF.
    fn take_line(&mut self, bytes_max: usize, part: &'static str) -> Result<Vec<u8>, HttpError> {
        loop {
            let seen = &self.buffer[self.used..];
            if let Some(end) = seen.windows(2).position(|pair| pair == b"\r\n") {
                if end > bytes_max {
                    return Err(HttpError::Malformed(format!("the {part} is too long")));
                }
                let line = seen[..end].to_vec();
                self.used += end + 2;
                return Ok(line);
            }
            if seen.len() > bytes_max + 1 {
                return Err(HttpError::Malformed(format!("the {part} is too long")));
            }
            if self.fill()? == 0 {
                return Err(HttpError::Cut(part));
            }
        }
    }
}

fn read_once(input: &mut impl Read, out: &mut [u8]) -> Result<usize, HttpError> {
    loop {
        match input.read(out) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            result => return result.map_err(HttpError::Io),
        }
    }
}
