//! Asks the service all the time, says when the answer changes, and knows how
//! long there was none.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};

/// The figures are exact to about this much.
const INTERVAL: Duration = Duration::from_millis(10);

/// The service answers in a millisecond. An engine's proxy that takes the
/// connection while no container is behind it may stay silent for seconds, and
/// waiting for it would hide that the service is back.
const ANSWER_LIMIT: Duration = Duration::from_millis(100);

/// A cut that nobody noticed for this long was none.
const NO_GAP: Duration = Duration::from_secs(3);

/// A running poller; dropping it ends it.
#[derive(Debug)]
pub(super) struct Poller {
    shared: Arc<Shared>,
    asking: Option<thread::JoinHandle<()>>,
}

#[derive(Debug)]
struct Shared {
    port: u16,
    ended: AtomicBool,
    seen: Mutex<Vec<Span>>,
}

/// A time of equal answers; the last one goes on.
#[derive(Debug, Clone)]
struct Span {
    begin: Instant,
    /// The version, if there was an answer.
    version: Option<String>,
}

impl Poller {
    pub(super) fn start(port: u16) -> Self {
        let shared = Arc::new(Shared {
            port,
            ended: AtomicBool::new(false),
            seen: Mutex::default(),
        });
        let asking = thread::spawn({
            let shared = Arc::clone(&shared);
            move || shared.ask()
        });
        Self {
            shared,
            asking: Some(asking),
        }
    }

    /// Waits until the service answers with this version.
    pub(super) fn wait_for(&self, version: &str, limit: Duration) -> Result<()> {
        let begin = Instant::now();
        loop {
            let seen = self.shared.seen().last().cloned();
            let seen = seen.and_then(|span| span.version);
            if seen.as_deref() == Some(version) {
                return Ok(());
            }
            ensure!(
                begin.elapsed() < limit,
                "the service answers {seen:?} after {limit:?}, wanted {version}"
            );
            thread::sleep(INTERVAL);
        }
    }

    /// Waits until the service answers with this version again after it was cut off,
    /// and says how long that took. Zero if nobody noticed a gap for a while.
    pub(super) fn wait_back(
        &self,
        version: &str,
        cut: Instant,
        limit: Duration,
    ) -> Result<Duration> {
        loop {
            let last = self.shared.seen().last().cloned();
            let back = last
                .as_ref()
                .filter(|span| span.version.as_deref() == Some(version));
            match back {
                Some(span) if span.begin > cut => return Ok(span.begin.duration_since(cut)),
                Some(_) if cut.elapsed() > NO_GAP => return Ok(Duration::ZERO),
                _ => {}
            }
            ensure!(
                cut.elapsed() < limit,
                "the service answers {last:?} after {limit:?}, wanted {version}"
            );
            thread::sleep(INTERVAL);
        }
    }

    /// The sum of all times without an answer since then.
    pub(super) fn downtime(&self, since: Instant) -> Duration {
        let seen = self.shared.seen();
        let ends = seen.iter().skip(1).map(|span| span.begin);
        seen.iter()
            .zip(ends.chain([Instant::now()]))
            .filter(|(span, _)| span.version.is_none())
            .map(|(span, end)| end.saturating_duration_since(span.begin.max(since)))
            .sum()
    }
}

impl Drop for Poller {
    fn drop(&mut self) {
        self.shared.ended.store(true, Ordering::SeqCst);
        if let Some(asking) = self.asking.take() {
            let _ = asking.join();
        }
    }
}

impl Shared {
    fn seen(&self) -> MutexGuard<'_, Vec<Span>> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn ask(&self) {
        let start = Instant::now();
        while !self.ended.load(Ordering::SeqCst) {
            // A failed request counts from its beginning: the service was gone by then.
            let begin = Instant::now();
            let version = version(self.port);
            let mut seen = self.seen();
            if seen.last().is_none_or(|span| span.version != version) {
                if !seen.is_empty() {
                    let at = start.elapsed().as_secs_f64();
                    let word = version.as_deref().unwrap_or("NOTHING");
                    println!("  >> {at:6.2} s  the service answers {word}");
                }
                let begin = if version.is_none() {
                    begin
                } else {
                    Instant::now()
                };
                seen.push(Span { begin, version });
            }
            drop(seen);
            thread::sleep(INTERVAL);
        }
    }
}

/// What the service says of itself, if it answers at all, and soon.
fn version(port: u16) -> Option<String> {
    let mut stream =
        TcpStream::connect_timeout(&(Ipv4Addr::LOCALHOST, port).into(), ANSWER_LIMIT).ok()?;
    stream.set_read_timeout(Some(ANSWER_LIMIT)).ok()?;
    stream
        .write_all(b"GET / HTTP/1.0\r\nHost: localhost\r\n\r\n")
        .ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).ok()?;
    answer
        .lines()
        .find_map(|line| line.strip_prefix("version="))
        .map(str::to_owned)
}
