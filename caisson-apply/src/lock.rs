//! One instance per engine: an exclusive `flock` on the engine's data root
//! directory itself. No file is made, and the kernel frees it when we die.

use std::fs::File;
use std::path::Path;
use std::time::Duration;

use rustix::fs::{FlockOperation, Mode, OFlags};

use crate::error::{Code, Error, Result};
use crate::host::Host;

const RETRY: Duration = Duration::from_millis(200);

/// Held until dropped. Closed on exec, so neither the guard nor a child inherits it.
#[derive(Debug)]
pub struct Lock {
    _dir: File,
}

impl Lock {
    /// Takes the lock, waiting up to `patience`.
    ///
    /// # Errors
    /// `engine.data_root` if the directory can't be opened, `update.locked` if
    /// another instance keeps it.
    pub fn take(dir: &Path, patience: Duration, host: &dyn Host) -> Result<Self> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let fd = rustix::fs::open(dir, flags, Mode::empty()).map_err(|error| {
            Error::new(Code::DataRoot, format!("the engine's data directory can't be opened: {error}"))
                .at(dir.display().to_string())
                .state("nothing changed")
                .next("run this as root on the engine's own machine, or accept the loss of the power-cut promise with --no-sync")
        })?;
        let dir_file = File::from(fd);
        let begin = host.monotonic();
        loop {
            match rustix::fs::flock(&dir_file, FlockOperation::NonBlockingLockExclusive) {
                Ok(()) => return Ok(Self { _dir: dir_file }),
                Err(rustix::io::Errno::WOULDBLOCK) => {
                    if host.monotonic().saturating_sub(begin) >= patience {
                        return Err(Error::new(
                            Code::Locked,
                            "another caisson-apply is at work on this engine",
                        )
                        .at(dir.display().to_string())
                        .state("nothing changed by this one")
                        .next("wait for it to end, then try again"));
                    }
                    host.sleep(RETRY);
                }
                Err(rustix::io::Errno::INTR) => {}
                Err(error) => {
                    return Err(Error::new(
                        Code::DataRoot,
                        format!("the lock can't be taken: {error}"),
                    )
                    .at(dir.display().to_string())
                    .state("nothing changed"));
                }
            }
        }
    }
}
