//! The committed vectors are those that the testkit makes, no two of them are
//! alike, and together they show every rule and every code.

use std::collections::{BTreeMap, BTreeSet};

use edgepkg_testkit::coverage::{WITHOUT_VECTOR, codes_of, musts};
use edgepkg_testkit::{SPEC, Vector, Verdict, committed, differences, vectors};

/// Codes of the format that no file brings about, each with the reason.
const WITHOUT_FILE: &[(&str, &str)] = &[(
    "pkg.read_failed",
    "the disk or the pipe fails, not the file: format-spec/tests/package/codes.rs",
)];

/// Vectors that were changed by hand, or a testkit that was changed without
/// writing them again, would leave two truths.
#[test]
fn the_committed_vectors_are_those_that_are_made() {
    let differences = differences(&committed()).expect("the folder can be read");
    assert!(
        differences.is_empty(),
        "run `cargo run -p edgepkg-testkit -- write`:\n{}",
        differences.join("\n")
    );
}

/// A testkit that asks the reader or the writer what is right would confirm their
/// mistakes.
#[test]
fn the_testkit_shares_no_code_with_what_it_tests() {
    let (_, dependencies) = include_str!("../Cargo.toml")
        .split_once("\n[dependencies]\n")
        .expect("a list of dependencies");
    let names = dependencies
        .lines()
        .filter_map(|line| line.split_once(" = "));
    let names: Vec<&str> = names.map(|(name, _)| name).collect();
    assert_eq!(names, ["serde_json", "sha2"]);
}

/// Two vectors for one defect would be counted as two.
#[test]
fn no_two_vectors_are_alike() {
    let mut names = BTreeSet::new();
    let mut defects: BTreeMap<_, String> = BTreeMap::new();
    let mut alike = Vec::new();
    for vector in vectors() {
        assert!(names.insert(vector.name.clone()), "{} twice", vector.name);
        assert!(!vector.musts.is_empty() && vector.sentence.ends_with('.'));
        if let Verdict::Reject(refusal) = vector.verdict {
            let element = refusal.element.clone().unwrap_or_default();
            let defect = (refusal.code, vector.musts, refusal.place, element);
            if let Some(other) = defects.insert(defect, vector.name.clone()) {
                alike.push(format!("{} and {other}", vector.name));
            }
        }
    }
    assert!(alike.is_empty(), "alike: {alike:#?}");
}

/// The set must not shrink unnoticed.
#[test]
fn there_are_enough_vectors() {
    let all = vectors();
    let accept = all.iter().filter(|vector| is_accept(vector)).count();
    let reject = all.len() - accept;
    assert!(accept >= 25 && reject >= 100, "{accept} and {reject}");
}

/// A rule that no vector shows could be broken by everybody.
#[test]
fn every_rule_has_a_vector_or_a_reason() {
    let all = vectors();
    let covered: BTreeSet<u32> = all.iter().flat_map(|vector| vector.musts.clone()).collect();
    let defined: BTreeSet<u32> = musts(SPEC).into_iter().collect();
    assert!(defined.len() > 40, "SPEC.md numbers its rules");
    for must in &covered {
        assert!(defined.contains(must), "SPEC.md has no M{must}");
    }
    for must in defined {
        let excused = WITHOUT_VECTOR.iter().any(|(known, _)| *known == must);
        assert_ne!(
            covered.contains(&must),
            excused,
            "M{must}: either a vector or a reason why there is none"
        );
    }
}

/// A code that no vector gives is not known to mean the same to two readers.
#[test]
fn every_code_has_a_vector_or_a_reason() {
    let all = vectors();
    let covered: BTreeSet<&str> = all.iter().flat_map(codes_of).collect();
    let errors = include_str!("../../ERRORS.md");
    let format = errors
        .split("\n## Codes of the build tool")
        .next()
        .expect("a first part");
    let headings = format.lines().filter_map(|line| {
        let code = line.strip_prefix("### `")?.strip_suffix('`')?;
        (code.starts_with("pkg.") || code.starts_with("manifest.")).then_some(code)
    });
    let defined: BTreeSet<&str> = headings.collect();
    assert!(defined.len() >= 30, "ERRORS.md explains the codes");
    assert!(covered.is_subset(&defined), "a code that ERRORS.md lacks");
    for code in defined {
        let excused = WITHOUT_FILE.iter().any(|(known, _)| *known == code);
        assert_ne!(
            covered.contains(code),
            excused,
            "{code}: either a vector or a reason why there is none"
        );
    }
}

fn is_accept(vector: &Vector) -> bool {
    matches!(vector.verdict, Verdict::Accept { .. })
}
