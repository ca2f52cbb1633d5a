//! Other people's programs read the package file itself: skopeo, `docker load`,
//! `podman load`. And where one can't, `caisson-pack extract` writes what it can.
//!
//! What an engine must be able to do hangs on what it is, not on its number: the
//! newest Docker and Podman run images from the very file; older ones may refuse it,
//! with an error and without keeping anything, and take the extracted archive.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};
use caisson_tests::digest;
use caisson_tests::engines::{
    EngineApi, EngineKind, EngineOptions, RealEngine, all_engines_wanted, answers,
    private_engines_allowed, skopeo,
};
use caisson_tests::images::{ImageFacts, ImageRecipe, Platform, host_platform};
use caisson_tests::programs::{caisson_pack, report};
use serde_json::Value;
use tempfile::TempDir;

/// An image of this machine's platform in a package, and what reading must bring.
struct Wanted {
    /// Its name after the reading.
    name: String,
    facts: ImageFacts,
    version: String,
}

/// One way to hand a package over.
struct Reading {
    title: &'static str,
    /// The file that is loaded.
    file: PathBuf,
    wanted: Vec<Wanted>,
    /// Every engine must manage it.
    everywhere: bool,
}

fn reference(service: &str, version: &str) -> String {
    format!("caisson.test:5000/{service}:{version}")
}

/// A service with a health check and three layers, two of them in both services.
fn recipe(service: &str, version: &str) -> ImageRecipe {
    ImageRecipe::new(&reference(service, version), version)
        .runnable()
        .with_healthcheck(500, 3)
        .with_padding(1_500_000, 1)
        .with_padding(40_000, 2)
}

/// Packs the images into one package, each a service of its own; gives the facts.
fn pack(folder: &Path, name: &str, images: &[&ImageRecipe], live: bool) -> Result<Vec<ImageFacts>> {
    let mut text = format!("live_names = {live}\nlevel = 3\n");
    let mut services = BTreeMap::new();
    let mut facts = Vec::new();
    for (index, recipe) in images.iter().enumerate() {
        let archive = folder.join(format!("{name}-{index}.tar"));
        facts.push(recipe.write_docker_archive(&archive)?);
        let reference = recipe.reference.as_deref().context("a reference")?;
        writeln!(
            text,
            "[[images]]\nsource = \"docker-archive:{}\"\nreference = \"{reference}\"\nplatform = \"{}/{}\"",
            archive.display(),
            recipe.platform.os,
            recipe.platform.architecture
        )?;
        services.insert(reference, format!("service-{index}"));
    }
    for (reference, service) in services {
        writeln!(
            text,
            "[[services]]\nservice = \"{service}\"\nservice_revision = \"r1\"\nimage = \"{reference}\""
        )?;
    }
    let description = folder.join(format!("{name}.toml"));
    fs::write(&description, text)?;
    let arguments = ["build", "--package-version", "1.0.0", "-f"].map(PathBuf::from);
    let output = folder.join(format!("{name}.edgepkg"));
    run_pack(
        arguments
            .iter()
            .chain([&description, &PathBuf::from("-o"), &output]),
    )?;
    Ok(facts)
}

fn run_pack<'a>(arguments: impl IntoIterator<Item = &'a PathBuf>) -> Result<()> {
    let output = Command::new(caisson_pack()).args(arguments).output()?;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "caisson-pack: {said}");
    Ok(())
}

/// Every reading that is tried.
fn readings(folder: &Path) -> Result<Vec<Reading>> {
    let wanted = |name: String, version: &str, facts: &ImageFacts| Wanted {
        name,
        facts: facts.clone(),
        version: version.to_owned(),
    };
    let (web, base) = (recipe("web", "1.0.0"), recipe("base", "1.1.0"));
    let whole = pack(folder, "whole", &[&web, &base], false)?;
    let live = pack(folder, "live", &[&recipe("web", "2.0.0")], true)?;
    let old = recipe("web", "3.0.0");
    let foreign = ImageRecipe {
        platform: foreign_platform(),
        ..ImageRecipe::new(&reference("web", "3.0.0"), "3.0.0")
    };
    let platforms = pack(folder, "platforms", &[&old, &foreign], false)?;
    let extracted = folder.join("extracted.tar");
    let arguments = [
        "extract",
        "--image",
        &reference("web", "3.0.0"),
        "--platform",
    ];
    let mut arguments = arguments.map(PathBuf::from).to_vec();
    arguments.push(platform_text(&host_platform()).into());
    arguments.extend([folder.join("platforms.edgepkg"), "--docker-archive".into()]);
    arguments.push(extracted.clone());
    run_pack(&arguments)?;
    let local = "caisson.local/caisson.test-5000";
    Ok(vec![
        Reading {
            title: "package, two services",
            file: folder.join("whole.edgepkg"),
            wanted: vec![
                wanted(format!("{local}/web:1.0.0"), "1.0.0", &whole[0]),
                wanted(format!("{local}/base:1.1.0"), "1.1.0", &whole[1]),
            ],
            everywhere: false,
        },
        Reading {
            title: "package, one service, its name",
            file: folder.join("live.edgepkg"),
            wanted: vec![wanted(reference("web", "2.0.0"), "2.0.0", &live[0])],
            everywhere: false,
        },
        Reading {
            title: "package, two platforms",
            file: folder.join("platforms.edgepkg"),
            wanted: vec![wanted(
                format!(
                    "{local}/web:3.0.0-{}",
                    platform_text(&host_platform()).replace('/', "-")
                ),
                "3.0.0",
                &platforms[0],
            )],
            everywhere: false,
        },
        Reading {
            title: "extract --docker-archive",
            file: extracted,
            wanted: vec![wanted(reference("web", "3.0.0"), "3.0.0", &platforms[0])],
            everywhere: true,
        },
    ])
}

/// A platform that this machine's is not.
fn foreign_platform() -> Platform {
    let other = if host_platform().architecture == "arm64" {
        "amd64"
    } else {
        "arm64"
    };
    Platform::new("linux", other, "")
}

fn platform_text(platform: &Platform) -> String {
    let Platform {
        os,
        architecture,
        variant,
    } = platform;
    format!("{os}/{architecture}/{variant}")
        .trim_end_matches('/')
        .to_owned()
}

/// The engines, each with what it must be able to read: `true`, everything.
fn engines() -> Vec<(EngineOptions, bool)> {
    let engine = |kind, containerd_store| EngineOptions {
        kind,
        containerd_store,
        ..EngineOptions::default()
    };
    let mut engines = vec![
        (engine(EngineKind::Docker20, false), false),
        (engine(EngineKind::NewestDocker, false), true),
        (engine(EngineKind::NewestDocker, true), true),
    ];
    if all_engines_wanted() {
        engines.push((engine(EngineKind::Podman43, false), false));
        engines.push((engine(EngineKind::NewestPodman, false), true));
    }
    engines
}

/// The promise to people who don't have our programs.
#[test]
fn engines_run_images_from_the_package_file_or_from_what_is_extracted() {
    if !private_engines_allowed() {
        return;
    }
    let folder = TempDir::with_prefix("caisson-readers-").unwrap();
    let readings = readings(folder.path()).unwrap();
    let mut table =
        String::from("who reads a package (every image that loads was started and answered)\n");
    let mut failures = Vec::new();
    for (options, reads_all) in engines() {
        let engine = RealEngine::start_with(&options).unwrap();
        writeln!(table, "{}", engine_title(&engine.api()).unwrap()).unwrap();
        for reading in &readings {
            let seen = read(&engine, reading);
            let cell = match &seen {
                Ok(how) => how.clone(),
                Err(error) => format!("refused: {error:#}"),
            };
            writeln!(table, "    {:<31} {}", reading.title, one_line(&cell)).unwrap();
            if seen.is_err() && (reads_all || reading.everywhere) {
                failures.push(format!("{options:?}, {}: {cell}", reading.title));
            }
        }
    }
    report("other-readers-engines", &table);
    assert!(failures.is_empty(), "{failures:#?}");
}

/// Name, version and store of an engine, by its own word.
fn engine_title(api: &EngineApi) -> Result<String> {
    let version = api.get_json("/version")?;
    let name = match version["Components"][0]["Name"].as_str() {
        Some(name) if name.starts_with("Podman") => "Podman",
        _ if containerd_store(api)? => "Docker, containerd store,",
        _ => "Docker, classic store,",
    };
    let number = version["Version"].as_str().context("a version")?;
    Ok(format!("{name} {number}"))
}

fn containerd_store(api: &EngineApi) -> Result<bool> {
    let status = api.get_json("/info")?["DriverStatus"].to_string();
    Ok(status.contains("io.containerd.snapshotter.v1"))
}

/// Loads the file and runs every image in it. An error is the engine's refusal, after
/// which it must hold nothing of it; anything else that is wrong panics.
fn read(engine: &RealEngine, reading: &Reading) -> Result<String> {
    let api = engine.api();
    let mut file = File::open(&reading.file)?;
    let loaded = api.load(&mut file);
    if let Err(refusal) = loaded {
        for wanted in &reading.wanted {
            let kept = api.get(&format!("/images/{}/json", wanted.name))?;
            assert_eq!(
                kept.status,
                404,
                "refused, but kept: {refusal:#} {}",
                kept.text()
            );
        }
        return Err(refusal);
    }
    let mut healthcheck = true;
    for wanted in &reading.wanted {
        healthcheck &=
            check(engine, wanted).unwrap_or_else(|error| panic!("{}: {error:#}", wanted.name));
    }
    let lost = if healthcheck {
        ""
    } else {
        ", without its health check"
    };
    Ok(format!("loads and runs{lost}"))
}

/// The very image, by its layers and, where the engine says it, its config; and it runs.
/// Gives whether it kept its health check.
fn check(engine: &RealEngine, wanted: &Wanted) -> Result<bool> {
    let api = engine.api();
    let image = api.get_json(&format!("/images/{}/json", wanted.name))?;
    let layers = &image["RootFS"]["Layers"];
    ensure!(
        *layers == serde_json::json!(wanted.facts.diff_ids),
        "layers: {layers}"
    );
    if !containerd_store(&api)? {
        let id = image["Id"].as_str().context("an id")?;
        let hex = |digest: &str| digest.trim_start_matches("sha256:").to_owned();
        ensure!(hex(id) == hex(&wanted.facts.config_digest), "id {id}");
    }
    let config = answers(&api, &engine.cgroup(), &wanted.name)?;
    let version = format!("VERSION={}", wanted.version);
    let env = config["Env"].as_array().into_iter().flatten();
    ensure!(
        env.into_iter().any(|set| *set == version),
        "wanted {version}, found {}",
        config["Env"]
    );
    Ok(config["Healthcheck"]["Test"].is_array())
}

/// skopeo checks every digest while it copies, and unpacks nothing that isn't right.
#[test]
fn skopeo_reads_the_package_file_as_both_kinds_of_archive() {
    if let Err(error) = skopeo(&["--version"])
        && !private_engines_allowed()
    {
        eprintln!("skipped: {error:#}");
        return;
    }
    let folder = TempDir::with_prefix("caisson-skopeo-").unwrap();
    let folder = folder.path();
    let recipe = recipe("web", "1.0.0");
    let mut table = skopeo(&["--version"]).unwrap();
    for live in [false, true] {
        let facts = &pack(folder, "one", &[&recipe], live).unwrap()[0];
        let package = folder.join("one.edgepkg");
        for kind in ["oci-archive", "docker-archive"] {
            let source = format!("{kind}:{}", package.display());
            let config = skopeo(&["inspect", "--config", "--raw", &source]).unwrap();
            assert_eq!(digest::of(config.as_bytes()), facts.config_digest, "{kind}");
            let seen: Value =
                serde_json::from_str(&skopeo(&["inspect", &source]).unwrap()).unwrap();
            assert_eq!(
                seen["Layers"].as_array().unwrap().len(),
                facts.diff_ids.len()
            );
            let copy = folder.join(format!("{kind}-{live}"));
            skopeo(&[
                "copy",
                "--quiet",
                &source,
                &format!("dir:{}", copy.display()),
            ])
            .unwrap();
            assert_eq!(copied_config(&copy).unwrap(), facts.config_digest, "{kind}");
            let names = if live {
                "own names"
            } else {
                "caisson.local names"
            };
            writeln!(table, "    {kind:<15} {names:<20} inspects, copies").unwrap();
        }
        fs::remove_file(&package).unwrap();
    }
    report("other-readers-skopeo", &table);
}

/// The digest of the config in a `dir:` copy, whose file skopeo named for it.
fn copied_config(copy: &Path) -> Result<String> {
    let manifest: Value = serde_json::from_slice(&fs::read(copy.join("manifest.json"))?)?;
    let named = manifest["config"]["digest"].as_str().context("a config")?;
    let config = fs::read(copy.join(named.trim_start_matches("sha256:")))?;
    ensure!(digest::of(&config) == named, "the copy is not what it says");
    Ok(named.to_owned())
}

/// The engine's own words, where they are inside its JSON.
fn one_line(text: &str) -> String {
    let words = text.rsplit_once("\"error\":\"");
    let text = words.map_or(text.to_owned(), |(_, words)| {
        format!("refused: {}", words.trim_end_matches(['"', '}']))
    });
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}
