//! A device with one service on the simulated engine, and the lives of the
//! processes that update and recover it.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use caisson_apply::catalog::{Catalog, ServiceEntry};
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
use crate::device::pack;
use crate::images::ImageRecipe;
use crate::sim::{Sim, SimOptions, SimState};

/// Name of the service and of its container.
pub const SERVICE: &str = "web";
const LIVE_TAG: &str = "caisson.test/web:current";

/// What an update runs against.
#[derive(Debug, Clone)]
pub struct Scenario {
    pub name: &'static str,
    /// Lines of `[services.probe]`.
    pub probe: &'static str,
    pub base: ImageRecipe,
    pub new: ImageRecipe,
    /// Is the new version committed if nobody cuts?
    pub good: bool,
}

impl Scenario {
    /// The new version serves.
    pub fn good() -> Self {
        Self::of(
            "good",
            "all_of = [\"running\"]\nstable_secs = 2\n",
            |recipe| recipe,
            true,
        )
    }

    /// The new version ends soon after every start.
    pub fn crash_loop() -> Self {
        let crash = |recipe: ImageRecipe| recipe.with_env("CRASH_AFTER_MS", "300");
        Self::of(
            "crash loop",
            "all_of = [\"running\"]\nstable_secs = 2\n",
            crash,
            false,
        )
    }

    /// The new version runs and never gets healthy.
    pub fn never_healthy() -> Self {
        let ill = |recipe: ImageRecipe| recipe.with_env("HEALTH", "bad").with_healthcheck(500, 2);
        Self::of(
            "never healthy",
            "all_of = [\"container_health\"]\nstart_timeout_secs = 5\nstable_secs = 1\n",
            ill,
            false,
        )
    }

    fn of(
        name: &'static str,
        probe: &'static str,
        new: impl Fn(ImageRecipe) -> ImageRecipe,
        good: bool,
    ) -> Self {
        // Both have the same name: a rollback by tag would run the new one.
        let recipe = |version| ImageRecipe::new(LIVE_TAG, version);
        Self {
            name,
            probe,
            base: recipe("1.0.0").with_healthcheck(500, 2),
            new: new(recipe("1.1.0")),
            good,
        }
    }
}

/// The packages of a scenario, built once.
#[derive(Debug)]
pub struct Packages {
    folder: TempDir,
    pub base: PathBuf,
    pub new: PathBuf,
}

impl Packages {
    pub fn of(scenario: &Scenario) -> Result<Self> {
        let folder = TempDir::with_prefix("caisson-crash-")?;
        let build = |recipe: &ImageRecipe| {
            pack(folder.path(), SERVICE, recipe, &recipe.version, &[]).map(|built| built.0)
        };
        Ok(Self {
            base: build(&scenario.base)?,
            new: build(&scenario.new)?,
            folder,
        })
    }

    pub fn folder(&self) -> &Path {
        self.folder.path()
    }
}

/// One device.
#[derive(Debug)]
pub struct World {
    pub sim: Sim,
    pub power: Power,
    folder: TempDir,
    service: ServiceEntry,
    new: PathBuf,
    /// Everything the engine held before the update.
    pub before: SimState,
    pub configured: String,
}

impl World {
    /// A device that runs the base version, on a disk that has everything so far.
    pub fn new(scenario: &Scenario, packages: &Packages) -> Result<Self> {
        // In memory: rows are synced thousands of times.
        let folder = TempDir::with_prefix_in("caisson-world-", "/dev/shm")?;
        let sim = Sim::start(SimOptions::new(&folder.path().join("engine")))?;
        let platform = edgepkg::Manifest::parse(&manifest_of(&packages.base)?)
            .map_err(|error| anyhow::anyhow!("{error}"))?
            .images[0]
            .platform
            .clone();
        let text = format!(
            "catalog_version = 2\n[[services]]\nname = \"{SERVICE}\"\nservice_revision = \"r1\"\nplatform = \"{platform}\"\n\
             [services.docker]\ncontainer_name = \"{SERVICE}\"\nimage_reference = \"{LIVE_TAG}\"\ncreate_file = \"create.json\"\n\
             [services.probe]\n{}",
            scenario.probe
        );
        let catalog = Catalog::parse(&text, &folder.path().join("services.toml")).map_err(fail)?;
        let service = catalog.service(SERVICE).context("the service")?.clone();
        let before = sim.state();
        let mut world = Self {
            sim,
            power: Power::default(),
            folder,
            service,
            new: packages.new.clone(),
            before,
            configured: "unless-stopped".to_owned(),
        };
        world.power.on(None);
        let installed = world.load(&packages.base, 1);
        ensure!(installed.is_ok(), "installing the base: {installed:?}");
        world.sim.sync();
        world.before = world.sim.state();
        Ok(world)
    }

    /// The process that updates: `package load` of the new version.
    pub fn update(&self, cut: Option<(u32, Side)>) -> Result<Finished, Error> {
        self.power.on(cut);
        self.load(&self.new, 2)
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
            let create = create_file();
            let image_known = engine.image(&offer.config_digest)?;
            let request = LoadRequest {
                service,
                offer: &offer,
                create_file: Some(&create),
                image_known: image_known.as_ref(),
                identity: Identity {
                    update_id: format!("{seed:02x}").repeat(16),
                    engine: engine.address(),
                },
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
}

/// A first install's configuration; no published port, since time is virtual here.
fn create_file() -> String {
    serde_json::json!({
        "Env": ["FROM_THE_USER=kept"],
        "StopTimeout": 2,
        "HostConfig": { "RestartPolicy": { "Name": "unless-stopped" } },
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
