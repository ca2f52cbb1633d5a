//! What a journal row can say, and what the rows of a step add up to. Pure.

use std::fmt;

/// A step of an update, by its frozen name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum StepId {
    VerifyHead,
    PinCurrent,
    ImportImage,
    CreateCandidate,
    /// `service rollback` only, in the place of `CreateCandidate`.
    AdoptPrevious,
    InsureCurrent,
    StopCurrent,
    SwapNames,
    StartCandidate,
    Probe,
    Commit,
    Settle,
}

impl StepId {
    pub const ALL: [Self; 12] = [
        Self::VerifyHead,
        Self::PinCurrent,
        Self::ImportImage,
        Self::CreateCandidate,
        Self::AdoptPrevious,
        Self::InsureCurrent,
        Self::StopCurrent,
        Self::SwapNames,
        Self::StartCandidate,
        Self::Probe,
        Self::Commit,
        Self::Settle,
    ];

    /// The name in the journal; never changes.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::VerifyHead => "verify_head",
            Self::PinCurrent => "pin_current",
            Self::ImportImage => "import_image",
            Self::CreateCandidate => "create_candidate",
            Self::AdoptPrevious => "adopt_previous",
            Self::InsureCurrent => "insure_current",
            Self::StopCurrent => "stop_current",
            Self::SwapNames => "swap_names",
            Self::StartCandidate => "start_candidate",
            Self::Probe => "probe",
            Self::Commit => "commit",
            Self::Settle => "settle",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|step| step.as_str() == text)
    }
}

impl fmt::Display for StepId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What happened, by its frozen name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Event {
    Started,
    Succeeded,
    Skipped,
    Failed,
    UndoStarted,
    UndoFinished,
    UndoFailed,
    /// The point of no return; only of the step `commit`.
    Committed,
    /// A commit whose outcome was unknown will never count, even if its row appears later.
    Aborted,
    /// Final: the new version runs and nothing is left to do.
    Done,
    /// Final: the old version runs and nothing of the update is left.
    RolledBack,
    /// Final: committed, but the new version could not be started; the old one runs.
    Superseded,
}

impl Event {
    pub const ALL: [Self; 12] = [
        Self::Started,
        Self::Succeeded,
        Self::Skipped,
        Self::Failed,
        Self::UndoStarted,
        Self::UndoFinished,
        Self::UndoFailed,
        Self::Committed,
        Self::Aborted,
        Self::Done,
        Self::RolledBack,
        Self::Superseded,
    ];

    /// The name in the journal; never changes.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Started => "started",
            Self::Succeeded => "succeeded",
            Self::Skipped => "skipped",
            Self::Failed => "failed",
            Self::UndoStarted => "undo_started",
            Self::UndoFinished => "undo_finished",
            Self::UndoFailed => "undo_failed",
            Self::Committed => "committed",
            Self::Aborted => "aborted",
            Self::Done => "done",
            Self::RolledBack => "rolled_back",
            Self::Superseded => "superseded",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|event| event.as_str() == text)
    }

    /// After one of these the update is over.
    pub fn is_final(self) -> bool {
        matches!(self, Self::Done | Self::RolledBack | Self::Superseded)
    }
}

/// Where the rows of one step stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StepStatus {
    /// No row, or skipped: the step had no effect.
    Untouched,
    /// `started` without an outcome: the effect may have happened, or may still come.
    InFlight,
    Succeeded,
    /// May be half done.
    Failed,
    Undoing,
    Undone,
    UndoFailed,
}

/// The status after one more event, or `None` where that order is illegal.
/// Total, so that a damaged journal is an error and never a panic.
pub fn next_status(status: StepStatus, event: Event) -> Option<StepStatus> {
    use StepStatus as S;
    match (status, event) {
        (S::Untouched, Event::Skipped) => Some(S::Untouched),
        // A step may be started again: `settle` is retried until it succeeds.
        (S::Untouched | S::InFlight | S::Failed | S::Succeeded, Event::Started) => {
            Some(S::InFlight)
        }
        (S::InFlight, Event::Succeeded | Event::Committed) => Some(S::Succeeded),
        (S::InFlight, Event::Failed) => Some(S::Failed),
        // A row that could not be written while unwinding is reported, not
        // obeyed, so an undo may begin from every status that had an effect.
        (
            S::InFlight | S::Succeeded | S::Failed | S::Undoing | S::UndoFailed | S::Undone,
            Event::UndoStarted,
        ) => Some(S::Undoing),
        (
            S::Undoing | S::InFlight | S::Succeeded | S::Failed | S::UndoFailed,
            Event::UndoFinished,
        ) => Some(S::Undone),
        (
            S::Undoing | S::InFlight | S::Succeeded | S::Failed | S::UndoFailed,
            Event::UndoFailed,
        ) => Some(S::UndoFailed),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A name that is not read back would make an old journal unreadable.
    #[test]
    fn frozen_names_are_read_back() {
        for step in StepId::ALL {
            assert_eq!(StepId::parse(step.as_str()), Some(step));
        }
        for event in Event::ALL {
            assert_eq!(Event::parse(event.as_str()), Some(event));
        }
        assert_eq!(StepId::parse("Probe"), None);
    }

    /// The table recovery relies on; an order that is allowed by accident would
    /// let it undo what never happened or skip what did.
    #[test]
    fn orders_of_events() {
        use StepStatus as S;
        let walk = |events: &[Event]| {
            events
                .iter()
                .try_fold(S::Untouched, |status, event| next_status(status, *event))
        };
        assert_eq!(walk(&[Event::Started]), Some(S::InFlight));
        assert_eq!(
            walk(&[Event::Started, Event::Succeeded]),
            Some(S::Succeeded)
        );
        assert_eq!(
            walk(&[Event::Started, Event::Failed, Event::UndoStarted]),
            Some(S::Undoing)
        );
        assert_eq!(
            walk(&[
                Event::Started,
                Event::UndoStarted,
                Event::UndoFailed,
                Event::UndoStarted,
                Event::UndoFinished
            ]),
            Some(S::Undone)
        );
        assert_eq!(walk(&[Event::Skipped]), Some(S::Untouched));
        assert_eq!(walk(&[Event::Succeeded]), None);
        assert_eq!(walk(&[Event::UndoStarted]), None);
        assert_eq!(walk(&[Event::Skipped, Event::Succeeded]), None);
        assert_eq!(
            walk(&[Event::Started, Event::UndoStarted, Event::Started]),
            None
        );
        for status in [S::Untouched, S::Undoing, S::Undone, S::UndoFailed] {
            assert_eq!(next_status(status, Event::Succeeded), None);
        }
    }
}
