//! Builds the program of the test images on demand.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;

use anyhow::{Context, bail, ensure};
use serde_json::Value;

/// The static `caisson-test-service` of this machine's architecture, built by
/// cargo into the workspace's target folder, once per process. Cargo's own lock
/// makes several processes safe.
///
/// # Panics
/// If it can't be built or is not static: no test that needs it could be true.
pub fn service_binary() -> PathBuf {
    static BINARY: OnceLock<PathBuf> = OnceLock::new();
    BINARY
        .get_or_init(|| match build() {
            Ok(path) => path,
            Err(error) => panic!("the test images need caisson-test-service: {error:#}"),
        })
        .clone()
}

fn build() -> anyhow::Result<PathBuf> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .context("tests has a parent")?;
    // With `--target`, flags reach only the program and not what runs on the host.
    let host = host_triple(&cargo)?;
    let output = Command::new(&cargo)
        .current_dir(workspace)
        .args([
            "rustc",
            "--package",
            "caisson-test-service",
            "--bin",
            "caisson-test-service",
        ])
        .args([
            "--release",
            "--quiet",
            "--message-format",
            "json",
            "--target",
            &host,
        ])
        .args(["--", "-C", "target-feature=+crt-static"])
        .stderr(Stdio::inherit())
        .output()
        .with_context(|| format!("running {}", cargo.display()))?;
    ensure!(output.status.success(), "cargo rustc: {}", output.status);
    let path = executable(&output.stdout).context("cargo names no executable")?;
    let program = std::fs::read(&path).with_context(|| format!("reading {}", path.display()))?;
    if wants_interpreter(&program)? {
        bail!(
            "{} is not static: a scratch image has no libraries",
            path.display()
        );
    }
    Ok(path)
}

fn host_triple(cargo: &std::ffi::OsStr) -> anyhow::Result<String> {
    let output = Command::new(cargo)
        .args(["--version", "--verbose"])
        .output()?;
    let text = String::from_utf8_lossy(&output.stdout);
    let host = text.lines().find_map(|line| line.strip_prefix("host: "));
    Ok(host
        .context("`cargo --version --verbose` names no host")?
        .to_owned())
}

/// The `executable` of cargo's JSON messages.
fn executable(messages: &[u8]) -> Option<PathBuf> {
    messages
        .split(|byte| *byte == b'\n')
        .filter_map(|line| serde_json::from_slice::<Value>(line).ok())
        .find_map(|message| message["executable"].as_str().map(PathBuf::from))
}

/// Does a 64- or 32-bit little-endian ELF have a `PT_INTERP` header, that is,
/// does it need a dynamic loader?
fn wants_interpreter(elf: &[u8]) -> anyhow::Result<bool> {
    const PT_INTERP: u64 = 3;
    ensure!(
        elf.starts_with(b"\x7fELF") && elf.get(5) == Some(&1),
        "no little-endian ELF"
    );
    let wide = elf.get(4) == Some(&2);
    let (table, size, count) = if wide {
        (0x20, 0x36, 0x38)
    } else {
        (0x1c, 0x2a, 0x2c)
    };
    let start = number(elf, table, if wide { 8 } else { 4 })?;
    let size = number(elf, size, 2)?;
    for index in 0..number(elf, count, 2)? {
        if number(elf, usize::try_from(start + index * size)?, 4)? == PT_INTERP {
            return Ok(true);
        }
    }
    Ok(false)
}

fn number(bytes: &[u8], at: usize, size: usize) -> anyhow::Result<u64> {
    let part = bytes
        .get(at..at + size)
        .context("the ELF header points outside the file")?;
    Ok(part
        .iter()
        .rev()
        .fold(0, |number, byte| number << 8 | u64::from(*byte)))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A dynamic program would only fail inside the container, with an odd message.
    /// This test itself is dynamic, which shows that the check can say so.
    #[test]
    fn the_service_is_static() {
        assert!(service_binary().is_file());
        let own = std::fs::read(std::env::current_exe().unwrap()).unwrap();
        assert!(wants_interpreter(&own).unwrap());
        assert!(wants_interpreter(b"#!/bin/sh").is_err());
    }
}
