//! What no journal row explains: containers in a role of ours after the journal
//! was lost, and images that an engine finished importing after we were gone.
//!
//! Container names, restart policies and our labels say enough:
//! an old container still insured was not yet settled (back), one with policy
//! `no` was (forward), and a candidate alone never served (removed). Where neither of
//! two containers has a label of ours, nothing is touched. A `.caisson-old` with no
//! other beside it starts again in any case: nothing else can serve.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use crate::engine::{Container, Engine, RestartPolicy};
use crate::error::Result;
use crate::name::{
    INCOMING_REPOSITORY, LABEL_POLICY, LABEL_REPLACES, LABEL_UPDATE, LABEL_WAS_RUNNING, Role,
    parse_policy_label,
};

use super::context::Device;
use super::recover::Recovered;

/// Grace of containers whose own is unknown here; the engine's default.
const GRACE: Duration = Duration::from_secs(10);

/// Clears leftovers of every service without an open update.
///
/// # Errors
/// The engine's own failures; what was not cleared is found again next time.
pub(super) fn clear(device: &mut Device<'_>) -> Result<Vec<Recovered>> {
    let engine = device.engine;
    // Updates that are open keep their containers: their own recovery goes on.
    let open = super::recover::open(device.journal).unwrap_or_default();
    let open_names: BTreeSet<&str> = open
        .iter()
        .map(|record| record.container.as_str())
        .collect();
    let mut done = Vec::new();
    for (base, roles) in in_roles(engine)? {
        if open_names.contains(base.as_str()) {
            continue;
        }
        if let Some(words) = clear_one(engine, &base, &roles)? {
            device.talk.say(&words);
            done.push(Recovered {
                service: base,
                update_id: None,
                outcome: "cleared",
                words,
                touched: true,
            });
        }
    }
    let open_tags: BTreeSet<&String> = open
        .iter()
        .filter_map(|record| record.tags.incoming.as_ref())
        .collect();
    let prefix = format!("{INCOMING_REPOSITORY}:");
    for tag in engine.images()?.into_iter().flat_map(|image| image.tags) {
        if tag.starts_with(&prefix) && !open_tags.contains(&tag) {
            engine.untag_image(&tag)?;
        }
    }
    Ok(done)
}

/// Containers in flight by the service's container name. `.caisson-previous` is
/// the parked one of a finished update and means nothing by itself.
fn in_roles(engine: &dyn Engine) -> Result<BTreeMap<String, BTreeMap<&'static str, Container>>> {
    let mut found: BTreeMap<String, BTreeMap<&'static str, Container>> = BTreeMap::new();
    for row in engine.containers()? {
        let Some((base, role)) = row.names.first().and_then(|name| Role::split(name)) else {
            continue;
        };
        if role == Role::Previous {
            continue;
        }
        if let Some(container) = engine.container(&row.id)? {
            found
                .entry(base.to_owned())
                .or_default()
                .insert(role.suffix(), container);
        }
    }
    Ok(found)
}

fn clear_one(
    engine: &dyn Engine,
    base: &str,
    roles: &BTreeMap<&'static str, Container>,
) -> Result<Option<String>> {
    let named = engine.container(base)?;
    let new = roles
        .get(Role::New.suffix())
        .filter(|container| ours(container));
    if let Some(old) = roles.get(Role::Old.suffix()) {
        let candidate = named
            .as_ref()
            .or(new)
            .or_else(|| roles.get(Role::Back.suffix()));
        let Some(candidate) = candidate else {
            // The old one alone: nothing else can serve.
            engine.rename_container(&old.id, base)?;
            serve(engine, &old.id, policy_of(old, None), true)?;
            return Ok(Some(format!(
                "container `{base}` got its name back and runs"
            )));
        };
        if !ours(old) && !ours(candidate) {
            return Ok(None);
        }
        if old.restart_policy.name == "no" {
            return forward(engine, base, old, candidate).map(Some);
        }
        return back(engine, base, old, candidate).map(Some);
    }
    if let Some(new) = new {
        engine.remove_container(&new.id, true, true)?;
        if let Some(named) = &named {
            serve(
                engine,
                &named.id,
                policy_of(named, Some(new)),
                was_running(new),
            )?;
        }
        return Ok(Some(format!(
            "an unfinished candidate of container `{base}` was removed"
        )));
    }
    if let Some(parked) = roles.get(Role::Back.suffix())
        && (ours(parked) || named.as_ref().is_some_and(ours))
    {
        engine.rename_container(&parked.id, &Role::Previous.of(base))?;
        if let Some(named) = &named {
            serve(
                engine,
                &named.id,
                policy_of(named, None).or_else(|| policy_of(parked, None)),
                was_running(named),
            )?;
        }
        return Ok(Some(format!(
            "an unfinished rollback of container `{base}` was undone"
        )));
    }
    Ok(None)
}

/// Was it made by an update? What was there before the first one has no label.
fn ours(container: &Container) -> bool {
    container.labels.contains_key(LABEL_UPDATE)
}

/// The old container was settled: the new one serves.
fn forward(
    engine: &dyn Engine,
    base: &str,
    old: &Container,
    candidate: &Container,
) -> Result<String> {
    if old.running {
        engine.stop_container(&old.id, GRACE)?;
    }
    if candidate.name != base {
        engine.rename_container(&candidate.id, base)?;
    }
    // A container that was there before us has no label; what replaced it has.
    let policy = policy_of(candidate, None).or_else(|| policy_of(old, None));
    serve(engine, &candidate.id, policy, was_running(candidate))?;
    if let Some(parked) = engine.container(&Role::Previous.of(base))? {
        engine.remove_container(&parked.id, true, false)?;
    }
    engine.rename_container(&old.id, &Role::Previous.of(base))?;
    Ok(format!("the update of container `{base}` was finished"))
}

/// The old container is still insured: it serves again.
fn back(engine: &dyn Engine, base: &str, old: &Container, candidate: &Container) -> Result<String> {
    let replaces = candidate.labels.get(LABEL_REPLACES) == Some(&old.id);
    // Two rollbacks in a row make a candidate of a container that replaced the old one
    // long ago. A load's is told from it by what a rollback takes away, the parked one,
    // or by never having ended. In doubt it is parked, not removed.
    let parked = engine.container(&Role::Previous.of(base))?;
    let made_for_it = replaces && (parked.is_some() || never_ended(candidate));
    if candidate.running || candidate.restarting {
        engine.stop_container(&candidate.id, GRACE)?;
    }
    if made_for_it {
        engine.remove_container(&candidate.id, true, true)?;
    } else {
        // The candidate of a rollback: somebody's data, parked again.
        engine.rename_container(&candidate.id, &Role::Previous.of(base))?;
    }
    engine.rename_container(&old.id, base)?;
    let asked = replaces.then_some(candidate);
    serve(
        engine,
        &old.id,
        policy_of(old, asked).or_else(|| policy_of(candidate, None)),
        asked.is_none_or(was_running),
    )?;
    Ok(format!(
        "the unfinished update of container `{base}` was undone"
    ))
}

fn serve(engine: &dyn Engine, id: &str, policy: Option<RestartPolicy>, run: bool) -> Result<()> {
    if run {
        engine.start_container(id)?;
    }
    if let Some(policy) = policy {
        engine.set_restart_policy(id, &policy)?;
    }
    Ok(())
}

/// The configured policy by the labels of the candidate, or of the container itself.
fn policy_of(container: &Container, candidate: Option<&Container>) -> Option<RestartPolicy> {
    candidate
        .and_then(|candidate| candidate.labels.get(LABEL_POLICY))
        .or_else(|| container.labels.get(LABEL_POLICY))
        .and_then(|text| parse_policy_label(text))
}

/// Has it never run, or does it run for the first time?
fn never_ended(container: &Container) -> bool {
    container.raw["State"]["FinishedAt"]
        .as_str()
        .is_none_or(|time| time.starts_with("0001-"))
}

fn was_running(container: &Container) -> bool {
    container
        .labels
        .get(LABEL_WAS_RUNNING)
        .is_none_or(|text| text == "true")
}
