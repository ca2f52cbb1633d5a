//! The three ways a create request mounts something: `Binds`, `Mounts`, `Volumes`.

use serde_json::Value;

use super::container::Mount;
use super::refusal::Refusal;

/// All mounts in the order of their destinations. `volume_ids` names anonymous volumes.
pub(super) fn of(
    host_config: &Value,
    config: &Value,
    volume_ids: &mut dyn FnMut() -> String,
) -> Result<Vec<Mount>, Refusal> {
    let mut mounts = Vec::new();
    for bind in host_config["Binds"].as_array().into_iter().flatten() {
        let text = bind.as_str().unwrap_or_default();
        mounts.push(from_bind(text, volume_ids).ok_or_else(|| {
            // The engine calls a bad path its own failure.
            let path = text.rsplit_once(':').map_or(text, |(_, path)| path);
            Refusal::server(format!(
                "invalid volume specification: '{text}': invalid mount config for type \"volume\": \
                 invalid mount path: '{path}' mount path must be absolute"
            ))
        })?);
    }
    for mount in host_config["Mounts"].as_array().into_iter().flatten() {
        mounts.push(from_mount(mount, volume_ids)?);
    }
    for destination in config["Volumes"]
        .as_object()
        .into_iter()
        .flatten()
        .map(|(key, _)| key)
    {
        if !mounts.iter().any(|mount| mount.destination == *destination) {
            mounts.push(anonymous(destination, volume_ids()));
        }
    }
    mounts.sort_by(|a, b| a.destination.cmp(&b.destination));
    match mounts
        .windows(2)
        .find(|pair| pair[0].destination == pair[1].destination)
    {
        Some(pair) => Err(Refusal::bad_request(format!(
            "Duplicate mount point: {}",
            pair[0].destination
        ))),
        None => Ok(mounts),
    }
}

/// `source:/destination[:options]`; `None` if it isn't that.
fn from_bind(text: &str, volume_ids: &mut dyn FnMut() -> String) -> Option<Mount> {
    let parts: Vec<&str> = text.split(':').collect();
    let (source, destination, options) = match parts[..] {
        [destination] => return absolute(destination).map(|d| anonymous(d, volume_ids())),
        [source, destination] => (source, destination, ""),
        [source, destination, options] => (source, destination, options),
        _ => return None,
    };
    if source.is_empty() {
        return None;
    }
    let writable = !options.split(',').any(|option| option == "ro");
    Some(Mount {
        kind: if source.starts_with('/') {
            "bind"
        } else {
            "volume"
        },
        source: source.to_owned(),
        destination: absolute(destination)?.to_owned(),
        writable,
        mode: if options.is_empty() {
            "z".to_owned()
        } else {
            options.to_owned()
        },
        anonymous: false,
    })
}

fn absolute(path: &str) -> Option<&str> {
    (path.starts_with('/') && path != "/").then_some(path)
}

fn anonymous(destination: &str, name: String) -> Mount {
    Mount {
        kind: "volume",
        source: name,
        destination: destination.to_owned(),
        writable: true,
        mode: String::new(),
        anonymous: true,
    }
}

fn from_mount(mount: &Value, volume_ids: &mut dyn FnMut() -> String) -> Result<Mount, Refusal> {
    let text = |key: &str| mount[key].as_str().unwrap_or_default();
    let invalid = |why: &str| {
        Refusal::bad_request(format!(
            "invalid mount config for type \"{}\": {why}",
            text("Type")
        ))
    };
    let destination =
        absolute(text("Target")).ok_or_else(|| invalid("field Target must not be empty"))?;
    let mut made = match (text("Type"), text("Source")) {
        ("volume", "") => anonymous(destination, volume_ids()),
        ("volume", source) => Mount {
            source: source.to_owned(),
            anonymous: false,
            ..anonymous(destination, String::new())
        },
        ("bind", "") => return Err(invalid("field Source must not be empty")),
        ("bind", source) => Mount {
            kind: "bind",
            source: source.to_owned(),
            anonymous: false,
            ..anonymous(destination, String::new())
        },
        ("tmpfs", _) => Mount {
            kind: "tmpfs",
            anonymous: false,
            ..anonymous(destination, String::new())
        },
        (_, _) => return Err(invalid("mount type unknown")),
    };
    made.writable = !mount["ReadOnly"].as_bool().unwrap_or(false);
    if made.kind == "volume" {
        "z".clone_into(&mut made.mode);
    }
    Ok(made)
}
