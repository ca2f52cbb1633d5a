//! What a program costs: time, its greatest memory, bytes it gave to disks.
//!
//! Memory is `VmHWM` of its own address space, read every few milliseconds while
//! it runs (`ru_maxrss` begins with the memory of the process that started it).
//! The mark only rises, so only a rise in its last milliseconds can be missed.
//! Bytes for disks are `write_bytes` of `/proc/PID/io`, read when it has ended and
//! is still in the process table: pages that it made dirty in files on disks. What
//! goes through sockets and pipes, or into memory files, is not in it.

use std::fs;
use std::io::Read;
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use rustix::process::{Pid, WaitId, WaitIdOptions, waitid};

use crate::device::Said;

const INTERVAL: Duration = Duration::from_millis(2);

/// What one run cost.
#[derive(Debug, Clone, Copy)]
pub struct Usage {
    pub wall: Duration,
    /// The greatest resident memory of the process.
    pub peak_bytes: u64,
    /// The same of its children, such as the guard: the greatest of them.
    pub children_peak_bytes: u64,
    /// Bytes for disks.
    pub written_bytes: u64,
}

/// Runs the command to its end.
pub fn measure(command: &mut Command) -> Result<(Said, Usage)> {
    let begin = Instant::now();
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()?;
    let (mut out, mut err) = (child.stdout.take(), child.stderr.take());
    let raw = i32::try_from(child.id())?;
    let pid = Pid::from_raw(raw).context("a pid")?;
    let (mut peak_bytes, mut children_peak_bytes) = (0, 0);
    // Ended, but left in the process table.
    let look = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
    while waitid(WaitId::Pid(pid), look)?.is_none() {
        peak_bytes = peak_bytes.max(peak_of(raw));
        for guard in children_of(raw) {
            children_peak_bytes = children_peak_bytes.max(peak_of(guard));
        }
        thread::sleep(INTERVAL);
    }
    let wall = begin.elapsed();
    let written_bytes = written_by(raw)?;
    let status = child.wait()?;
    let mut output = std::process::Output {
        status,
        stdout: Vec::new(),
        stderr: Vec::new(),
    };
    // What our programs say fits in the pipes. A guard has closed its ends.
    if let (Some(out), Some(err)) = (&mut out, &mut err) {
        out.read_to_end(&mut output.stdout)?;
        err.read_to_end(&mut output.stderr)?;
    }
    let usage = Usage {
        wall,
        peak_bytes,
        children_peak_bytes,
        written_bytes,
    };
    Ok((Said::of(&output), usage))
}

/// 0 if it is gone, or not yet what was started.
fn peak_of(pid: i32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let kib = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))
        .and_then(|rest| rest.trim().strip_suffix(" kB"))
        .and_then(|kib| kib.trim().parse::<u64>().ok());
    kib.unwrap_or(0) * 1024
}

fn children_of(pid: i32) -> Vec<i32> {
    let children = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children"));
    children
        .unwrap_or_default()
        .split_whitespace()
        .filter_map(|child| child.parse().ok())
        .collect()
}

fn written_by(pid: i32) -> Result<u64> {
    let path = format!("/proc/{pid}/io");
    let io = fs::read_to_string(&path).with_context(|| path.clone())?;
    io.lines()
        .find_map(|line| line.strip_prefix("write_bytes: "))
        .and_then(|bytes| bytes.parse().ok())
        .with_context(|| format!("no write_bytes in {path}: {io}"))
}
