//! Flags to commands. What a flag means is said in its help text, and nowhere else.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

use crate::compress::{LEVEL_DEFAULT, LEVEL_MAX, LEVEL_MIN};

const EXITS: &str = "\
Exit codes:
   0  done
   1  internal, or a disk that failed
   2  usage or configuration
   3  stopped by INT or TERM; no file was left
  10  a package or an image source was rejected
  13  not enough space
Errors have a code (error[source.truncated]: ...); ERRORS.md explains each.";

const BUILD_HELP: &str = "\
Examples:
  docker save -o web.tar web:1.1.0
  caisson-pack build --image docker-archive:web.tar --service web \\
      --service-revision r1 --platform linux/amd64 --package-version 1.1.0 \\
      -o web-1.1.0.edgepkg

  caisson-pack build -f caisson.toml --package-version 1.1.0 -o site.edgepkg

A caisson.toml (paths are relative to it, unknown keys are refused):
  package_version = \"1.1.0\"            # or --package-version
  release = 7                          # optional counter
  level = 9                            # optional
  live_names = false                   # optional

  [compatibility]                      # optional
  min_updater_version = \"0.2.0\"
  engine_api_min = \"1.41\"

  [notes]                              # optional, shown to people
  changelog = \"faster start\"

  [[images]]                           # one per reference and platform
  source = \"docker-archive:out/web-amd64.tar\"
  reference = \"docker.io/library/web:1.1.0\"   # default: its name in the archive
  platform = \"linux/amd64\"

  [[services]]
  service = \"web\"
  service_revision = \"r1\"
  image = \"docker.io/library/web:1.1.0\"       # default: the only reference

Names are written out in full, as Docker means them: `web` becomes
`docker.io/library/web:latest`.

The package's bytes depend on the images, these settings and the version of
caisson-pack, and on nothing else. Its date is SOURCE_DATE_EPOCH, else that of
the newest image. While it runs, a build needs twice the package's size beside
the output.";

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
    #[command(after_help = BUILD_HELP)]
    Build(Box<BuildArgs>),
    /// Show what a package holds; reads only its head
    #[command(after_help = "Example:\n  caisson-pack inspect web-1.1.0.edgepkg")]
    Inspect(InspectArgs),
    /// Check a whole package as a device would
    #[command(after_help = "Example:\n  caisson-pack verify --deep web-1.1.0.edgepkg")]
    Verify(VerifyArgs),
}

/// Flags of `build`.
#[derive(Args, Debug)]
pub struct BuildArgs {
    /// Describe the build in this file instead of by flags
    #[arg(short = 'f', long = "file", value_name = "CAISSON.TOML",
          conflicts_with_all = ["image", "service", "service_revision", "platform", "reference"],
          required_unless_present = "image")]
    pub file: Option<PathBuf>,

    /// An image, as docker-archive:FILE, docker-archive:FILE:REFERENCE or
    /// docker-archive:FILE:@NUMBER; may be given once per platform
    #[arg(long, value_name = "SOURCE", requires_all = ["service", "service_revision", "platform", "package_version"])]
    pub image: Vec<String>,

    /// The platform each --image must be for, in the same order, such as linux/arm64
    #[arg(long, value_name = "PLATFORM")]
    pub platform: Vec<String>,

    /// The image's name in the package; default: its name in the source
    #[arg(long, value_name = "REFERENCE")]
    pub reference: Option<String>,

    /// The service that runs the image, as the device's catalog calls it
    #[arg(long, value_name = "NAME")]
    pub service: Option<String>,

    /// The service's revision, which must equal the one in the device's catalog
    #[arg(long, value_name = "REVISION")]
    pub service_revision: Option<String>,

    /// Semantic version of what is delivered, such as 1.1.0
    #[arg(long, value_name = "VERSION")]
    pub package_version: Option<String>,

    /// Counter that orders releases: a device refuses a lower one
    #[arg(long, value_name = "NUMBER")]
    pub release: Option<u64>,

    /// Lowest version of caisson-apply that may install the package
    #[arg(long, value_name = "VERSION")]
    pub min_updater_version: Option<String>,

    /// Lowest engine API that may run it, such as 1.41
    #[arg(long, value_name = "VERSION")]
    pub engine_api_min: Option<String>,

    /// A note that is shown to people, as key=text; may be repeated
    #[arg(long, value_name = "KEY=TEXT", value_parser = parse_note)]
    pub note: Vec<(String, String)>,

    /// Let `docker load` of the package file itself use the images' own names. It
    /// then moves tags that may be in use, and verifies nothing
    #[arg(long)]
    pub live_names: bool,

    #[arg(long, value_name = "LEVEL", allow_negative_numbers = true,
          help = format!("Compression, {LEVEL_MIN} (fast) to {LEVEL_MAX} (small); default {LEVEL_DEFAULT}"))]
    pub level: Option<i32>,

    /// Compressing threads; default: one per processor. The bytes don't depend on it
    #[arg(long, value_name = "NUMBER")]
    pub threads: Option<u32>,

    /// The package file to write
    #[arg(short = 'o', long = "output", value_name = "FILE")]
    pub output: PathBuf,

    /// Replace the package file if it exists
    #[arg(long)]
    pub force: bool,

    /// Print one JSON object per line
    #[arg(long)]
    pub json: bool,
}

/// Flags of `inspect`.
#[derive(Args, Debug)]
pub struct InspectArgs {
    /// The package
    #[arg(value_name = "FILE")]
    pub package: PathBuf,

    /// Print one JSON object
    #[arg(long)]
    pub json: bool,
}

/// Flags of `verify`.
#[derive(Args, Debug)]
pub struct VerifyArgs {
    /// The package
    #[arg(value_name = "FILE")]
    pub package: PathBuf,

    /// Also unpack every layer and compare the image configs with the manifest
    #[arg(long)]
    pub deep: bool,

    /// Print one JSON object
    #[arg(long)]
    pub json: bool,
}

impl Command {
    /// True if the command was asked for JSON.
    pub fn json(&self) -> bool {
        match self {
            Self::Build(args) => args.json,
            Self::Inspect(args) => args.json,
            Self::Verify(args) => args.json,
        }
    }
}

impl BuildArgs {
    /// The notes by key; a later one of the same key wins, as flags do.
    pub fn notes(&self) -> BTreeMap<String, String> {
        self.note.iter().cloned().collect()
    }
}

/// Did the person ask for JSON, if their flags can't be understood?
pub fn asks_for_json(args: &[OsString]) -> bool {
    args.iter().any(|arg| arg == "--json")
}

fn parse_note(text: &str) -> Result<(String, String), String> {
    text.split_once('=')
        .map(|(key, value)| (key.to_owned(), value.to_owned()))
        .ok_or_else(|| "wanted KEY=TEXT".to_owned())
}
