//! The Docker Engine API on top of the machine: paths to calls, one file per
//! kind of object. Only what updaters, probes and tests ask for.
//!
//! Source: Docker Engine API v1.41; statuses and words as Docker 20.10 answers.

mod containers;
mod images;
mod inspect;
mod networks;
mod system;

use std::time::Duration;

use serde_json::{Value, json};

use super::http::Reply;
use super::images::SimStore;
use super::machine::Machine;
use super::refusal::Refusal;

pub(super) use images::load as load_images;

/// Which engine a store kind speaks like.
#[derive(Debug)]
pub(super) struct Profile {
    pub(super) version: &'static str,
    pub(super) api: (u32, u32),
    pub(super) api_min: (u32, u32),
}

pub(super) fn profile(store: SimStore) -> Profile {
    match store {
        SimStore::Classic => Profile {
            version: "20.10.24",
            api: (1, 41),
            api_min: (1, 12),
        },
        SimStore::Containerd => Profile {
            version: "28.5.2",
            api: (1, 51),
            api_min: (1, 24),
        },
    }
}

/// A request, taken apart.
#[derive(Debug)]
pub(super) struct Call {
    method: String,
    /// `None` in the path means the engine's newest.
    version: Option<(u32, u32)>,
    /// Decoded parts of the path after the version.
    path: Vec<String>,
    query: Vec<(String, String)>,
    pub(super) body: Vec<u8>,
    /// Of a stop that waits: when the grace ends.
    deadline: Option<Duration>,
}

/// What became of a call.
#[derive(Debug)]
pub(super) enum Outcome {
    Done(Reply),
    /// Ask again at this time.
    WaitUntil(Duration),
}

type Answered = Result<Reply, Refusal>;

impl Call {
    pub(super) fn new(method: &str, target: &str) -> Self {
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let mut path: Vec<String> = path
            .split('/')
            .filter(|part| !part.is_empty())
            .map(decode)
            .collect();
        let version = path.first().and_then(|first| parse_version(first));
        if version.is_some() {
            path.remove(0);
        }
        let query = query
            .split('&')
            .filter(|pair| !pair.is_empty())
            .map(|pair| pair.split_once('=').unwrap_or((pair, "")))
            .map(|(key, value)| {
                (
                    decode(&key.replace('+', " ")),
                    decode(&value.replace('+', " ")),
                )
            })
            .collect();
        Self {
            method: method.to_owned(),
            version,
            path,
            query,
            body: Vec::new(),
            deadline: None,
        }
    }

    pub(super) fn changes(&self) -> bool {
        !matches!(self.method.as_str(), "GET" | "HEAD")
    }

    pub(super) fn is_image_load(&self) -> bool {
        self.method == "POST" && self.path == ["images", "load"]
    }

    fn text(&self, key: &str) -> Option<&str> {
        let found = self.query.iter().find(|(name, _)| name == key);
        found.map(|(_, value)| value.as_str())
    }

    /// As Go reads flags in queries.
    fn flag(&self, key: &str) -> bool {
        !matches!(
            self.text(key).map(str::to_ascii_lowercase).as_deref(),
            None | Some("" | "0" | "no" | "false" | "none")
        )
    }

    fn json(&self) -> Result<Value, Refusal> {
        if self.body.is_empty() {
            return Ok(json!({}));
        }
        match serde_json::from_slice(&self.body) {
            Ok(value @ Value::Object(_)) => Ok(value),
            Ok(_) => Err(Refusal::bad_request(
                "json: cannot unmarshal the body into an object",
            )),
            Err(error) => Err(Refusal::bad_request(error.to_string())),
        }
    }
}

/// Answers one call, or says when to ask again.
pub(super) fn answer(machine: &mut Machine, call: &mut Call) -> Outcome {
    if let Err(reply) = check_version(machine, call) {
        return Outcome::Done(*reply);
    }
    let path = call.path.clone();
    let path: Vec<&str> = path.iter().map(String::as_str).collect();
    if let ("POST", ["containers", name, "stop"]) = (call.method.as_str(), &path[..]) {
        return match containers::stop(machine, call, name) {
            Ok(Some(time)) => Outcome::WaitUntil(time),
            Ok(None) => Outcome::Done(empty(204)),
            Err(refusal) => Outcome::Done(refused(&refusal)),
        };
    }
    let answered = route(machine, call, &path);
    Outcome::Done(answered.unwrap_or_else(|refusal| refused(&refusal)))
}

fn route(machine: &mut Machine, call: &Call, path: &[&str]) -> Answered {
    match (call.method.as_str(), path) {
        ("GET" | "HEAD", ["_ping"]) => Ok(system::ping()),
        ("GET", ["version"]) => Ok(system::version(machine)),
        ("GET", ["info"]) => Ok(system::info(machine)),
        ("GET", ["images", "json"]) => Ok(images::list(machine)),
        ("GET", ["images", name @ .., "json"]) => images::inspect(machine, &name.join("/")),
        ("POST", ["images", name @ .., "tag"]) => images::tag(machine, call, &name.join("/")),
        ("DELETE", ["images", name @ ..]) => images::delete(machine, call, &name.join("/")),
        ("GET", ["containers", "json"]) => containers::list(machine, call),
        ("POST", ["containers", "create"]) => containers::create(machine, call),
        ("GET", ["containers", name, "json"]) => containers::inspect(machine, name),
        ("GET", ["containers", name, "logs"]) => containers::logs(machine, call, name),
        ("POST", ["containers", name, "start"]) => containers::start(machine, name),
        ("POST", ["containers", name, "kill"]) => containers::kill(machine, call, name),
        ("POST", ["containers", name, "rename"]) => containers::rename(machine, call, name),
        ("POST", ["containers", name, "update"]) => containers::update(machine, call, name),
        ("POST", ["containers", name, "pause"]) => containers::pause(machine, name),
        ("POST", ["containers", name, "unpause"]) => containers::unpause(machine, name),
        ("DELETE", ["containers", name]) => containers::remove(machine, call, name),
        ("GET", ["networks"]) => Ok(networks::list(machine)),
        ("POST", ["networks", "create"]) => networks::create(machine, call),
        ("GET", ["networks", name]) => networks::inspect(machine, name),
        ("DELETE", ["networks", name]) => networks::remove(machine, name),
        ("POST", ["networks", name, "connect"]) => networks::connect(machine, call, name),
        ("GET", ["volumes"]) => Ok(networks::volumes(machine)),
        ("DELETE", ["volumes", name]) => networks::remove_volume(machine, name),
        _ => Err(Refusal::not_found("page not found")),
    }
}

fn check_version(machine: &Machine, call: &Call) -> Result<(), Box<Reply>> {
    let profile = profile(machine.model.images.kind);
    let Some((major, minor)) = call.version else {
        return Ok(());
    };
    let ((max_major, max_minor), (min_major, min_minor)) = (profile.api, profile.api_min);
    if (major, minor) > profile.api {
        return Err(Box::new(refused(&Refusal::bad_request(format!(
            "client version {major}.{minor} is too new. Maximum supported API version is \
             {max_major}.{max_minor}"
        )))));
    }
    if (major, minor) < profile.api_min {
        // Plain text: the engine takes such a client for too old to read JSON.
        let words = format!(
            "client version {major}.{minor} is too old. Minimum supported API version is \
             {min_major}.{min_minor}, please upgrade your client to a newer version\n"
        );
        return Err(Box::new(Reply {
            status: 400,
            content_type: "text/plain; charset=utf-8",
            body: words.into_bytes(),
            streamed: false,
        }));
    }
    Ok(())
}

fn json_reply(status: u16, value: &Value) -> Reply {
    let mut body = value.to_string().into_bytes();
    body.push(b'\n');
    Reply {
        status,
        content_type: "application/json",
        body,
        streamed: false,
    }
}

fn empty(status: u16) -> Reply {
    Reply {
        status,
        content_type: "application/json",
        body: Vec::new(),
        streamed: false,
    }
}

fn refused(refusal: &Refusal) -> Reply {
    json_reply(refusal.status, &json!({"message": refusal.message}))
}

/// `v1.41`.
fn parse_version(text: &str) -> Option<(u32, u32)> {
    let (major, minor) = text.strip_prefix('v')?.split_once('.')?;
    Some((major.parse().ok()?, minor.parse().ok()?))
}

/// Percent-decoding; what isn't an escape stays as it is.
fn decode(text: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = text.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        let escape = if *first == b'%' { after.get(..2) } else { None };
        let value = escape
            .and_then(|digits| std::str::from_utf8(digits).ok())
            .and_then(|digits| u8::from_str_radix(digits, 16).ok());
        bytes.push(value.unwrap_or(*first));
        rest = if value.is_some() { &after[2..] } else { after };
    }
    String::from_utf8_lossy(&bytes).into_owned()
}
