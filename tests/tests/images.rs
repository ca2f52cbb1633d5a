//! The images that all other tests stand on.

use std::collections::BTreeMap;
use std::io::Read;

use caisson_tests::digest;
use caisson_tests::images::ImageRecipe;
use caisson_tests::sim::{Sim, SimOptions};
use serde_json::Value;

fn recipe() -> ImageRecipe {
    let mut recipe = ImageRecipe::new("example.test/web:1.0.0", "1.0.0")
        .with_env("HEALTH", "good")
        .with_healthcheck(1_000, 3)
        .with_padding(3_000_001, 7)
        .with_padding(512, 8);
    recipe.volumes.push("/data".to_owned());
    recipe.labels.insert("maker".to_owned(), "tests".to_owned());
    recipe
}

fn entries(archive: &[u8]) -> BTreeMap<String, Vec<u8>> {
    let mut tar = tar::Archive::new(archive);
    let mut entries = BTreeMap::new();
    for entry in tar.entries().unwrap() {
        let mut entry = entry.unwrap();
        let mut content = Vec::new();
        entry.read_to_end(&mut content).unwrap();
        entries.insert(entry.path().unwrap().to_str().unwrap().to_owned(), content);
    }
    entries
}

/// If the archive's own digests were wrong, every test of a refusal would pass for
/// the wrong reason.
#[test]
fn the_archive_says_of_itself_what_is_true() {
    let mut archive = Vec::new();
    let facts = recipe().write_docker_archive_to(&mut archive).unwrap();
    let entries = entries(&archive);
    let manifest: Value = serde_json::from_slice(&entries["manifest.json"]).unwrap();
    assert_eq!(manifest[0]["RepoTags"][0], "example.test/web:1.0.0");
    let config = &entries[manifest[0]["Config"].as_str().unwrap()];
    assert_eq!(&facts.config, config);
    assert_eq!(facts.config_digest, digest::of(config));
    let config: Value = serde_json::from_slice(config).unwrap();
    let layers = manifest[0]["Layers"].as_array().unwrap();
    assert_eq!((layers.len(), facts.diff_ids.len()), (3, 3));
    for (index, layer) in layers.iter().enumerate() {
        let tar = &entries[layer.as_str().unwrap()];
        assert_eq!(facts.diff_ids[index], digest::of(tar));
        assert_eq!(
            config["rootfs"]["diff_ids"][index],
            facts.diff_ids[index].as_str()
        );
        assert_eq!(facts.layer_bytes[index], tar.len() as u64);
    }
    let padding = self::entries(&entries[layers[1].as_str().unwrap()]);
    assert_eq!(padding["padding/1"].len(), 3_000_001);
    assert_eq!(config["config"]["Env"][1], "HEALTH=good");
    assert_eq!(config["config"]["Healthcheck"]["Interval"], 1_000_000_000);
    assert_eq!(config["config"]["Volumes"]["/data"], serde_json::json!({}));
}

/// Two runs that differ would make every comparison of packages meaningless; a seed
/// that is ignored would make images share layers by accident.
#[test]
fn the_same_recipe_gives_the_same_bytes_and_another_seed_another_layer() {
    let mut first = Vec::new();
    let mut second = Vec::new();
    let facts = recipe().write_docker_archive_to(&mut first).unwrap();
    recipe().write_docker_archive_to(&mut second).unwrap();
    assert!(first == second);
    let mut other = recipe();
    other.padding[0].seed = 9;
    let other = other.facts().unwrap();
    assert_eq!(other.diff_ids[0], facts.diff_ids[0]);
    assert_ne!(other.diff_ids[1], facts.diff_ids[1]);
    assert_eq!(other.diff_ids[2], facts.diff_ids[2]);
}

/// The peak of this process's memory, in bytes.
fn peak_memory() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))
        .unwrap();
    line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() * 1024
}

/// Big images must be possible on small machines: made, and loaded into the
/// simulated engine, without being held.
#[test]
fn memory_stays_flat() {
    let mut recipe = recipe();
    recipe.padding[0].bytes = 256 << 20;
    let dir = tempfile::tempdir().unwrap();
    let archive = dir.path().join("image.tar");
    let before = peak_memory();
    let facts = recipe.write_docker_archive(&archive).unwrap();
    let sim = Sim::start(SimOptions::new(dir.path())).unwrap();
    sim.load_archive_direct(&archive).unwrap();
    assert_eq!(sim.state().images[0].id, facts.config_digest);
    let grown = peak_memory() - before;
    assert!(grown < 16 << 20, "grew by {grown} bytes");
}
