//! The systemd units that end an interrupted update when the device comes up again,
//! and every minute after that: what they hold, whether they are in place, and writing
//! them.
//!
//! Does: render, look, write, enable. Does not: recover (the units call
//! `caisson-apply recover`), or ask the person (its caller shows the units first).
//! Every path lies below a root folder that tests choose.
//!
//! "In place" is more than a file: a unit that isn't enabled, that serves another
//! engine or state directory, or whose program was on a stick, repairs nothing.

mod command_line;
mod install;
mod status;

#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};

pub use install::{install, run_systemctl};
pub use status::{Status, status};

use crate::error::{Code, Error};

/// Where the units are written. Distributions own the other folders.
pub const UNIT_DIR: &str = "/etc/systemd/system";

/// Seconds the unit waits for the engine at boot. An engine answers only after it has
/// started its containers; the timer comes back to one that takes longer, while a
/// longer wait would hold up the end of the boot.
pub const WAIT_SECS: u64 = 120;

const SERVICE: &str = "caisson-recover.service";
const TIMER: &str = "caisson-recover.timer";

/// The units and the targets that start them.
const ENABLED_BY: [(&str, &str); 2] = [
    (SERVICE, "multi-user.target.wants"),
    (TIMER, "timers.target.wants"),
];

const SERVICE_TEMPLATE: &str = include_str!("../../dist/caisson-recover.service");
const TIMER_TEXT: &str = include_str!("../../dist/caisson-recover.timer");

/// One file to be written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnitFile {
    /// Absolute, as seen by the device.
    pub path: PathBuf,
    pub text: String,
}

/// The units for one program, state directory and engine socket.
///
/// # Errors
/// [`Code::BootUnitWrite`] for a path that a unit can't hold: relative, not UTF-8, or
/// with control characters.
pub fn render(binary: &Path, state_dir: &Path, engine: &str) -> Result<Vec<UnitFile>, Error> {
    let binary = writable(binary, "the program's path")?;
    let state_dir = writable(state_dir, "the state directory")?;
    if engine.is_empty() || engine.contains(char::is_control) {
        return Err(refused(
            "the engine's address",
            &format!("{engine:?}"),
            "a socket's address",
        ));
    }
    let wait = WAIT_SECS.to_string();
    let arguments = [
        "--state-dir",
        state_dir,
        "--engine",
        engine,
        "recover",
        "--wait",
        wait.as_str(),
    ];
    let wants = match engine_unit(engine) {
        Some(unit) => format!("Wants={unit}\n"),
        None => String::new(),
    };
    // The command last: it may hold anything, also the other mark.
    let service = SERVICE_TEMPLATE
        .replacen("@WANTS@\n", &format!("{wants}\n"), 1)
        .replacen("@COMMAND@", &command_line::quote(binary, &arguments), 1);
    let file = |name: &str, text: String| UnitFile {
        path: Path::new(UNIT_DIR).join(name),
        text,
    };
    Ok(vec![
        file(SERVICE, service),
        file(TIMER, TIMER_TEXT.to_owned()),
    ])
}

/// The unit that provides a socket in its usual place. A wish for a unit that doesn't
/// exist is ignored, one for the wrong unit would start an engine nobody asked for.
fn engine_unit(engine: &str) -> Option<&'static str> {
    match plain_socket(engine).as_str() {
        "/run/docker.sock" => Some("docker.service"),
        "/run/podman/podman.sock" => Some("podman.socket"),
        _ => None,
    }
}

/// One spelling for `unix:///var/run/x`, `/var/run/x` and `/run/x`.
fn plain_socket(engine: &str) -> String {
    let path = engine.strip_prefix("unix://").unwrap_or(engine);
    match path.strip_prefix("/var/run/") {
        Some(rest) => format!("/run/{rest}"),
        None => path.to_owned(),
    }
}

fn writable<'p>(path: &'p Path, name: &str) -> Result<&'p str, Error> {
    let wanted = "an absolute path of UTF-8 without control characters";
    match path.to_str() {
        Some(text) if path.is_absolute() && !text.contains(char::is_control) => Ok(text),
        _ => Err(refused(name, &path.display().to_string(), wanted)),
    }
}

fn refused(name: &str, found: &str, wanted: &str) -> Error {
    Error::new(
        Code::BootUnitWrite,
        format!("{name} can't be written into a systemd unit"),
    )
    .found(found)
    .wanted(wanted)
}
