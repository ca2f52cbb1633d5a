//! The process that starts an engine for us and waits for the end of a pipe whose
//! other end only we hold; then it clears everything away. So that happens after a
//! panic, at the end of a test process (which drops no statics), and after `kill -9`,
//! too. It runs below `tini`, which reaps the engine's orphans as a device's init
//! does: where pid 1 is slow to do so, a dead containerd looks alive to the next
//! dockerd.

use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use anyhow::{Context, Result, ensure};
use rustix::process::Pid;

use super::place::script_path;

/// The warden, from its start until it has cleared up.
#[derive(Debug)]
pub(super) struct Warden {
    process: Child,
    /// Closed: the warden clears up.
    orders: Option<ChildStdin>,
    replies: BufReader<ChildStdout>,
}

impl Warden {
    pub(super) fn start(root: &Path, tree: &Path) -> Result<Self> {
        let mut process = Command::new(tree.join("usr/bin/tini-static"))
            // A subreaper, since it isn't pid 1.
            .args(["-s", "--", "sh"])
            .arg(script_path("engine.sh"))
            .arg("watch")
            .arg(root)
            .stdin(Stdio::piped())
            // Never ours: whoever reads our output must not wait for the warden.
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .current_dir("/")
            // Ctrl-C at the test is not for the engine: the end of the pipe is.
            .process_group(0)
            .spawn()
            .context("start the warden")?;
        let orders = process.stdin.take();
        let replies = process.stdout.take().context("the warden's output")?;
        Ok(Self {
            process,
            orders,
            replies: BufReader::new(replies),
        })
    }

    pub(super) fn start_engine(&mut self) -> Result<Pid> {
        let orders = self.orders.as_mut().context("the warden was dismissed")?;
        orders.write_all(b"start\n").context("the warden is gone")?;
        let mut reply = String::new();
        self.replies.read_line(&mut reply)?;
        let pid = reply.trim().parse().ok().and_then(Pid::from_raw);
        pid.with_context(|| format!("the warden says `{}`, wanted a pid", reply.trim()))
    }

    pub(super) fn finish(&mut self) -> Result<()> {
        self.orders = None;
        let status = self.process.wait()?;
        let mut said = String::new();
        if let Some(stderr) = &mut self.process.stderr {
            stderr.read_to_string(&mut said)?;
        }
        ensure!(status.success(), "{status}: {said}");
        Ok(())
    }
}
