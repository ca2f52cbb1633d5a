//! Commands that the documents name, parsed as the programs would parse them.

use std::collections::BTreeSet;

use caisson_apply::cli::Cli as Apply;
use caisson_pack::cli::Cli as Pack;
use clap::error::ErrorKind;
use clap::{Command, CommandFactory as _, Parser as _};

use super::markdown::{blocks_in, inline_code};
use super::{FOR_USERS, document};

/// Flags of other people's programs.
const FOREIGN_FLAGS: [&str; 1] = ["--rm"];

/// Why a command line is refused; `None` if it is fine or no command of ours.
/// `whole` demands that nothing is missing.
fn problem(line: &str, whole: bool) -> Option<String> {
    let words: Vec<&str> = line.split_whitespace().collect();
    let refused = match *words.first()? {
        "caisson-apply" => Apply::try_parse_from(&words).err()?,
        "caisson-pack" => Pack::try_parse_from(&words).err()?,
        _ => return None,
    };
    let fine = match refused.kind() {
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => true,
        ErrorKind::MissingRequiredArgument
        | ErrorKind::MissingSubcommand
        | ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand => !whole,
        _ => false,
    };
    (!fine).then(|| format!("{line}: {refused}"))
}

/// The command lines of a shell block: continued lines joined, pipes taken apart.
fn command_lines(block: &str) -> Vec<String> {
    let joined = block.replace("\\\n", " ");
    let commands = joined.lines().flat_map(|line| line.split(" | "));
    commands.map(|line| line.trim().to_owned()).collect()
}

/// The first thing a reader does is to copy a command.
#[test]
fn commands_to_copy_are_accepted() {
    let readme = document("README.md");
    let lines: Vec<String> = blocks_in(&readme, "sh")
        .iter()
        .flat_map(|block| command_lines(block))
        .collect();
    let ours = |program: &str| {
        lines
            .iter()
            .filter(|line| line.starts_with(program))
            .count()
    };
    assert!(
        ours("caisson-apply ") > 10 && ours("caisson-pack ") > 3,
        "{lines:?}"
    );
    let problems: Vec<String> = lines
        .iter()
        .filter_map(|line| problem(line, true))
        .collect();
    assert!(problems.is_empty(), "{}", problems.join("\n"));
    let makefile = document("Makefile");
    for target in lines.iter().filter_map(|line| line.strip_prefix("make ")) {
        assert!(makefile.contains(&format!("\n{target}:")), "make {target}");
    }
}

/// A command in a sentence may leave out its file, but not name what is not there.
#[test]
fn commands_in_sentences_exist() {
    for path in FOR_USERS {
        let problems: Vec<String> = inline_code(&document(path))
            .iter()
            .filter_map(|line| problem(line, false))
            .collect();
        assert!(problems.is_empty(), "{path}: {}", problems.join("\n"));
    }
}

/// A flag that was renamed lives on in the documents.
#[test]
fn flags_in_sentences_exist() {
    let mut known = BTreeSet::from(["--help".to_owned(), "--version".to_owned()]);
    collect_flags(&Apply::command(), &mut known);
    collect_flags(&Pack::command(), &mut known);
    known.extend(FOREIGN_FLAGS.map(str::to_owned));
    for path in FOR_USERS {
        let document = document(path);
        // Not only in backticks: advice is often without.
        let words = document
            .lines()
            .filter(|line| !line.starts_with("cargo "))
            .flat_map(|line| line.split(|c: char| c.is_whitespace() || "`,.;:()\"".contains(c)));
        let flags: BTreeSet<&str> = words.filter(|word| is_flag(word)).collect();
        assert!(flags.len() > 4, "{path} names only {flags:?}");
        for flag in flags {
            assert!(known.contains(flag), "{path}: {flag}");
        }
    }
}

/// `--` and a word of small letters; not a line or an arrow of a picture.
fn is_flag(word: &str) -> bool {
    word.strip_prefix("--").is_some_and(|name| {
        name.starts_with(|c: char| c.is_ascii_lowercase()) && !name.ends_with(['-', '>'])
    })
}

fn collect_flags(command: &Command, found: &mut BTreeSet<String>) {
    let longs = command.get_arguments().filter_map(|flag| flag.get_long());
    found.extend(longs.map(|long| format!("--{long}")));
    for subcommand in command.get_subcommands() {
        collect_flags(subcommand, found);
    }
}

/// A flag that README doesn't know is found by nobody but its author.
#[test]
fn every_flag_of_the_device_is_in_readme() {
    let readme = document("README.md");
    let mut flags = BTreeSet::new();
    collect_flags(&Apply::command(), &mut flags);
    assert!(flags.len() > 10, "{flags:?}");
    for flag in flags {
        assert!(readme.contains(&flag), "{flag}");
    }
}

/// Every command a person may type is shown in README.
#[test]
fn no_command_is_missing_in_readme() {
    let readme = document("README.md");
    for (program, command) in [
        ("caisson-apply", Apply::command()),
        ("caisson-pack", Pack::command()),
    ] {
        for path in leaves(&command) {
            assert!(
                readme.contains(&format!("{program} {path}")),
                "{program} {path}"
            );
        }
    }
}

/// The full names of the commands that do something.
fn leaves(command: &Command) -> Vec<String> {
    let mut found = Vec::new();
    for subcommand in command.get_subcommands() {
        if subcommand.is_hide_set() || subcommand.get_name() == "help" {
            continue;
        }
        let below = leaves(subcommand);
        let name = subcommand.get_name();
        if below.is_empty() {
            found.push(name.to_owned());
        }
        found.extend(below.into_iter().map(|rest| format!("{name} {rest}")));
    }
    found
}

/// A check that accepts everything would never be noticed.
#[test]
fn wrong_commands_are_noticed() {
    for wrong in [
        "caisson-apply package lod x",
        "caisson-apply package load --no-such-flag x",
        "caisson-apply package load",
        "caisson-pack build --image docker-archive:x",
        "caisson-pack verify --deep",
    ] {
        assert!(problem(wrong, true).is_some(), "{wrong}");
    }
    assert_eq!(problem("caisson-apply package load", false), None);
    assert_eq!(problem("docker save", true), None);
    assert_eq!(command_lines("a \\\n  b\nc | d\n"), ["a    b", "c", "d"]);
}
