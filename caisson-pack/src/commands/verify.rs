//! `caisson-pack verify`: every byte of a package, as a device checks it.

use std::path::PathBuf;

use clap::Args;

use crate::error::Result;
use crate::progress::Watch;
use crate::report::print;
use crate::verify::{Depth, check_package};

pub(crate) const HELP: &str = "Example:\n  caisson-pack verify --deep web-1.1.0.edgepkg";

/// Flags of `verify`.
#[derive(Args, Debug)]
pub struct VerifyArgs {
    /// The package; of a split one the first part, such as site.edgepkg.001
    #[arg(value_name = "FILE")]
    pub package: PathBuf,

    /// Also unpack every layer and compare the image configs with the manifest
    #[arg(long)]
    pub deep: bool,

    /// Print one JSON object
    #[arg(long)]
    pub json: bool,
}

impl VerifyArgs {
    /// Runs the command.
    pub(crate) fn run(&self, watch: &mut Watch) -> Result<()> {
        let (depth, words) = if self.deep {
            (Depth::Contents, "sound, layers and configs too")
        } else {
            (Depth::File, "sound")
        };
        let facts = check_package(&self.package, depth, watch)?;
        print(self.json, &facts.json("verified", &self.package), || {
            let headline = facts.headline(&self.package);
            format!("{headline}: {words}\nmanifest {}\n", facts.manifest_digest)
        });
        Ok(())
    }
}
