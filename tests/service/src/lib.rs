//! What the small test service does, as data: the part that the real program
//! and the simulated engine share, so that both behave alike.
//!
//! [`Behaviour`] is read from environment and arguments and answers, without
//! any I/O, what happens at a given time after the start. The program in
//! `main.rs` adds sockets and sleeps; the simulated engine adds its own clock.

mod answer;
mod behaviour;

pub use answer::{Answer, request_path};
pub use behaviour::{Behaviour, Health};

/// Where the test images keep the program.
pub const PROGRAM_PATH: &str = "/service";

/// The argument that turns the program into its own health check.
pub const HEALTHCHECK_ARGUMENT: &str = "healthcheck";
