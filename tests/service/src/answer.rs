//! The few bytes of HTTP/1.1 that the service speaks: `GET`, one answer, closed.

/// Status and body of an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    pub status: u16,
    pub body: String,
}

impl Answer {
    /// The whole answer as it goes on the wire.
    pub fn to_bytes(&self) -> Vec<u8> {
        let reason = match self.status {
            200 => "OK",
            400 => "Bad Request",
            404 => "Not Found",
            _ => "Service Unavailable",
        };
        format!(
            "HTTP/1.1 {} {reason}\r\nContent-Type: text/plain\r\nContent-Length: {}\r\n\
             Connection: close\r\n\r\n{}",
            self.status,
            self.body.len(),
            self.body
        )
        .into_bytes()
    }
}

/// The path of a `GET` request, without its query; `None` if the head is something else.
pub fn request_path(head: &[u8]) -> Option<&str> {
    let line = head.split(|byte| *byte == b'\r').next()?;
    let mut words = std::str::from_utf8(line).ok()?.split(' ');
    let (method, target, version) = (words.next()?, words.next()?, words.next()?);
    let path = target.split('?').next()?;
    (method == "GET" && version.starts_with("HTTP/1.") && path.starts_with('/')).then_some(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Anything but a GET gets 400 instead of the version.
    #[test]
    fn only_get_has_a_path() {
        assert_eq!(
            request_path(b"GET /health?x=1 HTTP/1.1\r\nHost: a\r\n\r\n"),
            Some("/health")
        );
        for head in [
            &b"POST / HTTP/1.1\r\n\r\n"[..],
            b"GET",
            b"\xff\xfe /",
            b"",
            b"GET x HTTP/1.1",
        ] {
            assert_eq!(request_path(head), None);
        }
    }
}
