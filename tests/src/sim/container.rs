//! One container: what was configured, what it is doing, what happened to it.
//! Data and questions about it; the transitions are in `model`.

use std::collections::BTreeMap;
use std::time::Duration;

use caisson_test_service::{Answer, Behaviour};
use serde_json::Value;

use super::health::{HealthPlan, HealthState};
use super::restart::{Ended, RestartPolicy};
use crate::digest;

/// A published port while the payload runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct BoundPort {
    /// Such as 8080, without `/tcp`.
    pub(super) container_port: u16,
    pub(super) host_ip: String,
    pub(super) host_port: u16,
}

/// A publication as configured; host port 0 is "any".
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct PortWish {
    pub(super) container_port: u16,
    pub(super) host_ip: String,
    pub(super) host_port: u16,
}

/// A mounted volume or folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Mount {
    /// `volume` or `bind`.
    pub(super) kind: &'static str,
    /// Volume name or host path.
    pub(super) source: String,
    pub(super) destination: String,
    pub(super) writable: bool,
    pub(super) mode: String,
    /// Made for this container without a name: removed with it on request.
    pub(super) anonymous: bool,
}

/// The payload's run since its last start.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Run {
    pub(super) started_at: Duration,
    pub(super) pid: u32,
    pub(super) ports: Vec<BoundPort>,
    /// Time spent paused before the current pause.
    pub(super) paused_for: Duration,
    pub(super) paused_since: Option<Duration>,
    /// The log says that the port is open.
    pub(super) said_it_listens: bool,
}

impl Run {
    /// The payload's own time: pauses don't count.
    pub(super) fn elapsed(&self, now: Duration) -> Duration {
        self.paused_since
            .unwrap_or(now)
            .saturating_sub(self.started_at + self.paused_for)
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Phase {
    Created,
    Running(Run),
    /// Ended, and will be started again at `due`.
    Restarting {
        due: Duration,
    },
    Exited,
}

/// How far the newest start came; what the engine made on the way stays visible.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Attempt {
    Never,
    /// The network couldn't be set up.
    Network,
    /// The payload was to be executed.
    Payload,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct LogLine {
    pub(super) at: Duration,
    pub(super) error_stream: bool,
    pub(super) text: String,
}

/// The log keeps this many lines.
const LOG_LINES_MAX: usize = 1_000;

#[derive(Debug, Clone)]
pub(super) struct Container {
    pub(super) id: String,
    pub(super) name: String,
    pub(super) image_id: String,
    pub(super) created_at: Duration,
    /// `Config`: the request merged with the image's defaults.
    pub(super) config: Value,
    /// `HostConfig` with the engine's defaults; the restart policy in it is not
    /// read, `policy` is the truth.
    pub(super) host_config: Value,
    /// Network name to endpoint settings as asked for.
    pub(super) endpoints: BTreeMap<String, Value>,
    pub(super) policy: RestartPolicy,
    pub(super) auto_remove: bool,
    pub(super) mounts: Vec<Mount>,
    pub(super) port_wishes: Vec<PortWish>,
    /// The command line, program first.
    pub(super) command: Vec<String>,
    /// The settings of the service, or what it prints before it ends with code 2.
    pub(super) behaviour: Result<Behaviour, String>,
    /// Why the program can't be executed, if the image doesn't have it.
    pub(super) missing_program: Option<String>,
    pub(super) health_plan: Option<HealthPlan>,

    pub(super) phase: Phase,
    pub(super) health: Option<HealthState>,
    pub(super) attempt: Attempt,
    pub(super) started_before: bool,
    /// A client stopped or killed it since its last start.
    pub(super) by_hand: bool,
    pub(super) restart_count: u64,
    pub(super) restart_delay: Duration,
    pub(super) exit_code: i64,
    /// Why the last start failed.
    pub(super) error: String,
    pub(super) started_at: Option<Duration>,
    pub(super) finished_at: Option<Duration>,
    pub(super) logs: Vec<LogLine>,
}

impl Container {
    /// As the engine counts: also between a crash and the restart.
    pub(super) fn running(&self) -> bool {
        matches!(self.phase, Phase::Running(_) | Phase::Restarting { .. })
    }

    pub(super) fn paused(&self) -> bool {
        matches!(&self.phase, Phase::Running(run) if run.paused_since.is_some())
    }

    pub(super) fn run(&self) -> Option<&Run> {
        match &self.phase {
            Phase::Running(run) => Some(run),
            _ => None,
        }
    }

    /// `State.Status`.
    pub(super) fn status(&self) -> &'static str {
        match &self.phase {
            Phase::Created => "created",
            Phase::Running(run) if run.paused_since.is_some() => "paused",
            Phase::Running(_) => "running",
            Phase::Restarting { .. } => "restarting",
            Phase::Exited => "exited",
        }
    }

    pub(super) fn ended(&self) -> Ended<'_> {
        Ended {
            policy: &self.policy,
            exit_code: self.exit_code,
            restart_count: self.restart_count,
            by_hand: self.by_hand,
        }
    }

    /// When, in the payload's own time, it ends by itself, and with which code.
    pub(super) fn natural_end(&self) -> Option<(Duration, i64)> {
        match &self.behaviour {
            Err(_) => Some((Duration::ZERO, 2)),
            // The service's health check as the main program finds no service.
            Ok(behaviour) if behaviour.healthcheck => Some((Duration::ZERO, 1)),
            Ok(behaviour) => behaviour
                .crash_after
                .map(|after| (after, i64::from(behaviour.exit_code))),
        }
    }

    /// Is something behind `container_port` that takes connections?
    pub(super) fn listens(&self, container_port: u16, now: Duration) -> bool {
        match (&self.phase, &self.behaviour) {
            (Phase::Running(run), Ok(behaviour)) => {
                run.paused_since.is_none()
                    && behaviour.port == container_port
                    && behaviour.listens_at(run.elapsed(now))
            }
            _ => false,
        }
    }

    /// What a request to that port gets; `None` is a closed connection.
    pub(super) fn answer(
        &self,
        container_port: u16,
        path: Option<&str>,
        now: Duration,
    ) -> Option<Answer> {
        let behaviour = self.behaviour.as_ref().ok()?;
        self.listens(container_port, now)
            .then(|| behaviour.answer(path))
    }

    /// Does `signal` end the payload at once?
    pub(super) fn obeys(&self, signal: &str) -> bool {
        match signal.strip_prefix("SIG").unwrap_or(signal) {
            "KILL" | "9" => true,
            "TERM" | "15" | "INT" | "2" => match &self.behaviour {
                Ok(behaviour) => !behaviour.ignore_term,
                Err(_) => true,
            },
            // Process 1 ignores what it has no handler for.
            _ => false,
        }
    }

    /// Of its place in a network; the same in every run.
    pub(super) fn endpoint_id(&self, network: &str) -> String {
        let id = digest::of(format!("endpoint {network} {}", self.id).as_bytes());
        digest::hex_part(&id).to_owned()
    }

    pub(super) fn stop_signal(&self) -> &str {
        self.config
            .get("StopSignal")
            .and_then(Value::as_str)
            .unwrap_or("SIGTERM")
    }

    /// How long a stop waits before it kills.
    pub(super) fn stop_timeout(&self) -> Duration {
        let seconds = self
            .config
            .get("StopTimeout")
            .and_then(Value::as_u64)
            .unwrap_or(10);
        Duration::from_secs(seconds)
    }

    /// A start came this far.
    pub(super) fn note_attempt(&mut self, attempt: Attempt) {
        self.attempt = self.attempt.max(attempt);
        if self.host_config["Runtime"].is_null() {
            self.host_config["Runtime"] = "runc".into();
        }
    }

    /// It goes down together with its engine. Between a crash and a restart there
    /// is no payload, so the code of the crash stays.
    pub(super) fn goes_down(&mut self, exit_code: i64, now: Duration) {
        if let Some(health) = &mut self.health {
            health.unwatched();
        }
        if let Phase::Running(_) = self.phase {
            self.exit_code = exit_code;
            self.finished_at = Some(now);
        }
        if self.running() {
            self.phase = Phase::Exited;
        }
    }

    pub(super) fn log(&mut self, at: Duration, error_stream: bool, text: String) {
        if self.logs.len() == LOG_LINES_MAX {
            self.logs.remove(0);
        }
        self.logs.push(LogLine {
            at,
            error_stream,
            text,
        });
    }
}
