//! Request paths out of names. Names come from the catalog, the package or the
//! engine; whatever they contain, they reach the route that was meant or none.

pub(super) use engine_http::target::query_value;
use engine_http::target::{image_segments, path_segment};

use super::exchange::failure;
use super::{EngineError, EngineErrorKind, EngineResult};

/// `/containers/{id}{rest}`.
pub(super) fn container_path(method: &str, id: &str, rest: &str) -> EngineResult<String> {
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
pub(super) fn image_path(method: &str, name: &str, rest: &str) -> EngineResult<String> {
    let name = image_segments(name).ok_or_else(|| {
        refused_by_us(
            &format!("{method} /images"),
            name,
            "not an image name or id",
        )
    })?;
    Ok(format!("/images/{name}{rest}"))
}

/// A name that must not be sent. Counts as refused: nothing can have happened.
pub(super) fn refused_by_us(call: &str, name: &str, why: &str) -> EngineError {
    let message = format!("`{}` is {why}", name.escape_debug());
    failure(EngineErrorKind::Refused, call, &message)
}

/// `repository:tag`; a digest, an id or a missing tag is `None`.
pub(super) fn split_reference(reference: &str) -> Option<(&str, &str)> {
    let (repository, tag) = reference.rsplit_once(':')?;
    let is_tag = !tag.is_empty() && !tag.contains('/');
    let is_repository =
        !repository.is_empty() && !repository.contains('@') && repository != "sha256";
    (is_tag && is_repository).then_some((repository, tag))
}

/// `/networks/{name}{rest}`.
pub(super) fn network_path(method: &str, name: &str, rest: &str) -> EngineResult<String> {
    let segment = path_segment(name)
        .ok_or_else(|| refused_by_us(&format!("{method} /networks"), name, "not a network"))?;
    Ok(format!("/networks/{segment}{rest}"))
}
