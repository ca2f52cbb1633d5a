//! Build side of Caisson: container images and the services they run go in, one
//! `.edgepkg` comes out, whose bytes depend only on what went in.
//!
//! Reading order: [`build`] (the whole build on one screen), [`source`] (where
//! images come from), [`compress`], [`output`]; [`verify`] looks at finished
//! packages, [`extract`] takes images out of them, [`diff`] compares two;
//! [`commands`] has a file for each command. The format itself is crate `edgepkg`.
//!
//! What it does not do: it talks to no engine and to no registry, and it runs
//! nothing that is in an image.

pub mod build;
pub mod cli;
pub mod commands;
pub mod compress;
pub mod describe;
pub mod description;
pub mod diff;
pub mod error;
pub mod extract;
pub mod layers;
pub mod output;
pub mod progress;
pub mod reference;
mod report;
pub mod request;
mod run;
pub mod source;
pub mod timestamp;
pub mod verify;

pub use run::run;
