//! An update: steps with a journal row before and after each, one commit row,
//! then forward only. Start reading here.
//!
//! - [`execute`] runs the steps; anything that fails before the commit unwinds.
//! - `unwind` takes the steps back in reverse, asking the engine each time.
//! - `forward` is everything after the commit row.
//! - [`recover`] finds what an earlier process left and does one of the two.
//! - [`plan`] decides beforehand whether and how, and changes nothing.

pub mod context;
mod forward;
mod leftovers;
mod look;
pub mod plan;
pub mod record;
pub mod recover;
mod steps;
mod told;
mod unwind;

use serde_json::{Value, json};

use crate::error::{Code, Error, Result};
use crate::journal::{self, Event, InstalledVersion, Row, ServiceState, Stamp, StepId};

use context::{Cx, Device, ImageSource, StepError, stamp};
use record::{UpdateKind, UpdateRecord};
pub(crate) use steps::interrupted;

/// How an update that was committed ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finished {
    /// Only settling is left; the new version serves and `recover` does the rest.
    pub cleanup_pending: Option<Error>,
}

/// Runs an update from its first row to its last.
///
/// # Errors
/// The first failure, with the state that the device is in afterwards. The code's
/// exit is 30 or 31 if the service was touched, else the failure's own.
pub fn execute(
    device: &mut Device<'_>,
    record: &UpdateRecord,
    source: Option<&mut dyn ImageSource>,
) -> Result<Finished> {
    device
        .journal
        .begin(record, &stamp(device.host))
        .map_err(|error| {
            Error::new(Code::JournalWrite, "the journal can't be written")
                .found(error.message)
                .state("nothing changed")
                .next("check the state directory: it must be writable and have room")
        })?;
    let mut trail = Vec::new();
    match until_commit(device, record, source, &mut trail) {
        Ok(()) => forward::finish(device, record),
        Err(failed) => Err(unwind::after_failure(device, record, &trail, failed.error)),
    }
}

/// What this process did, whatever became of its rows on the disk.
type Trail = Vec<Row>;

fn note(trail: &mut Trail, step: StepId, event: Event, detail: Value, stamp: &Stamp) {
    trail.push(Row {
        seq: i64::try_from(trail.len()).unwrap_or(i64::MAX),
        step,
        event,
        detail,
        stamp: stamp.clone(),
    });
}

/// The steps in order, then the commit row.
fn until_commit(
    device: &mut Device<'_>,
    record: &UpdateRecord,
    source: Option<&mut dyn ImageSource>,
    trail: &mut Trail,
) -> std::result::Result<(), StepError> {
    let source = source.map(|source| source as &mut dyn ImageSource);
    let mut cx = Cx {
        engine: device.engine,
        host: device.host,
        talk: device.talk,
        record,
        source,
    };
    let journal = &mut *device.journal;
    let id = record.update_id.as_str();
    for step in steps::before_commit(record.kind) {
        if cx.host.interrupted() {
            return Err(interrupted().into());
        }
        if let Some(reason) = step.skip(record) {
            let detail = json!({ "because": reason });
            journal
                .append(id, step.id(), Event::Skipped, &detail, &stamp(cx.host))
                .map_err(not_written)?;
            continue;
        }
        // Durable before the effect: a crash in between finds `started` and looks.
        let now = stamp(cx.host);
        journal
            .append(id, step.id(), Event::Started, &Value::Null, &now)
            .map_err(not_written)?;
        note(trail, step.id(), Event::Started, Value::Null, &now);
        if let Some(words) = announced(step.id(), record) {
            cx.talk.say(&words);
        }
        let outcome = step.run(&mut cx);
        let now = stamp(cx.host);
        match outcome {
            Ok(detail) => {
                note(trail, step.id(), Event::Succeeded, detail.clone(), &now);
                journal
                    .append(id, step.id(), Event::Succeeded, &detail, &now)
                    .map_err(not_written)?;
            }
            Err(failed) => {
                let detail = failure_detail(&failed);
                // The failure counts, not whether its row could be written.
                let _ = journal.append(id, step.id(), Event::Failed, &detail, &now);
                note(trail, step.id(), Event::Failed, detail, &now);
                return Err(failed);
            }
        }
    }
    // What the engine answered must be on the disk before the row says it counts.
    cx.sync()?;
    commit(device, record).map_err(StepError::from)
}

/// What the person reads before a step that takes its time: a silent program looks
/// like one that hangs, and a stick is pulled.
fn announced(step: StepId, record: &UpdateRecord) -> Option<String> {
    let probe = &record.service.probe;
    match step {
        StepId::StopCurrent => Some("stopping the version that runs".to_owned()),
        StepId::StartCandidate => Some("starting the other version".to_owned()),
        StepId::Probe => Some(format!(
            "watching it for {} s at least, {} s at most",
            probe.stable_secs,
            probe.stable_secs.saturating_add(probe.start_timeout_secs)
        )),
        _ => None,
    }
}

/// The point of no return. A commit call that failed is unknown: the row decides.
fn commit(device: &mut Device<'_>, record: &UpdateRecord) -> Result<()> {
    let id = record.update_id.as_str();
    let now = stamp(device.host);
    let candidate = candidate_id(device, record).map_err(|failed| failed.error)?;
    let before = device
        .journal
        .service(&record.service.name)
        .map_err(|error| not_written(error).error)?;
    let state = committed_state(record, &candidate, before.as_ref());
    device
        .journal
        .append(id, StepId::Commit, Event::Started, &Value::Null, &now)
        .map_err(|error| not_written(error).error)?;
    let Err(failed) = device.journal.commit(id, &state, &now) else {
        return Ok(());
    };
    let seen = device
        .journal
        .reopen()
        .and_then(|()| device.journal.rows(id));
    if seen.as_ref().is_ok_and(|rows| journal::is_committed(rows)) {
        return Ok(());
    }
    // The row is not there now, but a write-ahead log may still bring it back at
    // the next boot, when the old version runs again: make that impossible.
    let aborted = device.journal.append(
        id,
        StepId::Commit,
        Event::Aborted,
        &Value::Null,
        &stamp(device.host),
    );
    if aborted.is_err() {
        // If this fails too, unwinding goes on: a commit row without a candidate changes nothing.
        let _ = device.journal.move_aside();
    }
    Err(not_written(failed).error)
}

fn candidate_id(
    device: &Device<'_>,
    record: &UpdateRecord,
) -> std::result::Result<String, StepError> {
    let cx = device.cx(record);
    let candidate = look::candidate(&cx)?;
    candidate.map(|candidate| candidate.id).ok_or_else(|| {
        Error::new(Code::ProbeFailed, "the new container is gone")
            .at(record.container.clone())
            .into()
    })
}

/// The service's row as the commit writes it.
fn committed_state(
    record: &UpdateRecord,
    candidate: &str,
    before: Option<&ServiceState>,
) -> ServiceState {
    let (image_id, origin) = match record.kind {
        UpdateKind::Load => (
            record.image.as_ref().map(|image| image.engine_id.clone()),
            Some(record.update_id.clone()),
        ),
        UpdateKind::Rollback => (
            record.parked.as_ref().map(|parked| parked.image_id.clone()),
            before
                .and_then(|state| state.previous.as_ref())
                .and_then(|previous| previous.update_id.clone()),
        ),
    };
    let current = InstalledVersion {
        version: record.version.clone(),
        release: record.release,
        image_id: image_id.unwrap_or_default(),
        container_id: candidate.to_owned(),
        manifest_digest: record.manifest_digest.clone(),
        update_id: origin,
    };
    let previous = record.current.as_ref().map(|current| InstalledVersion {
        version: current.version.clone(),
        release: current.release,
        image_id: current.image_id.clone(),
        container_id: current.id.clone(),
        manifest_digest: current.manifest_digest.clone(),
        update_id: before
            .filter(|state| state.current.container_id == current.id)
            .and_then(|state| state.current.update_id.clone()),
    });
    let highest = before.and_then(|state| state.highest_release);
    ServiceState {
        service: record.service.name.clone(),
        current,
        previous,
        highest_release: highest
            .max(record.release)
            .max(record.current.as_ref().and_then(|c| c.release)),
    }
}

fn not_written(error: journal::JournalError) -> StepError {
    Error::new(Code::JournalWrite, "a row of the journal can't be written")
        .found(error.message)
        .next("check the state directory: it must be writable and have room")
        .into()
}

/// What a `failed` row keeps for the history.
fn failure_detail(failed: &StepError) -> Value {
    json!({
        "code": failed.error.code.as_str(),
        "what": failed.error.what,
        "found": failed.error.found,
        "unanswered": failed.unanswered,
        "evidence": failed.error.evidence,
    })
}
