//! The library against every vector, and the runner against readers that are wrong.

use std::fs;
use std::path::{Path, PathBuf};

use edgepkg_vectors::program::Program;
use edgepkg_vectors::{ExpectedFailures, Outcome, Suite, expected_failures, library, run};

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../vectors")
}

fn suite() -> Suite {
    Suite::read(&folder()).expect("the committed vectors")
}

/// A reader that takes what it must refuse, releases what it has not checked, or
/// a writer with a second spelling shows here.
#[test]
fn the_library_passes_every_vector() {
    let suite = suite();
    let outcome = run(
        &suite,
        &|_| true,
        &ExpectedFailures::new(),
        &mut library::check,
    );
    assert_eq!(outcome.failures, Vec::<String>::new());
    assert_eq!(outcome.run, suite.vectors.len());
}

fn run_program(command: &str, expected: &str) -> Outcome {
    let mut program = Program::parse(command).expect("a command");
    program.must_say_code = true;
    let expected = expected_failures(expected).expect("a list");
    let mut check = |suite: &Suite, vector: &_| program.check(suite, vector);
    run(
        &suite(),
        &|vector| vector.name.contains("format_version_"),
        &expected,
        &mut check,
    )
}

/// A runner that passes every program proves nothing.
#[test]
fn wrong_programs_fail() {
    let always_yes = run_program("true {}", "");
    assert_eq!(always_yes.failures.len(), always_yes.run);
    assert!(
        always_yes.failures[0].contains("accepted"),
        "{:?}",
        always_yes.failures
    );
    let without_code = run_program("false {}", "");
    assert_eq!(without_code.failures.len(), without_code.run);
    let missing = run_program("./no-such-program {}", "");
    assert_eq!(missing.failures.len(), missing.run);
    assert!(Program::parse(" ").is_err(), "no program");
}

/// A program that dies or hangs has not refused the package.
#[test]
fn programs_that_die_or_hang_fail() {
    let folder = tempfile::tempdir().expect("a folder");
    let script = |name: &str, text: &str| {
        let path = folder.path().join(name);
        fs::write(&path, text).expect("a script");
        format!("sh {} {{}}", path.display())
    };
    let died = run_program(&script("die", "kill -SEGV $$"), "");
    assert!(
        died.failures[0].contains("by itself"),
        "{:?}",
        died.failures
    );
    let mut program = Program::parse(&script("hang", "exec sleep 60")).expect("a command");
    program.timeout = std::time::Duration::from_millis(200);
    let suite = suite();
    let failure = program
        .check(&suite, &suite.vectors[0])
        .expect_err("it hangs");
    assert!(failure.contains("no end"), "{failure}");
    let says = script(
        "says",
        "echo talk; echo '{\"code\":\"pkg.format_version_unsupported\"}'; exit 3",
    );
    let said = run_program(&says, "");
    assert!(!said.failures.is_empty() && said.failures.len() < said.run);
}

/// A program that reads a pipe can't know the size of the file: it has other codes
/// to say, and parts can't be given to it.
#[test]
fn programs_may_read_a_pipe() {
    let folder = tempfile::tempdir().expect("a folder");
    let script = folder.path().join("says");
    let text = "cat >/dev/null; echo '{\"code\":\"pkg.end_not_zero\"}'; exit 1";
    fs::write(&script, text).expect("a script");
    let mut program = Program::parse(&format!("sh {}", script.display())).expect("a command");
    program.must_say_code = true;
    let suite = suite();
    let vector = |name: &str| {
        let found = suite.vectors.iter().find(|vector| vector.name == name);
        found.expect("a vector of this name")
    };
    let extra = vector("end_with_another_entry");
    assert_eq!(program.check(&suite, extra), Ok(()));
    program.words.push("{}".to_owned());
    let failure = program
        .check(&suite, extra)
        .expect_err("another code for a file");
    assert!(failure.contains("pkg.trailing_bytes"), "{failure}");
    assert!(program.takes(vector("parts_three")));
    program.words.pop();
    assert!(!program.takes(vector("parts_three")));
}

/// An expected failure that is none any more would hide the next real one.
#[test]
fn expected_failures_must_fail() {
    let yes = run_program("true {}", "format_version_1: says yes to all");
    assert_eq!((yes.expected, yes.failures.len()), (1, yes.run - 1));
    let unknown = run_program("true {}", "nothing: no such vector");
    assert_eq!(unknown.failures.len(), unknown.run + 1);
    assert!(expected_failures("name").is_err() && expected_failures("a: b\na: c").is_err());
    let suite = suite();
    let expected = expected_failures("format_version_1: no longer\n# said").expect("a list");
    let outcome = run(
        &suite,
        &|vector| vector.name == "format_version_1",
        &expected,
        &mut library::check,
    );
    assert!(
        outcome.failures[0].contains("passes"),
        "{:?}",
        outcome.failures
    );
}

/// A file without a vector, a vector without a file or a member that nobody
/// knows would each be something that is not run.
#[test]
fn a_folder_that_is_not_its_index_is_refused() {
    let copy = tempfile::tempdir().expect("a folder");
    let accept = copy.path().join("accept");
    fs::create_dir_all(&accept).expect("a folder");
    fs::create_dir_all(copy.path().join("reject")).expect("a folder");
    fs::copy(
        folder().join("accept/smallest.edgepkg"),
        accept.join("smallest.edgepkg"),
    )
    .expect("a copy");
    let index = |more: &str| {
        let row = format!(
            r#"{{"name":"smallest","file":"accept/smallest.edgepkg","musts":["M1"],"sentence":"s.","expect":"accept","manifest_digest":"x"{more}}}"#
        );
        let text =
            format!(r#"{{"$schema":"x","index_version":1,"format_version":2,"vectors":[{row}]}}"#);
        fs::write(copy.path().join("index.json"), text).expect("an index");
        Suite::read(copy.path())
    };
    assert!(index("").is_ok());
    assert!(index(r#","later":1"#).unwrap_err().contains("later"));
    fs::write(accept.join("stray.edgepkg"), b"x").expect("a file");
    assert!(index("").unwrap_err().contains("stray"));
    fs::remove_file(accept.join("stray.edgepkg")).expect("a file");
    fs::remove_file(accept.join("smallest.edgepkg")).expect("a file");
    assert!(index("").unwrap_err().contains("missing"));
}
