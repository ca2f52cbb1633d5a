//! All layers of a build: several small ones at the same time, a large one with
//! all threads.
//!
//! A layer takes as many compressing threads as it can keep busy, and begins as
//! soon as so many are free, the largest first. The threads of a layer that has
//! taken in all its bytes count as free, since one after the other runs out of
//! work; but all of them together are never more than twice what was asked for.
//! So their number, and with it the memory, is bounded whatever the number and
//! size of the layers. What a layer's bytes are depends on none of this (see
//! [`crate::compress`]).
//!
//! Errors don't depend on it either: of several bad layers the first in the
//! order of the images is reported. When one is found, those behind it stop, and
//! those before it are read and checked, but not compressed any more.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use edgepkg::Digest;
use edgepkg::writer::LayerDraft;

use crate::compress::{Compression, pack_layer};
use crate::error::{Code, PackError, Result};
use crate::output::split::PartSize;
use crate::progress::Watch;
use crate::source::SourceLayer;

/// How often progress is drawn and signals are noticed.
const TICK: Duration = Duration::from_millis(100);

/// Compresses layers, each of which stands here once, into temporary files in
/// `folder`, and gives them by their diff id.
///
/// # Errors
/// Those of the sources, `build.output_failed`, `build.no_space`,
/// `build.parts_too_many` if the layers alone don't fit into `split`, and
/// `build.interrupted`, which does not wait for what zstd has at hand: its threads
/// end by themselves, or with the process.
pub fn pack_layers(
    layers: Vec<SourceLayer>,
    compression: Compression,
    split: Option<PartSize>,
    folder: &Path,
    watch: &mut Watch,
) -> Result<BTreeMap<Digest, LayerDraft>> {
    let mut pool = Pool::new(layers, compression, folder);
    watch.begin("compressing", pool.shared.total.load(Ordering::Relaxed));
    let packed = pool.run(split, watch);
    if packed.is_err() {
        pool.shared.fail(0);
    }
    watch.end();
    packed
}

/// What the threads of all layers share.
#[derive(Debug)]
struct Shared {
    /// Unpacked bytes that were taken in.
    done: AtomicU64,
    /// Unpacked bytes there will be, as far as is known.
    total: AtomicU64,
    /// The first layer that failed, in the order of the images.
    first_failed: AtomicUsize,
}

impl Shared {
    fn fail(&self, number: usize) {
        self.first_failed.fetch_min(number, Ordering::Relaxed);
    }
}

/// What a layer's threads shall do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wish {
    /// All of it.
    Pack,
    /// A later layer is bad: only find out whether this one is too.
    Check,
    /// Nothing of it counts any more.
    Stop,
}

/// A layer's connection with the others.
#[derive(Debug)]
pub(crate) struct Task {
    shared: Arc<Shared>,
    number: usize,
    events: Sender<Event>,
}

impl Task {
    /// What to do with the next bytes.
    pub(crate) fn wish(&self) -> Wish {
        match self.shared.first_failed.load(Ordering::Relaxed) {
            usize::MAX => Wish::Pack,
            first if self.number < first => Wish::Check,
            _ => Wish::Stop,
        }
    }

    /// Notes that `bytes` more were taken in.
    pub(crate) fn advance(&self, bytes: u64) {
        self.shared.done.fetch_add(bytes, Ordering::Relaxed);
    }

    /// Notes that zstd has been given all there is.
    pub(crate) fn fed(&self) {
        // Nobody listens after an error or a signal.
        let _ = self.events.send(Event::Fed(self.number));
    }

    /// Notes that the layer's claim was wrong, and that all of it will be taken in
    /// once more.
    pub(crate) fn expect_again(&self, claimed: Option<u64>, size: u64) {
        let total = &self.shared.total;
        total.fetch_add(2 * size, Ordering::Relaxed);
        total.fetch_sub(claimed.unwrap_or(0), Ordering::Relaxed);
    }
}

/// What a layer's thread says.
enum Event {
    /// It needs its threads for what they have at hand only.
    Fed(usize),
    /// It ended; `None` if it was only checked.
    Ended(usize, Result<Option<LayerDraft>>),
}

/// A layer at work.
struct Work {
    threads: u32,
    /// It still gives its threads new work.
    feeding: bool,
    thread: JoinHandle<()>,
}

struct Pool {
    layers: Vec<SourceLayer>,
    compression: Compression,
    folder: PathBuf,
    shared: Arc<Shared>,
    /// Layers that have not begun, the largest first, with their threads.
    waiting: Vec<(usize, u32)>,
    working: BTreeMap<usize, Work>,
    sender: Sender<Event>,
    events: Receiver<Event>,
}

impl Pool {
    fn new(layers: Vec<SourceLayer>, compression: Compression, folder: &Path) -> Self {
        let hints: Vec<u64> = layers
            .iter()
            .map(|layer| layer.size_hint().unwrap_or(0))
            .collect();
        let mut waiting: Vec<(usize, u32)> = hints
            .iter()
            .map(|size| compression.threads_for(*size))
            .enumerate()
            .collect();
        waiting.sort_by_key(|(number, _)| (std::cmp::Reverse(hints[*number]), *number));
        let (sender, events) = channel();
        Self {
            layers,
            compression,
            folder: folder.to_owned(),
            shared: Arc::new(Shared {
                done: AtomicU64::new(0),
                total: AtomicU64::new(hints.iter().sum()),
                first_failed: AtomicUsize::new(usize::MAX),
            }),
            waiting,
            working: BTreeMap::new(),
            sender,
            events,
        }
    }

    fn run(
        &mut self,
        split: Option<PartSize>,
        watch: &mut Watch,
    ) -> Result<BTreeMap<Digest, LayerDraft>> {
        let mut packed = BTreeMap::new();
        let mut packed_bytes = 0;
        let mut failed = BTreeMap::new();
        while self.begin_what_fits() {
            if let Some((number, result)) = self.next_ended()? {
                match result {
                    Ok(Some(draft)) => {
                        packed_bytes += draft.blob.sum.size;
                        if let Some(split) = split {
                            split.check(packed_bytes)?;
                        }
                        packed.insert(draft.diff_id, draft);
                    }
                    Ok(None) => {}
                    Err(error) => {
                        self.shared.fail(number);
                        failed.insert(number, error);
                    }
                }
            }
            watch.expect(self.shared.total.load(Ordering::Relaxed));
            watch.reach(self.shared.done.load(Ordering::Relaxed))?;
        }
        match failed.pop_first() {
            Some((_, error)) => Err(error),
            None => Ok(packed),
        }
    }

    /// Begins every layer that counts and for which there are threads. True while
    /// one that counts is at work.
    fn begin_what_fits(&mut self) -> bool {
        let first_failed = self.shared.first_failed.load(Ordering::Relaxed);
        self.waiting.retain(|(number, _)| *number < first_failed);
        while let Some(next) = self.next_that_fits() {
            let (number, threads) = self.waiting.remove(next);
            let layer = self.layers[number].clone();
            let compression = Compression {
                threads,
                ..self.compression
            };
            let folder = self.folder.clone();
            let task = Task {
                shared: Arc::clone(&self.shared),
                number,
                events: self.sender.clone(),
            };
            let thread = thread::spawn(move || {
                let result = pack_layer(&layer, compression, &folder, &task);
                // As in `Task::fed`.
                let _ = task.events.send(Event::Ended(number, result));
            });
            let work = Work {
                threads,
                feeding: true,
                thread,
            };
            self.working.insert(number, work);
        }
        self.working.keys().any(|number| *number < first_failed)
    }

    /// The place among those waiting of the first for which there are threads.
    fn next_that_fits(&self) -> Option<usize> {
        let most = self.compression.threads;
        let all: u32 = self.working.values().map(|work| work.threads).sum();
        let feeding = self.working.values().filter(|work| work.feeding);
        let feeding: u32 = feeding.map(|work| work.threads).sum();
        let free = (most - feeding).min(2 * most - all);
        let mut waiting = self.waiting.iter();
        waiting.position(|(_, threads)| *threads <= free)
    }

    /// The next layer that ended, if one does within a tick.
    fn next_ended(&mut self) -> Result<Option<(usize, Result<Option<LayerDraft>>)>> {
        let event = match self.events.recv_timeout(TICK) {
            Ok(event) => event,
            Err(RecvTimeoutError::Timeout) => {
                let mut works = self.working.values();
                if !works.any(|work| work.thread.is_finished()) {
                    return Ok(None);
                }
                // What it sent before it ended, if it did not panic.
                self.events.try_recv().map_err(|_| {
                    PackError::new(Code::Internal, "a thread ended without a result")
                })?
            }
            Err(RecvTimeoutError::Disconnected) => unreachable!("this holds a sender itself"),
        };
        match event {
            Event::Fed(number) => {
                if let Some(work) = self.working.get_mut(&number) {
                    work.feeding = false;
                }
                Ok(None)
            }
            Event::Ended(number, result) => {
                self.working.remove(&number);
                Ok(Some((number, result)))
            }
        }
    }
}
