//! One `[[services]]` table: identity, mode and probe.

use std::path::PathBuf;

use super::reader::{Field, Section};
use super::{DockerTarget, Mode, ServiceEntry, keys, names, probe};
use crate::error::Error;

/// Reads one entry of either catalog version.
pub(super) fn read(section: &Section<'_>, version: u32) -> Result<ServiceEntry, Error> {
    section.refuse_unknown(&keys::SERVICE, version)?;
    let name = checked(section, "name", names::service_name_problem)?;
    let service_revision = checked(section, "service_revision", names::text_problem)?;
    let platform = platform(section)?;
    let mode = mode(section, version)?;
    let probe = if version == 1 {
        probe::read_version_1(section)?
    } else {
        probe::read(section)?
    };
    Ok(ServiceEntry {
        name,
        service_revision,
        platform,
        mode,
        probe,
    })
}

/// Packages hold the normalized spelling only, and it is compared as a text.
fn platform(section: &Section<'_>) -> Result<String, Error> {
    let (text, field) = section.required_text("platform")?;
    let wanted = "os/architecture or os/architecture/variant, such as `linux/amd64`";
    edgepkg::platform::normalize(text).ok_or_else(|| refused(&field, "platform", text, wanted))
}

/// `runtime_mode` must name the very table that is there. Version 1 demands the key,
/// version 2 takes `docker` without it.
fn mode(section: &Section<'_>, version: u32) -> Result<Mode, Error> {
    let written = section.text("runtime_mode")?;
    let word = match &written {
        Some((word, _)) => word,
        None if version == 1 => return Err(section.missing("runtime_mode")),
        None => "docker",
    };
    let docker = section.section("docker", "[services.docker]")?;
    let compose = section.section("compose", "[services.compose]")?;
    match (word, docker, compose) {
        ("docker", Some(docker), None) => Ok(Mode::Docker(docker_target(&docker, version)?)),
        ("compose", None, Some(compose)) => compose_mode(&compose, version),
        ("docker" | "compose", docker, compose) => {
            let found = match (docker.is_some(), compose.is_some()) {
                (true, true) => "both tables",
                (true, false) => "only [services.docker]",
                (false, true) => "only [services.compose]",
                (false, false) => "neither table",
            };
            Err(section
                .error(format!(
                    "the service runs in {word} mode, but its tables say otherwise"
                ))
                .found(found)
                .wanted(format!("[services.{word}] and no other mode's table")))
        }
        (other, ..) => {
            let at = written.as_ref().map_or_else(
                || section.error("unknown runtime_mode"),
                |(_, field)| field.error("unknown runtime_mode"),
            );
            Err(at
                .found(format!("`{other}`"))
                .wanted("`docker` or `compose`"))
        }
    }
}

fn docker_target(section: &Section<'_>, version: u32) -> Result<DockerTarget, Error> {
    section.refuse_unknown(&keys::DOCKER, version)?;
    let container_name = checked(section, "container_name", names::container_name_problem)?;
    let wants_reference = version == 1 || section.field("image_reference").is_some();
    let image_reference = wants_reference
        .then(|| checked(section, "image_reference", names::reference_problem))
        .transpose()?
        .map(|reference| names::with_tag(&reference));
    let create_file = section
        .field("create_file")
        .map(|_| file(section, "create_file"))
        .transpose()?;
    Ok(DockerTarget {
        container_name,
        image_reference,
        create_file,
    })
}

fn compose_mode(section: &Section<'_>, version: u32) -> Result<Mode, Error> {
    section.refuse_unknown(&keys::COMPOSE, version)?;
    Ok(Mode::Compose {
        project: checked(section, "project", names::text_problem)?,
        file: file(section, "file")?,
        service: checked(section, "service", names::text_problem)?,
    })
}

/// A path; a relative one belongs to the catalog's folder, not to wherever the
/// person stands.
fn file(section: &Section<'_>, key: &str) -> Result<PathBuf, Error> {
    let (text, field) = section.required_text(key)?;
    if text.contains('\0') {
        return Err(refused(&field, key, text, "a path without a NUL byte"));
    }
    Ok(section.folder().join(text))
}

/// A required string that passes a name rule.
fn checked(
    section: &Section<'_>,
    key: &str,
    problem: fn(&str) -> Option<String>,
) -> Result<String, Error> {
    let (text, field) = section.required_text(key)?;
    match problem(text) {
        None => Ok(text.to_owned()),
        Some(wanted) => Err(refused(&field, key, text, &wanted)),
    }
}

fn refused(field: &Field<'_>, key: &str, text: &str, wanted: &str) -> Error {
    field
        .error(format!("`{key}` is not usable"))
        .found(format!("`{text}`"))
        .wanted(wanted)
}
