//! A device with one service on the simulated engine, and the lives of the
//! processes that update and recover it.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use caisson_apply::catalog::{Catalog, ServiceEntry};
use caisson_apply::engine::Engine;
use caisson_apply::engine::docker::DockerEngine;
use caisson_apply::error::Error;
use caisson_apply::import::Import;
use caisson_apply::journal::sqlite::SqliteJournal;
use caisson_apply::journal::{Journal, is_committed};
use caisson_apply::package::Package;
use caisson_apply::progress::{Progress, Style};
use caisson_apply::update::context::{Device, Silent};
use caisson_apply::update::plan::{self, Facts, Identity, LoadRequest, Options};
use caisson_apply::update::recover::{Recovered, recover};
use caisson_apply::update::{Finished, execute};
use tempfile::TempDir;

use super::doubles::{CutEngine, CutHost, CutJournal};
use super::power::{Power, Side};
use super::scenario::PREPARING_PROBE;
pub use super::scenario::{Act, Packages, Scenario};
use crate::sim::{Sim, SimOptions, SimState};

/// Name of the service and of its container.
pub const SERVICE: &str = "web";
pub(super) const LIVE_TAG: &str = "caisson.test/web:current";

/// One device.
#[derive(Debug)]
pub struct World {
    pub sim: Sim,
    pub power: Power,
    folder: TempDir,
    service: ServiceEntry,
    new: PathBuf,
    pub scenario: Scenario,
    /// Everything the engine held before the update.
    pub before: SimState,
    pub configured: String,
}

impl World {
    /// The scenario's device before its act, on a disk that has everything so far.
    pub fn new(scenario: &Scenario, packages: &Packages) -> Result<Self> {
        // In memory: rows are synced thousands of times.
        let folder = TempDir::with_prefix_in("caisson-world-", "/dev/shm")?;
        let sim = Sim::start(SimOptions::new(&folder.path().join("engine")))?;
        let before = sim.state();
        let mut world = Self {
            sim,
            power: Power::default(),
            service: service_with(PREPARING_PROBE, packages, folder.path())?,
            folder,
            new: packages.new.clone(),
            scenario: scenario.clone(),
            before,
            configured: scenario.policy.to_owned(),
        };
        world.prepare(packages)?;
        world.service = service_with(scenario.probe, packages, world.folder.path())?;
        world.sim.sync();
        world.before = world.sim.state();
        Ok(world)
    }

    fn prepare(&self, packages: &Packages) -> Result<()> {
        let scenario = &self.scenario;
        self.power.on(None);
        let installs = [
            (scenario.parked, &packages.older, 11),
            (scenario.act != Act::FirstInstall, &packages.base, 1),
            (scenario.act.is_rollback(), &packages.new, 12),
        ];
        for (wanted, package, seed) in installs {
            if wanted {
                let installed = self.load(package, seed);
                ensure!(installed.is_ok(), "installing {seed}: {installed:?}");
            }
            if wanted && seed == 1 && scenario.by_hand {
                self.make_by_hand()?;
            }
        }
        if scenario.act == Act::RollBackAgain {
            let back = self.roll_back(13);
            ensure!(back.is_ok(), "going back: {back:?}");
        }
        if scenario.image_there {
            self.sim.load_archive_direct(&packages.elsewhere)?;
        }
        if scenario.stopped {
            let state = self.sim.state();
            let named = state.container(SERVICE).context("nothing to stop")?;
            DockerEngine::new(self.sim.socket())
                .stop_container(&named.id, Duration::from_secs(2))
                .map_err(|error| anyhow::anyhow!("{error:?}"))?;
        }
        Ok(())
    }

    /// Puts a container that nobody of us made in the place of the installed one.
    fn make_by_hand(&self) -> Result<()> {
        let engine = DockerEngine::new(self.sim.socket());
        let state = self.sim.state();
        let named = state.container(SERVICE).context("nothing is installed")?;
        let mut body: serde_json::Value = serde_json::from_str(&create_file(&self.configured))?;
        body["Image"] = LIVE_TAG.into();
        let made = engine
            .remove_container(&named.id, true, true)
            .and_then(|_| engine.create_container(SERVICE, &body))
            .and_then(|id| engine.start_container(&id));
        made.map_err(|error| anyhow::anyhow!("{error:?}"))
    }

    /// The process that updates, or goes back by hand.
    pub fn update(&self, cut: Option<(u32, Side)>) -> Result<Finished, Error> {
        self.power.on(cut);
        match self.scenario.act {
            Act::Update | Act::FirstInstall => self.load(&self.new, 2),
            Act::RollBack | Act::RollBackAgain => self.roll_back(2),
        }
    }

    /// The process that recovers.
    pub fn recover(&self, cut: Option<(u32, Side)>) -> Result<Vec<Recovered>, Error> {
        self.power.on(cut);
        self.with_device(3, recover)
    }

    /// The journal as it lies on the disk.
    pub fn journal(&self) -> Result<SqliteJournal> {
        Ok(SqliteJournal::open(&self.folder.path().join("state"))?)
    }

    /// The disk loses the journal; everything on the engine is as it was.
    pub fn lose_journal(&self) -> Result<()> {
        Ok(std::fs::remove_dir_all(self.folder.path().join("state"))?)
    }

    /// Does a commit row of the new version stand there?
    pub fn committed(&self) -> Result<bool> {
        let journal = self.journal()?;
        let id = "02".repeat(16);
        Ok(is_committed(&journal.rows(&id)?))
    }

    fn with_device<T>(
        &self,
        seed: u8,
        act: impl FnOnce(&mut Device<'_>) -> Result<T, Error>,
    ) -> Result<T, Error> {
        let engine = DockerEngine::new(self.sim.socket());
        let engine = CutEngine {
            inner: &engine,
            power: &self.power,
        };
        let inner = SqliteJournal::open(&self.folder.path().join("state")).map_err(|error| {
            Error::new(caisson_apply::error::Code::StateUnusable, error.message)
        })?;
        let mut journal = CutJournal {
            inner,
            power: &self.power,
        };
        let host = CutHost {
            sim: &self.sim,
            power: &self.power,
            seed,
        };
        act(&mut Device {
            engine: &engine,
            journal: &mut journal,
            host: &host,
            talk: &Silent,
        })
    }

    fn load(&self, package: &Path, seed: u8) -> Result<Finished, Error> {
        let service = &self.service;
        self.with_device(seed, |device| {
            let package = Package::open(package)?;
            let (offer, source) =
                package.offer(&service.name, &service.service_revision, &service.platform)?;
            let engine = device.engine;
            let host = CutHost {
                sim: &self.sim,
                power: &self.power,
                seed,
            };
            let state = device.journal.service(SERVICE).ok().flatten();
            let facts = Facts::gather(engine, &host, engine.info()?, SERVICE, state)?;
            let create = create_file(&self.configured);
            let image_known = engine.image(&offer.config_digest)?;
            let request = LoadRequest {
                service,
                offer: &offer,
                create_file: Some(&create),
                image_known: image_known.as_ref(),
                identity: identity(engine, seed),
                options: Options::default(),
            };
            let planned = plan::load(&facts, request, &|tag| {
                Ok(engine.image(tag)?.map(|image| image.id))
            })?;
            let progress = Progress::on_stderr(&host, Style::Quiet, "importing", 0);
            let mut import = Import {
                source,
                host: &host,
                progress,
            };
            execute(device, &planned.record, Some(&mut import))
        })
    }

    fn roll_back(&self, seed: u8) -> Result<Finished, Error> {
        self.with_device(seed, |device| {
            let engine = device.engine;
            let state = device.journal.service(SERVICE).ok().flatten();
            let facts = Facts::gather(engine, device.host, engine.info()?, SERVICE, state)?;
            let planned = plan::rollback(
                &facts,
                &self.service,
                &|tag| Ok(engine.image(tag)?.map(|image| image.id)),
                identity(engine, seed),
                Options::default(),
            )?;
            execute(device, &planned.record, None)
        })
    }
}

fn identity(engine: &dyn Engine, seed: u8) -> Identity {
    Identity {
        update_id: format!("{seed:02x}").repeat(16),
        engine: engine.address(),
    }
}

/// The service's entry in a catalog with this probe.
fn service_with(probe: &str, packages: &Packages, folder: &Path) -> Result<ServiceEntry> {
    let platform = edgepkg::Manifest::parse(&manifest_of(&packages.base)?)
        .map_err(|error| anyhow::anyhow!("{error}"))?
        .images[0]
        .platform
        .clone();
    let text = format!(
        "catalog_version = 2\n[[services]]\nname = \"{SERVICE}\"\nservice_revision = \"r1\"\nplatform = \"{platform}\"\n\
         [services.docker]\ncontainer_name = \"{SERVICE}\"\nimage_reference = \"{LIVE_TAG}\"\ncreate_file = \"create.json\"\n\
         [services.probe]\n{probe}"
    );
    let catalog = Catalog::parse(&text, &folder.join("services.toml")).map_err(fail)?;
    Ok(catalog.service(SERVICE).context("the service")?.clone())
}

/// A first install's configuration; no published port, since time is virtual here.
fn create_file(policy: &str) -> String {
    serde_json::json!({
        "Env": ["FROM_THE_USER=kept"],
        "StopTimeout": 2,
        "HostConfig": { "RestartPolicy": { "Name": policy } },
    })
    .to_string()
}

fn manifest_of(package: &Path) -> Result<Vec<u8>> {
    let mut archive = tar::Archive::new(std::fs::File::open(package)?);
    let mut bytes = Vec::new();
    let mut first = archive.entries()?.next().context("an empty package")??;
    std::io::Read::read_to_end(&mut first, &mut bytes)?;
    Ok(bytes)
}

#[expect(clippy::needless_pass_by_value, reason = "a function for `map_err`")]
fn fail(error: Error) -> anyhow::Error {
    anyhow::anyhow!("{error}")
}
