//! Every code is explained, and seen by a test.

use caisson_pack::error::Code;

const ERRORS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../format-spec/ERRORS.md");

/// A code nobody can look up is no better than none, and one with another exit
/// status than the one that is written down misleads scripts.
#[test]
fn every_code_is_explained() {
    let explained = std::fs::read_to_string(ERRORS).expect("ERRORS.md is there");
    for code in Code::ALL {
        let heading = format!("### `{}`\n", code.as_str());
        let Some((_, section)) = explained.split_once(&heading) else {
            panic!("ERRORS.md does not explain {}", code.as_str());
        };
        let section = section.split("\n#").next().unwrap_or(section);
        let exit = format!("\nExit: {}.\nDo: ", code.exit() as i32);
        assert!(section.contains(&exit), "{} lacks {exit}", code.as_str());
    }
}

/// Codes that no test can bring about without a broken disk or a bug.
const BEYOND_TESTS: [&str; 3] = [
    "internal.bug",
    "source.read_failed",
    "build.self_check_failed",
];

/// A code without a test may never be given, or be given for something else.
#[test]
fn every_code_is_seen_by_a_test() {
    let tests = [
        include_str!("choices.rs"),
        include_str!("contents.rs"),
        include_str!("damage.rs"),
        include_str!("diff/foreign.rs"),
        include_str!("extract/mod.rs"),
        include_str!("hostile/entries.rs"),
        include_str!("engine.rs"),
        include_str!("hostile/images.rs"),
        include_str!("hostile/layouts.rs"),
        include_str!("hostile/mod.rs"),
        include_str!("output.rs"),
        include_str!("split.rs"),
    ]
    .concat();
    for code in Code::ALL {
        let text = code.as_str();
        let seen = tests.contains(&format!("\"{text}\""));
        assert_eq!(seen, !BEYOND_TESTS.contains(&text), "{text}");
    }
}
