//! How long the engine may take. Generous, since the machine may be a small
//! board unpacking onto a memory card, but never without end.

use std::time::Duration;

/// How long each kind of call may take, from connecting to its last byte.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Deadlines {
    /// A place in the listener's queue; a live engine gives one at once.
    pub connect: Duration,
    /// `/_ping`; whoever waits for an engine asks again.
    pub ping: Duration,
    /// Calls that only look. `/info` counts containers, `/images/json` walks the store.
    pub look: Duration,
    /// Calls that change something: a start mounts, and sets up networks.
    pub change: Duration,
    /// Removals delete files, slowly on a memory card.
    pub remove: Duration,
    /// Added to the container's own grace when it is stopped.
    pub stop_margin: Duration,
    /// A load has no deadline while bytes move; this is how long none may. The
    /// engine says nothing while it unpacks, gigabytes onto a card perhaps.
    pub load_idle: Duration,
}

impl Default for Deadlines {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(5),
            ping: Duration::from_secs(10),
            look: Duration::from_mins(1),
            change: Duration::from_mins(2),
            remove: Duration::from_mins(5),
            stop_margin: Duration::from_mins(1),
            load_idle: Duration::from_mins(30),
        }
    }
}
