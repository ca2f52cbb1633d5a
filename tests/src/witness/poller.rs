//! Asks the service all the time and remembers every answer.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use crate::device::http;

/// Between two questions.
const INTERVAL: Duration = Duration::from_millis(20);

/// A thread that asks until it is stopped.
#[derive(Debug)]
pub struct Poller {
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<Polls>>,
}

/// What was answered.
#[derive(Debug, Default, Clone)]
pub struct Polls {
    /// Questions that got a version.
    pub good: u32,
    /// When it failed since the start, and why.
    pub failures: Vec<(Duration, String)>,
    /// The versions in the order they came, each change once.
    pub versions: Vec<String>,
    /// The longest time without a good answer.
    pub longest_gap: Duration,
}

impl Poller {
    /// Begins to ask the service on this port of the loopback address.
    pub fn start(port: u16) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let thread = thread::spawn({
            let stop = Arc::clone(&stop);
            move || poll(port, &stop)
        });
        Self {
            stop,
            thread: Some(thread),
        }
    }

    /// Ends the thread and gives what it saw.
    pub fn end(mut self) -> Polls {
        self.stop.store(true, Ordering::SeqCst);
        let thread = self.thread.take().expect("it is ended once");
        thread.join().expect("the poller does not panic")
    }
}

impl Drop for Poller {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::SeqCst);
    }
}

fn poll(port: u16, stop: &AtomicBool) -> Polls {
    let begin = Instant::now();
    let mut last_good = begin;
    let mut polls = Polls::default();
    while !stop.load(Ordering::SeqCst) {
        let answer = http(port);
        let version = answer.as_ref().ok().and_then(|answer| {
            answer
                .lines()
                .find_map(|line| line.strip_prefix("version="))
        });
        if let Some(version) = version {
            polls.good += 1;
            polls.longest_gap = polls.longest_gap.max(last_good.elapsed());
            last_good = Instant::now();
            if polls.versions.last().map(String::as_str) != Some(version) {
                polls.versions.push(version.to_owned());
            }
        } else {
            let why = match &answer {
                Ok(text) => format!("no version in {text:?}"),
                Err(error) => format!("{error:#}"),
            };
            polls.failures.push((begin.elapsed(), why));
        }
        thread::sleep(INTERVAL);
    }
    polls.longest_gap = polls.longest_gap.max(last_good.elapsed());
    polls
}
