//! What the documents say, held against the programs: codes, exits, commands,
//! examples, paths. A document that lies is worse than none, since people follow it.

mod commands;
mod errors;
mod examples;
mod links;
mod markdown;
mod schemas;

use std::fs;

use caisson_tests::programs::workspace;

/// A document of the project, by its path in the repository.
fn document(path: &str) -> String {
    fs::read_to_string(workspace().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// Documents that people read to use the programs.
const FOR_USERS: [&str; 2] = ["README.md", "format-spec/ERRORS.md"];
