//! Published ports, really listened on: 127.0.0.1 only, whatever address was
//! asked for. As with Docker's proxy, the port takes connections as soon as the
//! container runs; what the service doesn't take is closed at once.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU16, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use caisson_test_service::request_path;

use super::container::{BoundPort, PortWish};
use super::server::Link;

/// A peer that says nothing must not hold a thread for ever.
const PATIENCE: Duration = Duration::from_secs(5);
const HEAD_BYTES_MAX: usize = 8 * 1024;

/// A TCP port that is free now, outside the range that the system gives to
/// clients, and not given to another caller in this process before.
///
/// # Panics
/// If there is none left.
pub fn free_port() -> u16 {
    // Processes start at different places, so that parallel tests rarely meet.
    static NEXT: AtomicU16 = AtomicU16::new(0);
    const FIRST: u16 = 20_000;
    const COUNT: u16 = 12_000;
    let offset = u16::try_from(u64::from(std::process::id()) * 97 % u64::from(COUNT))
        .expect("a remainder below COUNT");
    (0..COUNT)
        .map(|_| {
            let next = NEXT.fetch_add(1, Ordering::Relaxed);
            FIRST + (offset + next % COUNT) % COUNT
        })
        .find(|port| TcpListener::bind((Ipv4Addr::LOCALHOST, *port)).is_ok())
        .expect("no free TCP port from 20000 to 31999")
}

/// The ports of the containers that run now.
#[derive(Debug)]
pub(super) struct PortTable {
    link: Link,
    /// By container id.
    open: BTreeMap<String, Vec<OpenPort>>,
}

impl PortTable {
    pub(super) fn new(link: Link) -> Self {
        Self {
            link,
            open: BTreeMap::new(),
        }
    }

    /// Opens all ports of a container or none; the error is Docker's.
    pub(super) fn open(&mut self, id: &str, wishes: &[PortWish]) -> Result<Vec<BoundPort>, String> {
        let mut ports = Vec::new();
        let mut bound = Vec::new();
        for wish in wishes {
            let port = OpenPort::open(self.link.clone(), id, wish)
                .map_err(|error| format!("Error starting userland proxy: {error}"))?;
            bound.push(BoundPort {
                container_port: wish.container_port,
                host_ip: wish.host_ip.clone(),
                host_port: port.number,
            });
            ports.push(port);
        }
        self.open.insert(id.to_owned(), ports);
        Ok(bound)
    }

    /// Closes the ports of a container and what is connected to them. When this
    /// returns, another container can have them.
    pub(super) fn close(&mut self, id: &str) {
        self.open.remove(id);
    }

    pub(super) fn close_all(&mut self) {
        self.open.clear();
    }
}

/// Open connections by number, so that they end with the payload.
type Connections = Arc<Mutex<BTreeMap<u64, TcpStream>>>;

/// One listener with its thread; closed on drop.
#[derive(Debug)]
struct OpenPort {
    number: u16,
    closing: Arc<AtomicBool>,
    connections: Connections,
    thread: Option<JoinHandle<()>>,
}

impl OpenPort {
    fn open(link: Link, id: &str, wish: &PortWish) -> Result<Self, String> {
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, wish.host_port));
        let says = |error: std::io::Error| {
            format!(
                "listen tcp4 {}:{}: bind: {error}",
                wish.host_ip, wish.host_port
            )
        };
        let listener = TcpListener::bind(address).map_err(says)?;
        let number = listener.local_addr().map_err(says)?.port();
        let closing = Arc::new(AtomicBool::new(false));
        let connections = Connections::default();
        let served = Served {
            link,
            id: id.to_owned(),
            container_port: wish.container_port,
        };
        let thread = thread::spawn({
            let (closing, connections) = (Arc::clone(&closing), Arc::clone(&connections));
            move || accept(&listener, &Arc::new(served), &closing, &connections)
        });
        Ok(Self {
            number,
            closing,
            connections,
            thread: Some(thread),
        })
    }
}

impl Drop for OpenPort {
    fn drop(&mut self) {
        self.closing.store(true, Ordering::SeqCst);
        // Wakes the thread out of `accept`; it never takes the engine's lock.
        drop(TcpStream::connect((Ipv4Addr::LOCALHOST, self.number)));
        if let Some(thread) = self.thread.take() {
            drop(thread.join());
        }
        let connections = self
            .connections
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        for connection in connections.values() {
            drop(connection.shutdown(Shutdown::Both));
        }
    }
}

/// Whose port it is.
struct Served {
    link: Link,
    id: String,
    container_port: u16,
}

fn accept(
    listener: &TcpListener,
    served: &Arc<Served>,
    closing: &AtomicBool,
    connections: &Connections,
) {
    let mut last = 0;
    while let Ok((stream, _)) = listener.accept() {
        if closing.load(Ordering::SeqCst) {
            return;
        }
        let Ok(held) = stream.try_clone() else {
            continue;
        };
        last += 1;
        let number = last;
        connections
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(number, held);
        let (served, connections) = (Arc::clone(served), Arc::clone(connections));
        thread::spawn(move || {
            // A peer that goes away is its own business.
            drop(serve(&stream, &served));
            drop(stream.shutdown(Shutdown::Both));
            connections
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .remove(&number);
        });
    }
}

fn serve(mut stream: &TcpStream, served: &Served) -> std::io::Result<()> {
    if !served.link.listens(&served.id, served.container_port) {
        return Ok(());
    }
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    let mut head = Vec::new();
    let mut piece = [0; 1024];
    while !head.ends_with(b"\r\n\r\n") && head.len() < HEAD_BYTES_MAX {
        match stream.read(&mut piece)? {
            0 => return Ok(()),
            count => head.extend_from_slice(&piece[..count]),
        }
    }
    match served
        .link
        .answer(&served.id, served.container_port, request_path(&head))
    {
        Some(answer) => stream.write_all(&answer.to_bytes()),
        None => Ok(()),
    }
}
