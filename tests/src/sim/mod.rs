//! A simulated container engine behind a real Unix socket, for tests that cut
//! the power at every request.
//!
//! It speaks the part of the Docker Engine API that an updater uses, runs the
//! service of the test images as data ([`caisson_test_service::Behaviour`]) and
//! really listens on published ports. On a virtual clock everything that happens
//! is repeatable: ids, times, restarts, health.
//!
//! It does not run programs, keep layers, or forward traffic between containers,
//! and it takes uncompressed layers only. What it claims of real engines was
//! measured on them; where they differ among each other it is Docker 20.10 with
//! the classic store, and Docker 28 with the containerd store.
//!
//! Reading order: `model` (state and transitions) with `container`, `images`,
//! `restart` and `health`; `machine` (model, ports and clock under one lock);
//! `server` and `http` (the socket); `api` (paths to calls).

mod api;
mod archive;
mod clock;
mod container;
mod create;
mod defaults;
mod health;
mod http;
mod images;
mod load;
mod machine;
mod model;
mod mounts;
mod ports;
mod power;
mod reference;
mod refusal;
mod restart;
mod server;
mod state;

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, MutexGuard};
use std::thread;
use std::time::Duration;

use serde_json::Value;

pub use clock::{RealClock, SimClock, VirtualClock};
pub use images::SimStore;
pub use ports::free_port;
pub use power::{CutWhen, RequestRecord, Tail};
pub use restart::RestartPolicy;
pub use state::{ContainerState, ImageState, SimState};

use crate::digest;
use crate::images::{ImageFacts, Platform, host_platform};
use images::ImageStore;
use machine::{Facts, Machine};
use model::{Model, Network};
use ports::PortTable;
use server::{Link, Shared};

/// How an engine is made. [`SimOptions::new`] is a Docker 20.10 on a virtual clock.
#[derive(Debug, Clone)]
pub struct SimOptions {
    /// The engine's own folder: the data root, and the socket unless `socket` says
    /// otherwise. It is made if it isn't there.
    pub dir: PathBuf,
    /// At most about 100 bytes long, as the kernel wants it.
    pub socket: Option<PathBuf>,
    pub store: SimStore,
    pub clock: Arc<dyn SimClock>,
    /// What the engine says it runs on; images of others are taken all the same.
    pub platform: Platform,
    pub live_restore: bool,
    /// Ids depend on it and on their order only.
    pub seed: u64,
}

impl SimOptions {
    pub fn new(dir: &Path) -> Self {
        Self {
            dir: dir.to_owned(),
            socket: None,
            store: SimStore::Classic,
            clock: Arc::new(VirtualClock::default()),
            platform: host_platform(),
            live_restore: false,
            seed: 0,
        }
    }
}

/// A running engine. Dropping it closes the socket and every published port.
#[derive(Debug)]
pub struct Sim {
    shared: Arc<Shared>,
    clock: Arc<dyn SimClock>,
    data_root: PathBuf,
    ticker: Option<thread::JoinHandle<()>>,
}

impl Sim {
    /// Starts an engine with nothing in it. A socket that nobody listens on any
    /// more is replaced.
    pub fn start(options: SimOptions) -> io::Result<Self> {
        let data_root = options.dir.join("data");
        std::fs::create_dir_all(&data_root)?;
        let socket = options
            .socket
            .unwrap_or_else(|| options.dir.join("engine.sock"));
        server::clear_stale_socket(&socket)?;
        let facts = Facts {
            data_root: data_root.clone(),
            architecture: options.platform.architecture,
            variant: options.platform.variant,
            live_restore: options.live_restore,
            seed: options.seed,
        };
        let model = Model::new(
            ImageStore::new(options.store),
            built_in_networks(options.seed),
        );
        let clock = Arc::clone(&options.clock);
        let shared = Arc::new_cyclic(|weak| {
            let ports = PortTable::new(Link(weak.clone()));
            Shared::new(
                Machine::new(model, ports, Arc::clone(&clock), facts),
                socket,
            )
        });
        shared.open_door()?;
        let ticker = clock.moves_by_itself().then(|| {
            let weak = Arc::downgrade(&shared);
            thread::spawn(move || server::tick(&weak))
        });
        Ok(Self {
            shared,
            clock,
            data_root,
            ticker,
        })
    }

    pub fn socket(&self) -> &Path {
        &self.shared.socket
    }

    /// `DockerRootDir`: a real folder, empty but there.
    pub fn data_root(&self) -> &Path {
        &self.data_root
    }

    fn machine(&self) -> MutexGuard<'_, Machine> {
        self.shared.machine()
    }

    /// Everything the engine holds now.
    pub fn state(&self) -> SimState {
        SimState::of(&self.machine())
    }

    /// The engine's time since it was made.
    pub fn now(&self) -> Duration {
        self.clock.now()
    }

    /// Lets a virtual clock go on by `time`; everything that is due happens in order.
    pub fn advance(&self, time: Duration) {
        let mut machine = self.machine();
        let until = machine.now() + time;
        machine.advance_to(until);
    }

    /// Puts an image into the store without a request. `file` is a docker-archive.
    pub fn load_archive_direct(&self, file: &Path) -> io::Result<Vec<Value>> {
        let parts = archive::read(&mut std::fs::File::open(file)?)?;
        let mut machine = self.machine();
        let answer = load::load(&mut machine.model.images, &parts);
        machine.note_effect();
        Ok(answer)
    }

    /// Puts an image into the store from what its recipe says, without any file.
    /// Gives its id.
    pub fn load_image_direct(&self, facts: &ImageFacts) -> String {
        let mut machine = self.machine();
        let id = load::insert_facts(&mut machine.model.images, facts);
        machine.note_effect();
        id
    }

    /// The requests since the start or the last [`Sim::forget_requests`].
    pub fn requests(&self) -> Vec<RequestRecord> {
        self.machine().power.log.clone()
    }

    /// Empties the log; the next request is number 1 again.
    pub fn forget_requests(&self) {
        self.machine().power.log.clear();
    }

    /// Cuts the engine off at the `n`-th request from now on, counted from 1: it
    /// isn't answered, and neither is any other until [`Sim::power_cycle`],
    /// [`Sim::restart_engine`] or [`Sim::answer_again`]. Until then payloads run on.
    pub fn cut_at(&self, n: u64, when: CutWhen) {
        self.machine().power.arm(n, when, false);
    }

    /// The same, counting only requests that may change something.
    pub fn cut_at_change(&self, n: u64, when: CutWhen) {
        self.machine().power.arm(n, when, true);
    }

    /// Takes back a cut that has not happened.
    pub fn cancel_cut(&self) {
        self.machine().power.disarm();
    }

    /// Cuts now, between two requests.
    pub fn cut_now(&self) {
        self.machine().power.down = true;
        self.shared.close_door();
    }

    /// Did the cut happen, with no answer since?
    pub fn is_cut(&self) -> bool {
        self.machine().power.down
    }

    /// Everything up to now is on the engine's disk: the effect of `syncfs`.
    pub fn sync(&self) {
        self.machine().sync();
    }

    /// The power went and is back: payloads died at once, what wasn't synced is
    /// lost as `tail` says, restart policies did what they do at boot, and the
    /// engine answers.
    pub fn power_cycle(&self, tail: Tail) -> io::Result<()> {
        self.shared.close_door();
        self.machine().power_cycle(tail);
        self.answer_again()
    }

    /// The engine ended in order and was started again.
    pub fn restart_engine(&self) -> io::Result<()> {
        self.shared.close_door();
        self.machine().restart_engine();
        self.answer_again()
    }

    /// The engine was never away: its client was. Nothing happened but that
    /// requests went unanswered.
    pub fn answer_again(&self) -> io::Result<()> {
        self.shared.close_door();
        {
            let mut machine = self.machine();
            machine.power.disarm();
            machine.power.down = false;
        }
        self.shared.open_door()
    }
}

impl Drop for Sim {
    fn drop(&mut self) {
        self.shared.close_door();
        self.machine().shut_down();
        self.shared.changed.notify_all();
        if let Some(ticker) = self.ticker.take() {
            drop(ticker.join());
        }
    }
}

fn built_in_networks(seed: u64) -> BTreeMap<String, Network> {
    [("bridge", "bridge"), ("host", "host"), ("none", "null")]
        .map(|(name, driver)| {
            let id = digest::of(format!("network {name} {seed}").as_bytes());
            let network = Network {
                id: digest::hex_part(&id).to_owned(),
                driver: driver.to_owned(),
                created_at: Duration::ZERO,
                asked: Value::Null,
                built_in: true,
            };
            (name.to_owned(), network)
        })
        .into()
}
