//! An inspection as Docker Engine 20.10 answers it, for the tests of this folder: one
//! container with about everything a person can set.

use serde_json::{Value, json};

use crate::engine::{Container, ImageInfo, RestartPolicy};

pub(super) const ID: &str = "4c01db0b339c4a4f1c2f2a3b4c5d6e7f8091a2b3c4d5e6f708192a3b4c5d6e7f";

/// The old image's defaults.
pub(super) fn old_image() -> ImageInfo {
    image(json!({
        "Env": ["PATH=/usr/bin:/bin", "VERSION=1", "COLOUR=blue"],
        "Cmd": ["serve"], "Entrypoint": ["/app"], "User": "app", "WorkingDir": "/srv",
        "Labels": {"version": "1"}, "ExposedPorts": {"8080/tcp": {}}, "Volumes": {"/data": {}},
        "Healthcheck": {"Test": ["CMD", "/app", "health"], "Interval": 1_000_000_000},
        "StopSignal": "SIGTERM", "OnBuild": null
    }))
}

/// The new image's defaults; only used to see that there is a command.
pub(super) fn new_image() -> ImageInfo {
    image(json!({ "Env": ["PATH=/usr/bin:/bin", "VERSION=2"], "Cmd": ["serve", "--new"] }))
}

pub(super) fn image(config: Value) -> ImageInfo {
    ImageInfo {
        id: format!("sha256:{}", "a".repeat(64)),
        tags: vec!["example/web:1".to_owned()],
        diff_ids: vec![format!("sha256:{}", "b".repeat(64))],
        platform: "linux/amd64".to_owned(),
        config,
        size: 1024,
    }
}

/// The typed part of an inspection, read as the engine client reads it.
pub(super) fn container(raw: &Value) -> Container {
    let text = |pointer: &str| {
        raw.pointer(pointer)
            .and_then(Value::as_str)
            .unwrap_or("")
            .to_owned()
    };
    Container {
        id: text("/Id"),
        name: text("/Name").trim_start_matches('/').to_owned(),
        image_id: text("/Image"),
        running: true,
        restarting: false,
        paused: false,
        status: "running".to_owned(),
        exit_code: 0,
        oom_killed: false,
        error: String::new(),
        started_at: String::new(),
        restart_count: 0,
        health: None,
        health_log: None,
        restart_policy: RestartPolicy {
            name: text("/HostConfig/RestartPolicy/Name"),
            maximum_retry_count: 0,
        },
        auto_remove: raw.pointer("/HostConfig/AutoRemove") == Some(&Value::Bool(true)),
        labels: std::collections::BTreeMap::new(),
        stop_timeout_secs: raw.pointer("/Config/StopTimeout").and_then(Value::as_u64),
        raw: raw.clone(),
    }
}

/// `GET /v1.41/containers/web/json`.
pub(super) fn inspection() -> Value {
    serde_json::from_str(include_str!("fixture-docker-20.10.json")).expect("the fixture is JSON")
}
