//! The journal is gone together with the process: names, restart policies and our
//! labels on the engine must be enough to end on one version.

use anyhow::{Context, Result};
use caisson_tests::crash::invariants::{serves_one, twice_is_once};
use caisson_tests::crash::power::Side;
use caisson_tests::crash::world::{Packages, Scenario, World};
use caisson_tests::sim::Tail;

/// A cut after effect `n`, the journal lost, perhaps the power too. `None` if the
/// update ended before the cut.
fn lose(
    scenario: &Scenario,
    packages: &Packages,
    n: u32,
    tail: Option<Tail>,
) -> Result<Option<()>> {
    let world = World::new(scenario, packages)?;
    let _ = world.update(Some((n, Side::After)));
    if !world.power.is_dead() {
        return Ok(None);
    }
    world.lose_journal()?;
    if let Some(tail) = tail {
        world.sim.power_cycle(tail)?;
    }
    world
        .recover(None)
        .map_err(|error| anyhow::anyhow!("recover: {error} {error:#?}"))?;
    serves_one(&world)?;
    twice_is_once(&world)?;
    Ok(Some(()))
}

/// A lost journal must not cost the service, nor leave two versions side by side.
#[test]
fn every_cut_with_the_journal_lost_ends_on_one_version() {
    for scenario in [
        Scenario::good(),
        Scenario::crash_loop(),
        Scenario::rollback(),
        Scenario::rollback_again(),
        Scenario::failing_rollback(),
        Scenario {
            name: "made by hand",
            by_hand: true,
            ..Scenario::good()
        },
        Scenario {
            name: "rollback to one made by hand",
            by_hand: true,
            ..Scenario::rollback()
        },
        Scenario {
            name: "rollback from one made by hand",
            by_hand: true,
            ..Scenario::rollback_again()
        },
        Scenario {
            name: "older version parked",
            parked: true,
            ..Scenario::good()
        },
    ] {
        let packages = Packages::of(&scenario).unwrap();
        for tail in [None, Some(Tail::Kept), Some(Tail::Lost)] {
            let mut cells = 0;
            for n in 1.. {
                let outcome = lose(&scenario, &packages, n, tail)
                    .with_context(|| format!("{}: cut after effect {n}, {tail:?}", scenario.name))
                    .unwrap();
                if outcome.is_none() {
                    break;
                }
                cells += 1;
            }
            println!("{}, {tail:?}: {cells} cells", scenario.name);
            assert!(
                cells > 30,
                "only {cells} cells: the effects were not counted"
            );
        }
    }
}
