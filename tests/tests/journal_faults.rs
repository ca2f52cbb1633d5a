//! A journal that fails in the wrong moment: it may cost a row, never the service,
//! and never two versions at once.

use caisson_apply::engine::Engine;
use caisson_apply::engine::docker::DockerEngine;
use caisson_tests::crash::invariants::{serves_one, settled, twice_is_once};
use caisson_tests::crash::power::{Fault, Side};
use caisson_tests::crash::world::{Packages, SERVICE, Scenario, World};
use serde_json::json;

/// More effects than any update has: the loops end when an update gets through.
const EFFECTS_MAX: u32 = 100;

fn stops(world: &World) -> usize {
    let requests = world.sim.requests();
    requests
        .iter()
        .filter(|request| request.target.contains("/stop"))
        .count()
}

/// The timer recovers every minute: if each time it repeated a stop whose row it can't
/// write, the service would go down every minute for ever.
#[test]
fn a_journal_that_can_not_be_written_does_not_stop_the_service_again_and_again() {
    let scenario = Scenario::good();
    let packages = Packages::of(&scenario).unwrap();
    for n in 1..EFFECTS_MAX {
        let world = World::new(&scenario, &packages).unwrap();
        let _ = world.update(Some((n, Side::After)));
        if !world.power.is_dead() {
            return;
        }
        world.power.fault.set(Fault::Writes);
        let _ = world.recover(None);
        for again in 2..4 {
            world.sim.forget_requests();
            let _ = world.recover(None);
            assert_eq!(
                stops(&world),
                0,
                "cut after effect {n}: recovery {again} stops the service"
            );
        }
        world.power.fault.set(Fault::None);
        world.recover(None).unwrap();
        settled(&world).unwrap();
        twice_is_once(&world).unwrap();
    }
    panic!("the update never got through");
}

/// The rows are gone with the file that was moved aside; what was done is not.
#[test]
fn a_commit_that_fails_together_with_its_abort_is_taken_back_whole() {
    let scenario = Scenario::good();
    let packages = Packages::of(&scenario).unwrap();
    let world = World::new(&scenario, &packages).unwrap();
    world.power.fault.set(Fault::Commit);
    let error = world.update(None).unwrap_err();
    assert_eq!(error.exit() as u8, 30, "{error:?}");
    serves_one(&world).unwrap();
    world.power.fault.set(Fault::None);
    world.recover(None).unwrap();
    serves_one(&world).unwrap();
}

/// Rows that can't be read must not turn a committed update back.
#[test]
fn rows_that_can_not_be_read_leave_the_decision_to_the_labels() {
    let scenario = Scenario::good();
    let packages = Packages::of(&scenario).unwrap();
    for n in 1..EFFECTS_MAX {
        let world = World::new(&scenario, &packages).unwrap();
        let _ = world.update(Some((n, Side::After)));
        if !world.power.is_dead() {
            return;
        }
        let committed = world.committed().unwrap();
        world.power.fault.set(Fault::Rows);
        let _ = world.recover(None);
        world.power.fault.set(Fault::None);
        let recovered = world.recover(None);
        assert!(recovered.is_ok(), "cut after effect {n}: {recovered:?}");
        serves_one(&world).unwrap();
        let state = world.sim.state();
        let named = state.container(SERVICE).unwrap();
        let old = world.before.container(SERVICE).unwrap();
        assert!(
            !committed || named.id != old.id,
            "cut after effect {n}: committed, and the old version came back"
        );
    }
    panic!("the update never got through");
}

/// Somebody removes the old container while an update is open, and makes another one
/// by hand, as they are told: that must end it.
#[test]
fn a_container_removed_by_hand_closes_the_update() {
    let scenario = Scenario::good();
    let packages = Packages::of(&scenario).unwrap();
    let world = World::new(&scenario, &packages).unwrap();
    let _ = world.update(Some((20, Side::After)));
    assert!(world.power.is_dead(), "the cut did not happen");
    let engine = DockerEngine::new(world.sim.socket());
    let old = world.before.container(SERVICE).unwrap().id.clone();
    engine.remove_container(&old, true, false).unwrap();
    let error = world.recover(None).unwrap_err();
    assert_eq!(error.exit() as u8, 31, "{error:?}");
    let image = world.before.container(SERVICE).unwrap().image_id.clone();
    let body = json!({ "Image": image, "HostConfig": { "RestartPolicy": { "Name": "always" } } });
    let id = engine.create_container(SERVICE, &body).unwrap();
    engine.start_container(&id).unwrap();
    let again = world.recover(None);
    assert_eq!(again.as_deref().map(<[_]>::len), Ok(0), "{again:?}");
    assert_eq!(world.sim.state().up().len(), 1);
}
