//! The guard: a second process of ours that repairs the device when the first
//! one dies in the middle of an update, by `kill -9`, for want of memory, or
//! because the stick with the binary was pulled.
//!
//! Its standard input is a pipe whose other end only the updating process holds:
//! a byte means a good end, the end of the file means that process died. Its
//! standard output is a pipe on which it says that it is ready. It runs from
//! memory (memfd) or from a copy in the state directory, never from the stick,
//! in a session of its own, without a terminal and without our lock.

use std::ffi::OsString;
use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec};
use rustix::fs::MemfdFlags;

use crate::error::{Code, Error, Result};

/// The hidden subcommand the guard is started with.
pub const SUBCOMMAND: &str = "guard";
/// What the guard says on its standard output once it watches.
const READY: &[u8; 6] = b"ready\n";
/// The guard must be ready within this time, or the update does not begin.
const READY_TIMEOUT_SECS: i64 = 5;
/// The byte of a good end.
const GOOD_END: u8 = b'.';

/// A running guard. Dropping it without [`Guard::good_end`] makes it recover.
#[derive(Debug)]
pub struct Guard {
    life: File,
    child: Child,
}

impl Guard {
    /// Starts the guard with these arguments after [`SUBCOMMAND`], and waits until it is ready.
    ///
    /// # Errors
    /// `update.guard_failed`.
    pub fn start(arguments: &[OsString], state_dir: &Path) -> Result<Self> {
        let mut last = None;
        for source in [Program::Memory, Program::Copy] {
            match Self::start_from(&source, arguments, state_dir) {
                Ok(guard) => return Ok(guard),
                Err(error) => last = Some(error),
            }
        }
        Err(
            Error::new(Code::GuardFailed, "the guard process does not come up")
                .found(last.map(|error| error.to_string()).unwrap_or_default())
                .state("nothing changed")
                .next("free some memory and some room in the state directory, then try again"),
        )
    }

    fn start_from(
        source: &Program,
        arguments: &[OsString],
        state_dir: &Path,
    ) -> std::io::Result<Self> {
        // Streamed: the copy must not add to the memory of the update.
        let mut ours = File::open("/proc/self/exe")?;
        let (program, memory, copy) = match source {
            Program::Memory => {
                let fd = rustix::fs::memfd_create("caisson-guard", MemfdFlags::CLOEXEC)?;
                let mut file = File::from(fd);
                std::io::copy(&mut ours, &mut file)?;
                let path = PathBuf::from(format!("/proc/self/fd/{}", file.as_raw_fd()));
                (path, Some(file), None)
            }
            Program::Copy => {
                let path = state_dir.join(format!("guard-{}", std::process::id()));
                write_program(&path, &mut ours)?;
                (path.clone(), None, Some(path))
            }
        };
        let (life_read, life_write) = rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC)?;
        let (ready_read, ready_write) = rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC)?;
        let spawned = Command::new(program)
            .arg0("caisson-apply")
            .arg(SUBCOMMAND)
            .args(arguments)
            .stdin(Stdio::from(life_read))
            .stdout(Stdio::from(ready_write))
            .stderr(Stdio::null())
            .spawn();
        drop(memory);
        let mut child = match spawned {
            Ok(child) => child,
            Err(error) => {
                remove_copy(copy.as_deref());
                return Err(error);
            }
        };
        if let Err(error) = wait_ready(ready_read) {
            drop(life_write);
            let _ = child.kill();
            let _ = child.wait();
            remove_copy(copy.as_deref());
            return Err(error);
        }
        // A program that runs needs its name no more, and nobody else would remove it.
        remove_copy(copy.as_deref());
        Ok(Self {
            life: File::from(life_write),
            child,
        })
    }

    /// The update ended in this process, one way or the other: the guard leaves.
    pub fn good_end(mut self) {
        let _ = self.life.write_all(&[GOOD_END]);
        drop(self.life);
        let _ = self.child.wait();
    }
}

/// Where the guard's program comes from.
enum Program {
    /// A memfd: survives the stick and needs no room on the disk.
    Memory,
    /// A copy in the state directory, where the kernel does not execute a memfd.
    Copy,
}

fn wait_ready(ready: OwnedFd) -> std::io::Result<()> {
    let timeout = Timespec {
        tv_sec: READY_TIMEOUT_SECS,
        tv_nsec: 0,
    };
    let mut watched = [PollFd::new(&ready, PollFlags::IN)];
    if rustix::event::poll(&mut watched, Some(&timeout))? == 0 {
        return Err(std::io::Error::other(format!(
            "not ready after {READY_TIMEOUT_SECS} s"
        )));
    }
    let mut said = [0; READY.len()];
    File::from(ready).read_exact(&mut said)?;
    if &said == READY {
        Ok(())
    } else {
        Err(std::io::Error::other("said something else than ready"))
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "the guard's own program, where memory can't be executed"
)]
fn write_program(path: &Path, ours: &mut File) -> std::io::Result<()> {
    use std::os::unix::fs::OpenOptionsExt;
    let mut file = std::fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o700)
        .open(path)?;
    std::io::copy(ours, &mut file)?;
    Ok(())
}

#[expect(clippy::disallowed_methods, reason = "the guard's own program")]
fn remove_copy(path: Option<&Path>) {
    if let Some(path) = path {
        let _ = std::fs::remove_file(path);
    }
}

/// How the updating process ended, as the guard sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    Good,
    Died,
}

/// The guard's side: its own session, no terminal, `ready`, then waits for the end.
///
/// # Errors
/// When the pipes are not there: somebody called the hidden subcommand by hand.
#[expect(clippy::disallowed_methods, reason = "opens /dev/null")]
pub fn watch() -> std::io::Result<End> {
    // Its own session: a terminal that closes, or ^C, is not for the guard. Fails
    // only if we lead a session already, which is as good.
    let _ = rustix::process::setsid();
    for signal in [
        signal_hook::consts::SIGHUP,
        signal_hook::consts::SIGINT,
        signal_hook::consts::SIGTERM,
    ] {
        // A handler that only sets a flag nobody reads: the default would end us.
        signal_hook::flag::register(signal, std::sync::Arc::default())?;
    }
    let mut life = File::from(rustix::io::fcntl_dupfd_cloexec(rustix::stdio::stdin(), 3)?);
    {
        let mut out = std::io::stdout().lock();
        out.write_all(READY)?;
        out.flush()?;
    }
    let null = std::fs::OpenOptions::new()
        .read(true)
        .write(true)
        .open("/dev/null")?;
    rustix::stdio::dup2_stdin(&null)?;
    rustix::stdio::dup2_stdout(&null)?;
    rustix::stdio::dup2_stderr(&null)?;
    // Not on the stick: it must be possible to unmount it. Paths are absolute.
    let _ = std::env::set_current_dir("/");
    let mut byte = [0];
    loop {
        match life.read(&mut byte) {
            Ok(0) => return Ok(End::Died),
            Ok(_) => return Ok(End::Good),
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            Err(_) => return Ok(End::Died),
        }
    }
}

/// How long the guard waits for the lock of the process that died, or of another
/// instance that is recovering already.
pub const LOCK_PATIENCE: Duration = Duration::from_mins(10);
