//! Where the demo plays: on the machine's Docker if it can be reached, else as
//! root on a private one below `target/`, else on the simulated one.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, Result};
use rustix::process::geteuid;
use tempfile::TempDir;

use crate::engines::{EngineApi, RealEngine};
use crate::sim::{RealClock, Sim, SimOptions};

/// Where a machine's Docker listens.
const MACHINE_SOCKET: &str = "/var/run/docker.sock";

/// Where the demo is to play.
#[derive(Debug, Clone)]
pub(super) enum Place {
    /// The machine's own Docker of this version, where other things may run.
    Machine(String),
    Private,
    Simulated,
}

impl Place {
    pub(super) fn choose() -> Self {
        match docker_version(Path::new(MACHINE_SOCKET)) {
            Some(version) => Self::Machine(version),
            None if geteuid().is_root() => Self::Private,
            None => Self::Simulated,
        }
    }

    /// For the first and the last line.
    pub(super) fn description(&self) -> String {
        match self {
            Self::Machine(version) => {
                format!("this machine's Docker {version}; every name begins with caisson-demo-.")
            }
            Self::Private => "a private Docker below target/; nothing is installed.".to_owned(),
            Self::Simulated => "a SIMULATED engine: real requests and ports, but no \
                 container. As root, or with Docker, the demo is real."
                .to_owned(),
        }
    }
}

/// The engine of this demo; dropping it ends what was started for it.
#[derive(Debug)]
pub(super) enum DemoEngine {
    Machine,
    Private(RealEngine),
    Simulated { engine: Sim, _folder: TempDir },
}

impl DemoEngine {
    /// Starts what has to be started.
    pub(super) fn open(place: &Place) -> Result<Self> {
        match place {
            Place::Machine(_) => Ok(Self::Machine),
            Place::Private => {
                let engine = RealEngine::start().context("a private engine")?;
                if let Some(version) = docker_version(&engine.socket()) {
                    println!("Docker {version} is up.");
                }
                Ok(Self::Private(engine))
            }
            Place::Simulated => {
                let folder = TempDir::with_prefix("caisson-demo-")?;
                let mut options = SimOptions::new(folder.path());
                options.clock = Arc::new(RealClock::new());
                let engine = Sim::start(options).context("the simulated engine")?;
                Ok(Self::Simulated {
                    engine,
                    _folder: folder,
                })
            }
        }
    }

    pub(super) fn socket(&self) -> PathBuf {
        match self {
            Self::Machine => PathBuf::from(MACHINE_SOCKET),
            Self::Private(engine) => engine.socket(),
            Self::Simulated { engine, .. } => engine.socket().to_owned(),
        }
    }
}

/// The version of the Docker at `socket`. Podman's service there is not one.
fn docker_version(socket: &Path) -> Option<String> {
    let api = EngineApi::new(socket);
    let version = api.get_json("/version").ok()?;
    let name = version["Components"][0]["Name"].as_str().unwrap_or("");
    if name.contains("Podman") {
        return None;
    }
    version["Version"].as_str().map(str::to_owned)
}
