//! Parts of a request's target out of names. Names come from outside; whatever
//! they contain, they reach the route that was meant or none.

/// One segment of a request path: everything but unreserved characters is
/// percent-encoded, the slash too. `None` for what can't be a segment.
pub fn path_segment(name: &str) -> Option<String> {
    if matches!(name, "" | "." | "..") {
        return None;
    }
    Some(encode(name, b""))
}

/// An image name or id in a request path. Engines take its slashes as they are;
/// a name with an empty or dot segment would be redirected elsewhere: `None`.
pub fn image_segments(name: &str) -> Option<String> {
    if name
        .split('/')
        .any(|segment| matches!(segment, "" | "." | ".."))
    {
        return None;
    }
    Some(encode(name, b"/:@"))
}

/// A query value.
pub fn query_value(value: &str) -> String {
    encode(value, b"/:")
}

fn encode(text: &str, also_plain: &[u8]) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) || also_plain.contains(&byte) {
            out.push(char::from(byte));
        } else {
            out.push('%');
            out.push(char::from(HEX_DIGITS[usize::from(byte >> 4)]));
            out.push(char::from(HEX_DIGITS[usize::from(byte & 15)]));
        }
    }
    out
}

const HEX_DIGITS: &[u8; 16] = b"0123456789ABCDEF";

#[cfg(test)]
mod tests {
    use super::*;

    /// A crafted name must not reach another route, nor break the request line.
    #[test]
    fn names_stay_in_their_segment() {
        assert_eq!(
            path_segment("web/../x y").as_deref(),
            Some("web%2F..%2Fx%20y")
        );
        assert_eq!(
            path_segment("a?b#c\r\n").as_deref(),
            Some("a%3Fb%23c%0D%0A")
        );
        for name in ["", ".", ".."] {
            assert_eq!(path_segment(name), None);
        }
        assert_eq!(
            image_segments("reg.example:5000/a/b:1").as_deref(),
            Some("reg.example:5000/a/b:1")
        );
        assert_eq!(
            image_segments("a@sha256:00").as_deref(),
            Some("a@sha256:00")
        );
        for name in ["", "a//b", "/a", "a/", "../containers/x", "a/./b"] {
            assert_eq!(image_segments(name), None, "{name}");
        }
        assert_eq!(query_value("a b&c=ü"), "a%20b%26c%3D%C3%BC");
    }
}
