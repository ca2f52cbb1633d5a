//! Images: list, inspect, load, tag, delete.

use std::io;

use serde_json::{Value, json};

use super::super::archive::Parts;
use super::super::defaults;
use super::super::http::Reply;
use super::super::images::{Deleted, Image, ImageStore, SimStore, no_such_image};
use super::super::load;
use super::super::machine::Machine;
use super::super::refusal::Refusal;
use super::{Answered, Call, json_reply};

/// `POST /images/load`, after its body came in. A status of 200 means nothing:
/// the head goes out before the archive is looked at.
pub(in super::super) fn load(machine: &mut Machine, parts: io::Result<Parts>) -> Reply {
    let documents = match parts {
        Ok(parts) => load::load(&mut machine.model.images, &parts),
        Err(error) => vec![load::error(&error.to_string())],
    };
    let mut body = Vec::new();
    for document in documents {
        body.extend_from_slice(document.to_string().as_bytes());
        body.extend_from_slice(b"\r\n");
    }
    Reply {
        status: 200,
        content_type: "application/json",
        body,
        streamed: true,
    }
}

pub(super) fn list(machine: &Machine) -> Reply {
    let store = &machine.model.images;
    let rows: Vec<Value> = store.images().map(|image| row(store, image)).collect();
    json_reply(200, &json!(rows))
}

fn row(store: &ImageStore, image: &Image) -> Value {
    let mut tags = store.tags_of(&image.id);
    let mut digests = Value::Null;
    if tags.is_empty() && store.kind == SimStore::Classic {
        tags.push("<none>:<none>".to_owned());
        digests = json!(["<none>@<none>"]);
    }
    json!({
        "Containers": -1,
        "Created": 1_767_225_600,
        "Id": image.id,
        "Labels": image.config["Labels"],
        "ParentId": "",
        "RepoDigests": digests,
        "RepoTags": tags,
        "SharedSize": -1,
        "Size": image.bytes,
        "VirtualSize": image.bytes,
    })
}

pub(super) fn inspect(machine: &Machine, name: &str) -> Answered {
    let store = &machine.model.images;
    let image = store.find(name).ok_or_else(|| {
        let refusal = no_such_image(name);
        let message = match store.kind {
            SimStore::Classic => format!("no such image: {name}: {}", refusal.message),
            SimStore::Containerd => refusal.message,
        };
        Refusal::not_found(message)
    })?;
    let root_fs = match &image.broken {
        Some(broken) if broken.layers_hidden => json!({}),
        _ => json!({"Type": "layers", "Layers": image.diff_ids}),
    };
    // Docker's own store shows image configs as if they were containers'.
    let config = match store.kind {
        SimStore::Classic => defaults::image_config(&image.config),
        SimStore::Containerd => image.config.clone(),
    };
    let mut value = json!({
        "Id": image.id,
        "RepoTags": store.tags_of(&image.id),
        "RepoDigests": [],
        "Parent": "",
        "Comment": "",
        "Created": image.created,
        "Container": "",
        "DockerVersion": "",
        "Author": "",
        "Config": config,
        "Architecture": image.architecture,
        "Os": image.os,
        "Size": image.bytes,
        "VirtualSize": image.bytes,
        "GraphDriver": {"Data": null, "Name": "overlay2"},
        "RootFS": root_fs,
        "Metadata": {"LastTagTime": "0001-01-01T00:00:00Z"},
    });
    if store.kind == SimStore::Classic {
        value["ContainerConfig"] = defaults::image_config(&Value::Null);
    }
    if !image.variant.is_empty() {
        value["Variant"] = json!(image.variant);
    }
    if store.kind == SimStore::Containerd {
        value["Descriptor"] = json!({
            "mediaType": "application/vnd.docker.distribution.manifest.v2+json",
            "digest": image.id,
        });
    }
    Ok(json_reply(200, &value))
}

pub(super) fn tag(machine: &mut Machine, call: &Call, name: &str) -> Answered {
    let repository = call.text("repo").unwrap_or_default();
    let tag = call
        .text("tag")
        .filter(|tag| !tag.is_empty())
        .unwrap_or("latest");
    machine
        .model
        .images
        .tag(name, &format!("{repository}:{tag}"))?;
    Ok(Reply {
        status: 201,
        content_type: "text/plain",
        body: Vec::new(),
        streamed: false,
    })
}

pub(super) fn delete(machine: &mut Machine, call: &Call, name: &str) -> Answered {
    let deleted = machine.delete_image(name, call.flag("force"))?;
    let records: Vec<Value> = deleted
        .into_iter()
        .map(|record| match record {
            Deleted::Untagged(tag) => json!({"Untagged": tag}),
            Deleted::Deleted(id) => json!({"Deleted": id}),
        })
        .collect();
    Ok(json_reply(200, &json!(records)))
}
