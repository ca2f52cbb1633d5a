//! [`DockerEngine`]: the calls of [`Engine`] as requests of the Docker Engine API,
//! to whichever engine listens on the socket (Docker or Podman).
//!
//! Here stand paths, statuses, deadlines and limits. Framing is `http`'s, time is
//! `connection`'s, fields are `types`', and what differs between engines is
//! `differences`'. Nothing is retried: an unanswered call may have worked, and
//! only the update knows how to find out. The file is over 400 lines because the
//! trait has many calls: one short method for each.
//!
//! The engine is trusted with the machine, but may be broken, hung or replaced
//! by something else on that socket: every call ends by a deadline, every answer
//! has a limit, every text of it is escaped.

use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::time::Duration;

use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::deadlines::Deadlines;
use super::differences::{self, ApiVersion};
use super::exchange::{self, Answer, Request, USER_AGENT};
use super::facts;
use super::load::{self, LoadFailure};
use super::logs::{LogLines, STREAM_BYTES_MAX};
use super::paths::{
    container_path, image_path, network_path, query_value, refused_by_us, split_reference,
};
use super::types;
use engine_http::{self as http, HttpError, RequestBody};
use engine_http::{Connection, TimeLimit};

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
            .map_err(|(kind, why)| request.error(kind, &why))?;
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
        facts::engine_info(negotiated.podman, negotiated.version, &version, info)
            .map_err(|why| malformed("GET /info", &why))
    }

    fn address(&self) -> String {
        format!("unix://{}", self.socket.display())
    }

    fn image(&self, name_or_id: &str) -> EngineResult<Option<ImageInfo>> {
        let path = image_path("GET", name_or_id, "/json")?;
        let call = format!("GET {path}");
        let image: Option<types::Image> = self.look_for(path)?;
        let image = image.map(facts::image_info).transpose();
        image.map_err(|why| malformed(&call, &why))
    }

    fn images(&self) -> EngineResult<Vec<ImageInfo>> {
        const PATH: &str = "/images/json";
        let rows: Vec<types::ImageRow> = self.look_at(PATH.to_owned(), LIST_BYTES_MAX)?;
        let images: Result<_, String> = rows.into_iter().map(facts::image_row).collect();
        images.map_err(|why| malformed("GET /images/json", &why))
    }

    fn load_images(&self, body: LoadBody<'_>) -> EngineResult<Vec<String>> {
        const PATH: &str = "/images/load?quiet=1";
        const CALL: &str = "POST /images/load";
        let target = format!("{}{PATH}", self.negotiated()?.prefix);
        let idle = self.deadlines.load_idle;
        let connection =
            Connection::open(&self.socket, self.deadlines.connect, TimeLimit::Idle(idle))
                .map_err(|error| exchange::unreachable(CALL, &error))?;
        let head = http::request_head(USER_AGENT, "POST", &target, RequestBody::ChunkedTar);
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
        let path = image_path("POST", name_or_id, &query)?;
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
        let path = image_path("DELETE", reference, "")?;
        let request = Request {
            deadline: self.deadlines.remove,
            ..self.change("DELETE", path)?
        };
        let answer = self.exchange(&request, &[200, 404])?;
        Ok(answer.head.status != 404)
    }

    fn containers(&self) -> EngineResult<Vec<ContainerRow>> {
        const PATH: &str = "/containers/json?all=1";
        let rows: Vec<types::ContainerRow> = self.look_at(PATH.to_owned(), LIST_BYTES_MAX)?;
        let rows: Result<_, String> = rows.into_iter().map(facts::container_row).collect();
        rows.map_err(|why| malformed("GET /containers/json", &why))
    }

    fn container(&self, name_or_id: &str) -> EngineResult<Option<Container>> {
        let path = container_path("GET", name_or_id, "/json")?;
        let call = format!("GET {path}");
        let Some(raw) = self.look_for::<Value>(path)? else {
            return Ok(None);
        };
        let container = facts::container(raw).map_err(|why| malformed(&call, &why))?;
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
        // Docker refuses a count beside any other policy, even one it gave itself.
        let count = if policy.name == "on-failure" {
            policy.maximum_retry_count
        } else {
            0
        };
        let body = json!({ "RestartPolicy": { "Name": policy.name, "MaximumRetryCount": count }});
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
        let path = network_path("POST", network, "/connect")?;
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

fn malformed(call: &str, why: &str) -> EngineError {
    exchange::failure(EngineErrorKind::Malformed, call, why)
}

fn json_bytes(value: &Value) -> Vec<u8> {
    value.to_string().into_bytes()
}

#[cfg(test)]
#[path = "docker_tests/mod.rs"]
mod tests;
