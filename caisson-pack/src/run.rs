//! Runs a command line: the whole program but for its exit.

use std::ffi::OsString;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use clap::Parser as _;
use clap::error::ErrorKind;
use signal_hook::consts::{SIGINT, SIGTERM};

use crate::cli::{Cli, Command, asks_for_json};
use crate::error::{Code, Exit, PackError, Result};
use crate::progress::Watch;
use crate::report::{print_error, print_result};

/// Runs the program with these arguments, its own name first, and gives its
/// exit status.
pub fn run(args: &[OsString]) -> Exit {
    let cli = match Cli::try_parse_from(args) {
        Ok(cli) => cli,
        Err(error) => return refuse_flags(&error, asks_for_json(args)),
    };
    let as_json = cli.command.json();
    match execute(&cli.command) {
        Ok(exit) => exit,
        Err(error) => {
            print_error(&error, as_json);
            error.code.exit()
        }
    }
}

fn refuse_flags(error: &clap::Error, as_json: bool) -> Exit {
    let text = error.to_string();
    if matches!(
        error.kind(),
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion
    ) {
        print_result(&text);
        return Exit::Done;
    }
    let text = text.strip_prefix("error: ").unwrap_or(&text);
    // The first paragraph says what is wrong; the rest is usage, which the help
    // has in full.
    let what = text.split("\n\n").next().unwrap_or(text);
    let what: Vec<&str> = what.split_whitespace().collect();
    print_error(&PackError::new(Code::Usage, what.join(" ")), as_json);
    Exit::Usage
}

fn execute(command: &Command) -> Result<Exit> {
    let stop = Arc::new(AtomicBool::new(false));
    for signal in [SIGINT, SIGTERM] {
        // Without it the signal ends the program at once, which leaves a part
        // file, and no harm.
        let _ = signal_hook::flag::register(signal, Arc::clone(&stop));
    }
    command.run(&mut Watch::new(stop))
}
