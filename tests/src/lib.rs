//! Everything that proves the two programs: images made from nothing, a
//! simulated engine, real engines.

pub mod digest;
pub mod images;
pub mod time;
