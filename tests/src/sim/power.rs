//! The log of requests and the power switch.

use serde::{Deserialize, Serialize};

/// On which side of a request's effect the engine is cut off.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum CutWhen {
    /// The request came in; nothing happened; no answer.
    Before,
    /// It happened; no answer.
    After,
}

/// How much of what the engine answered but nobody synced is gone after a power cycle.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tail {
    /// Nothing: the engine's writes happened to reach the disk.
    Kept,
    /// The newest `n` effects, as far as they are not synced.
    Lose(usize),
    /// Every effect since the last [`super::Sim::sync`].
    Lost,
}

/// A request as the engine saw it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RequestRecord {
    /// From 1, in the order of arrival.
    pub index: u64,
    pub method: String,
    /// Path and query as sent, with the version in front.
    pub target: String,
    /// Everything but `GET` and `HEAD`.
    pub changes: bool,
    /// `None`: not answered (yet).
    pub status: Option<u16>,
}

#[derive(Debug, Default)]
pub(super) struct Power {
    pub(super) log: Vec<RequestRecord>,
    armed: Option<Armed>,
    /// No request is answered and no connection taken.
    pub(super) down: bool,
}

#[derive(Debug, Clone, Copy)]
struct Armed {
    /// Requests still to pass before the one that is cut.
    left: u64,
    when: CutWhen,
    only_changes: bool,
}

impl Power {
    /// Arms the switch for the `n`-th request from now on, counted from 1.
    pub(super) fn arm(&mut self, n: u64, when: CutWhen, only_changes: bool) {
        self.armed = Some(Armed {
            left: n.saturating_sub(1),
            when,
            only_changes,
        });
    }

    pub(super) fn disarm(&mut self) {
        self.armed = None;
    }

    /// Notes a request and says whether it is the one to be cut.
    pub(super) fn arrive(&mut self, method: &str, target: &str) -> (u64, Option<CutWhen>) {
        let changes = !matches!(method, "GET" | "HEAD");
        let index = self.log.len() as u64 + 1;
        self.log.push(RequestRecord {
            index,
            method: method.to_owned(),
            target: target.to_owned(),
            changes,
            status: None,
        });
        let Some(armed) = &mut self.armed else {
            return (index, None);
        };
        if armed.only_changes && !changes {
            return (index, None);
        }
        if armed.left > 0 {
            armed.left -= 1;
            return (index, None);
        }
        let when = armed.when;
        self.armed = None;
        (index, Some(when))
    }

    pub(super) fn answered(&mut self, index: u64, status: u16) {
        let place = usize::try_from(index)
            .ok()
            .and_then(|index| index.checked_sub(1));
        if let Some(record) = place.and_then(|place| self.log.get_mut(place)) {
            record.status = Some(status);
        }
    }
}
