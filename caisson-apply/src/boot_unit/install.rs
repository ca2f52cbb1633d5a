//! Writes the units so that a power cut leaves each either as it was or whole, and
//! enables them with the links `systemctl enable` would make: that works in an image
//! that isn't booted, too.
#![expect(
    clippy::disallowed_methods,
    reason = "writing these files is what this module is for; nothing of an update happens here"
)]

use std::fs::{self, File};
use std::io::{self, Write};
use std::os::unix::fs::{OpenOptionsExt, symlink};
use std::path::Path;
use std::process::{Command, Stdio};

use super::status::below;
use super::{ENABLED_BY, TIMER, UNIT_DIR, UnitFile};
use crate::error::{Code, Error};

/// Where systemd itself lies, in any of its usual places.
const SYSTEMD_PROGRAMS: [&str; 2] = ["/usr/lib/systemd/systemd", "/lib/systemd/systemd"];

/// There if and only if systemd runs (`sd_booted(3)`).
const SYSTEMD_RUNS: &str = "/run/systemd/system";

/// Writes and enables the units below `root` (`/` on a device). Where systemd runs,
/// `systemctl` is called with the words of each command that makes it take notice.
///
/// # Errors
/// [`Code::BootUnitWrite`]: no systemd, a file that can't be written, or a `systemctl`
/// that fails; `state` says what was reached.
pub fn install(
    root: &Path,
    units: &[UnitFile],
    systemctl: &mut dyn FnMut(&[&str]) -> io::Result<()>,
) -> Result<(), Error> {
    let runs = below(root, Path::new(SYSTEMD_RUNS)).is_dir();
    let has_systemd = runs
        || SYSTEMD_PROGRAMS
            .iter()
            .any(|path| below(root, Path::new(path)).exists());
    if !has_systemd {
        return Err(Error::new(Code::BootUnitWrite, "this device has no systemd")
            .state("nothing changed")
            .next(
                "have your init system run `caisson-apply recover --wait 120` after the engine, \
                 and pass `--no-boot-unit` to `package load`",
            ));
    }
    for unit in units {
        let path = below(root, &unit.path);
        write_whole(&path, &unit.text).map_err(|error| failed(&unit.path, &error))?;
    }
    for (unit, wants_dir) in ENABLED_BY {
        let link = Path::new(UNIT_DIR).join(wants_dir).join(unit);
        let target = Path::new(UNIT_DIR).join(unit);
        link_to(&below(root, &link), &target).map_err(|error| failed(&link, &error))?;
    }
    if !runs {
        return Ok(());
    }
    for words in [&["daemon-reload"] as &[&str], &["start", TIMER]] {
        systemctl(words).map_err(|error| {
            Error::new(
                Code::BootUnitWrite,
                format!("`systemctl {}` failed", words.join(" ")),
            )
            .found(error.to_string())
            .state("the units are written and enabled; they work from the next boot on")
            .next(format!(
                "run `systemctl daemon-reload` and `systemctl start {TIMER}`"
            ))
        })?;
    }
    Ok(())
}

/// Runs the device's `systemctl`; its words on standard error become the error.
///
/// # Errors
/// It can't be started, or ends with another status than 0.
pub fn run_systemctl(words: &[&str]) -> io::Result<()> {
    let output = Command::new("systemctl")
        .args(words)
        .stdin(Stdio::null())
        .output()?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    Err(io::Error::other(format!(
        "{}: {}",
        output.status,
        said.trim()
    )))
}

fn failed(path: &Path, error: &io::Error) -> Error {
    let next = if error.kind() == io::ErrorKind::PermissionDenied {
        "run this as root"
    } else {
        "make the directory writable, or install the units by hand"
    };
    Error::new(Code::BootUnitWrite, "a boot unit can't be written")
        .at(path.display().to_string())
        .found(error.to_string())
        .state("the boot units are not complete; no service was touched")
        .next(next)
}

/// A file that is there whole or not at all, also after a power cut.
fn write_whole(path: &Path, text: &str) -> io::Result<()> {
    let dir = folder(path)?;
    fs::create_dir_all(dir)?;
    let part = part_of(path);
    // What a power cut left of an earlier try.
    let _ = fs::remove_file(&part);
    let mut file = File::options()
        .write(true)
        .create_new(true)
        .mode(0o644)
        .open(&part)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()?;
    fs::rename(&part, path)?;
    File::open(dir)?.sync_all()
}

/// A link that replaces whatever had its name.
fn link_to(link: &Path, target: &Path) -> io::Result<()> {
    let dir = folder(link)?;
    fs::create_dir_all(dir)?;
    let part = part_of(link);
    let _ = fs::remove_file(&part);
    symlink(target, &part)?;
    fs::rename(&part, link)?;
    File::open(dir)?.sync_all()
}

/// Beside the file, with a name that systemd doesn't read as a unit.
fn part_of(path: &Path) -> std::path::PathBuf {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    path.with_file_name(format!(".{name}.part"))
}

fn folder(path: &Path) -> io::Result<&Path> {
    path.parent()
        .ok_or_else(|| io::Error::other("the path has no folder"))
}
