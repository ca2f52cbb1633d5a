//! Each difference with the values that engines were seen to send.

use serde_json::json;

use super::*;

fn refusal(status: u16, message: &str) -> EngineError {
    EngineError {
        kind: EngineErrorKind::Refused,
        call: "POST /x".to_owned(),
        status: Some(status),
        message: message.to_owned(),
    }
}

/// `1.9` is older than `1.40`, whatever their text says.
#[test]
fn api_versions_are_numbers() {
    assert_eq!(negotiated(Some("1.40")).unwrap().to_string(), "1.40");
    assert_eq!(negotiated(Some("1.51")).unwrap(), API_NEWEST);
    assert_eq!(negotiated(Some("1.100")).unwrap(), API_NEWEST);
    for old in ["1.9", "1.39", "0.99"] {
        assert!(
            negotiated(Some(old))
                .unwrap_err()
                .1
                .contains("or newer is needed"),
            "{old}"
        );
    }
    for odd in [
        "",
        "1",
        "1.",
        ".41",
        "1.4x",
        "1.+4",
        "1.41.2",
        "v1.41",
        "1.99999999999",
        "1. 41",
    ] {
        assert!(
            negotiated(Some(odd))
                .unwrap_err()
                .1
                .contains("not an API version"),
            "{odd}"
        );
    }
}

/// Taking the containerd store for a classic one would look for the wrong image id.
#[test]
fn stores_are_told_apart() {
    let classic = [
        json!(["Backing Filesystem", "extfs"]),
        json!(["Supports d_type", "true"]),
    ];
    let containerd = [json!(["driver-type", "io.containerd.snapshotter.v1"])];
    assert_eq!(store_kind(false, &classic), StoreKind::Classic);
    assert_eq!(store_kind(false, &containerd), StoreKind::Containerd);
    assert_eq!(store_kind(true, &classic), StoreKind::Podman);
    for odd in [
        json!(null),
        json!("io.containerd.snapshotter.v1"),
        json!([7]),
        json!({}),
    ] {
        assert_eq!(store_kind(false, &[odd]), StoreKind::Classic);
    }
}

/// Two spellings of one platform must compare equal, two platforms never.
#[test]
fn platforms_are_normalized() {
    for (os, architecture, variant, expected) in [
        ("linux", "amd64", "", "linux/amd64"),
        ("Linux", "x86_64", "", "linux/amd64"),
        ("linux", "amd64", "v1", "linux/amd64"),
        ("linux", "amd64", "v3", "linux/amd64/v3"),
        ("linux", "arm64", "v8", "linux/arm64"),
        ("", "aarch64", "", "linux/arm64"),
        ("linux", "arm64", "v9", "linux/arm64/v9"),
        ("linux", "arm", "", "linux/arm/v7"),
        ("linux", "arm", "7", "linux/arm/v7"),
        ("linux", "arm", "v6", "linux/arm/v6"),
        ("linux", "armhf", "", "linux/arm/v7"),
        ("linux", "armel", "", "linux/arm/v6"),
        ("linux", "i386", "", "linux/386"),
        ("linux", "riscv64", "", "linux/riscv64"),
        ("linux", "", "", ""),
    ] {
        assert_eq!(platform(os, architecture, variant), expected);
    }
}

/// A 32-bit engine on a 64-bit kernel runs 32-bit images: the kernel's word would pick the wrong ones.
#[test]
fn the_machine_is_what_its_engine_was_built_for() {
    for (compiled_for, machine, expected) in [
        ("amd64", "x86_64", "linux/amd64"),
        ("amd64", "amd64", "linux/amd64"),
        ("arm64", "aarch64", "linux/arm64"),
        ("arm", "armv7l", "linux/arm/v7"),
        ("arm", "aarch64", "linux/arm/v7"),
        ("arm", "armv6l", "linux/arm/v6"),
        ("arm", "armv5tejl", "linux/arm/v5"),
        ("arm", "arm", "linux/arm/v7"),
        ("386", "x86_64", "linux/386"),
        ("", "x86_64", "linux/amd64"),
        ("", "armv7l", "linux/arm/v7"),
        ("", "", ""),
    ] {
        assert_eq!(
            machine_platform("linux", compiled_for, machine),
            expected,
            "{compiled_for} {machine}"
        );
    }
}

#[test]
fn ids_names_tags_and_health() {
    let hex = "ab".repeat(32);
    assert_eq!(image_id(&hex), format!("sha256:{hex}"));
    assert_eq!(image_id(&format!("sha256:{hex}")), format!("sha256:{hex}"));
    assert_eq!(image_id("short"), "short");
    let names = ["/b/alias", "/web", "/a/alias"].map(str::to_owned);
    assert_eq!(own_name_first(&names), ["web", "b/alias", "a/alias"]);
    let tags = ["<none>:<none>", "a:1"].map(str::to_owned).to_vec();
    assert_eq!(real_tags(tags), ["a:1"]);
    assert_eq!(health_status("none".to_owned()), None);
    assert_eq!(health_status(String::new()), None);
    assert_eq!(
        health_status("starting".to_owned()).as_deref(),
        Some("starting")
    );
}

/// A name that is in use and a port that is in use are cured differently, and Podman says 500 to both.
#[test]
fn refusals_are_told_apart() {
    let docker = "Conflict. The container name \"/web\" is already in use by container \"4f1c\".";
    let podman = "creating container storage: the container name \"web\" is already in use by 4f1c. \
                  You have to remove that container to be able to reuse that name: that name is already in use";
    assert!(is_name_clash(&refusal(409, docker)) && is_name_clash(&refusal(500, podman)));
    let podman_rename = "updating container config table with new configuration for container ca13: \
                         UNIQUE constraint failed: ContainerConfig.Name";
    assert!(is_name_clash(&refusal(500, podman_rename)));
    let docker_port = "driver failed: Bind for 0.0.0.0:80 failed: port is already allocated";
    let podman_port = "rootlessport listen tcp 0.0.0.0:80: bind: address already in use";
    for port in [docker_port, podman_port] {
        assert!(
            is_port_taken(&refusal(500, port)) && !is_name_clash(&refusal(500, port)),
            "{port}"
        );
    }
    assert!(!is_port_taken(&refusal(409, docker)));
    let unanswered = EngineError {
        kind: EngineErrorKind::Unanswered,
        ..refusal(500, docker_port)
    };
    assert!(!is_port_taken(&unanswered));

    assert!(is_removal_in_progress(&refusal(
        409,
        "removal of container 4f is already in progress"
    )));
    assert!(!is_removal_in_progress(&refusal(409, docker)));
    assert!(has_no_update_call(&refusal(404, "Not Found")));
    assert!(!has_no_update_call(&refusal(
        404,
        "No such container: 4f1c"
    )));
    assert!(!has_no_update_call(&refusal(
        404,
        "no container with name or ID \"x\" found: no such container"
    )));
}

#[test]
fn only_frames_are_taken_for_frames() {
    assert!(!logs_are_raw(
        Some("application/vnd.docker.multiplexed-stream"),
        true
    ));
    assert!(logs_are_raw(
        Some("application/vnd.docker.raw-stream"),
        true
    ));
    assert!(logs_are_raw(None, true) && !logs_are_raw(None, false));
    // Docker 20.10 sends frames under a type of its own making.
    assert!(!logs_are_raw(
        Some("application/vnd.docker.raw-stream"),
        false
    ));
}
