//! What packing costs: size and time of each level against `zstd -T0` of the same
//! layers, and the greatest memory for small and large images.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use caisson_tests::engines::engines_dir;
use caisson_tests::images::{ImageRecipe, Platform};
use caisson_tests::programs::caisson_pack_release;
use caisson_tests::witness::{Usage, measure};
use tempfile::TempDir;

use crate::distribution::Distribution;

/// Runs of each program, one after the other in turn; the quickest counts.
const ROUNDS: usize = 3;
/// Levels that are compared unless some are given.
const LEVELS: [u32; 7] = [1, 3, 6, 9, 12, 15, 19];
/// From here on a run takes minutes, and one has to do.
const SLOW_LEVEL: u32 = 12;
/// Images whose memory is measured, in MiB, and the threads.
const IMAGES_MIB: [u64; 3] = [5, 500, 4096];
const THREADS: [u32; 3] = [1, 2, 16];
/// The level that asks for the most memory.
const GREATEST_LEVEL: u32 = 19;
const GREATEST_LEVEL_MIB_MAX: u64 = 500;

/// `pack [LEVEL...]`.
pub(crate) fn levels(wishes: &[String]) -> Result<()> {
    let levels: Vec<u32> = match wishes {
        [] => LEVELS.to_vec(),
        some => some
            .iter()
            .map(|level| level.parse().context("a level"))
            .collect::<Result<_>>()?,
    };
    let folder = scratch()?;
    let image = Distribution::write(folder.path())?;
    println!("layers of {} MB, unpacked", image.bytes / 1_000_000);
    println!(
        "| level | package MB | docker save, zstd MB | pack s | zstd -T0 s | ratio | peak MiB |"
    );
    println!("|---|---|---|---|---|---|---|");
    for level in levels {
        let rounds = if level < SLOW_LEVEL { ROUNDS } else { 1 };
        println!("{}", row(&image, folder.path(), level, rounds)?);
    }
    Ok(())
}

fn row(image: &Distribution, folder: &Path, level: u32, rounds: usize) -> Result<String> {
    let package = folder.join("x.edgepkg");
    let (mut ours, mut theirs, mut peak) = (Duration::MAX, Duration::MAX, 0);
    for _ in 0..rounds {
        theirs = theirs.min(zstd_wall(level, &image.layers)?);
        let usage = pack(&image.archive, &package, &["--level", &level.to_string()])?;
        ours = ours.min(usage.wall);
        peak = peak.max(usage.peak_bytes);
    }
    let saved = zstd_size(level, &image.archive)?;
    Ok(format!(
        "| {level} | {:.1} | {:.1} | {:.1} | {:.1} | {:.2} | {} |",
        megabytes(fs::metadata(&package)?.len()),
        megabytes(saved),
        ours.as_secs_f64(),
        theirs.as_secs_f64(),
        ours.as_secs_f64() / theirs.as_secs_f64(),
        peak >> 20
    ))
}

/// `pack-memory`.
pub(crate) fn memory() -> Result<()> {
    let folder = scratch()?;
    let archive = folder.path().join("image.tar");
    let package = folder.path().join("x.edgepkg");
    println!("| image MiB | level | threads | peak MiB |\n|---|---|---|---|");
    for mib in IMAGES_MIB {
        let mut recipe = ImageRecipe::new("bench:1", "1");
        recipe.platform = Platform::new("linux", "amd64", "");
        recipe
            .with_padding(mib << 20, 1)
            .write_docker_archive(&archive)?;
        for threads in THREADS {
            for level in [9, GREATEST_LEVEL] {
                if level == GREATEST_LEVEL && mib > GREATEST_LEVEL_MIB_MAX {
                    continue;
                }
                let (level, threads) = (level.to_string(), threads.to_string());
                let flags = ["--level", &level, "--threads", &threads];
                let usage = pack(&archive, &package, &flags)?;
                let peak = usage.peak_bytes >> 20;
                println!("| {mib} | {level} | {threads} | {peak} |");
            }
        }
    }
    Ok(())
}

fn pack(archive: &Path, package: &Path, flags: &[&str]) -> Result<Usage> {
    let mut command = Command::new(caisson_pack_release());
    command
        .arg("build")
        .arg("--image")
        .arg(format!("docker-archive:{}", archive.display()))
        .args(["--service", "bench", "--service-revision", "r1"])
        .args(["--platform", "linux/amd64", "--package-version", "1.0.0"])
        .args(flags)
        .arg("--force")
        .arg("-o")
        .arg(package);
    let (said, usage) = measure(&mut command)?;
    said.expect(0)?;
    Ok(usage)
}

/// The layers, one after the other, as `zstd` takes several files.
fn zstd_wall(level: u32, layers: &[PathBuf]) -> Result<Duration> {
    let mut command = Command::new("zstd");
    command
        .args(["-T0", &format!("-{level}"), "-q", "-f", "-k"])
        .args(layers);
    let (said, usage) = measure(&mut command).context("zstd is not installed")?;
    said.expect(0)?;
    Ok(usage.wall)
}

fn zstd_size(level: u32, archive: &Path) -> Result<u64> {
    zstd_wall(level, &[archive.to_owned()])?;
    let mut packed = archive.as_os_str().to_owned();
    packed.push(".zst");
    Ok(fs::metadata(packed)?.len())
}

#[expect(clippy::cast_precision_loss, reason = "a figure for people")]
fn megabytes(bytes: u64) -> f64 {
    bytes as f64 / 1e6
}

/// A folder on the disk that the engines are on.
fn scratch() -> Result<TempDir> {
    let engines = engines_dir()?;
    let target = engines.parent().context("engines are below target/")?;
    ensure!(target.is_dir(), "{} is no folder", target.display());
    Ok(TempDir::with_prefix_in("bench-", target)?)
}
