//! `kill -9` of `caisson-apply` before and after every request on a real engine,
//! with no command typed afterwards and no boot unit.

use std::thread;
use std::time::Duration;

use caisson_tests::device::{Device, HTTP_PROBE};
use caisson_tests::engines::{RealEngine, engine_for_tests, private_engines_allowed};
use caisson_tests::images::ImageRecipe;
use caisson_tests::programs::{caisson_apply_without_guard, report};
use caisson_tests::proxy::{At, Proxy, When};
use caisson_tests::sweep::{Cell, PATIENCE, Sweep, table};

/// Sweeps that run side by side, each on a device and an engine of its own.
const LANES: u64 = 4;

fn sweep(title: &str, new: impl Fn(ImageRecipe) -> ImageRecipe + Sync) {
    if !private_engines_allowed() {
        return;
    }
    let mut cells: Vec<Cell> = thread::scope(|scope| {
        let lanes: Vec<_> = (1..=LANES)
            .map(|lane| {
                let new = &new;
                scope.spawn(move || {
                    let engine = RealEngine::start().unwrap();
                    let mut device = Device::new(&engine.socket()).unwrap();
                    device.catalog(HTTP_PROBE).unwrap();
                    let (base, _) = device.pack(&device.recipe("1.0.0")).unwrap();
                    let (package, _) = device.pack(&new(device.recipe("1.1.0"))).unwrap();
                    let mut sweep = Sweep {
                        device: &mut device,
                        base: &base,
                        base_version: "1.0.0",
                        package: &package,
                        new_version: "1.1.0",
                        patience: PATIENCE,
                    };
                    sweep.run(lane, LANES).unwrap()
                })
            })
            .collect();
        lanes
            .into_iter()
            .flat_map(|lane| lane.join().unwrap())
            .collect()
    });
    cells.sort_by_key(|cell| (cell.request, cell.when == When::After));
    report(
        &format!("kill-sweep-{}", title.replace(' ', "-")),
        &table(title, &cells),
    );
    assert!(
        cells.len() > 40,
        "only {} cells: the requests were not counted",
        cells.len()
    );
}

/// A kill in a good update may leave either version, but exactly one, whole.
#[test]
fn a_good_update_survives_a_kill_at_every_request() {
    sweep("good package", |recipe| recipe);
}

/// A kill while a bad version is tried or taken back must never leave it in charge.
#[test]
fn a_failing_update_survives_a_kill_at_every_request() {
    sweep("package that ends at once", |recipe| {
        recipe.with_env("CRASH_AFTER_MS", "200")
    });
}

/// Without the guard the same kills must be seen to harm, or the sweep proves nothing.
#[test]
fn without_the_guard_the_sweep_fails() {
    let Some(engine) = engine_for_tests() else {
        return;
    };
    let mut device = Device::new(&engine.socket()).unwrap();
    caisson_apply_without_guard().clone_into(&mut device.program);
    let (base, _) = device.pack(&device.recipe("1.0.0")).unwrap();
    let (package, _) = device.pack(&device.recipe("1.1.0")).unwrap();
    let socket = device.folder().join("proxy.sock");
    let proxy = Proxy::start(&socket, &device.engine).unwrap();
    device.socket = socket;
    for call in ["/stop", "/rename", "/start"] {
        let mut sweep = Sweep {
            device: &mut device,
            base: &base,
            base_version: "1.0.0",
            package: &package,
            new_version: "1.1.0",
            patience: Duration::from_secs(6),
        };
        let outcome = sweep.cell(&proxy, At::Containing(call.to_owned()), When::After);
        assert!(
            outcome.is_err(),
            "{call}: nothing repaired the device, and the sweep did not see it"
        );
        println!("{call}: {}", outcome.unwrap_err().root_cause());
        proxy.disarm();
        // What the guard would have done, typed by hand.
        device.apply(&["recover"]).unwrap().expect(30).unwrap();
        assert_eq!(device.version().as_deref(), Some("1.0.0"), "{call}");
    }
}
