//! How containers are shown: rows of the list and the whole inspection, in the
//! shape of Docker 20.10.

use std::time::Duration;

use serde_json::{Map, Value, json};

use super::super::container::{Attempt, BoundPort, Container, Mount};
use super::super::health::HealthWord;
use super::super::images::SimStore;
use super::super::machine::Machine;
use super::super::refusal::Refusal;
use crate::time::rfc3339_nanos;

/// Go's zero time: it never happened.
const NEVER: &str = "0001-01-01T00:00:00Z";

/// Does the container pass the `filters` of a list?
pub(super) fn passes(container: &Container, filters: &Value) -> Result<bool, Refusal> {
    for (filter, wanted) in filters.as_object().into_iter().flatten() {
        // A list, or the older form: an object of `value: true`.
        let wanted: Vec<&str> = match wanted {
            Value::Object(map) => map.keys().map(String::as_str).collect(),
            list => list
                .as_array()
                .into_iter()
                .flatten()
                .filter_map(Value::as_str)
                .collect(),
        };
        let passes = match filter.as_str() {
            "label" => wanted.iter().all(|label| has_label(container, label)),
            "name" => wanted.iter().any(|name| container.name.contains(name)),
            "id" => wanted.iter().any(|id| container.id.starts_with(id)),
            "status" => wanted.contains(&container.status()),
            other => return Err(Refusal::bad_request(format!("Invalid filter '{other}'"))),
        };
        if !passes {
            return Ok(false);
        }
    }
    Ok(true)
}

fn has_label(container: &Container, wanted: &str) -> bool {
    let (key, value) = wanted
        .split_once('=')
        .map_or((wanted, None), |(k, v)| (k, Some(v)));
    match container.config["Labels"].get(key) {
        None => false,
        Some(label) => value.is_none_or(|value| label == value),
    }
}

/// A row of `GET /containers/json`.
pub(super) fn row(machine: &Machine, container: &Container) -> Value {
    let ports: Vec<Value> = container
        .run()
        .into_iter()
        .flat_map(|run| &run.ports)
        .map(|port| {
            json!({"IP": port.host_ip, "PrivatePort": port.container_port,
                "PublicPort": port.host_port, "Type": "tcp"})
        })
        .collect();
    let asked = container.config["Image"].as_str().unwrap_or_default();
    // A name that moved on is shown as the id.
    let still_named = machine
        .model
        .images
        .find(asked)
        .is_some_and(|image| image.id == container.image_id);
    json!({
        "Id": container.id,
        "Names": [format!("/{}", container.name)],
        "Image": if still_named { asked } else { &container.image_id },
        "ImageID": container.image_id,
        "Command": container.command.join(" "),
        "Created": (machine.clock.epoch() + container.created_at).as_secs(),
        "Ports": ports,
        "Labels": container.config["Labels"],
        "State": container.status(),
        "Status": status_text(container, machine.now()),
        "HostConfig": {"NetworkMode": container.host_config["NetworkMode"]},
        "NetworkSettings": {"Networks": networks(machine, container)},
        "Mounts": listed_mounts(machine, container),
    })
}

/// In rows, a volume that was made for a container shows no path before its first start.
fn listed_mounts(machine: &Machine, container: &Container) -> Vec<Value> {
    let mut shown = mounts(machine, container);
    for (mount, shown) in container.mounts.iter().zip(&mut shown) {
        if mount.anonymous && container.attempt == Attempt::Never {
            shown["Source"] = json!("");
        }
    }
    shown
}

fn status_text(container: &Container, now: Duration) -> String {
    let seconds = |since: Option<Duration>| now.saturating_sub(since.unwrap_or(now)).as_secs();
    match container.status() {
        "created" => "Created".to_owned(),
        "restarting" => {
            let ago = seconds(container.finished_at);
            format!("Restarting ({}) {ago} seconds ago", container.exit_code)
        }
        "exited" => {
            let ago = seconds(container.finished_at);
            format!("Exited ({}) {ago} seconds ago", container.exit_code)
        }
        status => {
            let up = format!("Up {} seconds", seconds(container.started_at));
            match &container.health {
                _ if status == "paused" => format!("{up} (Paused)"),
                Some(health) if health.word == HealthWord::Starting => {
                    format!("{up} (health: starting)")
                }
                Some(health) => format!("{up} ({})", health.word.as_str()),
                None => up,
            }
        }
    }
}

/// `GET /containers/{id}/json`.
pub(super) fn whole(machine: &Machine, container: &Container) -> Value {
    let folder = machine
        .facts
        .data_root
        .join("containers")
        .join(&container.id);
    // Files that the engine makes on the way to a start; before that, no path.
    let made = |file: &str, at: Attempt| {
        if container.attempt >= at {
            json!(folder.join(file))
        } else {
            json!("")
        }
    };
    let mut host_config = container.host_config.clone();
    host_config["RestartPolicy"] = json!({
        "Name": container.policy.name,
        "MaximumRetryCount": container.policy.maximum_retry_count,
    });
    let driver = match machine.model.images.kind {
        SimStore::Classic => "overlay2",
        SimStore::Containerd => "overlayfs",
    };
    json!({
        "Id": container.id,
        "Created": rfc3339_nanos(machine.clock.epoch() + container.created_at),
        "Path": container.command[0],
        "Args": container.command[1..],
        "State": state(machine, container),
        "Image": container.image_id,
        "ResolvConfPath": made("resolv.conf", Attempt::Network),
        "HostnamePath": made("hostname", Attempt::Payload),
        "HostsPath": made("hosts", Attempt::Network),
        "LogPath": made(&format!("{}-json.log", container.id), Attempt::Payload),
        "Name": format!("/{}", container.name),
        "RestartCount": container.restart_count,
        "Driver": driver,
        "Platform": "linux",
        "MountLabel": "",
        "ProcessLabel": "",
        "AppArmorProfile": "",
        "ExecIDs": null,
        "HostConfig": host_config,
        "GraphDriver": {"Data": null, "Name": driver},
        "Mounts": mounts(machine, container),
        "Config": container.config,
        "NetworkSettings": network_settings(machine, container),
    })
}

fn state(machine: &Machine, container: &Container) -> Value {
    let time = |time: Option<Duration>| match time {
        None => NEVER.to_owned(),
        Some(time) => rfc3339_nanos(machine.clock.epoch() + time),
    };
    let status = container.status();
    let mut state = json!({
        "Status": status,
        "Running": container.running(),
        "Paused": container.paused(),
        "Restarting": status == "restarting",
        "OOMKilled": false,
        "Dead": false,
        "Pid": container.run().map_or(0, |run| run.pid),
        "ExitCode": container.exit_code,
        "Error": container.error,
        "StartedAt": time(container.started_at),
        "FinishedAt": time(container.finished_at),
    });
    if let Some(health) = &container.health {
        let log: Vec<Value> = health
            .results
            .iter()
            .map(|result| {
                json!({"Start": time(Some(result.at)), "End": time(Some(result.at)),
                    "ExitCode": result.exit_code, "Output": result.output})
            })
            .collect();
        state["Health"] = json!({
            "Status": health.word.as_str(),
            "FailingStreak": health.failing_streak,
            "Log": log,
        });
    }
    state
}

fn mounts(machine: &Machine, container: &Container) -> Vec<Value> {
    container
        .mounts
        .iter()
        .map(|mount| shown_mount(machine, mount))
        .collect()
}

fn shown_mount(machine: &Machine, mount: &Mount) -> Value {
    let volumes = machine.facts.data_root.join("volumes");
    match mount.kind {
        "volume" => json!({
            "Type": "volume",
            "Name": mount.source,
            "Source": volumes.join(&mount.source).join("_data"),
            "Destination": mount.destination,
            "Driver": "local",
            "Mode": mount.mode,
            "RW": mount.writable,
            "Propagation": "",
        }),
        kind => json!({
            "Type": kind,
            "Source": mount.source,
            "Destination": mount.destination,
            "Mode": mount.mode,
            "RW": mount.writable,
            "Propagation": if kind == "bind" { "rprivate" } else { "" },
        }),
    }
}

fn network_settings(machine: &Machine, container: &Container) -> Value {
    let running = container.run();
    let ports = running.map_or_else(|| json!({}), |run| shown_ports(container, &run.ports));
    let networks = networks(machine, container);
    let bridge = &networks["bridge"];
    let from_bridge = |key: &str, default: Value| bridge.get(key).cloned().unwrap_or(default);
    // It stays after the payload ended.
    let sandbox = match container.attempt {
        Attempt::Never => String::new(),
        _ => container.endpoint_id("sandbox"),
    };
    let key = if sandbox.is_empty() {
        String::new()
    } else {
        format!("/var/run/docker/netns/{}", &sandbox[..12])
    };
    json!({
        "Bridge": "",
        "SandboxID": sandbox,
        "HairpinMode": false,
        "LinkLocalIPv6Address": "",
        "LinkLocalIPv6PrefixLen": 0,
        "Ports": ports,
        "SandboxKey": key,
        "SecondaryIPAddresses": null,
        "SecondaryIPv6Addresses": null,
        "EndpointID": from_bridge("EndpointID", json!("")),
        "Gateway": from_bridge("Gateway", json!("")),
        "GlobalIPv6Address": "",
        "GlobalIPv6PrefixLen": 0,
        "IPAddress": from_bridge("IPAddress", json!("")),
        "IPPrefixLen": from_bridge("IPPrefixLen", json!(0)),
        "IPv6Gateway": "",
        "MacAddress": from_bridge("MacAddress", json!("")),
        "Networks": networks,
    })
}

/// Published ports with their host ends, exposed ones without.
fn shown_ports(container: &Container, bound: &[BoundPort]) -> Value {
    let mut ports = Map::new();
    for port in container.config["ExposedPorts"]
        .as_object()
        .into_iter()
        .flatten()
    {
        ports.insert(port.0.clone(), Value::Null);
    }
    for port in bound {
        let entry = ports
            .entry(format!("{}/tcp", port.container_port))
            .or_insert(Value::Null);
        let host = json!({"HostIp": port.host_ip, "HostPort": port.host_port.to_string()});
        match entry {
            Value::Array(hosts) => hosts.push(host),
            other => *other = json!([host]),
        }
    }
    Value::Object(ports)
}

fn networks(machine: &Machine, container: &Container) -> Value {
    let mut networks = Map::new();
    for (name, asked) in &container.endpoints {
        networks.insert(name.clone(), endpoint(machine, container, name, asked));
    }
    Value::Object(networks)
}

/// Runtime fields appear while the payload runs.
fn endpoint(machine: &Machine, container: &Container, name: &str, asked: &Value) -> Value {
    let order = machine
        .model
        .networks
        .keys()
        .position(|network| network == name);
    let network = machine.model.networks.get(name);
    let own = |key: &str| asked.get(key).cloned().unwrap_or(Value::Null);
    let mut aliases = asked["Aliases"].as_array().cloned().unwrap_or_default();
    let user_defined = network.is_some_and(|network| !network.built_in);
    let connected = container.attempt == Attempt::Payload;
    if connected && user_defined && !aliases.iter().any(|alias| alias == &container.id[..12]) {
        // The engine adds the short id when it connects.
        aliases.push(json!(container.id[..12]));
    }
    let mut shown = json!({
        "IPAMConfig": own("IPAMConfig"),
        "Links": own("Links"),
        "Aliases": if aliases.is_empty() { Value::Null } else { json!(aliases) },
        "NetworkID": network.filter(|_| container.attempt > Attempt::Never).map_or("", |network| &network.id),
        "EndpointID": "",
        "Gateway": "",
        "IPAddress": "",
        "IPPrefixLen": 0,
        "IPv6Gateway": "",
        "GlobalIPv6Address": "",
        "GlobalIPv6PrefixLen": 0,
        "MacAddress": "",
        "DriverOpts": own("DriverOpts"),
    });
    let addressed = !matches!(name, "host" | "none");
    if let (Some(run), true) = (container.run(), addressed) {
        // Addresses depend on the network and the start, never on chance.
        let (subnet, host) = (17 + order.unwrap_or(0) % 200, 2 + run.pid % 250);
        shown["EndpointID"] = json!(container.endpoint_id(name));
        shown["Gateway"] = json!(format!("172.{subnet}.0.1"));
        shown["IPAddress"] = match asked["IPAMConfig"]["IPv4Address"].as_str() {
            Some(fixed) => json!(fixed),
            None => json!(format!("172.{subnet}.0.{host}")),
        };
        shown["IPPrefixLen"] = json!(16);
        shown["MacAddress"] = json!(format!("02:42:ac:{subnet:02x}:00:{host:02x}"));
    }
    shown
}
