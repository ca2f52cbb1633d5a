//! Health checks of running containers. Pure rules.
//!
//! Source: moby 20.10 `daemon/health.go`: the first run is one interval after the
//! start; failures within the start period don't count; `retries` failures in a
//! row make it unhealthy, one success makes it healthy.

use std::time::Duration;

use caisson_test_service::{HEALTHCHECK_ARGUMENT, PROGRAM_PATH};
use serde_json::Value;

/// The engine keeps this many results.
const RESULTS_KEPT: usize = 5;

/// A health check as configured, with the engine's defaults filled in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct HealthPlan {
    pub(super) interval: Duration,
    pub(super) start_period: Duration,
    pub(super) retries: u64,
    /// It runs the service's own health check; anything else isn't in a scratch image.
    pub(super) asks_service: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum HealthWord {
    Starting,
    Healthy,
    Unhealthy,
}

impl HealthWord {
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Starting => "starting",
            Self::Healthy => "healthy",
            Self::Unhealthy => "unhealthy",
        }
    }
}

impl HealthState {
    /// Nobody checks any more, as the payload ended or is paused: the engine calls
    /// that unhealthy.
    pub(super) fn unwatched(&mut self) {
        self.word = HealthWord::Unhealthy;
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct HealthResult {
    pub(super) at: Duration,
    pub(super) exit_code: i64,
    pub(super) output: String,
}

/// Health of a container since its last start.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct HealthState {
    pub(super) word: HealthWord,
    pub(super) failing_streak: u64,
    pub(super) results: Vec<HealthResult>,
    pub(super) next_at: Duration,
}

impl HealthPlan {
    /// Reads `Config.Healthcheck`; `None` where there is none or it says `NONE`.
    pub(super) fn from_config(config: &Value) -> Option<Self> {
        let healthcheck = config.get("Healthcheck")?;
        let test: Vec<&str> = healthcheck
            .get("Test")?
            .as_array()?
            .iter()
            .filter_map(Value::as_str)
            .collect();
        // `NONE`, or the empty list that means the image's.
        let (&"CMD" | &"CMD-SHELL", command) = test.split_first()? else {
            return None;
        };
        let asks_service = command == [PROGRAM_PATH, HEALTHCHECK_ARGUMENT];
        let nanos =
            |key: &str, default: Duration| match healthcheck.get(key).and_then(Value::as_u64) {
                None | Some(0) => default,
                Some(nanos) => Duration::from_nanos(nanos),
            };
        let retries = healthcheck
            .get("Retries")
            .and_then(Value::as_u64)
            .filter(|count| *count > 0);
        Some(Self {
            interval: nanos("Interval", Duration::from_secs(30)),
            start_period: nanos("StartPeriod", Duration::ZERO),
            retries: retries.unwrap_or(3),
            asks_service,
        })
    }

    pub(super) fn begin(&self, started_at: Duration) -> HealthState {
        HealthState {
            word: HealthWord::Starting,
            failing_streak: 0,
            results: Vec::new(),
            next_at: started_at + self.interval,
        }
    }

    /// Takes in the result of a run at `at`, `since_start` after the payload's start.
    pub(super) fn note(&self, state: &mut HealthState, run: HealthResult, since_start: Duration) {
        state.next_at = run.at + self.interval;
        if run.exit_code == 0 {
            state.word = HealthWord::Healthy;
            state.failing_streak = 0;
        } else if state.word != HealthWord::Starting || since_start >= self.start_period {
            state.failing_streak += 1;
            if state.failing_streak >= self.retries {
                state.word = HealthWord::Unhealthy;
            }
        }
        state.results.push(run);
        if state.results.len() > RESULTS_KEPT {
            state.results.remove(0);
        }
    }
}
