//! A private engine that a test can stop, kill and cut off: Docker 20.10, or another
//! [`EngineKind`].
//!
//! It shares nothing with a Docker of the machine: own data, sockets, bridge,
//! containerd and cgroup. It needs root, but no systemd and no iptables:
//! published ports go through its proxy process. Podman is in namespaces of its own
//! (`podman.sh`): its published ports are not this machine's, and it is only started,
//! asked and dropped, never stopped in order.
//!
//! What it leaves outside its folder while it runs, and `engine.sh` removes: the
//! bridge, cgroups, mounts below its folder, sockets of containerd's shims.
//! A second process, the [`Warden`], does that, whatever becomes of us.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use rustix::process::{Pid, Signal, geteuid, kill_process, test_kill_process};
use serde_json::{Value, json};

use super::api::EngineApi;
use super::bridge::Bridge;
use super::place::{Place, fetched, run_script, text};
use super::warden::Warden;

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

/// Which program it is; `fetch.sh` says where each comes from.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum EngineKind {
    /// Docker 20.10.
    #[default]
    Docker20,
    /// The newest Docker that the machine's mirrors offer and that runs here.
    NewestDocker,
    /// Podman 4.3, in a root file system of its own.
    Podman43,
    /// The newest Podman that the machine's mirrors offer, likewise.
    NewestPodman,
}

impl EngineKind {
    fn fetch_name(self) -> &'static str {
        match self {
            Self::Docker20 => "20.10",
            Self::NewestDocker => "newest",
            Self::Podman43 => "podman-4.3",
            Self::NewestPodman => "podman",
        }
    }

    fn is_podman(self) -> bool {
        matches!(self, Self::Podman43 | Self::NewestPodman)
    }
}

/// What may differ from the usual engine.
#[derive(Debug, Clone, Default)]
pub struct EngineOptions {
    /// Which engine.
    pub kind: EngineKind,
    /// Docker keeps images in containerd's store instead of its own.
    pub containerd_store: bool,
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
        let tree = fetched(options.kind.fetch_name())?;
        let docker = fetched(EngineKind::Docker20.fetch_name())?;
        let place = Place::new()?;
        std::os::unix::fs::symlink(&tree, place.root.join("tree"))?;
        let warden = Warden::start(&place.root, &docker)?;
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

    /// The cgroup around every container. Docker puts them there by itself; for
    /// Podman it must be their `CgroupParent`.
    pub fn cgroup(&self) -> String {
        format!("/caisson-{}", self.place.name)
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
        self.dockerd = Some(self.warden.start_engine()?);
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
        if options.kind.is_podman() {
            ensure!(
                options.data_root.is_none() && !options.live_restore && !options.containerd_store,
                "{options:?}: that is for Docker"
            );
            return Ok(());
        }
        let bridge = Bridge::create(root, tree)?;
        let config = self.docker_config(options, &bridge)?;
        fs::write(
            root.join("daemon.json"),
            serde_json::to_string_pretty(&config)?,
        )?;
        Ok(())
    }

    fn docker_config(&self, options: &EngineOptions, bridge: &Bridge) -> Result<Value> {
        let root = &self.place.root;
        let mut config = json!({
            "data-root": self.data_root,
            "exec-root": root.join("exec"),
            "pidfile": root.join("docker.pid"),
            "hosts": [format!("unix://{}", text(&self.socket())?)],
            "bridge": bridge.name,
            "default-address-pools": bridge.pool(),
            "iptables": false,
            "ip6tables": false,
            "ip-masq": false,
            // Else it turns forwarding on for the whole machine.
            "ip-forward": false,
            // systemd's driver would ask a systemd that may not be there.
            "exec-opts": ["native.cgroupdriver=cgroupfs"],
            "cgroup-parent": self.cgroup(),
            "live-restore": options.live_restore,
        });
        match options.kind {
            EngineKind::Docker20 => {
                ensure!(!options.containerd_store, "20.10 has no containerd store");
                // Else it writes its key below /etc.
                config["deprecated-key-path"] = json!(root.join("key.json"));
            }
            EngineKind::NewestDocker | EngineKind::Podman43 | EngineKind::NewestPodman => {
                config["features"] = json!({"containerd-snapshotter": options.containerd_store});
            }
        }
        Ok(config)
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
