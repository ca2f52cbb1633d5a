//! Model, ports and clock together: everything that happens, happens here, one
//! thing at a time, under one lock.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use super::clock::SimClock;
use super::container::{Container, Phase};
use super::images::{Deleted, Users};
use super::model::{Due, Model};
use super::ports::PortTable;
use super::power::{Power, Tail};
use super::refusal::Refusal;
use crate::digest;

/// What an engine start needs, besides the time it takes.
const BOOT_TIME: Duration = Duration::from_secs(1);
/// The exit code of a payload that went down with the power.
const CUT_EXIT_CODE: i64 = 255;
/// The exit code of a payload that was killed.
const KILLED_EXIT_CODE: i64 = 137;
/// States kept since the last sync; older ones count as synced.
const HISTORY_MAX: usize = 4_096;

#[derive(Debug)]
pub(super) struct Machine {
    pub(super) model: Model,
    pub(super) ports: PortTable,
    pub(super) clock: Arc<dyn SimClock>,
    pub(super) power: Power,
    pub(super) facts: Facts,
    /// The model after each effect since the last sync; the first is what is on disk.
    history: Vec<Model>,
    ids: u64,
    /// Nothing happens any more.
    pub(super) ended: bool,
}

/// What doesn't change while the engine is there.
#[derive(Debug, Clone)]
pub(super) struct Facts {
    pub(super) data_root: PathBuf,
    /// As an image config spells it.
    pub(super) architecture: String,
    pub(super) variant: String,
    pub(super) live_restore: bool,
    pub(super) seed: u64,
}

impl Machine {
    pub(super) fn new(
        model: Model,
        ports: PortTable,
        clock: Arc<dyn SimClock>,
        facts: Facts,
    ) -> Self {
        let history = vec![model.clone()];
        Self {
            model,
            ports,
            clock,
            power: Power::default(),
            facts,
            history,
            ids: 0,
            ended: false,
        }
    }

    pub(super) fn now(&self) -> Duration {
        self.clock.now()
    }

    /// A new id of 64 hex digits: the same ones in every run. Never given twice,
    /// also if the container that had it was lost with the unsynced tail.
    pub(super) fn new_id(&mut self) -> String {
        self.ids += 1;
        let text = digest::of(format!("sim {} {}", self.facts.seed, self.ids).as_bytes());
        digest::hex_part(&text).to_owned()
    }

    /// For good.
    pub(super) fn shut_down(&mut self) {
        self.ended = true;
        self.power.down = true;
        self.ports.close_all();
    }

    /// Lets everything happen that is due until `time`, in order.
    pub(super) fn advance_to(&mut self, time: Duration) {
        if self.ended {
            return;
        }
        while let Some((at, index, due)) = self.model.next_due().filter(|next| next.0 <= time) {
            // On a clock that moves by itself, late is late.
            self.clock.move_to(at);
            self.happens(index, due, at);
            self.note_effect();
        }
        self.clock.move_to(time);
    }

    fn happens(&mut self, index: usize, due: Due, at: Duration) {
        match due {
            Due::Listens => self.model.payload_listens(index, at),
            Due::HealthRun => self.model.health_run(index, at),
            Due::Ends(code) => {
                self.model.payload_says_it_crashes(index, at);
                self.payload_ends(index, code, at);
            }
            // A start that fails leaves the container down, with the reason in it.
            Due::Restart => drop(self.start_now(index, false, at)),
        }
    }

    /// The current state becomes part of what an unsynced tail consists of.
    pub(super) fn note_effect(&mut self) {
        if self.history.len() == HISTORY_MAX {
            self.history.remove(0);
        }
        self.history.push(self.model.clone());
    }

    /// Everything up to now is on disk.
    pub(super) fn sync(&mut self) {
        self.history.clear();
        self.history.push(self.model.clone());
    }

    /// Starts a container for a client. `false`: it runs already.
    pub(super) fn start(&mut self, index: usize) -> Result<bool, Refusal> {
        let container = &self.model.containers[index];
        if container.paused() {
            return Err(Refusal::conflict(
                "cannot start a paused container, try unpause instead",
            ));
        }
        if container.running() {
            return Ok(false);
        }
        self.start_now(index, true, self.now()).map(|()| true)
    }

    fn start_now(&mut self, index: usize, anew: bool, now: Duration) -> Result<(), Refusal> {
        let id = self.model.containers[index].id.clone();
        let bound = self.model.start_wish(index).and_then(|wishes| {
            self.ports.open(&id, &wishes).map_err(|error| {
                let container = &self.model.containers[index];
                let (name, endpoint) = (&container.name, container.endpoint_id("bridge"));
                Refusal::server(format!(
                    "driver failed programming external connectivity on endpoint {name} \
                     ({endpoint}): {error}"
                ))
            })
        });
        match bound {
            Ok(bound) => {
                self.model.started(index, bound, now, anew);
                Ok(())
            }
            Err(refusal) => {
                self.model.start_failed(index, &refusal, now);
                Err(refusal)
            }
        }
    }

    fn payload_ends(&mut self, index: usize, exit_code: i64, now: Duration) {
        let id = self.model.containers[index].id.clone();
        self.ports.close(&id);
        if self.model.payload_ended(index, exit_code, now) {
            self.forget(index, true);
        }
    }

    /// The first half of a stop: the signal is sent and the restart policy is off
    /// until the next start. `None`: it is down already, or was at once; otherwise
    /// when to kill.
    pub(super) fn begin_stop(&mut self, index: usize, grace: Duration) -> Option<Duration> {
        let now = self.now();
        let container = &mut self.model.containers[index];
        container.by_hand = true;
        let signal = container.stop_signal().to_owned();
        let killed = signal.ends_with("KILL");
        if let Phase::Restarting { .. } = container.phase {
            container.phase = Phase::Exited;
            return None;
        }
        if container.obeys(&signal) {
            self.payload_ends(index, if killed { KILLED_EXIT_CODE } else { 0 }, now);
            return None;
        }
        Some(now + grace)
    }

    /// Ends a payload at once, by a client.
    pub(super) fn kill(&mut self, index: usize, signal: &str) -> Result<(), Refusal> {
        let now = self.now();
        let container = &mut self.model.containers[index];
        if !container.running() {
            let id = &container.id;
            return Err(Refusal::conflict(format!("Container {id} is not running")));
        }
        container.by_hand = true;
        if let Phase::Restarting { .. } = container.phase {
            container.phase = Phase::Exited;
        } else if container.obeys(signal) {
            let killed = matches!(signal.strip_prefix("SIG").unwrap_or(signal), "KILL" | "9");
            self.payload_ends(index, if killed { KILLED_EXIT_CODE } else { 0 }, now);
        }
        Ok(())
    }

    /// `DELETE /containers/{id}`.
    pub(super) fn remove(
        &mut self,
        index: usize,
        force: bool,
        volumes: bool,
    ) -> Result<(), Refusal> {
        let container = &self.model.containers[index];
        if container.running() && !force {
            let id = &container.id;
            let (what, how) = match container.status() {
                "paused" => ("paused", "Unpause and then stop"),
                "restarting" => ("restarting", "Stop"),
                _ => ("running", "Stop"),
            };
            return Err(Refusal::conflict(format!(
                "You cannot remove a {what} container {id}. {how} the container before attempting \
                 removal or force remove"
            )));
        }
        let id = container.id.clone();
        self.ports.close(&id);
        self.forget(index, volumes);
        Ok(())
    }

    fn forget(&mut self, index: usize, volumes: bool) {
        let gone = self.model.containers.remove(index);
        if !volumes {
            return;
        }
        for mount in gone.mounts.iter().filter(|mount| mount.anonymous) {
            let used = |container: &Container| {
                container
                    .mounts
                    .iter()
                    .any(|other| other.source == mount.source)
            };
            if !self.model.containers.iter().any(used) {
                self.model.volumes.remove(&mount.source);
            }
        }
    }

    /// `DELETE /images/{name}`.
    pub(super) fn delete_image(
        &mut self,
        name: &str,
        force: bool,
    ) -> Result<Vec<Deleted>, Refusal> {
        let containers = &self.model.containers;
        let users = |id: &str| -> Users {
            let using = containers
                .iter()
                .filter(|container| container.image_id == id);
            using
                .map(|container| (container.id.clone(), container.running()))
                .collect()
        };
        self.model.images.delete(name, force, users)
    }

    /// Everything dies at once, part of the unsynced tail is lost, the engine
    /// starts and does what it does at boot.
    pub(super) fn power_cycle(&mut self, tail: Tail) {
        self.ports.close_all();
        let lose = match tail {
            Tail::Kept => 0,
            Tail::Lose(count) => count.min(self.history.len() - 1),
            Tail::Lost => self.history.len() - 1,
        };
        if lose > 0 {
            self.history.truncate(self.history.len() - lose);
            self.model = self.history.last().expect("the synced state stays").clone();
        }
        // What was lost can't come back later, and what is left is on disk now.
        self.sync();
        let now = self.now();
        for container in &mut self.model.containers {
            container.goes_down(CUT_EXIT_CODE, now);
        }
        self.boot();
    }

    /// The engine ends in order and starts again: payloads are stopped first,
    /// unless live-restore leaves them alone.
    pub(super) fn restart_engine(&mut self) {
        let now = self.now();
        if !self.facts.live_restore {
            self.ports.close_all();
            for container in &mut self.model.containers {
                let signal = container.stop_signal();
                let obeys = container.obeys(signal) && !signal.ends_with("KILL");
                container.goes_down(if obeys { 0 } else { KILLED_EXIT_CODE }, now);
            }
        }
        self.boot();
    }

    /// Starts what the policies want, in the order of creation, before any request
    /// is answered.
    fn boot(&mut self) {
        self.clock.move_to(self.now() + BOOT_TIME);
        let now = self.now();
        for index in 0..self.model.containers.len() {
            let container = &self.model.containers[index];
            if !container.running() && container.ended().starts_at_boot(container.started_before) {
                // One that can't start stays down, with the reason in it.
                drop(self.start_now(index, true, now));
            }
        }
        self.note_effect();
    }
}
