//! The plan: whether this update may happen on this device, and everything it
//! will do, decided before anything is changed. Pure but for the facts it is given.

mod facts;
mod version;

use serde_json::{Value, json};

pub use facts::Facts;

use crate::catalog::{ProbeKind, ServiceEntry};
use crate::engine::{Container, ImageInfo, RestartPolicy, StoreKind};
use crate::error::{Code, Error, Result};
use crate::journal::InstalledVersion;
use crate::name;
use crate::recreate;

use super::record::{
    CurrentContainer, ParkedContainer, TagBinding, TagPlan, TargetImage, UpdateKind, UpdateRecord,
};
use version::{Allowed, Offered, Verdict, judge};

/// An engine keeps what it is sent and what it makes of it: about twice the image.
const SPACE_FACTOR: u64 = 2;
/// Room besides, for containers, logs and the journal.
const SPACE_MARGIN_BYTES: u64 = 16 * 1024 * 1024;
/// Fewer free inodes than this are too few for any image.
const INODES_MIN: u64 = 1024;

/// What the person allowed on the command line.
#[derive(Debug, Clone, Copy, Default)]
pub struct Options {
    pub allow_downgrade: bool,
    pub reinstall: bool,
    pub keep_old_defaults: bool,
    pub no_sync: bool,
}

/// What a package offers for one service of this device.
#[derive(Debug, Clone)]
pub struct Offer {
    pub version: String,
    pub release: Option<u64>,
    pub manifest: String,
    pub manifest_digest: String,
    pub image_reference: String,
    pub platform: String,
    /// `sha256:...` of the image's config.
    pub config_digest: String,
    /// `sha256:...` of the manifest that the containerd store makes its id of.
    pub engine_manifest: String,
    pub diff_ids: Vec<String>,
    pub unpacked_bytes: u64,
    /// The image's config file.
    pub config: Value,
    pub engine_api_min: Option<String>,
}

/// A decided update.
#[derive(Debug)]
pub struct Plan {
    pub record: UpdateRecord,
    /// The very package is installed and runs: there is nothing to do.
    pub installed_already: bool,
    /// Sentences for the person, in order.
    pub words: Vec<String>,
    /// Bytes the engine needs for the import; 0 if the image is there.
    pub needed_bytes: u64,
}

impl Plan {
    /// The same facts for a script.
    pub fn to_json(&self) -> Value {
        let record = &self.record;
        json!({
            "plan": record.kind.as_str(),
            "service": record.service.name,
            "container": record.container,
            "from_version": record.current.as_ref().and_then(|current| current.version.clone()),
            "to_version": record.version,
            "release": record.release,
            "installed_already": self.installed_already,
            "was_running": record.was_running,
            "first_install": record.current.is_none(),
            "needed_bytes": self.needed_bytes,
            "words": self.words,
        })
    }
}

/// Where an update's id and engine come from.
#[derive(Debug, Clone)]
pub struct Identity {
    pub update_id: String,
    /// The engine's socket.
    pub engine: String,
}

/// One `package load`, as far as the plan is concerned.
#[derive(Debug)]
pub struct LoadRequest<'a> {
    pub service: &'a ServiceEntry,
    pub offer: &'a Offer,
    /// The text of the catalog's file for a first install.
    pub create_file: Option<&'a str>,
    /// The package's image, if the engine has it already.
    pub image_known: Option<&'a ImageInfo>,
    pub identity: Identity,
    pub options: Options,
}

/// Gives the image id that a tag names now.
pub type TagLookup<'a> = &'a dyn Fn(&str) -> Result<Option<String>>;

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
    let allowed = Allowed {
        downgrade: options.allow_downgrade,
        reinstall: options.reinstall,
    };
    let offered = Offered {
        version: &offer.version,
        release: offer.release,
        manifest_digest: &offer.manifest_digest,
    };
    let verdict = judge(offered, installed.as_ref(), facts.state.as_ref(), allowed)?;
    let new_image = offer.as_image();
    let (candidate, configured_policy, was_running) = candidate(
        facts,
        &new_image,
        create_file,
        &docker.container_name,
        options,
    )?;
    let candidate_has_health = has_health(&candidate.body) || has_health(&new_image.config);
    probe_is_possible(service, candidate_has_health)?;
    let engine_id = match facts.info.store {
        StoreKind::Containerd => offer.engine_manifest.clone(),
        StoreKind::Classic | StoreKind::Podman => offer.config_digest.clone(),
    };
    let needed_bytes = if image_known.is_some_and(|known| known.id == engine_id) {
        0
    } else {
        offer
            .unpacked_bytes
            .saturating_mul(SPACE_FACTOR)
            .saturating_add(SPACE_MARGIN_BYTES)
    };
    room(facts, needed_bytes)?;
    let binding = |tag: String| -> Result<TagBinding> {
        Ok(TagBinding {
            before: tags(&tag)?,
            tag,
        })
    };
    let plan_tags = TagPlan {
        incoming: Some(name::incoming_tag(&identity.update_id)),
        retention: Some(binding(name::retention_tag(
            &service.name,
            Some(&offer.version),
            &engine_id,
        ))?),
        pin: pin_of(facts, service, installed.as_ref())
            .map(binding)
            .transpose()?,
        live: docker.image_reference.clone().map(binding).transpose()?,
    };
    let notes = candidate.notes.clone();
    let record = UpdateRecord {
        update_id: identity.update_id,
        kind: UpdateKind::Load,
        service: service.clone(),
        container: docker.container_name.clone(),
        engine: identity.engine,
        sync_dirs: if options.no_sync {
            Vec::new()
        } else {
            facts.sync_dirs.clone()
        },
        manifest: Some(offer.manifest.clone()),
        manifest_digest: Some(offer.manifest_digest.clone()),
        version: Some(offer.version.clone()),
        release: offer.release,
        image: Some(TargetImage {
            engine_id,
            config: offer.config_digest.clone(),
            diff_ids: offer.diff_ids.clone(),
            platform: offer.platform.clone(),
            reference: offer.image_reference.clone(),
            unpacked_bytes: offer.unpacked_bytes,
        }),
        current: facts
            .current
            .as_ref()
            .map(|current| current_of(current, installed.as_ref())),
        parked: parked_of(facts),
        candidate: Some(candidate),
        configured_policy,
        was_running,
        candidate_has_health,
        tags: plan_tags,
    };
    let installed_already = verdict == Verdict::Installed
        && facts
            .current
            .as_ref()
            .is_some_and(|current| current.running || !was_running);
    let mut words = words_of(&record, facts, needed_bytes, options);
    words.extend(notes);
    Ok(Plan {
        record,
        installed_already,
        words,
        needed_bytes,
    })
}

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
    let binding = |tag: String| -> Result<TagBinding> {
        Ok(TagBinding {
            before: tags(&tag)?,
            tag,
        })
    };
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
        sync_dirs: if options.no_sync {
            Vec::new()
        } else {
            facts.sync_dirs.clone()
        },
        manifest: None,
        manifest_digest: parked.manifest_digest.clone(),
        version: parked.version.clone(),
        release: parked.release,
        image: None,
        current: Some(current_of(current, installed.as_ref())),
        parked: Some(parked),
        candidate: None,
        configured_policy: current.restart_policy.clone(),
        was_running: current.running || current.restarting,
        candidate_has_health,
        tags: TagPlan {
            incoming: None,
            retention: None,
            pin: pin_of(facts, service, installed.as_ref())
                .map(binding)
                .transpose()?,
            live: docker.image_reference.clone().map(binding).transpose()?,
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

impl Offer {
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

fn refuse_paused(current: &Container) -> Result<()> {
    if !current.paused {
        return Ok(());
    }
    Err(Error::new(Code::NotReproducible, "the container is paused")
        .at(current.name.clone())
        .state("nothing changed")
        .next("unpause or stop it, then try again"))
}

fn engine_fits(facts: &Facts, offer: &Offer) -> Result<()> {
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

fn room(facts: &Facts, needed_bytes: u64) -> Result<()> {
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
fn has_health(config: &Value) -> bool {
    config["Healthcheck"]["Test"]
        .as_array()
        .and_then(|test| test.first())
        .and_then(Value::as_str)
        .is_some_and(|kind| kind != "NONE" && !kind.is_empty())
}

/// `container_health` without a health check would only ever time out, with the service down.
fn probe_is_possible(service: &ServiceEntry, has_health: bool) -> Result<()> {
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

/// The retention tag of the current image; `None` where the engine lost that image.
fn pin_of(
    facts: &Facts,
    service: &ServiceEntry,
    installed: Option<&InstalledVersion>,
) -> Option<String> {
    let image = facts.current_image.as_ref()?;
    let version = installed.and_then(|installed| installed.version.as_deref());
    Some(name::retention_tag(&service.name, version, &image.id))
}

fn current_of(current: &Container, installed: Option<&InstalledVersion>) -> CurrentContainer {
    CurrentContainer {
        id: current.id.clone(),
        image_id: current.image_id.clone(),
        version: installed.and_then(|installed| installed.version.clone()),
        release: installed.and_then(|installed| installed.release),
        manifest_digest: installed.and_then(|installed| installed.manifest_digest.clone()),
        grace_secs: current.stop_timeout_secs.unwrap_or(10),
        inspection: current.raw.clone(),
    }
}

fn parked_of(facts: &Facts) -> Option<ParkedContainer> {
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

/// What will happen, sentence by sentence.
fn words_of(
    record: &UpdateRecord,
    facts: &Facts,
    needed_bytes: u64,
    options: Options,
) -> Vec<String> {
    let service = &record.service.name;
    let unknown = || "an unknown version".to_owned();
    let to = record.version.clone().unwrap_or_else(unknown);
    let mut words = Vec::new();
    match &record.current {
        None => words.push(format!(
            "service `{service}` is installed for the first time: {to}"
        )),
        Some(current) => {
            let from = current.version.clone().unwrap_or_else(unknown);
            words.push(format!("service `{service}` goes from {from} to {to}"));
        }
    }
    words.push(format!(
        "container `{}` on {}",
        record.container, facts.info.name
    ));
    if needed_bytes > 0 {
        words.push(format!(
            "the image needs up to {} MiB in {}",
            needed_bytes.div_ceil(1024 * 1024),
            facts.info.data_root.display()
        ));
    } else if record.kind == UpdateKind::Load {
        words.push("the image is in the engine already".to_owned());
    }
    if record.current.is_none() {
        words.push("if it fails, container and image are removed again".to_owned());
    } else if record.was_running {
        words.push("the service is down while it is stopped, renamed and started; if the new version fails, the old container starts again".to_owned());
    } else {
        words.push(
            "the service is stopped and stays so: the new version is not started and not probed"
                .to_owned(),
        );
    }
    if let Some(parked) = &record.parked
        && record.kind == UpdateKind::Load
    {
        words.push(format!(
            "the version kept for a rollback so far ({}) is removed afterwards",
            parked.version.clone().unwrap_or_else(unknown)
        ));
    }
    if record.current.is_some() && facts.current_image.is_none() {
        words
            .push("the engine no longer knows the old image: it can't be kept by a tag".to_owned());
    }
    if facts.info.live_restore {
        words.push("live-restore is on: a restart of the engine during the update may start the old version beside the new one for a moment".to_owned());
    }
    if options.no_sync {
        words.push("--no-sync: what happens at a power cut is not promised".to_owned());
    }
    words
}
