//! Planning `package load`.

use crate::engine::{ImageInfo, RestartPolicy, StoreKind};
use crate::error::{Code, Error, Result};
use crate::name;
use crate::recreate;
use crate::update::record::{TargetImage, UpdateKind, UpdateRecord};

use super::checks::{
    engine_fits, has_health, needed_bytes, probe_is_possible, refuse_paused, room,
};
use super::roles::{current_of, parked_of, pin_of};
use super::version::{Allowed, Offered, Verdict, judge};
use super::words::words_of;
use super::{Facts, LoadRequest, Offer, Options, Plan, TagLookup, TagPlan, bind};

/// Plans `package load`.
///
/// # Errors
/// The `device.*` codes, each with what to do.
pub fn load(facts: &Facts, request: LoadRequest<'_>, tags: TagLookup<'_>) -> Result<Plan> {
    let LoadRequest {
        service,
        offer,
        create_file,
        image_known,
        identity,
        options,
    } = request;
    let docker = service.docker()?;
    facts.names_are_free()?;
    engine_fits(facts, offer)?;
    let installed = facts.installed();
    let verdict = verdict(facts, offer, options)?;
    let new_image = offer.as_image();
    let container = docker.container_name.clone();
    let (candidate, configured_policy, was_running) =
        candidate(facts, &new_image, create_file, &container, options)?;
    let candidate_has_health = has_health(&candidate.body) || has_health(&new_image.config);
    probe_is_possible(service, candidate_has_health)?;
    let image = offer.target(facts.info.store);
    let is_there = image_known.is_some_and(|known| known.id == image.engine_id);
    let needed_bytes = needed_bytes(offer.unpacked_bytes, is_there);
    room(facts, needed_bytes)?;
    let retention = name::retention_tag(&service.name, Some(&offer.version), &image.engine_id);
    let bind_some = |tag: Option<String>| tag.map(|tag| bind(tag, tags)).transpose();
    let plan_tags = TagPlan {
        incoming: Some(name::incoming_tag(&identity.update_id)),
        retention: bind_some(Some(retention))?,
        pin: bind_some(pin_of(facts, service, installed.as_ref()))?,
        live: bind_some(docker.image_reference.clone())?,
    };
    let notes = candidate.notes.clone();
    let record = UpdateRecord {
        update_id: identity.update_id,
        kind: UpdateKind::Load,
        service: service.clone(),
        container,
        engine: identity.engine,
        sync_dirs: facts.dirs_to_sync(options),
        manifest: Some(offer.manifest.clone()),
        manifest_digest: Some(offer.manifest_digest.clone()),
        version: Some(offer.version.clone()),
        release: offer.release,
        image: Some(image),
        current: current_of(facts),
        parked: parked_of(facts),
        candidate: Some(candidate),
        configured_policy,
        was_running,
        candidate_has_health,
        tags: plan_tags,
    };
    let mut words = words_of(&record, facts, needed_bytes, options);
    words.extend(notes);
    Ok(Plan {
        installed_already: verdict == Verdict::Installed && facts.serves(),
        record,
        words,
        needed_bytes,
    })
}

/// Newer, the same, or older and meant.
fn verdict(facts: &Facts, offer: &Offer, options: Options) -> Result<Verdict> {
    let allowed = Allowed {
        downgrade: options.allow_downgrade,
        reinstall: options.reinstall,
    };
    let offered = Offered {
        version: &offer.version,
        release: offer.release,
        manifest_digest: &offer.manifest_digest,
    };
    judge(
        offered,
        facts.installed().as_ref(),
        facts.state.as_ref(),
        allowed,
    )
}

impl Offer {
    /// What this kind of store will call the image, and what it must consist of.
    fn target(&self, store: StoreKind) -> TargetImage {
        let engine_id = match store {
            StoreKind::Containerd => self.engine_manifest.clone(),
            StoreKind::Classic | StoreKind::Podman => self.config_digest.clone(),
        };
        TargetImage {
            engine_id,
            config: self.config_digest.clone(),
            diff_ids: self.diff_ids.clone(),
            platform: self.platform.clone(),
            reference: self.image_reference.clone(),
            unpacked_bytes: self.unpacked_bytes,
        }
    }

    /// The image as the engine will show it.
    fn as_image(&self) -> ImageInfo {
        ImageInfo {
            id: self.config_digest.clone(),
            tags: Vec::new(),
            diff_ids: self.diff_ids.clone(),
            platform: self.platform.clone(),
            config: self.config["config"].clone(),
            size: self.unpacked_bytes,
        }
    }
}

/// The candidate's configuration, the configured policy, and whether the service runs.
fn candidate(
    facts: &Facts,
    new_image: &ImageInfo,
    create_file: Option<&str>,
    container: &str,
    options: Options,
) -> Result<(recreate::CandidateSpec, RestartPolicy, bool)> {
    let Some(current) = &facts.current else {
        let Some(text) = create_file else {
            return Err(Error::new(Code::ContainerMissing, "there is no container of this service on the device")
                .at(container.to_owned())
                .state("nothing changed")
                .next("create and start it once by hand, or name a `create_file` in the catalog's [services.docker]"));
        };
        let spec = recreate::from_create_file(text, &facts.info.api_version)?;
        let policy = spec.configured_policy.clone();
        return Ok((spec, policy, true));
    };
    refuse_paused(current)?;
    if !facts.dependents.is_empty() {
        return Err(Error::new(
            Code::NotReproducible,
            "other containers live in this one's namespaces or volumes",
        )
        .at(container.to_owned())
        .found(facts.dependents.join(", "))
        .state("nothing changed")
        .next("they would lose it with the swap; give them a network and volumes of their own"));
    }
    let spec = recreate::candidate(
        current,
        facts.current_image.as_ref(),
        new_image,
        &facts.info.api_version,
        options.keep_old_defaults,
    )?;
    Ok((
        spec,
        current.restart_policy.clone(),
        current.running || current.restarting,
    ))
}
