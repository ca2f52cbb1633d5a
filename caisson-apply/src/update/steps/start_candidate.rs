//! `start_candidate`: the new version starts, still with policy `no`: until the
//! commit the engine must not bring it back by itself.

use std::time::Duration;

use serde_json::{Value, json};

use crate::error::{Code, Error};
use crate::journal::StepId;
use crate::update::context::{Cx, StepError};
use crate::update::look;
use crate::update::record::UpdateRecord;

use super::stop_current::start_with_patience;
use super::{Step, WAS_STOPPED};

pub(super) struct StartCandidate;

impl Step for StartCandidate {
    fn id(&self) -> StepId {
        StepId::StartCandidate
    }

    fn skip(&self, record: &UpdateRecord) -> Option<&'static str> {
        (!record.starts()).then_some(WAS_STOPPED)
    }

    fn run(&self, cx: &mut Cx<'_>) -> Result<Value, StepError> {
        let Some(candidate) = look::candidate(cx)? else {
            return Err(Error::new(
                Code::CandidateStart,
                "the candidate disappeared before its start",
            )
            .into());
        };
        match start_with_patience(cx, &candidate.id) {
            Ok(()) => Ok(json!({ "container": candidate.id })),
            Err(failed) if failed.unanswered => Err(failed),
            Err(mut failed) => {
                failed.error.code = Code::CandidateStart;
                "the new version does not start".clone_into(&mut failed.error.what);
                failed.error.next =
                    Some("give this message to whoever built the package".to_owned());
                Err(failed)
            }
        }
    }

    fn check(&self, cx: &Cx<'_>) -> Result<String, StepError> {
        Ok(look::words(look::candidate(cx)?.as_ref()))
    }

    fn undo(&self, cx: &mut Cx<'_>) -> Result<(), StepError> {
        if let Some(candidate) = look::candidate(cx)?
            && (candidate.running || candidate.restarting || candidate.paused)
        {
            cx.engine.stop_container(
                &candidate.id,
                Duration::from_secs(cx.record.candidate_grace_secs()),
            )?;
        }
        Ok(())
    }
}
