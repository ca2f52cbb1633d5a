//! The runner: holds a reader against the vectors, either this project's
//! library ([`library`]) or any program ([`program`]).
//!
//! It knows the vectors only by their folder and index, as anybody else does.

#![forbid(unsafe_code)]

pub mod library;
pub mod program;
mod suite;

pub use suite::{Depth, Reject, Released, Suite, Vector, Verdict};

use std::collections::BTreeMap;

/// Vectors that a reader is known to fail, with the reason for each.
pub type ExpectedFailures = BTreeMap<String, String>;

/// Lines of `name: reason`; empty lines and those that begin with `#` say nothing.
///
/// # Errors
/// A line without a reason, or a name that stands there twice.
pub fn expected_failures(text: &str) -> Result<ExpectedFailures, String> {
    let mut expected = BTreeMap::new();
    for line in text.lines().map(str::trim) {
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let (name, reason) = line
            .split_once(':')
            .map(|(name, reason)| (name.trim(), reason.trim()))
            .filter(|(name, reason)| !name.is_empty() && !reason.is_empty())
            .ok_or_else(|| format!("no `name: reason`: {line}"))?;
        if expected
            .insert(name.to_owned(), reason.to_owned())
            .is_some()
        {
            return Err(format!("stands there twice: {name}"));
        }
    }
    Ok(expected)
}

/// What became of a run.
#[derive(Debug, Default)]
pub struct Outcome {
    /// Vectors that were run.
    pub run: usize,
    /// A line for each failure: name and what is wrong.
    pub failures: Vec<String>,
    /// Vectors that failed and were expected to.
    pub expected: usize,
}

/// Runs a check on each vector that is wanted.
pub fn run(
    suite: &Suite,
    is_wanted: &dyn Fn(&Vector) -> bool,
    expected: &ExpectedFailures,
    check: &mut dyn FnMut(&Suite, &Vector) -> Result<(), String>,
) -> Outcome {
    let mut outcome = Outcome::default();
    for name in expected.keys() {
        if suite.vectors.iter().all(|vector| vector.name != *name) {
            let failure = format!("{name}: expected to fail, and there is no such vector");
            outcome.failures.push(failure);
        }
    }
    for vector in &suite.vectors {
        if !is_wanted(vector) {
            continue;
        }
        outcome.run += 1;
        match (check(suite, vector), expected.get(&vector.name)) {
            (Ok(()), None) => {}
            (Err(_), Some(_)) => outcome.expected += 1,
            (Err(why), None) => outcome.failures.push(format!("{}: {why}", vector.name)),
            (Ok(()), Some(reason)) => outcome.failures.push(format!(
                "{}: passes, and was expected to fail ({reason})",
                vector.name
            )),
        }
    }
    outcome
}
