//! What the plan knows of the device, gathered before anything is decided.
//! Asks the engine; changes nothing.

use std::path::{Path, PathBuf};

use crate::engine::{Container, Engine, EngineInfo, ImageInfo, StoreKind};
use crate::error::{Code, Error, Result};
use crate::host::{Host, Space};
use crate::journal::{InstalledVersion, ServiceState};
use crate::name::{LABEL_RELEASE, LABEL_UPDATE, Role, version_label};

use super::Options;

/// Where containerd keeps its store when it is a service of its own.
const CONTAINERD_ROOT: &str = "/var/lib/containerd";

/// The device as the plan sees it.
#[derive(Debug)]
pub struct Facts {
    pub info: EngineInfo,
    /// The container under the service's name.
    pub current: Option<Container>,
    /// Its image, if the engine still knows it.
    pub current_image: Option<ImageInfo>,
    /// The container under `<name>.caisson-previous`.
    pub parked: Option<Container>,
    /// Names of ours that hold something else.
    pub names_taken: Vec<String>,
    /// Containers that live in the current one's namespaces or volumes.
    pub dependents: Vec<String>,
    pub state: Option<ServiceState>,
    /// File systems the engine writes to.
    pub sync_dirs: Vec<PathBuf>,
    /// The tightest of them.
    pub space: Option<Space>,
}

impl Facts {
    /// # Errors
    /// The engine's own failures.
    pub fn gather(
        engine: &dyn Engine,
        host: &dyn Host,
        info: EngineInfo,
        container: &str,
        state: Option<ServiceState>,
    ) -> Result<Self> {
        let current = engine.container(container)?;
        let current_image = match &current {
            Some(current) => engine.image(&current.image_id)?,
            None => None,
        };
        let parked = engine.container(&Role::Previous.of(container))?;
        let mut names_taken = Vec::new();
        for role in [Role::New, Role::Old, Role::Back] {
            if engine.container(&role.of(container))?.is_some() {
                names_taken.push(role.of(container));
            }
        }
        let dependents = match &current {
            Some(current) => dependents(engine, current)?,
            None => Vec::new(),
        };
        let sync_dirs = sync_dirs(&info, host);
        let space = sync_dirs
            .iter()
            .filter_map(|dir| host.space(dir).ok())
            .min_by_key(|space| space.free_bytes);
        Ok(Self {
            info,
            current,
            current_image,
            parked,
            names_taken,
            dependents,
            state,
            sync_dirs,
            space,
        })
    }

    /// The file systems that the update syncs; none if the person does without.
    pub(super) fn dirs_to_sync(&self, options: Options) -> Vec<PathBuf> {
        if options.no_sync {
            Vec::new()
        } else {
            self.sync_dirs.clone()
        }
    }

    /// Is the service as its user wants it: running, or stopped on purpose?
    pub(super) fn serves(&self) -> bool {
        self.current
            .as_ref()
            .is_some_and(|current| !current.restarting && !current.paused)
    }

    /// What the device knows of the installed version: the journal's row if it is
    /// about this very container, else the container's own labels.
    pub fn installed(&self) -> Option<InstalledVersion> {
        self.current
            .as_ref()
            .map(|current| installed(current, self.state.as_ref()))
    }

    /// The same of the parked container.
    pub fn parked_version(&self) -> Option<InstalledVersion> {
        self.parked
            .as_ref()
            .map(|parked| installed(parked, self.state.as_ref()))
    }

    /// Refuses names that somebody else holds.
    pub fn names_are_free(&self) -> Result<()> {
        match self.names_taken.first() {
            None => Ok(()),
            Some(name) => Err(Error::new(Code::NameTaken, "another container has a name that the update needs")
                .at(name.clone())
                .state("nothing changed")
                .next("`caisson-apply recover` clears what an update left; rename or remove the container if it is yours")),
        }
    }
}

fn installed(container: &Container, state: Option<&ServiceState>) -> InstalledVersion {
    let known = state.and_then(|state| {
        [Some(&state.current), state.previous.as_ref()]
            .into_iter()
            .flatten()
            .find(|version| version.container_id == container.id)
    });
    if let Some(known) = known {
        return known.clone();
    }
    InstalledVersion {
        version: version_label(&container.labels),
        release: container
            .labels
            .get(LABEL_RELEASE)
            .and_then(|text| text.parse().ok()),
        image_id: container.image_id.clone(),
        container_id: container.id.clone(),
        manifest_digest: None,
        update_id: container.labels.get(LABEL_UPDATE).cloned(),
    }
}

/// Containers that would lose their network, their namespaces or their volumes
/// with the current container's id.
fn dependents(engine: &dyn Engine, current: &Container) -> Result<Vec<String>> {
    let mut found = Vec::new();
    for row in engine.containers()? {
        if row.id == current.id {
            continue;
        }
        // A parked container of ours never runs beside it.
        if row
            .names
            .first()
            .and_then(|name| Role::split(name))
            .is_some()
        {
            continue;
        }
        let Some(other) = engine.container(&row.id)? else {
            continue;
        };
        let host = &other.raw["HostConfig"];
        let shares = ["NetworkMode", "IpcMode", "PidMode"]
            .into_iter()
            .any(|key| {
                host[key]
                    .as_str()
                    .and_then(|mode| mode.strip_prefix("container:"))
                    .is_some_and(|target| {
                        target == current.name
                            || (!target.is_empty() && current.id.starts_with(target))
                    })
            });
        let mounts = host["VolumesFrom"]
            .as_array()
            .into_iter()
            .flatten()
            .any(|from| {
                from.as_str()
                    .and_then(|from| from.split(':').next())
                    .is_some_and(|target| target == current.name || target == current.id)
            });
        if shares || mounts {
            found.push(other.name);
        }
    }
    Ok(found)
}

/// The engine's data root, and containerd's own where that is on another file system.
fn sync_dirs(info: &EngineInfo, host: &dyn Host) -> Vec<PathBuf> {
    let mut dirs = vec![info.data_root.clone()];
    if info.store == StoreKind::Containerd {
        let own = Path::new(CONTAINERD_ROOT);
        let device = |dir: &Path| host.space(dir).ok().map(|space| space.device);
        if device(own).is_some() && device(own) != device(&info.data_root) {
            dirs.push(own.to_owned());
        }
    }
    dirs
}
