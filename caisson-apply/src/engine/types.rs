//! The engine's answers, as far as they are read. Whatever is not named here is
//! ignored, or carried as JSON beside it.
//!
//! Engines send `null` for empty lists and maps, and leave fields out by version
//! (Podman more than Docker), so every field may be missing or `null` and is
//! then empty. A field of another type is an error: better to stop than to read
//! `"false"` as nothing.

use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer};
use serde_json::Value;

/// Null counts as absent.
fn or_empty<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: Default + Deserialize<'de>,
{
    Option::<T>::deserialize(deserializer).map(Option::unwrap_or_default)
}

/// Declares answer structs whose every field may be missing or null.
macro_rules! answers {
    ($($(#[$doc:meta])* $name:ident { $($field:ident: $type:ty = $json:literal,)* })*) => {
        $($(#[$doc])*
        #[derive(Debug, Clone, Default, Deserialize)]
        #[serde(default)]
        pub struct $name {
            $(#[serde(rename = $json, deserialize_with = "or_empty")] pub $field: $type,)*
        })*
    };
}

answers! {
    /// Any refusal. Podman adds `cause` and `response`, which repeat it.
    ErrorAnswer { message: String = "message", }

    /// `GET /version`.
    Version {
        version: String = "Version",
        os: String = "Os",
        architecture: String = "Arch",
        components: Vec<Component> = "Components",
    }
    Component { name: String = "Name", }

    /// `GET /info`.
    Info {
        driver: String = "Driver",
        driver_status: Vec<Value> = "DriverStatus",
        architecture: String = "Architecture",
        os_type: String = "OSType",
        data_root: String = "DockerRootDir",
        live_restore: bool = "LiveRestoreEnabled",
    }

    /// `GET /images/{name}/json`.
    Image {
        id: String = "Id",
        tags: Vec<String> = "RepoTags",
        root_fs: RootFs = "RootFS",
        os: String = "Os",
        architecture: String = "Architecture",
        variant: String = "Variant",
        config: Value = "Config",
        size: i64 = "Size",
    }
    RootFs { layers: Vec<String> = "Layers", }

    /// A row of `GET /images/json`.
    ImageRow {
        id: String = "Id",
        tags: Vec<String> = "RepoTags",
        size: i64 = "Size",
    }

    /// A document of the answer to `POST /images/load`.
    LoadDocument {
        stream: String = "stream",
        error: String = "error",
        error_detail: Option<ErrorDetail> = "errorDetail",
    }
    ErrorDetail { message: String = "message", }

    /// A row of `GET /containers/json`.
    ContainerRow {
        id: String = "Id",
        names: Vec<String> = "Names",
        image_id: String = "ImageID",
        state: String = "State",
        labels: BTreeMap<String, String> = "Labels",
    }

    /// `GET /containers/{id}/json`.
    Container {
        id: String = "Id",
        name: String = "Name",
        image_id: String = "Image",
        restart_count: i64 = "RestartCount",
        state: State = "State",
        config: ContainerConfig = "Config",
        host_config: HostConfig = "HostConfig",
    }
    State {
        status: String = "Status",
        running: bool = "Running",
        restarting: bool = "Restarting",
        paused: bool = "Paused",
        oom_killed: bool = "OOMKilled",
        exit_code: i64 = "ExitCode",
        error: String = "Error",
        started_at: String = "StartedAt",
        health: Health = "Health",
    }
    Health {
        status: String = "Status",
        log: Vec<HealthRun> = "Log",
    }
    HealthRun { output: String = "Output", }
    ContainerConfig {
        labels: BTreeMap<String, String> = "Labels",
        stop_timeout: Option<i64> = "StopTimeout",
        tty: bool = "Tty",
    }
    HostConfig {
        restart_policy: RestartPolicy = "RestartPolicy",
        auto_remove: bool = "AutoRemove",
    }
    RestartPolicy {
        name: String = "Name",
        maximum_retry_count: i64 = "MaximumRetryCount",
    }

    /// `POST /containers/create`.
    Created { id: String = "Id", }

    /// `POST /containers/{id}/wait`.
    Waited { error: Option<ErrorAnswerUpper> = "Error", }
    ErrorAnswerUpper { message: String = "Message", }
}
