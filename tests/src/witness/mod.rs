//! What a test sees of a device without asking `caisson-apply`: whether the
//! service answers, what the engine holds, how far the journal has come.

pub mod contents;
pub mod place;
pub mod poller;
pub mod running;
pub mod usage;

pub use contents::Contents;
pub use place::Place;
pub use poller::{Poller, Polls};
pub use running::{Moment, Running, nothing_open, wait_until};
pub use usage::{Usage, measure};
