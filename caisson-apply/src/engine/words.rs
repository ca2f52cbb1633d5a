//! Makes the engine's words fit to be printed, and our names fit to be sent.
//!
//! Texts of the engine may carry what a container or an image author wrote:
//! terminal escapes, line breaks that fake our own output, marks that turn the
//! reading direction round, megabytes of it. Names in a request target must not
//! reach another route than the one we mean.

/// Longest engine text in an error or a load line, in bytes.
pub const WORDS_BYTES_MAX: usize = 1024;

/// `text` without surrounding white space, control characters and characters
/// that change how others are shown written as escapes, cut at `bytes_max`
/// bytes (plus an ellipsis).
pub fn printable(text: &str, bytes_max: usize) -> String {
    let mut out = String::new();
    for character in text.trim().chars() {
        let start = out.len();
        match character {
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push(' '),
            _ if character.is_control() || changes_display(character) => {
                out.extend(character.escape_unicode());
            }
            _ => out.push(character),
        }
        if out.len() > bytes_max {
            out.truncate(start);
            out.push('…');
            break;
        }
    }
    out
}

/// Invisible characters and those that reorder text (Unicode TR 9, TR 36).
fn changes_display(character: char) -> bool {
    matches!(character,
        '\u{ad}' | '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}')
}

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
pub fn image_path(name: &str) -> Option<String> {
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

    /// A container name or log line could otherwise move the cursor or fake a line of ours.
    #[test]
    fn engine_text_is_harmless() {
        assert_eq!(printable("a\u{1b}[2Jb\r\nc\n", 100), "a\\u{1b}[2Jb\\r\\nc");
        assert_eq!(printable("x\u{202e}y", 100), "x\\u{202e}y");
        assert_eq!(printable(&"é".repeat(10), 5), "éé…");
        assert_eq!(printable(&"\u{7}".repeat(10), 12), "\\u{7}\\u{7}…");
        assert_eq!(printable("  grün ✓ ", 100), "grün ✓");
    }

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
            image_path("reg.example:5000/a/b:1").as_deref(),
            Some("reg.example:5000/a/b:1")
        );
        assert_eq!(image_path("a@sha256:00").as_deref(), Some("a@sha256:00"));
        for name in ["", "a//b", "/a", "a/", "../containers/x", "a/./b"] {
            assert_eq!(image_path(name), None, "{name}");
        }
        assert_eq!(query_value("a b&c=ü"), "a%20b%26c%3D%C3%BC");
    }
}
