//! What tests compare: the engine's state as plain data.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::container::Container;
use super::machine::Machine;
use super::restart::RestartPolicy;

/// Everything the engine holds, at one moment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SimState {
    /// In the order of creation.
    pub containers: Vec<ContainerState>,
    /// By id.
    pub images: Vec<ImageState>,
    /// Reference, in the short form, to image id.
    pub tags: BTreeMap<String, String>,
    /// Names, anonymous ones included.
    pub volumes: Vec<String>,
    pub networks: Vec<String>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ContainerState {
    pub id: String,
    pub name: String,
    pub image_id: String,
    /// What the service inside answers as its version.
    pub version: Option<String>,
    /// `created`, `running`, `paused`, `restarting`, `exited`.
    pub status: String,
    /// As the engine counts: also while `paused` and `restarting`.
    pub running: bool,
    pub policy: RestartPolicy,
    pub labels: BTreeMap<String, String>,
    pub exit_code: i64,
    pub restart_count: u64,
    /// `starting`, `healthy`, `unhealthy`; `None` without a health check or a start.
    pub health: Option<String>,
    /// Host ports that are open now.
    pub ports: Vec<u16>,
    /// Of volumes, in the order of their destinations.
    pub volumes: Vec<String>,
    pub networks: Vec<String>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ImageState {
    pub id: String,
    pub diff_ids: Vec<String>,
    /// Held, but it can't run.
    pub broken: bool,
}

impl SimState {
    /// The container of that name.
    pub fn container(&self, name: &str) -> Option<&ContainerState> {
        self.containers
            .iter()
            .find(|container| container.name == name)
    }

    /// The containers whose payload is there (not waiting for a restart).
    pub fn up(&self) -> Vec<&ContainerState> {
        self.containers
            .iter()
            .filter(|container| container.status == "running")
            .collect()
    }

    pub(super) fn of(machine: &Machine) -> Self {
        let model = &machine.model;
        Self {
            containers: model.containers.iter().map(container_state).collect(),
            images: model
                .images
                .images()
                .map(|image| ImageState {
                    id: image.id.clone(),
                    diff_ids: image.diff_ids.clone(),
                    broken: image.broken.is_some(),
                })
                .collect(),
            tags: model.images.tags().clone(),
            volumes: model.volumes.keys().cloned().collect(),
            networks: model.networks.keys().cloned().collect(),
        }
    }
}

fn container_state(container: &Container) -> ContainerState {
    let labels = container.config["Labels"].as_object().into_iter().flatten();
    ContainerState {
        id: container.id.clone(),
        name: container.name.clone(),
        image_id: container.image_id.clone(),
        version: container
            .behaviour
            .as_ref()
            .ok()
            .map(|behaviour| behaviour.version.clone()),
        status: container.status().to_owned(),
        running: container.running(),
        policy: container.policy.clone(),
        labels: labels
            .map(|(key, value)| (key.clone(), value.as_str().unwrap_or_default().to_owned()))
            .collect(),
        exit_code: container.exit_code,
        restart_count: container.restart_count,
        health: container
            .health
            .as_ref()
            .map(|health| health.word.as_str().to_owned()),
        ports: container
            .run()
            .map(|run| run.ports.iter().map(|port| port.host_port).collect())
            .unwrap_or_default(),
        volumes: container
            .mounts
            .iter()
            .filter(|mount| mount.kind == "volume")
            .map(|mount| mount.source.clone())
            .collect(),
        networks: container.endpoints.keys().cloned().collect(),
    }
}
