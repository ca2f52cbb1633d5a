//! Tells code from strings and comments, line by line. Knows nothing else of Rust.

/// A source line without the insides of its strings, and its comment.
#[derive(Debug, Default)]
pub(crate) struct Line {
    pub(crate) code: String,
    pub(crate) comment: String,
}

/// Where the scanner stands.
enum Inside {
    Code,
    LineComment,
    /// Block comments nest.
    BlockComment(usize),
    String,
    /// Ends with a quote and this many `#`.
    RawString(usize),
}

/// The lines of a source file.
pub(crate) fn scan(text: &str) -> Vec<Line> {
    let mut inside = Inside::Code;
    let mut lines = Vec::new();
    for line in text.lines() {
        let chars: Vec<char> = line.chars().collect();
        let mut scanned = Line::default();
        let mut at = 0;
        while at < chars.len() {
            at += step(&chars[at..], &mut inside, &mut scanned);
        }
        if matches!(inside, Inside::LineComment) {
            inside = Inside::Code;
        }
        lines.push(scanned);
    }
    lines
}

/// Takes one piece of a line and gives how many characters it had.
fn step(rest: &[char], inside: &mut Inside, line: &mut Line) -> usize {
    let begins = |words: &str| words.chars().eq(rest.iter().take(words.len()).copied());
    match *inside {
        Inside::Code if begins("//") => *inside = Inside::LineComment,
        Inside::Code if begins("/*") => {
            *inside = Inside::BlockComment(1);
            return 2;
        }
        Inside::Code if rest[0] == '"' => {
            let hashes = line.code.chars().rev().take_while(|c| *c == '#').count();
            let raw = line.code.chars().rev().nth(hashes) == Some('r');
            *inside = if raw {
                Inside::RawString(hashes)
            } else {
                Inside::String
            };
        }
        Inside::Code if rest[0] == '\'' => return character(rest),
        Inside::Code => line.code.push(rest[0]),
        Inside::LineComment => line.comment.push(rest[0]),
        Inside::BlockComment(depth) => {
            if begins("/*") {
                *inside = Inside::BlockComment(depth + 1);
                return 2;
            }
            if begins("*/") {
                *inside = if depth == 1 {
                    Inside::Code
                } else {
                    Inside::BlockComment(depth - 1)
                };
                return 2;
            }
            line.comment.push(rest[0]);
        }
        Inside::String if rest[0] == '\\' => return 2,
        Inside::String if rest[0] == '"' => *inside = Inside::Code,
        Inside::RawString(hashes) if begins(&format!("\"{}", "#".repeat(hashes))) => {
            *inside = Inside::Code;
            return 1 + hashes;
        }
        Inside::String | Inside::RawString(_) => {}
    }
    1
}

/// The length of a character literal; 1 where the quote begins a lifetime.
fn character(rest: &[char]) -> usize {
    let end = match rest.get(1) {
        // The escaped character itself may be a quote.
        Some('\\') => rest
            .iter()
            .skip(3)
            .position(|c| *c == '\'')
            .map(|at| at + 3),
        _ => (rest.get(2) == Some(&'\'')).then_some(2),
    };
    end.map_or(1, |end| end + 1)
}
