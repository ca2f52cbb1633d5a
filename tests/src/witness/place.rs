//! An engine for one test, with its device.
//!
//! A private engine is the test's own, so tests run side by side; on a named
//! engine the devices take turns.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result};

use super::Contents;
use crate::device::Device;
use crate::engines::{
    ENGINE_VARIABLE, EngineApi, RealEngine, engine_for_tests, private_engines_allowed,
};
use crate::images::ImageRecipe;

/// A loaded version answers at once; this is for slow machines.
const SOON: Duration = Duration::from_secs(10);

/// A device and the engine it is on.
#[derive(Debug)]
pub struct Place {
    // Dropped first: it clears its things from the engine.
    pub device: Device,
    /// `None` on an engine that somebody named.
    private: Option<RealEngine>,
}

impl Place {
    /// `None`, after a printed word, where there can't be a real engine.
    pub fn new() -> Result<Option<Self>> {
        if std::env::var_os(ENGINE_VARIABLE).is_none() {
            return Self::private();
        }
        let Some(engine) = engine_for_tests() else {
            return Ok(None);
        };
        Ok(Some(Self {
            device: Device::new(&engine.socket())?,
            private: None,
        }))
    }

    /// The same with an engine that the test may stop and kill.
    pub fn private() -> Result<Option<Self>> {
        if !private_engines_allowed() {
            return Ok(None);
        }
        let engine = RealEngine::start()?;
        Ok(Some(Self {
            device: Device::new(&engine.socket())?,
            private: Some(engine),
        }))
    }

    /// The engine, to be stopped and started.
    pub fn engine(&mut self) -> Result<&mut RealEngine> {
        self.private.as_mut().context("the engine is not ours")
    }

    pub fn api(&self) -> EngineApi {
        self.device.api()
    }

    /// All that the engine holds.
    pub fn contents(&self) -> Result<Contents> {
        Contents::of(&self.api())
    }

    /// Installs a good version and gives its package.
    pub fn install(&self, version: &str) -> Result<PathBuf> {
        self.install_recipe(&self.device.recipe(version))
    }

    /// The same from a recipe.
    pub fn install_recipe(&self, recipe: &ImageRecipe) -> Result<PathBuf> {
        let (package, _) = self.device.pack(recipe)?;
        self.device.load(&package)?.expect(0)?;
        self.device.wait_for_version(&recipe.version, SOON)?;
        Ok(package)
    }
}
