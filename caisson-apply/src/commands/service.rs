//! `service list` and `service show`.

use serde_json::{Value, json};

use crate::catalog::ServiceEntry;
use crate::engine::Engine;
use crate::engine::docker::DockerEngine;
use crate::error::{Exit, Result};
use crate::journal::sqlite::SqliteJournal;
use crate::journal::{InstalledVersion, Journal, ServiceState};
use crate::name::{Role, version_label};

use super::choose::known;
use super::session::Session;
use super::{data, show as show_one, talk};

pub(super) fn list(session: &Session) -> Result<Exit> {
    let catalog = session.catalog()?;
    let journal = session.journal_to_read()?;
    let engine = reachable(session);
    for service in &catalog.services {
        let state = state_of(journal.as_ref(), &service.name);
        let seen = seen(engine.as_ref(), journal.as_ref(), service)?;
        if session.global.json {
            data(&to_json(service, state.as_ref(), &seen).to_string());
        } else {
            let version = seen
                .version(state.as_ref())
                .unwrap_or_else(|| "unknown version".to_owned());
            data(&format!(
                "{:<20} {:<16} {:<14} {}",
                service.name, version, seen.status, service.platform
            ));
        }
    }
    Ok(Exit::Done)
}

pub(super) fn show(session: &Session, name: &str) -> Result<Exit> {
    let catalog = session.catalog()?;
    let service = known(&catalog, name)?;
    let journal = session.journal_to_read()?;
    let engine = reachable(session);
    let state = state_of(journal.as_ref(), &service.name);
    let seen = seen(engine.as_ref(), journal.as_ref(), service)?;
    let current = seen
        .version(state.as_ref())
        .unwrap_or_else(|| "unknown version".to_owned());
    let mut words = vec![
        format!(
            "service   {} (revision {}, {})",
            service.name, service.service_revision, service.platform
        ),
        format!("current   {current}, container {}", seen.status),
    ];
    words.push(match &seen.parked {
        Some(version) => {
            format!("previous  {version}: `caisson-apply service rollback {name}` starts it again")
        }
        None => "previous  none: a rollback is not possible".to_owned(),
    });
    if let Some(journal) = &journal
        && let Ok(history) = journal.history(Some(name), 1)
        && let Some(last) = history.first()
    {
        words.push(format!(
            "updated   last by {} ({})",
            &last.update_id[..last.update_id.len().min(8)],
            last.outcome.as_deref().unwrap_or("open")
        ));
    }
    show_one(session, &to_json(service, state.as_ref(), &seen), &words);
    Ok(Exit::Done)
}

/// Shows the rest even where no engine answers.
fn reachable(session: &Session) -> Option<DockerEngine> {
    match session.connect() {
        Ok((engine, _info)) => Some(engine),
        Err(error) => {
            talk(&format!("the engine is not asked: {error}"));
            None
        }
    }
}

fn state_of(journal: Option<&SqliteJournal>, service: &str) -> Option<ServiceState> {
    journal.and_then(|journal| journal.service(service).ok().flatten())
}

/// What the engine shows of a service.
struct Seen {
    status: String,
    container_id: Option<String>,
    label: Option<String>,
    /// The version of the parked container.
    parked: Option<String>,
    /// An update is under way, or was interrupted: what runs may be on trial.
    update_open: bool,
}

impl Seen {
    /// The journal's word if it is about this container, else the container's own.
    fn version(&self, state: Option<&ServiceState>) -> Option<String> {
        let of = |version: &InstalledVersion| version.version.clone();
        match (state, &self.container_id) {
            (Some(state), Some(id)) if state.current.container_id == *id => of(&state.current),
            (Some(state), None) => of(&state.current),
            _ => self.label.clone(),
        }
    }
}

fn seen(
    engine: Option<&DockerEngine>,
    journal: Option<&SqliteJournal>,
    service: &ServiceEntry,
) -> Result<Seen> {
    let open = journal
        .and_then(|journal| journal.open_updates().ok())
        .unwrap_or_default();
    let update_open = open
        .iter()
        .any(|record| record.service.name == service.name);
    let mut seen = Seen {
        status: "not asked".to_owned(),
        container_id: None,
        label: None,
        parked: None,
        update_open,
    };
    let (Some(engine), Ok(docker)) = (engine, service.docker()) else {
        return Ok(seen);
    };
    match engine.container(&docker.container_name)? {
        Some(container) => {
            seen.status = container.health.as_ref().map_or_else(
                || container.status.clone(),
                |health| format!("{} ({health})", container.status),
            );
            seen.label = version_label(&container.labels);
            seen.container_id = Some(container.id);
        }
        None => "not installed".clone_into(&mut seen.status),
    }
    if update_open {
        seen.status.push_str(", an update is open");
    }
    if let Some(parked) = engine.container(&Role::Previous.of(&docker.container_name))? {
        seen.parked =
            Some(version_label(&parked.labels).unwrap_or_else(|| "an unknown version".to_owned()));
    }
    Ok(seen)
}

fn to_json(service: &ServiceEntry, state: Option<&ServiceState>, seen: &Seen) -> Value {
    json!({
        "service": service.name,
        "service_revision": service.service_revision,
        "platform": service.platform,
        "version": seen.version(state),
        "status": seen.status,
        "container_id": seen.container_id,
        "previous_version": seen.parked,
        "update_open": seen.update_open,
        "state": state,
    })
}
