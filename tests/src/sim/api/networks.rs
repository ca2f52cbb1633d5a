//! Networks, and the little that is asked of volumes.

use serde_json::{Value, json};

use super::super::http::Reply;
use super::super::machine::Machine;
use super::super::model::Network;
use super::super::refusal::Refusal;
use super::{Answered, Call, empty, json_reply};
use crate::time::rfc3339_nanos;

fn find(machine: &Machine, name_or_id: &str) -> Result<String, Refusal> {
    let networks = &machine.model.networks;
    let found = networks
        .iter()
        .find(|(name, network)| *name == name_or_id || network.id == name_or_id)
        .or_else(|| {
            networks
                .iter()
                .find(|(_, network)| network.id.starts_with(name_or_id))
        });
    match found {
        Some((name, _)) => Ok(name.clone()),
        None => Err(Refusal::not_found(format!(
            "network {name_or_id} not found"
        ))),
    }
}

fn shown(machine: &Machine, name: &str, network: &Network) -> Value {
    let attached =
        machine.model.containers.iter().filter(|container| {
            container.run().is_some() && container.endpoints.contains_key(name)
        });
    let containers: serde_json::Map<String, Value> = attached
        .map(|container| (container.id.clone(), json!({"Name": container.name})))
        .collect();
    let asked = |key: &str, default: Value| match &network.asked[key] {
        Value::Null => default,
        value => value.clone(),
    };
    json!({
        "Name": name,
        "Id": network.id,
        "Created": rfc3339_nanos(machine.clock.epoch() + network.created_at),
        "Scope": "local",
        "Driver": network.driver,
        "EnableIPv6": asked("EnableIPv6", json!(false)),
        "IPAM": asked("IPAM", json!({"Driver": "default", "Options": null, "Config": []})),
        "Internal": asked("Internal", json!(false)),
        "Attachable": asked("Attachable", json!(false)),
        "Ingress": false,
        "ConfigFrom": {"Network": ""},
        "ConfigOnly": false,
        "Containers": containers,
        "Options": asked("Options", json!({})),
        "Labels": asked("Labels", json!({})),
    })
}

pub(super) fn list(machine: &Machine) -> Reply {
    let networks = machine.model.networks.iter();
    let rows: Vec<Value> = networks
        .map(|(name, network)| shown(machine, name, network))
        .collect();
    json_reply(200, &json!(rows))
}

pub(super) fn inspect(machine: &Machine, name: &str) -> Answered {
    let name = find(machine, name)?;
    Ok(json_reply(
        200,
        &shown(machine, &name, &machine.model.networks[&name]),
    ))
}

pub(super) fn create(machine: &mut Machine, call: &Call) -> Answered {
    let body = call.json()?;
    let name = body["Name"].as_str().unwrap_or_default().to_owned();
    if name.is_empty() {
        return Err(Refusal::bad_request("invalid name: name is empty"));
    }
    if machine.model.networks.contains_key(&name) {
        return Err(Refusal::conflict(format!(
            "network with name {name} already exists"
        )));
    }
    let driver = body["Driver"]
        .as_str()
        .filter(|driver| !driver.is_empty())
        .unwrap_or("bridge");
    let network = Network {
        id: machine.new_id(),
        driver: driver.to_owned(),
        created_at: machine.now(),
        asked: body.clone(),
        built_in: false,
    };
    let id = network.id.clone();
    machine.model.networks.insert(name, network);
    Ok(json_reply(201, &json!({"Id": id, "Warning": ""})))
}

pub(super) fn remove(machine: &mut Machine, name: &str) -> Answered {
    let name = find(machine, name)?;
    let network = &machine.model.networks[&name];
    if network.built_in {
        let why = format!("{name} is a pre-defined network and cannot be removed");
        return Err(Refusal::forbidden(why));
    }
    let attached = |container: &&super::super::container::Container| {
        container.run().is_some() && container.endpoints.contains_key(&name)
    };
    if machine
        .model
        .containers
        .iter()
        .any(|container| attached(&container))
    {
        let id = &network.id;
        let why =
            format!("error while removing network: network {name} id {id} has active endpoints");
        return Err(Refusal::forbidden(why));
    }
    machine.model.networks.remove(&name);
    Ok(empty(204))
}

/// A container that doesn't run is only noted down: whether the network exists is
/// asked when it starts, and a second connect changes nothing.
pub(super) fn connect(machine: &mut Machine, call: &Call, name: &str) -> Answered {
    let body = call.json()?;
    let index = machine
        .model
        .find(body["Container"].as_str().unwrap_or_default())?;
    let known = find(machine, name);
    let container = &mut machine.model.containers[index];
    if container.run().is_none() {
        let name = known.unwrap_or_else(|_| name.to_owned());
        container
            .endpoints
            .entry(name)
            .or_insert_with(|| body["EndpointConfig"].clone());
        return Ok(empty(200));
    }
    let name = known?;
    if container.endpoints.contains_key(&name) {
        let who = &container.name;
        let why = format!("endpoint with name {who} already exists in network {name}");
        return Err(Refusal::forbidden(why));
    }
    container
        .endpoints
        .insert(name, body["EndpointConfig"].clone());
    Ok(empty(200))
}

pub(super) fn volumes(machine: &Machine) -> Reply {
    let rows: Vec<Value> = machine
        .model
        .volumes
        .keys()
        .map(|name| {
            json!({
                "CreatedAt": "2026-01-01T00:00:00Z",
                "Driver": "local",
                "Labels": null,
                "Mountpoint": machine.facts.data_root.join("volumes").join(name).join("_data"),
                "Name": name,
                "Options": null,
                "Scope": "local",
            })
        })
        .collect();
    json_reply(200, &json!({"Volumes": rows, "Warnings": null}))
}

pub(super) fn remove_volume(machine: &mut Machine, name: &str) -> Answered {
    if !machine.model.volumes.contains_key(name) {
        return Err(Refusal::not_found(format!("get {name}: no such volume")));
    }
    let user = machine.model.containers.iter().find(|container| {
        container
            .mounts
            .iter()
            .any(|mount| mount.kind == "volume" && mount.source == name)
    });
    if let Some(user) = user {
        let id = &user.id;
        return Err(Refusal::conflict(format!(
            "remove {name}: volume is in use - [{id}]"
        )));
    }
    machine.model.volumes.remove(name);
    Ok(empty(204))
}
