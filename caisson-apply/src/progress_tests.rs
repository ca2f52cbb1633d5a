//! Progress on a terminal, in a pipe and in silence, by a clock the tests move.

use std::cell::{Cell, RefCell};
use std::io;
use std::path::Path;
use std::rc::Rc;

use super::*;
use crate::host::Space;

/// A machine whose clock the test moves.
#[derive(Default)]
struct Clock(Cell<Duration>);

impl Clock {
    fn pass(&self, millis: u64) {
        self.0.set(self.0.get() + Duration::from_millis(millis));
    }
}

impl Host for Clock {
    fn wall_ms(&self) -> i64 {
        0
    }
    fn monotonic(&self) -> Duration {
        self.0.get()
    }
    fn sleep(&self, time: Duration) {
        self.0.set(self.0.get() + time);
    }
    fn boot_id(&self) -> String {
        String::new()
    }
    fn sync_filesystem(&self, _dir: &Path) -> io::Result<()> {
        Ok(())
    }
    fn space(&self, _dir: &Path) -> io::Result<Space> {
        Err(io::Error::other("not asked here"))
    }
    fn interrupted(&self) -> bool {
        false
    }
    fn unique(&self) -> [u8; 16] {
        [0; 16]
    }
}

/// What a terminal or a pipe received.
#[derive(Clone, Default)]
struct Screen(Rc<RefCell<Vec<u8>>>);

impl Screen {
    fn text(&self) -> String {
        String::from_utf8(self.0.borrow().clone()).expect("progress writes text")
    }
}

impl Write for Screen {
    fn write(&mut self, data: &[u8]) -> io::Result<usize> {
        self.0.borrow_mut().extend_from_slice(data);
        Ok(data.len())
    }
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

const MIB: u64 = 1024 * 1024;

/// 600 MiB in a minute, a mebibyte every 100 ms; gives what was written.
fn minute(style: Style) -> String {
    let (clock, screen) = (Clock::default(), Screen::default());
    let mut progress = Progress::new(
        &clock,
        Box::new(screen.clone()),
        style,
        "importing",
        600 * MIB,
    );
    for _ in 0..600 {
        clock.pass(100);
        progress.advance(MIB);
    }
    progress.finish();
    drop(progress);
    screen.text()
}

/// A log would be flooded, or stay silent for the whole import.
#[test]
fn a_pipe_gets_a_line_every_five_seconds_and_at_the_end() {
    let text = minute(Style::Pipe);
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines.len(), 13, "{text}");
    assert_eq!(
        lines[0],
        "importing: 50.0 MiB of 600.0 MiB (8 %), 10.0 MiB/s, 55 s left"
    );
    assert_eq!(lines[12], "importing: 600.0 MiB in 1 min 0 s, 10.0 MiB/s");
    assert!(!text.contains(['\r', '\u{1b}']));
}

/// A terminal would scroll, or the error after it run into the line.
#[test]
fn a_terminal_gets_one_line_rewritten() {
    let text = minute(Style::Terminal);
    assert_eq!(text.matches('\n').count(), 1, "only the last line stays");
    let drawn = text.matches('\r').count();
    assert!((500..=601).contains(&drawn), "{drawn} drawings in 60 s");
    assert!(text.ends_with("\r\u{1b}[Kimporting: 600.0 MiB in 1 min 0 s, 10.0 MiB/s\n"));
}

/// Drawing at every byte would cost more than the work.
#[test]
fn a_terminal_is_drawn_at_most_ten_times_a_second() {
    let (clock, screen) = (Clock::default(), Screen::default());
    let mut progress = Progress::new(&clock, Box::new(screen.clone()), Style::Terminal, "x", MIB);
    for _ in 0..1000 {
        clock.pass(1);
        progress.advance(1);
    }
    assert_eq!(screen.text().matches("x: ").count(), 10);
}

/// Quiet is quiet.
#[test]
fn quiet_says_nothing() {
    assert_eq!(minute(Style::Quiet), "");
}

/// Short work in a pipe says its one line, at its end.
#[test]
fn short_work_in_a_pipe_is_one_line() {
    let (clock, screen) = (Clock::default(), Screen::default());
    let mut progress = Progress::new(
        &clock,
        Box::new(screen.clone()),
        Style::Pipe,
        "verifying",
        10,
    );
    clock.pass(400);
    progress.advance(10);
    progress.finish();
    progress.finish();
    assert_eq!(screen.text(), "verifying: 10 B in 0.4 s, 25 B/s\n");
}

/// Work that fails leaves a clean line for the error.
#[test]
fn work_that_ends_early_clears_its_line() {
    let (clock, screen) = (Clock::default(), Screen::default());
    let mut progress = Progress::new(&clock, Box::new(screen.clone()), Style::Terminal, "x", MIB);
    progress.advance(1);
    drop(progress);
    assert!(screen.text().ends_with("\r\u{1b}[K"), "{:?}", screen.text());
}

/// A stick that slows down: the time left follows within the window.
#[test]
fn the_rate_follows_a_change() {
    let (clock, screen) = (Clock::default(), Screen::default());
    let mut progress = Progress::new(
        &clock,
        Box::new(screen.clone()),
        Style::Pipe,
        "x",
        1000 * MIB,
    );
    for _ in 0..100 {
        clock.pass(100);
        progress.advance(4 * MIB);
    }
    for _ in 0..150 {
        clock.pass(100);
        progress.advance(MIB / 10);
    }
    let text = screen.text();
    let last = text.lines().last().expect("lines");
    assert!(
        last.contains(", 1.0 MiB/s,") || last.contains(", 1023.9 KiB/s,"),
        "{last}"
    );
}

/// Totals that are unknown, wrong or absurd must not divide by zero or overflow.
#[test]
fn odd_totals_are_survived() {
    for total in [0, 1, u64::MAX] {
        let (clock, screen) = (Clock::default(), Screen::default());
        let mut progress = Progress::new(&clock, Box::new(screen.clone()), Style::Pipe, "x", total);
        for done in [0, 5, u64::MAX, 3] {
            clock.pass(6000);
            progress.reach(done);
        }
        progress.advance(u64::MAX);
        progress.finish();
        assert!(
            screen
                .text()
                .lines()
                .all(|line| line.chars().count() <= LINE_CHARS_MAX)
        );
    }
}

#[test]
fn units_read_as_people_write_them() {
    for (count, text) in [
        (0, "0 B"),
        (1023, "1023 B"),
        (1024, "1.0 KiB"),
        (1536, "1.5 KiB"),
        (MIB - 1, "1023.9 KiB"),
        (5 * 1024 * MIB, "5.0 GiB"),
        (u64::MAX, "16777215.9 TiB"),
    ] {
        assert_eq!(bytes(count), text);
    }
    for (millis, text) in [
        (0, "0.0 s"),
        (9_990, "9.9 s"),
        (59_999, "59 s"),
        (125_000, "2 min 5 s"),
        (7_860_000, "2 h 11 min"),
    ] {
        assert_eq!(seconds(Duration::from_millis(millis)), text);
    }
}
