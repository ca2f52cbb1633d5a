//! What a test sees of a device without asking `caisson-apply`: whether the
//! service answers, what the engine holds, how far the journal has come.

pub mod contents;
pub mod moment;
pub mod place;
pub mod poller;

pub use contents::Contents;
pub use moment::{Moment, updates, wait_for_moment, wait_until};
pub use place::Place;
pub use poller::{Poller, Polls};
