//! `settle`: after the commit, forward only. Old container to policy `no`, synced,
//! and only then the new one to its configured policy: between the two the engine
//! would start neither at boot, but never both. Then the catalog's tag moves, the
//! container parked before this one is removed, and this one is parked.

use std::time::Duration;

use serde_json::{Value, json};

use crate::engine::{EngineErrorKind, RestartPolicy};
use crate::error::{Code, Error};
use crate::name::{self, Role};
use crate::update::context::{Cx, StepError};
use crate::update::look;
use crate::update::record::UpdateKind;

use super::stop_current::start_with_patience;

/// Starts of a committed container that the engine may refuse.
const START_TRIES: u32 = 3;
const START_INTERVAL: Duration = Duration::from_secs(2);

/// What `settle` found that decides how it ends.
#[derive(Debug)]
pub(in crate::update) enum Settled {
    /// Nothing is left to do.
    Done(Value),
    /// The new version is gone or does not start: the old one has to serve.
    NewVersionLost(Box<Error>),
}

/// Everything after the commit. Safe to repeat; recovery calls it as it is.
pub(in crate::update) fn settle(cx: &mut Cx<'_>) -> Result<Settled, StepError> {
    let Some(candidate) = look::candidate(cx)? else {
        return Ok(Settled::NewVersionLost(Box::new(
            Error::new(Code::Superseded, "the committed container is gone")
                .at(cx.record.container.clone()),
        )));
    };
    disarm_current(cx)?;
    cx.sync()?;
    if cx.record.starts() && !candidate.running {
        if candidate.paused {
            cx.engine.unpause_container(&candidate.id)?;
        } else if let Err(failed) = start_committed(cx, &candidate.id) {
            if failed.unanswered || failed.error.code == Code::EngineUnreachable {
                return Err(failed);
            }
            return Ok(Settled::NewVersionLost(Box::new(failed.error)));
        }
    }
    if candidate.name != cx.record.container {
        cx.engine
            .rename_container(&candidate.id, &cx.record.container)?;
    }
    if candidate.restart_policy != cx.record.configured_policy {
        cx.engine
            .set_restart_policy(&candidate.id, &cx.record.configured_policy)?;
    }
    cx.sync()?;
    let refused_tag = move_live_tag(cx)?;
    park_current(cx)?;
    let dropped = drop_old_tags(cx)?;
    // The last row must not outlive the effects it speaks of.
    cx.sync()?;
    Ok(Settled::Done(
        json!({ "container": candidate.id, "tags_removed": dropped, "tag_refused": refused_tag }),
    ))
}

/// Starts the committed container, with more than one try: giving it up means going
/// back behind the commit.
fn start_committed(cx: &Cx<'_>, id: &str) -> Result<(), StepError> {
    let mut tries = 1;
    loop {
        match start_with_patience(cx, id) {
            Err(failed) if tries < START_TRIES && !failed.unanswered => {
                tries += 1;
                cx.host.sleep(START_INTERVAL);
            }
            outcome => return outcome,
        }
    }
}

/// The old container neither runs nor comes back.
fn disarm_current(cx: &Cx<'_>) -> Result<(), StepError> {
    let Some(current) = look::current(cx)? else {
        return Ok(());
    };
    if current.restart_policy != RestartPolicy::no() {
        cx.engine
            .set_restart_policy(&current.id, &RestartPolicy::no())?;
    }
    if current.running || current.restarting {
        let grace = cx
            .record
            .current
            .as_ref()
            .map_or(10, |current| current.grace_secs);
        cx.engine
            .stop_container(&current.id, Duration::from_secs(grace))?;
    }
    Ok(())
}

/// The catalog's `image_reference` names the new image from now on; only that tag
/// moves. Gives the engine's words if it refuses: a tag is no reason not to park the
/// old container, and trying again would be refused again.
fn move_live_tag(cx: &Cx<'_>) -> Result<Option<String>, StepError> {
    let (Some(live), Some(image_id)) = (&cx.record.tags.live, new_image_id(cx)) else {
        return Ok(None);
    };
    let now = cx.engine.image(&live.tag)?.map(|image| image.id);
    if now.as_deref() == Some(image_id) {
        return Ok(None);
    }
    match cx.engine.tag_image(image_id, &live.tag) {
        Ok(()) => Ok(None),
        Err(error) if error.kind == EngineErrorKind::Refused => Ok(Some(error.message)),
        Err(error) => Err(error.into()),
    }
}

/// Parks the old container under `<name>.caisson-previous`, after removing the
/// one that stood there: by its id, and never with its volumes.
fn park_current(cx: &Cx<'_>) -> Result<(), StepError> {
    let Some(current) = look::current(cx)? else {
        return Ok(());
    };
    let previous = Role::Previous.of(&cx.record.container);
    if current.name == previous {
        return Ok(());
    }
    if let (UpdateKind::Load, Some(parked)) = (cx.record.kind, &cx.record.parked) {
        cx.engine.remove_container(&parked.id, true, false)?;
    }
    cx.engine.rename_container(&current.id, &previous)?;
    Ok(())
}

/// Retention tags of this service that keep neither the new image nor the parked one.
fn drop_old_tags(cx: &Cx<'_>) -> Result<Vec<String>, StepError> {
    let prefix = format!("{}:", name::retention_repository(&cx.record.service.name));
    let keep: Vec<&str> = new_image_id(cx)
        .into_iter()
        .chain(
            cx.record
                .current
                .as_ref()
                .map(|current| current.image_id.as_str()),
        )
        .collect();
    let mut dropped = Vec::new();
    for image in cx.engine.images()? {
        if keep.contains(&image.id.as_str()) {
            continue;
        }
        for tag in image.tags.iter().filter(|tag| tag.starts_with(&prefix)) {
            // A container somebody made of it keeps the image: 409, and it stays.
            if cx.engine.untag_image(tag).is_ok() {
                dropped.push(tag.clone());
            }
        }
    }
    Ok(dropped)
}

/// The engine's id of the image that the candidate runs.
fn new_image_id<'a>(cx: &Cx<'a>) -> Option<&'a str> {
    match cx.record.kind {
        UpdateKind::Load => cx
            .record
            .image
            .as_ref()
            .map(|image| image.engine_id.as_str()),
        UpdateKind::Rollback => cx
            .record
            .parked
            .as_ref()
            .map(|parked| parked.image_id.as_str()),
    }
}
