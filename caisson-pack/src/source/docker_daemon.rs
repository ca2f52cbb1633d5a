//! Images of a running engine, fetched as `docker save` does it: one request for
//! an archive, which waits in a temporary file without a name, since its list of
//! files comes last.
//!
//! Attacks answered here: an engine that sends without end (a limit), falls
//! silent (a time), or ends in the middle (the framing says so, and the archive is
//! cut); a name that means another route. What it sends is judged like any other
//! archive.
//!
//! Source: Docker Engine API v1.41 to v1.51, `GET /images/{name}/get`; its
//! `platform` came with v1.48.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use edgepkg::limits::DIFF_BYTES_TOTAL_MAX;
use engine_http::api_version::API_NEWEST;
use engine_http::socket::{SocketError, Wishes, choose};
use engine_http::{
    ApiVersion, Connection, HttpError, RequestBody, Response, ResponseHead, TimeLimit,
    request_head, target,
};

use super::docker_archive;
use super::spool::Spool;
use super::tar_index::TarIndex;
use super::{Opening, SourceImage, Which, platform_missing};
use crate::error::{Code, PackError, Result};

/// Who asks, for the engine's log.
const AGENT: &str = concat!("caisson-pack/", env!("CARGO_PKG_VERSION"));

/// How long a live engine takes at most to accept a connection, and to answer a ping.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
const PING_TIMEOUT: Duration = Duration::from_secs(10);

/// How long an engine may be silent: before the first byte it gathers the image.
const SILENCE_MAX: Duration = Duration::from_mins(10);

/// Greatest size of an answer that is no archive, in bytes.
const WORDS_BYTES_MAX: usize = 64 * 1024;

/// Bytes read from the engine at a time.
const BUFFER_BYTES: usize = 256 * 1024;

/// The first API version that gives the image of one platform.
const API_WITH_PLATFORM: ApiVersion = ApiVersion {
    major: 1,
    minor: 48,
};

/// Which engine `docker-daemon:` means: what the person and the environment say.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EngineWish {
    /// `--engine`: a path or `unix://` address.
    pub engine: Option<String>,
    /// `DOCKER_HOST`.
    pub docker_host: Option<String>,
    /// `XDG_RUNTIME_DIR`.
    pub runtime_dir: Option<PathBuf>,
}

impl EngineWish {
    /// A wish for the engine at this socket.
    pub fn at(socket: &Path) -> Self {
        Self {
            engine: Some(socket.display().to_string()),
            ..Self::default()
        }
    }
}

/// The image of this name or id for each of these platforms.
pub(super) fn open(
    name: &str,
    platforms: &[String],
    opening: &mut Opening,
) -> Result<Vec<SourceImage>> {
    let engine = Engine::reach(name, opening.engine)?;
    if engine.version < API_WITH_PLATFORM {
        let index = engine.save(None, opening)?;
        return read(&index, name, platforms);
    }
    let mut images = Vec::new();
    for platform in platforms {
        let index = engine.save(Some(platform), opening)?;
        let wanted = std::slice::from_ref(platform);
        images.extend(read(&index, name, wanted)?);
    }
    Ok(images)
}

/// The image in what the engine sent. Asked for a name without a tag, engines send
/// every tag of it; asked for an id, they may send no name at all.
fn read(index: &TarIndex, name: &str, platforms: &[String]) -> Result<Vec<SourceImage>> {
    let named = docker_archive::open(index, &Which::Named(name.to_owned()), platforms);
    match named {
        Err(error) if matches!(error.code, Code::ImageNotFound | Code::ReferenceInvalid) => {
            docker_archive::open(index, &Which::Only, platforms)
        }
        other => other,
    }
}

/// An engine that answered.
struct Engine<'a> {
    /// Names the source in messages.
    place: String,
    name: &'a str,
    socket: PathBuf,
    version: ApiVersion,
}

impl<'a> Engine<'a> {
    /// Finds the engine's socket and asks for its API version.
    fn reach(name: &'a str, wish: &EngineWish) -> Result<Self> {
        let chosen = choose(Wishes {
            engine: wish.engine.as_deref(),
            docker_host: wish.docker_host.as_deref(),
            runtime_dir: wish.runtime_dir.as_deref(),
        });
        let chosen = chosen.map_err(socket_error)?;
        let mut engine = Self {
            place: format!("docker-daemon:{name}, engine at {chosen}"),
            name,
            socket: chosen.path,
            version: API_NEWEST,
        };
        let limit = TimeLimit::within(PING_TIMEOUT);
        let (head, mut body) = engine.get("/_ping", limit, WORDS_BYTES_MAX as u64)?;
        if head.status != 200 {
            return Err(engine.refused(&head, &mut body));
        }
        let spoken = head.api_version.as_deref().and_then(ApiVersion::parse);
        let spoken = spoken.ok_or_else(|| {
            engine.failed("what answers is no container engine: it names no API version")
        })?;
        engine.version = spoken.min(API_NEWEST);
        Ok(engine)
    }

    /// Fetches the archive of the image, for one platform if the engine can choose.
    fn save(&self, platform: Option<&String>, opening: &mut Opening) -> Result<TarIndex> {
        let segments = target::image_segments(self.name).ok_or_else(|| {
            PackError::new(Code::ReferenceInvalid, "this is no name of an image")
                .at(&self.place)
                .found(self.name)
        })?;
        let mut path = format!("/v{}/images/{segments}/get", self.version);
        if let Some(platform) = platform {
            path.push_str("?platform=");
            path.push_str(&target::query_value(&platform_json(platform)));
        }
        let limit = TimeLimit::Idle(SILENCE_MAX);
        let (head, mut body) = self.get(&path, limit, DIFF_BYTES_TOTAL_MAX)?;
        match (head.status, platform) {
            (200, _) => {}
            (404, Some(platform)) => {
                let said = words(&mut body);
                return Err(self.not_found(platform, said, opening));
            }
            (404, None) => {
                return Err(self.no_image().found(words(&mut body)));
            }
            _ => return Err(self.refused(&head, &mut body)),
        }
        let mut spool = Spool::create(opening.scratch)?;
        opening.watch.begin("fetching", 0);
        let mut buffer = vec![0; BUFFER_BYTES];
        loop {
            let count = body
                .read(&mut buffer)
                .map_err(|error| self.unanswered(&error))?;
            if count == 0 {
                break;
            }
            spool.append(&buffer[..count], &self.place)?;
            opening.watch.advance(count as u64)?;
        }
        opening.watch.end();
        let archive = spool.finish();
        if archive.peek(1).is_ok_and(|first| first == b"{") {
            // It had said 200 before it met the error.
            let said = archive.peek(WORDS_BYTES_MAX).unwrap_or_default();
            return Err(self
                .failed("the container engine sends an error in the place of the image")
                .found(reason(&said)));
        }
        TarIndex::of(self.place.clone(), archive)
    }

    /// The engine says 404 both for a name and for a platform it does not have.
    fn not_found(&self, platform: &str, said: String, opening: &mut Opening) -> PackError {
        let segments = target::image_segments(self.name).unwrap_or_default();
        let path = format!("/v{}/images/{segments}/json", self.version);
        let is_there = self
            .get(&path, TimeLimit::within(PING_TIMEOUT), DIFF_BYTES_TOTAL_MAX)
            .is_ok_and(|(head, _)| head.status == 200);
        opening.watch.end();
        if is_there {
            platform_missing(&self.place, platform, &[]).found(said)
        } else {
            self.no_image().found(said)
        }
    }

    fn get(
        &self,
        target: &str,
        limit: TimeLimit,
        bytes_max: u64,
    ) -> Result<(ResponseHead, Response<Connection>)> {
        let unreachable = |error: std::io::Error| {
            let advice = match error.kind() {
                std::io::ErrorKind::PermissionDenied => {
                    "run as a user who may use the engine, or name another with --engine"
                }
                _ => Code::EngineUnreachable.advice(),
            };
            PackError::new(
                Code::EngineUnreachable,
                "the container engine can't be reached",
            )
            .at(&self.place)
            .found(error)
            .next(advice)
        };
        let mut connection =
            Connection::open(&self.socket, CONNECT_TIMEOUT, limit).map_err(unreachable)?;
        let head = request_head(AGENT, "GET", target, RequestBody::None);
        connection
            .write_all(&head)
            .map_err(|error| self.unanswered(&HttpError::Io(error)))?;
        Response::start(connection, bytes_max).map_err(|error| self.unanswered(&error))
    }

    fn refused(&self, head: &ResponseHead, body: &mut Response<Connection>) -> PackError {
        self.failed("the container engine refuses to give the image")
            .found(format!("status {}: {}", head.status, words(body)))
    }

    fn unanswered(&self, error: &HttpError) -> PackError {
        self.failed("the container engine's answer broke off or makes no sense")
            .found(error)
    }

    fn failed(&self, what: &str) -> PackError {
        PackError::new(Code::EngineFailed, what).at(&self.place)
    }

    fn no_image(&self) -> PackError {
        PackError::new(
            Code::ImageNotFound,
            "the container engine has no such image",
        )
        .at(&self.place)
        .next("build, pull or load the image first; `docker images` lists what is there")
    }
}

/// The engine's reason, as much of it as counts.
fn words(body: &mut Response<Connection>) -> String {
    let mut text = Vec::new();
    let mut piece = [0; 4096];
    while text.len() < WORDS_BYTES_MAX {
        match body.read(&mut piece) {
            Ok(0) | Err(_) => break,
            Ok(count) => text.extend_from_slice(&piece[..count]),
        }
    }
    reason(&text)
}

/// The `message` of the engine's JSON, else its words as they are.
fn reason(text: &[u8]) -> String {
    let answer: serde_json::Value = serde_json::from_slice(text).unwrap_or_default();
    match answer["message"].as_str() {
        Some(message) => message.to_owned(),
        None => String::from_utf8_lossy(text).trim().to_owned(),
    }
}

fn socket_error(error: SocketError) -> PackError {
    match error {
        SocketError::Address {
            what,
            origin,
            found,
            wanted,
        } => PackError::new(Code::Usage, what)
            .at(origin)
            .found(found)
            .wanted(wanted)
            .next("name the engine's socket, such as --engine /var/run/docker.sock"),
        SocketError::NoneFound { places } => {
            let places: Vec<_> = places
                .iter()
                .map(|path| path.display().to_string())
                .collect();
            PackError::new(Code::EngineUnreachable, "no container engine was found")
                .found(format!("no socket at {}", places.join(", ")))
        }
    }
}

/// The platform as the API wants it: the OCI platform object.
fn platform_json(platform: &str) -> String {
    let mut parts = platform.split('/');
    let mut object = serde_json::Map::new();
    for key in ["os", "architecture", "variant"] {
        if let Some(part) = parts.next() {
            object.insert(key.to_owned(), part.into());
        }
    }
    serde_json::Value::Object(object).to_string()
}
