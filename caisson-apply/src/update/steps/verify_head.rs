//! `verify_head`: the package's head was checked while the plan was made; this
//! step's row says with what result. It has no effect and nothing to undo.

use serde_json::{Value, json};

use crate::journal::StepId;
use crate::update::context::{Cx, StepError};
use crate::update::record::UpdateRecord;

use super::Step;

pub(super) struct VerifyHead;

impl Step for VerifyHead {
    fn id(&self) -> StepId {
        StepId::VerifyHead
    }

    fn skip(&self, _record: &UpdateRecord) -> Option<&'static str> {
        None
    }

    fn run(&self, cx: &mut Cx<'_>) -> Result<Value, StepError> {
        Ok(json!({ "manifest": cx.record.manifest_digest, "version": cx.record.version }))
    }

    fn check(&self, _cx: &Cx<'_>) -> Result<String, StepError> {
        Ok(String::new())
    }

    fn undo(&self, _cx: &mut Cx<'_>) -> Result<(), StepError> {
        Ok(())
    }
}
