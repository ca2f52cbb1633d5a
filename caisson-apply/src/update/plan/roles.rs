//! The containers of today as the record keeps them.

use crate::catalog::ServiceEntry;
use crate::journal::InstalledVersion;
use crate::name;
use crate::update::record::{CurrentContainer, ParkedContainer};

use super::Facts;

/// The retention tag of the current image; `None` where the engine lost that image.
pub(super) fn pin_of(
    facts: &Facts,
    service: &ServiceEntry,
    installed: Option<&InstalledVersion>,
) -> Option<String> {
    let image = facts.current_image.as_ref()?;
    let version = installed.and_then(|installed| installed.version.as_deref());
    Some(name::retention_tag(&service.name, version, &image.id))
}

pub(super) fn current_of(facts: &Facts) -> Option<CurrentContainer> {
    let current = facts.current.as_ref()?;
    let installed = facts.installed();
    Some(CurrentContainer {
        id: current.id.clone(),
        image_id: current.image_id.clone(),
        version: installed
            .as_ref()
            .and_then(|installed| installed.version.clone()),
        release: installed.as_ref().and_then(|installed| installed.release),
        manifest_digest: installed.and_then(|installed| installed.manifest_digest),
        grace_secs: current.stop_timeout_secs.unwrap_or(10),
        inspection: current.raw.clone(),
    })
}

pub(super) fn parked_of(facts: &Facts) -> Option<ParkedContainer> {
    let parked = facts.parked.as_ref()?;
    let version = facts.parked_version();
    Some(ParkedContainer {
        id: parked.id.clone(),
        image_id: parked.image_id.clone(),
        version: version.as_ref().and_then(|version| version.version.clone()),
        release: version.as_ref().and_then(|version| version.release),
        manifest_digest: version.and_then(|version| version.manifest_digest),
        grace_secs: parked.stop_timeout_secs.unwrap_or(10),
    })
}
