//! Every effect of an update is a place to die at: before it, or after it with
//! nobody left to learn of it. Then the device recovers, is cut again while it
//! does, and must end on exactly one version.
//!
//! Three ways on from a cut: the process alone was killed and the engine ran on
//! (the guard recovers); the power went and the disk kept everything; the power
//! went and the disk lost what nobody had synced.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use caisson_tests::crash::invariants::{booted, settled, twice_is_once};
use caisson_tests::crash::power::Side;
use caisson_tests::crash::world::{Packages, Scenario, World};
use caisson_tests::programs::report;
use caisson_tests::sim::Tail;

const SIDES: [Side; 2] = [Side::Before, Side::After];

/// What happens between the death of the process and the recovery.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Meanwhile {
    /// The engine runs on.
    Killed,
    /// The whole device went dark.
    PowerCut(Tail),
}

const MEANWHILE: [Meanwhile; 3] = [
    Meanwhile::Killed,
    Meanwhile::PowerCut(Tail::Kept),
    Meanwhile::PowerCut(Tail::Lost),
];

fn meanwhile(world: &World, how: Meanwhile) -> Result<()> {
    match how {
        Meanwhile::Killed => Ok(()),
        Meanwhile::PowerCut(tail) => {
            world.sim.power_cycle(tail)?;
            booted(world)?;
            // Somebody boots the device, and it takes a while until anything recovers.
            world.sim.advance(Duration::from_secs(30));
            booted(world)
        }
    }
}

/// One cut and the recovery from it. Gives the effects the recovery had, or `None`
/// if the update ended before the cut.
fn single(
    scenario: &Scenario,
    packages: &Packages,
    n: u32,
    side: Side,
    how: Meanwhile,
) -> Result<Option<u32>> {
    let world = World::new(scenario, packages)?;
    let _ = world.update(Some((n, side)));
    if !world.power.is_dead() {
        return Ok(None);
    }
    meanwhile(&world, how)?;
    let recovered = world
        .recover(None)
        .map_err(|error| anyhow::anyhow!("recover: {error} {error:#?}"))?;
    let effects = world.power.count();
    if recovered.is_empty() && scenario.policy == "no" && how != Meanwhile::Killed {
        // Nothing was in flight: after a boot it is down, as configured.
        ensure!(world.sim.state().up().is_empty(), "it was started");
        return Ok(Some(effects));
    }
    settled(&world)?;
    twice_is_once(&world)?;
    Ok(Some(effects))
}

/// A cut of the update, then one of its recovery, then a recovery that gets through.
fn double(
    scenario: &Scenario,
    packages: &Packages,
    first: u32,
    second: u32,
    how: Meanwhile,
) -> Result<()> {
    let world = World::new(scenario, packages)?;
    let _ = world.update(Some((first, Side::After)));
    ensure!(world.power.is_dead(), "the first cut did not happen");
    meanwhile(&world, how)?;
    let _ = world.recover(Some((second, Side::After)));
    ensure!(world.power.is_dead(), "the second cut did not happen");
    meanwhile(&world, how)?;
    world
        .recover(None)
        .map_err(|error| anyhow::anyhow!("recover: {error} {error:#?}"))?;
    settled(&world)?;
    twice_is_once(&world)
}

/// How far a sweep goes.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Cuts {
    Single,
    /// Also every cut of each recovery.
    Double,
}

/// Every cut of a scenario. Prints the number of cells.
fn sweep(scenario: &Scenario, cuts: Cuts) {
    let begin = Instant::now();
    let packages = Packages::of(scenario).unwrap();
    let whole = World::new(scenario, &packages).unwrap();
    let outcome = whole.update(None);
    assert_eq!(outcome.is_ok(), scenario.good, "uncut: {outcome:?}");
    settled(&whole).unwrap();
    twice_is_once(&whole).unwrap();
    let (mut singles, mut doubles) = (0, 0);
    for how in MEANWHILE {
        for n in 1.. {
            let mut over = false;
            for side in SIDES {
                let cut = format!("{}: {how:?}, cut {side:?} effect {n}", scenario.name);
                let effects = single(scenario, &packages, n, side, how)
                    .with_context(|| cut.clone())
                    .unwrap();
                let Some(effects) = effects else {
                    over = true;
                    break;
                };
                singles += 1;
                // To a dead process, after one effect and before the next are the same.
                if side == Side::After && cuts == Cuts::Double {
                    for m in 1..=effects {
                        double(scenario, &packages, n, m, how)
                            .with_context(|| format!("{cut}, recovery cut after effect {m}"))
                            .unwrap();
                        doubles += 1;
                    }
                }
            }
            if over {
                break;
            }
        }
    }
    report(
        &format!("crash-points-{}", scenario.name.replace(' ', "-")),
        &format!(
            "{}: {singles} single cuts, {doubles} double cuts, {:.1} s",
            scenario.name,
            begin.elapsed().as_secs_f64()
        ),
    );
    assert!(
        singles > 60,
        "only {singles} cells: the effects were not counted"
    );
}

/// A cut in a good update may leave either version, but exactly one, whole.
#[test]
fn the_good_update() {
    sweep(&Scenario::good(), Cuts::Double);
}

/// A new version that ends by itself must never be left in charge.
#[test]
fn the_crash_looping_image() {
    sweep(&Scenario::crash_loop(), Cuts::Double);
}

/// Nor one that runs and never serves.
#[test]
fn the_image_that_never_gets_healthy() {
    sweep(&Scenario::never_healthy(), Cuts::Double);
}

/// Where nothing was installed, nothing of ours may be left either.
#[test]
fn the_first_install() {
    sweep(
        &Scenario::good().first_install("first install"),
        Cuts::Single,
    );
    sweep(
        &Scenario::crash_loop().first_install("failing first install"),
        Cuts::Single,
    );
}

/// Going back by hand is an update like any other, and its candidate is somebody's data.
#[test]
fn the_rollback_by_hand() {
    sweep(&Scenario::rollback(), Cuts::Double);
    sweep(&Scenario::rollback_again(), Cuts::Single);
    sweep(&Scenario::failing_rollback(), Cuts::Single);
}

/// A service that somebody stopped is never started, whichever version it ends on.
#[test]
fn the_stopped_service() {
    let stopped = |scenario: Scenario, name| Scenario {
        name,
        stopped: true,
        good: true,
        ..scenario
    };
    sweep(&stopped(Scenario::good(), "stopped"), Cuts::Single);
    sweep(
        &stopped(Scenario::rollback(), "stopped, rollback"),
        Cuts::Single,
    );
}

/// The insurance must give every policy back exactly.
#[test]
fn the_other_policies() {
    for policy in ["no", "always", "on-failure"] {
        for scenario in [Scenario::good(), Scenario::crash_loop()] {
            sweep(&Scenario { policy, ..scenario }, Cuts::Single);
        }
    }
}

/// An image that was there before is somebody's and stays; so does, until the commit,
/// the container that a rollback would go back to.
#[test]
fn what_was_there_before() {
    for scenario in [Scenario::good(), Scenario::crash_loop()] {
        let there = Scenario {
            name: "image there",
            image_there: true,
            ..scenario.clone()
        };
        sweep(&there, Cuts::Single);
        let parked = Scenario {
            name: "older version parked",
            parked: true,
            ..scenario
        };
        sweep(&parked, Cuts::Single);
    }
}
