//! Everything that proves the two programs: images made from nothing, a
//! simulated engine, real engines.

// The engine's long JSON objects are one macro call each.
#![recursion_limit = "256"]

pub mod crash;
pub mod demo;
pub mod device;
pub mod digest;
pub mod engines;
pub mod images;
pub mod programs;
pub mod proxy;
pub mod sim;
pub mod sweep;
pub mod time;
pub mod witness;
