//! Request paths out of names. Names come from the catalog, the package or the
//! engine; whatever they contain, they reach the route that was meant or none.

use super::exchange::failure;
use super::{EngineError, EngineErrorKind, EngineResult};

/// `/containers/{id}{rest}`.
pub(super) fn container_path(method: &str, id: &str, rest: &str) -> EngineResult<String> {
    let segment = path_segment(id).ok_or_else(|| {
        refused_by_us(
            &format!("{method} /containers"),
            id,
            "not a container name or id",
        )
    })?;
    Ok(format!("/containers/{segment}{rest}"))
}

/// `/images/{name}{rest}`.
pub(super) fn image_path(method: &str, name: &str, rest: &str) -> EngineResult<String> {
    let name = image_segments(name).ok_or_else(|| {
        refused_by_us(
            &format!("{method} /images"),
            name,
            "not an image name or id",
        )
    })?;
    Ok(format!("/images/{name}{rest}"))
}

/// A name that must not be sent. Counts as refused: nothing can have happened.
pub(super) fn refused_by_us(call: &str, name: &str, why: &str) -> EngineError {
    let message = format!("`{}` is {why}", name.escape_debug());
    failure(EngineErrorKind::Refused, call, &message)
}

/// `repository:tag`; a digest, an id or a missing tag is `None`.
pub(super) fn split_reference(reference: &str) -> Option<(&str, &str)> {
    let (repository, tag) = reference.rsplit_once(':')?;
    let is_tag = !tag.is_empty() && !tag.contains('/');
    let is_repository =
        !repository.is_empty() && !repository.contains('@') && repository != "sha256";
    (is_tag && is_repository).then_some((repository, tag))
}

/// One segment of a request path: everything but unreserved characters is
/// percent-encoded, the slash too. `None` for what can't be a segment.
fn path_segment(name: &str) -> Option<String> {
    if matches!(name, "" | "." | "..") {
        return None;
    }
    Some(encode(name, b""))
}

/// An image name or id in a request path. Engines take its slashes as they are;
/// a name with an empty or dot segment would be redirected elsewhere: `None`.
fn image_segments(name: &str) -> Option<String> {
    if name
        .split('/')
        .any(|segment| matches!(segment, "" | "." | ".."))
    {
        return None;
    }
    Some(encode(name, b"/:@"))
}

/// `/networks/{name}{rest}`.
pub(super) fn network_path(method: &str, name: &str, rest: &str) -> EngineResult<String> {
    let segment = path_segment(name)
        .ok_or_else(|| refused_by_us(&format!("{method} /networks"), name, "not a network"))?;
    Ok(format!("/networks/{segment}{rest}"))
}

/// A query value.
pub(super) fn query_value(value: &str) -> String {
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
