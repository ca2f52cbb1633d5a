//! The programs under test, built on demand by cargo, once per process. A test
//! then never runs yesterday's binary.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;

use anyhow::{Context, Result, ensure};
use serde_json::Value;

/// `caisson-apply` as tests run it.
pub fn caisson_apply() -> &'static Path {
    static PATH: OnceLock<PathBuf> = OnceLock::new();
    PATH.get_or_init(|| built("caisson-apply", &["--profile", "dev"]))
}

/// `caisson-apply` as it is shipped: for figures of memory and time.
pub fn caisson_apply_release() -> &'static Path {
    static PATH: OnceLock<PathBuf> = OnceLock::new();
    PATH.get_or_init(|| built("caisson-apply", &["--profile", "release"]))
}

/// `caisson-apply` that never starts its guard: the proof that the kill sweep can fail.
pub fn caisson_apply_without_guard() -> &'static Path {
    static PATH: OnceLock<PathBuf> = OnceLock::new();
    PATH.get_or_init(|| built_bin("caisson-tests", "caisson-apply-without-guard", &[]))
}

/// `caisson-pack` as tests run it.
pub fn caisson_pack() -> &'static Path {
    static PATH: OnceLock<PathBuf> = OnceLock::new();
    PATH.get_or_init(|| built("caisson-pack", &["--profile", "dev"]))
}

/// `caisson-pack` as it is shipped: for packages of gigabytes.
pub fn caisson_pack_release() -> &'static Path {
    static PATH: OnceLock<PathBuf> = OnceLock::new();
    PATH.get_or_init(|| built("caisson-pack", &["--profile", "release"]))
}

/// The top folder of the workspace.
pub fn workspace() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .expect("tests has a parent")
}

/// Says what a test found, and keeps it as `target/reports/NAME.txt`: a test runner
/// hides what a passing test prints, and these figures are the proof.
///
/// # Panics
/// If the folder can't be written.
pub fn report(name: &str, text: &str) {
    println!("{text}");
    let folder = workspace().join("target/reports");
    std::fs::create_dir_all(&folder).expect("target can be written");
    std::fs::write(folder.join(format!("{name}.txt")), format!("{text}\n")).expect("a report");
}

fn built(package: &str, flags: &[&str]) -> PathBuf {
    built_bin(package, package, flags)
}

fn built_bin(package: &str, bin: &str, flags: &[&str]) -> PathBuf {
    match build(package, bin, flags) {
        Ok(path) => path,
        Err(error) => panic!("building {bin}: {error:#}"),
    }
}

fn build(package: &str, bin: &str, flags: &[&str]) -> Result<PathBuf> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let output = Command::new(cargo)
        .current_dir(workspace())
        .args([
            "build",
            "--quiet",
            "--message-format",
            "json",
            "--package",
            package,
            "--bin",
            bin,
        ])
        .args(flags)
        .stderr(Stdio::inherit())
        .output()?;
    ensure!(output.status.success(), "cargo build: {}", output.status);
    executable(&output.stdout).context("cargo names no executable")
}

/// The `executable` of cargo's JSON messages.
pub(crate) fn executable(messages: &[u8]) -> Option<PathBuf> {
    messages
        .split(|byte| *byte == b'\n')
        .filter_map(|line| serde_json::from_slice::<Value>(line).ok())
        .find_map(|message| message["executable"].as_str().map(PathBuf::from))
}
