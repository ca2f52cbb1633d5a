//! Looking at the engine: where the containers of an update are now. Changes nothing.

use std::time::Duration;

use crate::engine::{Container, EngineResult};
use crate::name::{LABEL_UPDATE, Role};

use super::context::Cx;
use super::record::UpdateKind;

/// Two looks this far apart must agree before an unanswered request counts as over.
const LOOK_INTERVAL: Duration = Duration::from_secs(2);
/// Looks at most: an engine that changes its mind for a minute is not waited for longer.
const LOOKS_MAX: u32 = 30;

/// The container that served when the update began, by its id.
pub(super) fn current(cx: &Cx<'_>) -> EngineResult<Option<Container>> {
    match &cx.record.current {
        Some(current) => cx.engine.container(&current.id),
        None => Ok(None),
    }
}

/// The candidate, wherever its name stands: found by the update's label, since
/// the row with its id may never have been written.
pub(super) fn candidate(cx: &Cx<'_>) -> EngineResult<Option<Container>> {
    if cx.record.kind == UpdateKind::Rollback {
        return match &cx.record.parked {
            Some(parked) => cx.engine.container(&parked.id),
            None => Ok(None),
        };
    }
    for name in [
        Role::New.of(&cx.record.container),
        cx.record.container.clone(),
    ] {
        if let Some(container) = cx.engine.container(&name)?
            && container.labels.get(LABEL_UPDATE) == Some(&cx.record.update_id)
        {
            return Ok(Some(container));
        }
    }
    Ok(None)
}

/// A container in a few words, for comparing two looks.
pub(super) fn words(container: Option<&Container>) -> String {
    match container {
        None => "none".to_owned(),
        Some(c) => format!(
            "{} {} {} policy={}:{}",
            c.name, c.id, c.status, c.restart_policy.name, c.restart_policy.maximum_retry_count
        ),
    }
}

/// Outlasts a request whose answer never came: looks until two looks agree.
///
/// # Errors
/// What the look itself reports.
pub(super) fn until_steady<E>(
    cx: &mut Cx<'_>,
    mut look: impl FnMut(&Cx<'_>) -> Result<String, E>,
) -> Result<(), E> {
    let mut before = look(cx)?;
    for _ in 0..LOOKS_MAX {
        cx.host.sleep(LOOK_INTERVAL);
        let now = look(cx)?;
        if now == before {
            return Ok(());
        }
        before = now;
    }
    Ok(())
}
