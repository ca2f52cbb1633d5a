//! The main job on a real engine, by the real programs: install, update, roll
//! back, refuse.

use std::time::Duration;

use caisson_tests::device::{Device, RUNNING_PROBE};
use caisson_tests::engines::engine_for_tests;

const SOON: Duration = Duration::from_secs(10);

fn device() -> Option<Device> {
    let engine = engine_for_tests()?;
    Some(Device::new(&engine.socket()).expect("a device on the engine"))
}

/// The path everything else hangs on: nothing of it is simulated here.
#[test]
fn a_service_is_installed_updated_and_rolled_back_by_hand() {
    let Some(device) = device() else { return };
    let (first, _) = device.pack(&device.recipe("1.0.0")).unwrap();
    let said = device.load(&first).unwrap().expect(0).unwrap();
    println!("{}{}", said.err, said.out);
    device.wait_for_version("1.0.0", SOON).unwrap();
    let (second, _) = device.pack(&device.recipe("1.1.0")).unwrap();
    let said = device.load(&second).unwrap().expect(0).unwrap();
    println!("{}{}", said.err, said.out);
    device.wait_for_version("1.1.0", SOON).unwrap();
    println!("{:#?}", device.traces());
    let said = device
        .apply(&["service", "rollback", "--no-boot-unit", &device.name])
        .unwrap()
        .expect(0)
        .unwrap();
    println!("{}{}", said.err, said.out);
    device.wait_for_version("1.0.0", SOON).unwrap();
    println!("{:#?}", device.traces());
    let said = device
        .apply(&["history", "list"])
        .unwrap()
        .expect(0)
        .unwrap();
    println!("{}{}", said.err, said.out);
}

/// An image that ends, listens on nothing or is unhealthy must cost the service
/// only the time to find out.
#[test]
fn a_bad_version_is_rolled_back_to_the_very_same_container() {
    let Some(device) = device() else { return };
    device.catalog(RUNNING_PROBE).unwrap();
    let (good, _) = device.pack(&device.recipe("1.0.0")).unwrap();
    device.load(&good).unwrap().expect(0).unwrap();
    let before = device.inspect("").unwrap().expect("it runs");
    let (bad, _) = device
        .pack(&device.recipe("1.1.0").with_env("CRASH_AFTER_MS", "1000"))
        .unwrap();
    let said = device.load(&bad).unwrap().expect(30).unwrap();
    println!("{}{}", said.err, said.out);
    let after = device.inspect("").unwrap().expect("it runs again");
    assert_eq!(before["Id"], after["Id"]);
    println!("{:#?}", device.traces());
}
