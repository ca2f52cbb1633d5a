//! The journal: what an update was about to do and what came of it, durable
//! before and after each effect. Rows are only added.
//!
//! [`Journal`] is a trait so that tests can lose writes; [`sqlite::SqliteJournal`]
//! is the real one.

pub mod event;
pub mod sqlite;

use serde::{Deserialize, Serialize};
use serde_json::Value;

pub use event::{Event, StepId, StepStatus};

use crate::update::record::UpdateRecord;

/// When and in which boot a row was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stamp {
    /// Milliseconds since 1970 by a clock that may be wrong; shown, never decided on.
    pub wall_ms: i64,
    pub boot_id: String,
}

/// One row of an update.
#[derive(Debug, Clone, PartialEq)]
pub struct Row {
    pub seq: i64,
    pub step: StepId,
    pub event: Event,
    pub detail: Value,
    pub stamp: Stamp,
}

/// One version of a service on this device.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct InstalledVersion {
    pub version: Option<String>,
    pub release: Option<u64>,
    /// The engine's id of the image.
    pub image_id: String,
    pub container_id: String,
    pub manifest_digest: Option<String>,
    /// The update that brought it; `None` if it was there before us.
    pub update_id: Option<String>,
}

/// What the journal knows of a service.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServiceState {
    pub service: String,
    pub current: InstalledVersion,
    pub previous: Option<InstalledVersion>,
    /// The highest release counter ever committed; not lowered by a rollback.
    pub highest_release: Option<u64>,
}

/// An update in the history.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct UpdateSummary {
    pub update_id: String,
    pub service: String,
    pub kind: String,
    pub from_version: Option<String>,
    pub to_version: Option<String>,
    /// There was no container of the service before.
    pub first_install: bool,
    pub started_ms: i64,
    /// The final row, if there is one.
    pub outcome: Option<String>,
    pub ended_ms: Option<i64>,
    /// What the final row says besides.
    pub detail: Value,
    /// A commit row that counts stands there.
    pub committed: bool,
}

/// A journal call that failed: the words of the storage.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JournalError {
    pub message: String,
    /// What is stored makes no sense, and will not the next time; else the storage
    /// failed, and may work again.
    pub senseless: bool,
}

impl JournalError {
    pub fn storage(message: impl Into<String>) -> Self {
        Self {
            message: message.into(),
            senseless: false,
        }
    }

    pub fn senseless(message: impl Into<String>) -> Self {
        Self {
            message: message.into(),
            senseless: true,
        }
    }
}

impl std::fmt::Display for JournalError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for JournalError {}

pub type JournalResult<T> = Result<T, JournalError>;

/// Durable rows. A call that returned `Ok` survives a power cut.
pub trait Journal {
    /// From here on the update exists for recovery.
    fn begin(&mut self, record: &UpdateRecord, stamp: &Stamp) -> JournalResult<()>;
    /// Adds a row of a step.
    fn append(
        &mut self,
        update_id: &str,
        step: StepId,
        event: Event,
        detail: &Value,
        stamp: &Stamp,
    ) -> JournalResult<()>;
    /// The commit row and the service's new state in one transaction. An error
    /// means unknown, not undone: [`Self::reopen`] and look.
    fn commit(&mut self, update_id: &str, state: &ServiceState, stamp: &Stamp)
    -> JournalResult<()>;
    /// The final row, and the service's state if the outcome changes it, in one transaction.
    fn finish(
        &mut self,
        update_id: &str,
        event: Event,
        detail: &Value,
        state: Option<&ServiceState>,
        stamp: &Stamp,
    ) -> JournalResult<()>;
    /// Closes the storage and opens it again, so that reads show what is really there.
    fn reopen(&mut self) -> JournalResult<()>;
    /// Moves the storage out of the way and starts an empty one.
    fn move_aside(&mut self) -> JournalResult<()>;
    /// Updates without a final row, oldest first.
    fn open_updates(&self) -> JournalResult<Vec<UpdateRecord>>;
    /// The rows of an update in order.
    fn rows(&self, update_id: &str) -> JournalResult<Vec<Row>>;
    fn service(&self, service: &str) -> JournalResult<Option<ServiceState>>;
    /// The newest updates first.
    fn history(&self, service: Option<&str>, limit: u32) -> JournalResult<Vec<UpdateSummary>>;
}

/// Does a commit row stand there that counts?
pub fn is_committed(rows: &[Row]) -> bool {
    let committed = rows.iter().any(|row| row.event == Event::Committed);
    let aborted = rows.iter().any(|row| row.event == Event::Aborted);
    committed && !aborted
}

/// The status of one step, or the row that makes no sense.
pub fn status_of(rows: &[Row], step: StepId) -> Result<StepStatus, &Row> {
    let mut status = StepStatus::Untouched;
    for row in rows.iter().filter(|row| row.step == step) {
        if row.event.is_final() || row.event == Event::Aborted {
            continue;
        }
        status = event::next_status(status, row.event).ok_or(row)?;
    }
    Ok(status)
}
