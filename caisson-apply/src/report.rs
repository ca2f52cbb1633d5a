//! Prints an [`Error`], for people and for scripts, with the same facts.
//!
//! People get a first line with the code and a line each for where, found, wanted,
//! state, next and what else went wrong; scripts get one JSON object in one line.
//! Does not decide the exit status, that is the error's own.
//!
//! Attack answered here: texts of packages, engines and containers reach both forms,
//! so each is written without control characters, without marks that turn the reading
//! direction, and cut at [`TEXT_BYTES_MAX`]; no text can fake a line of ours.

use std::io::{self, Write};

use serde_json::{Map, Value, json};

use crate::engine::words::printable;
use crate::error::{Error, Running};

/// Longest text of one line, in bytes: more is not read by anybody and pushes the
/// lines that matter off the screen.
pub const TEXT_BYTES_MAX: usize = 1024;

/// `found` and `wanted` share a line up to this width, in characters.
const SHARED_LINE_CHARS: usize = 76;

/// Prints the error for people, ending with a line break.
///
/// # Errors
/// The writer's own.
pub fn print(error: &Error, out: &mut dyn Write) -> io::Result<()> {
    out.write_all(text(error).as_bytes())
}

/// The error for people, as [`print()`] writes it.
pub fn text(error: &Error) -> String {
    let mut lines = vec![format!(
        "error[{}]: {}",
        error.code.as_str(),
        safe(&error.what)
    )];
    let mut line = |head: &str, words: Option<&String>| {
        lines.extend(words.map(|words| format!("  {head:<6} {}", safe(words))));
    };
    line("where:", error.place.as_ref());
    let shared = shared_line(error);
    line("found:", shared.as_ref().or(error.found.as_ref()));
    if shared.is_none() {
        line("wanted:", error.wanted.as_ref());
    }
    line("state:", error.state.as_ref());
    line("next:", error.next.as_ref());
    for words in &error.also {
        line("also:", Some(words));
    }
    lines.join("\n") + "\n"
}

/// `X  wanted: Y`, where both are there and short.
fn shared_line(error: &Error) -> Option<String> {
    let (found, wanted) = (error.found.as_ref()?, error.wanted.as_ref()?);
    let both = format!("{}  wanted: {}", safe(found), safe(wanted));
    (both.chars().count() <= SHARED_LINE_CHARS).then_some(both)
}

/// The error for scripts: one object; members that have nothing to say are left out.
pub fn to_json(error: &Error) -> Value {
    let mut object = Map::new();
    object.insert("error".to_owned(), json!(error.code.as_str()));
    object.insert("what".to_owned(), json!(safe(&error.what)));
    let members = [
        ("where", &error.place),
        ("found", &error.found),
        ("wanted", &error.wanted),
        ("state", &error.state),
        ("next", &error.next),
    ];
    for (key, words) in members {
        if let Some(words) = words {
            object.insert(key.to_owned(), json!(safe(words)));
        }
    }
    if !error.also.is_empty() {
        let also: Vec<String> = error.also.iter().map(|words| safe(words)).collect();
        object.insert("also".to_owned(), json!(also));
    }
    if let Some(running) = &error.running {
        let running = match running {
            Running::NotInstalled => Value::Null,
            Running::Stopped => json!(false),
            Running::Version(version) => json!(safe(version.as_deref().unwrap_or("unknown"))),
        };
        object.insert("running".to_owned(), running);
    }
    object.insert("exit".to_owned(), json!(error.exit() as u8));
    Value::Object(object)
}

/// Fit to be printed.
fn safe(words: &str) -> String {
    printable(words, TEXT_BYTES_MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::{Code, Exit};

    fn full() -> Error {
        let mut error = Error::new(
            Code::RevisionMismatch,
            "the package is for another revision",
        )
        .at("/media/usb/web.edgepkg, service `web`")
        .found("web-r1")
        .wanted("web-r2")
        .state("nothing changed; service `web` still runs 1.4.1")
        .next("get the package for revision web-r2");
        error
            .also
            .push("removing the tag failed: timeout".to_owned());
        error
    }

    /// A line is missing, or stands where nobody looks for it.
    #[test]
    fn every_fact_has_its_line() {
        let expected = "\
error[device.revision_mismatch]: the package is for another revision
  where: /media/usb/web.edgepkg, service `web`
  found: web-r1  wanted: web-r2
  state: nothing changed; service `web` still runs 1.4.1
  next:  get the package for revision web-r2
  also:  removing the tag failed: timeout
";
        assert_eq!(text(&full()), expected);
        assert_eq!(
            text(&Error::new(Code::Usage, "no file")),
            "error[usage.invalid]: no file\n"
        );
        let mut printed = Vec::new();
        print(&full(), &mut printed).expect("memory takes all");
        assert_eq!(printed, expected.as_bytes());
    }

    /// Two long values in one line can't be compared by eye.
    #[test]
    fn long_values_have_lines_of_their_own() {
        let (found, wanted) = ("a".repeat(64), "b".repeat(64));
        let error = Error::new(Code::ImportMismatch, "x")
            .found(&found)
            .wanted(&wanted);
        let expected =
            format!("error[engine.import_mismatch]: x\n  found: {found}\n  wanted: {wanted}\n");
        assert_eq!(text(&error), expected);
    }

    /// Text from a package moves the cursor, fakes a line of ours or fills the screen.
    #[test]
    fn untrusted_text_stays_one_harmless_line() {
        let evil = "x\n  next:  run rm\u{1b}[2J\u{202e}".to_owned() + &"y".repeat(5000);
        let error = Error::new(Code::Internal, &evil)
            .at(&evil)
            .found(&evil)
            .next(&evil);
        let printed = text(&error);
        assert_eq!(printed.lines().count(), 4);
        assert!(printed.lines().all(|line| line.len() < TEXT_BYTES_MAX + 64));
        assert!(!printed.contains(['\u{1b}', '\u{202e}']));
        let json = to_json(&error).to_string();
        assert!(!json.contains(['\n', '\u{202e}']));
        assert!(json.len() < 5 * TEXT_BYTES_MAX);
    }

    /// A script sees other facts than a person.
    #[test]
    fn json_has_the_same_facts_and_the_exit() {
        let expected = json!({
            "error": "device.revision_mismatch",
            "what": "the package is for another revision",
            "where": "/media/usb/web.edgepkg, service `web`",
            "found": "web-r1",
            "wanted": "web-r2",
            "state": "nothing changed; service `web` still runs 1.4.1",
            "next": "get the package for revision web-r2",
            "also": ["removing the tag failed: timeout"],
            "exit": 12
        });
        assert_eq!(to_json(&full()), expected);
        let mut error = Error::new(Code::EngineAnswer, "gone");
        error.exit = Some(Exit::RolledBack);
        assert_eq!(
            to_json(&error),
            json!({"error": "engine.answer", "what": "gone", "exit": 30})
        );
    }
}
