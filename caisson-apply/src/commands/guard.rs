//! `guard`: the hidden subcommand that an update starts. Waits for the end of
//! the updating process and repairs the device if it was no good end.

use std::time::Duration;

use crate::error::{Code, Error, Exit, Result};
use crate::guard::{End, LOCK_PATIENCE, watch};
use crate::host::Host;
use crate::update::context::Silent;

use super::recover;
use super::session::Session;

/// How long one try waits for the engine; then it is looked whether there is still
/// anything to watch over.
const ENGINE_PATIENCE: Duration = Duration::from_mins(1);
/// The engine may be gone for as long as somebody needs to repair it. After that the
/// boot unit or the next command goes on.
const GIVE_UP: Duration = Duration::from_hours(24);
const PAUSE_MAX: Duration = Duration::from_mins(1);

pub(super) fn guard(session: &Session) -> Result<Exit> {
    let end = watch().map_err(|error| {
        Error::new(
            Code::Usage,
            format!("the guard is started by an update, not by hand: {error}"),
        )
    })?;
    if end == End::Good {
        return Ok(Exit::Done);
    }
    let begin = session.host.monotonic();
    let mut pause = Duration::from_secs(1);
    // Without its state directory the device was put away, and nothing is ours any more.
    while session.global.state_dir.is_dir()
        && session.host.monotonic().saturating_sub(begin) < GIVE_UP
    {
        match recover::run(session, ENGINE_PATIENCE, LOCK_PATIENCE, &Silent) {
            Ok(recovered) if recovered.iter().all(|one| one.outcome != "pending") => {
                return Ok(Exit::Done);
            }
            Ok(_) | Err(_) => {}
        }
        session.host.sleep(pause);
        pause = (pause * 2).min(PAUSE_MAX);
    }
    Ok(Exit::NeedsAPerson)
}
