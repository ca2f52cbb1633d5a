//! Programs of others that need no engine: skopeo, libfaketime.

use std::ffi::OsStr;
use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result, ensure};

use super::place::fetched;

/// What `skopeo ARGUMENTS` says on standard output: the machine's own, else a
/// fetched one. Its policy is to accept unsigned images.
///
/// # Errors
/// If it can't be had, or ends with another status than 0; with its words.
pub fn skopeo(arguments: &[impl AsRef<OsStr>]) -> Result<String> {
    let mut command = if on_path() {
        Command::new("skopeo")
    } else {
        let tree = fetched("skopeo")?;
        let mut command = Command::new(tree.join("usr/bin/skopeo"));
        if let Ok(folders) = std::fs::read_to_string(tree.join("ldpath")) {
            command.env("LD_LIBRARY_PATH", folders.trim());
        }
        command
    };
    command.arg("--insecure-policy").args(arguments);
    let output = command.output().context("run skopeo")?;
    ensure!(
        output.status.success(),
        "{command:?}: {}: {}",
        output.status,
        String::from_utf8_lossy(&output.stderr).trim()
    );
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// A library that shows the program it is preloaded into the clock of `FAKETIME`.
///
/// # Errors
/// If it can't be had.
pub fn faketime() -> Result<PathBuf> {
    let libraries = fetched("faketime")?.join("usr/lib");
    let folders = std::fs::read_dir(libraries)?.filter_map(Result::ok);
    folders
        .map(|folder| folder.path().join("faketime/libfaketimeMT.so.1"))
        .find(|library| library.exists())
        .context("libfaketime has no library")
}

fn on_path() -> bool {
    Command::new("skopeo")
        .arg("--version")
        .output()
        .is_ok_and(|output| output.status.success())
}
