//! The engine's time: moved by tests, or real.

use std::fmt::Debug;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// Where the simulated engine gets its time from.
pub trait SimClock: Debug + Send + Sync {
    /// Time since the engine was made. Never goes back.
    fn now(&self) -> Duration;
    /// Moves to a later time; no effect on a clock that moves by itself.
    fn move_to(&self, time: Duration);
    /// Does time pass without [`SimClock::move_to`]?
    fn moves_by_itself(&self) -> bool;
    /// The wall clock at `now() == 0`, since 1970.
    fn epoch(&self) -> Duration;
}

/// Stands still until it is moved: everything that happens is repeatable.
#[derive(Debug, Default)]
pub struct VirtualClock {
    now: Mutex<Duration>,
}

impl SimClock for VirtualClock {
    fn now(&self) -> Duration {
        *self.now.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn move_to(&self, time: Duration) {
        let mut now = self.now.lock().unwrap_or_else(PoisonError::into_inner);
        *now = time.max(*now);
    }

    fn moves_by_itself(&self) -> bool {
        false
    }

    /// 2026-01-01T00:00:00Z, whenever the test runs.
    fn epoch(&self) -> Duration {
        Duration::from_hours(490_896)
    }
}

/// The machine's clock, for an engine in a process of its own.
#[derive(Debug)]
pub struct RealClock {
    start: Instant,
    epoch: Duration,
}

impl RealClock {
    pub fn new() -> Self {
        let epoch = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default();
        Self {
            start: Instant::now(),
            epoch,
        }
    }
}

impl Default for RealClock {
    fn default() -> Self {
        Self::new()
    }
}

impl SimClock for RealClock {
    fn now(&self) -> Duration {
        self.start.elapsed()
    }

    fn move_to(&self, _time: Duration) {}

    fn moves_by_itself(&self) -> bool {
        true
    }

    fn epoch(&self) -> Duration {
        self.epoch
    }
}
