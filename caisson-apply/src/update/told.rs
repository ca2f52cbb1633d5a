//! What the person is told after an unwinding: the first cause, the state of the
//! device now, and what is left.

use crate::error::{Code, Error, Exit, Running};

use super::record::UpdateRecord;
use super::unwind::Unwound;

/// The error the person sees: the first cause, the state now, and what is left.
pub(super) fn after_unwinding(record: &UpdateRecord, cause: Error, unwound: Unwound) -> Error {
    let mut error = cause;
    let service = &record.service.name;
    let running = match &record.current {
        None => format!("service `{service}` is not installed, as before"),
        Some(current) if record.was_running => match &current.version {
            Some(version) => {
                format!("service `{service}` runs {version}, the same container as before")
            }
            None => format!("service `{service}` runs the same container as before"),
        },
        Some(_) => format!("service `{service}` is stopped, as before"),
    };
    if matches!(error.code, Code::ProbeFailed | Code::CandidateStart) {
        let id: String = record.update_id.chars().take(8).collect();
        error.next = Some(format!(
            "give what `caisson-apply history show {id}` prints to whoever built the package"
        ));
    }
    if unwound.left.is_empty() {
        error.running = Some(match &record.current {
            None => Running::NotInstalled,
            Some(_) if !record.was_running => Running::Stopped,
            Some(current) => Running::Version(current.version.clone()),
        });
        error.state = Some(if unwound.touched {
            format!("rolled back; {running}")
        } else {
            format!("nothing changed; {running}")
        });
        if unwound.touched && error.code.exit() != Exit::RolledBack {
            error
                .also
                .push(format!("the update failed with {}", error.code.as_str()));
            error.exit = Some(Exit::RolledBack);
        }
    } else {
        left_open(record, &mut error, &unwound.left);
    }
    // Somebody else has to go on: the guard, the boot unit, or the next command.
    error.open = !unwound.left.is_empty() || !unwound.unwritten.is_empty();
    for message in unwound.unwritten {
        error
            .also
            .push(format!("a journal row could not be written: {message}"));
    }
    error
}

/// Did the engine not answer?
pub(super) fn is_away(error: &Error) -> bool {
    matches!(error.code, Code::EngineUnreachable | Code::EngineAnswer)
}

/// The words for an unwinding that did not get through.
fn left_open(record: &UpdateRecord, error: &mut Error, left: &[Error]) {
    for one in left {
        error
            .also
            .push(format!("{}: {one}", one.place.clone().unwrap_or_default()));
    }
    if left.iter().all(is_away) {
        error.exit = Some(Exit::Engine);
        let service = &record.service.name;
        error.state = Some(match &record.current {
            None => format!(
                "the engine is away; what was begun of service `{service}` is removed when it is back"
            ),
            Some(_) => format!(
                "the engine is away; service `{service}` comes back on the old version with it, \
                 and the rest is undone then"
            ),
        });
        error.next =
            Some("start the engine; `caisson-apply recover` shows whether all is done".to_owned());
        return;
    }
    error.exit = Some(Exit::NeedsAPerson);
    error.state = Some(format!(
        "going back did not finish; look at containers `{0}`, `{0}.caisson-old` and `{0}.caisson-new`",
        record.container
    ));
    error.next = Some(
        "run `caisson-apply recover`; if it says the same, start the old container by hand"
            .to_owned(),
    );
}
