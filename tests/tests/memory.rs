//! Memory and disk of a device that has little of both: the same for a package of
//! 5 MiB and one of 300 MiB. The program is the one that is shipped.
//! `caisson-bench` does this with 2 GiB.

use std::fs::{self, File};
use std::io::{Read, Seek, SeekFrom};
use std::path::Path;

use caisson_tests::programs::caisson_apply_release;
use caisson_tests::witness::{Place, Usage, measure};

/// The hard budget.
const PEAK_BYTES_MAX: u64 = 16 << 20;
/// The journal; everything else goes to the engine.
const WRITTEN_BYTES_MAX: u64 = 1 << 20;
/// Between a small and a great package.
const GROWTH_BYTES_MAX: u64 = 1 << 20;
/// The level whose window is the largest that is allowed.
const LEVEL: &str = "9";
const WINDOW_LOG: u8 = 22;

/// Something that grows with the package would kill a small device with a great one.
#[test]
fn memory_and_disk_do_not_grow_with_the_package() {
    let Some(mut place) = Place::private().unwrap() else {
        return;
    };
    place.install("1.0.0").unwrap();
    caisson_apply_release().clone_into(&mut place.device.program);
    let small = costs(&place, "1.1.0", &[5 << 20]);
    let great = costs(&place, "1.2.0", &[150 << 20, 150 << 20]);
    for ((name, small), (_, great)) in small.iter().zip(&great) {
        println!(
            "{name:<16} {:>6} KiB of memory, {:>6} KiB with the great one (guard {} KiB); \
             {} KiB to disks, {} KiB with the great one; {:.2} s, {:.2} s",
            small.peak_bytes >> 10,
            great.peak_bytes >> 10,
            great.children_peak_bytes >> 10,
            small.written_bytes >> 10,
            great.written_bytes >> 10,
            small.wall.as_secs_f64(),
            great.wall.as_secs_f64(),
        );
        assert!(great.peak_bytes > 0, "{name}: not measured");
        for usage in [small, great] {
            assert!(usage.peak_bytes <= PEAK_BYTES_MAX, "{name}: {usage:?}");
            assert!(
                usage.children_peak_bytes <= PEAK_BYTES_MAX,
                "{name}: {usage:?}"
            );
            assert!(usage.written_bytes < WRITTEN_BYTES_MAX, "{name}: {usage:?}");
        }
        assert!(
            great.peak_bytes < small.peak_bytes + GROWTH_BYTES_MAX,
            "{name} grows: {small:?}, {great:?}"
        );
    }
    let stored = stored_bytes(&place.device.state_dir());
    assert!(stored < WRITTEN_BYTES_MAX, "{stored} bytes of state");
}

/// A package with layers of these sizes, at the largest window: checked and loaded.
fn costs(place: &Place, version: &str, layers: &[u64]) -> Vec<(&'static str, Usage)> {
    let device = &place.device;
    let mut recipe = device.recipe(version);
    for (seed, bytes) in (1..).zip(layers) {
        recipe = recipe.with_padding(*bytes, seed);
    }
    let (package, _) = device
        .pack_as(&recipe, version, &["--level", LEVEL])
        .unwrap();
    assert_eq!(greatest_window_log(&package), WINDOW_LOG);
    let run = |command: &mut std::process::Command| {
        let (said, usage) = measure(command).unwrap();
        said.expect(0).unwrap();
        usage
    };
    let mut validate = device.command();
    validate.args(["package", "validate"]).arg(&package);
    let mut deep = device.command();
    deep.args(["package", "validate", "--deep"]).arg(&package);
    let costs = vec![
        ("validate", run(&mut validate)),
        ("validate --deep", run(&mut deep)),
        ("load", run(&mut device.load_command(&package))),
    ];
    fs::remove_file(&package).unwrap();
    costs
}

/// The greatest window that a layer of the package asks for.
fn greatest_window_log(package: &Path) -> u8 {
    let mut file = File::open(package).unwrap();
    let mut greatest = 0;
    loop {
        let mut header = [0; 512];
        file.read_exact(&mut header).unwrap();
        if header[0] == 0 {
            return greatest;
        }
        let size = std::str::from_utf8(&header[124..135]).unwrap();
        let size = u64::from_str_radix(size, 8).unwrap();
        let mut start = [0; 6];
        let read = file.by_ref().take(6).read(&mut start).unwrap();
        // Magic, a descriptor without the single-segment bit, then the window.
        if start.starts_with(&[0x28, 0xb5, 0x2f, 0xfd]) && start[4] & 0x20 == 0 {
            greatest = greatest.max(10 + (start[5] >> 3));
        }
        let rest = size.next_multiple_of(512) - read as u64;
        file.seek(SeekFrom::Current(i64::try_from(rest).unwrap()))
            .unwrap();
    }
}

fn stored_bytes(state_dir: &Path) -> u64 {
    let entries = fs::read_dir(state_dir).unwrap();
    entries
        .map(|entry| entry.unwrap().metadata().unwrap().len())
        .sum()
}
