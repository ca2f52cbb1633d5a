//! The URL of an HTTP probe: what it may be, checked when the catalog is read, so
//! that a typing mistake shows before the old version is stopped.
//!
//! Does not resolve or connect. Only plain `http://`: a probe talks to this very
//! device, and TLS would double the size of the program.

use std::net::{Ipv4Addr, Ipv6Addr};

/// Longest URL, in bytes.
const URL_BYTES_MAX: usize = 2048;

/// Longest host name, in bytes (RFC 1035).
const HOST_BYTES_MAX: usize = 253;

/// Why a URL is refused; `None` if it is fine.
pub(super) fn problem(url: &str) -> Option<&'static str> {
    if url.len() > URL_BYTES_MAX {
        return Some("at most 2048 bytes");
    }
    if !url.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Some("printable ASCII without spaces; write other characters as %XX");
    }
    let Some(rest) = url.strip_prefix("http://") else {
        return Some("a URL that starts with `http://`");
    };
    if rest.contains('#') {
        return Some("a URL without a `#` part");
    }
    let authority_len = rest.find(['/', '?']).unwrap_or(rest.len());
    authority_problem(&rest[..authority_len])
}

fn authority_problem(authority: &str) -> Option<&'static str> {
    if authority.contains('@') {
        return Some("a URL without user name and password");
    }
    let (host, port) = match authority.strip_prefix('[') {
        Some(rest) => match rest.split_once(']') {
            Some((address, after)) if address.parse::<Ipv6Addr>().is_ok() => {
                (None, (!after.is_empty()).then_some(after))
            }
            _ => return Some("an IPv6 address in brackets, such as `[::1]`"),
        },
        None => match authority.find(':') {
            Some(colon) => (Some(&authority[..colon]), Some(&authority[colon..])),
            None => (Some(authority), None),
        },
    };
    if host.is_some_and(|host| !host_fine(host)) {
        return Some("a host name or an IP address after `http://`");
    }
    port.and_then(|port| (!port_fine(port)).then_some("a port from 1 to 65535 after the colon"))
}

fn host_fine(host: &str) -> bool {
    // All digits and dots is meant as an address: `127.0.0` must not become a name.
    if !host.is_empty()
        && host
            .bytes()
            .all(|byte| byte.is_ascii_digit() || byte == b'.')
    {
        return host.parse::<Ipv4Addr>().is_ok();
    }
    let label_fine = |label: &str| {
        (1..=63).contains(&label.len())
            && label
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
    };
    host.len() <= HOST_BYTES_MAX && host.split('.').all(label_fine)
}

/// `:N` with digits only: `parse` alone would take a sign.
fn port_fine(port: &str) -> bool {
    port.strip_prefix(':').is_some_and(|digits| {
        digits.bytes().all(|byte| byte.is_ascii_digit())
            && digits.parse::<u16>().is_ok_and(|number| number > 0)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A URL the probe can't use gets through and fails only after the swap.
    #[test]
    fn urls() {
        let good = [
            "http://127.0.0.1:8080/health",
            "http://localhost/",
            "http://localhost",
            "http://[::1]:80/x?y=z",
            "http://my_host.local:1?q",
        ];
        for url in good {
            assert_eq!(problem(url), None, "{url}");
        }
        let bad = [
            "",
            "http://",
            "https://x/",
            "HTTP://x",
            "http:///x",
            "http://a b/",
            "http://x:0/",
            "http://x:65536/",
            "http://x:+80/",
            "http://x:/",
            "http://x:80:90/",
            "http://u:p@x/",
            "http://x/#top",
            "http://127.0.0/",
            "http://1.2.3.4.5/",
            "http://[::1/",
            "http://[::1]80/",
            "http://[zz]/",
            "http://x..y/",
            "http://\u{e4}/",
        ];
        for url in bad {
            assert!(problem(url).is_some(), "{url}");
        }
        assert!(problem(&format!("http://x/{}", "a".repeat(2048))).is_some());
    }
}
