//! The simulated engine itself: everything that other tests conclude from it
//! stands on what is shown here.

mod answers;
mod boot;
mod client;
mod cuts;
mod images;
mod lifecycle;
mod process;

use caisson_tests::images::ImageRecipe;
use caisson_tests::sim::{Sim, SimOptions, SimStore};
use tempfile::TempDir;

/// An engine with its folder.
struct Bench {
    sim: Sim,
    _dir: TempDir,
}

impl Bench {
    fn new() -> Self {
        Self::with(|_| {})
    }

    fn with_store(store: SimStore) -> Self {
        Self::with(|options| options.store = store)
    }

    fn with(change: impl FnOnce(&mut SimOptions)) -> Self {
        let dir = tempfile::tempdir().expect("a scratch folder");
        let mut options = SimOptions::new(dir.path());
        change(&mut options);
        Self {
            sim: Sim::start(options).expect("an engine"),
            _dir: dir,
        }
    }

    /// Puts in `example.test/web:<version>` with these settings.
    fn image(&self, version: &str, env: &[(&str, &str)]) -> String {
        let mut recipe = ImageRecipe::new(&format!("example.test/web:{version}"), version);
        for (name, value) in env {
            recipe = recipe.with_env(name, value);
        }
        self.sim
            .load_image_direct(&recipe.facts().expect("facts of a recipe"))
    }
}
