//! From the old container's inspection to the new container's create request: what
//! the person set stays, what came from the old image goes, what can't be had again
//! is refused before anything stops.
//!
//! Pure: no engine, no files, no clock. Who calls it: the plan (which shows the notes
//! and the refusals) and `create_candidate` (which adds image, labels and name).
//!
//! Does not: look for other containers that depend on the old one, choose names, or
//! keep a rollback. A rollback starts the parked old container itself.
//!
//! The engine merges image defaults into a container once, at its creation, and its
//! inspection shows the sum. Sending that sum back would pin the old image's
//! environment, command and health check over the new image's, so they are
//! subtracted: `defaults.rs`.

mod create_file;
mod defaults;
mod host_config;
mod identity;
mod networks;
mod podman;
mod refusals;
mod volumes;

#[cfg(test)]
mod fixture;
#[cfg(test)]
mod tests;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

pub use create_file::from_create_file;

use crate::engine::{Container, ImageInfo, RestartPolicy};
use crate::error::{Code, Error};

/// Seconds the engine waits after the stop signal where the container doesn't say.
const DEFAULT_GRACE_SECS: u64 = 10;

/// Everything that is needed to create the candidate. It goes into the journal, so
/// an interrupted update needs nothing else.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CandidateSpec {
    /// Body of `POST /containers/create` without `Image`, restart policy `no`.
    pub body: Value,
    /// Networks to connect, in this order, after the creation and before the start:
    /// name and endpoint settings. Empty from API 1.44 on, where the body holds them.
    pub further_networks: Vec<(String, Value)>,
    /// What a person should know, one sentence each, for the plan.
    pub notes: Vec<String>,
    /// Seconds between the candidate's stop signal and its end by force.
    pub grace_secs: u64,
    /// The restart policy it gets once it is committed.
    pub configured_policy: RestartPolicy,
}

/// JSON members of one object.
type Members = Map<String, Value>;

/// The candidate for a container that exists.
///
/// `old_image` is the old container's own image, `None` if the engine no longer has
/// it. `api_version` is the negotiated one, such as `1.41`. `keep_old_defaults` allows
/// to go on without the old image, at the price that its defaults stay.
///
/// # Errors
/// [`Code::NotReproducible`] with every reason at once; [`Code::OldImageUnknown`];
/// [`Code::EngineAnswer`] if the inspection lacks its main parts.
pub fn candidate(
    old: &Container,
    old_image: Option<&ImageInfo>,
    new_image: &ImageInfo,
    api_version: &str,
    keep_old_defaults: bool,
) -> Result<CandidateSpec, Error> {
    let old_config = part(old, "Config")?;
    let old_host = part(old, "HostConfig")?;
    let old_defaults = match old_image {
        Some(image) => defaults::of_image(image),
        None if keep_old_defaults => Members::new(),
        None => return Err(old_image_unknown(old)),
    };
    let podman = podman::made_this(old_config, old_host);
    let mut notes = Vec::new();
    if old_image.is_none() {
        notes.push(
            "the old image is gone, so its default environment, command and labels stay as if \
             they had been set here; new defaults take no effect where they differ"
                .to_owned(),
        );
    }
    let mut body = defaults::subtract(old_config, &old_defaults, podman, &mut notes);
    identity::clean(&mut body, old, old_host);
    let mut host = host_config::carry(old_host, podman, &mut notes);
    volumes::reuse(&mut host, &mut body, &old.raw, podman, &mut notes);
    let mut reasons = refusals::reasons(old, &body, &host);
    if !defaults::has_command(&body, new_image) {
        reasons
            .push("neither the new image nor the container says which command to run".to_owned());
    }
    if !reasons.is_empty() {
        return Err(not_reproducible(old, &reasons));
    }
    let networks = networks::plan(&old.raw, &old.id, &host, &mut notes);
    let further_networks = networks.apply(&mut body, &mut host, api_version);
    host.insert(
        "RestartPolicy".to_owned(),
        policy_json(&RestartPolicy::no()),
    );
    body.insert("HostConfig".to_owned(), Value::Object(host));
    Ok(CandidateSpec {
        body: Value::Object(body),
        further_networks,
        notes,
        grace_secs: old.stop_timeout_secs.unwrap_or(DEFAULT_GRACE_SECS),
        configured_policy: old.restart_policy.clone(),
    })
}

/// `POST /containers/create` spells a policy like this.
fn policy_json(policy: &RestartPolicy) -> Value {
    json!({ "Name": policy.name, "MaximumRetryCount": policy.maximum_retry_count })
}

/// One of the inspection's main objects.
fn part<'c>(old: &'c Container, name: &str) -> Result<&'c Members, Error> {
    old.raw.get(name).and_then(Value::as_object).ok_or_else(|| {
        Error::new(
            Code::EngineAnswer,
            format!(
                "the engine describes container `{}` without its `{name}`",
                old.name
            ),
        )
    })
}

fn old_image_unknown(old: &Container) -> Error {
    Error::new(
        Code::OldImageUnknown,
        format!(
            "the image of container `{}` is gone, so its defaults are unknown",
            old.name
        ),
    )
    .found(format!("no image {}", old.image_id))
    .wanted("the image the container was created from")
    .next(
        "load the old image again, or accept with `--keep-old-defaults` that the old image's \
         environment and command stay",
    )
}

fn not_reproducible(old: &Container, reasons: &[String]) -> Error {
    Error::new(
        Code::NotReproducible,
        format!(
            "refusing to update container `{}`: it can't be recreated as it is",
            old.name
        ),
    )
    .found(reasons.join("; "))
    .next("recreate the container by hand without these, or update it with what drives it")
}

/// `null`, `""`, `[]`, `{}` and `false`: what the engine shows where nothing was set.
/// Not 0: a stop timeout of 0 is a setting.
fn is_blank(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Bool(truth) => !truth,
        Value::Number(_) => false,
        Value::String(text) => text.is_empty(),
        Value::Array(items) => items.is_empty(),
        Value::Object(members) => members.is_empty(),
    }
}

/// The strings of an array member; anything else counts as none.
fn texts<'v>(members: &'v Members, key: &str) -> Vec<&'v str> {
    let array = members.get(key).and_then(Value::as_array);
    array.map_or_else(Vec::new, |items| {
        items.iter().filter_map(Value::as_str).collect()
    })
}

/// A string member; anything else counts as empty.
fn text<'v>(members: &'v Members, key: &str) -> &'v str {
    members.get(key).and_then(Value::as_str).unwrap_or("")
}

/// The first 12 hex digits of a container id, which the engine uses as host name and alias.
fn short_id(id: &str) -> &str {
    id.get(..12).unwrap_or(id)
}
