//! How to tell that a new version works: `[services.probe]` of catalog version 2 and
//! `[services.health_check]` of version 1, in one set of settings.
//!
//! Only reads the settings; running probes is not done here.

use serde::{Deserialize, Serialize};

use super::reader::Section;
use super::{keys, url};
use crate::error::{Code, Error};

/// Longest time any setting may ask for: one day. More is a typing mistake, and an
/// update that waits longer can't be told from one that hangs.
const SECS_MAX: u64 = 86_400;

/// Most successes or restarts a setting may ask for.
const COUNT_MAX: u64 = 1000;

/// Longest text `body_contains` looks for, in bytes.
const BODY_TEXT_BYTES_MAX: usize = 1024;

/// What must hold for how long before a new version is committed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ProbeSettings {
    /// All of these must pass. `None`: `container_health` if the new image has a
    /// health check, else `running`.
    pub all_of: Option<Vec<ProbeKind>>,
    /// How long the candidate may take until the probes first pass `successes`
    /// times in a row. The stability window comes on top.
    pub start_timeout_secs: u64,
    /// Pause between two rounds.
    pub interval_secs: u64,
    /// Rounds in a row that must pass.
    pub successes: u64,
    /// How long the candidate must then stay up and passing.
    pub stable_secs: u64,
    /// Restarts of the candidate that are forgiven.
    pub restarts_allowed: u64,
    /// There if and only if `all_of` has [`ProbeKind::Http`].
    pub http: Option<HttpProbe>,
}

/// One way to look at a candidate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum ProbeKind {
    /// The container runs, was not restarted and not killed for memory.
    #[serde(rename = "running")]
    Running,
    /// The engine's own health check says healthy.
    #[serde(rename = "container_health")]
    ContainerHealth,
    /// An HTTP request is answered as wanted.
    #[serde(rename = "http")]
    Http,
}

impl ProbeKind {
    /// The frozen word of the catalog and of stored evidence.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::ContainerHealth => "container_health",
            Self::Http => "http",
        }
    }
}

/// `[services.probe.http]`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HttpProbe {
    /// `http://HOST[:PORT][/PATH]`, checked.
    pub url: String,
    pub method: HttpMethod,
    /// The one status that passes.
    pub status: u16,
    /// Text the answer's body must hold.
    pub body_contains: Option<String>,
    /// Connect, send and answer together.
    pub timeout_secs: u64,
}

/// Methods a probe may use: none that asks the service to change something.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum HttpMethod {
    #[serde(rename = "GET")]
    Get,
    #[serde(rename = "HEAD")]
    Head,
}

impl HttpMethod {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Get => "GET",
            Self::Head => "HEAD",
        }
    }
}

impl Default for ProbeSettings {
    fn default() -> Self {
        Self {
            all_of: None,
            start_timeout_secs: 60,
            interval_secs: 1,
            successes: 2,
            stable_secs: 10,
            restarts_allowed: 0,
            http: None,
        }
    }
}

/// `[services.probe]` of a version 2 service.
pub(super) fn read(service: &Section<'_>) -> Result<ProbeSettings, Error> {
    let plain = ProbeSettings::default();
    let Some(section) = service.section("probe", "[services.probe]")? else {
        return Ok(plain);
    };
    section.refuse_unknown(&keys::PROBE, 2)?;
    let all_of = all_of(&section)?;
    let http = section.section("http", "[services.probe.http]")?;
    let wants_http = all_of
        .as_ref()
        .is_some_and(|kinds| kinds.contains(&ProbeKind::Http));
    if wants_http && http.is_none() {
        return Err(section
            .error("`all_of` asks for the probe `http`, but nothing says where to ask")
            .wanted("a table [services.probe.http] with a `url`"));
    }
    if let (false, Some(http)) = (wants_http, &http) {
        return Err(http
            .error("[services.probe.http] is there, but `all_of` doesn't ask for it")
            .next("add \"http\" to `all_of` in [services.probe], or remove the table"));
    }
    Ok(ProbeSettings {
        all_of,
        start_timeout_secs: section.number(
            "start_timeout_secs",
            plain.start_timeout_secs,
            1..=SECS_MAX,
        )?,
        interval_secs: section.number("interval_secs", plain.interval_secs, 1..=SECS_MAX)?,
        successes: section.number("successes", plain.successes, 1..=COUNT_MAX)?,
        stable_secs: section.number("stable_secs", plain.stable_secs, 0..=SECS_MAX)?,
        restarts_allowed: section.number(
            "restarts_allowed",
            plain.restarts_allowed,
            0..=COUNT_MAX,
        )?,
        http: http.map(|http| read_http(&http)).transpose()?,
    })
}

fn all_of(section: &Section<'_>) -> Result<Option<Vec<ProbeKind>>, Error> {
    let Some(field) = section.field("all_of") else {
        return Ok(None);
    };
    let mut kinds = Vec::new();
    for word in field.texts()? {
        let kind = match word {
            "running" => ProbeKind::Running,
            "container_health" => ProbeKind::ContainerHealth,
            "http" => ProbeKind::Http,
            "tcp" | "exec" | "oneshot" => {
                return Err(field
                    .error(format!("the probe `{word}` is not supported yet"))
                    .wanted("`running`, `container_health` or `http`"));
            }
            _ => {
                return Err(field
                    .error(format!("unknown probe `{word}` in `all_of`"))
                    .wanted("`running`, `container_health` or `http`"));
            }
        };
        if kinds.contains(&kind) {
            return Err(field.error(format!("the probe `{word}` stands twice in `all_of`")));
        }
        kinds.push(kind);
    }
    if kinds.is_empty() {
        return Err(field
            .error("`all_of` is empty: every new version would be accepted unseen")
            .wanted("at least one of `running`, `container_health`, `http`"));
    }
    Ok(Some(kinds))
}

fn read_http(section: &Section<'_>) -> Result<HttpProbe, Error> {
    section.refuse_unknown(&keys::HTTP, 2)?;
    let (url, url_field) = section.required_text("url")?;
    if let Some(wanted) = url::problem(url) {
        return Err(url_field
            .error("`url` is not usable")
            .found(format!("`{url}`"))
            .wanted(wanted));
    }
    let method = match section.text("method")? {
        None | Some(("GET", _)) => HttpMethod::Get,
        Some(("HEAD", _)) => HttpMethod::Head,
        Some((other, field)) => {
            return Err(field
                .error("`method` is not usable")
                .found(format!("`{other}`"))
                .wanted("`GET` or `HEAD`"));
        }
    };
    let body_contains = match section.text("body_contains")? {
        None => None,
        Some((_, field)) if method == HttpMethod::Head => {
            return Err(field.error("`body_contains` can't be seen with `method = \"HEAD\"`"));
        }
        Some((text, field)) if text.is_empty() || text.len() > BODY_TEXT_BYTES_MAX => {
            return Err(field
                .error("`body_contains` is not usable")
                .found(format!("{} bytes", text.len()))
                .wanted(format!("1 to {BODY_TEXT_BYTES_MAX} bytes")));
        }
        Some((text, _)) => Some(text.to_owned()),
    };
    let status = section.number("status", 200, 100..=599)?;
    Ok(HttpProbe {
        url: url.to_owned(),
        method,
        status: u16::try_from(status).expect("the range above ends at 599"),
        body_contains,
        timeout_secs: section.number("timeout_secs", 5, 1..=300)?,
    })
}

/// `[services.health_check]` and `[services.rollback]` of a version 1 service.
///
/// `timeout_secs` is the start timeout and `poll_interval_secs` the interval. Without
/// `kind` the image decides, which is stricter than version 1's `running` where the
/// image has a health check. The stability window is ours in any case: without it a
/// crash loop passes.
pub(super) fn read_version_1(service: &Section<'_>) -> Result<ProbeSettings, Error> {
    if let Some(rollback) = service.section("rollback", "[services.rollback]")? {
        rollback.refuse_unknown(&keys::ROLLBACK, 1)?;
        if let Some(field) = rollback.field("automatic")
            && !field.truth()?
        {
            return Err(field
                .error("an update always rolls back by itself; `automatic = false` is not possible")
                .wanted("automatic = true"));
        }
    }
    let plain = ProbeSettings::default();
    let Some(section) = service.section("health_check", "[services.health_check]")? else {
        return Ok(plain);
    };
    section.refuse_unknown(&keys::HEALTH_CHECK, 1)?;
    let all_of = match section.text("kind")? {
        None => None,
        Some(("running", _)) => Some(vec![ProbeKind::Running]),
        Some(("container_health", _)) => Some(vec![ProbeKind::ContainerHealth]),
        Some((word @ ("http" | "tcp" | "exec" | "oneshot"), field)) => {
            let mut error = field
                .error(format!("the probe `{word}` needs catalog version 2"))
                .found("catalog_version = 1")
                .next("write `catalog_version = 2` and a table `[services.probe]`");
            error.code = Code::CatalogVersion;
            return Err(error);
        }
        Some((other, field)) => {
            return Err(field
                .error("unknown `kind` in [services.health_check]")
                .found(format!("`{other}`"))
                .wanted("`running` or `container_health`"));
        }
    };
    Ok(ProbeSettings {
        all_of,
        start_timeout_secs: section.number(
            "timeout_secs",
            plain.start_timeout_secs,
            1..=SECS_MAX,
        )?,
        interval_secs: section.number("poll_interval_secs", plain.interval_secs, 1..=SECS_MAX)?,
        ..plain
    })
}
