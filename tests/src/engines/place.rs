//! Where engines live: everything below `target/engines`, nothing elsewhere.
//!
//! Each engine has a folder of its own in `run/` and a lock file beside it that
//! its owner holds as long as it lives. So a later run can tell what a crashed
//! one left, and clear it away.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};

use anyhow::{Context, Result, ensure};
use rustix::fs::{FlockOperation, flock};

/// Unix socket addresses end at 107 bytes; the longest below an engine's
/// folder is `exec/containerd/containerd-debug.sock`.
const LONGEST_ROOT: usize = 107 - "/exec/containerd/containerd-debug.sock".len();

/// `target/engines`, absolute.
pub fn engines_dir() -> Result<PathBuf> {
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .context("the tests crate is inside the workspace")?;
    let target = std::env::var_os("CARGO_TARGET_DIR")
        .map_or_else(|| workspace.join("target"), |target| workspace.join(target));
    Ok(target.join("engines"))
}

/// Runs one of the scripts of `tests/engines`; its last words are in the error.
pub(super) fn run_script(script: &str, arguments: &[&str]) -> Result<()> {
    let path = script_path(script);
    let output = Command::new("sh")
        .arg(&path)
        .args(arguments)
        .output()
        .with_context(|| format!("sh {}", path.display()))?;
    let said = String::from_utf8_lossy(&output.stderr);
    if output.status.success() {
        eprint!("{said}");
    }
    ensure!(
        output.status.success(),
        "{script} {}: {}\n{said}",
        arguments.join(" "),
        output.status
    );
    Ok(())
}

/// A script of `tests/engines`.
pub(super) fn script_path(script: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("engines")
        .join(script)
}

/// A folder of unpacked programs, by its name in `fetch.sh`; fetched if it isn't
/// there yet.
pub(super) fn fetched(kind: &str) -> Result<PathBuf> {
    let engines = engines_dir()?;
    run_script("fetch.sh", &[text(&engines)?, kind])?;
    Ok(engines.join(kind))
}

/// The folder of one engine, and the lock that says somebody owns it.
#[derive(Debug)]
pub(super) struct Place {
    /// The engine's folder.
    pub(super) root: PathBuf,
    /// Unlike any other's on this machine at this time.
    pub(super) name: String,
    /// The kernel frees it when the owner dies.
    lock: Option<File>,
}

impl Place {
    /// Makes a new folder, after clearing away what dead owners left.
    pub(super) fn new() -> Result<Self> {
        static NEXT: AtomicU32 = AtomicU32::new(1);
        let run = engines_dir()?.join("run");
        fs::create_dir_all(&run).with_context(|| format!("create {}", run.display()))?;
        run_script("engine.sh", &["sweep", text(&run)?])?;
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = format!("{}-{number}", std::process::id());
        let root = run.join(&name);
        ensure!(
            root.as_os_str().len() <= LONGEST_ROOT,
            "{} is longer than {LONGEST_ROOT} bytes, so the engine's sockets can't have \
             addresses there; next: build in a folder with a shorter path",
            root.display()
        );
        // Locked before it has its name, so that a sweep never sees it free.
        let unnamed = run.join(format!("{name}.new"));
        let lock = File::create(&unnamed)?;
        flock(&lock, FlockOperation::NonBlockingLockExclusive)?;
        fs::rename(&unnamed, run.join(format!("{name}.lock")))?;
        fs::create_dir(&root)?;
        fs::write(root.join("name"), &name)?;
        Ok(Self {
            root,
            name,
            lock: Some(lock),
        })
    }

    /// Gives the folder up: from now on anybody may clear it away.
    pub(super) fn release(&mut self) {
        self.lock = None;
    }
}

/// Paths go into scripts and JSON: they must be text.
pub(super) fn text(path: &Path) -> Result<&str> {
    path.to_str()
        .with_context(|| format!("{} is not UTF-8", path.display()))
}
