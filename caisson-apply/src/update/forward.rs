//! After the commit row: forward only. The new version is settled; if it can't be
//! brought up at all, the old one serves again: a working container is never left stopped.

use serde_json::{Value, json};

use crate::error::{Code, Error, Result};
use crate::journal::{Event, InstalledVersion, ServiceState, StepId};
use crate::name::Role;

use super::Finished;
use super::context::{Cx, Device, StepError, stamp};
use super::look;
use super::record::{UpdateKind, UpdateRecord};
use super::steps::settle::{Settled, settle};
use super::steps::stop_current::start_current;

/// Settles a committed update and writes its final row.
///
/// # Errors
/// `update.superseded` if the old version had to take over, `update.stuck` if
/// neither runs. A settling that only failed is no error: it is pending.
pub(super) fn finish(device: &mut Device<'_>, record: &UpdateRecord) -> Result<Finished> {
    let id = record.update_id.as_str();
    // After the commit the state of the engine leads: a row that can't be written
    // is noted as pending and written by the next recovery.
    let started = device.journal.append(
        id,
        StepId::Settle,
        Event::Started,
        &Value::Null,
        &stamp(device.host),
    );
    let mut cx = device.cx(record);
    match settle(&mut cx) {
        Ok(Settled::Done(detail)) => {
            let now = stamp(device.host);
            let written = started
                .and_then(|()| {
                    device
                        .journal
                        .append(id, StepId::Settle, Event::Succeeded, &detail, &now)
                })
                .and_then(|()| {
                    device
                        .journal
                        .finish(id, Event::Done, &Value::Null, None, &now)
                });
            Ok(Finished {
                cleanup_pending: written.err().map(|error| {
                    Error::new(
                        Code::JournalWrite,
                        "the last row of the update can't be written",
                    )
                    .found(error.message)
                }),
            })
        }
        Ok(Settled::NewVersionLost(cause)) => Err(supersede(device, record, *cause)),
        Err(failed) => {
            let detail = super::failure_detail(&failed);
            let _ = device.journal.append(
                id,
                StepId::Settle,
                Event::Failed,
                &detail,
                &stamp(device.host),
            );
            Ok(Finished {
                cleanup_pending: Some(failed.error),
            })
        }
    }
}

/// The new version can't be started: the old one serves again, under its name and
/// with the configured policy.
fn supersede(device: &mut Device<'_>, record: &UpdateRecord, cause: Error) -> Error {
    let mut cx = device.cx(record);
    let service = &record.service.name;
    if let Err(failed) = old_takes_over(&mut cx) {
        // With both containers removed by somebody there is nothing to try again.
        if failed.error.code == Code::OldContainerGone && cause.code == Code::Superseded {
            let detail = json!({ "what": cause.what });
            let now = stamp(device.host);
            let _ =
                device
                    .journal
                    .finish(&record.update_id, Event::Superseded, &detail, None, &now);
        }
        let seen = [look::current(&cx), look::candidate(&cx)];
        let state = if seen.into_iter().flatten().flatten().any(|one| one.running) {
            format!("one version of service `{service}` runs, but not as it should")
        } else {
            format!("service `{service}` is down")
        };
        let mut error = Error::new(
            Code::Stuck,
            format!("neither version of service `{service}` could be started"),
        )
        .at(record.container.clone())
        .state(state)
        .next("start one of its containers by hand, then run `caisson-apply recover`");
        error.also.push(cause.to_string());
        error.also.push(failed.error.to_string());
        return error;
    }
    let state = record.current.as_ref().map(|current| ServiceState {
        service: service.clone(),
        current: InstalledVersion {
            version: current.version.clone(),
            release: current.release,
            image_id: current.image_id.clone(),
            container_id: current.id.clone(),
            manifest_digest: current.manifest_digest.clone(),
            update_id: None,
        },
        previous: None,
        highest_release: record.release.max(current.release),
    });
    let detail = json!({ "what": cause.what, "found": cause.found });
    let written = device.journal.finish(
        &record.update_id,
        Event::Superseded,
        &detail,
        state.as_ref(),
        &stamp(device.host),
    );
    let mut error = Error::new(
        Code::Superseded,
        "the new version was committed but does not start any more",
    )
    .at(record.container.clone())
    .state(format!("service `{service}` runs the old version again"))
    .next("load a package that works; the history says what happened");
    error.found = Some(cause.what);
    if let Err(row) = written {
        error.also.push(format!(
            "a journal row could not be written: {}",
            row.message
        ));
    }
    error
}

fn old_takes_over(cx: &mut Cx<'_>) -> std::result::Result<(), StepError> {
    let record = cx.record;
    let Some(current) = look::current(cx)? else {
        return Err(Error::new(
            Code::OldContainerGone,
            "the container of the old version is gone too",
        )
        .into());
    };
    if let Some(candidate) = look::candidate(cx)?
        && candidate.name == record.container
    {
        match record.kind {
            // It does not start, and the journal keeps what is to know about it.
            UpdateKind::Load => {
                cx.engine.remove_container(&candidate.id, true, true)?;
            }
            UpdateKind::Rollback => {
                cx.engine
                    .rename_container(&candidate.id, &Role::Previous.of(&record.container))?;
            }
        }
    }
    if current.name != record.container {
        cx.engine.rename_container(&current.id, &record.container)?;
    }
    if record.was_running {
        start_current(cx)?;
    }
    cx.engine
        .set_restart_policy(&current.id, &record.configured_policy)?;
    cx.sync()?;
    Ok(())
}
