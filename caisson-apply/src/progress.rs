//! How far a verification or an import is: bytes of the total, rate and time left.
//!
//! On a terminal one line, rewritten at most ten times a second; into a pipe a plain
//! line at most every five seconds and one at the end; in quiet nothing. Goes to
//! standard error only, so that data on standard output stays clean. The clock is the
//! [`Host`]'s monotonic one: a device's wall clock jumps when it first hears of the time.
//!
//! Never fails: a terminal that went away must not stop an update.

use std::collections::VecDeque;
use std::io::{IsTerminal, Write};
use std::time::Duration;

use crate::host::Host;

/// Time between two drawings on a terminal.
const REDRAW: Duration = Duration::from_millis(100);

/// Time between two lines in a pipe: a log of an hour stays below a thousand lines.
const NEW_LINE: Duration = Duration::from_secs(5);

/// The rate is that of so much time: long enough to be calm, short enough to follow a
/// stick that slows down.
const RATE_WINDOW: Duration = Duration::from_secs(10);

/// Rate and time left mean nothing before this.
const SETTLED: Duration = Duration::from_secs(1);

/// Time between two points the rate is taken from.
const SAMPLE: Duration = Duration::from_millis(250);

/// Widest line, in characters: a wrapped line can't be rewritten.
const LINE_CHARS_MAX: usize = 79;

/// How progress is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Style {
    /// One line, rewritten.
    Terminal,
    /// A line now and then.
    Pipe,
    Quiet,
}

impl Style {
    /// What standard error is, unless nothing is wanted.
    pub fn of_stderr(quiet: bool) -> Self {
        match (quiet, std::io::stderr().is_terminal()) {
            (true, _) => Self::Quiet,
            (false, true) => Self::Terminal,
            (false, false) => Self::Pipe,
        }
    }
}

/// One stretch of work of a known number of bytes.
pub struct Progress<'h> {
    host: &'h dyn Host,
    out: Box<dyn Write + 'h>,
    style: Style,
    label: String,
    total: u64,
    done: u64,
    begin: Duration,
    shown: Option<Duration>,
    /// Points in time and what was done by then, oldest first, over [`RATE_WINDOW`].
    samples: VecDeque<(Duration, u64)>,
    /// Is there a line on the terminal that the next words must not run into?
    line_open: bool,
    finished: bool,
}

impl std::fmt::Debug for Progress<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Progress")
            .field("label", &self.label)
            .field("done", &self.done)
            .field("total", &self.total)
            .finish_non_exhaustive()
    }
}

impl<'h> Progress<'h> {
    /// Begins to count, on standard error. `label` says the work in a word or two, such
    /// as `importing web 1.2.0`; a `total` of 0 is not known.
    pub fn on_stderr(host: &'h dyn Host, style: Style, label: &str, total: u64) -> Self {
        Self::new(host, Box::new(std::io::stderr()), style, label, total)
    }

    /// As [`Progress::on_stderr`], into any writer.
    pub fn new(
        host: &'h dyn Host,
        out: Box<dyn Write + 'h>,
        style: Style,
        label: &str,
        total: u64,
    ) -> Self {
        let begin = host.monotonic();
        Self {
            host,
            out,
            style,
            label: label.to_owned(),
            total,
            done: 0,
            begin,
            shown: None,
            samples: VecDeque::from([(begin, 0)]),
            line_open: false,
            finished: false,
        }
    }

    /// So many bytes more are done.
    pub fn advance(&mut self, bytes: u64) {
        self.reach(self.done.saturating_add(bytes));
    }

    /// So many bytes are done altogether.
    pub fn reach(&mut self, done: u64) {
        self.done = done;
        if self.style == Style::Quiet {
            return;
        }
        let now = self.host.monotonic();
        self.sample(now);
        let pause = if self.style == Style::Terminal {
            REDRAW
        } else {
            NEW_LINE
        };
        // In a pipe short work says nothing before its end.
        let last = self
            .shown
            .or((self.style == Style::Pipe).then_some(self.begin));
        if last.is_none_or(|last| now.saturating_sub(last) >= pause) {
            self.shown = Some(now);
            self.show(now);
        }
    }

    /// Takes the line off the terminal, so that something else can be said. The next
    /// [`Progress::reach`] draws it again.
    pub fn clear(&mut self) {
        if self.line_open {
            self.write("\r\u{1b}[K");
            self.line_open = false;
        }
    }

    /// The work is done: the last line stays, with the time it took.
    pub fn finish(&mut self) {
        if self.finished || self.style == Style::Quiet {
            return;
        }
        self.finished = true;
        let took = self.host.monotonic().saturating_sub(self.begin);
        self.clear();
        let line = format!(
            "{}: {} in {}{}\n",
            self.label,
            bytes(self.done),
            seconds(took),
            average(self.done, took)
        );
        self.write(&line);
    }

    /// Remembers a point for the rate and forgets those that are too old.
    fn sample(&mut self, now: Duration) {
        let newest = self.samples.back().map_or(self.begin, |(time, _)| *time);
        if now.saturating_sub(newest) >= SAMPLE {
            self.samples.push_back((now, self.done));
        }
        let too_old = |next: &(Duration, u64)| now.saturating_sub(next.0) >= RATE_WINDOW;
        // The newest point outside the window stays: the rate reaches back to it.
        while self.samples.len() > 2 && self.samples.get(1).is_some_and(too_old) {
            self.samples.pop_front();
        }
    }

    fn show(&mut self, now: Duration) {
        let line: String = self.line(now).chars().take(LINE_CHARS_MAX).collect();
        match self.style {
            Style::Terminal => {
                self.write(&format!("\r{line}\u{1b}[K"));
                self.line_open = true;
            }
            Style::Pipe => self.write(&format!("{line}\n")),
            Style::Quiet => {}
        }
    }

    fn line(&self, now: Duration) -> String {
        let of_total = if self.total == 0 {
            String::new()
        } else {
            let percent = u128::from(self.done.min(self.total)) * 100 / u128::from(self.total);
            format!(" of {} ({percent} %)", bytes(self.total))
        };
        let speed = self.speed(now);
        format!("{}: {}{of_total}{speed}", self.label, bytes(self.done))
    }

    /// Rate and time left, once they mean something.
    fn speed(&self, now: Duration) -> String {
        let (since, before) = self.samples.front().copied().unwrap_or((self.begin, 0));
        let window = now.saturating_sub(since);
        let moved = self.done.saturating_sub(before);
        if now.saturating_sub(self.begin) < SETTLED || window.is_zero() {
            return String::new();
        }
        let rate = average(moved, window);
        if self.total == 0 || moved == 0 {
            return rate;
        }
        let left = self.total.saturating_sub(self.done);
        format!("{rate}, {} left", seconds(scaled(window, left, moved)))
    }

    fn write(&mut self, text: &str) {
        // The person isn't there any more; the work is.
        let _ = self
            .out
            .write_all(text.as_bytes())
            .and_then(|()| self.out.flush());
    }
}

impl Drop for Progress<'_> {
    /// Work that ended early leaves no half line for the error to run into.
    fn drop(&mut self) {
        self.clear();
    }
}

/// `, N MiB/s`; nothing where no time passed.
fn average(done: u64, time: Duration) -> String {
    match u64::try_from(time.as_millis()) {
        Ok(0) | Err(_) => String::new(),
        Ok(millis) => {
            let rate = u128::from(done) * 1000 / u128::from(millis);
            format!(", {}/s", bytes(u64::try_from(rate).unwrap_or(u64::MAX)))
        }
    }
}

/// `time * part / whole`, at most a century of it.
fn scaled(time: Duration, part: u64, whole: u64) -> Duration {
    let millis = time.as_millis().saturating_mul(u128::from(part)) / u128::from(whole.max(1));
    Duration::from_millis(u64::try_from(millis).unwrap_or(u64::MAX))
}

/// `17 B`, `3.4 MiB`: binary units, one decimal.
pub fn bytes(count: u64) -> String {
    const UNITS: [&str; 4] = ["KiB", "MiB", "GiB", "TiB"];
    if count < 1024 {
        return format!("{count} B");
    }
    let mut unit_bytes = 1024_u64;
    let mut unit = 0;
    while unit + 1 < UNITS.len() && count / unit_bytes >= 1024 {
        unit_bytes *= 1024;
        unit += 1;
    }
    // Tenths, rounded down: never more than is there.
    let tenths = u128::from(count) * 10 / u128::from(unit_bytes);
    format!("{}.{} {}", tenths / 10, tenths % 10, UNITS[unit])
}

/// `0.4 s`, `12 s`, `3 min 5 s`, `2 h 10 min`.
pub fn seconds(time: Duration) -> String {
    let whole = time.as_secs();
    match whole {
        0..10 => format!("{whole}.{} s", time.subsec_millis() / 100),
        10..60 => format!("{whole} s"),
        60..3600 => format!("{} min {} s", whole / 60, whole % 60),
        _ => format!("{} h {} min", whole / 3600, whole % 3600 / 60),
    }
}

#[cfg(test)]
#[path = "progress_tests.rs"]
mod tests;
