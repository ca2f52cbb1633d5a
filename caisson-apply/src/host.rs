//! The machine under us: clock, sleep, signals, file system syncs, space. The
//! only file (with [`crate::main_host`]) that touches them, so that tests can
//! put a virtual clock and a power switch here.

use std::io;
use std::path::Path;
use std::time::Duration;

/// Free room of the file system that holds a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Space {
    pub free_bytes: u64,
    pub free_inodes: u64,
    /// Tells two paths on one file system from two file systems.
    pub device: u64,
}

/// What the update needs of the machine besides the engine and the journal.
pub trait Host {
    /// Wall clock, milliseconds since 1970. Shown and stored, never decided on.
    fn wall_ms(&self) -> i64;
    /// Monotonic time since some start.
    fn monotonic(&self) -> Duration;
    fn sleep(&self, time: Duration);
    /// Identifies this boot: tells rows of an earlier boot from rows of this one.
    fn boot_id(&self) -> String;
    /// Makes everything that was written to the file system of `dir` durable (`syncfs`).
    fn sync_filesystem(&self, dir: &Path) -> io::Result<()>;
    fn space(&self, dir: &Path) -> io::Result<Space>;
    /// Did INT or TERM arrive?
    fn interrupted(&self) -> bool;
    /// 16 bytes nobody else has, for the update's id.
    fn unique(&self) -> [u8; 16];
}
