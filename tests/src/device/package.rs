//! Packages for tests, by the real `caisson-pack`.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};

use anyhow::{Result, ensure};
use edgepkg::parts::part_path;

use crate::images::{ImageFacts, ImageRecipe};
use crate::programs::caisson_pack;

/// Builds a package of one image in a folder, with the real `caisson-pack`.
pub fn pack(
    folder: &Path,
    service: &str,
    recipe: &ImageRecipe,
    version: &str,
    flags: &[&str],
) -> Result<(PathBuf, ImageFacts)> {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let number = COUNT.fetch_add(1, Ordering::SeqCst);
    let image = folder.join(format!("image-{number}.tar"));
    let facts = recipe.write_docker_archive(&image)?;
    let package = folder.join(format!("{version}-{number}.edgepkg"));
    let platform = &recipe.platform;
    let platform = format!(
        "{}/{}/{}",
        platform.os, platform.architecture, platform.variant
    );
    let output = Command::new(caisson_pack())
        .args([
            "build",
            "--image",
            &format!("docker-archive:{}", image.display()),
        ])
        .args(["--service", service, "--service-revision", "r1"])
        .args(["--platform", platform.trim_end_matches('/')])
        .args(["--package-version", version])
        // The quickest that is worth it, unless somebody says one.
        .args(if flags.contains(&"--level") {
            &[][..]
        } else {
            &["--level", "3"]
        })
        .args(flags)
        .arg("-o")
        .arg(&package)
        .output()?;
    ensure!(
        output.status.success(),
        "caisson-pack: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    fs::remove_file(&image)?;
    Ok((package, facts))
}

/// Cuts a package into parts of this size beside it, removes it, and gives the
/// path of the first part.
pub fn split(package: &Path, part_bytes: usize) -> Result<PathBuf> {
    let bytes = fs::read(package)?;
    for (number, part) in (1..).zip(bytes.chunks(part_bytes)) {
        fs::write(part_path(package, number), part)?;
    }
    fs::remove_file(package)?;
    Ok(part_path(package, 1))
}
