//! The main job on a real engine, by the real programs: install, update, roll
//! back, refuse.

use std::time::Duration;

use caisson_tests::device::Device;
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
