//! Which Unix socket the engine is reached at, and connecting to it.
//!
//! Reads no environment: the command line passes in what it found there. Does
//! not look whether an engine answers; of the usual sockets the first that is
//! there *and* may be used decides, so that the choice does not depend on which
//! engine is slow to start today.
//!
//! Only Unix sockets: an update needs the engine's own file system (lock,
//! `syncfs`, free space), which no TCP address gives; and nothing else is
//! private to the machine without more ado.

use std::fmt;
use std::io;
use std::os::unix::fs::FileTypeExt;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::fs::Access;
use rustix::net::sockopt::{Timeout, set_socket_timeout};
use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType};

/// Sockets of the system's engines, in the order they are tried.
pub const USUAL_SOCKETS: [&str; 3] = [
    "/var/run/docker.sock",
    "/run/docker.sock",
    "/run/podman/podman.sock",
];
/// Sockets of a user's own engines, below `XDG_RUNTIME_DIR`.
pub const ROOTLESS_SOCKETS: [&str; 2] = ["docker.sock", "podman/podman.sock"];

/// Why no socket could be chosen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SocketError {
    /// The address that somebody named can't be used.
    Address {
        what: &'static str,
        /// `--engine` or `DOCKER_HOST`.
        origin: &'static str,
        /// As it was written, escaped.
        found: String,
        wanted: &'static str,
    },
    /// Nobody named one, and there is none in any of these places.
    NoneFound { places: Vec<PathBuf> },
}

/// What the person and the environment say about the engine's address.
#[derive(Debug, Clone, Copy, Default)]
pub struct Wishes<'a> {
    /// `--engine`: a path or `unix://` address.
    pub engine: Option<&'a str>,
    /// `DOCKER_HOST`. Pass `None` under sudo: it belongs to another user.
    pub docker_host: Option<&'a str>,
    /// `XDG_RUNTIME_DIR`.
    pub runtime_dir: Option<&'a Path>,
}

/// A socket and how it was chosen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Chosen {
    pub path: PathBuf,
    pub by: ChosenBy,
}

/// Who chose a socket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ChosenBy {
    /// `--engine`.
    Flag,
    /// `DOCKER_HOST`.
    DockerHost,
    /// It is one of the usual ones.
    Usual,
}

impl fmt::Display for Chosen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let by = match self.by {
            ChosenBy::Flag => "--engine",
            ChosenBy::DockerHost => "DOCKER_HOST",
            ChosenBy::Usual => "found in its usual place",
        };
        write!(f, "{} ({by})", self.path.display())
    }
}

/// The socket to use: what `--engine` says, else what `DOCKER_HOST` says, else
/// the first usual one that we may write to, else the first that is there.
///
/// # Errors
/// [`SocketError::Address`] for an address that is no absolute Unix socket path,
/// [`SocketError::NoneFound`] if none is named and none of the usual ones exists.
pub fn choose(wishes: Wishes<'_>) -> Result<Chosen, SocketError> {
    if let Some(address) = wishes.engine {
        return Ok(Chosen {
            path: parse_address(address, "--engine")?,
            by: ChosenBy::Flag,
        });
    }
    if let Some(address) = wishes.docker_host.filter(|address| !address.is_empty()) {
        let path = parse_address(address, "DOCKER_HOST")?;
        return Ok(Chosen {
            path,
            by: ChosenBy::DockerHost,
        });
    }
    choose_among(&usual_sockets(wishes.runtime_dir))
}

/// Every place that is looked at when nobody names a socket.
fn usual_sockets(runtime_dir: Option<&Path>) -> Vec<PathBuf> {
    let system = USUAL_SOCKETS.iter().map(PathBuf::from);
    let own = runtime_dir
        .filter(|dir| dir.is_absolute())
        .into_iter()
        .flat_map(|dir| ROOTLESS_SOCKETS.iter().map(|name| dir.join(name)));
    system.chain(own).collect()
}

fn choose_among(candidates: &[PathBuf]) -> Result<Chosen, SocketError> {
    let is_socket = |path: &&PathBuf| {
        path.metadata()
            .is_ok_and(|metadata| metadata.file_type().is_socket())
    };
    let present: Vec<&PathBuf> = candidates.iter().filter(is_socket).collect();
    let usable = present
        .iter()
        .find(|path| rustix::fs::access(path.as_path(), Access::WRITE_OK).is_ok());
    if let Some(path) = usable.or(present.first()) {
        return Ok(Chosen {
            path: (*path).clone(),
            by: ChosenBy::Usual,
        });
    }
    Err(SocketError::NoneFound {
        places: candidates.to_vec(),
    })
}

/// Reads `unix:///path` or `/path`; `origin` is where it was written.
fn parse_address(address: &str, origin: &'static str) -> Result<PathBuf, SocketError> {
    let path = Path::new(address.strip_prefix("unix://").unwrap_or(address));
    let wrong = |what, wanted| SocketError::Address {
        what,
        origin,
        found: format!("`{}`", address.escape_debug()),
        wanted,
    };
    if address.contains("://") && !address.starts_with("unix://") {
        return Err(wrong(
            "refusing to use an engine that is not behind a Unix socket",
            "`unix:///path/to/socket`: an update needs the engine's own file system",
        ));
    }
    if !path.is_absolute() {
        return Err(wrong(
            "the engine's socket is not an absolute path",
            "such as `/run/docker.sock`",
        ));
    }
    if SocketAddrUnix::new(path).is_err() {
        return Err(wrong(
            "the path of the engine's socket is not usable",
            "at most 107 bytes, none of them 0",
        ));
    }
    Ok(path.to_owned())
}

/// Connects, waiting at most `timeout` for a place in the listener's queue.
///
/// `UnixStream::connect` would wait without end for a listener that has stopped
/// accepting (a stopped engine whose queue is full); the kernel honours the send
/// timeout of a socket while connecting, but it has to be set before.
pub fn connect(path: &Path, timeout: Duration) -> io::Result<UnixStream> {
    let address = SocketAddrUnix::new(path)?;
    let socket = rustix::net::socket_with(
        AddressFamily::UNIX,
        SocketType::STREAM,
        SocketFlags::CLOEXEC,
        None,
    )?;
    set_socket_timeout(&socket, Timeout::Send, Some(timeout))?;
    let connected = rustix::io::retry_on_intr(|| rustix::net::connect(&socket, &address));
    match connected {
        Ok(()) => Ok(UnixStream::from(socket)),
        Err(rustix::io::Errno::AGAIN) => Err(io::Error::new(
            io::ErrorKind::TimedOut,
            format!(
                "nobody accepted the connection within {} s",
                timeout.as_secs_f32()
            ),
        )),
        Err(error) => Err(error.into()),
    }
}

#[cfg(test)]
#[path = "socket_tests.rs"]
mod tests;
