//! The kill sweep: an update is killed before and after every request it makes,
//! and nobody types a command afterwards. The device must end on exactly one
//! version by itself, and it must be the one that the journal's last row demands.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Child, ExitStatus};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use caisson_apply::journal::sqlite::SqliteJournal;
use caisson_apply::journal::{Event, Journal, is_committed};

use crate::device::Device;
use crate::proxy::{At, Proxy, When};

/// The patience of a sweep: the guard's own looks take a few seconds.
pub const PATIENCE: Duration = Duration::from_mins(1);
/// A load that is not killed ends within this.
const LOAD_LIMIT: Duration = Duration::from_secs(90);

/// One kill.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cell {
    pub request: u64,
    pub when: When,
    /// What was asked: method and path.
    pub line: String,
    /// Which version the device ended on.
    pub version: String,
    /// From the kill until the service answered again; zero if it never stopped.
    pub dark: Duration,
    /// From the kill until nothing was open any more.
    pub settled: Duration,
}

/// What a sweep needs: a device whose service is installed, and the package.
#[derive(Debug)]
pub struct Sweep<'a> {
    pub device: &'a mut Device,
    pub base: &'a Path,
    pub base_version: &'a str,
    pub package: &'a Path,
    pub new_version: &'a str,
    /// A device that needs longer than this to end up somewhere is broken.
    pub patience: Duration,
}

impl Sweep<'_> {
    /// Kills before and after every request whose number is `first`, `first + step`, ...
    /// until an update gets through unharmed.
    pub fn run(&mut self, first: u64, step: u64) -> Result<Vec<Cell>> {
        let socket = self.device.folder().join("proxy.sock");
        let proxy = Proxy::start(&socket, &self.device.engine)?;
        self.device.socket = socket;
        let mut cells = Vec::new();
        let mut request = first;
        loop {
            for when in [When::Before, When::After] {
                let cell = self
                    .cell(&proxy, At::Number(request), when)
                    .with_context(|| format!("killed {when:?} request {request}"))?;
                match cell {
                    Some(cell) => cells.push(cell),
                    None => return Ok(cells),
                }
            }
            request += step;
        }
    }

    /// One kill and what came of it; `None` if the update ended before the request.
    pub fn cell(&mut self, proxy: &Proxy, at: At, when: When) -> Result<Option<Cell>> {
        self.return_to_base(proxy)?;
        let before = self
            .device
            .inspect("")?
            .context("the service is installed")?;
        let traces = self.device.traces()?;
        proxy.arm(at, when);
        let mut load = self.device.spawn_load(self.package)?;
        let ended = wait_end(&mut load)?;
        let complaints = proxy.complaints();
        ensure!(
            complaints.is_empty(),
            "the requests can't be counted: {complaints:?}"
        );
        // The proxy notes the kill a moment after the death.
        let cut = match ended.code() {
            None => proxy.wait_done(Duration::from_secs(5)),
            Some(_) => proxy.done(),
        };
        let Some(cut) = cut else {
            ensure!(
                matches!(ended.code(), Some(0 | 30)),
                "the unharmed load ended with {ended}; requests: {}",
                requests(proxy)
            );
            return Ok(None);
        };
        let request = cut.request.number;
        let line = cut.request.line.clone();
        self.settle_and_check(&before, &traces, cut.at, &line)
            .map(|(version, dark, settled)| {
                Some(Cell {
                    request,
                    when,
                    line: line.clone(),
                    version,
                    dark,
                    settled,
                })
            })
            .with_context(|| format!("killed at {line}; requests since: {}", requests(proxy)))
    }

    /// The service on its base version, nothing else.
    fn return_to_base(&mut self, proxy: &Proxy) -> Result<()> {
        proxy.disarm();
        let on_base = self.device.version().as_deref() == Some(self.base_version)
            && self.device.inspect(".caisson-previous")?.is_none();
        if !on_base {
            self.device.clear();
            self.device.load(self.base)?.expect(0)?;
            self.device
                .wait_for_version(self.base_version, self.patience)?;
        }
        Ok(())
    }

    fn settle_and_check(
        &self,
        before: &serde_json::Value,
        traces: &[String],
        killed: Instant,
        line: &str,
    ) -> Result<(String, Duration, Duration)> {
        let (dark, settled) = self.wait_settled(killed, line)?;
        let committed = last_is_committed(&self.device.state_dir())?;
        let wanted = if committed {
            self.new_version
        } else {
            self.base_version
        };
        self.device
            .wait_for_version(wanted, Duration::from_secs(5))?;
        self.check(before, traces, committed)?;
        Ok((wanted.to_owned(), dark, settled))
    }

    /// Until nothing is open and no guard is left: how long the service was dark, and
    /// how long it took.
    fn wait_settled(&self, killed: Instant, line: &str) -> Result<(Duration, Duration)> {
        let limit = self.patience;
        let mut dark = Duration::ZERO;
        loop {
            if self.device.version().is_none() {
                dark = killed.elapsed();
            }
            if nothing_open(&self.device.state_dir())? && no_guard(&self.device.state_dir()) {
                return Ok((dark, killed.elapsed()));
            }
            ensure!(
                killed.elapsed() < limit,
                "still open {limit:?} after the kill at {line}; service answers {:?}",
                self.device.version()
            );
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// Container, policy, names and tags are what the journal's last row demands.
    fn check(&self, before: &serde_json::Value, traces: &[String], committed: bool) -> Result<()> {
        let now = self
            .device
            .inspect("")?
            .context("no container under the service's name")?;
        ensure!(
            now["HostConfig"]["RestartPolicy"]["Name"] == self.device.policy.as_str(),
            "policy {}",
            now["HostConfig"]["RestartPolicy"]
        );
        ensure!(
            (now["Id"] == before["Id"]) != committed,
            "container {} with commit row {committed}",
            now["Id"]
        );
        for suffix in [".caisson-new", ".caisson-old", ".caisson-back"] {
            ensure!(
                self.device.inspect(suffix)?.is_none(),
                "a container is left under {suffix}"
            );
        }
        if committed {
            let parked = self
                .device
                .inspect(".caisson-previous")?
                .context("the old container is not parked")?;
            ensure!(
                parked["Id"] == before["Id"] && parked["State"]["Running"] == false,
                "another container is parked, or it runs"
            );
            ensure!(
                parked["HostConfig"]["RestartPolicy"]["Name"] == "no",
                "the parked container has a restart policy"
            );
        } else {
            ensure!(
                self.device.traces()? == traces,
                "left behind: {:#?}\nbefore: {traces:#?}",
                self.device.traces()?
            );
        }
        Ok(())
    }
}

fn wait_end(load: &mut Child) -> Result<ExitStatus> {
    let begin = Instant::now();
    loop {
        if let Some(ended) = load.try_wait()? {
            return Ok(ended);
        }
        if begin.elapsed() > LOAD_LIMIT {
            load.kill()?;
            load.wait()?;
            bail!("the load did not end within {LOAD_LIMIT:?}");
        }
        std::thread::sleep(Duration::from_millis(5));
    }
}

fn nothing_open(state_dir: &Path) -> Result<bool> {
    match SqliteJournal::open_read_only(state_dir)? {
        Some(journal) => Ok(journal.open_updates()?.is_empty()),
        None => Ok(true),
    }
}

fn last_is_committed(state_dir: &Path) -> Result<bool> {
    let Some(journal) = SqliteJournal::open_read_only(state_dir)? else {
        return Ok(false);
    };
    let history = journal.history(None, 1)?;
    let Some(last) = history.first() else {
        return Ok(false);
    };
    let rows = journal.rows(&last.update_id)?;
    // The row of an update that never began: the last one is the installation of the base.
    let finished = rows.iter().any(|row| row.event == Event::Done);
    Ok(is_committed(&rows) && (finished || last.outcome.is_none()) && last.from_version.is_some())
}

/// Has every guard of this device left? Told by the state directory on its command line.
fn no_guard(state_dir: &Path) -> bool {
    guards(state_dir).is_empty()
}

/// Pids of guards that watch over this state directory.
pub fn guards(state_dir: &Path) -> Vec<u32> {
    let wanted = state_dir.as_os_str().as_encoded_bytes();
    let processes = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    processes
        .filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok())
        .filter(|pid| {
            let line =
                std::fs::read(PathBuf::from(format!("/proc/{pid}/cmdline"))).unwrap_or_default();
            let words: Vec<&[u8]> = line.split(|byte| *byte == 0).collect();
            words.contains(&b"guard".as_slice()) && words.contains(&wanted)
        })
        .collect()
}

fn requests(proxy: &Proxy) -> String {
    proxy.log().iter().fold(String::new(), |mut text, seen| {
        let _ = write!(
            text,
            "\n  {:>3} pid {} {}",
            seen.number, seen.pid, seen.line
        );
        text
    })
}

/// The table that is printed: cells, and how long the service was dark.
pub fn table(title: &str, cells: &[Cell]) -> String {
    let mut text = format!(
        "{title}: {} cells, all ended on exactly one version\n",
        cells.len()
    );
    for cell in cells {
        let _ = writeln!(
            text,
            "  {:>3} {:<6} {:<70} -> {}  dark {:>6.2} s  settled {:>6.2} s",
            cell.request,
            format!("{:?}", cell.when).to_lowercase(),
            cell.line.chars().take(70).collect::<String>(),
            cell.version,
            cell.dark.as_secs_f64(),
            cell.settled.as_secs_f64()
        );
    }
    let worst = cells.iter().map(|cell| cell.dark).max().unwrap_or_default();
    let _ = writeln!(
        text,
        "  longest until the service answered again: {:.2} s",
        worst.as_secs_f64()
    );
    text
}
