//! Refusals that need nothing but the facts: engine, room, probes, a paused container.

use serde_json::Value;

use crate::catalog::{ProbeKind, ServiceEntry};
use crate::engine::Container;
use crate::error::{Code, Error, Result};

use super::{Facts, Offer};

/// An engine keeps what it is sent and what it makes of it: about twice the image.
const SPACE_FACTOR: u64 = 2;
/// Room besides, for containers, logs and the journal.
const SPACE_MARGIN_BYTES: u64 = 16 * 1024 * 1024;
/// Fewer free inodes than this are too few for any image.
const INODES_MIN: u64 = 1024;

/// Room that the import of an image takes, at most: nothing if it `is_there` already.
pub(super) fn needed_bytes(unpacked_bytes: u64, is_there: bool) -> u64 {
    if is_there {
        return 0;
    }
    unpacked_bytes
        .saturating_mul(SPACE_FACTOR)
        .saturating_add(SPACE_MARGIN_BYTES)
}

pub(super) fn refuse_paused(current: &Container) -> Result<()> {
    if !current.paused {
        return Ok(());
    }
    Err(Error::new(Code::NotReproducible, "the container is paused")
        .at(current.name.clone())
        .state("nothing changed")
        .next("unpause or stop it, then try again"))
}

pub(super) fn engine_fits(facts: &Facts, offer: &Offer) -> Result<()> {
    if facts.info.platform != offer.platform {
        return Err(Error::new(
            Code::PlatformMismatch,
            "the engine runs on another platform than the image is for",
        )
        .found(facts.info.platform.clone())
        .wanted(offer.platform.clone())
        .state("nothing changed")
        .next("correct `platform` in the catalog, or take the package for this device"));
    }
    let Some(min) = &offer.engine_api_min else {
        return Ok(());
    };
    if api_number(&facts.info.api_version) >= api_number(min) {
        return Ok(());
    }
    Err(
        Error::new(Code::EngineTooOld, "the package needs a newer engine")
            .found(format!("API {}", facts.info.api_version))
            .wanted(format!("API {min} or newer"))
            .state("nothing changed")
            .next("update the container engine of this device"),
    )
}

/// `1.41` as something that compares: 1.9 is older than 1.41.
fn api_number(version: &str) -> (u64, u64) {
    let (major, minor) = version.split_once('.').unwrap_or((version, "0"));
    (major.parse().unwrap_or(0), minor.parse().unwrap_or(0))
}

pub(super) fn room(facts: &Facts, needed_bytes: u64) -> Result<()> {
    let (Some(space), true) = (facts.space, needed_bytes > 0) else {
        return Ok(());
    };
    let place = facts.info.data_root.display().to_string();
    if space.free_bytes < needed_bytes {
        return Err(Error::new(Code::NoSpace, "not enough room for the image")
            .at(place)
            .found(format!("{} bytes free", space.free_bytes))
            .wanted(format!("{needed_bytes} bytes"))
            .state("nothing changed")
            .next("remove images and containers that nobody needs, then try again"));
    }
    if space.free_inodes < INODES_MIN {
        return Err(Error::new(Code::NoInodes, "too few inodes for the image")
            .at(place)
            .found(format!("{} inodes free", space.free_inodes))
            .wanted(format!("{INODES_MIN}"))
            .state("nothing changed")
            .next("remove images and containers that nobody needs, then try again"));
    }
    Ok(())
}

/// A health check set to `NONE` is none.
pub(super) fn has_health(config: &Value) -> bool {
    config["Healthcheck"]["Test"]
        .as_array()
        .and_then(|test| test.first())
        .and_then(Value::as_str)
        .is_some_and(|kind| kind != "NONE" && !kind.is_empty())
}

/// `container_health` without a health check would only ever time out, with the service down.
pub(super) fn probe_is_possible(service: &ServiceEntry, has_health: bool) -> Result<()> {
    let wants = service
        .probe
        .all_of
        .as_ref()
        .is_some_and(|kinds| kinds.contains(&ProbeKind::ContainerHealth));
    if !wants || has_health {
        return Ok(());
    }
    Err(Error::new(
        Code::Catalog,
        "the catalog asks for `container_health`, but the new version has no health check",
    )
    .at(format!("service {}", service.name))
    .state("nothing changed")
    .next("take another probe, or give the image a HEALTHCHECK"))
}
