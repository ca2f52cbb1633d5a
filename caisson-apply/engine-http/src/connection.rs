//! One connection to the engine with its time limit.
//!
//! A socket's own timeout starts anew with every byte, so a peer that sends one
//! byte a second would hold us for ever. Here the limit is either a moment
//! ([`TimeLimit::Until`]: the whole exchange ends by then, however lively the
//! peer is) or a silence ([`TimeLimit::Idle`]: for loads, whose length nobody
//! knows, as long as bytes move).
#![expect(
    clippy::disallowed_methods,
    reason = "deadlines on a socket are real time, below what the tests steer"
)]

use std::io::{self, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::{Duration, Instant};

use crate::socket;

/// When a connection is given up.
#[derive(Debug, Clone, Copy)]
pub enum TimeLimit {
    /// At this moment.
    Until(Instant),
    /// When one read or write has moved nothing for so long.
    Idle(Duration),
}

impl TimeLimit {
    /// The moment `duration` from now. A duration beyond what the clock can say
    /// (a container's own stop timeout may be anything) becomes a year.
    pub fn within(duration: Duration) -> Self {
        const YEAR: Duration = Duration::from_hours(365 * 24);
        Self::Until(Instant::now() + duration.min(YEAR))
    }

    /// The moment the next operation has to be over.
    fn operation_end(self) -> Instant {
        match self {
            Self::Until(moment) => moment,
            Self::Idle(silence) => Instant::now() + silence,
        }
    }
}

/// A connected socket that obeys a [`TimeLimit`]. Errors of kind `TimedOut` are
/// the limit's; `Interrupted` never comes out.
#[derive(Debug)]
pub struct Connection {
    stream: UnixStream,
    limit: TimeLimit,
}

impl Connection {
    /// Connects to the socket at `path`, waiting at most `connect_timeout`.
    pub fn open(path: &Path, connect_timeout: Duration, limit: TimeLimit) -> io::Result<Self> {
        let stream = socket::connect(path, connect_timeout)?;
        Ok(Self { stream, limit })
    }

    /// Ends the connection `most` from now, if not sooner.
    pub fn shorten(&mut self, most: Duration) {
        let end = Instant::now() + most;
        self.limit = TimeLimit::Until(self.limit.operation_end().min(end));
    }

    /// Reads what comes within `most`, whatever the limit of the connection.
    pub fn read_within(&mut self, out: &mut [u8], most: Duration) -> io::Result<usize> {
        self.read_until(out, Instant::now() + most)
    }

    /// Writes what goes within `most`, whatever the limit of the connection.
    pub fn write_within(&mut self, data: &[u8], most: Duration) -> io::Result<usize> {
        self.write_until(data, Instant::now() + most)
    }

    fn read_until(&mut self, out: &mut [u8], end: Instant) -> io::Result<usize> {
        loop {
            self.stream.set_read_timeout(Some(time_left(end)?))?;
            match self.stream.read(out) {
                Err(error) if is_not_yet(&error) => {}
                result => return result,
            }
        }
    }

    fn write_until(&mut self, data: &[u8], end: Instant) -> io::Result<usize> {
        loop {
            self.stream.set_write_timeout(Some(time_left(end)?))?;
            match self.stream.write(data) {
                Err(error) if is_not_yet(&error) => {}
                result => return result,
            }
        }
    }
}

impl Read for Connection {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        self.read_until(out, self.limit.operation_end())
    }
}

impl Write for Connection {
    fn write(&mut self, data: &[u8]) -> io::Result<usize> {
        self.write_until(data, self.limit.operation_end())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.stream.flush()
    }
}

/// The socket's timeout ran out or a signal came; whether the limit is reached
/// is decided by the clock alone.
fn is_not_yet(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut | io::ErrorKind::Interrupted
    )
}

fn time_left(end: Instant) -> io::Result<Duration> {
    let left = end.saturating_duration_since(Instant::now());
    if left.is_zero() {
        return Err(io::Error::new(
            io::ErrorKind::TimedOut,
            "the engine did not answer in time",
        ));
    }
    // The kernel counts whole microseconds, and 0 would mean "no timeout".
    Ok(left.max(Duration::from_micros(1)))
}
