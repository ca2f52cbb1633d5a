//! Recovery: what an earlier process left is finished. No commit row: the old
//! version comes back. A commit row: the new one stays. Doing it twice changes
//! nothing more, and a cut during recovery is a cut like any other.

use serde::Serialize;

use crate::error::{Code, Error, Result};
use crate::journal::{self, Journal, JournalError, JournalResult, Row};

use super::context::Device;
use super::record::UpdateRecord;
use super::{forward, leftovers, told, unwind};

/// Which way an interrupted update goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// Back to the old version.
    Unwind,
    /// On to the new version.
    Forward,
}

/// The decision, from the rows alone.
pub fn direction(rows: &[Row]) -> Direction {
    if journal::is_committed(rows) {
        Direction::Forward
    } else {
        Direction::Unwind
    }
}

/// What recovery did with one update or one leftover.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Recovered {
    pub service: String,
    /// `None` for a leftover that no journal row explains.
    pub update_id: Option<String>,
    /// `rolled_back`, `done`, `pending` or `superseded`.
    pub outcome: &'static str,
    /// What happened, for the person.
    pub words: String,
    /// Was the service itself touched by what is undone now?
    pub touched: bool,
}

/// Is anything open? Asks the journal only.
pub fn open(journal: &dyn Journal) -> Result<Vec<UpdateRecord>> {
    journal.open_updates().map_err(|error| {
        Error::new(Code::JournalInconsistent, "the journal can't be understood")
            .found(error.message)
    })
}

/// Finishes everything that is open, then what no journal row explains.
///
/// # Errors
/// The worst of what happened (31 over 30 over the rest); everything else was
/// still attempted.
pub fn recover(device: &mut Device<'_>) -> Result<Vec<Recovered>> {
    let mut done = Vec::new();
    let mut worst: Option<Error> = None;
    let mut open = match understood(device.journal) {
        Ok(open) => open,
        Err(error) => {
            by_labels(device, &error)?;
            Vec::new()
        }
    };
    // An update on another engine is recovered there; its containers are not here.
    open.retain(|record| record.engine == device.engine.address());
    for record in &open {
        match finish_one(device, record) {
            Ok(recovered) => done.push(recovered),
            Err(error) => worst = Some(worse(worst, error)),
        }
    }
    if worst.is_none() {
        match leftovers::clear(device) {
            Ok(cleared) => done.extend(cleared),
            Err(mut error) => {
                error.state.get_or_insert_with(|| {
                    "what an earlier update left is not cleared to the end".to_owned()
                });
                worst = Some(worse(worst, error));
            }
        }
    }
    match worst {
        None => Ok(done),
        Some(error) => Err(error),
    }
}

/// Rows that can't be understood must not block the device: the labels on the
/// containers say enough. Only what will never make sense is moved aside; a storage
/// that fails today may hold the highest release that counts tomorrow.
fn by_labels(device: &mut Device<'_>, error: &JournalError) -> Result<()> {
    let words =
        format!("the journal can't be understood ({error}); going by the containers' labels");
    device.talk.say(&words);
    if !error.senseless {
        return Ok(());
    }
    device.journal.move_aside().map_err(|error| {
        Error::new(
            Code::StateUnusable,
            "the damaged journal can't be moved aside",
        )
        .found(error.message)
    })
}

/// The open updates, if all of their rows can be read.
fn understood(journal: &dyn Journal) -> JournalResult<Vec<UpdateRecord>> {
    let records = journal.open_updates()?;
    for record in &records {
        journal.rows(&record.update_id)?;
    }
    Ok(records)
}

fn finish_one(device: &mut Device<'_>, record: &UpdateRecord) -> Result<Recovered> {
    let rows = device.journal.rows(&record.update_id).map_err(|error| {
        Error::new(Code::JournalInconsistent, "the journal can't be read").found(error.message)
    })?;
    let recovered = |outcome, words: String, touched| Recovered {
        service: record.service.name.clone(),
        update_id: Some(record.update_id.clone()),
        outcome,
        words,
        touched,
    };
    let service = &record.service.name;
    let to = record.version.as_deref().unwrap_or("the new version");
    if direction(&rows) == Direction::Forward {
        let finished = forward::finish(device, record)?;
        return Ok(match finished.cleanup_pending {
            None => recovered(
                "done",
                format!("service `{service}`: the update to {to} was finished"),
                true,
            ),
            Some(error) => recovered(
                "pending",
                format!("service `{service}` is on {to}; tidying up is still open: {error}"),
                true,
            ),
        });
    }
    let cause = Error::new(
        Code::RolledBack,
        format!("the update to {to} was interrupted and undone"),
    );
    let unwound = unwind::unwind(device, record, &rows, &cause);
    if !unwound.left.is_empty() {
        return Err(told::after_unwinding(record, cause, unwound));
    }
    let touched = unwound.touched;
    let worded = told::after_unwinding(record, cause, unwound);
    let state = worded.state.unwrap_or_default();
    Ok(recovered(
        "rolled_back",
        format!("service `{service}`: {}; {state}", worded.what),
        touched,
    ))
}

fn worse(so_far: Option<Error>, error: Error) -> Error {
    match so_far {
        Some(first) if first.exit() as u8 >= error.exit() as u8 => first,
        _ => error,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;
    use crate::journal::{Event, Stamp, StepId};

    fn rows(events: &[(StepId, Event)]) -> Vec<Row> {
        (1..)
            .zip(events)
            .map(|(seq, (step, event))| Row {
                seq,
                step: *step,
                event: *event,
                detail: Value::Null,
                stamp: Stamp {
                    wall_ms: 0,
                    boot_id: String::new(),
                },
            })
            .collect()
    }

    /// The one decision that says which version a device ends on.
    #[test]
    fn only_a_commit_row_that_counts_goes_forward() {
        let started = (StepId::Commit, Event::Started);
        let committed = (StepId::Commit, Event::Committed);
        let aborted = (StepId::Commit, Event::Aborted);
        assert_eq!(direction(&[]), Direction::Unwind);
        assert_eq!(direction(&rows(&[started])), Direction::Unwind);
        assert_eq!(direction(&rows(&[started, committed])), Direction::Forward);
        assert_eq!(
            direction(&rows(&[started, committed, aborted])),
            Direction::Unwind
        );
        assert_eq!(
            direction(&rows(&[started, aborted, committed])),
            Direction::Unwind
        );
    }
}
