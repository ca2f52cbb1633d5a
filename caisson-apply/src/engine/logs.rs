//! The newest lines of a container's output, out of the engine's framed stream.
//!
//! Frames are 8 bytes (stream, three zeros, length big-endian) and data; a
//! container with a terminal sends plain bytes instead. Both streams are shown
//! in the order they come; a line that is split over frames is joined per stream.
//! A container may print anything and without end: what is kept is bounded in
//! lines, in bytes per line and in all, and what is read is bounded too.
//!
//! Source: Docker Engine API, "Attach to a container", stream format.

use std::collections::VecDeque;

/// Bytes read of one answer; the engine was asked for few lines.
pub const STREAM_BYTES_MAX: u64 = 4 * 1024 * 1024;
/// Bytes kept in all; the oldest lines go first.
pub const KEPT_BYTES_MAX: usize = 256 * 1024;
/// Bytes kept of one line; the rest of it is dropped.
pub const LINE_BYTES_MAX: usize = 4 * 1024;

const FRAME_HEAD_BYTES: usize = 8;

/// Collects lines from pieces of the stream.
#[derive(Debug)]
pub struct LogLines {
    raw: bool,
    lines_max: usize,
    lines: VecDeque<String>,
    kept_bytes: usize,
    /// Unfinished lines of stdin (never used), stdout and stderr.
    open: [Vec<u8>; 3],
    frame_head: Vec<u8>,
    stream: usize,
    frame_bytes_left: u32,
}

impl LogLines {
    /// `raw`: the stream has no frames.
    pub fn new(raw: bool, lines_max: u32) -> Self {
        Self {
            raw,
            lines_max: lines_max as usize,
            lines: VecDeque::new(),
            kept_bytes: 0,
            open: Default::default(),
            frame_head: Vec::with_capacity(FRAME_HEAD_BYTES),
            stream: 1,
            frame_bytes_left: 0,
        }
    }

    /// Takes the next bytes. The error is for people: a frame that is none.
    pub fn feed(&mut self, mut bytes: &[u8]) -> Result<(), String> {
        if self.raw {
            self.take_text(1, bytes);
            return Ok(());
        }
        while !bytes.is_empty() {
            if self.frame_bytes_left == 0 {
                let missing = FRAME_HEAD_BYTES - self.frame_head.len();
                let (head, rest) = bytes.split_at(missing.min(bytes.len()));
                self.frame_head.extend_from_slice(head);
                bytes = rest;
                if self.frame_head.len() == FRAME_HEAD_BYTES {
                    self.begin_frame()?;
                }
                continue;
            }
            let most = usize::try_from(self.frame_bytes_left).unwrap_or(usize::MAX);
            let (text, rest) = bytes.split_at(most.min(bytes.len()));
            self.take_text(self.stream, text);
            self.frame_bytes_left -= u32::try_from(text.len()).expect("no longer than the frame");
            bytes = rest;
        }
        Ok(())
    }

    /// The lines, oldest first; unfinished ones count.
    pub fn finish(mut self) -> Vec<String> {
        for stream in 0..self.open.len() {
            if !self.open[stream].is_empty() {
                self.close_line(stream);
            }
        }
        self.lines.into()
    }

    fn begin_frame(&mut self) -> Result<(), String> {
        let head: [u8; FRAME_HEAD_BYTES] = self
            .frame_head
            .as_slice()
            .try_into()
            .expect("called with a whole head");
        self.frame_head.clear();
        let [stream, 0, 0, 0, length @ ..] = head else {
            return Err(format!("`{}` is no log frame", head.escape_ascii()));
        };
        if usize::from(stream) >= self.open.len() {
            return Err(format!("a log frame of stream {stream}"));
        }
        self.stream = usize::from(stream);
        self.frame_bytes_left = u32::from_be_bytes(length);
        Ok(())
    }

    fn take_text(&mut self, stream: usize, text: &[u8]) {
        for part in text.split_inclusive(|&byte| byte == b'\n') {
            let (line, ended) = match part.strip_suffix(b"\n") {
                Some(line) => (line, true),
                None => (part, false),
            };
            let room = LINE_BYTES_MAX - self.open[stream].len();
            self.open[stream].extend_from_slice(&line[..room.min(line.len())]);
            if ended {
                self.close_line(stream);
            }
        }
    }

    fn close_line(&mut self, stream: usize) {
        let line = std::mem::take(&mut self.open[stream]);
        let line = line.strip_suffix(b"\r").unwrap_or(&line);
        let line = String::from_utf8_lossy(line).into_owned();
        self.kept_bytes += line.len();
        self.lines.push_back(line);
        while self.lines.len() > self.lines_max || self.kept_bytes > KEPT_BYTES_MAX {
            let Some(oldest) = self.lines.pop_front() else {
                break;
            };
            self.kept_bytes -= oldest.len();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(stream: u8, text: &str) -> Vec<u8> {
        let mut bytes = vec![stream, 0, 0, 0];
        bytes.extend(u32::try_from(text.len()).unwrap().to_be_bytes());
        bytes.extend(text.as_bytes());
        bytes
    }

    fn lines_of(pieces: &[&[u8]], raw: bool, lines_max: u32) -> Result<Vec<String>, String> {
        let mut lines = LogLines::new(raw, lines_max);
        for piece in pieces {
            lines.feed(piece)?;
        }
        Ok(lines.finish())
    }

    /// A frame head or a line cut by a read must not lose or move a byte.
    #[test]
    fn frames_survive_every_split() {
        let mut stream = frame(1, "one\ntw");
        stream.extend(frame(2, "oops\r\n"));
        stream.extend(frame(1, ""));
        stream.extend(frame(1, "o\n\nend"));
        let whole = lines_of(&[&stream], false, 10).unwrap();
        assert_eq!(whole, ["one", "oops", "two", "", "end"]);
        for cut in 0..=stream.len() {
            assert_eq!(
                lines_of(&[&stream[..cut], &stream[cut..]], false, 10).unwrap(),
                whole
            );
        }
    }

    /// Plain bytes read as frames (a terminal nobody knew of) must be said, not shown as noise.
    #[test]
    fn text_is_no_frame() {
        let error = lines_of(&[b"listening on 80\n"], false, 10).unwrap_err();
        assert!(error.contains("no log frame"), "{error}");
        assert!(lines_of(&[&[3, 0, 0, 0, 0, 0, 0, 1, b'x']], false, 10).is_err());
        assert_eq!(
            lines_of(&[b"listening on 80\r\n"], true, 10).unwrap(),
            ["listening on 80"]
        );
    }

    /// A container that prints without end must not fill our memory.
    #[test]
    fn output_is_bounded() {
        let long = vec![b'x'; 3 * LINE_BYTES_MAX];
        let lines = lines_of(&[&long, &long, b"\nlast\n"], true, 10).unwrap();
        assert_eq!(lines.len(), 2);
        assert_eq!(lines[0].len(), LINE_BYTES_MAX);
        assert_eq!(lines[1], "last");
        let many: Vec<u8> = (0..1000)
            .flat_map(|n| format!("{n}\n").into_bytes())
            .collect();
        assert_eq!(lines_of(&[&many], true, 3).unwrap(), ["997", "998", "999"]);
        let mut lines = LogLines::new(true, u32::MAX);
        let line = vec![b'y'; LINE_BYTES_MAX - 1];
        for _ in 0..200 {
            lines.feed(&line).unwrap();
            lines.feed(b"\n").unwrap();
        }
        let kept: usize = lines.finish().iter().map(String::len).sum();
        assert!(
            (KEPT_BYTES_MAX - LINE_BYTES_MAX..=KEPT_BYTES_MAX).contains(&kept),
            "{kept}"
        );
    }
}
