//! What is done on a device in a crash test, and what the device was like before.

use std::path::{Path, PathBuf};

use anyhow::Result;
use tempfile::TempDir;

use super::world::{LIVE_TAG, SERVICE};
use crate::device::pack;
use crate::images::ImageRecipe;

/// The probe of every install that only prepares.
pub(super) const PREPARING_PROBE: &str = "all_of = [\"running\"]\nstable_secs = 2\n";
const HEALTH_PROBE: &str =
    "all_of = [\"container_health\"]\nstart_timeout_secs = 5\nstable_secs = 1\n";

/// What the process does that is cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Act {
    /// `package load` of the new version over the base version.
    Update,
    /// `package load` of the new version where nothing is installed.
    FirstInstall,
    /// `service rollback` from the new version to the base version.
    RollBack,
    /// The same once more: from the base version to the new version again.
    RollBackAgain,
}

impl Act {
    /// Is the candidate the parked container, which nobody may remove?
    pub fn is_rollback(self) -> bool {
        matches!(self, Self::RollBack | Self::RollBackAgain)
    }
}

/// What an update runs against.
#[derive(Debug, Clone)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a fact of the device of its own, in any combination"
)]
pub struct Scenario {
    pub name: &'static str,
    pub act: Act,
    /// Lines of `[services.probe]`.
    pub probe: &'static str,
    /// 1.0.0.
    pub base: ImageRecipe,
    /// 1.1.0.
    pub new: ImageRecipe,
    /// Is it committed if nobody cuts?
    pub good: bool,
    /// The restart policy of the service.
    pub policy: &'static str,
    /// Somebody stopped the service before.
    pub stopped: bool,
    /// The engine has the new image already, under a name of somebody else's.
    pub image_there: bool,
    /// The base version's container was made by hand: it has no label of ours.
    pub by_hand: bool,
    /// A version older than the base is parked.
    pub parked: bool,
}

impl Scenario {
    /// The new version serves.
    pub fn good() -> Self {
        let recipe = |version| ImageRecipe::new(LIVE_TAG, version);
        Self {
            name: "good",
            act: Act::Update,
            probe: PREPARING_PROBE,
            // Both have the same name: a rollback by tag would run the new one.
            base: recipe("1.0.0").with_healthcheck(500, 2),
            new: recipe("1.1.0"),
            good: true,
            policy: "unless-stopped",
            stopped: false,
            image_there: false,
            by_hand: false,
            parked: false,
        }
    }

    /// The new version ends soon after every start.
    pub fn crash_loop() -> Self {
        let good = Self::good();
        Self {
            name: "crash loop",
            new: good.new.with_env("CRASH_AFTER_MS", "300"),
            good: false,
            ..good
        }
    }

    /// The new version runs and never gets healthy.
    pub fn never_healthy() -> Self {
        let good = Self::good();
        Self {
            name: "never healthy",
            probe: HEALTH_PROBE,
            new: good.new.with_env("HEALTH", "bad").with_healthcheck(500, 2),
            good: false,
            ..good
        }
    }

    /// The same where nothing is installed.
    #[must_use]
    pub fn first_install(self, name: &'static str) -> Self {
        Self {
            name,
            act: Act::FirstInstall,
            ..self
        }
    }

    /// Back to the base version by hand.
    pub fn rollback() -> Self {
        Self {
            name: "rollback",
            act: Act::RollBack,
            ..Self::good()
        }
    }

    /// And back again: its candidate once replaced the container that serves now.
    pub fn rollback_again() -> Self {
        Self {
            name: "rollback again",
            act: Act::RollBackAgain,
            ..Self::good()
        }
    }

    /// Back to a base version that does not get healthy any more.
    pub fn failing_rollback() -> Self {
        let good = Self::good();
        Self {
            name: "failing rollback",
            act: Act::RollBack,
            probe: HEALTH_PROBE,
            base: good.base.with_env("HEALTH", "bad"),
            new: good.new.with_healthcheck(500, 2),
            good: false,
            ..good
        }
    }

    /// The version that serves before and after; `None`: nothing is installed.
    pub fn versions(&self) -> (Option<&'static str>, &'static str) {
        match self.act {
            Act::Update | Act::RollBackAgain => (Some("1.0.0"), "1.1.0"),
            Act::FirstInstall => (None, "1.1.0"),
            Act::RollBack => (Some("1.1.0"), "1.0.0"),
        }
    }
}

/// The packages of a scenario, built once.
#[derive(Debug)]
pub struct Packages {
    folder: TempDir,
    pub older: PathBuf,
    pub base: PathBuf,
    pub new: PathBuf,
    /// The new image as somebody else has it.
    pub elsewhere: PathBuf,
}

impl Packages {
    pub fn of(scenario: &Scenario) -> Result<Self> {
        let folder = TempDir::with_prefix("caisson-crash-")?;
        let build = |recipe: &ImageRecipe| {
            pack(folder.path(), SERVICE, recipe, &recipe.version, &[]).map(|built| built.0)
        };
        let elsewhere = folder.path().join("elsewhere.tar");
        let mut other_name = scenario.new.clone();
        other_name.reference = Some("caisson.test/elsewhere:1".to_owned());
        other_name.write_docker_archive(&elsewhere)?;
        Ok(Self {
            older: build(&ImageRecipe::new(LIVE_TAG, "0.9.0"))?,
            base: build(&scenario.base)?,
            new: build(&scenario.new)?,
            elsewhere,
            folder,
        })
    }

    pub fn folder(&self) -> &Path {
        self.folder.path()
    }
}
