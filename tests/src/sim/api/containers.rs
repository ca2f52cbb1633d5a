//! Containers: everything but how they are shown.

use std::time::Duration;

use serde_json::json;

use super::super::create::{CreateRequest, valid_name};
use super::super::http::Reply;
use super::super::machine::Machine;
use super::super::refusal::Refusal;
use super::super::restart::{self, RestartPolicy};
use super::{Answered, Call, empty, inspect as shown, json_reply, profile};
use crate::time::rfc3339_nanos;

pub(super) fn list(machine: &Machine, call: &Call) -> Answered {
    let all = call.flag("all");
    let filters = call.text("filters").filter(|filters| !filters.is_empty());
    let filters: serde_json::Value = match filters {
        None => json!({}),
        Some(text) => serde_json::from_str(text)
            .map_err(|error| Refusal::bad_request(format!("invalid filter: {error}")))?,
    };
    // The newest first, as the engine lists.
    let containers = machine.model.containers.iter().rev();
    let mut rows = Vec::new();
    for container in containers.filter(|container| all || container.running()) {
        if shown::passes(container, &filters)? {
            rows.push(shown::row(machine, container));
        }
    }
    Ok(json_reply(200, &json!(rows)))
}

pub(super) fn create(machine: &mut Machine, call: &Call) -> Answered {
    let body = call.json()?;
    let id = machine.new_id();
    // Only ids that are used count: a failed creation must not shift later ones.
    let volume_count = body["Volumes"].as_object().map_or(0, serde_json::Map::len);
    let image = machine
        .model
        .images
        .find(body["Image"].as_str().unwrap_or_default());
    let from_image = image
        .and_then(|image| image.config["Volumes"].as_object())
        .map_or(0, serde_json::Map::len);
    let mounts = body["HostConfig"]["Mounts"].as_array().map_or(0, Vec::len);
    let binds = body["HostConfig"]["Binds"].as_array().map_or(0, Vec::len);
    let count = volume_count + from_image + mounts + binds;
    let mut volume_ids: Vec<String> = (0..count).map(|_| machine.new_id()).collect();
    let api = call
        .version
        .unwrap_or(profile(machine.model.images.kind).api);
    let now = machine.now();
    let id = machine.model.create(CreateRequest {
        name: call.text("name").filter(|name| !name.is_empty()),
        body: &body,
        api,
        id,
        volume_ids: &mut || {
            volume_ids
                .pop()
                .expect("one id for each volume that can be made")
        },
        now,
    })?;
    Ok(json_reply(201, &json!({"Id": id, "Warnings": []})))
}

pub(super) fn inspect(machine: &Machine, name: &str) -> Answered {
    let index = machine.model.find(name)?;
    Ok(json_reply(
        200,
        &shown::whole(machine, &machine.model.containers[index]),
    ))
}

pub(super) fn start(machine: &mut Machine, name: &str) -> Answered {
    let index = machine.model.find(name)?;
    let started = machine.start(index)?;
    Ok(empty(if started { 204 } else { 304 }))
}

/// One look of a stop: the time until which to wait, or `None` when it is done.
/// A status of 304 is a refusal here as it has no other effect.
pub(super) fn stop(
    machine: &mut Machine,
    call: &mut Call,
    name: &str,
) -> Result<Option<Duration>, Refusal> {
    let now = machine.now();
    let Some(deadline) = call.deadline else {
        let index = machine.model.find(name)?;
        let container = &machine.model.containers[index];
        if !container.running() {
            return Err(Refusal {
                status: 304,
                message: String::new(),
            });
        }
        let grace = match call.text("t").filter(|text| !text.is_empty()) {
            None => container.stop_timeout(),
            Some(text) => Duration::from_secs(text.parse().map_err(|_| {
                Refusal::bad_request(format!("strconv.Atoi: parsing \"{text}\": invalid syntax"))
            })?),
        };
        // From here on the very container is meant, whatever its name becomes.
        call.path[1].clone_from(&container.id);
        call.deadline = machine.begin_stop(index, grace);
        return Ok(call.deadline);
    };
    // Removed or ended by itself meanwhile: down is down.
    let Ok(index) = machine.model.find(name) else {
        return Ok(None);
    };
    if !machine.model.containers[index].running() {
        return Ok(None);
    }
    if now < deadline {
        return Ok(Some(deadline));
    }
    machine.kill(index, "SIGKILL")?;
    Ok(None)
}

pub(super) fn kill(machine: &mut Machine, call: &Call, name: &str) -> Answered {
    let index = machine.model.find(name)?;
    let signal = call
        .text("signal")
        .filter(|signal| !signal.is_empty())
        .unwrap_or("SIGKILL");
    machine.kill(index, signal).map_err(|refusal| {
        Refusal::conflict(format!(
            "Cannot kill container: {name}: {}",
            refusal.message
        ))
    })?;
    Ok(empty(204))
}

pub(super) fn rename(machine: &mut Machine, call: &Call, name: &str) -> Answered {
    let index = machine.model.find(name)?;
    let asked = call.text("name").unwrap_or_default();
    if asked.is_empty() {
        return Err(Refusal::bad_request(
            "Neither old nor new names may be empty",
        ));
    }
    if asked.strip_prefix('/').unwrap_or(asked) == machine.model.containers[index].name {
        return Err(Refusal::bad_request(
            "Renaming a container with the same name as its current name",
        ));
    }
    let allocating = |error| format!("Error when allocating new name: {error}");
    // The engine puts a slash in front before it looks.
    let slashed = format!("/{}", asked.strip_prefix('/').unwrap_or(asked));
    let new = valid_name(&slashed).map_err(|error| Refusal::bad_request(allocating(error)))?;
    machine
        .model
        .check_name_free(new)
        .map_err(|error| Refusal::conflict(allocating(error)))?;
    new.clone_into(&mut machine.model.containers[index].name);
    Ok(empty(204))
}

/// Takes the restart policy only; other settings are accepted and shown.
pub(super) fn update(machine: &mut Machine, call: &Call, name: &str) -> Answered {
    let index = machine.model.find(name)?;
    let body = call.json()?;
    let container = &mut machine.model.containers[index];
    let asked = &body["RestartPolicy"];
    let policy = RestartPolicy {
        name: asked["Name"].as_str().unwrap_or_default().to_owned(),
        maximum_retry_count: asked["MaximumRetryCount"].as_u64().unwrap_or(0),
    };
    restart::check_policy(&policy).map_err(Refusal::bad_request)?;
    if !policy.name.is_empty() {
        if container.auto_remove && policy.name != "no" {
            return Err(Refusal::bad_request(
                "Restart policy cannot be updated because AutoRemove is enabled for the container",
            ));
        }
        container.policy = policy;
    }
    for (key, value) in body.as_object().into_iter().flatten() {
        if key != "RestartPolicy" && !value.is_null() {
            container.host_config[key] = value.clone();
        }
    }
    Ok(json_reply(200, &json!({"Warnings": null})))
}

pub(super) fn pause(machine: &mut Machine, name: &str) -> Answered {
    let (index, now) = (machine.model.find(name)?, machine.now());
    machine.model.pause(index, now)?;
    Ok(empty(204))
}

pub(super) fn unpause(machine: &mut Machine, name: &str) -> Answered {
    let (index, now) = (machine.model.find(name)?, machine.now());
    machine.model.unpause(index, now)?;
    Ok(empty(204))
}

pub(super) fn remove(machine: &mut Machine, call: &Call, name: &str) -> Answered {
    let index = machine.model.find(name)?;
    machine.remove(index, call.flag("force"), call.flag("v"))?;
    Ok(empty(204))
}

/// Frames of 8 bytes head (stream, 0, 0, 0, length) and one line each.
pub(super) fn logs(machine: &Machine, call: &Call, name: &str) -> Answered {
    let index = machine.model.find(name)?;
    let (out, err) = (call.flag("stdout"), call.flag("stderr"));
    if !out && !err {
        return Err(Refusal::bad_request(
            "Bad parameters: you must choose at least one stream",
        ));
    }
    let lines = &machine.model.containers[index].logs;
    let lines = lines
        .iter()
        .filter(|line| if line.error_stream { err } else { out });
    let lines: Vec<_> = lines.collect();
    let tail = call
        .text("tail")
        .and_then(|tail| tail.parse().ok())
        .unwrap_or(lines.len());
    let mut body = Vec::new();
    for line in &lines[lines.len().saturating_sub(tail)..] {
        let mut text = String::new();
        if call.flag("timestamps") {
            text = format!("{} ", rfc3339_nanos(machine.clock.epoch() + line.at));
        }
        text.push_str(&line.text);
        text.push('\n');
        let length = u32::try_from(text.len()).expect("a line of the service is short");
        body.extend_from_slice(&[1 + u8::from(line.error_stream), 0, 0, 0]);
        body.extend_from_slice(&length.to_be_bytes());
        body.extend_from_slice(text.as_bytes());
    }
    Ok(Reply {
        status: 200,
        content_type: "application/octet-stream",
        body,
        streamed: true,
    })
}
