//! Device side of Caisson: reads a package from a stick, imports its image into
//! the engine and swaps the service's container, so that the service survives
//! whatever happens in between.

#![forbid(unsafe_code)]

pub mod catalog;
pub mod error;
pub mod host;
pub mod engine;
