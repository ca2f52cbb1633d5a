//! The private engine itself: everything else that is proven on a real engine
//! stands on it coming up, being cut, coming back, and leaving nothing.

use std::fs;
use std::io::{BufReader, Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use caisson_tests::engines::{
    EngineApi, EngineKind, EngineOptions, RealEngine, all_engines_wanted, answers,
    engine_for_tests, engines_dir, private_engines_allowed,
};
use caisson_tests::images::ImageRecipe;
use serde_json::json;

const PATIENCE: Duration = Duration::from_secs(20);

/// Without this, a red test of the update could mean that the engine never worked.
#[test]
fn a_private_engine_serves_survives_a_power_cut_and_leaves_nothing() {
    if !private_engines_allowed() {
        return;
    }
    let mut engine = RealEngine::start().unwrap();
    let version = engine.api().get_json("/version").unwrap();
    println!("Docker {} is up", version["Version"]);
    let port = run_service(&engine.api(), "smoke", "always", "1.0.0").unwrap();
    let stays_down = run_service(&engine.api(), "smoke-no", "no", "1.0.1").unwrap();

    let processes = processes_of(&engine);
    assert!(processes.len() >= 6, "{processes:?}");
    engine.power_cut().unwrap();
    assert_eq!(processes_of(&engine), Vec::<String>::new());
    assert!(http(port).is_err(), "something still answers on {port}");

    engine.start_again().unwrap();
    wait_for(port, "version=1.0.0").unwrap();
    assert!(
        http(stays_down).is_err(),
        "policy `no` was started by the engine"
    );

    engine.kill().unwrap();
    assert!(engine.api().get("/_ping").is_err());
    engine.start_again().unwrap();
    wait_for(port, "version=1.0.0").unwrap();

    engine.stop().unwrap();
    engine.start_again().unwrap();
    wait_for(port, "version=1.0.0").unwrap();

    let traces = Traces::of(&engine).unwrap();
    assert!(
        !traces.found().is_empty(),
        "the search for traces finds none of a running engine"
    );
    drop(engine);
    traces.wait_until_gone().unwrap();
}

/// The other kinds have other processes, mounts and namespaces; none may stay.
#[test]
fn other_kinds_of_engines_run_the_service_and_leave_nothing() {
    if !private_engines_allowed() {
        return;
    }
    let mut kinds = vec![EngineKind::NewestDocker];
    if all_engines_wanted() {
        kinds.extend([EngineKind::Podman43, EngineKind::NewestPodman]);
    }
    for kind in kinds {
        let engine = RealEngine::start_with(&EngineOptions {
            kind,
            containerd_store: kind == EngineKind::NewestDocker,
            ..EngineOptions::default()
        })
        .unwrap();
        let reference = reference("other", "1.0.0");
        let mut archive = Vec::new();
        let recipe = ImageRecipe::new(&reference, "1.0.0").runnable();
        recipe.write_docker_archive_to(&mut archive).unwrap();
        engine.api().load(&mut archive.as_slice()).unwrap();
        answers(&engine.api(), &engine.cgroup(), &reference).unwrap();
        let traces = Traces::of(&engine).unwrap();
        assert!(traces.found().len() > 2, "{kind:?}: {:?}", traces.found());
        drop(engine);
        traces.wait_until_gone().unwrap();
    }
}

/// A static is never dropped and a killed test process drops nothing: if only
/// `Drop` cleared up, each crashed run would leave an engine running.
#[test]
fn an_engine_whose_owner_is_killed_is_cleared_away() {
    if !private_engines_allowed() {
        return;
    }
    let mut owner = Command::new(std::env::current_exe().unwrap())
        .args([
            "--exact",
            "owner_that_gets_killed",
            "--ignored",
            "--nocapture",
        ])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let root = told_root(owner.stdout.take().unwrap()).unwrap();
    let traces = Traces::in_folder(&root).unwrap();
    assert!(!traces.found().is_empty());
    owner.kill().unwrap();
    owner.wait().unwrap();
    traces.wait_until_gone().unwrap();
}

/// Not a test of its own: `an_engine_whose_owner_is_killed_is_cleared_away` runs it.
#[test]
#[ignore = "waits to be killed"]
fn owner_that_gets_killed() {
    let engine = engine_for_tests().unwrap();
    run_service(&engine.api(), "orphan", "always", "1.0.0").unwrap();
    let data_root = engine.data_root().unwrap();
    println!("\nroot={}", data_root.parent().unwrap().display());
    std::thread::sleep(PATIENCE * 3);
}

/// Two engines in one run must not meet: same network or same cgroup would make
/// one test's power cut another test's mystery.
#[test]
fn two_engines_run_side_by_side() {
    if !private_engines_allowed() {
        return;
    }
    let (mut one, two) = (RealEngine::start().unwrap(), RealEngine::start().unwrap());
    let of_one = run_service(&one.api(), "same-name", "always", "1.0.0").unwrap();
    let of_two = run_service(&two.api(), "same-name", "always", "2.0.0").unwrap();
    assert!(http(of_one).unwrap().contains("version=1.0.0"));
    one.power_cut().unwrap();
    assert!(http(of_two).unwrap().contains("version=2.0.0"));
    drop(one);
    assert!(http(of_two).unwrap().contains("version=2.0.0"));
}

/// The shared engine is what most tests use, be it ours or a named one.
#[test]
fn the_shared_engine_loads_and_runs_an_image() {
    let Some(engine) = engine_for_tests() else {
        return;
    };
    let api = engine.api();
    let name = format!("caisson-smoke-{}", std::process::id());
    let port = run_service(&api, &name, "no", "3.2.1").unwrap();
    assert!(http(port).unwrap().contains("version=3.2.1"));
    assert!(engine.data_root().unwrap().is_absolute());
    let removed = api
        .delete(&format!("/containers/{name}?force=1&v=1"))
        .unwrap();
    assert_eq!(removed.status, 204, "{}", removed.text());
    let image = api
        .delete(&format!("/images/{}", reference(&name, "3.2.1")))
        .unwrap();
    assert_eq!(image.status, 200, "{}", image.text());
}

fn reference(name: &str, version: &str) -> String {
    format!("caisson.test/{name}:{version}")
}

/// Loads an image of `version`, starts it as `name`, and gives the port at
/// which it answers by now.
fn run_service(api: &EngineApi, name: &str, policy: &str, version: &str) -> Result<u16> {
    let reference = reference(name, version);
    let mut archive = Vec::new();
    ImageRecipe::new(&reference, version)
        .runnable()
        .write_docker_archive_to(&mut archive)?;
    api.load(&mut archive.as_slice())?;
    let spec = json!({
        "Image": reference,
        "HostConfig": {
            "RestartPolicy": { "Name": policy },
            "PortBindings": { "8080/tcp": [{ "HostIp": "127.0.0.1", "HostPort": free_port()?.to_string() }] },
        },
    });
    let created = api.post(&format!("/containers/create?name={name}"), Some(&spec))?;
    ensure!(created.status == 201, "create: {}", created.text());
    let started = api.post(&format!("/containers/{name}/start"), None)?;
    ensure!(started.status == 204, "start: {}", started.text());
    let shown = api.get_json(&format!("/containers/{name}/json"))?;
    let port = &shown["NetworkSettings"]["Ports"]["8080/tcp"][0]["HostPort"];
    let port = port.as_str().context("no published port")?.parse()?;
    wait_for(port, &format!("version={version}"))?;
    Ok(port)
}

fn free_port() -> Result<u16> {
    Ok(std::net::TcpListener::bind(("127.0.0.1", 0))?
        .local_addr()?
        .port())
}

fn http(port: u16) -> Result<String> {
    let mut stream = TcpStream::connect(("127.0.0.1", port))?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.write_all(b"GET / HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n")?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    ensure!(!answer.is_empty(), "an empty answer");
    Ok(answer)
}

fn wait_for(port: u16, wanted: &str) -> Result<()> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let seen = http(port);
        match seen {
            Ok(answer) if answer.contains(wanted) => return Ok(()),
            _ if Instant::now() < deadline => std::thread::sleep(Duration::from_millis(20)),
            other => bail!("port {port}: wanted `{wanted}`, found {other:?}"),
        }
    }
}

/// The child test's word where its engine lives.
fn told_root(stdout: impl Read) -> Result<PathBuf> {
    use std::io::BufRead;
    for line in BufReader::new(stdout).lines() {
        if let Some(root) = line?.strip_prefix("root=") {
            return Ok(PathBuf::from(root));
        }
    }
    bail!("the owner ended without naming its engine")
}

/// What a running engine has on this machine.
struct Traces {
    root: PathBuf,
    name: String,
    /// Held by the owner, and removed last.
    lock: PathBuf,
    /// Its name and number: another engine may get the name as soon as it is free.
    bridge: Option<(String, String)>,
}

impl Traces {
    fn of(engine: &RealEngine) -> Result<Self> {
        Self::in_folder(engine.root())
    }

    fn in_folder(root: &Path) -> Result<Self> {
        let name = fs::read_to_string(root.join("name"))?;
        // Podman has none on this machine.
        let bridge = fs::read_to_string(root.join("bridge")).ok();
        let numbered = bridge.map(|bridge| (number_of(&bridge), bridge));
        Ok(Self {
            root: root.to_owned(),
            lock: engines_dir()?.join("run").join(format!("{name}.lock")),
            name,
            bridge: numbered.and_then(|(number, bridge)| Some((bridge, number?))),
        })
    }

    fn found(&self) -> Vec<String> {
        let mut found = Vec::new();
        if self.root.exists() {
            found.push(format!("folder {}", self.root.display()));
        }
        if let Some((bridge, number)) = &self.bridge
            && number_of(bridge).as_ref() == Some(number)
        {
            found.push(format!("bridge {bridge}"));
        }
        if self.lock.exists() {
            found.push(format!("lock {}", self.lock.display()));
        }
        let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
        let root = format!("{}/", self.root.display());
        found.extend(
            mounts
                .lines()
                .filter(|line| line.contains(&root))
                .map(str::to_owned),
        );
        found.extend(processes(&self.root, &self.name));
        let groups = Path::new("/sys/fs/cgroup");
        let mut tops = vec![groups.to_owned()];
        tops.extend(
            fs::read_dir(groups)
                .into_iter()
                .flatten()
                .flatten()
                .map(|e| e.path()),
        );
        for top in tops {
            let group = top.join(format!("caisson-{}", self.name));
            if group.exists() {
                found.push(format!("cgroup {}", group.display()));
            }
        }
        found
    }

    fn wait_until_gone(&self) -> Result<()> {
        let deadline = Instant::now() + PATIENCE;
        while !self.found().is_empty() {
            ensure!(
                Instant::now() < deadline,
                "left behind: {:#?}",
                self.found()
            );
            std::thread::sleep(Duration::from_millis(50));
        }
        Ok(())
    }
}

/// The kernel's number of a network link, which it never gives twice.
fn number_of(link: &str) -> Option<String> {
    fs::read_to_string(format!("/sys/class/net/{link}/ifindex")).ok()
}

fn processes_of(engine: &RealEngine) -> Vec<String> {
    let name = fs::read_to_string(engine.root().join("name")).unwrap();
    processes(engine.root(), &name)
}

/// Command lines of live processes that belong to the engine in `root`.
fn processes(root: &Path, name: &str) -> Vec<String> {
    let mark = format!("CAISSON_ENGINE_ROOT={}", root.display());
    let group = format!("/caisson-{name}/");
    let mut found = Vec::new();
    for entry in fs::read_dir("/proc").unwrap().flatten() {
        let read = |file: &str| fs::read(entry.path().join(file)).unwrap_or_default();
        let marked = read("environ")
            .split(|b| *b == 0)
            .any(|v| v == mark.as_bytes());
        let grouped = String::from_utf8_lossy(&read("cgroup")).contains(&group);
        let command = String::from_utf8_lossy(&read("cmdline")).replace('\0', " ");
        // A zombie has no command line any more.
        if (marked || grouped) && !command.is_empty() {
            found.push(command);
        }
    }
    found
}
