//! What must hold of a device, in one place.

use anyhow::{Context, Result, ensure};
use caisson_apply::journal::Journal;

use super::world::{SERVICE, World};
use crate::sim::{ContainerState, SimState};

/// After a recovery has ended without a cut: exactly one version, the one that the
/// commit row demands, as it was configured, and nothing left over.
pub fn settled(world: &World) -> Result<()> {
    let state = world.sim.state();
    let committed = world.committed()?;
    let (before, after) = world.scenario.versions();
    if committed {
        serves(world, &state, after)?;
        parked(world, &state)?;
    } else {
        if let Some(before) = before {
            serves(world, &state, before)?;
        }
        ensure!(
            essence(&state) == essence(&world.before),
            "left over: {:#?}\nbefore: {:#?}",
            essence(&state),
            essence(&world.before)
        );
    }
    let incoming: Vec<_> = state
        .tags
        .keys()
        .filter(|tag| tag.contains("incoming"))
        .collect();
    ensure!(incoming.is_empty(), "tags left over: {incoming:?}");
    let open = world.journal()?.open_updates()?;
    ensure!(open.is_empty(), "{} updates are still open", open.len());
    Ok(())
}

/// This version under the service's name, as it was configured, and no other beside it.
fn serves(world: &World, state: &SimState, version: &str) -> Result<()> {
    let named = state
        .container(SERVICE)
        .context("no container under the service's name")?;
    ensure!(
        named.version.as_deref() == Some(version),
        "version {:?}, wanted {version}",
        named.version
    );
    ensure!(
        (named.status == "running") != world.scenario.stopped,
        "the service is {}",
        named.status
    );
    ensure!(
        named.policy.name == world.configured,
        "policy {}",
        named.policy.name
    );
    ensure!(
        state.up().len() == usize::from(!world.scenario.stopped),
        "{} containers run",
        state.up().len()
    );
    Ok(())
}

/// What served before the commit is parked, and nothing else is there.
fn parked(world: &World, state: &SimState) -> Result<()> {
    let Some(old) = world.before.container(SERVICE) else {
        ensure!(
            state.containers.len() == 1,
            "containers left over: {:?}",
            names(state)
        );
        return Ok(());
    };
    let parked = state
        .container("web.caisson-previous")
        .context("the old container is not parked")?;
    ensure!(parked.id == old.id, "another container is parked");
    ensure!(
        parked.policy.name == "no",
        "the parked container has policy {}",
        parked.policy.name
    );
    ensure!(
        state.containers.len() == 2,
        "containers left over: {:?}",
        names(state)
    );
    Ok(())
}

/// After a recovery that had no journal to go by: exactly one version, whole, as it
/// was configured, and no container in flight. Images may be left; a tag keeps them.
pub fn serves_one(world: &World) -> Result<()> {
    let state = world.sim.state();
    let named = state
        .container(SERVICE)
        .context("no container under the service's name")?;
    ensure!(named.status == "running", "the service is {}", named.status);
    ensure!(
        named.policy.name == world.configured,
        "policy {}",
        named.policy.name
    );
    ensure!(state.up().len() == 1, "{} containers run", state.up().len());
    for before in &world.before.containers {
        ensure!(
            !world.scenario.act.is_rollback() || state.containers.iter().any(|c| c.id == before.id),
            "{}, which only changed its part, was removed",
            before.name
        );
    }
    for container in &state.containers {
        let is_parked = container.name.ends_with(".caisson-previous");
        ensure!(
            container.name == SERVICE || is_parked,
            "{} is left",
            container.name
        );
        ensure!(
            !is_parked || container.policy.name == "no",
            "the parked container has policy {}",
            container.policy.name
        );
    }
    Ok(())
}

/// After the device came up again and before anybody recovered: the engine by
/// itself runs one version at most, and only in the two policy calls of `settle`,
/// after the commit, none. A service that nobody insured comes back as configured.
pub fn booted(world: &World) -> Result<()> {
    let state = world.sim.state();
    let insured = state
        .containers
        .iter()
        .any(|container| container.policy.name == "always");
    let may_be_down = world.scenario.stopped
        || world.before.container(SERVICE).is_none()
        || (world.configured == "no" && !insured);
    let up: Vec<_> = state
        .up()
        .iter()
        .map(|container| container.name.clone())
        .collect();
    ensure!(up.len() <= 1, "the engine started {up:?} together");
    ensure!(
        up.len() == 1 || may_be_down || world.committed()?,
        "the engine started nothing, and there is no commit row"
    );
    Ok(())
}

/// A second recovery finds nothing to do.
pub fn twice_is_once(world: &World) -> Result<()> {
    let before = essence(&world.sim.state());
    let again = world
        .recover(None)
        .map_err(|error| anyhow::anyhow!("a second recovery: {error}"))?;
    ensure!(again.is_empty(), "a second recovery did {again:?}");
    ensure!(
        essence(&world.sim.state()) == before,
        "a second recovery changed the engine"
    );
    Ok(())
}

/// Everything of a state but what time does to it.
fn essence(state: &SimState) -> Vec<String> {
    let container = |one: &ContainerState| {
        format!(
            "{} {} {} {} {:?} {:?}",
            one.name, one.id, one.image_id, one.status, one.policy, one.volumes
        )
    };
    let mut facts: Vec<String> = state.containers.iter().map(container).collect();
    facts.extend(
        state
            .images
            .iter()
            .map(|image| format!("image {}", image.id)),
    );
    facts.extend(state.tags.iter().map(|(tag, id)| format!("tag {tag} {id}")));
    facts.extend(
        state
            .volumes
            .iter()
            .map(|volume| format!("volume {volume}")),
    );
    facts.sort();
    facts
}

fn names(state: &SimState) -> Vec<&str> {
    state
        .containers
        .iter()
        .map(|container| container.name.as_str())
        .collect()
}
