//! [`DockerEngine`]: the calls of [`Engine`] as requests of the Docker Engine API,
//! to whichever engine listens on the socket (Docker or Podman).
//!
//! Here stand paths, statuses, deadlines and limits. Framing is `http`'s, time is
//! `connection`'s, fields are `types`', and what differs between engines is
//! `differences`'. Nothing is retried: an unanswered call may have worked, and
//! only the update knows how to find out.
//!
//! The engine is trusted with the machine, but may be broken, hung or replaced
//! by something else on that socket: every call ends by a deadline, every answer
//! has a limit, every text of it is escaped.

use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::time::Duration;

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::connection::{Connection, TimeLimit};
use super::differences::{self, ApiVersion};
use super::exchange::{self, Answer, Request};
use super::http::{self, HttpError, RequestBody};
use super::load::{self, LoadFailure};
use super::logs::{LogLines, STREAM_BYTES_MAX};
use super::types;
use super::words::{image_path, path_segment, query_value};
use super::{
    Container, ContainerRow, Engine, EngineError, EngineErrorKind, EngineInfo, EngineResult,
    ImageInfo, LoadBody, RestartPolicy,
};

/// One container, image or the facts of the engine.
pub const INSPECT_BYTES_MAX: u64 = 4 * 1024 * 1024;
/// All containers or all images: about 2 KiB each, so thousands fit.
pub const LIST_BYTES_MAX: u64 = 16 * 1024 * 1024;
/// Answers that carry an id or nothing.
const SMALL_BYTES_MAX: u64 = 256 * 1024;

/// A container that may take for ever to stop (stop timeout -1) is given a day.
pub const STOP_WITHOUT_LIMIT_SECS: u64 = 24 * 3600;

/// How long each kind of call may take, from connecting to its last byte.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Deadlines {
    /// A place in the listener's queue; a live engine gives one at once.
    pub connect: Duration,
    /// `/_ping`; whoever waits for an engine asks again.
    pub ping: Duration,
    /// Calls that only look. `/info` counts containers, `/images/json` walks the store.
    pub look: Duration,
    /// Calls that change something: a start mounts, and sets up networks.
    pub change: Duration,
    /// Removals delete files, slowly on a memory card.
    pub remove: Duration,
    /// Added to the container's own grace when it is stopped.
    pub stop_margin: Duration,
    /// A load has no deadline while bytes move; this is how long none may. The
    /// engine says nothing while it unpacks, gigabytes onto a card perhaps.
    pub load_idle: Duration,
}

impl Default for Deadlines {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(5),
            ping: Duration::from_secs(10),
            look: Duration::from_mins(1),
            change: Duration::from_mins(2),
            remove: Duration::from_mins(5),
            stop_margin: Duration::from_mins(1),
            load_idle: Duration::from_mins(30),
        }
    }
}

/// An engine behind a Unix socket.
#[derive(Debug)]
pub struct DockerEngine {
    socket: PathBuf,
    deadlines: Deadlines,
    negotiated: OnceLock<Negotiated>,
}

/// What `/_ping` told, once.
#[derive(Debug, Clone)]
struct Negotiated {
    version: ApiVersion,
    /// `/v1.41`.
    prefix: String,
    podman: bool,
}

impl DockerEngine {
    /// Connects to nothing yet.
    pub fn new(socket: impl Into<PathBuf>) -> Self {
        Self::with_deadlines(socket, Deadlines::default())
    }

    pub fn with_deadlines(socket: impl Into<PathBuf>, deadlines: Deadlines) -> Self {
        Self {
            socket: socket.into(),
            deadlines,
            negotiated: OnceLock::new(),
        }
    }

    pub fn socket(&self) -> &Path {
        &self.socket
    }

    /// The API version, asked for before the first call that needs one.
    fn negotiated(&self) -> EngineResult<&Negotiated> {
        if let Some(negotiated) = self.negotiated.get() {
            return Ok(negotiated);
        }
        let request = self.ping_request();
        let answer = self.exchange(&request, &[200])?;
        let version = differences::negotiated(answer.head.api_version.as_deref())
            .map_err(|why| request.error(EngineErrorKind::Malformed, &why))?;
        let negotiated = Negotiated {
            version,
            prefix: format!("/v{version}"),
            podman: answer.head.podman,
        };
        Ok(self.negotiated.get_or_init(|| negotiated))
    }

    fn ping_request(&self) -> Request<'static> {
        Request {
            method: "GET",
            version: "",
            path: "/_ping".to_owned(),
            json: None,
            deadline: self.deadlines.ping,
            answer_bytes_max: SMALL_BYTES_MAX,
        }
    }

    fn exchange(&self, request: &Request<'_>, expected: &[u16]) -> EngineResult<Answer> {
        exchange::exchange(&self.socket, self.deadlines.connect, request, expected)
    }

    /// A request that only looks.
    fn look(&self, path: String, answer_bytes_max: u64) -> EngineResult<Request<'_>> {
        let version = &self.negotiated()?.prefix;
        let deadline = self.deadlines.look;
        Ok(Request {
            method: "GET",
            version,
            path,
            json: None,
            deadline,
            answer_bytes_max,
        })
    }

    /// A request that changes something.
    fn change(&self, method: &'static str, path: String) -> EngineResult<Request<'_>> {
        Ok(Request {
            method,
            version: &self.negotiated()?.prefix,
            path,
            json: None,
            deadline: self.deadlines.change,
            answer_bytes_max: SMALL_BYTES_MAX,
        })
    }

    /// Sends a change of which only the status counts; its body is not awaited,
    /// since the effect has happened.
    fn change_container(&self, id: &str, action: &str, expected: &[u16]) -> EngineResult<()> {
        let path = container_path("POST", id, action)?;
        self.exchange(&self.change("POST", path)?, expected)
            .map(drop)
    }

    fn look_at<T: DeserializeOwned>(&self, path: String, bytes_max: u64) -> EngineResult<T> {
        let request = self.look(path, bytes_max)?;
        let mut answer = self.exchange(&request, &[200])?;
        read_json(&request, &mut answer)
    }

    /// As [`Self::look_at`], with `None` for 404.
    fn look_for<T: DeserializeOwned>(&self, path: String) -> EngineResult<Option<T>> {
        let request = self.look(path, INSPECT_BYTES_MAX)?;
        let mut answer = self.exchange(&request, &[200, 404])?;
        if answer.head.status == 404 {
            return Ok(None);
        }
        read_json(&request, &mut answer).map(Some)
    }

    fn delete_container(&self, id: &str, query: &str) -> EngineResult<bool> {
        let path = container_path("DELETE", id, query)?;
        let request = Request {
            deadline: self.deadlines.remove,
            ..self.change("DELETE", path)?
        };
        let answer = self.exchange(&request, &[200, 204, 404])?;
        Ok(answer.head.status != 404)
    }

    /// Waits until a removal that somebody else began is over. The engine
    /// answers with 200 at once and sends the body at the end.
    fn await_removal(&self, id: &str) -> EngineResult<()> {
        let path = container_path("POST", id, "/wait?condition=removed")?;
        let request = Request {
            deadline: self.deadlines.remove,
            ..self.change("POST", path)?
        };
        let mut answer = self.exchange(&request, &[200, 404])?;
        if answer.head.status == 404 {
            return Ok(());
        }
        let waited: types::Waited = read_json(&request, &mut answer)?;
        match waited.error {
            Some(error) if !error.message.is_empty() => {
                Err(request.error(EngineErrorKind::Refused, &error.message))
            }
            _ => Ok(()),
        }
    }
}

impl Engine for DockerEngine {
    fn ping(&self) -> EngineResult<()> {
        self.exchange(&self.ping_request(), &[200]).map(drop)
    }

    fn info(&self) -> EngineResult<EngineInfo> {
        let negotiated = self.negotiated()?;
        let version: types::Version = self.look_at("/version".to_owned(), INSPECT_BYTES_MAX)?;
        let info: types::Info = self.look_at("/info".to_owned(), INSPECT_BYTES_MAX)?;
        engine_info(negotiated, version, info)
            .map_err(|why| exchange::failure(EngineErrorKind::Malformed, "GET /info", &why))
    }

    fn address(&self) -> String {
        format!("unix://{}", self.socket.display())
    }

    fn image(&self, name_or_id: &str) -> EngineResult<Option<ImageInfo>> {
        let path = image_call("GET", name_or_id, "/json")?;
        Ok(self.look_for::<types::Image>(path)?.map(image_info))
    }

    fn images(&self) -> EngineResult<Vec<ImageInfo>> {
        let rows: Vec<types::ImageRow> = self.look_at("/images/json".to_owned(), LIST_BYTES_MAX)?;
        Ok(rows.into_iter().map(image_row).collect())
    }

    fn load_images(&self, body: LoadBody<'_>) -> EngineResult<Vec<String>> {
        const PATH: &str = "/images/load?quiet=1";
        const CALL: &str = "POST /images/load";
        let target = format!("{}{PATH}", self.negotiated()?.prefix);
        let idle = self.deadlines.load_idle;
        let connection =
            Connection::open(&self.socket, self.deadlines.connect, TimeLimit::Idle(idle))
                .map_err(|error| exchange::unreachable(CALL, &error))?;
        let head = http::request_head("POST", &target, RequestBody::ChunkedTar);
        load::load(connection, &head, body, idle).map_err(|failure| {
            let LoadFailure {
                kind,
                status,
                message,
            } = failure;
            EngineError {
                status,
                ..exchange::failure(kind, CALL, &message)
            }
        })
    }

    fn tag_image(&self, name_or_id: &str, reference: &str) -> EngineResult<()> {
        let refuse = |why| refused_by_us(&format!("POST /images/{name_or_id}/tag"), reference, why);
        let (repository, tag) =
            split_reference(reference).ok_or_else(|| refuse("not `repository:tag`"))?;
        let query = format!(
            "/tag?repo={}&tag={}",
            query_value(repository),
            query_value(tag)
        );
        let path = image_call("POST", name_or_id, &query)?;
        self.exchange(&self.change("POST", path)?, &[200, 201])
            .map(drop)
    }

    fn untag_image(&self, reference: &str) -> EngineResult<bool> {
        // An id in its place would delete the image with all its names.
        if split_reference(reference).is_none() {
            return Err(refused_by_us(
                "DELETE /images",
                reference,
                "not `repository:tag`",
            ));
        }
        let path = image_call("DELETE", reference, "")?;
        let request = Request {
            deadline: self.deadlines.remove,
            ..self.change("DELETE", path)?
        };
        let answer = self.exchange(&request, &[200, 404])?;
        Ok(answer.head.status != 404)
    }

    fn containers(&self) -> EngineResult<Vec<ContainerRow>> {
        let path = "/containers/json?all=1".to_owned();
        let rows: Vec<types::ContainerRow> = self.look_at(path, LIST_BYTES_MAX)?;
        Ok(rows
            .into_iter()
            .map(|row| ContainerRow {
                id: row.id,
                names: differences::own_name_first(&row.names),
                image_id: differences::image_id(&row.image_id),
                state: row.state,
                labels: row.labels,
            })
            .collect())
    }

    fn container(&self, name_or_id: &str) -> EngineResult<Option<Container>> {
        let path = container_path("GET", name_or_id, "/json")?;
        let call = format!("GET {path}");
        let Some(raw) = self.look_for::<Value>(path)? else {
            return Ok(None);
        };
        let typed = types::Container::deserialize(&raw).map_err(|error| {
            exchange::failure(EngineErrorKind::Malformed, &call, &error.to_string())
        })?;
        let container = container(typed, raw);
        let asked_for =
            differences::is_the_one_asked_for(name_or_id, &container.id, &container.name);
        Ok(asked_for.then_some(container))
    }

    fn create_container(&self, name: &str, body: &Value) -> EngineResult<String> {
        let path = format!("/containers/create?name={}", query_value(name));
        let request = Request {
            json: Some(json_bytes(body)),
            ..self.change("POST", path)?
        };
        let mut answer = self.exchange(&request, &[201])?;
        let created: types::Created = read_json(&request, &mut answer)?;
        if created.id.is_empty() {
            return Err(request.error(
                EngineErrorKind::Malformed,
                "it created a container without an id",
            ));
        }
        Ok(created.id)
    }

    fn start_container(&self, id: &str) -> EngineResult<()> {
        self.change_container(id, "/start", &[200, 204, 304])
    }

    fn stop_container(&self, id: &str, grace: Duration) -> EngineResult<()> {
        let path = container_path("POST", id, "/stop")?;
        let deadline = grace.saturating_add(self.deadlines.stop_margin);
        let request = Request {
            deadline,
            ..self.change("POST", path)?
        };
        self.exchange(&request, &[200, 204, 304]).map(drop)
    }

    fn unpause_container(&self, id: &str) -> EngineResult<()> {
        self.change_container(id, "/unpause", &[200, 204])
    }

    fn rename_container(&self, id: &str, name: &str) -> EngineResult<()> {
        self.change_container(
            id,
            &format!("/rename?name={}", query_value(name)),
            &[200, 204],
        )
    }

    fn set_restart_policy(&self, id: &str, policy: &RestartPolicy) -> EngineResult<()> {
        let path = container_path("POST", id, "/update")?;
        let body = json!({ "RestartPolicy": {
            "Name": policy.name,
            "MaximumRetryCount": policy.maximum_retry_count,
        }});
        let request = Request {
            json: Some(json_bytes(&body)),
            ..self.change("POST", path)?
        };
        self.exchange(&request, &[200]).map(drop)
    }

    fn remove_container(
        &self,
        id: &str,
        force: bool,
        anonymous_volumes: bool,
    ) -> EngineResult<bool> {
        let query = format!("?force={force}&v={anonymous_volumes}");
        match self.delete_container(id, &query) {
            Err(error) if differences::is_removal_in_progress(&error) => {}
            outcome => return outcome,
        }
        self.await_removal(id)?;
        // Asked again, so that a removal that failed is seen and not believed.
        self.delete_container(id, &query).map(|_| true)
    }

    fn connect_network(&self, network: &str, id: &str, endpoint: &Value) -> EngineResult<()> {
        let segment = path_segment(network)
            .ok_or_else(|| refused_by_us("POST /networks", network, "not a network"))?;
        let path = format!("/networks/{segment}/connect");
        let body = json!({ "Container": id, "EndpointConfig": endpoint });
        let request = Request {
            json: Some(json_bytes(&body)),
            ..self.change("POST", path)?
        };
        self.exchange(&request, &[200, 204]).map(drop)
    }

    fn container_logs(&self, id: &str, lines: u32) -> EngineResult<Vec<String>> {
        let inspect = container_path("GET", id, "/json")?;
        let container: types::Container = self.look_at(inspect, INSPECT_BYTES_MAX)?;
        let path = container_path("GET", id, &format!("/logs?stdout=1&stderr=1&tail={lines}"))?;
        let request = self.look(path, STREAM_BYTES_MAX)?;
        let mut answer = self.exchange(&request, &[200])?;
        let content_type = answer.head.content_type.as_deref();
        let raw = differences::logs_are_raw(content_type, container.config.tty);
        let mut kept = LogLines::new(raw, lines);
        let mut piece = [0; 8 * 1024];
        loop {
            match answer.body.read(&mut piece) {
                // More than anybody wants to read: what there is, is shown.
                Ok(0) | Err(HttpError::TooLarge(_)) => return Ok(kept.finish()),
                Ok(count) => kept
                    .feed(&piece[..count])
                    .map_err(|why| request.error(EngineErrorKind::Malformed, &why))?,
                Err(error) => return Err(request.http_error(&error)),
            }
        }
    }
}

fn read_json<T: DeserializeOwned>(request: &Request<'_>, answer: &mut Answer) -> EngineResult<T> {
    let with_status = |mut error: EngineError| {
        error.status = Some(answer.head.status);
        error
    };
    let body = match answer.body.read_to_end() {
        Ok(body) => body,
        Err(error) => return Err(with_status(request.http_error(&error))),
    };
    serde_json::from_slice(&body).map_err(|error| {
        with_status(request.error(
            EngineErrorKind::Malformed,
            &format!("not the JSON expected: {error}"),
        ))
    })
}

fn json_bytes(value: &Value) -> Vec<u8> {
    value.to_string().into_bytes()
}

/// `/containers/{id}{rest}`.
fn container_path(method: &str, id: &str, rest: &str) -> EngineResult<String> {
    let segment = path_segment(id).ok_or_else(|| {
        refused_by_us(
            &format!("{method} /containers"),
            id,
            "not a container name or id",
        )
    })?;
    Ok(format!("/containers/{segment}{rest}"))
}

/// `/images/{name}{rest}`.
fn image_call(method: &str, name: &str, rest: &str) -> EngineResult<String> {
    let name = image_path(name).ok_or_else(|| {
        refused_by_us(
            &format!("{method} /images"),
            name,
            "not an image name or id",
        )
    })?;
    Ok(format!("/images/{name}{rest}"))
}

/// A name that must not be sent. Counts as refused: nothing can have happened.
fn refused_by_us(call: &str, name: &str, why: &str) -> EngineError {
    let message = format!("`{}` is {why}", name.escape_debug());
    exchange::failure(EngineErrorKind::Refused, call, &message)
}

/// `repository:tag`; a digest, an id or a missing tag is `None`.
fn split_reference(reference: &str) -> Option<(&str, &str)> {
    let (repository, tag) = reference.rsplit_once(':')?;
    let is_tag = !tag.is_empty() && !tag.contains('/');
    let is_repository =
        !repository.is_empty() && !repository.contains('@') && repository != "sha256";
    (is_tag && is_repository).then_some((repository, tag))
}

fn engine_info(
    negotiated: &Negotiated,
    version: types::Version,
    info: types::Info,
) -> Result<EngineInfo, String> {
    let podman = negotiated.podman
        || version
            .components
            .iter()
            .any(|component| component.name == "Podman Engine");
    let data_root = PathBuf::from(info.data_root);
    if !data_root.is_absolute() {
        return Err(format!(
            "DockerRootDir `{}` is not an absolute path",
            data_root.display()
        ));
    }
    let os = if version.os.is_empty() {
        &info.os_type
    } else {
        &version.os
    };
    let platform = differences::machine_platform(os, &version.architecture, &info.architecture);
    if platform.is_empty() {
        return Err("it names no architecture".to_owned());
    }
    let product = if podman { "Podman" } else { "Docker Engine" };
    let printable = |text: &str| super::words::printable(text, 100);
    Ok(EngineInfo {
        name: format!("{product} {}", printable(&version.version)),
        version: printable(&version.version),
        api_version: negotiated.version.to_string(),
        store: differences::store_kind(podman, &info.driver_status),
        driver: printable(&info.driver),
        platform,
        data_root,
        live_restore: info.live_restore,
    })
}

fn image_info(image: types::Image) -> ImageInfo {
    ImageInfo {
        id: differences::image_id(&image.id),
        tags: differences::real_tags(image.tags),
        diff_ids: image.root_fs.layers,
        platform: differences::platform(&image.os, &image.architecture, &image.variant),
        config: image.config,
        size: u64::try_from(image.size).unwrap_or(0),
    }
}

fn image_row(row: types::ImageRow) -> ImageInfo {
    ImageInfo {
        id: differences::image_id(&row.id),
        tags: differences::real_tags(row.tags),
        diff_ids: Vec::new(),
        platform: String::new(),
        config: Value::Null,
        size: u64::try_from(row.size).unwrap_or(0),
    }
}

fn container(typed: types::Container, raw: Value) -> Container {
    let types::Container {
        state,
        config,
        host_config,
        ..
    } = typed;
    let policy = host_config.restart_policy;
    let name = typed
        .name
        .strip_prefix('/')
        .unwrap_or(&typed.name)
        .to_owned();
    Container {
        id: typed.id,
        name,
        image_id: differences::image_id(&typed.image_id),
        running: state.running,
        restarting: state.restarting,
        paused: state.paused,
        status: state.status,
        exit_code: state.exit_code,
        oom_killed: state.oom_killed,
        error: state.error,
        started_at: state.started_at,
        restart_count: u64::try_from(typed.restart_count).unwrap_or(0),
        health: differences::health_status(state.health.status),
        health_log: state
            .health
            .log
            .into_iter()
            .next_back()
            .map(|run| run.output),
        restart_policy: RestartPolicy {
            name: if policy.name.is_empty() {
                "no".to_owned()
            } else {
                policy.name
            },
            maximum_retry_count: u64::try_from(policy.maximum_retry_count).unwrap_or(0),
        },
        auto_remove: host_config.auto_remove,
        labels: config.labels,
        stop_timeout_secs: config
            .stop_timeout
            .map(|secs| u64::try_from(secs).unwrap_or(STOP_WITHOUT_LIMIT_SECS)),
        raw,
    }
}

#[cfg(test)]
#[path = "docker_tests.rs"]
mod tests;
