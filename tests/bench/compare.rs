//! What others take for the same bytes.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use caisson_tests::engines::EngineApi;

/// The quickest of some runs of `openssl dgst -sha256`.
pub(crate) fn digest_wall(file: &Path, rounds: usize) -> Result<Duration> {
    let mut quickest = Duration::MAX;
    for _ in 0..rounds {
        let begin = Instant::now();
        let output = Command::new("openssl")
            .args(["dgst", "-sha256"])
            .arg(file)
            .output()
            .context("openssl is not installed")?;
        ensure!(output.status.success(), "openssl: {}", output.status);
        quickest = quickest.min(begin.elapsed());
    }
    Ok(quickest)
}

/// What `docker load` does, without and with a sync of the engine's file system
/// after it. The image is removed again.
pub(crate) fn engine_load(api: &EngineApi, archive: &Path) -> Result<(Duration, Duration)> {
    let images = |api: &EngineApi| -> Result<Vec<String>> {
        let list = api.get_json("/images/json?all=1")?;
        let ids = list.as_array().into_iter().flatten();
        Ok(ids
            .filter_map(|image| image["Id"].as_str().map(str::to_owned))
            .collect())
    };
    let before = images(api)?;
    let root = api.get_json("/info")?["DockerRootDir"]
        .as_str()
        .map(PathBuf::from)
        .context("DockerRootDir")?;
    sync(&root)?;
    let begin = Instant::now();
    api.load(&mut File::open(archive)?)?;
    let plain = begin.elapsed();
    sync(&root)?;
    let synced = begin.elapsed();
    for id in images(api)?.iter().filter(|id| !before.contains(id)) {
        let answer = api.delete(&format!("/images/{id}?force=1"))?;
        ensure!(answer.status == 200, "{}", answer.text());
    }
    sync(&root)?;
    Ok((plain, synced))
}

fn sync(folder: &Path) -> Result<()> {
    Ok(rustix::fs::syncfs(File::open(folder)?)?)
}

/// One line: both times, their ratio and the goal.
pub(crate) fn ratio(what: &str, ours: Duration, than: &str, theirs: Duration, goal: f64) {
    println!(
        "{what} {:.2} s, {than} {:.2} s: ratio {:.2} (goal {goal})",
        ours.as_secs_f64(),
        theirs.as_secs_f64(),
        ours.as_secs_f64() / theirs.as_secs_f64()
    );
}
