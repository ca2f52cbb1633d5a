//! Makes the engine's words fit to be printed.
//!
//! Texts of the engine may carry what a container or an image author wrote:
//! terminal escapes, line breaks that fake our own output, marks that turn the
//! reading direction round, megabytes of it.

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
}
