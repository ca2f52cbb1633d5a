//! ERRORS.md and the exit codes of README against `caisson-apply`.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use caisson_apply::cli::Cli;
use caisson_apply::error::{Code, Exit};
use caisson_tests::programs::workspace;
use clap::CommandFactory as _;

use super::document;
use super::markdown::{blocks, section, table_rows};

const DEVICE_SECTION: &str = "## Codes of the device tool";

/// Codes of our own that are no variant: written where they are used, with the
/// exit of every refused package.
fn written_codes(folder: &Path, found: &mut BTreeSet<String>) {
    for entry in fs::read_dir(folder).expect("a folder of sources") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            written_codes(&path, found);
        } else {
            let text = fs::read_to_string(&path).unwrap_or_default();
            let pieces = text.split("Code::Package(\"").skip(1);
            found.extend(pieces.filter_map(|rest| rest.split('"').next().map(str::to_owned)));
        }
    }
}

/// A code nobody can look up, or one that is looked up with another exit.
#[test]
fn every_code_of_the_device_is_explained() {
    let errors = document("format-spec/ERRORS.md");
    let device = section(&errors, DEVICE_SECTION);
    let mut written = BTreeSet::new();
    written_codes(&workspace().join("caisson-apply/src"), &mut written);
    let format: Vec<&str> = edgepkg::Code::ALL
        .iter()
        .map(|code| code.as_str())
        .collect();
    let own = Code::ALL.iter().map(|code| (code.as_str(), code.exit()));
    let own = own.chain(
        written
            .iter()
            .filter(|code| !format.contains(&code.as_str()))
            .map(|code| (code.as_str(), Exit::PackageRejected)),
    );
    let mut explained: BTreeSet<&str> = device
        .lines()
        .filter_map(|line| line.strip_prefix("### `")?.strip_suffix('`'))
        .collect();
    for (code, exit) in own {
        assert!(explained.remove(code), "{code} is not explained");
        let text = section(device, &format!("### `{code}`"));
        let exit = format!("Exit: {}.", exit as u8);
        for line in [exit.as_str(), "At fault: ", "State: ", "Do: "] {
            let count = text.lines().filter(|has| has.starts_with(line)).count();
            assert_eq!(count, 1, "{code}: {line}");
        }
    }
    assert!(
        explained.is_empty(),
        "explained, but never given: {explained:?}"
    );
}

/// The numbers that begin a row, or that stand in the text.
fn numbers<'a>(words: impl Iterator<Item = &'a str>) -> BTreeSet<u8> {
    words.filter_map(|word| word.parse().ok()).collect()
}

/// A script that reads README would meet an exit it doesn't know.
#[test]
fn every_exit_code_is_in_readme() {
    let readme = document("README.md");
    let rows = table_rows(section(&readme, "## Exit codes"));
    let shown = numbers(rows.iter().map(|row| row[0].as_str()));
    let help = Cli::command().render_long_help().to_string();
    let (_, exits) = help
        .split_once("Exit codes:")
        .expect("help has the exit codes");
    let exits = exits.split("\n\n").next().expect("a paragraph");
    let helped = numbers(exits.split_whitespace());
    assert_eq!(shown, helped, "README and --help");
    for code in Code::ALL {
        let exit = code.exit();
        assert!(shown.contains(&(exit as u8)), "{exit:?}");
    }
    assert!(shown.contains(&(Exit::Done as u8)) && shown.contains(&(Exit::NotTrusted as u8)));
}

/// The example of a message must be one that can appear.
#[test]
fn the_error_shown_in_readme_exists() {
    let readme = document("README.md");
    let shown: Vec<String> = blocks(&readme)
        .iter()
        .filter_map(|block| {
            let (_, rest) = block.text.split_once("error[")?;
            Some(rest.split(']').next()?.to_owned())
        })
        .collect();
    assert!(!shown.is_empty(), "README shows no error");
    for code in shown {
        let known = Code::ALL.iter().any(|known| known.as_str() == code);
        assert!(known, "{code}");
    }
}
