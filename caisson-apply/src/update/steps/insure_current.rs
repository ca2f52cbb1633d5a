//! `insure_current`: the current container gets restart policy `always`. An
//! engine starts such a container at boot even after a manual stop, so from here
//! to the commit a power cut ends with the old version running, with nobody
//! there to run `recover`. The policy must be on the disk before the stop: an
//! answered request is not a durable one.

use serde_json::{Value, json};

use crate::engine::{Container, RestartPolicy};
use crate::error::{Code, Error};
use crate::journal::StepId;
use crate::update::context::{Cx, StepError};
use crate::update::look;
use crate::update::record::UpdateRecord;

use super::{FIRST_INSTALL, Step, WAS_STOPPED};

pub(super) struct InsureCurrent;

impl Step for InsureCurrent {
    fn id(&self) -> StepId {
        StepId::InsureCurrent
    }

    fn skip(&self, record: &UpdateRecord) -> Option<&'static str> {
        skip_unless_serving(record)
    }

    fn run(&self, cx: &mut Cx<'_>) -> Result<Value, StepError> {
        let current = present(cx)?;
        as_planned(cx, &current)?;
        if current.restart_policy != RestartPolicy::always() {
            cx.engine
                .set_restart_policy(&current.id, &RestartPolicy::always())?;
        }
        let now = present(cx)?.restart_policy;
        if now.name != "always" {
            return Err(Error::new(
                Code::EngineUnsupported,
                "the engine did not keep the restart policy",
            )
            .found(now.name)
            .wanted("always")
            .into());
        }
        cx.sync()?;
        Ok(json!({ "was": current.restart_policy }))
    }

    fn check(&self, cx: &Cx<'_>) -> Result<String, StepError> {
        Ok(look::words(look::current(cx)?.as_ref()))
    }

    fn undo(&self, cx: &mut Cx<'_>) -> Result<(), StepError> {
        if let Some(current) = look::current(cx)?
            && current.restart_policy != cx.record.configured_policy
        {
            cx.engine
                .set_restart_policy(&current.id, &cx.record.configured_policy)?;
        }
        Ok(())
    }
}

/// Minutes may lie between the plan and here: a yes that was waited for, an import.
/// What somebody changed meanwhile must not be overwritten by the plan.
fn as_planned(cx: &Cx<'_>, current: &Container) -> Result<(), Error> {
    let policy = &cx.record.configured_policy;
    let runs = current.running || current.restarting;
    if runs && current.restart_policy == *policy {
        return Ok(());
    }
    let words = |runs: bool, policy: &RestartPolicy| {
        let state = if runs { "running" } else { "stopped" };
        format!("{state}, restart policy {}", policy.name)
    };
    Err(Error::new(
        Code::ChangedMeanwhile,
        "somebody changed the container since the plan was made",
    )
    .at(current.name.clone())
    .found(words(runs, &current.restart_policy))
    .wanted(words(true, policy))
    .next("run the same command again; it plans anew"))
}

/// Steps that act on a running current container have nothing to do without one.
pub(super) fn skip_unless_serving(record: &UpdateRecord) -> Option<&'static str> {
    if record.current.is_none() {
        Some(FIRST_INSTALL)
    } else if record.was_running {
        None
    } else {
        Some(WAS_STOPPED)
    }
}

/// The current container, or the word that somebody removed it.
pub(super) fn present(cx: &Cx<'_>) -> Result<Container, StepError> {
    look::current(cx)?.ok_or_else(|| {
        Error::new(
            Code::OldContainerGone,
            "the current container disappeared during the update",
        )
        .at(cx.record.container.clone())
        .into()
    })
}
