//! The `http` probe: one request, judged by status and by a text in the body.
//!
//! The answer is outside input: heads and body are bounded, redirects are not
//! followed, and only the first bytes of the body are looked at.

use std::io::Read;

use crate::catalog::{HttpMethod, HttpProbe};

use super::Round;

/// Bytes of the body that are searched; a health page is short.
const BODY_BYTES_MAX: u64 = 64 * 1024;
const HEADERS_BYTES_MAX: usize = 16 * 1024;
const STATUS_LINE_BYTES_MAX: usize = 1024;
/// What `minreq` makes of a connection that ends before a status line, with status 503.
const NO_STATUS_LINE: &str = "Server did not provide a status line";

pub(super) fn ask(settings: &HttpProbe) -> Round {
    let method = match settings.method {
        HttpMethod::Get => minreq::Method::Get,
        HttpMethod::Head => minreq::Method::Head,
    };
    let answer = minreq::Request::new(method, settings.url.as_str())
        .with_timeout(settings.timeout_secs)
        .with_follow_redirects(false)
        .with_max_headers_size(HEADERS_BYTES_MAX)
        .with_max_status_line_length(STATUS_LINE_BYTES_MAX)
        .send_lazy();
    let response = match answer {
        Ok(response) => response,
        Err(error) => return Round::NotYet(format!("{} does not answer: {error}", settings.url)),
    };
    let status = response.status_code;
    if response.reason_phrase == NO_STATUS_LINE {
        // A proxy of the engine in front of a port where nothing listens looks like this.
        return Round::NotYet(format!(
            "{} closes the connection without an answer",
            settings.url
        ));
    }
    if status != settings.status {
        return Round::NotYet(format!(
            "{} answers {status}, wanted {}",
            settings.url, settings.status
        ));
    }
    let Some(wanted) = &settings.body_contains else {
        return Round::Good(format!("{} answers {status}", settings.url));
    };
    let mut body = Vec::new();
    if let Err(error) = response.take(BODY_BYTES_MAX).read_to_end(&mut body) {
        return Round::NotYet(format!("{} broke off its answer: {error}", settings.url));
    }
    if body
        .windows(wanted.len().max(1))
        .any(|window| window == wanted.as_bytes())
        || wanted.is_empty()
    {
        Round::Good(format!(
            "{} answers {status} with the wanted text",
            settings.url
        ))
    } else {
        Round::NotYet(format!(
            "{} answers {status} without the wanted text",
            settings.url
        ))
    }
}

#[cfg(test)]
mod tests {
    use std::net::{Ipv4Addr, TcpListener};

    use super::*;

    /// Where nothing listens behind a port, a wanted 503 would be taken for seen.
    #[test]
    fn a_closed_connection_is_no_answer() {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
        let port = listener.local_addr().expect("it is bound").port();
        let server = std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().expect("one connection");
            // Read to its end, so that it is closed in order and not reset.
            let _ = stream.read(&mut [0; 4096]);
        });
        let round = ask(&HttpProbe {
            url: format!("http://127.0.0.1:{port}/health"),
            method: HttpMethod::Get,
            status: 503,
            body_contains: None,
            timeout_secs: 5,
        });
        server.join().expect("the server ends");
        let Round::NotYet(words) = round else {
            panic!("taken for an answer");
        };
        assert!(
            words.ends_with("closes the connection without an answer"),
            "{words}"
        );
    }
}
