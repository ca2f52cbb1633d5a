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
    world
        .recover(None)
        .map_err(|error| anyhow::anyhow!("recover: {error} {error:#?}"))?;
    let effects = world.power.count();
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

/// Every single cut of a scenario, and every cut of each recovery. Prints the number of cells.
fn sweep(scenario: &Scenario) {
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
                if side == Side::After {
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
    println!(
        "{}: {singles} single cuts, {doubles} double cuts, {:.1} s",
        scenario.name,
        begin.elapsed().as_secs_f64()
    );
    assert!(
        singles > 60,
        "only {singles} cells: the effects were not counted"
    );
}

/// A cut in a good update may leave either version, but exactly one, whole.
#[test]
fn the_good_update() {
    sweep(&Scenario::good());
}

/// A new version that ends by itself must never be left in charge.
#[test]
fn the_crash_looping_image() {
    sweep(&Scenario::crash_loop());
}

/// Nor one that runs and never serves.
#[test]
fn the_image_that_never_gets_healthy() {
    sweep(&Scenario::never_healthy());
}
