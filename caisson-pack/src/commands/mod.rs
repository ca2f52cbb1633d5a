//! One file for each command: its flags, and what it prints.

pub mod build;
pub mod diff;
pub mod extract;
pub mod inspect;
pub mod verify;
