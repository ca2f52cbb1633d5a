//! What the commands share: the catalog, the engine, the journal and the lock,
//! opened in the order in which their failures matter.
#![expect(
    clippy::disallowed_methods,
    reason = "the command line's own reading of files and environment"
)]

use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::catalog::Catalog;
use crate::cli::{DEFAULT_SERVICES, Global};
use crate::engine::docker::DockerEngine;
use crate::engine::socket::{Wishes, choose};
use crate::engine::{Engine, EngineInfo};
use crate::error::{Code, Error, Result};
use crate::journal::Journal;
use crate::journal::sqlite::{SqliteJournal, create_state_dir};
use crate::lock::Lock;
use crate::main_host::MainHost;

use super::Guarding;

/// How long a command waits for another instance.
pub(super) const LOCK_PATIENCE: Duration = Duration::from_secs(10);

/// The flags, with paths made absolute, and the machine.
pub(super) struct Session {
    pub(super) global: Global,
    pub(super) host: MainHost,
    pub(super) guarding: Guarding,
}

impl Session {
    pub(super) fn new(mut global: Global, guarding: Guarding) -> Result<Self> {
        // The guard and the boot unit run elsewhere: relative paths would mean other files there.
        global.state_dir = absolute(&global.state_dir)?;
        global.services = absolute(&global.services)?;
        Ok(Self {
            global,
            host: MainHost::new(),
            guarding,
        })
    }

    /// # Errors
    /// `catalog.invalid`, `catalog.version`.
    pub(super) fn catalog(&self) -> Result<Catalog> {
        let path = &self.global.services;
        let text = std::fs::read_to_string(path).map_err(|error| {
            Error::new(
                Code::Catalog,
                format!("the service catalog can't be read: {error}"),
            )
            .at(path.display().to_string())
            .state("nothing changed")
            .next("name the right file with --services, or write one (README, `services.toml`)")
        })?;
        Catalog::parse(&text, path)
    }

    /// The catalog, if this machine has one: `None` only where none was named and
    /// none is in the usual place.
    pub(super) fn catalog_if_any(&self) -> Result<Option<Catalog>> {
        let path = &self.global.services;
        if path == Path::new(DEFAULT_SERVICES) && !path.exists() {
            return Ok(None);
        }
        self.catalog().map(Some)
    }

    /// The engine by the person's wishes.
    ///
    /// # Errors
    /// `engine.unreachable`, `usage.invalid`.
    pub(super) fn engine(&self) -> Result<DockerEngine> {
        // Under sudo DOCKER_HOST belongs to another user's engine.
        let docker_host = if std::env::var_os("SUDO_UID").is_some() {
            None
        } else {
            std::env::var("DOCKER_HOST").ok()
        };
        let runtime_dir = std::env::var_os("XDG_RUNTIME_DIR").map(PathBuf::from);
        let chosen = choose(Wishes {
            engine: self.global.engine.as_deref(),
            docker_host: docker_host.as_deref(),
            runtime_dir: runtime_dir.as_deref(),
        })?;
        Ok(DockerEngine::new(chosen.path))
    }

    /// # Errors
    /// `engine.unreachable` and its kin.
    pub(super) fn connect(&self) -> Result<(DockerEngine, EngineInfo)> {
        let engine = self.engine()?;
        let info = engine.info()?;
        Ok((engine, info))
    }

    /// The locks: of the engine, by its data root, and of the state directory, which
    /// another engine's update may be using. With `--no-sync` the first is left out
    /// where it can't be had.
    ///
    /// # Errors
    /// `engine.data_root`, `update.locked`.
    pub(super) fn lock(
        &self,
        info: &EngineInfo,
        no_sync: bool,
        patience: Duration,
    ) -> Result<Vec<Lock>> {
        let mut locks = Vec::new();
        match Lock::take(&info.data_root, patience, &self.host) {
            Ok(lock) => locks.push(lock),
            Err(error) if no_sync && error.code == Code::DataRoot => {}
            Err(error) => return Err(error),
        }
        // A state directory that can't be made or opened is said by the journal itself.
        let _ = create_state_dir(&self.global.state_dir);
        match Lock::take(&self.global.state_dir, patience, &self.host) {
            Ok(lock) => locks.push(lock),
            Err(error) if error.code == Code::DataRoot && !locks.is_empty() => {}
            Err(error) if error.code == Code::DataRoot => {
                return Err(self.state_unusable(error.what));
            }
            Err(error) => return Err(error),
        }
        Ok(locks)
    }

    /// HUP is ignored from here on; INT and TERM ask for a good end.
    ///
    /// # Errors
    /// `internal.bug` if the kernel refuses.
    pub(super) fn catch_signals(&self) -> Result<()> {
        self.host.catch_signals().map_err(|error| {
            Error::new(Code::Internal, format!("signals can't be caught: {error}"))
                .state("nothing changed")
        })
    }

    /// The journal for writing.
    ///
    /// # Errors
    /// `state.unusable`.
    pub(super) fn journal(&self) -> Result<SqliteJournal> {
        let journal = SqliteJournal::open(&self.global.state_dir)
            .map_err(|error| self.state_unusable(error.message))?;
        if let Some(notice) = journal.notice() {
            super::talk(notice);
        }
        Ok(journal)
    }

    /// The journal for finishing what is open. A state directory that can't be
    /// written must not keep the service from coming back: then the rows are only
    /// read, or, without any, the containers' labels decide.
    pub(super) fn journal_for_recovery(&self) -> SqliteJournal {
        let error = match self.journal() {
            Ok(journal) => return journal,
            Err(error) => error,
        };
        super::talk(&format!(
            "{error}; recovering all the same, without writing"
        ));
        match self.journal_to_read() {
            // One of a newer version may have rows that mean nothing to us.
            Ok(Some(journal)) if journal.open_updates().is_ok() => journal,
            Ok(_) | Err(_) => SqliteJournal::in_memory(),
        }
    }

    /// Were we started by systemd, with nobody watching?
    pub(super) fn is_unit(&self) -> bool {
        !self.global.json && std::env::var_os("INVOCATION_ID").is_some()
    }

    /// The journal for reading; `None` if nothing was ever written.
    ///
    /// # Errors
    /// `state.unusable`.
    pub(super) fn journal_to_read(&self) -> Result<Option<SqliteJournal>> {
        SqliteJournal::open_read_only(&self.global.state_dir)
            .map_err(|error| self.state_unusable(error.message))
    }

    pub(super) fn state_unusable(&self, message: String) -> Error {
        Error::new(Code::StateUnusable, "the state directory can't be used")
            .at(self.global.state_dir.display().to_string())
            .found(message)
            .state("nothing changed")
            .next("it must be writable and have room; name another one with --state-dir")
    }
}

fn absolute(path: &Path) -> Result<PathBuf> {
    std::path::absolute(path)
        .map_err(|error| Error::new(Code::Usage, format!("a path can't be used: {error}")))
}
