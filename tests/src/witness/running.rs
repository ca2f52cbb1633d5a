//! A `package load` under way: told how far it is from its journal, sent signals.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Result, bail, ensure};
use caisson_apply::journal::sqlite::SqliteJournal;
use caisson_apply::journal::{Event, Journal, StepId};
use rustix::process::{Pid, Signal, kill_process};

use crate::device::{Device, Said};

/// The moment after this row was written by the newest update.
pub type Moment = (StepId, Event);

/// A step of a test's update that takes longer hangs.
const STEP_LIMIT: Duration = Duration::from_mins(1);
/// An update that takes longer hangs, also one whose engine went away.
const END_LIMIT: Duration = Duration::from_mins(3);

/// A load that was started with `--json`. Killed if the test ends first.
#[derive(Debug)]
pub struct Running {
    child: Option<Child>,
    state_dir: PathBuf,
    /// Updates in the journal before this one.
    earlier: usize,
}

impl Running {
    /// Starts the load.
    pub fn load(device: &Device, package: &Path) -> Result<Self> {
        let mut command = device.load_command(package);
        command.arg("--json");
        Self::of(device, command)
    }

    /// Starts a command of the device.
    pub fn of(device: &Device, mut command: Command) -> Result<Self> {
        let state_dir = device.state_dir();
        let earlier = updates(&state_dir);
        let child = command
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()?;
        Ok(Self {
            child: Some(child),
            state_dir,
            earlier,
        })
    }

    /// Waits until the journal has the row.
    pub fn wait_for(&mut self, moment: Moment) -> Result<()> {
        let begin = Instant::now();
        while !has_row(&self.state_dir, self.earlier, moment) {
            if let Some(child) = &mut self.child
                && child.try_wait()?.is_some()
            {
                let said = self.said()?;
                bail!("the load ended before {moment:?}: {said:?}");
            }
            ensure!(
                begin.elapsed() < STEP_LIMIT,
                "no {moment:?} after {STEP_LIMIT:?}"
            );
            thread::sleep(Duration::from_millis(2));
        }
        Ok(())
    }

    /// Sends a signal to the load alone.
    pub fn signal(&self, signal: Signal) -> Result<()> {
        if let Some(pid) = self.child.as_ref().and_then(|child| pid(child.id())) {
            kill_process(pid, signal)?;
        }
        Ok(())
    }

    /// Waits for its end.
    pub fn end(mut self) -> Result<Said> {
        let begin = Instant::now();
        while let Some(child) = &mut self.child {
            if child.try_wait()?.is_some() {
                break;
            }
            ensure!(
                begin.elapsed() < END_LIMIT,
                "the load did not end within {END_LIMIT:?}"
            );
            thread::sleep(Duration::from_millis(5));
        }
        self.said()
    }

    /// Of a load that has ended. What it says fits in the pipes.
    fn said(&mut self) -> Result<Said> {
        match self.child.take() {
            Some(child) => Ok(Said::of(&child.wait_with_output()?)),
            None => bail!("what it said was taken"),
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if let Some(child) = &mut self.child {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// Nothing is open in the journal.
pub fn nothing_open(state_dir: &Path) -> bool {
    match SqliteJournal::open_read_only(state_dir) {
        Ok(Some(journal)) => journal.open_updates().is_ok_and(|open| open.is_empty()),
        Ok(None) => true,
        Err(_) => false,
    }
}

/// Waits until it is so.
pub fn wait_until(what: &str, limit: Duration, mut so: impl FnMut() -> bool) -> Result<()> {
    let begin = Instant::now();
    while !so() {
        ensure!(begin.elapsed() < limit, "not within {limit:?}: {what}");
        thread::sleep(Duration::from_millis(20));
    }
    Ok(())
}

fn pid(pid: u32) -> Option<Pid> {
    i32::try_from(pid).ok().and_then(Pid::from_raw)
}

/// How many updates the journal knows.
fn updates(state_dir: &Path) -> usize {
    match SqliteJournal::open_read_only(state_dir) {
        Ok(Some(journal)) => journal
            .history(None, u32::MAX)
            .map_or(0, |history| history.len()),
        Ok(None) | Err(_) => 0,
    }
}

/// A reader that comes at a bad instant sees nothing and looks again.
fn has_row(state_dir: &Path, earlier: usize, (step, event): Moment) -> bool {
    let Ok(Some(journal)) = SqliteJournal::open_read_only(state_dir) else {
        return false;
    };
    let Ok(history) = journal.history(None, u32::MAX) else {
        return false;
    };
    if history.len() <= earlier {
        return false;
    }
    let rows = journal.rows(&history[0].update_id).unwrap_or_default();
    rows.iter()
        .any(|row| row.step == step && row.event == event)
}
