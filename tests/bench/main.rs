//! What the device's program costs with a great package, as ratios against
//! others in the same run: `docker load` of the same image, `openssl dgst -sha256`
//! of the same file.
//!
//! `cargo run --release --bin caisson-bench` takes an image of 2 GiB made for it,
//! in two layers at the largest window; `-- 300` one of 300 MiB; `-- FILE` a
//! `docker save` archive, whose image must stay up by itself. Needs root, for a
//! private engine, and room below `target/` for about five times the image.
//!
//! `-- pack` compares levels of `caisson-pack build` with `zstd -T0` on this
//! machine's own programs and libraries, `-- pack 3 9` only those levels;
//! `-- pack-memory` takes images of up to 4 GiB for its greatest memory.
//!
//! `-- split` packs an image of 6 GiB in parts for FAT32, copies them onto such a file
//! system (`mkfs.vfat`, a loop device) and installs it from there; `-- split 100` one
//! of 100 MiB.
//!
//! `docker load` means the same request with the original archive as its body.
//! The load of a package ends with everything on the disk (`syncfs` before the
//! swap), so the engine's time is shown without and with a sync after it.

mod compare;
mod distribution;
mod pack;
mod split;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use caisson_apply::journal::sqlite::SqliteJournal;
use caisson_apply::journal::{Event, Journal, Row, StepId};
use caisson_tests::device::RUNNING_PROBE;
use caisson_tests::engines::engines_dir;
use caisson_tests::images::host_platform;
use caisson_tests::programs::{caisson_apply_release, caisson_pack_release};
use caisson_tests::witness::{Place, Usage, measure};
use tempfile::TempDir;

use compare::{digest_wall, engine_load, ratio};

/// Runs of each, the quickest counts.
const ROUNDS: usize = 2;
/// The default image, in two layers.
const IMAGE_MIB: u64 = 2048;
/// The level whose window is the largest that is allowed.
const LEVEL: &str = "9";
/// Hard budgets.
const PEAK_BYTES_MAX: u64 = 16 << 20;
const WRITTEN_BYTES_MAX: u64 = 1 << 20;

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("caisson-bench: {error:?}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<()> {
    let wishes: Vec<String> = std::env::args().skip(1).collect();
    match wishes.first().map(String::as_str) {
        Some("pack") => pack::levels(&wishes[1..]),
        Some("pack-memory") => pack::memory(),
        Some("split") => split::from_fat32(wishes.get(1)),
        _ => device(),
    }
}

/// What the device's program costs.
fn device() -> Result<()> {
    let engines = engines_dir()?;
    let target = engines.parent().context("engines are below target/")?;
    let folder = TempDir::with_prefix_in("bench-", target)?;
    let Some(mut place) = Place::private()? else {
        return Ok(());
    };
    caisson_apply_release().clone_into(&mut place.device.program);
    place.install("1.0.0")?;
    let archive = archive(&place, folder.path())?;
    let package = folder.path().join("bench.edgepkg");
    let wall = pack_for(&place, &archive, &package)?;
    let (plain, packed) = (fs::metadata(&archive)?.len(), fs::metadata(&package)?.len());
    println!(
        "image {} MiB, package {} MiB, packed in {:.1} s",
        plain >> 20,
        packed >> 20,
        wall.as_secs_f64()
    );
    check(&place, &package)?;
    load(&place, &archive, &package)
}

/// The `docker save` archive that is packed and loaded.
fn archive(place: &Place, folder: &Path) -> Result<PathBuf> {
    let wish = std::env::args().nth(1);
    let mib = match wish.as_deref().map(str::parse) {
        None => IMAGE_MIB,
        Some(Ok(mib)) => mib,
        Some(Err(_)) => {
            place.device.catalog(RUNNING_PROBE)?;
            return Ok(PathBuf::from(wish.unwrap_or_default()));
        }
    };
    let path = folder.join("image.tar");
    let layer = (mib << 20) / 2;
    let recipe = place.device.recipe("1.1.0");
    recipe
        .with_padding(layer, 1)
        .with_padding(layer, 2)
        .write_docker_archive(&path)?;
    Ok(path)
}

fn pack_for(place: &Place, archive: &Path, package: &Path) -> Result<Duration> {
    let program = caisson_pack_release();
    let begin = Instant::now();
    let output = Command::new(program)
        .arg("build")
        .arg("--image")
        .arg(format!("docker-archive:{}", archive.display()))
        .args(["--service", &place.device.name, "--service-revision", "r1"])
        .args(["--platform", &platform()])
        .args(["--package-version", "1.1.0", "--level", LEVEL])
        .arg("-o")
        .arg(package)
        .output()?;
    ensure!(
        output.status.success(),
        "caisson-pack: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    Ok(begin.elapsed())
}

/// The platform of the engine's machine, as `--platform` wants it.
fn platform() -> String {
    let platform = host_platform();
    let text = format!(
        "{}/{}/{}",
        platform.os, platform.architecture, platform.variant
    );
    text.trim_end_matches('/').to_owned()
}

/// `package validate` against a bare digest of the file.
fn check(place: &Place, package: &Path) -> Result<()> {
    let mut quickest: Option<Usage> = None;
    for _ in 0..ROUNDS {
        let mut command = place.device.command();
        command.args(["package", "validate"]).arg(package);
        let (said, usage) = measure(&mut command)?;
        said.expect(0)?;
        if quickest.is_none_or(|best| usage.wall < best.wall) {
            quickest = Some(usage);
        }
    }
    let usage = quickest.context("at least one round")?;
    let digest = digest_wall(package, ROUNDS)?;
    ratio("validate", usage.wall, "openssl dgst -sha256", digest, 1.2);
    budgets("validate", &usage)?;
    let mut deep = place.device.command();
    deep.args(["package", "validate", "--deep"]).arg(package);
    let (said, usage) = measure(&mut deep)?;
    said.expect(0)?;
    println!("validate --deep takes {:.2} s", usage.wall.as_secs_f64());
    budgets("validate --deep", &usage)
}

/// `package load` as an update of a running service against the engine alone.
fn load(place: &Place, archive: &Path, package: &Path) -> Result<()> {
    let mut best: Option<(Duration, Usage)> = None;
    let mut engine = (Duration::MAX, Duration::MAX);
    for _ in 0..ROUNDS {
        let (plain, synced) = engine_load(&place.api(), archive)?;
        engine = (engine.0.min(plain), engine.1.min(synced));

        let (said, usage) = measure(&mut place.device.load_command(package))?;
        said.expect(0)?;
        budgets("load", &usage)?;
        let import = step_wall(&place.device.state_dir(), StepId::ImportImage)?;
        if best.is_none_or(|(_, best)| usage.wall < best.wall) {
            best = Some((import, usage));
        }
        // Back to the small version alone, without any layer of the great one.
        place.device.clear();
        place.install("1.0.0")?;
    }
    let (import, usage) = best.context("at least one round")?;
    ratio("import step of load", import, "docker load", engine.0, 1.05);
    ratio("whole load", usage.wall, "docker load", engine.0, 1.05);
    ratio(
        "whole load",
        usage.wall,
        "docker load and sync",
        engine.1,
        1.05,
    );
    Ok(())
}

/// Memory and bytes for disks, which have hard limits.
fn budgets(what: &str, usage: &Usage) -> Result<()> {
    println!(
        "{what}: peak {} KiB (its guard {} KiB), {} KiB to disks outside the engine",
        usage.peak_bytes >> 10,
        usage.children_peak_bytes >> 10,
        usage.written_bytes >> 10
    );
    ensure!(
        usage.peak_bytes.max(usage.children_peak_bytes) <= PEAK_BYTES_MAX,
        "{what} takes more than {} MiB",
        PEAK_BYTES_MAX >> 20
    );
    ensure!(
        usage.written_bytes < WRITTEN_BYTES_MAX,
        "{what} writes more than {} KiB",
        WRITTEN_BYTES_MAX >> 10
    );
    Ok(())
}

/// How long a step of the newest update took, by its rows.
fn step_wall(state_dir: &Path, step: StepId) -> Result<Duration> {
    let journal = SqliteJournal::open_read_only(state_dir)?.context("a journal")?;
    let history = journal.history(None, 1)?;
    let rows = journal.rows(&history.first().context("an update")?.update_id)?;
    let at = |event: Event| {
        let is_it = |row: &&Row| row.step == step && row.event == event;
        let row = rows.iter().find(is_it);
        row.map(|row| row.stamp.wall_ms)
            .context("a row of the step")
    };
    let millis = at(Event::Succeeded)? - at(Event::Started)?;
    Ok(Duration::from_millis(millis.try_into()?))
}
