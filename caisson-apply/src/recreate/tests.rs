//! Whole inspections to whole create requests.

use serde_json::json;

use super::fixture::{container, image, inspection, new_image, old_image};
use super::*;

fn made(raw: &Value, api: &str) -> CandidateSpec {
    candidate(
        &container(raw),
        Some(&old_image()),
        &new_image(),
        api,
        false,
    )
    .expect("reproducible")
}

fn refused(raw: &Value) -> Error {
    candidate(
        &container(raw),
        Some(&old_image()),
        &new_image(),
        "1.41",
        false,
    )
    .expect_err("refused")
}

/// Anything here that comes out otherwise is a setting lost or an old default kept.
#[test]
fn a_container_of_docker_20_10() {
    let spec = made(&inspection(), "1.41");
    let host = spec.body["HostConfig"].clone();
    let mut body = spec.body.as_object().expect("an object").clone();
    body.shift_remove("HostConfig");
    assert_eq!(
        Value::Object(body),
        json!({
            "Env": ["SHOP=north", "COLOUR=red"],
            "Labels": {"owner": "shop"},
            "StopTimeout": 20,
            "NetworkingConfig": {"EndpointsConfig": {
                "front": {"IPAMConfig": {"IPv4Address": "10.5.0.9"}, "Aliases": ["shop"]}
            }}
        })
    );
    assert_eq!(spec.further_networks, vec![("back".to_owned(), json!({}))]);
    assert_eq!(spec.grace_secs, 20);
    assert_eq!(spec.configured_policy.name, "unless-stopped");

    let mut expected = inspection()["HostConfig"]
        .as_object()
        .expect("an object")
        .clone();
    expected.shift_remove("ContainerIDFile");
    expected["RestartPolicy"] = json!({"Name": "no", "MaximumRetryCount": 0});
    expected["Binds"] = json!(["shop-db:/db:z,nocopy", "/etc/shop:/config:ro"]);
    expected.insert(
        "Mounts".to_owned(),
        json!([{"Type": "volume", "Source": "6a1f0c", "Target": "/data",
            "VolumeOptions": {"NoCopy": true}}]),
    );
    assert_eq!(host, Value::Object(expected));
}

/// A second update of an updated container must send the same request again.
#[test]
fn recreating_twice_changes_nothing() {
    let first = made(&inspection(), "1.41");
    // What the engine would show of the candidate: the new image's defaults merged in.
    let mut raw = inspection();
    let image = image(json!({"Env": ["VERSION=2"], "Cmd": ["new"], "Labels": {"version": "2"}}));
    raw["HostConfig"] = first.body["HostConfig"].clone();
    raw["Config"] = json!({
        "Hostname": "4c01db0b339c", "Env": ["SHOP=north", "COLOUR=red", "VERSION=2"], "Cmd": ["new"],
        "Labels": {"owner": "shop", "version": "2", "local.caisson.update": "u8"}, "StopTimeout": 20
    });
    let second =
        candidate(&container(&raw), Some(&image), &new_image(), "1.41", false).expect("again");
    assert_eq!(second.body, first.body);
    assert_eq!(second.further_networks, first.further_networks);
}

/// All networks in one request where the engine takes them.
#[test]
fn newer_engines_get_all_networks_at_once() {
    let spec = made(&inspection(), "1.44");
    assert!(spec.further_networks.is_empty());
    let networks = spec.body["NetworkingConfig"]["EndpointsConfig"]
        .as_object()
        .expect("an object");
    assert_eq!(networks.keys().collect::<Vec<_>>(), ["front", "back"]);
}

/// The journal must give back what went in.
#[test]
fn a_spec_survives_the_journal() {
    let spec = made(&inspection(), "1.41");
    let json = serde_json::to_string(&spec).expect("writes");
    assert_eq!(
        serde_json::from_str::<CandidateSpec>(&json).expect("reads"),
        spec
    );
}

/// Without the old image its defaults can't be known: that is said, not guessed.
#[test]
fn a_missing_old_image_needs_a_word() {
    let old = container(&inspection());
    let error = candidate(&old, None, &new_image(), "1.41", false).expect_err("unknown defaults");
    assert_eq!(error.code, Code::OldImageUnknown);
    assert!(
        error
            .next
            .expect("a next step")
            .contains("--keep-old-defaults")
    );
    let spec = candidate(&old, None, &new_image(), "1.41", true).expect("allowed");
    assert!(
        spec.body["Env"]
            .as_array()
            .expect("an array")
            .contains(&json!("VERSION=1"))
    );
    assert!(spec.notes[0].contains("old image is gone"));
}

/// Every reason at once, so that the person doesn't meet them one by one.
#[test]
fn all_reasons_are_listed() {
    let mut raw = inspection();
    raw["HostConfig"]["AutoRemove"] = json!(true);
    raw["Config"]["Labels"]["com.docker.compose.project"] = json!("shop");
    raw["Config"]["Labels"]["io.portainer.accesscontrol.public"] = json!("");
    let error = refused(&raw);
    assert_eq!(error.code, Code::NotReproducible);
    let found = error.found.expect("reasons");
    for part in ["--rm", "compose", "Portainer"] {
        assert!(found.contains(part), "{part}: {found}");
    }
}

/// An image without a command would be found out only after the old one was stopped.
#[test]
fn nothing_to_run_is_refused() {
    let old = container(&inspection());
    let empty = image(json!({"Env": []}));
    let error = candidate(&old, Some(&old_image()), &empty, "1.41", false).expect_err("no command");
    assert!(error.found.expect("a reason").contains("which command"));
    let mut raw = inspection();
    raw["Config"]["Cmd"] = json!(["/own"]);
    candidate(&container(&raw), Some(&old_image()), &empty, "1.41", false)
        .expect("its own command");
}

/// An engine that leaves out or bends parts of its answer must not bring us down.
#[test]
fn odd_inspections_are_answered() {
    let old = container(&json!({"Id": "x", "Name": "/web"}));
    let error =
        candidate(&old, Some(&old_image()), &new_image(), "1.41", false).expect_err("no Config");
    assert_eq!(error.code, Code::EngineAnswer);
    let whole = inspection();
    for odd in [
        json!(null),
        json!(7),
        json!("x"),
        json!([1]),
        json!({"a": {"b": [null]}}),
        json!(true),
    ] {
        for part in ["Config", "HostConfig", "NetworkSettings", "Mounts"] {
            let members = whole[part]
                .as_object()
                .map(|members| members.keys().cloned().collect::<Vec<_>>());
            for key in members.unwrap_or_default() {
                let mut raw = whole.clone();
                raw[part][&key] = odd.clone();
                let _ = candidate(
                    &container(&raw),
                    Some(&old_image()),
                    &new_image(),
                    "1.41",
                    false,
                );
            }
            let mut raw = whole.clone();
            raw[part] = odd.clone();
            let _ = candidate(
                &container(&raw),
                Some(&old_image()),
                &new_image(),
                "1.41",
                false,
            );
        }
    }
}

/// Podman's own marks would be pinned into the new container, or refused by Podman.
#[test]
fn a_container_of_podman() {
    let mut raw = inspection();
    raw["Config"]["Env"] = json!([
        "container=podman",
        "HOME=/root",
        "TERM=xterm",
        "HOSTNAME=4c01db0b339c",
        "SHOP=north",
        "PATH=/usr/bin:/bin",
        "VERSION=1",
        "COLOUR=blue"
    ]);
    raw["HostConfig"]["MemorySwappiness"] = json!(0);
    raw["HostConfig"]["Runtime"] = json!("oci");
    raw["HostConfig"]["NetworkMode"] = json!("bridge");
    raw["HostConfig"]["Ulimits"] = json!([{"Name": "RLIMIT_NOFILE", "Hard": 9, "Soft": 9}]);
    let spec = made(&raw, "1.41");
    assert_eq!(spec.body["Env"], json!(["SHOP=north"]));
    let host = spec.body["HostConfig"].as_object().expect("an object");
    assert!(!host.contains_key("MemorySwappiness") && !host.contains_key("Runtime"));
    assert_eq!(host["NetworkMode"], "back");
    assert_eq!(host["Ulimits"][0]["Name"], "nofile");
    assert_eq!(
        host["Binds"],
        json!(["shop-db:/db:z", "/etc/shop:/config:ro"])
    );
}
