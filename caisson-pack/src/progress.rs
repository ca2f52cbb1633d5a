//! What a person sees while they wait, and the check whether they stopped
//! waiting: both happen at the same places, every mebibyte or so.
//!
//! On a terminal one line is drawn over and over; in a pipe only notes are said.

use std::fmt::Write as _;
use std::io::{self, IsTerminal as _, Write as _};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use edgepkg::error::printable;

use crate::error::{Code, PackError, Result};

/// Time between two drawings of the line.
const REDRAW: Duration = Duration::from_millis(100);

/// Rate and time left mean little before this.
const SETTLED: Duration = Duration::from_secs(1);

/// Wide enough to cover the line before.
const LINE_WIDTH: usize = 78;

/// Watches over one run: draws progress, notices INT and TERM.
#[derive(Debug)]
pub struct Watch {
    terminal: bool,
    /// Notes go to standard error; they are kept in any case.
    speaks: bool,
    stop: Arc<AtomicBool>,
    phase: Option<Phase>,
    notes: Vec<String>,
}

#[derive(Debug)]
struct Phase {
    label: String,
    total: u64,
    done: u64,
    started: Instant,
    drawn: Option<Instant>,
}

impl Watch {
    /// Draws on standard error if that is a terminal; stops when `stop` is set.
    pub fn new(stop: Arc<AtomicBool>) -> Self {
        Self {
            terminal: io::stderr().is_terminal(),
            speaks: true,
            stop,
            phase: None,
            notes: Vec::new(),
        }
    }

    /// Draws and says nothing and can't be stopped: for programs that call this library.
    pub fn silent() -> Self {
        Self {
            terminal: false,
            speaks: false,
            stop: Arc::new(AtomicBool::new(false)),
            phase: None,
            notes: Vec::new(),
        }
    }

    /// Begins a phase of `total` bytes.
    pub fn begin(&mut self, label: &str, total: u64) {
        self.clear();
        self.phase = Some(Phase {
            label: label.to_owned(),
            total,
            done: 0,
            started: Instant::now(),
            drawn: None,
        });
    }

    /// Corrects the phase's total.
    pub fn expect(&mut self, total: u64) {
        if let Some(phase) = &mut self.phase {
            phase.total = total;
        }
    }

    /// Notes that `bytes` more are done.
    ///
    /// # Errors
    /// `build.interrupted` if INT or TERM arrived.
    pub fn advance(&mut self, bytes: u64) -> Result<()> {
        let done = self.phase.as_ref().map_or(0, |phase| phase.done);
        self.reach(done + bytes)
    }

    /// Notes that `position` bytes are done altogether.
    ///
    /// # Errors
    /// As [`Watch::advance`].
    pub fn reach(&mut self, position: u64) -> Result<()> {
        if self.stop.load(Ordering::Relaxed) {
            return Err(PackError::new(
                Code::Interrupted,
                "stopped by a signal; no file was left",
            ));
        }
        let Some(phase) = &mut self.phase else {
            return Ok(());
        };
        phase.done = position;
        let due = phase.drawn.is_none_or(|drawn| drawn.elapsed() >= REDRAW);
        if self.terminal && due {
            phase.drawn = Some(Instant::now());
            let line = phase.line(phase.started.elapsed());
            eprint_quietly(&format!("\r{line:<LINE_WIDTH$}"));
        }
        Ok(())
    }

    /// Says something worth knowing that is no error, and keeps it for
    /// [`Watch::take_notes`].
    pub fn note(&mut self, text: &str) {
        self.clear();
        let text = printable(text);
        if self.speaks {
            eprint_quietly(&format!("note: {text}\n"));
        }
        self.notes.push(text);
    }

    /// What was noted so far, printable.
    pub fn take_notes(&mut self) -> Vec<String> {
        std::mem::take(&mut self.notes)
    }

    /// Ends the phase and takes its line away.
    pub fn end(&mut self) {
        self.clear();
        self.phase = None;
    }

    fn clear(&mut self) {
        if self
            .phase
            .as_ref()
            .is_some_and(|phase| phase.drawn.is_some())
        {
            eprint_quietly(&format!("\r{:LINE_WIDTH$}\r", ""));
        }
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.clear();
    }
}

/// A terminal that is gone must not end the work.
fn eprint_quietly(text: &str) {
    let mut stderr = io::stderr().lock();
    let _ = stderr
        .write_all(text.as_bytes())
        .and_then(|()| stderr.flush());
}

impl Phase {
    fn line(&self, elapsed: Duration) -> String {
        let mut line = format!("{} {}", self.label, size(self.done));
        if self.total > 0 {
            let percent = u128::from(self.done) * 100 / u128::from(self.total);
            let _ = write!(line, " of {} ({}%)", size(self.total), percent.min(100));
        }
        let millis = elapsed.as_millis();
        if elapsed >= SETTLED && self.done > 0 {
            let rate = u128::from(self.done) * 1000 / millis;
            let rate = u64::try_from(rate).unwrap_or(u64::MAX);
            let _ = write!(line, ", {}/s", size(rate));
            let left = u128::from(self.total.saturating_sub(self.done));
            let seconds = left * millis / u128::from(self.done) / 1000;
            let _ = write!(line, ", {}:{:02} left", seconds / 60, seconds % 60);
        }
        line
    }
}

/// Bytes for people: `512 B`, `1.5 MiB`.
pub fn size(bytes: u64) -> String {
    const UNITS: [&str; 4] = ["KiB", "MiB", "GiB", "TiB"];
    if bytes < 1024 {
        return format!("{bytes} B");
    }
    let mut unit = 0;
    let mut divisor = 1024_u64;
    while bytes / divisor >= 1024 && unit + 1 < UNITS.len() {
        divisor *= 1024;
        unit += 1;
    }
    let tenths = u128::from(bytes) * 10 / u128::from(divisor);
    format!("{}.{} {}", tenths / 10, tenths % 10, UNITS[unit])
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A wrong unit or a division by zero would show here.
    #[test]
    fn sizes_and_lines_for_people() {
        assert_eq!(size(0), "0 B");
        assert_eq!(size(1023), "1023 B");
        assert_eq!(size(1536), "1.5 KiB");
        assert_eq!(size(1024 * 1024 - 1), "1023.9 KiB");
        assert_eq!(size(u64::MAX), "16777215.9 TiB");
        let phase = Phase {
            label: "compressing".into(),
            total: 4 << 20,
            done: 1 << 20,
            started: Instant::now(),
            drawn: None,
        };
        assert_eq!(
            phase.line(Duration::ZERO),
            "compressing 1.0 MiB of 4.0 MiB (25%)"
        );
        assert_eq!(
            phase.line(Duration::from_secs(2)),
            "compressing 1.0 MiB of 4.0 MiB (25%), 512.0 KiB/s, 0:06 left"
        );
    }

    /// A signal that nobody notices would leave a person waiting.
    #[test]
    fn a_signal_stops_the_work() {
        let stop = Arc::new(AtomicBool::new(false));
        let mut watch = Watch::new(Arc::clone(&stop));
        assert_eq!(watch.advance(1), Ok(()));
        stop.store(true, Ordering::Relaxed);
        assert_eq!(watch.advance(1).unwrap_err().code, Code::Interrupted);
    }
}
