//! The first row of an update: all that recovery needs without the stick and
//! without `services.toml`.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::catalog::ServiceEntry;
use crate::engine::RestartPolicy;
use crate::name::{self, Role};
use crate::recreate::CandidateSpec;

/// What kind of update this is; the same steps serve both.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum UpdateKind {
    /// `package load`: the candidate is made from an imported image.
    Load,
    /// `service rollback`: the candidate is the parked previous container.
    Rollback,
}

impl UpdateKind {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Load => "load",
            Self::Rollback => "rollback",
        }
    }
}

/// The image that the candidate runs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TargetImage {
    /// What this engine calls the image: config digest or manifest digest, by its store.
    pub engine_id: String,
    /// `sha256:...` of the image's config.
    pub config: String,
    pub diff_ids: Vec<String>,
    pub platform: String,
    pub reference: String,
    /// Unpacked bytes of all layers, for the space check and the progress.
    pub unpacked_bytes: u64,
}

/// The container that serves when the update begins.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CurrentContainer {
    pub id: String,
    pub image_id: String,
    /// `None` if it was not made by an update of ours.
    pub version: Option<String>,
    pub release: Option<u64>,
    pub manifest_digest: Option<String>,
    /// Seconds between its stop signal and the kill.
    pub grace_secs: u64,
    /// Its whole inspection, for a person who has to repair by hand.
    pub inspection: Value,
}

/// The parked container that a rollback goes back to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ParkedContainer {
    pub id: String,
    pub image_id: String,
    pub version: Option<String>,
    pub release: Option<u64>,
    pub manifest_digest: Option<String>,
    pub grace_secs: u64,
}

/// A tag that the update may set, and what it meant before.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TagBinding {
    pub tag: String,
    /// The image id it named when the update began; `None` if it did not exist.
    pub before: Option<String>,
}

/// Every tag name of the update.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TagPlan {
    /// The name the image has while it is imported; gone afterwards.
    pub incoming: Option<String>,
    /// Keeps the new image.
    pub retention: Option<TagBinding>,
    /// Keeps the current image. `None` if the engine no longer knows that image.
    pub pin: Option<TagBinding>,
    /// The catalog's `image_reference`; moves only after the commit.
    pub live: Option<TagBinding>,
}

/// The first row of an update.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct UpdateRecord {
    pub update_id: String,
    pub kind: UpdateKind,
    pub service: ServiceEntry,
    /// The service's container name.
    pub container: String,
    /// The engine's socket; `recover` uses this one.
    pub engine: String,
    /// File systems to sync before the stop and before the commit; empty with `--no-sync`.
    pub sync_dirs: Vec<PathBuf>,
    pub manifest: Option<String>,
    pub manifest_digest: Option<String>,
    /// The version that the update brings.
    pub version: Option<String>,
    pub release: Option<u64>,
    pub image: Option<TargetImage>,
    pub current: Option<CurrentContainer>,
    /// What stands under `<name>.caisson-previous` when the update begins: removed
    /// in `settle` by a load, adopted by a rollback.
    pub parked: Option<ParkedContainer>,
    /// How the candidate is created; `None` for a rollback.
    pub candidate: Option<CandidateSpec>,
    /// The restart policy the service has after the update, and gets back after a rollback.
    pub configured_policy: RestartPolicy,
    pub was_running: bool,
    /// `container_health` can only be asked where the candidate has a health check.
    pub candidate_has_health: bool,
    pub tags: TagPlan,
}

impl UpdateRecord {
    /// The name of the candidate before and after the swap, apart from the service's own.
    pub fn candidate_role(&self) -> Role {
        match self.kind {
            UpdateKind::Load => Role::New,
            UpdateKind::Rollback => Role::Back,
        }
    }

    /// Does the service run during this update, so that there is something to start and probe?
    /// A first install counts: its candidate is started.
    pub fn starts(&self) -> bool {
        self.was_running || self.current.is_none()
    }

    /// Seconds the candidate gets to stop.
    pub fn candidate_grace_secs(&self) -> u64 {
        match (&self.candidate, &self.parked) {
            (Some(spec), _) => spec.grace_secs,
            (None, Some(parked)) => parked.grace_secs,
            (None, None) => 10,
        }
    }

    /// The labels of a new candidate: recovery without a journal reads them.
    pub fn labels(&self) -> Vec<(&'static str, String)> {
        let mut labels = vec![
            (name::LABEL_UPDATE, self.update_id.clone()),
            (name::LABEL_SERVICE, self.service.name.clone()),
            (
                name::LABEL_POLICY,
                name::policy_label(&self.configured_policy),
            ),
            (name::LABEL_WAS_RUNNING, self.starts().to_string()),
            (
                name::LABEL_REPLACES,
                self.current
                    .as_ref()
                    .map(|current| current.id.clone())
                    .unwrap_or_default(),
            ),
        ];
        if let Some(version) = &self.version {
            labels.push((name::LABEL_VERSION, version.clone()));
        }
        if let Some(release) = self.release {
            labels.push((name::LABEL_RELEASE, release.to_string()));
        }
        labels
    }
}
