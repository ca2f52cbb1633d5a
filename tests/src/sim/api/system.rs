//! `_ping`, `version`, `info`.

use serde_json::{Value, json};

use super::super::http::Reply;
use super::super::images::SimStore;
use super::super::machine::Machine;
use super::{json_reply, profile};
use crate::time::rfc3339_nanos;

pub(super) fn ping() -> Reply {
    Reply {
        status: 200,
        content_type: "text/plain; charset=utf-8",
        body: b"OK".to_vec(),
        streamed: false,
    }
}

/// As `uname -m` spells it, which `info` shows; `version` shows Go's spelling.
fn machine_architecture(machine: &Machine) -> &str {
    match (
        machine.facts.architecture.as_str(),
        machine.facts.variant.as_str(),
    ) {
        ("amd64", _) => "x86_64",
        ("arm64", _) => "aarch64",
        ("arm", "v6") => "armv6l",
        ("arm", _) => "armv7l",
        (other, _) => other,
    }
}

pub(super) fn version(machine: &Machine) -> Reply {
    let profile = profile(machine.model.images.kind);
    let api = format!("{}.{}", profile.api.0, profile.api.1);
    let api_min = format!("{}.{}", profile.api_min.0, profile.api_min.1);
    let details = json!({
        "ApiVersion": api,
        "Arch": machine.facts.architecture,
        "BuildTime": "2026-01-01T00:00:00.000000000+00:00",
        "Experimental": "false",
        "GitCommit": "simulated",
        "GoVersion": "none",
        "KernelVersion": "0.0.0-simulated",
        "MinAPIVersion": api_min,
        "Os": "linux",
    });
    json_reply(
        200,
        &json!({
            "Platform": {"Name": ""},
            "Components": [{"Name": "Engine", "Version": profile.version, "Details": details}],
            "Version": profile.version,
            "ApiVersion": api,
            "MinAPIVersion": api_min,
            "GitCommit": "simulated",
            "GoVersion": "none",
            "Os": "linux",
            "Arch": machine.facts.architecture,
            "KernelVersion": "0.0.0-simulated",
            "BuildTime": "2026-01-01T00:00:00.000000000+00:00",
        }),
    )
}

pub(super) fn info(machine: &Machine) -> Reply {
    let containers = &machine.model.containers;
    let count = |status: &[&str]| {
        containers
            .iter()
            .filter(|container| status.contains(&container.status()))
            .count()
    };
    let (driver, driver_status) = match machine.model.images.kind {
        SimStore::Classic => ("overlay2", classic_driver_status()),
        SimStore::Containerd => (
            "overlayfs",
            json!([["driver-type", "io.containerd.snapshotter.v1"]]),
        ),
    };
    json_reply(
        200,
        &json!({
            "ID": "SIMU:LATE:D000:0000:0000:0000:0000:0000:0000:0000:0000:0000",
            "Containers": containers.len(),
            "ContainersRunning": count(&["running", "restarting"]),
            "ContainersPaused": count(&["paused"]),
            "ContainersStopped": count(&["created", "exited"]),
            "Images": machine.model.images.images().count(),
            "Driver": driver,
            "DriverStatus": driver_status,
            "Plugins": {
                "Volume": ["local"],
                "Network": ["bridge", "host", "ipvlan", "macvlan", "null", "overlay"],
                "Authorization": null,
                "Log": ["json-file"],
            },
            "MemoryLimit": true,
            "SwapLimit": true,
            "OomKillDisable": true,
            "IPv4Forwarding": true,
            "Debug": false,
            "SystemTime": rfc3339_nanos(machine.clock.epoch() + machine.now()),
            "LoggingDriver": "json-file",
            "CgroupDriver": "cgroupfs",
            "CgroupVersion": "1",
            "KernelVersion": "0.0.0-simulated",
            "OperatingSystem": "Simulated engine of caisson-tests",
            "OSVersion": "",
            "OSType": "linux",
            "Architecture": machine_architecture(machine),
            "IndexServerAddress": "",
            "NCPU": 2,
            "MemTotal": 2_147_483_648_u64,
            "DockerRootDir": machine.facts.data_root,
            "HttpProxy": "",
            "HttpsProxy": "",
            "NoProxy": "",
            "Name": "simulated",
            "Labels": [],
            "ExperimentalBuild": false,
            "ServerVersion": profile(machine.model.images.kind).version,
            "Runtimes": {"runc": {"path": "runc"}},
            "DefaultRuntime": "runc",
            "Swarm": {"NodeID": "", "NodeAddr": "", "LocalNodeState": "inactive",
                "ControlAvailable": false, "Error": "", "RemoteManagers": null},
            "LiveRestoreEnabled": machine.facts.live_restore,
            "Isolation": "",
            "InitBinary": "docker-init",
            "SecurityOptions": ["name=seccomp,profile=default"],
            "Warnings": null,
        }),
    )
}

fn classic_driver_status() -> Value {
    json!([
        ["Backing Filesystem", "extfs"],
        ["Supports d_type", "true"],
        ["Native Overlay Diff", "true"],
        ["userxattr", "false"],
    ])
}
