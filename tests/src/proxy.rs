//! A socket between `caisson-apply` and an engine that counts requests and
//! kills whoever sent the chosen one.
//!
//! It asks the kernel who is at the other end of a connection, so it can kill a
//! process that the test didn't start itself, such as the guard. After the cut
//! it serves everybody as before, until it is armed again. A body is passed on
//! as it comes, whatever its size.
//!
//! It relies on one thing: a client asks one request per connection and says
//! `Connection: close`, as `caisson-apply` does. A head without that is refused
//! and noted in [`Proxy::complaints`], since its requests couldn't be counted.
//! An engine that isn't there looks like one that hangs up, not like one that
//! refuses the connection.

use std::io::{self, Read, Write};
use std::net::Shutdown;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::thread;
use std::time::{Duration, Instant};

use rustix::net::sockopt::socket_peercred;
use rustix::process::{Pid, Signal, kill_process};

/// Heads of our client are a few hundred bytes.
const HEAD_LIMIT: usize = 16 << 10;
/// A killed process is gone in milliseconds; this is for slow machines.
const DEATH_LIMIT: Duration = Duration::from_secs(10);

/// When the sender of a request dies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum When {
    /// The engine never hears of the request.
    Before,
    /// The engine got so many bytes of the body (as it is sent, chunk heads
    /// included) and then the end of the connection.
    InBody(u64),
    /// The engine has answered to the end, and the sender never heard it.
    After,
}

/// Which request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum At {
    /// The so-maniest since [`Proxy::arm`], from 1.
    Number(u64),
    /// The first whose `METHOD /path?query` contains this text.
    Containing(String),
}

/// A request as it came in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seen {
    /// From 1, since [`Proxy::arm`] or the start.
    pub number: u64,
    /// Who sent it.
    pub pid: u32,
    /// `POST /v1.41/containers/create?name=web`.
    pub line: String,
}

/// What an armed proxy did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CutDone {
    /// The request of the dead.
    pub request: Seen,
    /// When it was dead.
    pub at: Instant,
}

/// A running proxy; dropping it ends it and removes its socket.
#[derive(Debug)]
pub struct Proxy {
    shared: Arc<Shared>,
    listener: UnixListener,
    accepting: Option<thread::JoinHandle<()>>,
}

#[derive(Debug)]
struct Shared {
    socket: PathBuf,
    engine: PathBuf,
    ended: AtomicBool,
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    count: u64,
    log: Vec<Seen>,
    armed: Option<(At, When)>,
    done: Option<CutDone>,
    complaints: Vec<String>,
}

impl Proxy {
    /// Listens at `socket` and passes on to `engine`, which may come later.
    pub fn start(socket: &Path, engine: &Path) -> io::Result<Self> {
        let listener = UnixListener::bind(socket)?;
        let shared = Arc::new(Shared {
            socket: socket.to_owned(),
            engine: engine.to_owned(),
            ended: AtomicBool::new(false),
            state: Mutex::default(),
            changed: Condvar::new(),
        });
        let accepting = thread::spawn({
            let (listener, shared) = (listener.try_clone()?, Arc::clone(&shared));
            move || accept(&listener, &shared)
        });
        Ok(Self {
            shared,
            listener,
            accepting: Some(accepting),
        })
    }

    /// Where to connect.
    pub fn socket(&self) -> &Path {
        &self.shared.socket
    }

    /// From now on counts from 1 again, and kills the sender of that request, once.
    pub fn arm(&self, at: At, when: When) {
        let mut state = self.shared.state();
        *state = State {
            armed: Some((at, when)),
            ..State::default()
        };
    }

    /// Kills nobody until armed again; the log stays.
    pub fn disarm(&self) {
        self.shared.state().armed = None;
    }

    /// The cut, if it has happened since the last [`Self::arm`].
    pub fn done(&self) -> Option<CutDone> {
        self.shared.state().done.clone()
    }

    /// Waits for the cut.
    pub fn wait_done(&self, limit: Duration) -> Option<CutDone> {
        let state = self.shared.state();
        let (state, _) = self
            .shared
            .changed
            .wait_timeout_while(state, limit, |state| state.done.is_none())
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        state.done.clone()
    }

    /// Every request since the last [`Self::arm`], oldest first.
    pub fn log(&self) -> Vec<Seen> {
        self.shared.state().log.clone()
    }

    /// Requests that couldn't be counted; a test demands that there are none.
    pub fn complaints(&self) -> Vec<String> {
        self.shared.state().complaints.clone()
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.shared.ended.store(true, Ordering::SeqCst);
        // Wakes the accepting thread, even if the socket's path is gone by now.
        // Connections under way end with their peers.
        let _ = rustix::net::shutdown(&self.listener, rustix::net::Shutdown::Both);
        if let Some(accepting) = self.accepting.take() {
            let _ = accepting.join();
        }
        let _ = std::fs::remove_file(&self.shared.socket);
    }
}

impl Shared {
    /// A panic elsewhere must not hide what was seen.
    fn state(&self) -> MutexGuard<'_, State> {
        self.state
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    /// Counts the request, and says whether its sender is to die.
    fn count(&self, pid: u32, line: String) -> (Seen, Option<When>) {
        let mut state = self.state();
        state.count += 1;
        let seen = Seen {
            number: state.count,
            pid,
            line,
        };
        state.log.push(seen.clone());
        let hit = match &state.armed {
            Some((At::Number(number), _)) => *number == seen.number,
            Some((At::Containing(text), _)) => seen.line.contains(text.as_str()),
            None => false,
        };
        let when = if hit { state.armed.take() } else { None };
        (seen, when.map(|(_, when)| when))
    }

    fn complain(&self, complaint: String) {
        self.state().complaints.push(complaint);
    }

    /// Kills the sender and returns when it is dead, not just told so: what it
    /// holds, such as a lock or a pipe, is free by then.
    fn kill(&self, request: Seen) {
        let pid = i32::try_from(request.pid).ok().and_then(Pid::from_raw);
        let killed = pid.is_some_and(|pid| kill_process(pid, Signal::KILL).is_ok());
        let deadline = Instant::now() + DEATH_LIMIT;
        while killed && lives(request.pid) && Instant::now() < deadline {
            thread::sleep(Duration::from_millis(1));
        }
        if !killed || lives(request.pid) {
            self.complain(format!("{} outlived its kill", request.pid));
        }
        self.state().done = Some(CutDone {
            request,
            at: Instant::now(),
        });
        self.changed.notify_all();
    }
}

fn lives(pid: u32) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    // `pid (name) state ...`, and the name may hold anything.
    let state = stat.rsplit(')').next().unwrap_or_default().trim_start();
    !state.is_empty() && !state.starts_with(['Z', 'X'])
}

fn accept(listener: &UnixListener, shared: &Arc<Shared>) {
    for client in listener.incoming() {
        if shared.ended.load(Ordering::SeqCst) {
            return;
        }
        let Ok(client) = client else { continue };
        let shared = Arc::clone(shared);
        // An error ends the connection: that is what the peers would see, too.
        thread::spawn(move || serve(&client, &shared));
    }
}

/// One connection, one request.
fn serve(client: &UnixStream, shared: &Shared) -> io::Result<()> {
    let Some((head, body_start)) = read_head(client)? else {
        return Ok(()); // connected and left: a probe for life
    };
    let text = String::from_utf8_lossy(&head);
    let pid = socket_peercred(client)?.pid.as_raw_nonzero().get();
    let line = text.lines().next().unwrap_or_default();
    let line = line.rsplit_once(' ').map_or(line, |(line, _)| line);
    let closes = text
        .to_ascii_lowercase()
        .lines()
        .any(|line| line.replace(' ', "") == "connection:close");
    if !closes {
        shared.complain(format!("`{line}` keeps its connection"));
        return Ok(());
    }
    let (seen, when) = shared.count(pid.cast_unsigned(), line.to_owned());
    if when == Some(When::Before) {
        shared.kill(seen);
        return Ok(());
    }
    let engine = UnixStream::connect(&shared.engine)?;
    (&engine).write_all(&head)?;
    match when {
        None | Some(When::Before) => pass_on(client, &engine, &body_start),
        Some(When::InBody(limit)) => thread::scope(|scope| {
            // An answer before the cut means that the body was shorter.
            scope.spawn(|| {
                let _ = io::copy(&mut &engine, &mut io::sink());
                let _ = client.shutdown(Shutdown::Read);
            });
            let mut part = body_start.as_slice().chain(client).take(limit);
            let sent = io::copy(&mut part, &mut &engine);
            if !matches!(sent, Ok(sent) if sent == limit) {
                let line = &seen.line;
                shared.complain(format!("`{line}`: {sent:?} of {limit} bytes of body"));
            }
            shared.kill(seen);
            engine.shutdown(Shutdown::Both)
        }),
        Some(When::After) => {
            // Its own end, so that the body flows while the answer is awaited.
            thread::scope(|scope| {
                let sending = scope.spawn(|| send(client, &engine, &body_start));
                let answered = io::copy(&mut &engine, &mut io::sink());
                shared.kill(seen);
                let _ = client.shutdown(Shutdown::Both);
                let _ = sending.join();
                answered.map(|_| ())
            })
        }
    }
}

fn pass_on(client: &UnixStream, engine: &UnixStream, body_start: &[u8]) -> io::Result<()> {
    thread::scope(|scope| {
        scope.spawn(|| send(client, engine, body_start));
        let answered = io::copy(&mut &*engine, &mut &*client);
        let _ = client.shutdown(Shutdown::Both);
        let _ = engine.shutdown(Shutdown::Both);
        answered.map(|_| ())
    })
}

/// Sends the rest of the request. A client that leaves is gone for the engine
/// too, as without us in between.
fn send(client: &UnixStream, engine: &UnixStream, body_start: &[u8]) {
    let _ = io::copy(&mut body_start.chain(client), &mut &*engine);
    let _ = engine.shutdown(Shutdown::Both);
}

/// The head with its empty line, and what of the body came along.
fn read_head(mut client: &UnixStream) -> io::Result<Option<(Vec<u8>, Vec<u8>)>> {
    let mut read = Vec::new();
    let mut piece = [0; 4096];
    loop {
        let length = client.read(&mut piece)?;
        if length == 0 {
            return Ok(None);
        }
        read.extend_from_slice(&piece[..length]);
        if let Some(end) = read.windows(4).position(|four| four == b"\r\n\r\n") {
            let body_start = read.split_off(end + 4);
            return Ok(Some((read, body_start)));
        }
        if read.len() > HEAD_LIMIT {
            return Err(io::Error::other("a head without end"));
        }
    }
}
