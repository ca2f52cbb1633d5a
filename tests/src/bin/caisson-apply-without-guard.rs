//! `caisson-apply` without its guard: the kill sweep must find that it is missing.

use std::process::ExitCode;

use caisson_apply::cli::Cli;
use caisson_apply::commands::{self, Guarding};
use clap::Parser;

fn main() -> ExitCode {
    ExitCode::from(commands::run(Cli::parse(), Guarding::OffForTesting) as u8)
}
