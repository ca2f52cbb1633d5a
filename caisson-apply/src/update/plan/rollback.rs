//! Planning `service rollback`.

use crate::catalog::ServiceEntry;
use crate::error::{Code, Error, Result};
use crate::update::record::{UpdateKind, UpdateRecord};

use super::checks::{has_health, probe_is_possible, refuse_paused};
use super::roles::{current_of, parked_of, pin_of};
use super::words::words_of;
use super::{Facts, Identity, Options, Plan, TagLookup, TagPlan, bind};

/// Plans `service rollback`: the parked container serves again.
///
/// # Errors
/// `device.no_previous` if none is parked.
pub fn rollback(
    facts: &Facts,
    service: &ServiceEntry,
    tags: TagLookup<'_>,
    identity: Identity,
    options: Options,
) -> Result<Plan> {
    let docker = service.docker()?;
    facts.names_are_free()?;
    let (Some(current), Some(parked)) = (&facts.current, parked_of(facts)) else {
        return Err(Error::new(Code::NoPrevious, "there is no previous version to go back to")
            .at(format!("service {}", service.name))
            .state("nothing changed")
            .next("a previous version is kept from the second update on; `caisson-apply history list` shows them"));
    };
    refuse_paused(current)?;
    let installed = facts.installed();
    let candidate_has_health = facts
        .parked
        .as_ref()
        .is_some_and(|container| has_health(&container.raw["Config"]));
    probe_is_possible(service, candidate_has_health)?;
    let record = UpdateRecord {
        update_id: identity.update_id,
        kind: UpdateKind::Rollback,
        service: service.clone(),
        container: docker.container_name.clone(),
        engine: identity.engine,
        sync_dirs: facts.dirs_to_sync(options),
        manifest: None,
        manifest_digest: parked.manifest_digest.clone(),
        version: parked.version.clone(),
        release: parked.release,
        image: None,
        current: current_of(facts),
        parked: Some(parked),
        candidate: None,
        configured_policy: current.restart_policy.clone(),
        was_running: current.running || current.restarting,
        candidate_has_health,
        tags: TagPlan {
            incoming: None,
            retention: None,
            pin: pin_of(facts, service, installed.as_ref())
                .map(|tag| bind(tag, tags))
                .transpose()?,
            live: docker
                .image_reference
                .clone()
                .map(|tag| bind(tag, tags))
                .transpose()?,
        },
    };
    let words = words_of(&record, facts, 0, options);
    Ok(Plan {
        record,
        installed_already: false,
        words,
        needed_bytes: 0,
    })
}
