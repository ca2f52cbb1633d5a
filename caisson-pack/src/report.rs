//! Prints results and errors: data to standard output, talk to standard error,
//! and with `--json` the same facts as one object per line.

use std::fmt::Write as _;
use std::io::{self, Write as _};

use serde_json::{Value, json};

use crate::error::PackError;

/// Prints text or a JSON line to standard output. A reader that went away is
/// no failure of the work.
pub(crate) fn print_result(text: &str) {
    let mut stdout = io::stdout().lock();
    let _ = stdout
        .write_all(text.as_bytes())
        .and_then(|()| stdout.flush());
}

/// Prints one object and a line feed.
pub(crate) fn print_json(value: &Value) {
    print_result(&format!("{value}\n"));
}

/// Prints a result: the object, or the words.
pub(crate) fn print(as_json: bool, object: &Value, words: impl FnOnce() -> String) {
    if as_json {
        print_json(object);
    } else {
        print_result(&words());
    }
}

/// Prints an error: for people to standard error, or as an object.
pub(crate) fn print_error(error: &PackError, as_json: bool) {
    if as_json {
        print_json(&error_json(error));
    } else {
        let _ = io::stderr().lock().write_all(error_text(error).as_bytes());
    }
}

fn error_text(error: &PackError) -> String {
    let mut text = format!("error[{}]: {}\n", error.code.as_str(), error.what);
    for (label, value) in [
        ("where", error.place.as_ref()),
        ("found", error.found.as_ref()),
        ("wanted", error.wanted.as_ref()),
        ("next", Some(&error.next)),
    ] {
        if let Some(value) = value {
            let label = format!("{label}:");
            let _ = writeln!(text, "  {label:<8}{value}");
        }
    }
    text
}

fn error_json(error: &PackError) -> Value {
    json!({
        "event": "error",
        "code": error.code.as_str(),
        "what": error.what,
        "where": error.place,
        "found": error.found,
        "wanted": error.wanted,
        "next": error.next,
        "exit": error.code.exit() as i32,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Code;

    /// A part of the error that is not shown leaves a person guessing.
    #[test]
    fn every_part_is_shown() {
        let error = PackError::new(Code::SourceLayerDigestMismatch, "w")
            .at("p")
            .found("f")
            .wanted("v")
            .next("n");
        assert_eq!(
            error_text(&error),
            "error[source.layer_digest_mismatch]: w\n  where:  p\n  found:  f\n  wanted: v\n  next:   n\n"
        );
        let json = error_json(&error);
        assert_eq!(json["exit"], 10);
        assert_eq!(json["where"], "p");
    }
}
