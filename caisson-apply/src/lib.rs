//! Device side of Caisson: reads a package from a stick, imports its image into
//! the engine and swaps the service's container, so that the service survives
//! whatever happens in between.
//!
//! Reading order: [`update`] (the steps and the commit), [`update::recover`],
//! [`engine`] (what is asked of the engine), [`journal`], [`catalog`] and
//! [`recreate`] (what the candidate is made of), [`guard`].

#![forbid(unsafe_code)]

pub mod boot_unit;
pub mod catalog;
pub mod cli;
pub mod commands;
pub mod engine;
pub mod error;
pub mod guard;
pub mod host;
pub mod import;
pub mod journal;
pub mod lock;
pub mod main_host;
pub mod name;
pub mod package;
pub mod probe;
pub mod progress;
pub mod recreate;
pub mod report;
pub mod update;
