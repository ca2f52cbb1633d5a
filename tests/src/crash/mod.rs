//! Crash points: the updating process, and the device with it, cut off at every
//! effect it has. In one process, on the simulated engine, on a virtual clock.
//!
//! [`power`] counts effects and cuts; [`doubles`] puts it in front of engine,
//! journal and machine; [`scenario`] says what is done on which device, [`world`] is that device;
//! [`invariants`] says what must hold whenever a recovery ends.

pub mod doubles;
pub mod invariants;
pub mod power;
pub mod scenario;
pub mod world;
