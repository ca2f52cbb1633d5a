//! `caisson-pack extract` as a person uses it whose engine is too old to read the
//! package itself: the archive goes to the oldest Docker that is tested, by its API.

use std::fs::File;
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use caisson_tests::device::{free_port, http, pack};
use caisson_tests::engines::{EngineApi, engine_for_tests};
use caisson_tests::images::ImageRecipe;
use caisson_tests::programs::caisson_pack;
use serde_json::{Value, json};

const PATIENCE: Duration = Duration::from_secs(20);

/// An archive that an engine takes but can't run, or that it names otherwise, or
/// whose image has lost its health check on the way, is of no use.
#[test]
fn an_old_engine_runs_what_was_extracted() {
    let Some(engine) = engine_for_tests() else {
        return;
    };
    let api = engine.api();
    let name = format!("caisson-extract-{}", std::process::id());
    let reference = format!("caisson.test/{name}:4.5.6");
    let seen = load_and_run(&api, &name, &reference);
    // Also after a failure; a named engine is somebody's.
    let container = api.delete(&format!("/containers/{name}?force=1&v=1"));
    let image = api.delete(&format!("/images/{reference}"));
    seen.unwrap();
    assert_eq!(container.unwrap().status, 204);
    assert_eq!(image.unwrap().status, 200);
}

fn load_and_run(api: &EngineApi, name: &str, reference: &str) -> Result<()> {
    let folder = tempfile::tempdir()?;
    let recipe = ImageRecipe::new(reference, "4.5.6")
        .runnable()
        .with_env("GREETING", "hello")
        .with_healthcheck(1_000, 3)
        .with_padding(3 << 20, 7);
    let (package, facts) = pack(folder.path(), "web", &recipe, "4.5.6", &[])?;
    let archive = folder.path().join("web.tar");
    let extracted = Command::new(caisson_pack())
        .arg("extract")
        .arg(&package)
        .arg("--docker-archive")
        .arg(&archive)
        .arg("--json")
        .output()?;
    ensure!(extracted.status.success(), "{extracted:?}");
    let extracted: Value = serde_json::from_slice(&extracted.stdout)?;
    api.load(&mut File::open(&archive)?)?;

    let image = api.get_json(&format!("/images/{reference}/json"))?;
    let ids = [
        &extracted["images"][0]["config"],
        &extracted["images"][0]["manifest"],
    ];
    ensure!(
        ids.contains(&&image["Id"]),
        "{} is none of {ids:?}",
        image["Id"]
    );
    ensure!(*ids[0] == json!(facts.config_digest), "{}", ids[0]);
    ensure!(
        image["RootFS"]["Layers"] == json!(facts.diff_ids),
        "{image}"
    );
    let config: Value = serde_json::from_slice(&facts.config)?;
    for setting in ["/Healthcheck/Test", "/Env", "/Entrypoint"] {
        let found = image["Config"].pointer(setting);
        let wanted = config["config"].pointer(setting);
        ensure!(
            found == wanted && found.is_some(),
            "{setting}: {found:?}, not {wanted:?}"
        );
    }

    let port = free_port()?;
    let spec = json!({
        "Image": reference,
        "HostConfig": {
            "PortBindings": { "8080/tcp": [{ "HostIp": "127.0.0.1", "HostPort": port.to_string() }] },
        },
    });
    let created = api.post(&format!("/containers/create?name={name}"), Some(&spec))?;
    ensure!(created.status == 201, "create: {}", created.text());
    let started = api.post(&format!("/containers/{name}/start"), None)?;
    ensure!(started.status == 204, "start: {}", started.text());
    let deadline = Instant::now() + PATIENCE;
    loop {
        match http(port) {
            Ok(answer) if answer.contains("version=4.5.6") => return Ok(()),
            answer => ensure!(Instant::now() < deadline, "the service says {answer:?}"),
        }
        std::thread::sleep(Duration::from_millis(20));
    }
}
