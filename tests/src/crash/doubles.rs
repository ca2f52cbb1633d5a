//! Engine, journal and machine with the switch in front of them. A dead process
//! gets errors from all three and changes nothing any more, which is what being
//! dead means for everybody else.

use std::fmt;
use std::io;
use std::path::Path;
use std::time::Duration;

use caisson_apply::engine::{
    Container, ContainerRow, Engine, EngineError, EngineErrorKind, EngineInfo, EngineResult,
    ImageInfo, LoadBody, RestartPolicy,
};
use caisson_apply::host::{Host, Space};
use caisson_apply::journal::sqlite::SqliteJournal;
use caisson_apply::journal::{
    Event, Journal, JournalError, JournalResult, Row, ServiceState, Stamp, StepId, UpdateSummary,
};
use caisson_apply::update::record::UpdateRecord;
use serde_json::Value;

use super::power::{Fate, Fault, Power};
use crate::sim::Sim;

/// The engine's client of a process that may be dead.
pub struct CutEngine<'a> {
    pub inner: &'a dyn Engine,
    pub power: &'a Power,
}

impl CutEngine<'_> {
    fn look<T>(&self, call: impl FnOnce() -> EngineResult<T>) -> EngineResult<T> {
        if self.power.alive() {
            call()
        } else {
            Err(dead(EngineErrorKind::Unreachable))
        }
    }

    fn change<T>(&self, call: impl FnOnce() -> EngineResult<T>) -> EngineResult<T> {
        match self.power.effect() {
            Fate::Pass => call(),
            Fate::DieBefore => Err(dead(EngineErrorKind::Unanswered)),
            Fate::DieAfter => {
                // The effect happens, or the engine refuses it; nobody hears which.
                let _ = call();
                Err(dead(EngineErrorKind::Unanswered))
            }
            Fate::Dead => Err(dead(EngineErrorKind::Unreachable)),
        }
    }
}

fn dead(kind: EngineErrorKind) -> EngineError {
    EngineError {
        kind,
        call: "cut".to_owned(),
        status: None,
        message: "this process is dead".to_owned(),
    }
}

impl Engine for CutEngine<'_> {
    fn ping(&self) -> EngineResult<()> {
        self.look(|| self.inner.ping())
    }
    fn info(&self) -> EngineResult<EngineInfo> {
        self.look(|| self.inner.info())
    }
    fn address(&self) -> String {
        self.inner.address()
    }
    fn image(&self, name_or_id: &str) -> EngineResult<Option<ImageInfo>> {
        self.look(|| self.inner.image(name_or_id))
    }
    fn images(&self) -> EngineResult<Vec<ImageInfo>> {
        self.look(|| self.inner.images())
    }
    fn load_images(&self, body: LoadBody<'_>) -> EngineResult<Vec<String>> {
        self.change(|| self.inner.load_images(body))
    }
    fn tag_image(&self, name_or_id: &str, reference: &str) -> EngineResult<()> {
        self.change(|| self.inner.tag_image(name_or_id, reference))
    }
    fn untag_image(&self, reference: &str) -> EngineResult<bool> {
        self.change(|| self.inner.untag_image(reference))
    }
    fn containers(&self) -> EngineResult<Vec<ContainerRow>> {
        self.look(|| self.inner.containers())
    }
    fn container(&self, name_or_id: &str) -> EngineResult<Option<Container>> {
        self.look(|| self.inner.container(name_or_id))
    }
    fn create_container(&self, name: &str, body: &Value) -> EngineResult<String> {
        self.change(|| self.inner.create_container(name, body))
    }
    fn start_container(&self, id: &str) -> EngineResult<()> {
        self.change(|| self.inner.start_container(id))
    }
    fn stop_container(&self, id: &str, grace: Duration) -> EngineResult<()> {
        self.change(|| self.inner.stop_container(id, grace))
    }
    fn unpause_container(&self, id: &str) -> EngineResult<()> {
        self.change(|| self.inner.unpause_container(id))
    }
    fn rename_container(&self, id: &str, name: &str) -> EngineResult<()> {
        self.change(|| self.inner.rename_container(id, name))
    }
    fn set_restart_policy(&self, id: &str, policy: &RestartPolicy) -> EngineResult<()> {
        self.change(|| self.inner.set_restart_policy(id, policy))
    }
    fn remove_container(
        &self,
        id: &str,
        force: bool,
        anonymous_volumes: bool,
    ) -> EngineResult<bool> {
        self.change(|| self.inner.remove_container(id, force, anonymous_volumes))
    }
    fn connect_network(&self, network: &str, id: &str, endpoint: &Value) -> EngineResult<()> {
        self.change(|| self.inner.connect_network(network, id, endpoint))
    }
    fn container_logs(&self, id: &str, lines: u32) -> EngineResult<Vec<String>> {
        self.look(|| self.inner.container_logs(id, lines))
    }
}

impl fmt::Debug for CutEngine<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CutEngine")
            .field("power", self.power)
            .finish_non_exhaustive()
    }
}

/// The journal of a process that may be dead. Every written row is an effect.
#[derive(Debug)]
pub struct CutJournal<'a> {
    pub inner: SqliteJournal,
    pub power: &'a Power,
}

impl CutJournal<'_> {
    fn write(
        &mut self,
        call: impl FnOnce(&mut SqliteJournal) -> JournalResult<()>,
    ) -> JournalResult<()> {
        if self.power.fault.get() == Fault::Writes {
            return Err(gone());
        }
        match self.power.effect() {
            Fate::Pass => call(&mut self.inner),
            Fate::DieAfter => {
                call(&mut self.inner)?;
                Err(gone())
            }
            Fate::DieBefore | Fate::Dead => Err(gone()),
        }
    }

    fn read<T>(&self, call: impl FnOnce(&SqliteJournal) -> JournalResult<T>) -> JournalResult<T> {
        if self.power.alive() {
            call(&self.inner)
        } else {
            Err(gone())
        }
    }
}

fn gone() -> JournalError {
    JournalError::storage("this process is dead")
}

impl Journal for CutJournal<'_> {
    fn begin(&mut self, record: &UpdateRecord, stamp: &Stamp) -> JournalResult<()> {
        self.write(|journal| journal.begin(record, stamp))
    }
    fn append(
        &mut self,
        update_id: &str,
        step: StepId,
        event: Event,
        detail: &Value,
        stamp: &Stamp,
    ) -> JournalResult<()> {
        if event == Event::Aborted && self.power.fault.get() == Fault::Commit {
            return Err(gone());
        }
        self.write(|journal| journal.append(update_id, step, event, detail, stamp))
    }
    fn commit(
        &mut self,
        update_id: &str,
        state: &ServiceState,
        stamp: &Stamp,
    ) -> JournalResult<()> {
        if self.power.fault.get() == Fault::Commit {
            return Err(gone());
        }
        self.write(|journal| journal.commit(update_id, state, stamp))
    }
    fn finish(
        &mut self,
        update_id: &str,
        event: Event,
        detail: &Value,
        state: Option<&ServiceState>,
        stamp: &Stamp,
    ) -> JournalResult<()> {
        self.write(|journal| journal.finish(update_id, event, detail, state, stamp))
    }
    fn reopen(&mut self) -> JournalResult<()> {
        if self.power.alive() {
            self.inner.reopen()
        } else {
            Err(gone())
        }
    }
    fn move_aside(&mut self) -> JournalResult<()> {
        self.write(Journal::move_aside)
    }
    fn open_updates(&self) -> JournalResult<Vec<UpdateRecord>> {
        self.read(Journal::open_updates)
    }
    fn rows(&self, update_id: &str) -> JournalResult<Vec<Row>> {
        if self.power.fault.get() == Fault::Rows {
            return Err(gone());
        }
        self.read(|journal| journal.rows(update_id))
    }
    fn service(&self, service: &str) -> JournalResult<Option<ServiceState>> {
        self.read(|journal| journal.service(service))
    }
    fn history(&self, service: Option<&str>, limit: u32) -> JournalResult<Vec<UpdateSummary>> {
        self.read(|journal| journal.history(service, limit))
    }
}

/// The machine: its clock is the engine's, and its `syncfs` makes the engine's
/// answered requests durable.
#[derive(Debug)]
pub struct CutHost<'a> {
    pub sim: &'a Sim,
    pub power: &'a Power,
    pub seed: u8,
}

impl Host for CutHost<'_> {
    fn wall_ms(&self) -> i64 {
        i64::try_from(self.sim.now().as_millis()).unwrap_or(i64::MAX)
    }
    fn monotonic(&self) -> Duration {
        self.sim.now()
    }
    fn sleep(&self, time: Duration) {
        // A dead process does not wait, and the device's time is not its own.
        if self.power.alive() {
            self.sim.advance(time);
        }
    }
    fn boot_id(&self) -> String {
        "boot".to_owned()
    }
    fn sync_filesystem(&self, _dir: &Path) -> io::Result<()> {
        match self.power.effect() {
            Fate::Pass => self.sim.sync(),
            Fate::DieAfter => {
                self.sim.sync();
                return Err(io::Error::other("dead"));
            }
            Fate::DieBefore | Fate::Dead => return Err(io::Error::other("dead")),
        }
        Ok(())
    }
    fn space(&self, _dir: &Path) -> io::Result<Space> {
        Ok(Space {
            free_bytes: u64::MAX,
            free_inodes: u64::MAX,
            device: 1,
        })
    }
    fn interrupted(&self) -> bool {
        false
    }
    fn unique(&self) -> [u8; 16] {
        [self.seed; 16]
    }
}
