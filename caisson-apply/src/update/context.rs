//! What an update works with: the engine, the journal, the machine and the person.

use std::io::Write;
use std::path::Path;

use crate::engine::{Engine, EngineError, EngineErrorKind};
use crate::error::{Code, Error};
use crate::host::Host;
use crate::journal::{Journal, Stamp};

use super::record::{TargetImage, UpdateRecord};

/// Says what happens, in words for the person at the device. Never fails: a
/// terminal that went away must not stop an update.
pub trait Talk {
    fn say(&self, text: &str);
}

/// A [`Talk`] that says nothing: for the guard, which has no terminal.
#[derive(Debug, Clone, Copy)]
pub struct Silent;

impl Talk for Silent {
    fn say(&self, _text: &str) {}
}

/// Where the bytes of the new image come from.
pub trait ImageSource {
    /// Writes the archive the engine loads, naming the image `incoming`.
    /// Every byte was verified before it is written; the naming files come last.
    ///
    /// # Errors
    /// The package's own refusal, or the sink's I/O error as `engine.answer`.
    fn send(
        &mut self,
        image: &TargetImage,
        incoming: &str,
        sink: &mut dyn Write,
    ) -> Result<(), Error>;
}

/// Everything outside the update's own logic.
pub struct Device<'a> {
    pub engine: &'a dyn Engine,
    pub journal: &'a mut dyn Journal,
    pub host: &'a dyn Host,
    pub talk: &'a dyn Talk,
}

impl<'a> Device<'a> {
    /// What steps see of this device; without a package.
    pub fn cx<'b>(&self, record: &'b UpdateRecord) -> Cx<'b>
    where
        'a: 'b,
    {
        Cx {
            engine: self.engine,
            host: self.host,
            talk: self.talk,
            record,
            source: None,
        }
    }
}

impl std::fmt::Debug for Device<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Device")
            .field("engine", &self.engine.address())
            .finish_non_exhaustive()
    }
}

/// What a step sees. Steps never write the journal.
pub struct Cx<'a> {
    pub engine: &'a dyn Engine,
    pub host: &'a dyn Host,
    pub talk: &'a dyn Talk,
    pub record: &'a UpdateRecord,
    /// Only while a package is being loaded, never during recovery.
    pub source: Option<&'a mut dyn ImageSource>,
}

impl std::fmt::Debug for Cx<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Cx")
            .field("update", &self.record.update_id)
            .finish_non_exhaustive()
    }
}

impl Cx<'_> {
    /// Makes the engine's answered requests durable.
    ///
    /// # Errors
    /// `engine.sync`.
    pub fn sync(&self) -> Result<(), Error> {
        for dir in &self.record.sync_dirs {
            sync_one(self.host, dir)?;
        }
        Ok(())
    }
}

fn sync_one(host: &dyn Host, dir: &Path) -> Result<(), Error> {
    host.sync_filesystem(dir).map_err(|error| {
        Error::new(
            Code::Sync,
            format!("the file system reported an error while syncing: {error}"),
        )
        .at(dir.display().to_string())
        .next("check the disk of this device; nothing can be updated safely on it")
    })
}

/// The stamp of a row written now.
pub fn stamp(host: &dyn Host) -> Stamp {
    Stamp {
        wall_ms: host.wall_ms(),
        boot_id: host.boot_id(),
    }
}

/// A failed step. Keeps whether the engine may still act on the request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StepError {
    pub error: Error,
    /// The request went out and no answer came back.
    pub unanswered: bool,
}

impl From<Error> for StepError {
    fn from(error: Error) -> Self {
        Self {
            error,
            unanswered: false,
        }
    }
}

impl From<EngineError> for StepError {
    fn from(error: EngineError) -> Self {
        Self {
            // An answer that makes no sense says as little about the effect as none.
            unanswered: matches!(
                error.kind,
                EngineErrorKind::Unanswered | EngineErrorKind::Malformed
            ),
            error: engine_error(&error),
        }
    }
}

impl From<EngineError> for Error {
    fn from(error: EngineError) -> Self {
        engine_error(&error)
    }
}

/// The engine's failure in our own form.
pub fn engine_error(error: &EngineError) -> Error {
    let (code, what) = match error.kind {
        EngineErrorKind::Unreachable => (
            Code::EngineUnreachable,
            "the container engine does not answer",
        ),
        EngineErrorKind::Unanswered => {
            (Code::EngineAnswer, "the container engine stopped answering")
        }
        EngineErrorKind::Refused => (
            Code::EngineRefused,
            "the container engine refused a request",
        ),
        EngineErrorKind::Malformed => (
            Code::EngineAnswer,
            "the container engine's answer makes no sense",
        ),
        EngineErrorKind::Unsupported => {
            (Code::EngineUnsupported, "the container engine is too old")
        }
        EngineErrorKind::Body => (
            Code::EngineAnswer,
            "the request to the container engine was broken off",
        ),
    };
    let mut mapped = Error::new(code, what).at(error.call.clone());
    mapped.found = Some(match error.status {
        Some(status) => format!("{status} {}", error.message),
        None => error.message.clone(),
    });
    mapped.next = Some(
        match error.kind {
            EngineErrorKind::Unreachable => {
                "see that the engine runs, and that you are root; \
                 `caisson-apply recover` finishes what is open"
            }
            EngineErrorKind::Unsupported => "update the container engine of this device",
            _ => "look at the engine's own log; `caisson-apply recover` finishes what is open",
        }
        .to_owned(),
    );
    mapped
}
