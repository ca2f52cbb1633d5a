//! Subtracts the old image's defaults from the old container's settings.
//!
//! The rules mirror how the engine merges an image into a container when it creates
//! one (moby, `daemon/commit.go`, `merge`): environment by name, labels by key, health
//! check field by field, command and entrypoint as a pair. A setting that is equal to
//! the old image's default can't be told from the default and counts as one.

use serde_json::{Value, json};

use super::{Members, is_blank, podman, texts};
use crate::engine::ImageInfo;
use crate::name::LABEL_PREFIX;

/// Members of `Config` that describe the moment of creation, not the container.
const MOMENTARY: &[&str] = &[
    "AttachStdin",
    "AttachStdout",
    "AttachStderr",
    "Image",
    "OnBuild",
    "ArgsEscaped",
];

/// The image's `Config`; empty where it has none.
pub(super) fn of_image(image: &ImageInfo) -> Members {
    image.config.as_object().cloned().unwrap_or_default()
}

/// What of the old container's `Config` was set by a person, in create-request form.
pub(super) fn subtract(
    config: &Members,
    image: &Members,
    podman: bool,
    notes: &mut Vec<String>,
) -> Members {
    let mut body = Members::new();
    for (key, value) in config {
        let kept = match key.as_str() {
            name if MOMENTARY.contains(&name) => None,
            "Cmd" | "Entrypoint" => None,
            "Env" => environment(config, image, podman, notes),
            "Labels" => labels(value, image.get(key)),
            "Healthcheck" => health_check(value, image.get(key), notes),
            "Volumes" | "ExposedPorts" => keys_not_in(value, image.get(key)),
            "WorkingDir" => working_dir(value, image.get(key)),
            "StopSignal" if podman && podman::is_default_stop_signal(value) => None,
            _ => differing(value, image.get(key)),
        };
        if let Some(kept) = kept {
            body.insert(key.clone(), kept);
        }
    }
    command(&mut body, config, image, notes);
    body
}

/// A value that isn't blank and isn't the image's.
fn differing(value: &Value, default: Option<&Value>) -> Option<Value> {
    (!is_blank(value) && Some(value) != default).then(|| value.clone())
}

/// Variables the person set: those whose `NAME=value` the image doesn't have.
fn environment(
    config: &Members,
    image: &Members,
    podman: bool,
    notes: &mut Vec<String>,
) -> Option<Value> {
    let defaults = texts(image, "Env");
    let leaks = |variable: &str| podman && podman::is_leaked_variable(variable, config);
    let kept: Vec<&str> = texts(config, "Env")
        .into_iter()
        .filter(|variable| !defaults.contains(variable) && !leaks(variable))
        .collect();
    let overriding: Vec<&str> = kept
        .iter()
        .map(|variable| name_of(variable))
        .filter(|name| defaults.iter().any(|default| name_of(default) == *name))
        .collect();
    if !overriding.is_empty() {
        // Names only: values may be secrets, and the plan ends up in logs.
        notes.push(format!(
            "environment set on this device stays over the image's: {}",
            overriding.join(", ")
        ));
    }
    (!kept.is_empty()).then(|| json!(kept))
}

fn name_of(variable: &str) -> &str {
    variable.split_once('=').map_or(variable, |(name, _)| name)
}

/// Labels whose value isn't the image's, without our own.
fn labels(value: &Value, default: Option<&Value>) -> Option<Value> {
    let mut kept = Members::new();
    for (key, label) in value.as_object()? {
        let from_image = default.and_then(|labels| labels.get(key)) == Some(label);
        if !from_image && !key.starts_with(LABEL_PREFIX) {
            kept.insert(key.clone(), label.clone());
        }
    }
    (!kept.is_empty()).then_some(Value::Object(kept))
}

/// The fields that differ: the engine fills each missing or zero one from the new image.
fn health_check(value: &Value, default: Option<&Value>, notes: &mut Vec<String>) -> Option<Value> {
    let mut kept = Members::new();
    for (key, field) in value.as_object()? {
        let from_image = default.and_then(|check| check.get(key)) == Some(field);
        let unset = is_blank(field) || field.as_i64() == Some(0);
        if !from_image && !unset {
            kept.insert(key.clone(), field.clone());
        }
    }
    if kept.contains_key("Test") {
        notes.push(
            "the health check set on this device stays; the new image's is not used".to_owned(),
        );
    }
    (!kept.is_empty()).then_some(Value::Object(kept))
}

/// For sets written as objects: the members the image doesn't have.
fn keys_not_in(value: &Value, default: Option<&Value>) -> Option<Value> {
    let mut kept = Members::new();
    for (key, member) in value.as_object()? {
        if default.is_none_or(|set| set.get(key).is_none()) {
            kept.insert(key.clone(), member.clone());
        }
    }
    (!kept.is_empty()).then_some(Value::Object(kept))
}

/// Engines differ in writing the root folder as nothing or `/`, and in final slashes.
fn working_dir(value: &Value, default: Option<&Value>) -> Option<Value> {
    let plain = |value: Option<&Value>| {
        value
            .and_then(Value::as_str)
            .unwrap_or("")
            .trim_end_matches('/')
            .to_owned()
    };
    (plain(Some(value)) != plain(default)).then(|| value.clone())
}

/// Command and entrypoint, which the engine merges as a pair: an entrypoint of the
/// person's own switches the image's command off, so the command then stays with it.
fn command(body: &mut Members, config: &Members, image: &Members, notes: &mut Vec<String>) {
    let entrypoint = texts(config, "Entrypoint");
    let command = texts(config, "Cmd");
    let image_entrypoint = texts(image, "Entrypoint");
    let image_command = texts(image, "Cmd");
    let own_entrypoint = entrypoint != image_entrypoint
        || (command.is_empty() && !image_command.is_empty() && !entrypoint.is_empty());
    if own_entrypoint {
        notes.push(
            "the entrypoint set on this device stays; the new image's is not used".to_owned(),
        );
        // The engine shows an entrypoint that was switched off as none; it is
        // switched off by one empty word.
        let sent = if entrypoint.is_empty() {
            vec![""]
        } else {
            entrypoint
        };
        body.insert("Entrypoint".to_owned(), json!(sent));
        if !command.is_empty() {
            body.insert("Cmd".to_owned(), json!(command));
        }
    } else if command != image_command && !command.is_empty() {
        notes.push("the command set on this device stays; the new image's is not used".to_owned());
        body.insert("Cmd".to_owned(), json!(command));
    }
}

/// Will the candidate have anything to run?
pub(super) fn has_command(body: &Members, new_image: &ImageInfo) -> bool {
    let own = |members: &Members| {
        texts(members, "Entrypoint")
            .iter()
            .chain(&texts(members, "Cmd"))
            .any(|word| !word.is_empty())
    };
    own(body) || own(&of_image(new_image))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn members(value: &Value) -> Members {
        value.as_object().expect("an object").clone()
    }

    /// Subtracts and gives the body alone.
    fn subtracted(config: &Value, image: &Value) -> Value {
        Value::Object(subtract(
            &members(config),
            &members(image),
            false,
            &mut Vec::new(),
        ))
    }

    /// The old image's value would stay over the new image's, or the person's be lost.
    #[test]
    fn environment_by_name_and_value() {
        let config = json!({"Env": ["A=1", "B=mine", "PATH=/bin", "C", "D=x=y"]});
        let image = json!({"Env": ["A=1", "B=theirs", "PATH=/bin"]});
        let mut notes = Vec::new();
        let body = subtract(&members(&config), &members(&image), false, &mut notes);
        assert_eq!(
            Value::Object(body),
            json!({"Env": ["B=mine", "C", "D=x=y"]})
        );
        assert_eq!(
            notes,
            ["environment set on this device stays over the image's: B"]
        );
        assert_eq!(
            subtracted(&json!({"Env": ["A=1"]}), &json!({"Env": ["A=1"]})),
            json!({})
        );
        assert_eq!(
            subtracted(&json!({"Env": null}), &json!({"Env": null})),
            json!({})
        );
    }

    /// One row each: container's pair, image's pair, what must be sent.
    #[test]
    fn command_and_entrypoint_are_a_pair() {
        let cases = [
            // Nothing set by the person.
            (
                json!({"Cmd": ["c"], "Entrypoint": ["e"]}),
                json!({"Cmd": ["c"], "Entrypoint": ["e"]}),
                json!({}),
            ),
            (
                json!({"Cmd": ["c"], "Entrypoint": null}),
                json!({"Cmd": ["c"]}),
                json!({}),
            ),
            // A command of their own, the image's entrypoint.
            (
                json!({"Cmd": ["x"], "Entrypoint": ["e"]}),
                json!({"Cmd": ["c"], "Entrypoint": ["e"]}),
                json!({"Cmd": ["x"]}),
            ),
            // An entrypoint of their own keeps the command, even if it's the image's.
            (
                json!({"Cmd": ["c"], "Entrypoint": ["x"]}),
                json!({"Cmd": ["c"], "Entrypoint": ["e"]}),
                json!({"Entrypoint": ["x"], "Cmd": ["c"]}),
            ),
            (
                json!({"Cmd": null, "Entrypoint": ["x"]}),
                json!({"Cmd": ["c"], "Entrypoint": ["e"]}),
                json!({"Entrypoint": ["x"]}),
            ),
            // The image's own entrypoint, repeated to switch its command off.
            (
                json!({"Cmd": null, "Entrypoint": ["e"]}),
                json!({"Cmd": ["c"], "Entrypoint": ["e"]}),
                json!({"Entrypoint": ["e"]}),
            ),
            // The entrypoint switched off.
            (
                json!({"Cmd": ["c"], "Entrypoint": null}),
                json!({"Cmd": ["c"], "Entrypoint": ["e"]}),
                json!({"Entrypoint": [""], "Cmd": ["c"]}),
            ),
        ];
        for (config, image, expected) in cases {
            assert_eq!(
                subtracted(&config, &image),
                expected,
                "{config} over {image}"
            );
        }
    }

    /// A label of the old image would misreport the version; ours would confuse recovery.
    #[test]
    fn labels_by_key_and_value_without_our_own() {
        let config = json!({"Labels": {
            "version": "1", "owner": "me", "local.caisson.update": "u1"
        }});
        let image = json!({"Labels": {"version": "1", "owner": "them"}});
        assert_eq!(
            subtracted(&config, &image),
            json!({"Labels": {"owner": "me"}})
        );
        assert_eq!(subtracted(&json!({"Labels": null}), &json!({})), json!({}));
    }

    /// The old image's test would be run against the new service.
    #[test]
    fn health_check_field_by_field() {
        let image = json!({"Healthcheck": {"Test": ["CMD", "old"], "Interval": 5}});
        let same = json!({"Healthcheck": {"Test": ["CMD", "old"], "Interval": 5, "Retries": 0}});
        assert_eq!(subtracted(&same, &image), json!({}));
        let slower = json!({"Healthcheck": {"Test": ["CMD", "old"], "Interval": 9}});
        assert_eq!(
            subtracted(&slower, &image),
            json!({"Healthcheck": {"Interval": 9}})
        );
        let off = json!({"Healthcheck": {"Test": ["NONE"]}});
        assert_eq!(subtracted(&off, &image), off);
    }

    /// Ports and volumes of the old image would outlive it.
    #[test]
    fn sets_by_member() {
        let config =
            json!({"ExposedPorts": {"80/tcp": {}, "99/udp": {}}, "Volumes": {"/data": {}}});
        let image = json!({"ExposedPorts": {"80/tcp": {}}, "Volumes": {"/data": {}}});
        assert_eq!(
            subtracted(&config, &image),
            json!({"ExposedPorts": {"99/udp": {}}})
        );
    }

    /// Single values: the person's stays, the image's goes, nothing blank is sent.
    #[test]
    fn single_values() {
        let config = json!({
            "User": "app", "WorkingDir": "/srv/", "StopSignal": "SIGINT", "Tty": false,
            "OpenStdin": true, "StopTimeout": 0, "Image": "x:1", "AttachStdout": true,
            "Domainname": "", "SomethingNew": {"a": 1}
        });
        let image = json!({"User": "app", "WorkingDir": "/srv", "StopSignal": "SIGQUIT"});
        let expected = json!({
            "StopSignal": "SIGINT", "OpenStdin": true, "StopTimeout": 0, "SomethingNew": {"a": 1}
        });
        assert_eq!(subtracted(&config, &image), expected);
        assert_eq!(
            subtracted(&json!({"WorkingDir": "/"}), &json!({"WorkingDir": ""})),
            json!({})
        );
    }
}
