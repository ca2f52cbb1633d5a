//! The house rules that a compiler doesn't check: sizes of files and functions,
//! names, left-over macros, long lines, notes without an issue, paths of one machine.
//!
//! Reads the sources as text, so it needs neither git nor a build; `scan` tells
//! code from strings and comments. Not checked: what rustfmt or clippy see.

mod scan;

use std::fs;
use std::path::{Path, PathBuf};

use scan::{Line, scan};

const FILE_LINES_MAX: usize = 400;
const FUNCTION_LINES_MAX: usize = 70;
/// A test may tell a longer story in one piece.
const TEST_FUNCTION_LINES_MAX: usize = 100;
const LINE_CHARS_MAX: usize = 140;

/// What a module comment says in a file that may be longer.
const LONG_FILE_WORDS: &str = "over 400 lines because";

/// Functions that may be longer: file, name, reason. Empty is the aim; an entry
/// that is no longer needed is an offence, too.
const LONG_FUNCTIONS: &[(&str, &str, &str)] = &[];

/// Names that say nothing about what is inside.
const EMPTY_NAMES: &[&str] = &[
    "util", "utils", "helper", "helpers", "common", "misc", "manager", "managers",
];
const LEFT_OVER_MACROS: &[&str] = &["dbg!", "todo!", "unimplemented!"];
/// Crates that read what others wrote.
const WITHOUT_UNSAFE: &[&str] = &["format-spec/src/lib.rs", "caisson-apply/src/lib.rs"];

/// Folders and files that hold no source of ours.
const NOT_OURS: &[&str] = &["target", ".git"];

/// A rule that nobody checks is forgotten within a month; each offence is a line here.
#[test]
fn the_sources_are_tidy() {
    let mut offences = Vec::new();
    let mut rust_files = 0;
    for path in files(workspace()) {
        let name = path
            .strip_prefix(workspace())
            .expect("below the workspace")
            .to_str()
            .expect("names of ours are text")
            .to_owned();
        let bytes = fs::read(&path).expect("a file that was listed");
        let Ok(text) = String::from_utf8(bytes) else {
            continue; // no text: nothing of it is source
        };
        offences.extend(machine_paths(&name, &text));
        if path.extension().is_some_and(|extension| extension == "rs") {
            rust_files += 1;
            offences.extend(rust_offences(&name, &text));
        }
    }
    assert!(
        rust_files > 200,
        "only {rust_files} files: looking in the wrong place"
    );
    offences.extend(idle_exceptions());
    assert!(
        offences.is_empty(),
        "{} offences:\n{}",
        offences.len(),
        offences.join("\n")
    );
}

/// A checker that finds nothing passes every tree.
#[test]
fn each_rule_finds_its_offender() {
    let long_function = format!("fn f() {{\n{}}}\n", "    a();\n".repeat(69));
    let long_test = format!("#[test]\nfn f() {{\n{}}}\n", "    a();\n".repeat(99));
    let offenders = [
        ("a.rs", "//! x\n".repeat(401), "401 lines"),
        ("a.rs", long_function, "`f` has 71 lines"),
        ("a.rs", long_test, "`f` has 101 lines"),
        ("a.rs", "fn f() { dbg!(1); }\n".to_owned(), "dbg!"),
        ("a.rs", "fn f() { todo!() }\n".to_owned(), "todo!"),
        ("src/utils.rs", "\n".to_owned(), "utils"),
        ("helpers/a.rs", "\n".to_owned(), "helpers"),
        ("a.rs", "mod common;\n".to_owned(), "common"),
        (
            "a.rs",
            format!("// {}\n", "x".repeat(138)),
            "141 characters",
        ),
        ("a.rs", format!("// {} later\n", "TODO"), "issue"),
        ("caisson-apply/src/lib.rs", "\n".to_owned(), "forbid"),
    ];
    for (name, text, wanted) in offenders {
        let found = rust_offences(name, &text);
        assert_eq!(found.len(), 1, "{name} {wanted}: {found:?}");
        assert!(found[0].contains(wanted), "{wanted}: {found:?}");
    }
    assert_eq!(machine_paths("a.md", concat!("see /wo", "rk/x")).len(), 1);
}

/// A false alarm would soon be answered with an exception.
#[test]
fn strings_comments_and_good_code_are_no_offence() {
    let fine = [
        format!("//! {LONG_FILE_WORDS} of a table\n{}", "\n".repeat(500)),
        format!("fn f() {{\n{}}}\n", "    a();\n".repeat(68)),
        "fn f() { g(\"dbg!\"); } // not dbg! in a comment\n".to_owned(),
        "const F: fn(u8) = f; // a type, no function\n".to_owned(),
        format!("// {} (#12): with a number\n", "TODO"),
        format!(
            "fn f() {{ let a = '{{'; let b = \"{{\"; let c = r#\"\"{{\"#; }}\n{}",
            "\n".repeat(100)
        ),
        format!("fn f<'a>(x: &'a u8) {{}}\n{}", "\n".repeat(100)),
        format!(
            "/* {{ /* {{ */ */ fn f() {{}}\ntrait T {{ fn g(); }}\n{}",
            "\n".repeat(100)
        ),
    ];
    for text in fine {
        let found = rust_offences("a.rs", &text);
        assert!(found.is_empty(), "{text:.60}: {found:?}");
    }
}

fn workspace() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .expect("tests has a parent")
}

/// Every file below `folder`, in a steady order.
fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).expect("a folder of the workspace") {
            let entry = entry.expect("an entry of a folder");
            let kind = entry.file_type().expect("the kind of an entry");
            // In a second work tree of git, `.git` is a file.
            if NOT_OURS.iter().any(|name| entry.file_name() == *name) {
                continue;
            }
            if kind.is_file() {
                found.push(entry.path());
            } else if kind.is_dir() {
                folders.push(entry.path());
            }
        }
    }
    found.sort();
    found
}

/// Paths that exist on one machine only.
fn machine_paths(name: &str, text: &str) -> Vec<String> {
    let banned = concat!("/wo", "rk/");
    let lines = text.lines().zip(1..);
    lines
        .filter(|(line, _)| line.contains(banned))
        .map(|(_, number)| format!("{name}:{number}: a path of one machine"))
        .collect()
}

fn rust_offences(name: &str, text: &str) -> Vec<String> {
    let lines = scan(text);
    let mut found = Vec::new();
    found.extend(file_size(name, text));
    found.extend(names(name, &lines));
    found.extend(function_sizes(name, &lines));
    for (line, number) in lines.iter().zip(1..) {
        found.extend(line_offences(line).map(|what| format!("{name}:{number}: {what}")));
    }
    for (line, number) in text.lines().zip(1..) {
        let chars = line.chars().count();
        // Exact bytes of a file format are not to be broken.
        if chars > LINE_CHARS_MAX && !line.trim_start().starts_with("r#\"") {
            found.push(format!("{name}:{number}: {chars} characters"));
        }
    }
    if WITHOUT_UNSAFE.contains(&name) && !text.contains("\n#![forbid(unsafe_code)]\n") {
        found.push(format!("{name}: no #![forbid(unsafe_code)]"));
    }
    found
}

fn file_size(name: &str, text: &str) -> Option<String> {
    let count = text.lines().count();
    let excused = text
        .lines()
        .take_while(|line| line.starts_with("//!"))
        .any(|line| line.contains(LONG_FILE_WORDS));
    (count > FILE_LINES_MAX && !excused)
        .then(|| format!("{name}: {count} lines; split it, or say `{LONG_FILE_WORDS}` in its head"))
}

/// Empty names of the file, of its folders and of modules inside it.
fn names(name: &str, lines: &[Line]) -> Vec<String> {
    let stem = name.strip_suffix(".rs").unwrap_or(name);
    let folders = stem.split('/').map(str::to_owned);
    let modules = lines.iter().filter_map(|line| {
        let words = line.code.split_once("mod ")?.1;
        Some(words.split([' ', ';', '{']).next()?.to_owned())
    });
    folders
        .chain(modules)
        .filter(|word| EMPTY_NAMES.contains(&word.as_str()))
        .map(|word| format!("{name}: the name `{word}` says nothing"))
        .collect()
}

fn line_offences(line: &Line) -> impl Iterator<Item = String> {
    let left_over = LEFT_OVER_MACROS
        .iter()
        .filter(|name| line.code.contains(**name))
        .map(|name| format!("{name} is left over"));
    let unnumbered = line.comment.contains("TODO")
        && !line
            .comment
            .split_once('#')
            .is_some_and(|(_, number)| number.starts_with(|c: char| c.is_ascii_digit()));
    let unnumbered = unnumbered.then(|| "a note for later without its issue (#N)".to_owned());
    left_over.chain(unnumbered)
}

fn function_sizes(name: &str, lines: &[Line]) -> Vec<String> {
    let mut found = Vec::new();
    let mut is_test = false;
    for (start, line) in lines.iter().enumerate() {
        let code = line.code.trim();
        if let Some(function) = function_name(code) {
            let count = function_lines(&lines[start..]);
            let limit = if is_test {
                TEST_FUNCTION_LINES_MAX
            } else {
                FUNCTION_LINES_MAX
            };
            if count > limit && !is_excepted(name, function) {
                found.push(format!(
                    "{name}:{}: `{function}` has {count} lines, at most {limit} are allowed",
                    start + 1
                ));
            }
        }
        is_test = code.contains("#[test]") || (is_test && code.starts_with("#["));
    }
    found
}

/// The function that begins in this line.
fn function_name(code: &str) -> Option<&str> {
    let before = code.find("fn ")?;
    let words = code[..before].split_whitespace();
    let modifier = |word: &str| {
        word.starts_with("pub")
            || word.starts_with("in")
            || ["const", "async", "unsafe", "extern"].contains(&word)
    };
    if !words.into_iter().all(modifier) {
        return None;
    }
    let rest = &code[before + "fn ".len()..];
    let end = rest.find(|c: char| !c.is_alphanumeric() && c != '_')?;
    (end > 0).then(|| &rest[..end])
}

/// Lines from a function's first to the one of its closing brace; 1 without a body.
fn function_lines(lines: &[Line]) -> usize {
    let mut depth = 0_usize;
    for (line, count) in lines.iter().zip(1..) {
        for c in line.code.chars() {
            match c {
                ';' if depth == 0 => return count,
                '{' => depth += 1,
                '}' if depth <= 1 => return count,
                '}' => depth -= 1,
                _ => {}
            }
        }
    }
    lines.len()
}

fn is_excepted(file: &str, function: &str) -> bool {
    LONG_FUNCTIONS
        .iter()
        .any(|(in_file, name, _)| *in_file == file && *name == function)
}

/// Exceptions that nothing needs any more.
fn idle_exceptions() -> Vec<String> {
    let needed = |file: &str, function: &str| {
        let text = fs::read_to_string(workspace().join(file)).unwrap_or_default();
        let lines = scan(&text);
        (0..lines.len()).any(|start| {
            function_name(lines[start].code.trim()) == Some(function)
                && function_lines(&lines[start..]) > FUNCTION_LINES_MAX
        })
    };
    LONG_FUNCTIONS
        .iter()
        .filter(|(file, function, _)| !needed(file, function))
        .map(|(file, function, _)| format!("{file}: `{function}` needs no exception any more"))
        .collect()
}
