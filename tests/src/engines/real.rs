//! A private Docker 20.10 that a test can stop, kill and cut off.
//!
//! It shares nothing with a Docker of the machine: own data, sockets, bridge,
//! containerd and cgroup. It needs root, but no systemd and no iptables:
//! published ports go through its proxy process.
//!
//! What it leaves outside its folder while it runs, and `engine.sh` removes: the
//! bridge, cgroups, mounts below its folder, sockets of containerd's shims.
//! A second process, the warden, starts dockerd for us and waits for the end of
//! a pipe whose other end only we hold; then it clears everything away. So that
//! happens after a panic, at the end of a test process (which drops no statics),
//! and after `kill -9`, too. The warden runs below `tini`, which reaps the
//! engine's orphans as a device's init does: where pid 1 is slow to do so, a dead
//! containerd looks alive to the next dockerd.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use rustix::process::{Pid, Signal, geteuid, kill_process, test_kill_process};
use serde_json::json;

use super::api::EngineApi;
use super::bridge::Bridge;
use super::place::{Place, docker_tree, run_script, script_path, text};

/// A start takes less than a second, also after a cut; this is for slow machines.
const START_LIMIT: Duration = Duration::from_secs(90);
/// dockerd gives its containers 15 s and itself a little more.
const STOP_LIMIT: Duration = Duration::from_mins(1);
/// Folders that dockerd and containerd make outside, whatever their configuration.
const OUTSIDE: [&str; 7] = [
    "/opt/containerd/bin",
    "/opt/containerd/lib",
    "/opt/containerd",
    "/run/docker/plugins",
    "/run/docker",
    "/run/containerd/s",
    "/run/containerd",
];

/// What may differ from the usual engine.
#[derive(Debug, Clone, Default)]
pub struct EngineOptions {
    /// Containers outlive dockerd.
    pub live_restore: bool,
    /// A data root elsewhere, such as a mount of the test's own, which stays
    /// mounted and is never removed.
    pub data_root: Option<PathBuf>,
}

/// A running or stopped private engine; dropping it removes every trace.
#[derive(Debug)]
pub struct RealEngine {
    place: Place,
    data_root: PathBuf,
    /// Of dockerd, from its start until we stopped or killed it.
    dockerd: Option<Pid>,
    warden: Warden,
}

impl RealEngine {
    /// Fetches what is needed, starts the engine and waits until it answers.
    pub fn start() -> Result<Self> {
        Self::start_with(&EngineOptions::default())
    }

    /// Like [`Self::start`].
    pub fn start_with(options: &EngineOptions) -> Result<Self> {
        ensure!(geteuid().is_root(), "a private engine needs root");
        let tree = docker_tree()?;
        let place = Place::new()?;
        std::os::unix::fs::symlink(&tree, place.root.join("tree"))?;
        let warden = Warden::start(&place.root, &tree)?;
        let data_root = options
            .data_root
            .clone()
            .unwrap_or_else(|| place.root.join("data"));
        let mut engine = Self {
            place,
            data_root,
            dockerd: None,
            warden,
        };
        engine.prepare(options, &tree)?;
        engine.start_again()?;
        Ok(engine)
    }

    /// The API's socket.
    pub fn socket(&self) -> PathBuf {
        self.place.root.join("docker.sock")
    }

    /// A client of its API.
    pub fn api(&self) -> EngineApi {
        EngineApi::new(&self.socket())
    }

    /// Where images and containers are.
    pub fn data_root(&self) -> &Path {
        &self.data_root
    }

    /// Everything of this engine but a data root given by the test.
    pub fn root(&self) -> &Path {
        &self.place.root
    }

    /// The pid of dockerd, from its start until it was stopped or killed here.
    pub fn dockerd_pid(&self) -> Option<u32> {
        self.dockerd
            .map(|pid| pid.as_raw_nonzero().get().cast_unsigned())
    }

    /// The name of its bridge.
    pub fn bridge(&self) -> Result<String> {
        Ok(fs::read_to_string(self.place.root.join("bridge"))?)
    }

    /// An orderly end, as at a shutdown: TERM, and the wait for it.
    pub fn stop(&mut self) -> Result<()> {
        self.end(Signal::TERM)
    }

    /// `kill -9` of dockerd alone. The kernel takes its containerd along, as on
    /// every Docker that starts its own; shims and payloads live on.
    pub fn kill(&mut self) -> Result<()> {
        self.end(Signal::KILL)
    }

    fn end(&mut self, signal: Signal) -> Result<()> {
        let Some(pid) = self.dockerd else {
            return Ok(());
        };
        // Gone already is fine: it may have crashed.
        let _ = kill_process(pid, signal);
        let deadline = Instant::now() + STOP_LIMIT;
        while runs(pid) {
            ensure!(Instant::now() < deadline, "dockerd ignores {signal:?}");
            std::thread::sleep(Duration::from_millis(10));
        }
        self.dockerd = None;
        Ok(())
    }

    /// What a power cut does to the engine: all of its processes end at once
    /// and what it kept in memory is gone. The page cache survives; losing that
    /// too takes a file system of the test's own.
    pub fn power_cut(&mut self) -> Result<()> {
        run_script("engine.sh", &["cut", text(&self.place.root)?])?;
        self.dockerd = None;
        Ok(())
    }

    /// Starts dockerd on what is there and waits until it answers `/_ping`.
    /// By then it has started every container that its policy starts at boot.
    pub fn start_again(&mut self) -> Result<()> {
        ensure!(self.dockerd.is_none(), "the engine is running");
        self.dockerd = Some(self.warden.start_dockerd()?);
        self.wait_for_ping()
    }

    /// The end of dockerd's log, for messages.
    pub fn log_tail(&self) -> String {
        let log = fs::read(self.log_path()).unwrap_or_default();
        let log = String::from_utf8_lossy(&log);
        let lines: Vec<&str> = log.lines().collect();
        lines[lines.len().saturating_sub(15)..].join("\n")
    }

    fn log_path(&self) -> PathBuf {
        self.place.root.join("log")
    }

    fn prepare(&self, options: &EngineOptions, tree: &Path) -> Result<()> {
        let root = &self.place.root;
        fs::create_dir_all(&self.data_root)?;
        fs::write(root.join("outside"), outside(root)?)?;
        if options.data_root.is_some() {
            fs::write(root.join("data-root"), text(&self.data_root)?)?;
        }
        let bridge = Bridge::create(root, tree)?;
        let config = json!({
            "data-root": self.data_root,
            "exec-root": root.join("exec"),
            "pidfile": root.join("docker.pid"),
            "hosts": [format!("unix://{}", text(&self.socket())?)],
            // Else it writes its key below /etc.
            "deprecated-key-path": root.join("key.json"),
            "bridge": bridge.name,
            "default-address-pools": bridge.pool(),
            "iptables": false,
            "ip6tables": false,
            "ip-masq": false,
            // Else it turns forwarding on for the whole machine.
            "ip-forward": false,
            // systemd's driver would ask a systemd that may not be there.
            "exec-opts": ["native.cgroupdriver=cgroupfs"],
            "cgroup-parent": format!("/caisson-{}", self.place.name),
            "live-restore": options.live_restore,
        });
        fs::write(
            root.join("daemon.json"),
            serde_json::to_string_pretty(&config)?,
        )?;
        Ok(())
    }

    fn wait_for_ping(&mut self) -> Result<()> {
        let api = self.api();
        let deadline = Instant::now() + START_LIMIT;
        loop {
            if api.get("/_ping").is_ok_and(|answer| answer.status == 200) {
                return Ok(());
            }
            if !self.dockerd.is_some_and(runs) {
                self.dockerd = None;
                bail!("dockerd ended:\n{}", self.log_tail());
            }
            ensure!(
                Instant::now() < deadline,
                "dockerd doesn't answer:\n{}",
                self.log_tail()
            );
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

impl Drop for RealEngine {
    fn drop(&mut self) {
        self.place.release();
        if let Err(error) = self.warden.finish() {
            eprintln!("{} was not cleared: {error:#}", self.place.root.display());
        }
    }
}

/// The process that starts dockerd and clears up after us.
#[derive(Debug)]
struct Warden {
    process: Child,
    /// Closed: the warden clears up.
    orders: Option<ChildStdin>,
    replies: BufReader<ChildStdout>,
}

impl Warden {
    fn start(root: &Path, tree: &Path) -> Result<Self> {
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

    fn start_dockerd(&mut self) -> Result<Pid> {
        let orders = self.orders.as_mut().context("the warden was dismissed")?;
        orders.write_all(b"start\n").context("the warden is gone")?;
        let mut reply = String::new();
        self.replies.read_line(&mut reply)?;
        let pid = reply.trim().parse().ok().and_then(Pid::from_raw);
        pid.with_context(|| format!("the warden says `{}`, wanted a pid", reply.trim()))
    }

    fn finish(&mut self) -> Result<()> {
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

/// Which folders our daemons will have made: those that aren't there, and those
/// that another engine of ours made and will leave to the last.
fn outside(root: &Path) -> Result<String> {
    let run = root.parent().context("an engine's folder is in run/")?;
    let mut made = String::new();
    for entry in fs::read_dir(run)?.filter_map(Result::ok) {
        made += &fs::read_to_string(entry.path().join("outside")).unwrap_or_default();
    }
    let ours = OUTSIDE
        .into_iter()
        .filter(|folder| !Path::new(folder).exists() || made.lines().any(|line| line == *folder));
    Ok(ours.collect::<Vec<_>>().join("\n") + "\n")
}

/// Whether the process is there and not a zombie.
fn runs(pid: Pid) -> bool {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    // `pid (name) state ...`, and the name may hold anything.
    let state = stat.rsplit(')').next().unwrap_or_default().trim_start();
    test_kill_process(pid).is_ok() && !state.starts_with(['Z', 'X'])
}
