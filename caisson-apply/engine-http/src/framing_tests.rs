//! Framing, fed in every way a socket may cut it.

use std::io::{Read, Write};

use super::request::CHUNK_BYTES;
use super::*;

/// Gives at most `step` bytes per read, then the end.
struct Dripping<'a> {
    bytes: &'a [u8],
    step: usize,
}

impl Read for Dripping<'_> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let count = self.step.min(out.len()).min(self.bytes.len());
        out[..count].copy_from_slice(&self.bytes[..count]);
        self.bytes = &self.bytes[count..];
        Ok(count)
    }
}

/// Gives the same piece for ever.
struct Endless {
    start: &'static [u8],
    piece: &'static [u8],
    given: u64,
}

impl Endless {
    fn new(start: &'static [u8], piece: &'static [u8]) -> Self {
        Self {
            start,
            piece,
            given: 0,
        }
    }
}

impl Read for &mut Endless {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let source = if self.start.is_empty() {
            self.piece
        } else {
            self.start
        };
        let count = source.len().min(out.len());
        out[..count].copy_from_slice(&source[..count]);
        if !self.start.is_empty() {
            self.start = &self.start[count..];
        }
        self.given += count as u64;
        assert!(self.given < 64 << 20, "an endless answer is read on and on");
        Ok(count)
    }
}

fn answer(bytes: &[u8], step: usize, limit: u64) -> Result<(ResponseHead, Vec<u8>), HttpError> {
    let (head, mut body) = Response::start(Dripping { bytes, step }, limit)?;
    body.read_to_end().map(|body| (head, body))
}

fn body_of(bytes: &[u8], limit: u64) -> Result<Vec<u8>, HttpError> {
    answer(bytes, usize::MAX, limit).map(|(_, body)| body)
}

const CHUNKED: &[u8] =
    b"HTTP/1.1 200 OK\r\nApi-Version: 1.41\r\nServer: Docker/20.10.24 (linux)\r\n\
    Transfer-Encoding: chunked\r\nContent-Type: application/json\r\n\r\n\
    5\r\nhello\r\n1;name=value\r\n,\r\n006 \r\n world\r\n0\r\nTrailer: x\r\n\r\n";
const SIZED: &[u8] = b"HTTP/1.1 404 Not Found\r\nContent-Length: 12\r\nServer: Libpod/4.3.1 (linux)\r\n\r\nhello, world";
const UNTIL_CLOSE: &[u8] = b"HTTP/1.0 200 OK\r\nLibpod-Api-Version: 5.4.2\r\n\r\nhello, world";

/// A read that ends in the middle of a head, a size line or a CRLF must not change what is understood.
#[test]
fn any_split_gives_the_same_answer() {
    for bytes in [CHUNKED, SIZED, UNTIL_CLOSE] {
        let whole = answer(bytes, usize::MAX, 100).unwrap();
        assert_eq!(whole.1, b"hello, world");
        for step in 1..bytes.len() {
            assert_eq!(answer(bytes, step, 100).unwrap(), whole, "step {step}");
        }
    }
    let (head, _) = answer(CHUNKED, 1, 100).unwrap();
    assert_eq!(head.api_version.as_deref(), Some("1.41"));
    assert_eq!(head.content_type.as_deref(), Some("application/json"));
    assert!(!head.podman);
    assert!(answer(SIZED, 1, 100).unwrap().0.podman);
    assert!(answer(UNTIL_CLOSE, 1, 100).unwrap().0.podman);
}

/// An engine that dies half-way must never look like one that answered.
#[test]
fn every_cut_is_noticed() {
    for bytes in [CHUNKED, SIZED] {
        for cut in 0..bytes.len() {
            let result = body_of(&bytes[..cut], 100);
            assert!(
                matches!(result, Err(HttpError::Cut(_))),
                "cut at {cut}: {result:?}"
            );
        }
    }
    let head = UNTIL_CLOSE.len() - b"hello, world".len();
    for cut in 0..head {
        assert!(
            matches!(body_of(&UNTIL_CLOSE[..cut], 100), Err(HttpError::Cut(_))),
            "cut at {cut}"
        );
    }
}

/// Guessing at two-faced answers would read one engine's body as another's.
#[test]
fn contradictions_and_rubbish_are_refused() {
    let heads: [&[u8]; 14] = [
        b"SSH-2.0-OpenSSH_9.2\r\n\r\n",
        b"\0\0\0\0\r\n\r\n",
        b"HTTP/2 200 OK\r\n\r\n",
        b"HTTP/1.1 2x0 OK\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nno colon\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: +5\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: \r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 99999999999999999999\r\n\r\n",
        b"HTTP/1.1 101 Switching Protocols\r\n\r\n",
    ];
    for head in heads {
        let result = body_of(head, 100);
        let text = head.escape_ascii();
        assert!(
            matches!(result, Err(HttpError::Malformed(_))),
            "{text}: {result:?}"
        );
    }
    for chunks in [
        "x\r\n",
        "\r\n",
        ";x\r\n",
        "-1\r\n",
        "+1\r\na\r\n",
        "0x1\r\na\r\n",
        " 1\r\na\r\n",
        "1\r\nab\r\n",
        "1\r\na\n\r\n",
        "11111111111111111\r\n",
        "1_0\r\n",
    ] {
        let bytes =
            format!("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n{chunks}0\r\n\r\n");
        let result = body_of(bytes.as_bytes(), 100);
        assert!(
            matches!(result, Err(HttpError::Malformed(_))),
            "{chunks:?}: {result:?}"
        );
    }
    let same_twice = b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\na";
    assert_eq!(body_of(same_twice, 100).unwrap(), b"a");
}

/// Whatever never ends must end at its limit, having read little more than that.
#[test]
fn nothing_is_endless() {
    const OK: &[u8] = b"HTTP/1.1 200 OK\r\n";
    const CHUNKS: &[u8] = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
    let cases: [(&'static [u8], &'static [u8]); 9] = [
        (b"", b"x"),
        (b"", b"\n"),
        (OK, b"a"),
        (OK, b"X-Y: z\r\n"),
        (b"HTTP/1.1 200 OK\r\n\r\n", b"body"),
        (CHUNKS, b"1\r\na\r\n"),
        (CHUNKS, b"1;extension"),
        (
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n",
            b"T: x\r\n",
        ),
        (
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n7fffffff\r\n",
            b"x",
        ),
    ];
    for (start, piece) in cases {
        let mut input = Endless::new(start, piece);
        let outcome =
            Response::start(&mut input, 10_000).and_then(|(_, mut body)| body.read_to_end());
        let case = piece.escape_ascii();
        assert!(
            matches!(
                outcome,
                Err(HttpError::Malformed(_) | HttpError::TooLarge(_))
            ),
            "{case}: {outcome:?}"
        );
        assert!(
            input.given < 2 * HEAD_BYTES_MAX as u64,
            "{case}: {} bytes read",
            input.given
        );
    }
    let mut input = Endless::new(b"", b"HTTP/1.1 100 Continue\r\n\r\n");
    assert!(matches!(
        Response::start(&mut input, 1),
        Err(HttpError::Malformed(_))
    ));
}

/// The limit itself is allowed, one byte more is not, in each framing.
#[test]
fn limits_are_exact() {
    for bytes in [CHUNKED, SIZED, UNTIL_CLOSE] {
        assert_eq!(body_of(bytes, 12).unwrap(), b"hello, world");
        assert!(matches!(body_of(bytes, 11), Err(HttpError::TooLarge(11))));
    }
    let filler = "x".repeat(HEAD_BYTES_MAX - 30);
    let head = format!("HTTP/1.1 204 No Content\r\nX: {filler}\r\n\r\n");
    assert_eq!(body_of(head.as_bytes(), 0).unwrap(), b"");
    let fields = |count: usize| {
        format!(
            "HTTP/1.1 204 No Content\r\n{}\r\n",
            "A: b\r\n".repeat(count)
        )
    };
    assert!(body_of(fields(HEADER_COUNT_MAX).as_bytes(), 0).is_ok());
    assert!(body_of(fields(HEADER_COUNT_MAX + 1).as_bytes(), 0).is_err());
}

/// 204 and 304 have no body even if the engine keeps the connection open, so they must not wait for one.
#[test]
fn bodiless_answers_read_nothing() {
    for status in ["204 No Content", "304 Not Modified"] {
        let head = format!("HTTP/1.1 {status}\r\nContent-Length: 7\r\n\r\n");
        assert_eq!(body_of(head.as_bytes(), 100).unwrap(), b"");
    }
    let interim = b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nx";
    assert_eq!(body_of(interim, 100).unwrap(), b"x");
}

/// The sender asks this while the head may be half there.
#[test]
fn an_early_status_is_seen_once_whole() {
    let head = b"HTTP/1.1 500 Internal Server Error\r\nA: b\r\n\r\n";
    for cut in 0..head.len() {
        assert_eq!(status_in(&head[..cut]), None);
    }
    assert_eq!(status_in(head), Some(500));
    assert_eq!(status_in(b"rubbish\r\n\r\n"), None);
}

/// Engines parse this: one wrong CRLF and every call fails.
#[test]
fn request_heads() {
    let text = |method, body| {
        String::from_utf8(request_head("agent/1", method, "/v1.41/x?a=b", body)).unwrap()
    };
    let plain = text("GET", RequestBody::None);
    assert!(
        plain.starts_with("GET /v1.41/x?a=b HTTP/1.1\r\nHost: localhost\r\n"),
        "{plain}"
    );
    assert!(
        plain.ends_with("\r\n\r\n") && !plain.contains("Content-Length"),
        "{plain}"
    );
    assert!(text("POST", RequestBody::None).contains("\r\nContent-Length: 0\r\n"));
    let json = text("POST", RequestBody::Json(17));
    assert!(json.contains("\r\nContent-Type: application/json\r\nContent-Length: 17\r\n\r\n"));
    let tar = text("POST", RequestBody::ChunkedTar);
    assert!(tar.contains("\r\nTransfer-Encoding: chunked\r\n") && !tar.contains("Content-Length"));
}

/// What is written in pieces of any size arrives as it was, and only `finish` ends it.
#[test]
fn chunked_bodies_round_trip() {
    let data: Vec<u8> = (0..300_000_u32).map(|n| n.to_le_bytes()[0]).collect();
    for step in [
        1,
        7,
        CHUNK_BYTES - 1,
        CHUNK_BYTES,
        CHUNK_BYTES + 1,
        data.len(),
    ] {
        let mut wire = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n".to_vec();
        let mut chunks = ChunkedWriter::new(&mut wire);
        for piece in data.chunks(step) {
            chunks.write_all(piece).unwrap();
        }
        assert_eq!(chunks.write(b"").unwrap(), 0);
        chunks.finish().unwrap();
        assert_eq!(
            body_of(&wire, data.len() as u64).unwrap(),
            data,
            "step {step}"
        );
    }
    let mut wire = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n".to_vec();
    let mut chunks = ChunkedWriter::new(&mut wire);
    chunks.write_all(b"data").unwrap();
    chunks.flush().unwrap();
    drop(chunks);
    assert!(matches!(body_of(&wire, 100), Err(HttpError::Cut(_))));
}

/// Small and large writes keep their order, and small ones do not pile up.
#[test]
fn chunks_are_sent_in_order_and_in_time() {
    let mut wire = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n".to_vec();
    let mut chunks = ChunkedWriter::new(&mut wire);
    let mut data = Vec::new();
    for (n, size) in [10, CHUNK_BYTES, 1, 3 * CHUNK_BYTES, CHUNK_BYTES - 1, 2]
        .into_iter()
        .enumerate()
    {
        let piece = vec![n.to_le_bytes()[0]; size];
        chunks.write_all(&piece).unwrap();
        data.extend_from_slice(&piece);
    }
    for _ in 0..3 * CHUNK_BYTES / 100 {
        chunks.write_all(&[9; 100]).unwrap();
        data.extend_from_slice(&[9; 100]);
        assert!(chunks.sink().len() + CHUNK_BYTES >= data.len(), "held back");
    }
    chunks.finish().unwrap();
    assert_eq!(body_of(&wire, data.len() as u64).unwrap(), data);
}

/// Random bytes after a believable start: any result, but no panic and no hang.
#[test]
fn noise_never_panics() {
    let mut seed = 0x9e37_79b9_7f4a_7c15_u64;
    let mut random = || {
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        seed
    };
    for round in 0..20_000 {
        let mut bytes = [CHUNKED, SIZED, UNTIL_CLOSE][round % 3].to_vec();
        for _ in 0..=random() % 4 {
            let at = usize::try_from(random()).unwrap_or(0) % bytes.len();
            bytes[at] = random().to_le_bytes()[0];
        }
        let step = 1 + usize::try_from(random() % 64).unwrap();
        if let Ok((_, body)) = answer(&bytes, step, 64) {
            assert!(body.len() <= 64);
        }
    }
}
