//! Decides whether a container serves: watches it until the configured probes
//! were good often enough and it has been up long enough, or until it can't be.
//!
//! The settings come from the device's catalog, never from a package. Evidence
//! of what was seen is kept for the history.

mod http;

use std::time::Duration;

use serde_json::{Value, json};

use crate::catalog::{ProbeKind, ProbeSettings};
use crate::engine::{Container, Engine, EngineErrorKind};
use crate::error::{Code, Error};
use crate::host::Host;
use crate::update::context::{StepError, engine_error};

/// Rounds kept as evidence: the newest ones tell why it failed.
const ROUNDS_KEPT: usize = 10;
/// Log lines kept when a container fails.
const LOG_LINES: u32 = 50;

/// One watch over one container.
pub struct Watch<'a> {
    pub engine: &'a dyn Engine,
    pub host: &'a dyn Host,
    pub settings: &'a ProbeSettings,
    /// Whether the container's image or configuration has a health check.
    pub has_health: bool,
    pub container_id: &'a str,
}

impl std::fmt::Debug for Watch<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Watch")
            .field("container", &self.container_id)
            .finish_non_exhaustive()
    }
}

/// What one round saw.
enum Round {
    Good(String),
    NotYet(String),
    /// It can't become good any more.
    Hopeless(String),
}

impl Watch<'_> {
    /// The probes that count: the configured ones, else the image's own health
    /// check if it has one, else that the container stays up.
    pub fn kinds(&self) -> Vec<ProbeKind> {
        match &self.settings.all_of {
            Some(kinds) => kinds.clone(),
            None if self.has_health => vec![ProbeKind::ContainerHealth],
            None => vec![ProbeKind::Running],
        }
    }

    /// Watches until the verdict. `each_round` runs before every round; its error ends the watch.
    ///
    /// Good means: the last `successes` rounds were good, and the container has
    /// been up without a restart for `stable_secs`. The whole watch takes at most
    /// `start_timeout_secs + stable_secs`.
    ///
    /// # Errors
    /// `probe.failed` with what was seen; the engine's own failures.
    pub fn run(
        &self,
        each_round: &mut dyn FnMut() -> Result<(), StepError>,
    ) -> Result<Value, StepError> {
        let begin = self.host.monotonic();
        let stable = Duration::from_secs(self.settings.stable_secs);
        let deadline = begin + Duration::from_secs(self.settings.start_timeout_secs) + stable;
        let kinds = self.kinds();
        let mut rounds: Vec<Value> = Vec::new();
        let mut good_in_a_row = 0;
        let mut up_since = begin;
        let mut started_at: Option<String> = None;
        loop {
            each_round()?;
            let container = self.look()?;
            // A restart begins the stability window anew.
            if started_at.as_ref() != Some(&container.started_at) {
                if started_at.is_some() {
                    up_since = self.host.monotonic();
                }
                started_at = Some(container.started_at.clone());
            }
            let round = self.round(&kinds, &container);
            let now = self.host.monotonic();
            let (good, words, hopeless) = match round {
                Round::Good(words) => (true, words, false),
                Round::NotYet(words) => (false, words, false),
                Round::Hopeless(words) => (false, words, true),
            };
            good_in_a_row = if good { good_in_a_row + 1 } else { 0 };
            keep(
                &mut rounds,
                json!({ "at_ms": now.saturating_sub(begin).as_millis(), "good": good, "saw": words }),
            );
            if good_in_a_row >= self.settings.successes && now.saturating_sub(up_since) >= stable {
                return Ok(json!({
                    "probes": kinds.iter().map(|kind| kind.as_str()).collect::<Vec<_>>(),
                    "took_ms": now.saturating_sub(begin).as_millis(),
                    "rounds": rounds,
                }));
            }
            if hopeless || now >= deadline {
                return Err(self.failure(&words, hopeless, &rounds, &container));
            }
            self.host
                .sleep(Duration::from_secs(self.settings.interval_secs.max(1)));
        }
    }

    fn look(&self) -> Result<Container, StepError> {
        self.engine.container(self.container_id)?.ok_or_else(|| {
            Error::new(
                Code::ProbeFailed,
                "the container disappeared while it was probed",
            )
            .at(self.container_id)
            .into()
        })
    }

    fn round(&self, kinds: &[ProbeKind], container: &Container) -> Round {
        if container.oom_killed {
            return Round::Hopeless("it was killed for want of memory".to_owned());
        }
        if container.restart_count > self.settings.restarts_allowed {
            return Round::Hopeless(format!(
                "it was restarted {} times",
                container.restart_count
            ));
        }
        if !container.running && !container.restarting {
            let words = format!("it ended with exit code {}", container.exit_code);
            // With a policy the engine may start it again; without one it is over.
            return if container.restart_policy.name == "no"
                || container.restart_policy.name == "unless-stopped"
            {
                Round::Hopeless(words)
            } else {
                Round::NotYet(words)
            };
        }
        if container.restarting {
            return Round::NotYet("it is being restarted".to_owned());
        }
        for kind in kinds {
            let seen = match kind {
                ProbeKind::Running => Round::Good("running".to_owned()),
                ProbeKind::ContainerHealth => health(container),
                ProbeKind::Http => match &self.settings.http {
                    Some(settings) => http::ask(settings),
                    None => Round::Hopeless("no http probe is configured".to_owned()),
                },
            };
            if !matches!(seen, Round::Good(_)) {
                return seen;
            }
        }
        Round::Good("good".to_owned())
    }

    fn failure(
        &self,
        words: &str,
        hopeless: bool,
        rounds: &[Value],
        container: &Container,
    ) -> StepError {
        let logs = match self.engine.container_logs(&container.id, LOG_LINES) {
            Ok(lines) => lines,
            Err(error) if error.kind == EngineErrorKind::Unreachable => {
                return engine_error(&error).into();
            }
            Err(error) => vec![format!("(no log: {})", error.message)],
        };
        let what = if hopeless {
            format!("the new version failed: {words}")
        } else {
            format!("the new version did not become healthy in time: {words}")
        };
        let mut error = Error::new(Code::ProbeFailed, what)
            .at(format!("container {}", container.name))
            .next("give the history of this update to whoever built the package");
        error.evidence = Some(json!({
            "rounds": rounds,
            "exit_code": container.exit_code,
            "oom_killed": container.oom_killed,
            "restart_count": container.restart_count,
            "health": container.health,
            "health_log": container.health_log,
            "log": logs,
        }));
        error.into()
    }
}

fn health(container: &Container) -> Round {
    match container.health.as_deref() {
        Some("healthy") => Round::Good("healthy".to_owned()),
        Some(other) => Round::NotYet(match &container.health_log {
            Some(log) => format!("the engine says {other}: {log}"),
            None => format!("the engine says {other}"),
        }),
        None => Round::Hopeless("the image has no health check to ask".to_owned()),
    }
}

fn keep(rounds: &mut Vec<Value>, round: Value) {
    if rounds.len() == ROUNDS_KEPT {
        rounds.remove(0);
    }
    rounds.push(round);
}
