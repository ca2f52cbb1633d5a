//! `swap_names`: the service's name moves from the current container to the
//! candidate. Undone before the old one starts, since clients of its network
//! find it by this name.

use serde_json::Value;

use crate::journal::StepId;
use crate::name::Role;
use crate::update::context::{Cx, StepError};
use crate::update::look;
use crate::update::record::UpdateRecord;

use super::Step;

pub(super) struct SwapNames;

impl Step for SwapNames {
    fn id(&self) -> StepId {
        StepId::SwapNames
    }

    fn skip(&self, _record: &UpdateRecord) -> Option<&'static str> {
        None
    }

    fn run(&self, cx: &mut Cx<'_>) -> Result<Value, StepError> {
        let name = cx.record.container.clone();
        if let Some(current) = look::current(cx)?
            && current.name == name
        {
            cx.engine
                .rename_container(&current.id, &Role::Old.of(&name))?;
        }
        if let Some(candidate) = look::candidate(cx)?
            && candidate.name != name
        {
            cx.engine.rename_container(&candidate.id, &name)?;
        }
        Ok(Value::Null)
    }

    fn check(&self, cx: &Cx<'_>) -> Result<String, StepError> {
        Ok(format!(
            "{} | {}",
            look::words(look::current(cx)?.as_ref()),
            look::words(look::candidate(cx)?.as_ref())
        ))
    }

    fn undo(&self, cx: &mut Cx<'_>) -> Result<(), StepError> {
        let name = cx.record.container.clone();
        if let Some(candidate) = look::candidate(cx)?
            && candidate.name == name
        {
            cx.engine
                .rename_container(&candidate.id, &cx.record.candidate_role().of(&name))?;
        }
        if let Some(current) = look::current(cx)?
            && current.name != name
        {
            cx.engine.rename_container(&current.id, &name)?;
        }
        Ok(())
    }
}
