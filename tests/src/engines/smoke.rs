//! Whether an image in an engine really runs: engines accept images that they can't
//! run, and containerd's store even names them.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use caisson_test_service::{HEALTHCHECK_ARGUMENT, PROGRAM_PATH};
use serde_json::{Value, json};

use super::EngineApi;

const PATIENCE: Duration = Duration::from_secs(20);

/// Starts a container of `image` below `cgroup` and asks the service in it for its
/// health, from inside: that needs no network of ours, and Podman's is its own. The
/// container is removed again. Gives the container's `Config`.
///
/// # Errors
/// With the engine's words, or if the service doesn't answer.
pub fn answers(api: &EngineApi, cgroup: &str, image: &str) -> Result<Value> {
    let spec = json!({"Image": image, "HostConfig": {"CgroupParent": cgroup}});
    let created = api.post("/containers/create", Some(&spec))?;
    ensure!(created.status == 201, "create: {}", created.text());
    let id = created.json()?["Id"]
        .as_str()
        .context("a new container has an id")?
        .to_owned();
    let seen = started_and_asked(api, &id);
    let removed = api.delete(&format!("/containers/{id}?force=1&v=1"))?;
    let seen = seen?;
    ensure!(removed.status < 300, "remove: {}", removed.text());
    Ok(seen)
}

fn started_and_asked(api: &EngineApi, id: &str) -> Result<Value> {
    let started = api.post(&format!("/containers/{id}/start"), None)?;
    ensure!(started.status == 204, "start: {}", started.text());
    let deadline = Instant::now() + PATIENCE;
    while exit_of_healthcheck(api, id)? != 0 {
        let shown = api.get_json(&format!("/containers/{id}/json"))?;
        let state = &shown["State"];
        if state["Running"] != true || Instant::now() > deadline {
            bail!("the service doesn't answer; its container: {state}");
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    let shown = api.get_json(&format!("/containers/{id}/json"))?;
    Ok(shown["Config"].clone())
}

fn exit_of_healthcheck(api: &EngineApi, id: &str) -> Result<i64> {
    let command = json!({"Cmd": [PROGRAM_PATH, HEALTHCHECK_ARGUMENT], "AttachStdout": true});
    let made = api.post(&format!("/containers/{id}/exec"), Some(&command))?;
    ensure!(made.status == 201, "exec: {}", made.text());
    let made = made.json()?;
    let exec = made["Id"].as_str().context("an exec has an id")?;
    // Attached, the answer ends with the program; Podman 4.3 never learns the end of
    // a detached one.
    let wait = json!({"Detach": false});
    let started = api.post(&format!("/exec/{exec}/start"), Some(&wait))?;
    ensure!(started.status < 300, "exec: {}", started.text());
    let deadline = Instant::now() + PATIENCE;
    loop {
        let shown = api.get_json(&format!("/exec/{exec}/json"))?;
        if shown["Running"] == false
            && let Some(code) = shown["ExitCode"].as_i64()
        {
            return Ok(code);
        }
        ensure!(Instant::now() < deadline, "the exec doesn't end: {shown}");
        std::thread::sleep(Duration::from_millis(20));
    }
}
