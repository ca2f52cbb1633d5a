//! Are the units in place? Looks at files only, so it needs no rights and no running
//! systemd, and sees an enabled unit before the first reboot.

use std::io;
use std::path::{Component, Path, PathBuf};

use super::{ENABLED_BY, SERVICE, command_line, plain_socket};

/// Where systemd looks for system units, first match first (`systemd.unit(5)`).
const UNIT_DIRS: [&str; 5] = [
    "/etc/systemd/system",
    "/run/systemd/system",
    "/usr/local/lib/systemd/system",
    "/usr/lib/systemd/system",
    "/lib/systemd/system",
];

/// Whether an interrupted update repairs itself at boot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Status {
    /// Both units are there, enabled, and serve this state directory and engine.
    Installed,
    /// No: the reasons, one sentence each without a full stop, at least one.
    Incomplete(Vec<String>),
}

/// Looks below `root` (`/` on a device).
pub fn status(root: &Path, state_dir: &Path, engine: &str) -> Status {
    let mut reasons = Vec::new();
    for (unit, wants_dir) in ENABLED_BY {
        match find(root, unit) {
            Found::Text(text) => {
                if unit == SERVICE {
                    reasons.extend(command_problems(root, &text, state_dir, engine));
                }
                if !is_enabled(root, unit, wants_dir) {
                    reasons.push(format!("{unit} is not enabled"));
                }
            }
            Found::Masked => reasons.push(format!("{unit} is masked")),
            Found::Nothing => reasons.push(format!("{unit} is not installed")),
            Found::Unreadable(error) => reasons.push(format!("{unit} can't be read: {error}")),
        }
    }
    if reasons.is_empty() {
        Status::Installed
    } else {
        Status::Incomplete(reasons)
    }
}

enum Found {
    Text(String),
    Masked,
    Nothing,
    Unreadable(io::Error),
}

/// The first unit of that name in systemd's own order.
fn find(root: &Path, unit: &str) -> Found {
    for dir in UNIT_DIRS {
        let path = below(root, &Path::new(dir).join(unit));
        match read_link_within(root, &path) {
            Ok(Some(text)) if text.trim().is_empty() => return Found::Masked,
            Ok(Some(text)) => return Found::Text(text),
            Ok(None) => {}
            Err(error) => return Found::Unreadable(error),
        }
    }
    Found::Nothing
}

/// Reads a unit; a link is followed once, within the root. A link to `/dev/null` reads
/// as an empty text, which means the same: masked.
fn read_link_within(root: &Path, path: &Path) -> io::Result<Option<String>> {
    let target = match std::fs::read_link(path) {
        Ok(target) if target == Path::new("/dev/null") => return Ok(Some(String::new())),
        Ok(target) if target.is_absolute() => below(root, &target),
        Ok(target) => path.parent().unwrap_or(root).join(target),
        Err(_) => path.to_owned(),
    };
    match std::fs::read_to_string(target) {
        Ok(text) => Ok(Some(text)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// Enabled means: the target that starts it at boot has a link of its name.
fn is_enabled(root: &Path, unit: &str, wants_dir: &str) -> bool {
    UNIT_DIRS.iter().any(|dir| {
        let link = below(root, &Path::new(dir).join(wants_dir).join(unit));
        link.symlink_metadata().is_ok()
    })
}

/// What keeps the service's command from recovering here.
fn command_problems(root: &Path, text: &str, state_dir: &Path, engine: &str) -> Vec<String> {
    let commands: Vec<&str> = text
        .lines()
        .filter_map(|line| line.trim().strip_prefix("ExecStart="))
        .collect();
    let [command] = commands.as_slice() else {
        return vec![format!(
            "{SERVICE} has {} commands instead of one",
            commands.len()
        )];
    };
    let Some(words) = command_line::split(command) else {
        return vec![format!("{SERVICE} has a command that is not ours")];
    };
    let mut problems = Vec::new();
    if !words.iter().any(|word| word == "recover") {
        problems.push(format!("{SERVICE} doesn't call `recover`"));
    }
    let value = |flag: &str| {
        let at = words.iter().position(|word| word == flag)?;
        words.get(at + 1).map(String::as_str)
    };
    match value("--state-dir") {
        Some(theirs) if same_path(Path::new(theirs), state_dir) => {}
        theirs => problems.push(format!(
            "{SERVICE} is for the state directory {}, not {}",
            theirs.unwrap_or("by default"),
            state_dir.display()
        )),
    }
    match value("--engine") {
        Some(theirs) if plain_socket(theirs) == plain_socket(engine) => {}
        theirs => problems.push(format!(
            "{SERVICE} is for the engine {}, not {engine}",
            theirs.unwrap_or("by default")
        )),
    }
    let program = words.first().map_or("", String::as_str);
    if !below(root, Path::new(program)).is_file() {
        problems.push(format!("the program of {SERVICE}, {program}, is not there"));
    }
    problems
}

/// Compared by their parts: a final slash or `/./` is no difference.
fn same_path(left: &Path, right: &Path) -> bool {
    let parts = |path: &Path| -> Vec<PathBuf> {
        let keep = |part: &Component<'_>| *part != Component::CurDir;
        path.components()
            .filter(keep)
            .map(|part| PathBuf::from(part.as_os_str()))
            .collect()
    };
    parts(left) == parts(right)
}

/// An absolute path of the device, below the root we look at.
pub(super) fn below(root: &Path, path: &Path) -> PathBuf {
    root.join(path.strip_prefix("/").unwrap_or(path))
}
