//! `probe`: is the new version really serving? Meanwhile the old one is seen to
//! stay down: with live-restore a restart of the engine may start it beside the
//! candidate, since it is insured.

use std::time::Duration;

use serde_json::Value;

use crate::error::{Code, Error};
use crate::journal::StepId;
use crate::probe::Watch;
use crate::update::context::{Cx, StepError};
use crate::update::look;
use crate::update::record::UpdateRecord;

use super::{Step, WAS_STOPPED};

pub(super) struct Probe;

impl Step for Probe {
    fn id(&self) -> StepId {
        StepId::Probe
    }

    fn skip(&self, record: &UpdateRecord) -> Option<&'static str> {
        (!record.starts()).then_some(WAS_STOPPED)
    }

    fn run(&self, cx: &mut Cx<'_>) -> Result<Value, StepError> {
        let Some(candidate) = look::candidate(cx)? else {
            return Err(Error::new(Code::ProbeFailed, "the new container is gone").into());
        };
        let watch = Watch {
            engine: cx.engine,
            host: cx.host,
            settings: &cx.record.service.probe,
            has_health: cx.record.candidate_has_health,
            container_id: &candidate.id,
        };
        watch.run(&mut || {
            if cx.host.interrupted() {
                return Err(interrupted().into());
            }
            keep_current_down(cx)
        })
    }

    fn check(&self, _cx: &Cx<'_>) -> Result<String, StepError> {
        Ok(String::new())
    }

    fn undo(&self, _cx: &mut Cx<'_>) -> Result<(), StepError> {
        Ok(())
    }
}

/// INT or TERM arrived before the commit.
pub(crate) fn interrupted() -> Error {
    Error::new(
        Code::Interrupted,
        "the update was interrupted before the new version was committed",
    )
    .next("run the same command again when you are ready")
}

fn keep_current_down(cx: &Cx<'_>) -> Result<(), StepError> {
    if let Some(current) = look::current(cx)?
        && (current.running || current.restarting)
    {
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
