//! `caisson-pack diff`: what an update changes on a device.

use std::path::{Path, PathBuf};

use clap::Args;
use serde_json::{Value, json};

use crate::diff::{Comparison, compare};
use crate::error::{Exit, Result};
use crate::progress::Watch;
use crate::report::print;

pub(crate) const HELP: &str = "\
Examples:
  caisson-pack diff web-1.0.0.edgepkg web-1.1.0.edgepkg
  caisson-pack diff --exit-code built.edgepkg built-again.edgepkg

It prints nothing if the packages are equal, byte for byte. Layers are compared by
their digests and not read: `caisson-pack verify` finds a damaged one.
Environment variables are shown with their values.";

/// Flags of `diff`.
#[derive(Args, Debug)]
pub struct DiffArgs {
    /// The first package: what a device has
    #[arg(value_name = "A")]
    pub first: PathBuf,

    /// The second package: what it gets
    #[arg(value_name = "B")]
    pub second: PathBuf,

    /// End with status 4 if they differ
    #[arg(long)]
    pub exit_code: bool,

    /// Print one JSON object, also for equal packages
    #[arg(long)]
    pub json: bool,
}

impl DiffArgs {
    /// Runs the command.
    pub(crate) fn run(&self, watch: &mut Watch) -> Result<Exit> {
        let comparison = compare(&self.first, &self.second, watch)?;
        let facts = facts(&comparison, &self.first, &self.second);
        print(self.json, &facts, || comparison.words());
        if self.exit_code && !comparison.is_equal() {
            return Ok(Exit::Different);
        }
        Ok(Exit::Done)
    }
}

fn facts(comparison: &Comparison, first: &Path, second: &Path) -> Value {
    let side = |number: usize, path: &Path| {
        json!({
            "path": path.display().to_string(),
            "size": comparison.sizes[number],
            "manifest_digest": comparison.manifest_digests[number],
        })
    };
    json!({
        "event": "compared",
        "equal": comparison.is_equal(),
        "a": side(0, first),
        "b": side(1, second),
        "changes": comparison.changes,
        "new_layers": comparison.new_layers,
    })
}
