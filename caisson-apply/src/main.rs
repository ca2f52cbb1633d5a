//! Parses, calls, prints, exits.

use std::process::ExitCode;

use caisson_apply::cli::Cli;
use caisson_apply::commands::{self, Guarding};
use clap::Parser;

fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            // Help and version are no errors; everything else is exit 2.
            let status = if error.use_stderr() { 2 } else { 0 };
            let _ = error.print();
            if error.use_stderr() && std::env::args_os().any(|word| word == "--json") {
                commands::refused_usage(&error.to_string());
            }
            return ExitCode::from(status);
        }
    };
    ExitCode::from(commands::run(cli, Guarding::On) as u8)
}
