//! Unwinding: takes the steps of an uncommitted update back, last one first, and
//! then makes sure that the old version serves as it was configured.
//!
//! Never depends on a write of our own: a row that can't be written is reported,
//! not obeyed. Every undo asks the engine, so doing it twice changes nothing.

use std::time::Duration;

use serde_json::{Value, json};

use crate::error::{Code, Error};
use crate::journal::{Event, Row, StepId, StepStatus, status_of};
use crate::name::Role;
use crate::probe::Watch;

use super::context::{Cx, Device, StepError, stamp};
use super::look;
use super::record::UpdateRecord;
use super::steps::{self, Step, stop_current};
use super::told;

/// Tries of one undo, and of the last look.
const UNDO_TRIES: u32 = 4;
/// Between two tries; an engine that restarts is back within a few of them.
const UNDO_INTERVAL: Duration = Duration::from_secs(2);
/// Looks whether the engine is there before anything is undone: half a minute.
const ENGINE_LOOKS: u32 = 15;
/// A grace is waited out up to this: some services have one of hours.
const GRACE_MAX: Duration = Duration::from_mins(2);
/// The end state is looked at once more after this, if a request was unanswered.
const LATE_EFFECT: Duration = Duration::from_secs(2);

/// How unwinding ended.
#[derive(Debug, Default)]
pub(super) struct Unwound {
    /// Was the service itself touched, so that "rolled back" is the word?
    pub(super) touched: bool,
    /// What could not be undone; empty if all is as it was.
    pub(super) left: Vec<Error>,
    /// Rows that could not be written.
    pub(super) unwritten: Vec<String>,
}

/// Unwinds after `cause` and gives the error the person sees.
///
/// `trail` is what this process did: rows that were lost or moved aside must not make
/// a step look untouched.
pub(super) fn after_failure(
    device: &mut Device<'_>,
    record: &UpdateRecord,
    trail: &[Row],
    cause: Error,
) -> Error {
    device.talk.say(&format!("{}: going back", cause.what));
    let unwound = unwind(device, record, trail, &cause);
    let serves = unwound.touched && unwound.left.is_empty() && record.was_running;
    let mut error = told::after_unwinding(record, cause, unwound);
    if serves {
        device.talk.say("the old version runs again; watching it");
    }
    if serves && let Err(ill) = probe_current(device, record) {
        error.also.push(format!(
            "the old version runs but does not pass its probes: {}",
            ill.error.what
        ));
    }
    error
}

/// The same probes on the old version: the person must know whether it serves.
fn probe_current(device: &Device<'_>, record: &UpdateRecord) -> Result<(), StepError> {
    let Some(current) = &record.current else {
        return Ok(());
    };
    let watch = Watch {
        engine: device.engine,
        host: device.host,
        settings: &record.service.probe,
        has_health: !current.inspection["State"]["Health"].is_null(),
        container_id: &current.id,
    };
    watch.run(&mut || Ok(())).map(|_evidence| ())
}

/// Everything back, with a second pass if the engine was away during the first and
/// is there now.
pub(super) fn unwind(
    device: &mut Device<'_>,
    record: &UpdateRecord,
    rows: &[Row],
    cause: &Error,
) -> Unwound {
    let unwound = pass(device, record, rows, cause);
    if unwound.left.iter().any(told::is_away) && device.engine.ping().is_ok() {
        let again = pass(device, record, rows, cause);
        let touched = again.touched || unwound.touched;
        return Unwound { touched, ..again };
    }
    unwound
}

/// The steps in reverse, the last look, the final row.
fn pass(device: &mut Device<'_>, record: &UpdateRecord, rows: &[Row], cause: &Error) -> Unwound {
    let mut unwound = Unwound::default();
    let mut any_in_flight = false;
    let answers = engine_answers(device);
    for step in steps::before_commit(record.kind).into_iter().rev() {
        let (status, unanswered) = standing(rows, step.id());
        if step.skip(record).is_some() || status == StepStatus::Untouched {
            continue;
        }
        unwound.touched |= touches_service(step.id());
        any_in_flight |= unanswered;
        // A step that was undone is undone again: after a power cut the row may be
        // there and the engine's effect not, since engines don't sync what they wrote.
        if answers.is_ok() {
            undo_one(device, record, step, unanswered, &mut unwound);
        }
    }
    if let Err(error) = answers {
        unwound.left.push(error);
        return unwound;
    }
    if any_in_flight {
        device.host.sleep(LATE_EFFECT);
    }
    if let Err(failed) = as_it_was(device, record) {
        unwound.left.push(failed.error);
    }
    // A container that is gone can't be brought back by trying again: said once, closed.
    if unwound
        .left
        .iter()
        .all(|left| left.code == Code::OldContainerGone)
    {
        let detail = json!({
            "code": cause.code.as_str(), "what": cause.what, "found": cause.found,
            "place": cause.place, "evidence": cause.evidence, "touched": unwound.touched,
        });
        finish(device, record, &detail, &mut unwound);
    }
    unwound
}

/// Waits for an engine that is being restarted, but not for ever: whoever watches
/// over us goes on when it is back, and an insured container starts without us.
fn engine_answers(device: &Device<'_>) -> Result<(), Error> {
    let mut looks = 1;
    loop {
        match device.engine.ping() {
            Ok(()) => return Ok(()),
            Err(error) if looks >= ENGINE_LOOKS => return Err(error.into()),
            Err(_) => {
                looks += 1;
                device.host.sleep(UNDO_INTERVAL);
            }
        }
    }
}

/// One undo between its two rows.
fn undo_one(
    device: &mut Device<'_>,
    record: &UpdateRecord,
    step: &dyn Step,
    unanswered: bool,
    unwound: &mut Unwound,
) {
    write(
        device,
        record,
        step.id(),
        Event::UndoStarted,
        &Value::Null,
        unwound,
    );
    match undo_with_patience(device, record, step, unanswered) {
        Ok(()) => write(
            device,
            record,
            step.id(),
            Event::UndoFinished,
            &Value::Null,
            unwound,
        ),
        Err(failed) => {
            let detail = super::failure_detail(&failed);
            write(
                device,
                record,
                step.id(),
                Event::UndoFailed,
                &detail,
                unwound,
            );
            let place = format!("undo of {}", step.id());
            unwound.left.push(failed.error.at(place));
        }
    }
}

/// The final row. It must not outlive the effects it speaks of, so they are synced first.
fn finish(device: &mut Device<'_>, record: &UpdateRecord, detail: &Value, unwound: &mut Unwound) {
    let synced = device.cx(record).sync().map_err(|error| error.to_string());
    let written = synced.and_then(|()| {
        let now = stamp(device.host);
        device
            .journal
            .finish(&record.update_id, Event::RolledBack, detail, None, &now)
            .map_err(|error| error.message)
    });
    if let Err(message) = written {
        unwound.unwritten.push(message);
    }
}

/// Where a step stands, and whether a request of it may still take effect.
fn standing(rows: &[Row], step: StepId) -> (StepStatus, bool) {
    // Rows in an order that makes no sense: believe none of them and look.
    let Ok(status) = status_of(rows, step) else {
        return (StepStatus::InFlight, true);
    };
    let unanswered = match status {
        StepStatus::InFlight | StepStatus::Undoing => true,
        StepStatus::Failed => rows
            .iter()
            .rfind(|row| row.step == step && row.event == Event::Failed)
            .is_some_and(|row| row.detail["unanswered"] == Value::Bool(true)),
        StepStatus::Untouched
        | StepStatus::Succeeded
        | StepStatus::Undone
        | StepStatus::UndoFailed => false,
    };
    (status, unanswered)
}

fn undo_with_patience(
    device: &mut Device<'_>,
    record: &UpdateRecord,
    step: &dyn Step,
    unanswered: bool,
) -> Result<(), StepError> {
    let mut cx = device.cx(record);
    let mut tries = 0;
    loop {
        tries += 1;
        let outcome = outlast(&mut cx, step, unanswered).and_then(|()| step.undo(&mut cx));
        match outcome {
            Ok(()) => return Ok(()),
            Err(failed) if tries >= UNDO_TRIES => return Err(failed),
            Err(_) => cx.host.sleep(UNDO_INTERVAL),
        }
    }
}

/// A request whose answer never came may take effect later: wait until it can't.
fn outlast(cx: &mut Cx<'_>, step: &dyn Step, unanswered: bool) -> Result<(), StepError> {
    if !unanswered {
        return Ok(());
    }
    if step.id() == StepId::StopCurrent {
        if serves_as_configured(cx)? {
            // Somebody has restored it already, perhaps we, without being able to write
            // it down. A stop that is still under way shows within the grace.
            cx.host.sleep(current_grace(cx) + LATE_EFFECT);
            if serves_as_configured(cx)? {
                return Ok(());
            }
        }
        // Looking does not tell: a container in its stop grace still runs.
        return stop_current::stop_current(cx);
    }
    look::until_steady(cx, |cx| step.check(cx))
}

fn current_grace(cx: &Cx<'_>) -> Duration {
    let grace_secs = cx.record.current.as_ref().map_or(0, |one| one.grace_secs);
    Duration::from_secs(grace_secs).min(GRACE_MAX)
}

/// Is everything as an unwinding would leave it?
fn serves_as_configured(cx: &Cx<'_>) -> Result<bool, StepError> {
    let record = cx.record;
    let restored = look::current(cx)?.is_some_and(|current| {
        current.running
            && current.name == record.container
            && current.restart_policy == record.configured_policy
    });
    let candidate = look::candidate(cx)?;
    Ok(restored
        && candidate.is_none_or(|candidate| candidate.name == Role::Previous.of(&record.container)))
}

/// The last look before the final row: the old version under its name, running if
/// it ran, with its configured policy, and no candidate. Repairs what it can.
fn as_it_was(device: &mut Device<'_>, record: &UpdateRecord) -> Result<(), StepError> {
    let mut cx = device.cx(record);
    let mut tries = 0;
    loop {
        tries += 1;
        match look_once_more(&mut cx) {
            Ok(()) => return Ok(()),
            Err(failed) if tries >= UNDO_TRIES => return Err(failed),
            Err(_) => cx.host.sleep(UNDO_INTERVAL),
        }
    }
}

fn look_once_more(cx: &mut Cx<'_>) -> Result<(), StepError> {
    let record = cx.record;
    let Some(_) = &record.current else {
        return match look::candidate(cx)? {
            Some(_) => steps::remove_candidate(cx),
            None => Ok(()),
        };
    };
    let Some(current) = look::current(cx)? else {
        // Somebody put another container in its place: that is the person's own decision.
        if cx.engine.container(&record.container)?.is_some() {
            return Ok(());
        }
        return Err(Error::new(Code::OldContainerGone, "the container of the old version is gone")
            .at(record.container.clone())
            .next("`caisson-apply --json history show` has its whole configuration; create it again by hand")
            .into());
    };
    if current.name != record.container {
        steps::swap_back(cx)?;
    }
    if record.was_running && !current.running {
        stop_current::start_current(cx)?;
    }
    if current.restart_policy != record.configured_policy {
        cx.engine
            .set_restart_policy(&current.id, &record.configured_policy)?;
    }
    Ok(())
}

/// From these steps on the person says "rolled back" and not "refused".
fn touches_service(step: StepId) -> bool {
    matches!(
        step,
        StepId::StopCurrent
            | StepId::SwapNames
            | StepId::StartCandidate
            | StepId::Probe
            | StepId::Commit
    )
}

fn write(
    device: &mut Device<'_>,
    record: &UpdateRecord,
    step: StepId,
    event: Event,
    detail: &Value,
    unwound: &mut Unwound,
) {
    let now = stamp(device.host);
    if let Err(error) = device
        .journal
        .append(&record.update_id, step, event, detail, &now)
    {
        unwound.unwritten.push(error.message);
    }
}
