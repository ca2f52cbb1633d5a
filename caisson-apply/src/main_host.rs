//! The real machine behind [`Host`]: the one place where the clock, signals and
//! the file system are touched.
#![expect(
    clippy::disallowed_methods,
    reason = "this file is what the ban points to"
)]

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use rustix::fs::{Mode, OFlags};

use crate::host::{Host, Space};

/// The device this process runs on.
#[derive(Debug)]
pub struct MainHost {
    begin: Instant,
    boot_id: String,
    interrupted: Arc<AtomicBool>,
}

impl MainHost {
    pub fn new() -> Self {
        let boot_id =
            std::fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
        Self {
            begin: Instant::now(),
            boot_id: boot_id.trim().to_owned(),
            interrupted: Arc::new(AtomicBool::new(false)),
        }
    }

    /// From the first effect on: HUP is ignored, INT and TERM ask for a good end
    /// instead of killing.
    ///
    /// # Errors
    /// The kernel's refusal of a signal handler.
    pub fn catch_signals(&self) -> io::Result<()> {
        signal_hook::flag::register(signal_hook::consts::SIGHUP, Arc::default())?;
        for signal in [signal_hook::consts::SIGINT, signal_hook::consts::SIGTERM] {
            signal_hook::flag::register(signal, Arc::clone(&self.interrupted))?;
        }
        Ok(())
    }
}

impl Default for MainHost {
    fn default() -> Self {
        Self::new()
    }
}

impl Host for MainHost {
    fn wall_ms(&self) -> i64 {
        let since = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default();
        i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
    }

    fn monotonic(&self) -> Duration {
        self.begin.elapsed()
    }

    fn sleep(&self, time: Duration) {
        std::thread::sleep(time);
    }

    fn boot_id(&self) -> String {
        self.boot_id.clone()
    }

    fn sync_filesystem(&self, dir: &Path) -> io::Result<()> {
        let fd = rustix::fs::open(
            dir,
            OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC,
            Mode::empty(),
        )?;
        rustix::fs::syncfs(&fd)?;
        Ok(())
    }

    fn space(&self, dir: &Path) -> io::Result<Space> {
        let stat = rustix::fs::statvfs(dir)?;
        let device = rustix::fs::stat(dir)?.st_dev;
        Ok(Space {
            free_bytes: stat.f_bavail.saturating_mul(stat.f_frsize),
            // File systems without a fixed number of inodes show none at all.
            free_inodes: if stat.f_files == 0 {
                u64::MAX
            } else {
                stat.f_favail
            },
            device,
        })
    }

    fn interrupted(&self) -> bool {
        self.interrupted.load(Ordering::SeqCst)
    }

    fn unique(&self) -> [u8; 16] {
        let mut bytes = [0; 16];
        // The kernel's own; where it is missing, clock and pid still differ
        // between two updates of one device.
        if rustix::rand::getrandom(&mut bytes, rustix::rand::GetRandomFlags::empty()).is_err() {
            let clock = self.wall_ms().to_le_bytes();
            bytes[..8].copy_from_slice(&clock);
            bytes[8..12].copy_from_slice(&std::process::id().to_le_bytes());
        }
        bytes
    }
}
