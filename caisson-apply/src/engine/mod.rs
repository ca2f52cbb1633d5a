//! What the update asks of a container engine: the trait [`Engine`] and the few
//! fields of its answers that we read.
//!
//! The trait has only the calls that we make. [`docker::DockerEngine`] speaks them
//! over a Unix socket; tests put a counting double in front of it. Everything
//! that is not typed here is carried as JSON, so that a setting we have never
//! heard of still comes back as it was.
//!
//! Source: Docker Engine API v1.41 to v1.51, <https://docs.docker.com/reference/api/engine/>.

pub mod deadlines;
pub mod differences;
pub mod docker;
mod exchange;
pub mod facts;
mod load;
pub mod logs;
mod paths;
#[cfg(test)]
mod scripted;
pub mod socket;
pub mod types;
pub mod words;

use std::io::{self, Write};
use std::path::PathBuf;
use std::time::Duration;

use serde_json::Value;

/// Why a call to the engine did not do what was asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EngineError {
    /// The class of the failure; decides what the update may conclude.
    pub kind: EngineErrorKind,
    /// The call as the engine saw it, such as `POST /containers/web/start`.
    pub call: String,
    /// HTTP status, where there was an answer.
    pub status: Option<u16>,
    /// The engine's own words or the I/O error; escaped and at most 1 KiB.
    pub message: String,
}

/// Classes of failure that callers tell apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EngineErrorKind {
    /// No socket, refused, no permission: nothing was sent.
    Unreachable,
    /// The connection ended, timed out or made no sense after the request was
    /// (partly) sent: the effect may have happened, or may still happen.
    Unanswered,
    /// The engine answered with an error status, or with an error inside its answer.
    Refused,
    /// The answer is not what the API promises (not JSON, wrong types, over a limit).
    Malformed,
    /// The engine is too old for what an update needs.
    Unsupported,
    /// Our own side failed while a body was being sent (the package turned out
    /// damaged, for example). `call` names it; the cause stays with the sender.
    Body,
}

pub type EngineResult<T> = Result<T, EngineError>;

/// Where an engine keeps its images; decides what an image id is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StoreKind {
    /// Docker's own graph drivers: the id is the config digest.
    Classic,
    /// The containerd image store: the id is the manifest digest.
    Containerd,
    /// Podman: the id is the config digest.
    Podman,
}

/// Facts of `/_ping`, `/version` and `/info`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EngineInfo {
    /// `Docker Engine 20.10.24` or `Podman 5.4.2`.
    pub name: String,
    pub version: String,
    /// The API version we speak with it after negotiation, such as `1.41`.
    pub api_version: String,
    pub store: StoreKind,
    /// Storage driver name.
    pub driver: String,
    /// Normalized platform of the machine, such as `linux/amd64` or `linux/arm/v7`.
    pub platform: String,
    /// `DockerRootDir`: lock, `syncfs` and space checks happen here.
    pub data_root: PathBuf,
    pub live_restore: bool,
}

/// What `GET /images/{name}/json` says, as far as we read it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImageInfo {
    /// `sha256:...`, as the engine names it.
    pub id: String,
    pub tags: Vec<String>,
    /// `RootFS.Layers`; empty if the engine shows none.
    pub diff_ids: Vec<String>,
    /// Normalized platform.
    pub platform: String,
    /// The `Config` object (image defaults), or `Null`.
    pub config: Value,
    pub size: u64,
}

/// A row of `GET /containers/json?all=1`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ContainerRow {
    pub id: String,
    /// Without the leading slash; the first is the container's own name.
    pub names: Vec<String>,
    pub image_id: String,
    /// `running`, `exited`, `created`, `paused`, `restarting`, `dead`.
    pub state: String,
    pub labels: std::collections::BTreeMap<String, String>,
}

/// What `GET /containers/{id}/json` says: typed where we decide on it, whole as `raw`.
#[derive(Debug, Clone, PartialEq)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "these are the engine's own flags"
)]
pub struct Container {
    pub id: String,
    /// Without the leading slash.
    pub name: String,
    /// The id of its image.
    pub image_id: String,
    pub running: bool,
    pub restarting: bool,
    pub paused: bool,
    /// `created`, `running`, `exited`, ...
    pub status: String,
    pub exit_code: i64,
    pub oom_killed: bool,
    /// `State.Error`: why a start failed.
    pub error: String,
    pub started_at: String,
    pub restart_count: u64,
    /// `None` where there is no health check; else `starting`, `healthy`, `unhealthy`.
    pub health: Option<String>,
    /// Output of the newest health check run, if any.
    pub health_log: Option<String>,
    pub restart_policy: RestartPolicy,
    pub auto_remove: bool,
    pub labels: std::collections::BTreeMap<String, String>,
    /// Seconds the engine waits after the stop signal; `None` is the engine's default of 10.
    pub stop_timeout_secs: Option<u64>,
    /// The whole answer.
    pub raw: Value,
}

/// A restart policy as the engine spells it.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct RestartPolicy {
    /// `no`, `always`, `unless-stopped`, `on-failure`; the engine's empty name is read as `no`.
    pub name: String,
    pub maximum_retry_count: u64,
}

impl RestartPolicy {
    pub fn no() -> Self {
        Self {
            name: "no".to_owned(),
            maximum_retry_count: 0,
        }
    }

    pub fn always() -> Self {
        Self {
            name: "always".to_owned(),
            maximum_retry_count: 0,
        }
    }
}

/// Writes the body of `POST /images/load` into the given sink, piece by piece.
/// An error ends the request without its closing chunk, so the engine sees a cut body.
pub type LoadBody<'a> = &'a mut dyn FnMut(&mut dyn Write) -> io::Result<()>;

/// The calls we make. Every one has a deadline of its own; a load has none as
/// long as bytes move.
pub trait Engine {
    /// `GET /_ping`: is anybody there? Never negotiates.
    fn ping(&self) -> EngineResult<()>;
    /// `GET /version` and `GET /info`.
    fn info(&self) -> EngineResult<EngineInfo>;
    /// The socket this engine is reached at, for the journal and for people.
    fn address(&self) -> String;

    /// `GET /images/{name}/json`; `None` for 404.
    fn image(&self, name_or_id: &str) -> EngineResult<Option<ImageInfo>>;
    /// `GET /images/json`: id, tags and size only (other fields are empty).
    fn images(&self) -> EngineResult<Vec<ImageInfo>>;
    /// `POST /images/load`. Reads every document of the answer for errors; a
    /// plain 200 means nothing. Gives the stream's text lines.
    fn load_images(&self, body: LoadBody<'_>) -> EngineResult<Vec<String>>;
    /// `POST /images/{id}/tag`. `reference` is `repository:tag`.
    fn tag_image(&self, name_or_id: &str, reference: &str) -> EngineResult<()>;
    /// `DELETE /images/{reference}` without force; `false` for 404.
    fn untag_image(&self, reference: &str) -> EngineResult<bool>;

    /// `GET /containers/json?all=1`.
    fn containers(&self) -> EngineResult<Vec<ContainerRow>>;
    /// `GET /containers/{id}/json`; `None` for 404. Only exact names and full
    /// ids count: an engine's prefix match on another container is `None`.
    fn container(&self, name_or_id: &str) -> EngineResult<Option<Container>>;
    /// `POST /containers/create?name=`; gives the id.
    fn create_container(&self, name: &str, body: &Value) -> EngineResult<String>;
    /// `POST /containers/{id}/start`; 304 (runs already) is success.
    fn start_container(&self, id: &str) -> EngineResult<()>;
    /// `POST /containers/{id}/stop` with its own signal and grace; 304 is
    /// success. `grace` is the container's own stop timeout: the deadline is
    /// grace plus a margin.
    fn stop_container(&self, id: &str, grace: Duration) -> EngineResult<()>;
    /// `POST /containers/{id}/unpause`.
    fn unpause_container(&self, id: &str) -> EngineResult<()>;
    /// `POST /containers/{id}/rename?name=`.
    fn rename_container(&self, id: &str, name: &str) -> EngineResult<()>;
    /// `POST /containers/{id}/update` with a restart policy only.
    fn set_restart_policy(&self, id: &str, policy: &RestartPolicy) -> EngineResult<()>;
    /// `DELETE /containers/{id}?force=&v=`; `false` for 404. A removal already
    /// in progress (409) is awaited.
    fn remove_container(
        &self,
        id: &str,
        force: bool,
        anonymous_volumes: bool,
    ) -> EngineResult<bool>;
    /// `POST /networks/{network}/connect`.
    fn connect_network(&self, network: &str, id: &str, endpoint: &Value) -> EngineResult<()>;
    /// `GET /containers/{id}/logs`: the last lines of both streams, escaped later by who prints them.
    fn container_logs(&self, id: &str, lines: u32) -> EngineResult<Vec<String>>;
}
