//! One file for each command: its flags, and what it prints.

pub mod build;
pub mod inspect;
pub mod verify;
