//! `adopt_previous`: in a rollback the parked container is the candidate. It gets
//! a name of its own, so that a cut can be told from "nothing in flight", and
//! policy `no`, so that the engine does not start it at boot. It is never removed.

use serde_json::{Value, json};

use crate::engine::RestartPolicy;
use crate::error::{Code, Error};
use crate::journal::StepId;
use crate::name::Role;
use crate::update::context::{Cx, StepError};
use crate::update::look;
use crate::update::record::UpdateRecord;

use super::Step;

pub(super) struct AdoptPrevious;

impl Step for AdoptPrevious {
    fn id(&self) -> StepId {
        StepId::AdoptPrevious
    }

    fn skip(&self, _record: &UpdateRecord) -> Option<&'static str> {
        None
    }

    fn run(&self, cx: &mut Cx<'_>) -> Result<Value, StepError> {
        let Some(parked) = look::candidate(cx)? else {
            return Err(
                Error::new(Code::NoPrevious, "the parked previous container is gone").into(),
            );
        };
        if parked.restart_policy != RestartPolicy::no() {
            cx.engine
                .set_restart_policy(&parked.id, &RestartPolicy::no())?;
        }
        let back = Role::Back.of(&cx.record.container);
        if parked.name != back {
            cx.engine.rename_container(&parked.id, &back)?;
        }
        Ok(json!({ "container": parked.id }))
    }

    fn check(&self, cx: &Cx<'_>) -> Result<String, StepError> {
        Ok(look::words(look::candidate(cx)?.as_ref()))
    }

    fn undo(&self, cx: &mut Cx<'_>) -> Result<(), StepError> {
        let Some(parked) = look::candidate(cx)? else {
            return Ok(());
        };
        let previous = Role::Previous.of(&cx.record.container);
        if parked.name != previous {
            cx.engine.rename_container(&parked.id, &previous)?;
        }
        Ok(())
    }
}
