//! Values that any TOML reader takes, or that look like such, and that are not
//! in the grammar: one spelling for one value.

use crate::base::{medium, small};
use crate::vector::{Vector, vectors};

const BAD: &str = "manifest.bad_value";
const LIMIT: &str = "manifest.limit_exceeded";

/// The medium package with an edited manifest: the edited line decides.
fn value(from: &str, to: &str, element: &str) -> Vector {
    medium()
        .package()
        .edit(from, to)
        .refuse_line(8, BAD, &[10, 12])
        .element(element)
}

/// The same where the text stands there more than once: its first place.
fn first(from: &str, to: &str, element: &str) -> Vector {
    medium()
        .package()
        .edit_first(from, to)
        .refuse_line(8, BAD, &[10, 12])
        .element(element)
}

/// Another value of a note.
fn note(to: &str, element: &str) -> Vector {
    value(
        "changes = \"faster start\"",
        &format!("changes = {to}"),
        element,
    )
}

/// Another spelling of the layer's digest.
fn digest(element: &str, to: impl FnOnce(&str) -> String) -> Vector {
    let package = small().package();
    let line = package
        .text()
        .lines()
        .find(|line| line.starts_with("diff_id = "));
    let line = line.expect("a layer").to_owned();
    let digest = line
        .trim_start_matches("diff_id = \"")
        .trim_end_matches('"');
    let to = format!("diff_id = {}", to(digest));
    package
        .edit(&line, &to)
        .refuse_line(8, BAD, &[10, 12])
        .element(element)
}

vectors! {
    /// An integer with a plus sign.
    fn integer_plus() -> Vector {
        value("mtime = 1704067200", "mtime = +1704067200", "sign")
    }

    /// An integer below zero.
    fn integer_minus() -> Vector {
        value("release = 7", "release = -7", "sign")
    }

    /// An integer with a leading zero.
    fn integer_leading_zero() -> Vector {
        value("release = 7", "release = 07", "leading zero")
    }

    /// An integer with an underscore between its digits.
    fn integer_underscore() -> Vector {
        value("mtime = 1704067200", "mtime = 1_704_067_200", "underscore")
    }

    /// A hexadecimal integer.
    fn integer_hexadecimal() -> Vector {
        value("release = 7", "release = 0x7", "hexadecimal")
    }

    /// A number with a fraction.
    fn integer_with_fraction() -> Vector {
        value("release = 7", "release = 7.0", "fraction")
    }

    /// A number with an exponent.
    fn integer_with_exponent() -> Vector {
        first("size = 30\n", "size = 3e1\n", "exponent")
    }

    /// A date.
    fn integer_as_date() -> Vector {
        value("mtime = 1704067200", "mtime = 2024-01-01T00:00:00Z", "date")
    }

    /// Digits of another script, which some number parsers take.
    fn integer_other_digits() -> Vector {
        value("release = 7", "release = \u{667}", "other digits")
    }

    /// An integer in quotes.
    fn integer_quoted() -> Vector {
        first("size = 30\n", "size = \"30\"\n", "quoted")
    }

    /// No value at all.
    fn integer_empty() -> Vector {
        value("release = 7", "release = ", "empty")
    }

    /// A space after the value.
    fn integer_trailing_space() -> Vector {
        value("release = 7", "release = 7 ", "trailing space")
    }

    /// A comment after the value.
    fn integer_trailing_comment() -> Vector {
        value("release = 7", "release = 7 # seven", "comment")
    }

    /// One above the greatest integer: a reader that keeps numbers as doubles takes it for another.
    fn integer_above_2_53() -> Vector {
        let package = medium().package().edit("release = 7", "release = 9007199254740992");
        package.refuse_line(8, LIMIT, &[9, 12]).element("2^53")
    }

    /// A number that does not fit 64 bits, whose low bits are the right value.
    fn integer_above_2_64() -> Vector {
        let package = medium().package().edit_first("size = 30\n", "size = 18446744073709551646\n");
        package.refuse_line(8, LIMIT, &[9, 12]).element("2^64 + 30")
    }

    /// A text in single quotes.
    fn text_in_single_quotes() -> Vector {
        value("package_version = \"1.2.0\"", "package_version = '1.2.0'", "single quotes")
    }

    /// A text in three quotes.
    fn text_in_three_quotes() -> Vector {
        note("\"\"\"faster start\"\"\"", "three quotes")
    }

    /// A text without quotes.
    fn text_without_quotes() -> Vector {
        value("package_type = \"service\"", "package_type = service", "no quotes")
    }

    /// A text without its last quote.
    fn text_without_end() -> Vector {
        first("service = \"web\"", "service = \"web", "no end")
    }

    /// A text's last quote is escaped, so that the text does not end.
    fn text_with_escaped_end() -> Vector {
        note("\"faster start\\\"", "escaped end")
    }

    /// A quote stands in the text without its escape.
    fn text_with_bare_quote() -> Vector {
        note("\"faster\"start\"", "bare quote")
    }

    /// A line feed ends a text too early, and the next line goes on with it.
    fn text_with_line_feed() -> Vector {
        note("\"faster\nstart\"", "line feed")
    }

    /// A tab stands in a text as itself, which TOML allows.
    fn text_with_tab() -> Vector {
        note("\"faster\tstart\"", "tab")
    }

    /// A letter as a Unicode escape: the same text in a second spelling.
    fn text_with_unicode_escape() -> Vector {
        let mut vector = note("\"\\u0066aster start\"", "escape u");
        vector.musts.push(13);
        vector
    }

    /// An escape that TOML has and this grammar does not: a carriage return.
    fn text_with_other_escape() -> Vector {
        note("\"faster\\rstart\"", "escape r")
    }

    /// An escaped slash, as JSON allows.
    fn text_with_escaped_slash() -> Vector {
        first("image = \"web:1\"", "image = \"team\\/web:1\"", "escaped slash")
    }

    /// A control character that moves a terminal's cursor.
    fn text_with_escape_character() -> Vector {
        note("\"faster \x1b[2Jstart\"", "U+001B")
    }

    /// A zero character, where a program in C sees the end.
    fn text_with_zero() -> Vector {
        value("built-by = \"ci\"", "built-by = \"ci\0\"", "U+0000")
    }

    /// The control character that deletes.
    fn text_with_delete() -> Vector {
        note("\"faster\x7fstart\"", "U+007F")
    }

    /// A control character above ASCII: the next line of Unicode, which some readers take for a line's end.
    fn text_with_next_line() -> Vector {
        note("\"faster\u{85}start\"", "U+0085")
    }

    /// A space after a text.
    fn text_trailing_space() -> Vector {
        value("engine_api_min = \"1.41\"", "engine_api_min = \"1.41\" ", "trailing space")
    }

    /// `live_names` is false: what is not so is not there.
    fn live_names_false() -> Vector {
        value("mtime = 1704067200\n", "mtime = 1704067200\nlive_names = false\n", "false")
    }

    /// `live_names` is in upper case.
    fn live_names_upper_case() -> Vector {
        value("mtime = 1704067200\n", "mtime = 1704067200\nlive_names = True\n", "True")
    }

    /// A digest in upper case.
    fn digest_upper_case() -> Vector {
        digest("upper case", |digest| format!("\"{}\"", digest.to_uppercase().replace("SHA", "sha")))
    }

    /// A digest of another algorithm's name.
    fn digest_other_algorithm() -> Vector {
        digest("algorithm", |digest| format!("\"{}\"", digest.replace("sha256", "sha512")))
    }

    /// A digest without its algorithm.
    fn digest_without_algorithm() -> Vector {
        digest("no algorithm", |digest| format!("\"{}\"", &digest[7..]))
    }

    /// A digest with a digit too few.
    fn digest_too_short() -> Vector {
        digest("63 digits", |digest| format!("\"{}\"", &digest[..70]))
    }

    /// A digest with a digit too many.
    fn digest_too_long() -> Vector {
        digest("65 digits", |digest| format!("\"{digest}0\""))
    }

    /// A digest with an escape for one of its characters' place.
    fn digest_with_escape() -> Vector {
        digest("escape", |digest| format!("\"{}\\n\"", &digest[..70]))
    }
}
