//! The command line: its commands and what they have in common. What a flag means
//! is said in its help text, and nowhere else.

use std::ffi::OsString;

use clap::{Parser, Subcommand};

use crate::commands::{build, diff, extract, inspect, verify};
use crate::error::{Exit, Result};
use crate::progress::Watch;

const EXITS: &str = "\
Exit codes:
   0  done
   1  internal, or a disk that failed
   2  usage or configuration
   3  stopped by INT or TERM; no file was left
   4  diff --exit-code: the packages differ
  10  a package or an image source was rejected
  13  not enough space
  20  the container engine of docker-daemon: can't be used
Errors have a code (error[source.truncated]: ...); ERRORS.md explains each.";

/// Packs container images and the services they run into one file that a device
/// can check and install without a network.
#[derive(Debug, Parser)]
#[command(name = "caisson-pack", version, after_help = EXITS, disable_help_subcommand = false)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Build a package from image sources
    #[command(after_help = build::HELP)]
    Build(Box<build::BuildArgs>),
    /// Show what a package holds; reads only its head
    #[command(after_help = inspect::HELP)]
    Inspect(inspect::InspectArgs),
    /// Check a whole package as a device would
    #[command(after_help = verify::HELP)]
    Verify(verify::VerifyArgs),
    /// Write a package's images as archives that any engine reads
    #[command(after_help = extract::HELP)]
    Extract(extract::ExtractArgs),
    /// Say what differs between two packages
    #[command(after_help = diff::HELP)]
    Diff(diff::DiffArgs),
}

impl Command {
    /// True if the command was asked for JSON.
    pub fn json(&self) -> bool {
        match self {
            Self::Build(args) => args.json,
            Self::Inspect(args) => args.json,
            Self::Verify(args) => args.json,
            Self::Extract(args) => args.json,
            Self::Diff(args) => args.json,
        }
    }

    /// Runs the command; a success has a status, too.
    pub(crate) fn run(&self, watch: &mut Watch) -> Result<Exit> {
        match self {
            Self::Build(args) => args.run(watch),
            Self::Inspect(args) => args.run(watch),
            Self::Verify(args) => args.run(watch),
            Self::Extract(args) => args.run(watch),
            Self::Diff(args) => return args.run(watch),
        }
        .map(|()| Exit::Done)
    }
}

/// Did the person ask for JSON, if their flags can't be understood?
pub fn asks_for_json(args: &[OsString]) -> bool {
    args.iter().any(|arg| arg == "--json")
}
