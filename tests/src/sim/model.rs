//! The engine's state and its transitions: no sockets, no threads, no clock.
//! Every method takes the time it happens at.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::Value;

use super::container::{Attempt, BoundPort, Container, Phase, PortWish, Run};
use super::health::HealthResult;
use super::images::ImageStore;
use super::refusal::Refusal;
use super::restart;

/// What the engine knows. A clone is what a disk would hold at that moment.
#[derive(Debug, Clone)]
pub(super) struct Model {
    /// In the order of creation.
    pub(super) containers: Vec<Container>,
    pub(super) images: ImageStore,
    /// Name to network.
    pub(super) networks: BTreeMap<String, Network>,
    /// Name to "made without a name".
    pub(super) volumes: BTreeMap<String, bool>,
    pids: u32,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) struct Network {
    pub(super) id: String,
    pub(super) driver: String,
    pub(super) created_at: Duration,
    /// The create request, shown as it was.
    pub(super) asked: Value,
    /// Comes with the engine and can't be removed.
    pub(super) built_in: bool,
}

/// Something that happens without a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Due {
    /// The service opens its port: only a line in the log.
    Listens,
    /// A health check runs.
    HealthRun,
    /// The payload ends by itself with this code.
    Ends(i64),
    /// The delay before a restart is over.
    Restart,
}

impl Model {
    pub(super) fn new(images: ImageStore, networks: BTreeMap<String, Network>) -> Self {
        Self {
            containers: Vec::new(),
            images,
            networks,
            volumes: BTreeMap::new(),
            pids: 1_000,
        }
    }

    /// Finds by name, full id or unique id prefix, in this order, as Docker does.
    pub(super) fn find(&self, name_or_id: &str) -> Result<usize, Refusal> {
        let name = name_or_id.strip_prefix('/').unwrap_or(name_or_id);
        let exact = |c: &Container| c.id == name_or_id;
        if let Some(index) = self.containers.iter().position(exact) {
            return Ok(index);
        }
        if let Some(index) = self.containers.iter().position(|c| c.name == name) {
            return Ok(index);
        }
        let mut matches = self
            .containers
            .iter()
            .enumerate()
            .filter(|(_, c)| !name_or_id.is_empty() && c.id.starts_with(name_or_id));
        match (matches.next(), matches.next()) {
            (Some((index, _)), None) => Ok(index),
            (Some(_), Some(_)) => Err(Refusal::bad_request(format!(
                "Multiple IDs found with provided prefix: {name_or_id}"
            ))),
            (None, _) => Err(Refusal::not_found(format!(
                "No such container: {name_or_id}"
            ))),
        }
    }

    /// The earliest thing that happens by itself, and to which container.
    pub(super) fn next_due(&self) -> Option<(Duration, usize, Due)> {
        let all = self.containers.iter().enumerate();
        all.flat_map(|(index, container)| {
            dues(container)
                .into_iter()
                .map(move |(at, due)| (at, index, due))
        })
        .min()
    }

    /// What a start needs on the host, or why it can't be.
    pub(super) fn start_wish(&self, index: usize) -> Result<Vec<PortWish>, Refusal> {
        let container = &self.containers[index];
        if let Some(missing) = container
            .endpoints
            .keys()
            .find(|n| !self.networks.contains_key(*n))
        {
            return Err(Refusal::not_found(format!("network {missing} not found")));
        }
        if let Some(why) = &container.missing_program {
            return Err(Refusal::bad_request(why.clone()));
        }
        for wish in &container.port_wishes {
            if wish.host_port != 0 && self.host_port_taken(wish.host_port) {
                let (ip, port) = (&wish.host_ip, wish.host_port);
                return Err(Refusal::server(format!(
                    "driver failed programming external connectivity on endpoint {} ({}): \
                     Bind for {ip}:{port} failed: port is already allocated",
                    container.name,
                    container.endpoint_id("bridge")
                )));
            }
        }
        Ok(container.port_wishes.clone())
    }

    fn host_port_taken(&self, port: u16) -> bool {
        let runs = self.containers.iter().filter_map(Container::run);
        runs.flat_map(|run| &run.ports)
            .any(|bound| bound.host_port == port)
    }

    /// The payload runs now. `anew`: by a client or at boot, so the count of
    /// restarts starts over.
    pub(super) fn started(
        &mut self,
        index: usize,
        ports: Vec<BoundPort>,
        now: Duration,
        anew: bool,
    ) {
        self.pids += 1;
        let pid = self.pids;
        let container = &mut self.containers[index];
        if anew {
            container.restart_count = 0;
            container.restart_delay = Duration::ZERO;
            container.by_hand = false;
        }
        let run = Run {
            started_at: now,
            pid,
            ports,
            paused_for: Duration::ZERO,
            paused_since: None,
            said_it_listens: false,
        };
        container.phase = Phase::Running(run);
        container.note_attempt(Attempt::Payload);
        container.started_before = true;
        container.started_at = Some(now);
        container.exit_code = 0;
        container.error.clear();
        container.health = container.health_plan.as_ref().map(|plan| plan.begin(now));
        let line = match &container.behaviour {
            Ok(behaviour) if behaviour.healthcheck => Err("port: connection refused".to_owned()),
            Ok(behaviour) => Ok(behaviour.start_line()),
            Err(error) => Err(format!("service: {error}")),
        };
        match line {
            Ok(line) => container.log(now, false, line),
            Err(line) => container.log(now, true, line),
        }
    }

    /// A start failed: the container stays down and says why.
    pub(super) fn start_failed(&mut self, index: usize, refusal: &Refusal, now: Duration) {
        let container = &mut self.containers[index];
        container.error.clone_from(&refusal.message);
        let executed = refusal.status == 400;
        container.exit_code = if executed { 127 } else { 128 };
        let attempt = if executed {
            Attempt::Payload
        } else {
            Attempt::Network
        };
        container.note_attempt(attempt);
        if container.running() {
            container.phase = Phase::Exited;
            container.finished_at = Some(now);
        }
    }

    /// The payload ended, for whatever reason. Gives true if the container is to be
    /// removed (`--rm`).
    pub(super) fn payload_ended(&mut self, index: usize, exit_code: i64, now: Duration) -> bool {
        let container = &mut self.containers[index];
        let ran = container
            .run()
            .map_or(Duration::ZERO, |run| run.elapsed(now));
        container.exit_code = exit_code;
        container.finished_at = Some(now);
        if let Some(health) = &mut container.health {
            health.unwatched();
        }
        if container.ended().restarts_now() {
            container.restart_delay = restart::next_delay(container.restart_delay, ran);
            container.restart_count += 1;
            container.phase = Phase::Restarting {
                due: now + container.restart_delay,
            };
            return false;
        }
        container.phase = Phase::Exited;
        container.auto_remove
    }

    /// A line in the log for something the payload did.
    pub(super) fn payload_says_it_crashes(&mut self, index: usize, now: Duration) {
        let container = &mut self.containers[index];
        if let Ok(behaviour) = &container.behaviour
            && !behaviour.healthcheck
        {
            let line = behaviour.crash_line();
            container.log(now, true, line);
        }
    }

    pub(super) fn payload_listens(&mut self, index: usize, now: Duration) {
        let container = &mut self.containers[index];
        if let (Phase::Running(run), Ok(behaviour)) = (&mut container.phase, &container.behaviour) {
            run.said_it_listens = true;
            let line = behaviour.listen_line();
            container.log(now, false, line);
        }
    }

    /// Runs the health check once.
    pub(super) fn health_run(&mut self, index: usize, now: Duration) {
        let container = &mut self.containers[index];
        let (Phase::Running(run), Some(plan), Some(health)) = (
            &container.phase,
            &container.health_plan,
            &mut container.health,
        ) else {
            return;
        };
        let elapsed = run.elapsed(now);
        let (exit_code, output) = match &container.behaviour {
            _ if !plan.asks_service => (
                -1,
                "OCI runtime exec failed: exec failed: unable to start container process: \
                 no such file or directory: unknown"
                    .to_owned(),
            ),
            Ok(behaviour) if behaviour.healthy_at(elapsed) => (0, "HTTP/1.1 200 OK\n".to_owned()),
            Ok(behaviour) if behaviour.listens_at(elapsed) => {
                (1, "HTTP/1.1 503 Service Unavailable\n".to_owned())
            }
            Ok(behaviour) => (
                1,
                format!(
                    "port {}: Connection refused (os error 111)\n",
                    behaviour.port
                ),
            ),
            Err(error) => (2, format!("service: {error}\n")),
        };
        plan.note(
            health,
            HealthResult {
                at: now,
                exit_code,
                output,
            },
            elapsed,
        );
    }

    pub(super) fn pause(&mut self, index: usize, now: Duration) -> Result<(), Refusal> {
        let container = &mut self.containers[index];
        let id = container.id.clone();
        match &mut container.phase {
            Phase::Running(run) if run.paused_since.is_some() => Err(Refusal::conflict(format!(
                "Container {id} is already paused"
            ))),
            Phase::Running(run) => {
                run.paused_since = Some(now);
                if let Some(health) = &mut container.health {
                    health.unwatched();
                }
                Ok(())
            }
            Phase::Restarting { .. } => Err(Refusal::conflict(format!(
                "Container {id} is restarting, wait until the container is running"
            ))),
            _ => Err(Refusal::conflict(format!("Container {id} is not running"))),
        }
    }

    pub(super) fn unpause(&mut self, index: usize, now: Duration) -> Result<(), Refusal> {
        let container = &mut self.containers[index];
        let id = container.id.clone();
        match &mut container.phase {
            Phase::Running(run) => match run.paused_since.take() {
                Some(since) => {
                    run.paused_for += now.saturating_sub(since);
                    if let (Some(health), Some(plan)) =
                        (&mut container.health, &container.health_plan)
                    {
                        health.next_at = now + plan.interval;
                    }
                    Ok(())
                }
                None => Err(Refusal::server(format!("Container {id} is not paused"))),
            },
            _ => Err(Refusal::server(format!("Container {id} is not paused"))),
        }
    }
}

/// What will happen to a container by itself, and when.
fn dues(container: &Container) -> Vec<(Duration, Due)> {
    let run = match &container.phase {
        Phase::Restarting { due } => return vec![(*due, Due::Restart)],
        Phase::Running(run) if run.paused_since.is_none() => run,
        _ => return Vec::new(),
    };
    let start = run.started_at + run.paused_for;
    let mut dues = Vec::new();
    if let Some((after, exit_code)) = container.natural_end() {
        dues.push((start + after, Due::Ends(exit_code)));
    }
    if let Some(health) = &container.health {
        dues.push((health.next_at, Due::HealthRun));
    }
    if let Ok(behaviour) = &container.behaviour
        && !(behaviour.deaf || behaviour.healthcheck || run.said_it_listens)
    {
        dues.push((start + behaviour.start_delay, Due::Listens));
    }
    dues
}
