//! A package larger than a FAT32 file may be: packed in parts, copied onto such a
//! file system, and installed from there on a private engine.
//!
//! The file system is a file below `target/`, mounted by way of a loop device. Both
//! are gone when this ends, also by an error.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};
use caisson_tests::programs::{caisson_apply_release, caisson_pack_release};
use caisson_tests::witness::{Place, measure};
use tempfile::TempDir;

use super::{budgets, platform};

/// The default image: more than two parts.
const IMAGE_MIB: u64 = 6144;

/// What FAT32 needs for itself, generously.
const FAT_SPARE_MIB: u64 = 128;

/// Packs, copies and loads an image of so many MiB.
pub(super) fn from_fat32(wish: Option<&String>) -> Result<()> {
    let mib: u64 = wish.map_or(Ok(IMAGE_MIB), |text| text.parse())?;
    let engines = caisson_tests::engines::engines_dir()?;
    let target = engines.parent().context("engines are below target/")?;
    let folder = TempDir::with_prefix_in("bench-split-", target)?;
    let Some(mut place) = Place::private()? else {
        return Ok(());
    };
    caisson_apply_release().clone_into(&mut place.device.program);
    place.install("1.0.0")?;
    let first = pack(&place, folder.path(), mib)?;
    let stick = Stick::of_mib(folder.path(), mib + FAT_SPARE_MIB)?;
    for entry in fs::read_dir(folder.path())? {
        let part = entry?;
        let name = part.file_name();
        if name.to_string_lossy().contains(".edgepkg.") {
            println!(
                "part {} of {} bytes",
                name.display(),
                part.metadata()?.len()
            );
            fs::copy(part.path(), stick.folder.join(&name))?;
            fs::remove_file(part.path())?;
        }
    }
    let first = stick.folder.join(first.file_name().context("a name")?);
    let mut validate = place.device.command();
    let (said, usage) = measure(validate.args(["package", "validate"]).arg(&first))?;
    said.expect(0)?;
    println!("validate from the stick: {:.1} s", usage.wall.as_secs_f64());
    budgets("validate", &usage)?;
    let (said, usage) = measure(&mut place.device.load_command(&first))?;
    said.expect(0)?;
    println!("load from the stick: {:.1} s", usage.wall.as_secs_f64());
    budgets("load", &usage)?;
    let version = place.device.version();
    ensure!(version.as_deref() == Some("1.1.0"), "{version:?} answers");
    place.device.clear();
    Ok(())
}

/// Packs an image that can't be compressed, and gives the first part.
fn pack(place: &Place, folder: &Path, mib: u64) -> Result<PathBuf> {
    let archive = folder.join("image.tar");
    let recipe = place.device.recipe("1.1.0");
    recipe
        .with_padding(mib << 20, 1)
        .write_docker_archive(&archive)?;
    let package = folder.join("bench.edgepkg");
    let mut command = Command::new(caisson_pack_release());
    command
        .arg("build")
        .arg("--image")
        .arg(format!("docker-archive:{}", archive.display()))
        .args(["--service", &place.device.name, "--service-revision", "r1"])
        .args(["--platform", &platform(), "--package-version", "1.1.0"])
        .args(["--split", "fat32", "-o"])
        .arg(&package);
    let (said, usage) = measure(&mut command)?;
    said.expect(0)?;
    println!(
        "an image of {mib} MiB packed in {:.1} s, peak {} KiB",
        usage.wall.as_secs_f64(),
        usage.peak_bytes >> 10
    );
    fs::remove_file(&archive)?;
    Ok(folder.join("bench.edgepkg.001"))
}

/// A mounted FAT32 file system.
struct Stick {
    file: PathBuf,
    folder: PathBuf,
}

impl Stick {
    fn of_mib(below: &Path, mib: u64) -> Result<Self> {
        let stick = Self {
            file: below.join("stick.img"),
            folder: below.join("stick"),
        };
        File::create(&stick.file)?.set_len(mib << 20)?;
        fs::create_dir(&stick.folder)?;
        shell(
            Command::new("mkfs.vfat")
                .args(["-F", "32"])
                .arg(&stick.file),
        )?;
        shell(
            Command::new("mount")
                .args(["-o", "loop"])
                .arg(&stick.file)
                .arg(&stick.folder),
        )?;
        Ok(stick)
    }
}

impl Drop for Stick {
    fn drop(&mut self) {
        // Not mounted yet is no error here.
        let _ = Command::new("umount").arg(&self.folder).output();
        let _ = fs::remove_file(&self.file);
    }
}

fn shell(command: &mut Command) -> Result<()> {
    let output = command
        .output()
        .with_context(|| format!("{command:?}; mkfs.vfat is in package dosfstools"))?;
    ensure!(
        output.status.success(),
        "{command:?}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    Ok(())
}
