//! `caisson-pack inspect`: what a package says of itself.

use std::path::PathBuf;

use clap::Args;

use crate::error::Result;
use crate::progress::Watch;
use crate::report::print;
use crate::verify::{Depth, check_package};

pub(crate) const HELP: &str = "Example:\n  caisson-pack inspect web-1.1.0.edgepkg";

/// Flags of `inspect`.
#[derive(Args, Debug)]
pub struct InspectArgs {
    /// The package; of a split one the first part, such as site.edgepkg.001
    #[arg(value_name = "FILE")]
    pub package: PathBuf,

    /// Print one JSON object
    #[arg(long)]
    pub json: bool,
}

impl InspectArgs {
    /// Runs the command.
    pub(crate) fn run(&self, watch: &mut Watch) -> Result<()> {
        let facts = check_package(&self.package, Depth::Head, watch)?;
        print(self.json, &facts.json("inspected", &self.package), || {
            facts.table(&self.package)
        });
        Ok(())
    }
}
