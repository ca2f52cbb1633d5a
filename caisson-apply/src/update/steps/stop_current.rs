//! `stop_current`: the current container stops by its own signal and grace. Here
//! the downtime begins.

use std::time::Duration;

use serde_json::{Value, json};

use crate::engine::EngineErrorKind;
use crate::error::{Code, Error};
use crate::journal::StepId;
use crate::update::context::{Cx, StepError};
use crate::update::look;
use crate::update::record::UpdateRecord;

use super::Step;
use super::insure_current::{present, skip_unless_serving};

/// Tries to start the old container again; a port may take seconds to be freed.
const START_TRIES: u32 = 20;
const START_INTERVAL: Duration = Duration::from_millis(500);

pub(super) struct StopCurrent;

impl Step for StopCurrent {
    fn id(&self) -> StepId {
        StepId::StopCurrent
    }

    fn skip(&self, record: &UpdateRecord) -> Option<&'static str> {
        skip_unless_serving(record)
    }

    fn run(&self, cx: &mut Cx<'_>) -> Result<Value, StepError> {
        let before = cx.host.monotonic();
        stop_current(cx)?;
        let now = present(cx)?;
        if now.running {
            return Err(Error::new(
                Code::EngineRefused,
                "the current container still runs after the stop",
            )
            .at(cx.record.container.clone())
            .into());
        }
        let took = cx.host.monotonic().saturating_sub(before);
        Ok(json!({ "exit_code": now.exit_code, "took_ms": took.as_millis() }))
    }

    fn check(&self, cx: &Cx<'_>) -> Result<String, StepError> {
        Ok(look::words(look::current(cx)?.as_ref()))
    }

    fn undo(&self, cx: &mut Cx<'_>) -> Result<(), StepError> {
        start_current(cx)
    }
}

/// Asks for the stop and waits for it. Also how recovery outlasts a stop whose
/// answer never came: "it still runs" does not mean it won't stop.
pub(in crate::update) fn stop_current(cx: &Cx<'_>) -> Result<(), StepError> {
    if let Some(current) = &cx.record.current {
        cx.engine
            .stop_container(&current.id, Duration::from_secs(current.grace_secs))?;
    }
    Ok(())
}

/// Starts the current container again, with patience for a port that is being freed.
pub(in crate::update) fn start_current(cx: &Cx<'_>) -> Result<(), StepError> {
    let current = present(cx)?;
    start_with_patience(cx, &current.id)
}

/// Starts a container; a refusal is tried again for a while, since the engine
/// may free a port only some time after the container that held it is gone.
pub(in crate::update) fn start_with_patience(cx: &Cx<'_>, id: &str) -> Result<(), StepError> {
    let mut tries = 1;
    loop {
        match cx.engine.start_container(id) {
            Ok(()) => return Ok(()),
            Err(error)
                if error.kind == EngineErrorKind::Refused
                    && port_is_taken(&error.message)
                    && tries < START_TRIES =>
            {
                tries += 1;
                cx.host.sleep(START_INTERVAL);
            }
            Err(error) => return Err(error.into()),
        }
    }
}

/// Docker: "port is already allocated", "address already in use"; Podman words
/// it with "address already in use" too.
fn port_is_taken(message: &str) -> bool {
    let message = message.to_ascii_lowercase();
    message.contains("already allocated") || message.contains("already in use")
}
