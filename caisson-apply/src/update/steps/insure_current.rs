//! `insure_current`: the current container gets restart policy `always`. An
//! engine starts such a container at boot even after a manual stop, so from here
//! to the commit a power cut ends with the old version running, with nobody
//! there to run `recover`. The policy must be on the disk before the stop: an
//! answered request is not a durable one.

use serde_json::{Value, json};

use crate::engine::RestartPolicy;
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
pub(super) fn present(cx: &Cx<'_>) -> Result<crate::engine::Container, StepError> {
    look::current(cx)?.ok_or_else(|| {
        Error::new(
            Code::OldContainerGone,
            "the current container disappeared during the update",
        )
        .at(cx.record.container.clone())
        .into()
    })
}
