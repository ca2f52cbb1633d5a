//! The demo's folder, its commands on the screen, and the clearing up.

use std::fs::{self, File};
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use serde_json::{Value, json};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};

use super::engine::DemoEngine;
use crate::device::free_port;
use crate::engines::{EngineApi, engines_dir};
use crate::images::{ImageRecipe, host_platform};
use crate::programs::{caisson_apply, caisson_pack};

/// On the demo's images, and so on their containers: what is to be removed.
const LABEL: &str = "caisson.demo";

/// A guard outlasts unanswered requests for some seconds; stops take their grace.
const SETTLED_LIMIT: Duration = Duration::from_mins(1);

/// Ctrl-C and its relatives: noticed here, obeyed between two commands. A
/// running command gets the same signal and unwinds by itself.
#[derive(Debug)]
pub(super) struct Interruption(Arc<AtomicBool>);

impl Interruption {
    pub(super) fn watch() -> Result<Self> {
        let flag = Arc::new(AtomicBool::new(false));
        for signal in [SIGINT, SIGTERM, SIGHUP] {
            signal_hook::flag::register(signal, Arc::clone(&flag))?;
        }
        Ok(Self(flag))
    }

    pub(super) fn happened(&self) -> bool {
        self.0.load(Ordering::SeqCst)
    }
}

/// A device made up for the demo; dropping it removes every trace of it.
#[derive(Debug)]
pub(super) struct Stage<'a> {
    interruption: &'a Interruption,
    api: EngineApi,
    folder: PathBuf,
    name: String,
    port: u16,
    /// Flags of `package load` that this place makes necessary.
    load_flags: Vec<&'static str>,
    cleared: AtomicBool,
}

impl<'a> Stage<'a> {
    pub(super) fn set(engine: &DemoEngine, interruption: &'a Interruption) -> Result<Self> {
        let name = format!("caisson-demo-{}", std::process::id());
        let folder = engines_dir()?.with_file_name("demo").join(&name);
        fs::create_dir_all(&folder)?;
        let api = EngineApi::new(&engine.socket());
        let mut stage = Self {
            interruption,
            api,
            folder,
            name,
            port: free_port()?,
            load_flags: vec!["--no-boot-unit"],
            cleared: AtomicBool::new(false),
        };
        let info = stage.api.get_json("/info")?;
        let data_root = info["DockerRootDir"].as_str().context("DockerRootDir")?;
        if File::open(data_root).is_err() {
            stage.load_flags.push("--no-sync");
        }
        fs::write(stage.folder.join("services.toml"), stage.catalog()?)?;
        let create = serde_json::to_string_pretty(&stage.create_body())?;
        fs::write(stage.folder.join("create.json"), create)?;
        Ok(stage)
    }

    pub(super) fn introduce(&self) {
        println!("All commands run in {}", self.folder.display());
        println!("The service will be at http://127.0.0.1:{}/", self.port);
        println!("--no-boot-unit: the demo installs nothing that starts at boot.");
        if self.load_flags.contains(&"--no-sync") {
            println!("--no-sync: without root the engine's disk can't be told to sync.");
        }
    }

    pub(super) fn port(&self) -> u16 {
        self.port
    }

    pub(super) fn folder(&self) -> &Path {
        &self.folder
    }

    pub(super) fn service(&self) -> &str {
        &self.name
    }

    pub(super) fn engine_socket(&self) -> &Path {
        self.api.socket()
    }

    /// The id of the service's container.
    pub(super) fn container_id(&self) -> Result<String> {
        let shown = self
            .api
            .get_json(&format!("/containers/{}/json", self.name))?;
        Ok(shown["Id"]
            .as_str()
            .context("a container has an Id")?
            .to_owned())
    }

    /// Makes an image, as `docker save` would write it, and packs it. Gives the
    /// package's file name.
    pub(super) fn pack(
        &self,
        version: &str,
        change: impl FnOnce(ImageRecipe) -> ImageRecipe,
    ) -> Result<String> {
        let reference = format!("caisson.test/{}:{version}", self.name);
        let mut recipe = change(ImageRecipe::new(&reference, version).runnable());
        recipe.labels.insert(LABEL.to_owned(), self.name.clone());
        let image = format!("web-{version}.tar");
        recipe.write_docker_archive(&self.folder.join(&image))?;
        let package = format!("web-{version}.edgepkg");
        let source = format!("docker-archive:{image}");
        let platform = platform()?;
        let arguments = [
            "build",
            "--image",
            &source,
            "--service",
            &self.name,
            "--service-revision",
            "r1",
            "--platform",
            &platform,
            "--package-version",
            version,
            "-o",
            &package,
        ];
        self.run(caisson_pack(), &arguments, Some(0))?;
        fs::remove_file(self.folder.join(image))?;
        Ok(package)
    }

    /// `caisson-apply` with the demo's catalog, state and engine; it must end
    /// with this exit code.
    pub(super) fn apply(&self, command: &[&str], code: i32) -> Result<()> {
        self.apply_at(self.engine_socket(), command, Some(code))
    }

    pub(super) fn load(&self, package: &str, code: i32) -> Result<()> {
        self.apply(&self.load_command(package), code)
    }

    /// A load that is to be killed.
    pub(super) fn load_through(&self, socket: &Path, package: &str) -> Result<()> {
        self.apply_at(socket, &self.load_command(package), None)
    }

    fn load_command<'b>(&self, package: &'b str) -> Vec<&'b str> {
        let mut command = vec!["package", "load", package, "--yes"];
        command.extend(&self.load_flags);
        command
    }

    fn apply_at(&self, socket: &Path, command: &[&str], code: Option<i32>) -> Result<()> {
        let socket = socket.to_str().context("the socket's path is text")?;
        let mut arguments = vec!["--services", "services.toml", "--state-dir", "state"];
        arguments.extend(["--engine", socket]);
        arguments.extend(command);
        self.run(caisson_apply(), &arguments, code)
    }

    /// Shows the command, runs it, shows what it says. `None` wants it killed.
    fn run(&self, program: &Path, arguments: &[&str], wanted: Option<i32>) -> Result<()> {
        ensure!(!self.interruption.happened(), "interrupted");
        let name = program.file_name().unwrap_or_default().display();
        println!("\n  $ {name} {}", arguments.join(" "));
        let (output, both) = std::io::pipe()?;
        let mut child = Command::new(program)
            .args(arguments)
            .current_dir(&self.folder)
            .stdin(Stdio::null())
            .stdout(both.try_clone()?)
            .stderr(both)
            .spawn()?;
        for line in BufReader::new(output).lines() {
            println!("  | {}", line?);
        }
        let found = child.wait()?.code();
        match found {
            Some(0) | None => {}
            Some(code) => println!("  (exit {code})"),
        }
        ensure!(!self.interruption.happened(), "interrupted");
        if found != wanted {
            bail!("`{name}` ended with {found:?}, wanted {wanted:?}");
        }
        Ok(())
    }

    fn catalog(&self) -> Result<String> {
        Ok(format!(
            "catalog_version = 2\n\n\
             [[services]]\nname = \"{name}\"\nservice_revision = \"r1\"\nplatform = \"{}\"\n\n\
             [services.docker]\ncontainer_name = \"{name}\"\n\
             image_reference = \"caisson.test/{name}:current\"\ncreate_file = \"create.json\"\n\n\
             [services.probe]\nall_of = [\"http\"]\nstart_timeout_secs = 15\nstable_secs = 3\n\n\
             [services.probe.http]\nurl = \"http://127.0.0.1:{}/health\"\n",
            platform()?,
            self.port,
            name = self.name,
        ))
    }

    fn create_body(&self) -> Value {
        let port = self.port.to_string();
        json!({
            "ExposedPorts": { "8080/tcp": {} },
            "HostConfig": {
                "PortBindings": { "8080/tcp": [{ "HostIp": "127.0.0.1", "HostPort": port }] },
                "RestartPolicy": { "Name": "unless-stopped" },
            },
        })
    }

    /// Removes every trace; said only if something stays.
    pub(super) fn clear(&self) -> Result<()> {
        if self.cleared.swap(true, Ordering::SeqCst) {
            return Ok(());
        }
        // A guard at work would make anew what is removed here.
        let _ = self.wait_settled();
        self.remove_all("/containers/json?all=1", |id| {
            format!("/containers/{id}?force=1&v=1")
        })?;
        self.remove_all("/images/json?all=1", |id| format!("/images/{id}?force=1"))?;
        fs::remove_dir_all(&self.folder)?;
        if let Some(parent) = self.folder.parent() {
            let _ = fs::remove_dir(parent); // another demo may run
        }
        Ok(())
    }

    /// Waits until no update is open: none unwinds or is being recovered.
    pub(super) fn wait_settled(&self) -> Result<()> {
        let deadline = Instant::now() + SETTLED_LIMIT;
        while self.an_update_is_open()? {
            ensure!(Instant::now() < deadline, "an update stays open");
            self.quiet(&["--yes", "recover"])?;
            thread::sleep(Duration::from_millis(200));
        }
        Ok(())
    }

    fn an_update_is_open(&self) -> Result<bool> {
        let history = self.quiet(&["--json", "history", "list"])?;
        let mut updates = history.lines().map(serde_json::from_str::<Value>);
        Ok(updates.any(|update| !update.is_ok_and(|update| update["outcome"].is_string())))
    }

    /// `caisson-apply` without a word on the screen. Gives its standard output.
    fn quiet(&self, command: &[&str]) -> Result<String> {
        let output = Command::new(caisson_apply())
            .args(["--services", "services.toml", "--state-dir", "state"])
            .arg("--engine")
            .arg(self.engine_socket())
            .args(command)
            .current_dir(&self.folder)
            .stdin(Stdio::null())
            .output()?;
        Ok(String::from_utf8(output.stdout)?)
    }

    /// Removes what a list shows of this demo: by its label, or by a name.
    fn remove_all(&self, list: &str, path: impl Fn(&str) -> String) -> Result<()> {
        for row in self.api.get_json(list)?.as_array().into_iter().flatten() {
            let names = ["Names", "RepoTags"]
                .into_iter()
                .flat_map(|key| row[key].as_array().into_iter().flatten())
                .filter_map(Value::as_str);
            let ours = row["Labels"][LABEL] == json!(self.name)
                || names.into_iter().any(|name| name.contains(&self.name));
            if let (true, Some(id)) = (ours, row["Id"].as_str()) {
                let answer = self.api.delete(&path(id))?;
                let gone = matches!(answer.status, 200 | 204 | 404);
                ensure!(gone, "{list}: {id} stays: {}", answer.text());
            }
        }
        Ok(())
    }
}

impl Drop for Stage<'_> {
    fn drop(&mut self) {
        if let Err(error) = self.clear() {
            eprintln!("left behind, named {}: {error:#}", self.name);
        }
    }
}

/// Begins a chapter.
pub(super) fn heading(text: &str) {
    println!("\n=== {text}");
}

/// A word between the commands.
pub(super) fn say(text: &str) {
    println!("  {text}");
}

/// This machine's platform, as packages and catalogs spell it.
fn platform() -> Result<String> {
    let platform = host_platform();
    let text = format!(
        "{}/{}/{}",
        platform.os, platform.architecture, platform.variant
    );
    edgepkg::platform::normalize(text.trim_end_matches('/')).context("this machine's platform")
}
