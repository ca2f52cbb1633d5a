//! Everything in which engines differ, one function per difference, each with
//! where it was seen.
//!
//! "Measured" means: on Docker 20.10, 26.1 and 28.5 with both image stores where
//! they exist, and on Podman 4.3, 5.4 and 5.8. What is the same everywhere does
//! not belong here; what nobody could observe does not either.

pub use engine_http::api_version::{API_NEWEST, ApiVersion};
use serde_json::Value;

use super::types::LoadDocument;
use super::{EngineError, EngineErrorKind, StoreKind};

/// The oldest API version accepted: Docker 19.03. Older engines neither tell the
/// image's variant nor the platform of a container reliably.
pub const API_OLDEST: ApiVersion = ApiVersion {
    major: 1,
    minor: 40,
};

/// The version to speak with an engine whose `/_ping` says `theirs`; the error
/// is for people.
///
/// Never their newest as such: fields change their meaning between versions.
/// Docker refuses a version above its own and, since 25, below 1.24 (since 29,
/// below 1.44); Podman accepts every number, so its word is taken too.
pub fn negotiated(theirs: Option<&str>) -> Result<ApiVersion, (EngineErrorKind, String)> {
    let malformed = |why: String| (EngineErrorKind::Malformed, why);
    let theirs = theirs
        .ok_or_else(|| malformed("it does not say which API version it speaks".to_owned()))?;
    let version = ApiVersion::parse(theirs).ok_or_else(|| {
        malformed(format!(
            "`{}` is not an API version",
            theirs.escape_default()
        ))
    })?;
    if version < API_OLDEST {
        let why = format!("it speaks API {version}; {API_OLDEST} or newer is needed");
        return Err((EngineErrorKind::Unsupported, why));
    }
    Ok(version.min(API_NEWEST))
}

/// Which store an engine has, from `DriverStatus` of `/info`.
///
/// The containerd store names its snapshotter there (Docker 26 and 28, measured;
/// Docker 29 makes it the default of new installations). No other field tells.
pub fn store_kind(podman: bool, driver_status: &[Value]) -> StoreKind {
    let names_snapshotter = |row: &Value| {
        row.as_array().is_some_and(|cells| {
            cells
                .iter()
                .any(|cell| cell.as_str() == Some("io.containerd.snapshotter.v1"))
        })
    };
    if podman {
        StoreKind::Podman
    } else if driver_status.iter().any(names_snapshotter) {
        StoreKind::Containerd
    } else {
        StoreKind::Classic
    }
}

/// `os/architecture[/variant]` as the OCI image specification normalizes it:
/// `arm64/v8` is `arm64`, `arm` without variant is `arm/v7`. Empty if the
/// engine shows no architecture (Docker 28, containerd store, a broken image).
pub fn platform(os: &str, architecture: &str, variant: &str) -> String {
    if architecture.is_empty() {
        return String::new();
    }
    let os = if os.is_empty() {
        "linux".to_owned()
    } else {
        os.to_ascii_lowercase()
    };
    let architecture = architecture.to_ascii_lowercase();
    let variant = variant.to_ascii_lowercase();
    let (architecture, variant) = match (architecture.as_str(), variant.as_str()) {
        ("x86_64" | "x86-64" | "amd64", "v1") => ("amd64", ""),
        ("x86_64" | "x86-64", _) => ("amd64", variant.as_str()),
        ("i386" | "i686", _) => ("386", ""),
        ("aarch64" | "arm64", "8" | "v8") => ("arm64", ""),
        ("aarch64", _) => ("arm64", variant.as_str()),
        ("armhf", _) | ("arm", "" | "7") => ("arm", "v7"),
        ("armel", _) | ("arm", "6") => ("arm", "v6"),
        ("arm", "5") => ("arm", "v5"),
        ("arm", "8") => ("arm", "v8"),
        _ => (architecture.as_str(), variant.as_str()),
    };
    if variant.is_empty() {
        format!("{os}/{architecture}")
    } else {
        format!("{os}/{architecture}/{variant}")
    }
}

/// The platform whose images the engine runs.
///
/// `compiled_for` is `Arch` of `/version`, Go's name of what the engine was built
/// for; `machine` is `Architecture` of `/info`, the kernel's name on Docker
/// (`x86_64`, `armv7l`) and Go's again on Podman (measured). The former decides:
/// a 32-bit engine on a 64-bit kernel, usual on small boards, runs 32-bit
/// images. The latter only tells the variant of a 32-bit ARM, which containerd
/// also takes to be v7 on a 64-bit kernel.
pub fn machine_platform(os: &str, compiled_for: &str, machine: &str) -> String {
    let architecture = if compiled_for.is_empty() {
        machine
    } else {
        compiled_for
    };
    let kernel = machine.to_ascii_lowercase();
    let variant = |kernel: &str| match kernel {
        _ if kernel.starts_with("armv5") => "v5",
        _ if kernel.starts_with("armv6") => "v6",
        _ => "v7",
    };
    if architecture == "arm" || architecture.starts_with("armv") {
        return platform(os, "arm", variant(&kernel));
    }
    platform(os, architecture, "")
}

/// An image id with its algorithm. Podman leaves `sha256:` out in some answers.
pub fn image_id(text: &str) -> String {
    let bare = text.len() == 64 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    if bare {
        format!("sha256:{text}")
    } else {
        text.to_owned()
    }
}

/// Names of a row of `GET /containers/json` without their leading slash, the
/// container's own first. Docker lists the names that links give it
/// (`/other/alias`) among them, in no particular order.
pub fn own_name_first(names: &[String]) -> Vec<String> {
    let mut names: Vec<String> = names
        .iter()
        .map(|name| name.strip_prefix('/').unwrap_or(name).to_owned())
        .collect();
    names.sort_by_key(|name| name.contains('/'));
    names
}

/// Whether an answer is about the container that was asked for. Both engines
/// also answer for an unambiguous prefix of an id, so a service called `ab`
/// would be "found" in any container whose id starts so.
pub fn is_the_one_asked_for(asked: &str, id: &str, name: &str) -> bool {
    asked == id || asked.strip_prefix('/').unwrap_or(asked) == name
}

/// Tags without the placeholder of untagged images (Docker 20.10 to 24).
pub fn real_tags(tags: Vec<String>) -> Vec<String> {
    tags.into_iter()
        .filter(|tag| tag != "<none>:<none>")
        .collect()
}

/// A health status that says something. Docker shows no `Health` without a
/// health check, or `none`; Podman shows an empty status.
pub fn health_status(status: String) -> Option<String> {
    if status.is_empty() || status == "none" {
        None
    } else {
        Some(status)
    }
}

/// What a document of the answer to `POST /images/load` says went wrong.
///
/// All engines: `errorDetail` and `error` under status 200 (Docker) or a plain
/// error status (Podman). Docker 28 on the containerd store reports a layer that
/// can't be unpacked only as text, after "Loaded image" (measured); its image is
/// named and can't run.
pub fn load_failure(document: &LoadDocument) -> Option<String> {
    let detail = document
        .error_detail
        .as_ref()
        .map(|detail| detail.message.as_str());
    let found = [detail, Some(document.error.as_str())]
        .into_iter()
        .flatten()
        .find(|text| !text.is_empty())
        .or_else(|| {
            document
                .stream
                .contains("Error unpacking")
                .then_some(document.stream.as_str())
        });
    match (found, &document.error_detail) {
        (Some(text), _) => Some(text.trim().to_owned()),
        (None, Some(_)) => Some("an error without words".to_owned()),
        (None, None) => None,
    }
}

/// A create or rename was refused because the name is in use: 409 on Docker and
/// for a rename on Podman 4.3; 500 with "is already in use" for a create on every
/// Podman; 500 with its database's own words for a rename on Podman 5.8 (measured).
pub fn is_name_clash(error: &EngineError) -> bool {
    let says_so = error.message.contains("already in use")
        && !error.message.contains("address already in use");
    let database_says_so = error
        .message
        .contains("UNIQUE constraint failed: ContainerConfig.Name");
    error.kind == EngineErrorKind::Refused
        && matches!(error.status, Some(409 | 500))
        && (says_so || database_says_so)
}

/// A start was refused because a published port is still bound. Docker says so
/// the moment it is; Podman 5's own service may hold a port for some seconds
/// after a failed start (measured), so a retry is worth it.
pub fn is_port_taken(error: &EngineError) -> bool {
    error.kind == EngineErrorKind::Refused
        && ["port is already allocated", "address already in use"]
            .iter()
            .any(|words| error.message.contains(words))
}

/// The container is just being removed by somebody (Docker: 409).
pub fn is_removal_in_progress(error: &EngineError) -> bool {
    error.status == Some(409)
        && error.message.contains("removal of container")
        && error.message.contains("already in progress")
}

/// The engine has no `POST /containers/{id}/update`: Podman 4.3 answers 404
/// (measured), which must not be read as "no such container".
pub fn has_no_update_call(error: &EngineError) -> bool {
    error.status == Some(404)
        && !error
            .message
            .to_ascii_lowercase()
            .contains("no such container")
}

/// Whether `GET /containers/{id}/logs` sends plain bytes instead of frames: a
/// container with a terminal has one stream only. From API 1.42 on the content
/// type says so; before, only the container's own setting does.
pub fn logs_are_raw(content_type: Option<&str>, tty: bool) -> bool {
    match content_type {
        Some("application/vnd.docker.multiplexed-stream") => false,
        _ => tty,
    }
}

#[cfg(test)]
#[path = "differences_tests.rs"]
mod tests;
