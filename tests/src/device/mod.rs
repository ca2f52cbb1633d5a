//! A device under test: a catalog with one service, a state directory, packages
//! built by the real `caisson-pack`, and the real `caisson-apply` run as a
//! technician would. Works on any engine; what it made there is removed when it
//! is dropped, also when the test panics.

mod network;
mod package;

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::engines::EngineApi;
use crate::images::{ImageFacts, ImageRecipe, host_platform};
use crate::programs::caisson_apply;

pub use network::{free_port, http};
pub use package::{pack, split};

/// A probe that asks the service itself, with times fit for tests.
pub const HTTP_PROBE: &str =
    "all_of = [\"http\"]\nstart_timeout_secs = 8\nstable_secs = 1\nsuccesses = 2\n";
/// The probe for images that end by themselves: up for the whole window.
pub const RUNNING_PROBE: &str =
    "all_of = [\"running\"]\nstart_timeout_secs = 8\nstable_secs = 5\nsuccesses = 2\n";

/// One service on one engine.
#[derive(Debug)]
pub struct Device {
    folder: TempDir,
    /// Service and container name, unlike any other test's.
    pub name: String,
    /// The published port of the service.
    pub port: u16,
    pub engine: PathBuf,
    /// Where `caisson-apply` connects, if not to the engine itself.
    pub socket: PathBuf,
    /// The `caisson-apply` that is run.
    pub program: PathBuf,
    /// The restart policy of the service's container.
    pub policy: String,
    _turn: Turn,
}

/// One device at a time on one engine: a second one is another machine's, and its
/// containers would look like leftovers to the first. Waits for its turn.
#[derive(Debug)]
struct Turn(PathBuf);

static TAKEN: Mutex<BTreeSet<PathBuf>> = Mutex::new(BTreeSet::new());
static FREED: Condvar = Condvar::new();

impl Turn {
    fn take(engine: &Path) -> Self {
        let taken = TAKEN.lock().unwrap_or_else(PoisonError::into_inner);
        let mut taken = FREED
            .wait_while(taken, |taken| taken.contains(engine))
            .unwrap_or_else(PoisonError::into_inner);
        taken.insert(engine.to_owned());
        Self(engine.to_owned())
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        TAKEN
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .remove(&self.0);
        FREED.notify_all();
    }
}

/// What a finished `caisson-apply` said.
#[derive(Debug)]
pub struct Said {
    pub code: i32,
    pub out: String,
    pub err: String,
}

impl Device {
    /// A device whose service is not installed yet.
    pub fn new(engine: &Path) -> Result<Self> {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let name = format!(
            "caisson-test-{}-{}",
            std::process::id(),
            COUNT.fetch_add(1, Ordering::SeqCst)
        );
        let turn = Turn::take(engine);
        let device = Self {
            folder: TempDir::with_prefix("caisson-device-")?,
            name,
            port: free_port()?,
            engine: engine.to_owned(),
            socket: engine.to_owned(),
            program: caisson_apply().to_owned(),
            policy: "unless-stopped".to_owned(),
            _turn: turn,
        };
        device.catalog(HTTP_PROBE)?;
        Ok(device)
    }

    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    pub fn state_dir(&self) -> PathBuf {
        self.folder().join("state")
    }

    /// The live tag of the service.
    pub fn live_tag(&self) -> String {
        format!("caisson.test/{}:current", self.name)
    }

    /// Writes `services.toml` and the create file, with these lines in `[services.probe]`.
    pub fn catalog(&self, probe: &str) -> Result<()> {
        let platform = host_platform();
        let spelled = format!(
            "{}/{}/{}",
            platform.os, platform.architecture, platform.variant
        );
        let platform = edgepkg::platform::normalize(spelled.trim_end_matches('/'))
            .context("this machine's platform")?;
        let mut text = format!(
            "catalog_version = 2\n\n[[services]]\nname = \"{0}\"\nservice_revision = \"r1\"\nplatform = \"{platform}\"\n\n\
             [services.docker]\ncontainer_name = \"{0}\"\nimage_reference = \"{1}\"\ncreate_file = \"create.json\"\n\n\
             [services.probe]\n{probe}",
            self.name,
            self.live_tag(),
        );
        if probe.contains("\"http\"") {
            write!(
                text,
                "\n[services.probe.http]\nurl = \"http://127.0.0.1:{}/health\"\ntimeout_secs = 2\n",
                self.port
            )?;
        }
        fs::write(self.folder().join("services.toml"), text)?;
        fs::write(
            self.folder().join("create.json"),
            self.create_body().to_string(),
        )?;
        Ok(())
    }

    /// The container's configuration: port 8080 published on the loopback address.
    pub fn create_body(&self) -> Value {
        json!({
            "Env": ["FROM_THE_USER=kept"],
            "Labels": { "test.owner": self.name },
            "ExposedPorts": { "8080/tcp": {} },
            "StopTimeout": 2,
            "HostConfig": {
                "PortBindings": { "8080/tcp": [{ "HostIp": "127.0.0.1", "HostPort": self.port.to_string() }] },
                "RestartPolicy": { "Name": self.policy },
            },
        })
    }

    /// A recipe of this device's image that real engines can run.
    pub fn recipe(&self, version: &str) -> ImageRecipe {
        ImageRecipe::new(&format!("caisson.test/{}:{version}", self.name), version).runnable()
    }

    /// Builds a package from the recipe with the real `caisson-pack`.
    pub fn pack(&self, recipe: &ImageRecipe) -> Result<(PathBuf, ImageFacts)> {
        self.pack_as(recipe, &recipe.version, &[])
    }

    /// The same under another package version and with further flags.
    pub fn pack_as(
        &self,
        recipe: &ImageRecipe,
        version: &str,
        flags: &[&str],
    ) -> Result<(PathBuf, ImageFacts)> {
        pack(self.folder(), &self.name, recipe, version, flags)
    }

    /// `caisson-apply` with this device's flags; the caller adds the command.
    pub fn command(&self) -> Command {
        let mut command = Command::new(&self.program);
        command
            .arg("--services")
            .arg(self.folder().join("services.toml"))
            .arg("--state-dir")
            .arg(self.state_dir())
            .arg("--engine")
            .arg(&self.socket)
            .arg("--yes")
            .stdin(Stdio::null());
        command
    }

    /// Runs a command to its end.
    pub fn apply(&self, arguments: &[&str]) -> Result<Said> {
        Ok(Said::of(&self.command().args(arguments).output()?))
    }

    /// `package load` without a boot unit.
    pub fn load(&self, package: &Path) -> Result<Said> {
        Ok(Said::of(&self.load_command(package).output()?))
    }

    /// `package load` with further flags, such as `--json`.
    pub fn load_with(&self, package: &Path, flags: &[&str]) -> Result<Said> {
        Ok(Said::of(&self.load_command(package).args(flags).output()?))
    }

    pub fn load_command(&self, package: &Path) -> Command {
        let mut command = self.command();
        command
            .args(["package", "load", "--no-boot-unit"])
            .arg(package);
        command
    }

    /// Starts a load whose output nobody reads.
    pub fn spawn_load(&self, package: &Path) -> Result<Child> {
        Ok(self
            .load_command(package)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()?)
    }

    pub fn api(&self) -> EngineApi {
        EngineApi::new(&self.engine)
    }

    /// The inspection of the service's container, or of one in a role (`.caisson-old`).
    pub fn inspect(&self, suffix: &str) -> Result<Option<Value>> {
        let answer = self
            .api()
            .get(&format!("/containers/{}{suffix}/json", self.name))?;
        if answer.status == 404 {
            Ok(None)
        } else {
            answer.json().map(Some)
        }
    }

    /// Every container, tag and anonymous volume of this device, for comparing
    /// before and after.
    pub fn traces(&self) -> Result<Vec<String>> {
        let api = self.api();
        let mut found = Vec::new();
        for row in api
            .get_json("/containers/json?all=1")?
            .as_array()
            .into_iter()
            .flatten()
        {
            for name in row["Names"]
                .as_array()
                .into_iter()
                .flatten()
                .filter_map(Value::as_str)
            {
                if name.contains(&self.name) {
                    found.push(format!(
                        "container {name} {}",
                        row["Id"].as_str().unwrap_or_default()
                    ));
                }
            }
        }
        for image in api
            .get_json("/images/json")?
            .as_array()
            .into_iter()
            .flatten()
        {
            let id = image["Id"].as_str().unwrap_or_default();
            for tag in image["RepoTags"]
                .as_array()
                .into_iter()
                .flatten()
                .filter_map(Value::as_str)
            {
                if tag.contains(&self.tag_name())
                    || tag.contains(&self.name)
                    || tag.starts_with("caisson.local/caisson/incoming:")
                {
                    found.push(format!("tag {tag} {id}"));
                }
            }
        }
        found.sort();
        Ok(found)
    }

    /// The service's name as retention tags spell it.
    fn tag_name(&self) -> String {
        caisson_apply::name::retention_repository(&self.name)
    }

    /// What the service answers now.
    pub fn answer(&self) -> Result<String> {
        http(self.port)
    }

    /// The version the service answers, if it does.
    pub fn version(&self) -> Option<String> {
        let answer = self.answer().ok()?;
        answer
            .lines()
            .find_map(|line| line.strip_prefix("version="))
            .map(str::to_owned)
    }

    /// Waits until the service answers this version.
    pub fn wait_for_version(&self, version: &str, limit: Duration) -> Result<Duration> {
        let begin = Instant::now();
        loop {
            let seen = self.version();
            if seen.as_deref() == Some(version) {
                return Ok(begin.elapsed());
            }
            ensure!(
                begin.elapsed() < limit,
                "service answers {seen:?} after {limit:?}, wanted {version}"
            );
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Removes every container, tag and volume of this device.
    pub fn clear(&self) {
        let api = self.api();
        for trace in self.traces().unwrap_or_default() {
            let mut words = trace.split(' ');
            match (words.next(), words.next(), words.next()) {
                (Some("container"), _, Some(id)) => {
                    let _ = api.delete(&format!("/containers/{id}?force=1&v=1"));
                }
                (Some("tag"), Some(tag), _) => {
                    let _ = api.delete(&format!("/images/{tag}?force=1"));
                }
                _ => {}
            }
        }
    }
}

impl Drop for Device {
    fn drop(&mut self) {
        self.clear();
    }
}

impl Said {
    /// What a program said that was run elsewhere.
    pub fn of(output: &Output) -> Self {
        Self {
            code: output.status.code().unwrap_or(-1),
            out: String::from_utf8_lossy(&output.stdout).into_owned(),
            err: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }

    /// The last line of standard output of a command with `--json`.
    pub fn json(&self) -> Result<Value> {
        let line = self.out.lines().last().unwrap_or_default();
        serde_json::from_str(line).with_context(|| format!("no JSON: {:?}\n{}", self.out, self.err))
    }

    /// The exit status that was wanted, or everything that was said.
    pub fn expect(self, code: i32) -> Result<Self> {
        ensure!(
            self.code == code,
            "exit {} instead of {code}\n{}\n{}",
            self.code,
            self.out,
            self.err
        );
        Ok(self)
    }
}
