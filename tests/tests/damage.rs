//! Packages that were damaged on their way: one flipped bit, or the end missing.
//! Each must be refused, by `validate` and by `load`; a load must not cost the
//! service one answer, nor leave anything in the engine.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Instant;

use anyhow::{Context, Result, ensure};
use caisson_tests::device::Said;
use caisson_tests::witness::{Place, Poller};

/// Flipped bits anywhere in the file.
const FLIPS_ANYWHERE: usize = 200;
/// Flipped bits in what is small: headers, the manifest, its digest, the chunk
/// table, padding, JSON, the two blocks at the end. By size alone a random place
/// is nearly always in a layer.
const FLIPS_IN_SMALL_PARTS: usize = 100;
/// Ends missing.
const CUTS: usize = 100;
/// Devices, each with an engine of its own, among which the loads are divided.
const LANES: usize = 3;

/// One way to damage the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Damage {
    Flip { byte: u64, bit: u8 },
    Cut { length: u64 },
}

/// A file with the package that is damaged and made whole again.
struct Stick {
    path: PathBuf,
    file: File,
    whole: Vec<u8>,
}

impl Stick {
    fn new(folder: &Path, whole: &[u8]) -> Result<Self> {
        let path = folder.join("damaged.edgepkg");
        fs::write(&path, whole)?;
        Ok(Self {
            file: fs::OpenOptions::new().write(true).open(&path)?,
            path,
            whole: whole.to_vec(),
        })
    }

    fn apply(&self, damage: Damage) -> Result<()> {
        match damage {
            Damage::Flip { byte, bit } => {
                let now = self.whole[usize::try_from(byte)?] ^ (1 << bit);
                Ok(self.file.write_all_at(&[now], byte)?)
            }
            Damage::Cut { length } => Ok(self.file.set_len(length)?),
        }
    }

    fn repair(&self, damage: Damage) -> Result<()> {
        match damage {
            Damage::Flip { byte, .. } => {
                let was = self.whole[usize::try_from(byte)?];
                Ok(self.file.write_all_at(&[was], byte)?)
            }
            Damage::Cut { length } => {
                let rest = &self.whole[usize::try_from(length)?..];
                Ok(self.file.write_all_at(rest, length)?)
            }
        }
    }
}

/// Numbers from a printed seed (splitmix64).
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut word = self.0;
        word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (word ^ (word >> 31)) % end
    }
}

/// The seed: new for every run, unless `CAISSON_TEST_SEED` repeats one.
fn seed() -> Result<u64> {
    let seed = match std::env::var("CAISSON_TEST_SEED") {
        Ok(text) => text.parse().context("CAISSON_TEST_SEED")?,
        Err(_) => std::time::UNIX_EPOCH.elapsed()?.as_secs(),
    };
    println!("CAISSON_TEST_SEED={seed} repeats this run");
    Ok(seed)
}

/// The parts of a package that are smaller than a layer: start and length.
fn small_parts(package: &[u8]) -> Result<Vec<(u64, u64)>> {
    let mut parts = Vec::new();
    let mut at = 0;
    loop {
        let header = package.get(at..at + 512).context("a header is cut")?;
        if header.iter().all(|byte| *byte == 0) {
            parts.push((at as u64, (package.len() - at) as u64));
            return Ok(parts);
        }
        let size = std::str::from_utf8(&header[124..135])?;
        let size = usize::from_str_radix(size.trim_matches(['\0', ' ']), 8)?;
        parts.push((at as u64, 512));
        if size <= 64 << 10 {
            parts.push((at as u64 + 512, size as u64));
        }
        let padding = size.next_multiple_of(512) - size;
        parts.push(((at + 512 + size) as u64, padding as u64));
        at += 512 + size + padding;
    }
}

fn damages(package: &[u8], seed: u64) -> Result<Vec<Damage>> {
    let mut numbers = Numbers(seed);
    let mut damages = Vec::new();
    let end = package.len() as u64;
    let flip = |numbers: &mut Numbers, start: u64, length: u64| Damage::Flip {
        byte: start + numbers.below(length),
        bit: u8::try_from(numbers.below(8)).unwrap_or(0),
    };
    for _ in 0..FLIPS_ANYWHERE {
        damages.push(flip(&mut numbers, 0, end));
    }
    let parts: Vec<_> = small_parts(package)?
        .into_iter()
        .filter(|(_, length)| *length > 0)
        .collect();
    // Every part once, then again from the first.
    for (start, length) in parts.iter().cycle().take(FLIPS_IN_SMALL_PARTS) {
        damages.push(flip(&mut numbers, *start, *length));
    }
    // Those a random length would hardly hit, then any.
    let special = [0, 1, 511, 512, end - 1, end - 512, end - 1024, end - 1025];
    for length in special {
        damages.push(Damage::Cut { length });
    }
    for _ in special.len()..CUTS {
        let length = numbers.below(end);
        damages.push(Damage::Cut { length });
    }
    Ok(damages)
}

/// What every refusal of a damaged package has in common.
fn refused(said: &Said) -> Result<String> {
    ensure!(!said.err.contains("panicked"), "a panic: {}", said.err);
    ensure!(
        said.code == 10,
        "exit {}\n{}{}",
        said.code,
        said.out,
        said.err
    );
    let json = said.json()?;
    let code = json["error"].as_str().unwrap_or_default();
    ensure!(
        code.starts_with("pkg.") || code.starts_with("manifest."),
        "code {code}"
    );
    ensure!(json["exit"] == 10, "{json}");
    ensure!(
        json["what"].is_string() && json["where"].is_string(),
        "{json}"
    );
    Ok(code.to_owned())
}

fn package_of(place: &Place) -> Result<Vec<u8>> {
    let recipe = place
        .device
        .recipe("1.1.0")
        .with_padding(2_500_000, 1)
        .with_padding(1_300_000, 2);
    Ok(fs::read(place.device.pack(&recipe)?.0)?)
}

/// One damage after the other, each refused by `run`; gives the codes.
fn all_refused(
    stick: &Stick,
    damages: &[Damage],
    run: impl Fn(&Path) -> Result<Said>,
) -> Result<BTreeMap<String, u32>> {
    let mut codes = BTreeMap::new();
    for &damage in damages {
        stick.apply(damage)?;
        let code = run(&stick.path)
            .and_then(|said| refused(&said))
            .with_context(|| format!("{damage:?}"))?;
        *codes.entry(code).or_default() += 1;
        stick.repair(damage)?;
    }
    // Whole again, or all of this would prove nothing.
    ensure!(
        fs::read(&stick.path)? == stick.whole,
        "the file stayed damaged"
    );
    Ok(codes)
}

/// A reader that trusts a length or a byte before its check would panic, hang or accept.
#[test]
fn validate_refuses_every_damage() {
    let Some(place) = Place::new().unwrap() else {
        return;
    };
    let whole = package_of(&place).unwrap();
    let damages = damages(&whole, seed().unwrap()).unwrap();
    let stick = Stick::new(place.device.folder(), &whole).unwrap();
    let begin = Instant::now();
    let validate = |path: &Path| {
        let path = path.to_str().context("a path in UTF-8")?;
        place.device.apply(&["--json", "package", "validate", path])
    };
    let codes = all_refused(&stick, &damages, validate).unwrap();
    println!(
        "validate refused {} of {} damages of {} bytes in {:.1} s: {codes:#?}",
        codes.values().sum::<u32>(),
        damages.len(),
        whole.len(),
        begin.elapsed().as_secs_f64()
    );
    validate(&stick.path).unwrap().expect(0).unwrap();
}

/// A damage that shows only in the last layer must still cost the service nothing.
#[test]
fn load_refuses_every_damage_and_nothing_changes() {
    let seed = seed().unwrap();
    let begin = Instant::now();
    let codes = thread::scope(|scope| {
        let lanes: Vec<_> = (0..LANES)
            .map(|lane| scope.spawn(move || load_lane(lane, seed).unwrap()))
            .collect();
        let mut codes: BTreeMap<String, u32> = BTreeMap::new();
        for lane in lanes {
            for (code, count) in lane.join().unwrap() {
                *codes.entry(code).or_default() += count;
            }
        }
        codes
    });
    println!(
        "load refused {} damages in {:.1} s on {LANES} devices: {codes:#?}",
        codes.values().sum::<u32>(),
        begin.elapsed().as_secs_f64()
    );
}

/// Every `LANES`-th damage, on a device of its own.
fn load_lane(lane: usize, seed: u64) -> Result<BTreeMap<String, u32>> {
    let Some(place) = Place::new()? else {
        return Ok(BTreeMap::new());
    };
    place.install("1.0.0")?;
    let whole = package_of(&place)?;
    let damages: Vec<_> = damages(&whole, seed)?
        .into_iter()
        .skip(lane)
        .step_by(LANES)
        .collect();
    let stick = Stick::new(place.device.folder(), &whole)?;
    let before = place.contents()?;
    let poller = Poller::start(place.device.port);
    let load = |path: &Path| {
        let said = place.device.load_with(path, &["--json"])?;
        let state = said.json()?["state"].clone();
        let words = state.as_str().unwrap_or_default();
        ensure!(
            words.starts_with("nothing changed"),
            "state {state}: {}",
            said.err
        );
        Ok(said)
    };
    let codes = all_refused(&stick, &damages, load)?;
    let polls = poller.end();
    ensure!(
        polls.failures.is_empty() && polls.versions == ["1.0.0"] && polls.good > 50,
        "the service did not answer all the time: {polls:?}"
    );
    let changes = place.contents()?.changes_since(&before);
    ensure!(changes.is_empty(), "left behind: {changes:#?}");
    // The same file undamaged is installed: it was the damage that was refused.
    place.device.load(&stick.path)?.expect(0)?;
    ensure!(
        place.device.version().as_deref() == Some("1.1.0"),
        "not installed"
    );
    println!(
        "lane {lane}: {} answers, longest gap {:?}",
        polls.good, polls.longest_gap
    );
    Ok(codes)
}
