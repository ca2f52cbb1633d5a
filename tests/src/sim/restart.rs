//! What the engine does by itself with a container that isn't running: right
//! after its payload ended, and when the engine starts. Pure rules.
//!
//! Source: moby 20.10 `restartmanager` and `daemon.restore`; the boot rules were
//! measured on Docker 20.10, 26.1 and 28.5 (a cut of everything, then a start).

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// A restart policy as the API spells it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RestartPolicy {
    /// `no` (or empty), `always`, `unless-stopped`, `on-failure`.
    pub name: String,
    /// Only for `on-failure`; 0 is no limit.
    pub maximum_retry_count: u64,
}

/// The first delay before a restart.
const DELAY_MIN: Duration = Duration::from_millis(100);
/// Delays double up to this.
const DELAY_MAX: Duration = Duration::from_mins(1);
/// A payload that ran this long starts again with the first delay.
const LONG_ENOUGH: Duration = Duration::from_secs(10);

/// What the rules look at.
#[derive(Debug, Clone, Copy)]
pub(super) struct Ended<'a> {
    pub(super) policy: &'a RestartPolicy,
    pub(super) exit_code: i64,
    pub(super) restart_count: u64,
    /// A client stopped or killed it.
    pub(super) by_hand: bool,
}

impl Ended<'_> {
    fn policy_wants_it(self) -> bool {
        match self.policy.name.as_str() {
            "always" => true,
            "unless-stopped" => !self.by_hand,
            "on-failure" => {
                let limit = self.policy.maximum_retry_count;
                self.exit_code != 0 && (limit == 0 || self.restart_count < limit)
            }
            _ => false,
        }
    }

    /// Is it restarted now that its payload ended while the engine runs? A stop
    /// by a client cancels every policy, `always` too.
    pub(super) fn restarts_now(self) -> bool {
        !self.by_hand && self.policy_wants_it()
    }

    /// Is it started when the engine starts? Unlike above, `always` comes back
    /// even after a stop by hand, and `on-failure` does if it ended badly. A
    /// container that was never started is not.
    pub(super) fn starts_at_boot(self, started_before: bool) -> bool {
        started_before && self.policy_wants_it()
    }
}

/// The delay before the next restart, given the last one and how long it ran.
pub(super) fn next_delay(last: Duration, ran: Duration) -> Duration {
    if last.is_zero() || ran >= LONG_ENOUGH {
        DELAY_MIN
    } else {
        (last * 2).min(DELAY_MAX)
    }
}

/// Refuses what Docker refuses of a policy.
pub(super) fn check_policy(policy: &RestartPolicy) -> Result<(), String> {
    match policy.name.as_str() {
        "on-failure" => Ok(()),
        "" | "no" | "always" | "unless-stopped" if policy.maximum_retry_count == 0 => Ok(()),
        "" | "no" | "always" | "unless-stopped" => Err(format!(
            "maximum retry count cannot be used with restart policy '{}'",
            policy.name
        )),
        other => Err(format!("invalid restart policy '{other}'")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The table measured on real engines, row by row: the insurance of an update
    /// stands on it.
    #[test]
    fn boot_table() {
        // (exit code, by hand, started before), then up for no, always, unless-stopped, on-failure.
        let rows = [
            ("created", (0, false, false), [false, false, false, false]),
            (
                "running when cut",
                (255, false, true),
                [false, true, true, true],
            ),
            (
                "stopped, killed",
                (137, true, true),
                [false, true, false, true],
            ),
            (
                "stopped, ended well",
                (0, true, true),
                [false, true, false, false],
            ),
        ];
        for (row, (exit_code, by_hand, started_before), wanted) in rows {
            for (name, up) in ["no", "always", "unless-stopped", "on-failure"]
                .iter()
                .zip(wanted)
            {
                let policy = RestartPolicy {
                    name: (*name).to_owned(),
                    maximum_retry_count: 0,
                };
                let ended = Ended {
                    policy: &policy,
                    exit_code,
                    restart_count: 0,
                    by_hand,
                };
                assert_eq!(ended.starts_at_boot(started_before), up, "{row}, {name}");
            }
        }
    }

    /// Without growing delays a crash loop would look like a container that runs.
    #[test]
    fn delays_grow_and_start_over() {
        let brief = Duration::from_millis(5);
        let mut delay = Duration::ZERO;
        let mut seen = Vec::new();
        for _ in 0..12 {
            delay = next_delay(delay, brief);
            seen.push(delay.as_millis());
        }
        assert_eq!(seen[..4], [100, 200, 400, 800]);
        assert_eq!(seen[10..], [60_000, 60_000]);
        assert_eq!(next_delay(delay, Duration::from_secs(10)).as_millis(), 100);
    }
}
