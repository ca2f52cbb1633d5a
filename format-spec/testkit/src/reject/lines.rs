//! Lines of the manifest that are there and must not be, are not there and must
//! be, or stand where they must not.

use crate::base::{medium, small};
use crate::vector::{Vector, vectors};

const MISSING: &str = "manifest.missing_key";
const UNKNOWN: &str = "manifest.unknown_key";
const NOT_CANONICAL: &str = "manifest.not_canonical";

/// The medium package with an edited manifest: the edited line decides.
fn edited(from: &str, to: &str, code: &str) -> Vector {
    medium()
        .package()
        .edit(from, to)
        .refuse_line(8, code, &[12])
}

/// The same where the text stands there more than once: its first place.
fn edited_first(from: &str, to: &str, code: &str) -> Vector {
    medium()
        .package()
        .edit_first(from, to)
        .refuse_line(8, code, &[12])
}

/// The line of this text decides.
fn at_line_of(from: &str, to: &str, text: &str, code: &str) -> Vector {
    let package = medium().package().edit_first(from, to);
    let at = package.text().find(text).expect("a line of the manifest");
    let line = package.text()[..at].matches('\n').count() + 1;
    package.refuse(8, code, &[12], &format!("manifest.toml, line {line}"))
}

vectors! {
    /// The manifest is no UTF-8: a note has a byte that no character has.
    fn manifest_not_utf_8() -> Vector {
        let package = medium().package().edit_bytes(b"faster start", b"faster \xfftart");
        let at = package.manifest.iter().position(|byte| *byte == 0xff).expect("it was put there");
        package.refuse(8, NOT_CANONICAL, &[12], &format!("manifest.toml, byte {at}"))
    }

    /// A note has a surrogate in UTF-8's form, which is no UTF-8.
    fn manifest_with_surrogate() -> Vector {
        let package = medium().package().edit_bytes(b"\"ci\"", b"\"\xed\xa0\x80\"");
        let at = package.manifest.iter().position(|byte| *byte == 0xed).expect("it was put there");
        package.refuse(8, NOT_CANONICAL, &[12], &format!("manifest.toml, byte {at}"))
    }

    /// The last line has no line feed.
    fn last_line_without_line_feed() -> Vector {
        let mut package = medium().package();
        package.manifest.pop();
        package.refuse(8, NOT_CANONICAL, &[12], "manifest.toml")
    }

    /// There is no `package_type`.
    fn key_missing_at_top() -> Vector {
        edited("package_type = \"service\"\n", "", MISSING)
    }

    /// There is no `mtime`.
    fn key_missing_before_table() -> Vector {
        edited("mtime = 1704067200\n", "", MISSING)
    }

    /// A service has no revision.
    fn key_missing_in_service() -> Vector {
        edited_first("service_revision = \"r1\"\n", "", MISSING)
    }

    /// An image has no `engine_manifest`.
    fn key_missing_in_image() -> Vector {
        let text = medium().package().text().to_owned();
        let line = text.lines().find(|line| line.starts_with("engine_manifest")).expect("a line");
        edited(&format!("{line}\n"), "", MISSING)
    }

    /// A layer has no `diff_size`.
    fn key_missing_in_layer() -> Vector {
        edited_first("diff_size = 2048\n", "", MISSING)
    }

    /// The manifest ends after `size` of `[chunks]`.
    fn key_missing_at_the_end() -> Vector {
        let package = medium().package();
        let last = package.text().lines().last().expect("a last line").to_owned();
        package.edit_last(&format!("{last}\n"), "").refuse_line(8, MISSING, &[12])
    }

    /// A table's header stands where a key must, without an empty line before it.
    fn key_missing_before_header() -> Vector {
        at_line_of("service_revision = \"r1\"\n", "[[images]]\n", "[[images]]\n", MISSING).element("header")
    }

    /// Two keys have changed places. Any TOML reader takes both orders.
    fn keys_out_of_order() -> Vector {
        edited(
            "package_type = \"service\"\npackage_version = \"1.2.0\"\n",
            "package_version = \"1.2.0\"\npackage_type = \"service\"\n",
            MISSING,
        )
        .element("a later key")
    }

    /// An optional key stands before the one it must follow.
    fn optional_key_out_of_order() -> Vector {
        at_line_of(
            "release = 7\nmtime = 1704067200\n",
            "mtime = 1704067200\nrelease = 7\n",
            "release = 7",
            NOT_CANONICAL,
        )
    }

    /// A key stands there twice with the same value.
    fn key_twice() -> Vector {
        at_line_of("mtime = 1704067200\n", "mtime = 1704067200\nmtime = 1704067200\n", "mtime = 1704067200\n\n", NOT_CANONICAL)
    }

    /// A required key of a table stands there twice.
    fn key_twice_in_service() -> Vector {
        edited_first(
            "service = \"web\"\nservice_revision",
            "service = \"web\"\nservice = \"web\"\nservice_revision",
            MISSING,
        )
        .element("the key before it")
    }

    /// A key that version 2 does not have, at the top.
    fn key_unknown_at_top() -> Vector {
        edited("mtime = ", "vendor = \"x\"\nmtime = ", UNKNOWN)
    }

    /// A key that version 2 does not have, after an image's last key.
    fn key_unknown_in_image() -> Vector {
        edited_first("\n\n[[images.layers]]", "\ncreated = 0\n\n[[images.layers]]", UNKNOWN)
    }

    /// A key of an entry is spelled in upper case.
    fn key_in_upper_case() -> Vector {
        edited_first("path = \"index.json\"", "Path = \"index.json\"", UNKNOWN)
    }

    /// A key stands in quotes, as TOML allows.
    fn key_quoted() -> Vector {
        edited("package_version = ", "\"package_version\" = ", NOT_CANONICAL)
    }

    /// A table's key is spelled with a dot at the top.
    fn key_dotted() -> Vector {
        edited("mtime = ", "compatibility.engine_api_min = \"1.41\"\nmtime = ", NOT_CANONICAL)
            .element("dotted key")
    }

    /// No spaces around the sign.
    fn key_without_spaces() -> Vector {
        edited("release = 7", "release=7", NOT_CANONICAL)
    }

    /// Two spaces before the sign.
    fn key_with_two_spaces() -> Vector {
        edited_first("image = \"web:1\"", "image  = \"web:1\"", NOT_CANONICAL)
    }

    /// A tab stands for the space before the sign.
    fn key_with_tab() -> Vector {
        edited("engine_api_min = ", "engine_api_min\t= ", NOT_CANONICAL)
    }

    /// A line is indented.
    fn line_indented() -> Vector {
        edited("min_updater_version = ", "  min_updater_version = ", NOT_CANONICAL)
    }

    /// A comment stands on a line of its own.
    fn comment_line() -> Vector {
        edited("package_type = ", "# the type\npackage_type = ", NOT_CANONICAL)
    }

    /// A comment stands between two tables.
    fn comment_between_tables() -> Vector {
        edited_first("\n\n[[services]]", "\n# services\n\n[[services]]", NOT_CANONICAL)
    }

    /// A second empty line stands before a table.
    fn empty_line_twice() -> Vector {
        at_line_of("\n\n[[images]]", "\n\n\n[[images]]", "\n[[images]]", MISSING)
    }

    /// No empty line stands before a table.
    fn empty_line_missing() -> Vector {
        edited_first("\n\n[[services]]\nservice = \"db\"", "\n[[services]]\nservice = \"db\"", NOT_CANONICAL)
    }

    /// An empty line stands within a table.
    fn empty_line_in_table() -> Vector {
        edited_first("platform = \"linux/amd64\"\n", "\nplatform = \"linux/amd64\"\n", MISSING)
    }

    /// An empty line ends the manifest.
    fn empty_line_at_the_end() -> Vector {
        let package = medium().package();
        let last = package.text().lines().last().expect("a last line").to_owned();
        let package = package.edit_last(&format!("{last}\n"), &format!("{last}\n\n"));
        package.refuse_line(8, NOT_CANONICAL, &[12])
    }

    /// A comment ends the manifest.
    fn comment_at_the_end() -> Vector {
        let package = small().package();
        let last = package.text().lines().last().expect("a last line").to_owned();
        let package = package.edit_last(&format!("{last}\n"), &format!("{last}\n# end\n"));
        package.refuse_line(8, NOT_CANONICAL, &[12])
    }

    /// A table that version 2 does not have, before the services.
    fn table_unknown() -> Vector {
        at_line_of("\n\n[[services]]", "\n\n[vendor]\nx = 1\n\n[[services]]", "[vendor]", UNKNOWN)
    }

    /// A table that version 2 does not have, after the last one.
    fn table_unknown_at_the_end() -> Vector {
        let package = medium().package();
        let last = package.text().lines().last().expect("a last line").to_owned();
        let package = package.edit_last(&format!("{last}\n"), &format!("{last}\n\n[signature]\nx = 1\n"));
        let line = package.text().matches('\n').count() - 1;
        package.refuse(8, UNKNOWN, &[12], &format!("manifest.toml, line {line}"))
    }

    /// A table's header has spaces inside its brackets.
    fn table_header_with_spaces() -> Vector {
        at_line_of("[notes]", "[ notes ]", "[ notes ]", UNKNOWN)
    }

    /// A list's header has one pair of brackets: one service as a plain table.
    fn table_instead_of_list() -> Vector {
        at_line_of("\n[[services]]", "\n[services]", "[services]", UNKNOWN).element("[services]")
    }

    /// A table is written inline.
    fn table_inline() -> Vector {
        edited("\n[compatibility]\n", "compatibility = { engine_api_min = \"1.41\" }\n\n[compatibility]\n", UNKNOWN)
    }

    /// The tables of images stand before those of services.
    fn tables_out_of_order() -> Vector {
        let package = small().package();
        let text = package.text().to_owned();
        let services = text.find("\n[[services]]").expect("services");
        let images = text.find("\n[[images]]").expect("images");
        let entries = text.find("\n[[entries]]").expect("entries");
        let from = &text[services..entries];
        let to = [&text[images..entries], &text[services..images]].concat();
        let line = text[..services].matches('\n').count() + 2;
        package.edit(from, &to).refuse(8, MISSING, &[12], &format!("manifest.toml, line {line}"))
    }

    /// The table of notes stands there twice.
    fn table_twice() -> Vector {
        at_line_of("\n\n[[services]]", "\n\n[notes]\nlater = \"\"\n\n[[services]]", "[notes]\nlater", MISSING)
    }

    /// `[compatibility]` has no key.
    fn table_without_keys() -> Vector {
        edited("min_updater_version = \"0.2.0\"\nengine_api_min = \"1.41\"\n", "", MISSING)
    }

    /// `[notes]` has no note.
    fn notes_without_a_note() -> Vector {
        edited("built-by = \"ci\"\nchanges = \"faster start\"\n", "", MISSING)
    }

    /// There is no service.
    fn services_missing() -> Vector {
        let package = small().package();
        let text = package.text().to_owned();
        let services = text.find("\n[[services]]").expect("services");
        let images = text.find("\n[[images]]").expect("images");
        let line = text[..services].matches('\n').count() + 2;
        let package = package.edit(&text[services..images], "");
        package.refuse(8, MISSING, &[12, 20], &format!("manifest.toml, line {line}"))
    }

    /// An image has no layer.
    fn layers_missing() -> Vector {
        let package = small().package();
        let text = package.text().to_owned();
        let layers = text.find("\n[[images.layers]]").expect("layers");
        let entries = text.find("\n[[entries]]").expect("entries");
        let line = text[..layers].matches('\n').count() + 2;
        let package = package.edit(&text[layers..entries], "");
        package.refuse(8, MISSING, &[12, 26], &format!("manifest.toml, line {line}"))
    }

    /// The manifest ends after the entries.
    fn chunks_missing() -> Vector {
        let package = medium().package();
        let text = package.text().to_owned();
        let chunks = text.find("\n[chunks]").expect("chunks");
        let line = text[..chunks].matches('\n').count() + 1;
        let package = package.edit(&text[chunks..], "");
        package.refuse(8, MISSING, &[12], &format!("manifest.toml, line {line}"))
    }

    /// Two notes have the same key.
    fn note_twice() -> Vector {
        edited("changes = ", "built-by = ", "manifest.duplicate")
    }

    /// Two notes are not in ascending order of their keys.
    fn notes_out_of_order() -> Vector {
        edited("changes = ", "a = ", NOT_CANONICAL)
    }

    /// A note's value is a number.
    fn note_as_number() -> Vector {
        edited("built-by = \"ci\"", "built-by = 7", "manifest.bad_value")
    }
}
