//! A container with about everything a person can set is recreated from its own
//! inspection, on a real engine, onto a newer image, and compared setting by
//! setting. What the unit tests believe about the engine is checked here.

use std::io::Cursor;

use anyhow::{Context, Result, ensure};
use caisson_apply::engine::docker::DockerEngine;
use caisson_apply::engine::{Container, Engine};
use caisson_apply::recreate::{CandidateSpec, candidate};
use caisson_tests::engines::{EngineApi, engine_for_tests};
use caisson_tests::images::ImageRecipe;
use serde_json::{Value, json};

const NAME: &str = "caisson-recreate";
const FRONT: &str = "caisson-recreate-front";
const BACK: &str = "caisson-recreate-back";
const VOLUME: &str = "caisson-recreate-db";
const OLD_IMAGE: &str = "caisson.local/recreate/web:1";
const NEW_IMAGE: &str = "caisson.local/recreate/web:2";

/// Removes what a test made, also after a failure.
struct Scene {
    api: EngineApi,
}

impl Scene {
    fn clear(&self) {
        for name in [
            NAME,
            "caisson-recreate.caisson-new",
            "caisson-recreate.caisson-old",
        ] {
            let _ = self.api.delete(&format!("/containers/{name}?force=1&v=1"));
        }
        for network in [FRONT, BACK] {
            let _ = self.api.delete(&format!("/networks/{network}"));
        }
        let _ = self.api.delete(&format!("/volumes/{VOLUME}"));
        for image in [OLD_IMAGE, NEW_IMAGE] {
            let _ = self.api.delete(&format!("/images/{image}?force=1"));
        }
    }

    fn post(&self, path: &str, body: &Value) -> Result<()> {
        let answer = self.api.post(path, Some(body))?;
        ensure!(
            answer.status < 300,
            "{path}: {} {}",
            answer.status,
            answer.text()
        );
        Ok(())
    }
}

impl Drop for Scene {
    fn drop(&mut self) {
        self.clear();
    }
}

fn old_recipe() -> ImageRecipe {
    let mut recipe = ImageRecipe::new(OLD_IMAGE, "1")
        .runnable()
        .with_env("COLOUR", "blue");
    recipe.labels.insert("version".to_owned(), "1".to_owned());
    recipe.labels.insert("only-old".to_owned(), "x".to_owned());
    recipe.volumes.push("/data".to_owned());
    recipe.exposed_ports.push("9999/tcp".to_owned());
    recipe.stop_signal = Some("SIGINT".to_owned());
    recipe.with_healthcheck(1000, 2)
}

fn new_recipe() -> ImageRecipe {
    let mut recipe = ImageRecipe::new(NEW_IMAGE, "2")
        .runnable()
        .with_env("COLOUR", "green");
    recipe.labels.insert("version".to_owned(), "2".to_owned());
    recipe.volumes.push("/data".to_owned());
    recipe.with_healthcheck(3000, 7)
}

fn create_body() -> Value {
    let mut body = json!({
        "Image": OLD_IMAGE,
        "Env": ["SHOP=north", "COLOUR=red"],
        "Labels": {"owner": "shop"},
        "StopTimeout": 3,
        "MacAddress": "02:00:00:00:aa:07",
        "ExposedPorts": {"8080/tcp": {}},
        "Volumes": {"/extra": {}},
        "NetworkingConfig": {"EndpointsConfig": {FRONT: {
            "IPAMConfig": {"IPv4Address": "10.231.7.9"}, "Aliases": ["shop", "till"]
        }}}
    });
    body["HostConfig"] = json!({
        "Binds": [format!("{VOLUME}:/db"), "/tmp:/config:ro"],
        "NetworkMode": FRONT,
        "PortBindings": {"8080/tcp": [{"HostIp": "127.0.0.1", "HostPort": "38917"}]},
        "RestartPolicy": {"Name": "unless-stopped"},
        "Memory": 67_108_864, "CapDrop": ["NET_RAW"], "ReadonlyRootfs": true,
        "ExtraHosts": ["printer:10.0.0.5"], "Dns": ["10.0.0.53"], "Tmpfs": {"/tmp": "size=8m"},
        "Ulimits": [{"Name": "nofile", "Soft": 512, "Hard": 1024}],
        "Sysctls": {"net.core.somaxconn": "512"}, "ShmSize": 33_554_432,
        "LogConfig": {"Type": "json-file", "Config": {"max-size": "1m"}},
        "Mounts": [{"Type": "volume", "Target": "/unnamed"}]
    });
    body
}

/// Two networks, two images and the old container, running.
fn set_up(scene: &Scene) -> Result<()> {
    scene.clear();
    for (network, subnet) in [(FRONT, "10.231.7.0/24"), (BACK, "10.231.8.0/24")] {
        let body = json!({"Name": network, "IPAM": {"Config": [{"Subnet": subnet}]}});
        scene.post("/networks/create", &body)?;
    }
    for recipe in [old_recipe(), new_recipe()] {
        let mut archive = Vec::new();
        recipe.write_docker_archive_to(&mut archive)?;
        scene.api.load(&mut Cursor::new(archive))?;
    }
    scene.post(
        &format!("/v1.41/containers/create?name={NAME}"),
        &create_body(),
    )?;
    let connect = json!({"Container": NAME, "EndpointConfig": {"Aliases": ["till-back"]}});
    scene.post(&format!("/networks/{BACK}/connect"), &connect)?;
    scene.post(&format!("/containers/{NAME}/start"), &json!({}))
}

fn spec_for(engine: &DockerEngine, old: &Container) -> Result<CandidateSpec> {
    let old_image = engine
        .image(&old.image_id)
        .map_err(words)?
        .context("the old image")?;
    let new_image = engine
        .image(NEW_IMAGE)
        .map_err(words)?
        .context("the new image")?;
    let api = engine.info().map_err(words)?.api_version;
    Ok(candidate(old, Some(&old_image), &new_image, &api, false)?)
}

/// Creates what the spec says beside the old container, stops that, and starts this.
fn swap(engine: &DockerEngine, old: &Container, spec: &CandidateSpec) -> Result<Container> {
    let mut body = spec.body.clone();
    body["Image"] = json!(NEW_IMAGE);
    let id = engine
        .create_container(&format!("{NAME}.caisson-new"), &body)
        .map_err(words)?;
    for (network, settings) in &spec.further_networks {
        engine
            .connect_network(network, &id, settings)
            .map_err(words)?;
    }
    let grace = std::time::Duration::from_secs(spec.grace_secs);
    engine.stop_container(&old.id, grace).map_err(words)?;
    engine
        .rename_container(&old.id, &format!("{NAME}.caisson-old"))
        .map_err(words)?;
    engine.rename_container(&id, NAME).map_err(words)?;
    engine.start_container(&id).map_err(words)?;
    engine
        .container(&id)
        .map_err(words)?
        .context("the new container")
}

#[expect(clippy::needless_pass_by_value, reason = "a function for `map_err`")]
fn words(error: caisson_apply::engine::EngineError) -> anyhow::Error {
    anyhow::anyhow!("{}: {}", error.call, error.message)
}

/// The name of the volume mounted there.
fn volume_at<'c>(container: &'c Container, destination: &str) -> Option<&'c str> {
    let mounts = container.raw["Mounts"].as_array()?;
    mounts
        .iter()
        .find(|mount| mount["Destination"] == destination)?["Name"]
        .as_str()
}

fn network<'c>(container: &'c Container, name: &str) -> &'c Value {
    &container.raw["NetworkSettings"]["Networks"][name]
}

/// Aliases without the container's own short id, sorted.
fn aliases(container: &Container, name: &str) -> Vec<String> {
    let shown = network(container, name)["Aliases"]
        .as_array()
        .cloned()
        .unwrap_or_default();
    let mut aliases: Vec<String> = shown
        .iter()
        .filter_map(Value::as_str)
        .filter(|alias| !container.id.starts_with(alias))
        .map(str::to_owned)
        .collect();
    aliases.sort();
    aliases
}

/// Everything the person set, and nothing of the old image.
fn compare(old: &Container, new: &Container) {
    let (config, before) = (&new.raw["Config"], &old.raw["Config"]);
    let mut env: Vec<&str> = config["Env"]
        .as_array()
        .expect("env")
        .iter()
        .filter_map(Value::as_str)
        .collect();
    env.sort_unstable();
    assert_eq!(env, ["COLOUR=red", "SHOP=north", "VERSION=2"]);
    assert_eq!(config["Labels"], json!({"owner": "shop", "version": "2"}));
    assert_eq!(
        config["Healthcheck"]["Retries"], 7,
        "the new image's health check"
    );
    assert_eq!(config["StopTimeout"], 3);
    assert_ne!(config["StopSignal"], "SIGINT", "the old image's");
    assert_eq!(config["ExposedPorts"], json!({"8080/tcp": {}}));
    assert_eq!(config["Entrypoint"], before["Entrypoint"]);
    assert_eq!(config["Hostname"], new.id[..12]);

    let (host, before) = (&new.raw["HostConfig"], &old.raw["HostConfig"]);
    assert_eq!(new.restart_policy.name, "no");
    for (key, value) in before.as_object().expect("an object") {
        if !["RestartPolicy", "Binds", "Mounts", "ContainerIDFile"].contains(&key.as_str()) {
            assert_eq!(&host[key], value, "HostConfig.{key}");
        }
    }
    for destination in ["/db", "/data", "/extra", "/unnamed"] {
        let volume = volume_at(old, destination);
        assert!(volume.is_some(), "{destination}");
        assert_eq!(volume_at(new, destination), volume, "{destination}");
    }
    assert_eq!(volume_at(new, "/db"), Some(VOLUME));

    assert_eq!(network(new, FRONT)["IPAddress"], "10.231.7.9");
    assert_eq!(network(new, FRONT)["MacAddress"], "02:00:00:00:aa:07");
    assert_eq!(aliases(new, FRONT), ["shop", "till"]);
    assert_eq!(aliases(new, BACK), ["till-back"]);
    let networks = new.raw["NetworkSettings"]["Networks"]
        .as_object()
        .expect("an object");
    assert_eq!(networks.len(), 2);
}

/// Each setting that comes out otherwise is one that a device would lose with its first
/// update; each that differs in the second request is one that drifts with every update.
#[test]
fn a_container_comes_back_as_it_was_on_the_new_image() {
    let Some(engine) = engine_for_tests() else {
        return;
    };
    let scene = Scene { api: engine.api() };
    set_up(&scene).unwrap();
    let client = DockerEngine::new(engine.socket());
    let old = client
        .container(NAME)
        .map_err(words)
        .unwrap()
        .expect("the old container");
    let first = spec_for(&client, &old).unwrap();
    let new = swap(&client, &old, &first).unwrap();
    println!(
        "{}\n{:#?}",
        client.info().map_err(words).unwrap().name,
        first.notes
    );
    compare(&old, &new);

    let second = spec_for(&client, &new).unwrap();
    assert_eq!(second.body, first.body);
    assert_eq!(second.further_networks, first.further_networks);

    // The way back: removing the candidate with its own anonymous volumes leaves those
    // that it only borrowed.
    let removed = client
        .remove_container(&new.id, true, true)
        .map_err(words)
        .unwrap();
    assert!(removed);
    for destination in ["/db", "/data", "/extra", "/unnamed"] {
        let volume = volume_at(&old, destination).expect("compared above");
        let answer = scene.api.get(&format!("/volumes/{volume}")).unwrap();
        assert_eq!(answer.status, 200, "{destination}: {}", answer.text());
    }
    client.start_container(&old.id).map_err(words).unwrap();
}
