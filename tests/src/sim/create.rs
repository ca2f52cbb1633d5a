//! `POST /containers/create`: the request, the image's defaults and the engine's
//! defaults become a container. Pure; changes the model only if all is well.

use std::collections::BTreeMap;
use std::time::Duration;

use caisson_test_service::Behaviour;
use serde_json::{Map, Value, json};

use super::container::{Attempt, Container, Phase, PortWish};
use super::defaults;
use super::health::HealthPlan;
use super::images::{Image, no_such_image};
use super::model::Model;
use super::mounts;
use super::refusal::Refusal;
use super::restart::{self, RestartPolicy};

/// The first API version that takes more than one network at creation.
const SEVERAL_NETWORKS_SINCE: (u32, u32) = (1, 44);

/// What comes with the body.
pub(super) struct CreateRequest<'a> {
    /// As in the query; `None` makes one from the id.
    pub(super) name: Option<&'a str>,
    pub(super) body: &'a Value,
    /// The version in the path.
    pub(super) api: (u32, u32),
    pub(super) id: String,
    /// For anonymous volumes, in order.
    pub(super) volume_ids: &'a mut dyn FnMut() -> String,
    pub(super) now: Duration,
}

impl Model {
    /// Creates and gives the id.
    pub(super) fn create(&mut self, request: CreateRequest<'_>) -> Result<String, Refusal> {
        let body = request.body;
        let name = self.free_name(request.name, &request.id)?;
        let image_name = body["Image"].as_str().unwrap_or_default();
        let image = self
            .images
            .find(image_name)
            .ok_or_else(|| no_such_image(image_name))?;
        if let Some(broken) = &image.broken {
            return Err(Refusal::server(broken.why.clone()));
        }
        let config = merged_config(body, image, &request.id);
        let command = command(&config)?;
        let host_config = defaults::host_config(&body["HostConfig"]);
        let policy = policy(&host_config["RestartPolicy"])?;
        let auto_remove = host_config["AutoRemove"].as_bool().unwrap_or(false);
        if auto_remove && !matches!(policy.name.as_str(), "" | "no") {
            return Err(Refusal::bad_request(
                "can't create 'AutoRemove' container with restart policy",
            ));
        }
        let endpoints = endpoints(body, &host_config, request.api)?;
        let mounts = mounts::of(&host_config, &config, request.volume_ids)?;
        let behaviour = Behaviour::from(environment(&config), command.iter().skip(1).cloned());
        let container = Container {
            name,
            image_id: image.id.clone(),
            created_at: request.now,
            port_wishes: port_wishes(&host_config["PortBindings"])?,
            missing_program: missing_program(image, &command[0]),
            health_plan: HealthPlan::from_config(&config),
            id: request.id,
            config,
            host_config,
            endpoints,
            policy,
            auto_remove,
            mounts,
            command,
            behaviour,
            phase: Phase::Created,
            health: None,
            attempt: Attempt::Never,
            started_before: false,
            by_hand: false,
            restart_count: 0,
            restart_delay: Duration::ZERO,
            exit_code: 0,
            error: String::new(),
            started_at: None,
            finished_at: None,
            logs: Vec::new(),
        };
        for mount in container
            .mounts
            .iter()
            .filter(|mount| mount.kind == "volume")
        {
            self.volumes
                .entry(mount.source.clone())
                .or_insert(mount.anonymous);
        }
        let id = container.id.clone();
        self.containers.push(container);
        Ok(id)
    }

    fn free_name(&self, asked: Option<&str>, id: &str) -> Result<String, Refusal> {
        let Some(asked) = asked else {
            return Ok(format!("container_{}", &id[..8]));
        };
        let name = valid_name(asked).map_err(Refusal::bad_request)?;
        self.check_name_free(name).map_err(Refusal::conflict)?;
        Ok(name.to_owned())
    }

    /// Docker's words if the name is in use.
    pub(super) fn check_name_free(&self, name: &str) -> Result<(), String> {
        match self
            .containers
            .iter()
            .find(|container| container.name == name)
        {
            None => Ok(()),
            Some(holder) => Err(format!(
                "Conflict. The container name \"/{name}\" is already in use by container \"{}\". \
                 You have to remove (or rename) that container to be able to reuse that name.",
                holder.id
            )),
        }
    }
}

/// The name without its slash, or Docker's words for a bad one.
pub(super) fn valid_name(asked: &str) -> Result<&str, String> {
    let name = asked.strip_prefix('/').unwrap_or(asked);
    let mut bytes = name.bytes();
    let starts_well = bytes
        .next()
        .is_some_and(|byte| byte.is_ascii_alphanumeric());
    let rest =
        name.len() > 1 && bytes.all(|byte| byte.is_ascii_alphanumeric() || b"_.-".contains(&byte));
    if starts_well && rest {
        return Ok(name);
    }
    Err(format!(
        "Invalid container name ({asked}), only [a-zA-Z0-9][a-zA-Z0-9_.-] are allowed"
    ))
}

/// The request's `Config` part with the image's defaults below it, as Docker merges.
fn merged_config(body: &Value, image: &Image, id: &str) -> Value {
    let mut config = defaults::config(&id[..12]);
    for (key, value) in body.as_object().into_iter().flatten() {
        if key != "HostConfig" && key != "NetworkingConfig" && !value.is_null() {
            config[key] = value.clone();
        }
    }
    if config["Hostname"] == "" {
        config["Hostname"] = json!(&id[..12]);
    }
    let from_image = &image.config;
    config["Env"] = merged_env(&config["Env"], &from_image["Env"]);
    for key in ["Labels", "ExposedPorts", "Volumes"] {
        config[key] = merged_map(&config[key], &from_image[key], key == "Labels");
    }
    if is_empty(&config["Entrypoint"]) {
        if is_empty(&config["Cmd"]) {
            config["Cmd"] = from_image["Cmd"].clone();
        }
        config["Entrypoint"] = from_image["Entrypoint"].clone();
    }
    for key in ["WorkingDir", "User"] {
        if config[key] == "" && !is_empty(&from_image[key]) {
            config[key] = from_image[key].clone();
        }
    }
    for key in ["StopSignal", "Healthcheck"] {
        if is_empty(&config[key]) {
            match from_image.get(key).filter(|value| !is_empty(value)) {
                Some(value) => config[key] = value.clone(),
                // Absent, not null, as the engine shows it.
                None => drop(
                    config
                        .as_object_mut()
                        .and_then(|config| config.shift_remove(key)),
                ),
            }
        }
    }
    config
}

fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::String(text) => text.is_empty(),
        Value::Array(list) => list.is_empty(),
        Value::Object(map) => map.is_empty(),
        _ => false,
    }
}

/// The request's variables, then those of the image that it doesn't set.
fn merged_env(asked: &Value, from_image: &Value) -> Value {
    let mut env: Vec<Value> = asked.as_array().cloned().unwrap_or_default();
    let name = |value: &Value| {
        value
            .as_str()
            .unwrap_or_default()
            .split('=')
            .next()
            .unwrap_or_default()
            .to_owned()
    };
    for variable in from_image.as_array().into_iter().flatten() {
        if !env.iter().any(|set| name(set) == name(variable)) {
            env.push(variable.clone());
        }
    }
    Value::Array(env)
}

fn merged_map(asked: &Value, from_image: &Value, empty_shown: bool) -> Value {
    let mut map: Map<String, Value> = from_image.as_object().cloned().unwrap_or_default();
    map.extend(asked.as_object().cloned().unwrap_or_default());
    // The engine sorts keys, as Go does.
    let sorted: BTreeMap<String, Value> = map.into_iter().collect();
    if sorted.is_empty() && !empty_shown {
        Value::Null
    } else {
        json!(sorted)
    }
}

fn command(config: &Value) -> Result<Vec<String>, Refusal> {
    let words = |key: &str| match &config[key] {
        Value::String(word) => vec![word.clone()],
        list => list
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(|word| word.as_str().map(str::to_owned))
            .collect(),
    };
    let mut command = words("Entrypoint");
    command.extend(words("Cmd"));
    if command.is_empty() {
        return Err(Refusal::bad_request("No command specified"));
    }
    Ok(command)
}

fn environment(config: &Value) -> Vec<(String, String)> {
    let variables = config["Env"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(Value::as_str);
    variables
        .filter_map(|variable| variable.split_once('='))
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect()
}

fn policy(asked: &Value) -> Result<RestartPolicy, Refusal> {
    let policy = RestartPolicy {
        name: asked["Name"].as_str().unwrap_or_default().to_owned(),
        maximum_retry_count: asked["MaximumRetryCount"].as_u64().unwrap_or(0),
    };
    restart::check_policy(&policy).map_err(Refusal::bad_request)?;
    Ok(policy)
}

/// Network name to the settings asked for.
fn endpoints(
    body: &Value,
    host_config: &Value,
    api: (u32, u32),
) -> Result<BTreeMap<String, Value>, Refusal> {
    let asked = body["NetworkingConfig"]["EndpointsConfig"]
        .as_object()
        .cloned()
        .unwrap_or_default();
    if asked.len() > 1 && api < SEVERAL_NETWORKS_SINCE {
        let mut names: Vec<&str> = asked.keys().map(String::as_str).collect();
        names.sort_unstable();
        let names = names.join(", ");
        let why = format!("Container cannot be connected to network endpoints: {names}");
        return Err(Refusal::bad_request(why));
    }
    let mut endpoints: BTreeMap<String, Value> = asked.into_iter().collect();
    let mode = host_config["NetworkMode"].as_str().unwrap_or("default");
    let first = match mode {
        "" | "default" => "bridge",
        // It has the other's network, none of its own.
        other if other.starts_with("container:") => return Ok(BTreeMap::new()),
        other => other,
    };
    endpoints.entry(first.to_owned()).or_insert(Value::Null);
    Ok(endpoints)
}

fn port_wishes(bindings: &Value) -> Result<Vec<PortWish>, Refusal> {
    let mut wishes = Vec::new();
    for (port, hosts) in bindings.as_object().into_iter().flatten() {
        let (number, protocol) = port.split_once('/').unwrap_or((port, "tcp"));
        let invalid = || Refusal::bad_request(format!("Invalid port specification: {port:?}"));
        let container_port = number.parse().map_err(|_| invalid())?;
        if protocol != "tcp" {
            continue;
        }
        for host in hosts.as_array().into_iter().flatten() {
            let text = host["HostPort"].as_str().unwrap_or_default();
            let host_port = if text.is_empty() {
                0
            } else {
                text.parse().map_err(|_| invalid())?
            };
            let ip = host["HostIp"]
                .as_str()
                .filter(|ip| !ip.is_empty())
                .unwrap_or("0.0.0.0");
            wishes.push(PortWish {
                container_port,
                host_ip: ip.to_owned(),
                host_port,
            });
        }
    }
    Ok(wishes)
}

/// Docker's words if the image surely doesn't have the program.
fn missing_program(image: &Image, program: &str) -> Option<String> {
    let files = image.files.as_ref()?;
    (program.starts_with('/') && !files.contains(program)).then(|| {
        format!(
            "failed to create shim task: OCI runtime create failed: runc create failed: unable to \
             start container process: exec: \"{program}\": stat {program}: no such file or directory: unknown"
        )
    })
}
