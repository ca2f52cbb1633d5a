//! Real container engines for tests.
//!
//! [`engine_for_tests`] is what most tests want: one engine for the whole test
//! process, with names unlike any other test's. A test that stops, kills or
//! cuts its engine starts a [`RealEngine`] of its own.

pub mod api;
mod bridge;
mod place;
mod real;
mod smoke;
mod tools;
mod warden;

use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use anyhow::{Context, Result, bail, ensure};
use rustix::process::geteuid;

pub use api::EngineApi;
pub use place::engines_dir;
pub use real::{EngineKind, EngineOptions, RealEngine};
pub use smoke::answers;
pub use tools::{faketime, skopeo};

/// Names an engine that is already running: `unix:///path/to/docker.sock`.
pub const ENGINE_VARIABLE: &str = "CAISSON_TEST_ENGINE";

/// The engine that the tests of this process share.
#[derive(Debug)]
pub enum TestEngine {
    /// A Docker 20.10 of our own.
    Private(RealEngine),
    /// The one named by [`ENGINE_VARIABLE`]; other things may run there.
    Named(PathBuf),
}

impl TestEngine {
    /// The API's socket.
    pub fn socket(&self) -> PathBuf {
        match self {
            Self::Private(engine) => engine.socket(),
            Self::Named(socket) => socket.clone(),
        }
    }

    /// A client of its API.
    pub fn api(&self) -> EngineApi {
        EngineApi::new(&self.socket())
    }

    /// Where it keeps images and containers, by its own word.
    pub fn data_root(&self) -> Result<PathBuf> {
        let info = self.api().get_json("/info")?;
        let root = info["DockerRootDir"].as_str().context("DockerRootDir")?;
        Ok(PathBuf::from(root))
    }
}

/// The shared engine; `None`, after a printed word, where there can't be one:
/// for an ordinary user outside CI who names none. Everything else that goes
/// wrong is a failure of the test, since nothing proves less than a skipped test.
pub fn engine_for_tests() -> Option<&'static TestEngine> {
    static SHARED: OnceLock<Result<Option<TestEngine>, String>> = OnceLock::new();
    let shared = SHARED.get_or_init(|| shared_engine().map_err(|error| format!("{error:#}")));
    match shared {
        Ok(Some(engine)) => Some(engine),
        Ok(None) => {
            eprintln!("skipped: a real engine needs root, or one named by {ENGINE_VARIABLE}");
            None
        }
        Err(error) => panic!("no real engine for the tests: {error}"),
    }
}

/// Whether engines are wanted that take more time than each change is worth:
/// `ENGINES=all`.
pub fn all_engines_wanted() -> bool {
    std::env::var_os("ENGINES").is_some_and(|engines| engines == "all")
}

/// Whether a test may start a private engine. `false` means: skip, it was said.
pub fn private_engines_allowed() -> bool {
    if geteuid().is_root() || in_ci() {
        return true;
    }
    eprintln!("skipped: a private engine needs root");
    false
}

fn shared_engine() -> Result<Option<TestEngine>> {
    if let Some(named) = std::env::var_os(ENGINE_VARIABLE) {
        let named = named.to_str().context("CAISSON_TEST_ENGINE is not UTF-8")?;
        return named_engine(named).map(Some);
    }
    if geteuid().is_root() || in_ci() {
        return Ok(Some(TestEngine::Private(RealEngine::start()?)));
    }
    Ok(None)
}

fn named_engine(named: &str) -> Result<TestEngine> {
    let Some(socket) = named.strip_prefix("unix://") else {
        bail!("{ENGINE_VARIABLE}={named}: wanted unix:///path/to/the.sock");
    };
    let answer = EngineApi::new(Path::new(socket)).get("/_ping")?;
    ensure!(
        answer.status == 200,
        "{ENGINE_VARIABLE}={named}: /_ping answers {}",
        answer.status
    );
    Ok(TestEngine::Named(PathBuf::from(socket)))
}

fn in_ci() -> bool {
    std::env::var_os("CI").is_some_and(|ci| ci == "true")
}
