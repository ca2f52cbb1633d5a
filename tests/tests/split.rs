//! Packages split into parts, as a FAT32 stick carries them: installed like any
//! other, and every wrong part refused before the service notices.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use caisson_tests::device::{Device, Said, split};
use caisson_tests::programs::caisson_pack;
use caisson_tests::sim::{RealClock, Sim, SimOptions};
use rustix::fs::{FlockOperation, flock};
use serde_json::Value;

const SOON: Duration = Duration::from_secs(10);
const PARTS: usize = 5;

/// A device on a simulated engine, with 1.0.0 installed.
struct Bench {
    // Dropped first: it clears its things from the engine.
    device: Device,
    engine: Sim,
    _folder: tempfile::TempDir,
}

impl Bench {
    fn new() -> Result<Self> {
        let folder = tempfile::tempdir()?;
        let mut options = SimOptions::new(folder.path());
        options.clock = Arc::new(RealClock::new());
        let engine = Sim::start(options)?;
        let device = Device::new(engine.socket())?;
        let (package, _) = device.pack(&device.recipe("1.0.0"))?;
        device.load(&package)?.expect(0)?;
        Ok(Self {
            device,
            engine,
            _folder: folder,
        })
    }

    /// A package of 1.1.0 in five parts, alone in a folder: path of the first.
    fn stick(&self, name: &str, seed: u64) -> Result<PathBuf> {
        let recipe = self.device.recipe("1.1.0");
        let recipe = recipe
            .with_padding(700_000, seed)
            .with_padding(500_000, seed + 1);
        let (package, _) = self.device.pack(&recipe)?;
        let folder = self.device.folder().join(name);
        fs::create_dir(&folder)?;
        let moved = folder.join("web.edgepkg");
        fs::rename(package, &moved)?;
        let bytes = usize::try_from(fs::metadata(&moved)?.len())?;
        let first = split(&moved, bytes.div_ceil(PARTS))?;
        ensure!(names(&folder)?.len() == PARTS, "another number of parts");
        Ok(first)
    }

    fn apply(&self, words: &[&str], package: &Path) -> Result<Said> {
        let mut command = self.device.command();
        Ok(Said::of(&command.args(words).arg(package).output()?))
    }
}

fn names(folder: &Path) -> Result<Vec<String>> {
    let mut names: Vec<String> = fs::read_dir(folder)?
        .map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned()))
        .collect::<Result<_>>()?;
    names.sort();
    Ok(names)
}

fn part(first: &Path, number: u32) -> PathBuf {
    first.with_extension(format!("{number:03}"))
}

/// A package that must be joined by hand first would need room for it twice.
#[test]
fn a_split_package_is_installed_from_its_parts() {
    let bench = Bench::new().unwrap();
    let first = bench.stick("stick", 1).unwrap();
    let folder = first.parent().unwrap();
    let before = names(folder).unwrap();
    for words in [
        &["package", "validate"][..],
        &["package", "validate", "--deep"],
        &["package", "plan"],
    ] {
        bench.apply(words, &first).unwrap().expect(0).unwrap();
    }
    let said = bench
        .apply(&["--json", "package", "validate"], &first)
        .unwrap();
    let size: u64 = before
        .iter()
        .map(|name| fs::metadata(folder.join(name)).unwrap().len())
        .sum();
    assert_eq!(said.json().unwrap()["bytes"], size);
    bench.device.load(&first).unwrap().expect(0).unwrap();
    bench.device.wait_for_version("1.1.0", SOON).unwrap();
    assert_eq!(names(folder).unwrap(), before, "the stick was written to");
}

type Mischief = fn(&Path, &Path) -> Result<PathBuf>;
/// The code, what its place names, and what is done to the parts; it gives the
/// path that is then named.
const MISCHIEFS: [(&str, &str, Mischief); 9] = [
    ("pkg.part_missing", "part .003", |first, _| {
        fs::remove_file(part(first, 3))?;
        Ok(first.to_owned())
    }),
    ("pkg.part_missing", "part .005", |first, _| {
        fs::remove_file(part(first, 5))?;
        Ok(first.to_owned())
    }),
    ("pkg.part_size", "web.edgepkg.002", |first, _| {
        truncate(&part(first, 2), 1000)?;
        Ok(first.to_owned())
    }),
    ("pkg.truncated", "size of part .005", |first, _| {
        truncate(&part(first, 5), 10)?;
        Ok(first.to_owned())
    }),
    ("pkg.part_surplus", "part .006", |first, other| {
        fs::copy(part(other, 2), part(first, 5))?;
        fs::copy(part(other, 2), part(first, 6))?;
        Ok(first.to_owned())
    }),
    ("pkg.chunk_mismatch", "(part .00", |first, other| {
        fs::copy(part(other, 3), part(first, 3))?;
        Ok(first.to_owned())
    }),
    ("pkg.part_name", "web.edgepkg.002", |first, _| {
        Ok(part(first, 2))
    }),
    ("pkg.part_name", "web.edgepkg", |first, _| {
        Ok(first.with_extension(""))
    }),
    ("pkg.unreadable", "web.edgepkg.001", |first, _| {
        fs::remove_file(first)?;
        Ok(first.to_owned())
    }),
];
/// What a person does to parts on a stick, and what each must be called.
#[test]
fn wrong_parts_cost_the_service_nothing() {
    let bench = Bench::new().unwrap();
    let traces = bench.device.traces().unwrap();
    let other = bench.stick("other", 7).unwrap();
    for (number, (code, place, mischief)) in MISCHIEFS.into_iter().enumerate() {
        let first = bench.stick(&format!("stick-{number}"), 1).unwrap();
        let given = mischief(&first, &other).unwrap();
        let validated = bench
            .apply(&["--json", "package", "validate"], &given)
            .unwrap();
        refused(&validated, code, place).unwrap();
        let loaded = bench.device.load_with(&given, &["--json"]).unwrap();
        refused(&loaded, code, place).unwrap();
        assert!(
            loaded.json().unwrap()["state"]
                .as_str()
                .unwrap()
                .starts_with("nothing changed")
        );
        assert_eq!(bench.device.version().as_deref(), Some("1.0.0"), "{code}");
        // The build side says the same of the same parts.
        let mut verify = std::process::Command::new(caisson_pack());
        let said = Said::of(
            &verify
                .args(["verify", "--json"])
                .arg(&given)
                .output()
                .unwrap(),
        );
        let json = said.json().unwrap();
        let wanted = if code == "pkg.unreadable" {
            "usage.file_unreadable"
        } else {
            code
        };
        assert_eq!(json["code"], wanted, "{json}");
        assert!(json["where"].as_str().unwrap().contains(place), "{json}");
    }
    assert_eq!(bench.device.traces().unwrap(), traces);
}

fn truncate(path: &Path, by: u64) -> Result<()> {
    let file = fs::OpenOptions::new().write(true).open(path)?;
    Ok(file.set_len(file.metadata()?.len() - by)?)
}

fn refused(said: &Said, code: &str, place: &str) -> Result<()> {
    let json = said.json()?;
    ensure!(
        said.code == 10 && json["error"] == code,
        "wanted {code}: {json}"
    );
    let named = json["where"].as_str().context("no place")?;
    ensure!(named.contains(place), "wanted {place}: {json}");
    ensure!(json["next"].is_string(), "{json}");
    Ok(())
}

/// The stick is pulled between the plan and the import: as with any other
/// package, the update is undone and says that the reading failed.
#[test]
fn a_part_that_vanishes_during_a_load_is_undone() {
    let bench = Bench::new().unwrap();
    let first = bench.stick("stick", 1).unwrap();
    let lock = fs::File::open(bench.engine.data_root()).unwrap();
    flock(&lock, FlockOperation::LockExclusive).unwrap();
    let mut command = bench.device.load_command(&first);
    command.arg("--json");
    let load = command
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // Whoever waits for the lock has opened the package and read its head.
    waits_for(&load, bench.engine.data_root()).unwrap();
    fs::remove_file(part(&first, 4)).unwrap();
    drop(lock);
    let said = Said::of(&load.wait_with_output().unwrap());
    let json: Value = said.json().unwrap();
    assert_eq!(json["error"], "pkg.read_failed", "{json}");
    assert!(
        json["found"]
            .as_str()
            .unwrap()
            .contains("web.edgepkg.004: "),
        "{json}"
    );
    assert_eq!(said.code, 10, "{json}");
    bench.device.wait_for_version("1.0.0", SOON).unwrap();
    let candidate = bench.device.inspect(".caisson-new").unwrap();
    assert!(candidate.is_none(), "left behind: {candidate:?}");
}

/// Waits until the process has this folder open.
fn waits_for(process: &Child, folder: &Path) -> Result<()> {
    let folder = folder.canonicalize()?;
    let begin = Instant::now();
    while begin.elapsed() < SOON {
        for entry in fs::read_dir(format!("/proc/{}/fd", process.id()))? {
            if fs::read_link(entry?.path()).is_ok_and(|target| target == folder) {
                return Ok(());
            }
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    anyhow::bail!("the load does not wait for the lock")
}
