//! The Unix socket: connections, requests one after the other, the power switch.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::{BufReader, Read};
use std::net::Shutdown;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, Weak};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use caisson_test_service::Answer;

use super::api::{self, Call, Outcome};
use super::archive;
use super::http::{self, Body, Head, Reply};
use super::machine::Machine;
use super::power::CutWhen;

/// Bodies that are JSON.
const JSON_BODY_BYTES_MAX: u64 = 4 * 1024 * 1024;
/// How often a waiting request looks again, on a clock that moves by itself.
const LOOK_AGAIN: Duration = Duration::from_millis(5);

/// What all threads share.
#[derive(Debug)]
pub(super) struct Shared {
    machine: Mutex<Machine>,
    /// Wakes the ticker of a real clock when something new may be due.
    pub(super) changed: Condvar,
    pub(super) socket: PathBuf,
    door: Mutex<Option<Door>>,
    connections: Mutex<Connections>,
}

/// The open connections, so that a cut can end them.
#[derive(Debug, Default)]
struct Connections {
    last: u64,
    open: BTreeMap<u64, UnixStream>,
}

/// The listening socket and its thread.
#[derive(Debug)]
struct Door {
    closing: Arc<AtomicBool>,
    thread: JoinHandle<()>,
}

/// What a published port may ask of the engine; it doesn't keep it alive.
#[derive(Debug, Clone)]
pub(super) struct Link(pub(super) Weak<Shared>);

impl Link {
    pub(super) fn listens(&self, id: &str, container_port: u16) -> bool {
        self.ask(|machine| {
            let now = machine.now();
            let container = machine
                .model
                .containers
                .iter()
                .find(|container| container.id == id)?;
            Some(container.listens(container_port, now))
        })
        .unwrap_or(false)
    }

    pub(super) fn answer(&self, id: &str, port: u16, path: Option<&str>) -> Option<Answer> {
        self.ask(|machine| {
            let now = machine.now();
            let container = machine
                .model
                .containers
                .iter()
                .find(|container| container.id == id)?;
            container.answer(port, path, now)
        })
    }

    fn ask<T>(&self, question: impl FnOnce(&Machine) -> Option<T>) -> Option<T> {
        let shared = self.0.upgrade()?;
        let machine = shared.machine();
        question(&machine)
    }
}

impl Shared {
    pub(super) fn new(machine: Machine, socket: PathBuf) -> Self {
        Self {
            machine: Mutex::new(machine),
            changed: Condvar::new(),
            socket,
            door: Mutex::new(None),
            connections: Mutex::default(),
        }
    }

    /// The machine, with everything done that is due.
    pub(super) fn machine(&self) -> MutexGuard<'_, Machine> {
        let mut machine = self.machine.lock().expect("no thread of the engine panics");
        let now = machine.now();
        machine.advance_to(now);
        machine
    }

    /// Begins to take connections.
    pub(super) fn open_door(self: &Arc<Self>) -> std::io::Result<()> {
        let listener = UnixListener::bind(&self.socket)?;
        let closing = Arc::new(AtomicBool::new(false));
        let thread = thread::spawn({
            let (shared, closing) = (Arc::downgrade(self), Arc::clone(&closing));
            move || accept(&listener, &shared, &closing)
        });
        *self.door.lock().expect("no thread of the engine panics") = Some(Door { closing, thread });
        Ok(())
    }

    /// Ends every connection and takes no more: from now on connecting is refused,
    /// as the socket is gone. Called by whoever cuts, also from a connection's own
    /// thread.
    pub(super) fn close_door(&self) {
        let door = self
            .door
            .lock()
            .expect("no thread of the engine panics")
            .take();
        if let Some(door) = door {
            door.closing.store(true, Ordering::SeqCst);
            // Wakes the thread out of `accept`.
            drop(UnixStream::connect(&self.socket));
            drop(door.thread.join());
        }
        drop(std::fs::remove_file(&self.socket));
        let mut connections = self
            .connections
            .lock()
            .expect("no thread of the engine panics");
        for connection in std::mem::take(&mut connections.open).into_values() {
            drop(connection.shutdown(Shutdown::Both));
        }
    }

    fn cut(&self) {
        self.machine
            .lock()
            .expect("no thread of the engine panics")
            .power
            .down = true;
        self.close_door();
    }
}

fn accept(listener: &UnixListener, shared: &Weak<Shared>, closing: &AtomicBool) {
    while let Ok((stream, _)) = listener.accept() {
        if closing.load(Ordering::SeqCst) {
            return;
        }
        let Some(shared) = shared.upgrade() else {
            return;
        };
        let Ok(held) = stream.try_clone() else {
            continue;
        };
        let number = {
            let mut connections = shared
                .connections
                .lock()
                .expect("no thread of the engine panics");
            connections.last += 1;
            let number = connections.last;
            connections.open.insert(number, held);
            number
        };
        thread::spawn(move || {
            // A client that goes away is its own business.
            drop(converse(&stream, &shared));
            drop(stream.shutdown(Shutdown::Both));
            let mut connections = shared
                .connections
                .lock()
                .expect("no thread of the engine panics");
            connections.open.remove(&number);
        });
    }
}

fn converse(stream: &UnixStream, shared: &Arc<Shared>) -> std::io::Result<()> {
    let mut reader = BufReader::with_capacity(64 * 1024, stream);
    while let Some(head) = http::read_head(&mut reader)? {
        let (index, cut) = {
            let mut machine = shared.machine();
            if machine.power.down {
                return Ok(());
            }
            machine.power.arrive(&head.method, &head.target)
        };
        if cut == Some(CutWhen::Before) {
            shared.cut();
            return Ok(());
        }
        let Some(reply) = serve(&head, &mut reader, shared) else {
            return Ok(());
        };
        if cut == Some(CutWhen::After) {
            shared.cut();
            return Ok(());
        }
        let headers = {
            let mut machine = shared.machine();
            machine.power.answered(index, reply.status);
            engine_headers(&machine)
        };
        let mut writer = stream;
        reply.write(
            &mut writer,
            &headers,
            head.method != "HEAD",
            head.keep_alive,
        )?;
        if !head.keep_alive {
            return Ok(());
        }
    }
    Ok(())
}

/// Runs a request to its end. `None`: the engine went down meanwhile, or the
/// client went away in the middle of its body.
fn serve(head: &Head, reader: &mut BufReader<&UnixStream>, shared: &Arc<Shared>) -> Option<Reply> {
    let mut body = Body::new(head, reader);
    let mut call = Call::new(&head.method, &head.target);
    if call.is_image_load() {
        // Hashed without the lock: others are served while an image comes in.
        let parts = archive::read(&mut body);
        // What a reader that gave up left over; without its end, nobody waits for an answer.
        std::io::copy(&mut body, &mut std::io::sink()).ok()?;
        let mut machine = shared.machine();
        if machine.power.down {
            return None;
        }
        let reply = api::load_images(&mut machine, parts);
        machine.note_effect();
        return Some(reply);
    }
    if body
        .by_ref()
        .take(JSON_BODY_BYTES_MAX)
        .read_to_end(&mut call.body)
        .is_err()
    {
        return None;
    }
    loop {
        let mut machine = shared.machine();
        if machine.power.down {
            return None;
        }
        match api::answer(&mut machine, &mut call) {
            Outcome::Done(reply) => {
                if call.changes() {
                    machine.note_effect();
                }
                shared.changed.notify_all();
                return Some(reply);
            }
            Outcome::WaitUntil(_) if machine.clock.moves_by_itself() => {
                drop(machine);
                thread::sleep(LOOK_AGAIN);
            }
            // Nobody else moves a virtual clock while its client waits for us.
            Outcome::WaitUntil(time) => machine.advance_to(time),
        }
    }
}

/// The headers that every answer has.
fn engine_headers(machine: &Machine) -> String {
    let profile = api::profile(machine.model.images.kind);
    let mut headers = String::new();
    let (major, minor) = profile.api;
    write!(
        headers,
        "Api-Version: {major}.{minor}\r\nDocker-Experimental: false\r\nOstype: linux\r\n\
         Server: Docker/{} (linux)\r\n",
        profile.version
    )
    .expect("a String takes everything");
    headers
}

/// Keeps a clock going that moves by itself: what is due happens without requests.
pub(super) fn tick(shared: &Weak<Shared>) {
    while let Some(shared) = shared.upgrade() {
        let machine = shared.machine();
        if machine.ended {
            return;
        }
        let now = machine.now();
        let next = machine
            .model
            .next_due()
            .map(|(at, _, _)| at.saturating_sub(now));
        let pause = next
            .unwrap_or(Duration::MAX)
            .min(Duration::from_millis(100));
        drop(shared.changed.wait_timeout(machine, pause));
    }
}

/// Removes a socket that nobody listens on any more; an error if somebody does.
pub(super) fn clear_stale_socket(socket: &Path) -> std::io::Result<()> {
    match UnixStream::connect(socket) {
        Ok(_) => Err(std::io::Error::new(
            std::io::ErrorKind::AddrInUse,
            format!("an engine already listens on {}", socket.display()),
        )),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
        Err(_) => std::fs::remove_file(socket),
    }
}
