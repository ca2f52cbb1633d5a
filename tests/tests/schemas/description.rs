//! `caisson.schema.json` against the build.

use std::fs;
use std::path::Path;
use std::process::Command;

use caisson_tests::images::{ImageRecipe, Platform};
use caisson_tests::programs::caisson_pack;
use serde_json::Value;

use super::mutations::{bounds, mutations, numbers};
use super::{complaints, schema, toml, validator};

const NAME: &str = "caisson.schema.json";

const SOUND: &str = r#"package_version = "1.1.0"
release = 7
level = 3
split = "fat32"
live_names = false
[compatibility]
min_updater_version = "0.2.0"
engine_api_min = "1.41"
[notes]
changelog = "faster start"
[[images]]
source = "docker-archive:web.tar"
reference = "registry.example/web:1.1.0"
platform = "linux/amd64"
[[services]]
service = "web"
service_revision = "r1"
image = "registry.example/web:1.1.0"
"#;

/// Codes that say nothing about the file itself: it was understood, and then the
/// image was another, or two places of the file did not fit each other.
const BEYOND_A_SCHEMA: &[&str] = &[
    "usage.file_unreadable",
    "source.platform_mismatch",
    "source.image_not_found",
    "manifest.inconsistent",
    "build.output_exists",
];

/// What the build has against the description; `None` if it takes it.
fn refusal(folder: &Path, text: &str) -> Option<String> {
    fs::write(folder.join("caisson.toml"), text).expect("a scratch folder");
    let output = Command::new(caisson_pack())
        .current_dir(folder)
        .env_remove("SOURCE_DATE_EPOCH")
        .args([
            "build",
            "-f",
            "caisson.toml",
            "-o",
            "x.edgepkg",
            "--force",
            "--json",
        ])
        .output()
        .expect("the program starts");
    let line = String::from_utf8_lossy(&output.stdout).into_owned();
    let line = line.lines().last().unwrap_or_default();
    let object: Value = serde_json::from_str(line).expect("one object");
    let code = object["code"].as_str()?;
    (!BEYOND_A_SCHEMA.contains(&code)).then(|| object.to_string())
}

/// An editor that finds fault with a good file, or none with a bad one, is worse
/// than none.
#[test]
fn schema_and_build_agree_on_every_small_mistake() {
    let folder = tempfile::tempdir().expect("a scratch folder");
    let mut recipe = ImageRecipe::new("registry.example/web:1.1.0", "1.1.0");
    recipe.platform = Platform::new("linux", "amd64", "");
    let archive = folder.path().join("web.tar");
    recipe.write_docker_archive(&archive).expect("an archive");
    let validator = validator(NAME);
    assert_eq!(refusal(folder.path(), SOUND), None);
    let (mut sound, mut wrong) = (0, 0);
    let mut numbers_near = Vec::new();
    bounds(&schema(NAME), &mut numbers_near);
    let changed = mutations(SOUND).into_iter();
    for text in changed.chain(numbers(SOUND, &numbers_near)) {
        let Some(value) = toml(&text) else { continue };
        // A pipeline gives the version as a flag.
        if value.get("package_version").is_none() {
            assert!(validator.is_valid(&value), "{text}");
            continue;
        }
        let refusal = refusal(folder.path(), &text);
        assert_eq!(
            refusal.is_none(),
            validator.is_valid(&value),
            "build: {refusal:?}\nschema: {}\n{text}",
            complaints(&validator, &value)
        );
        if refusal.is_none() {
            sound += 1;
        } else {
            wrong += 1;
        }
    }
    assert!(sound > 50 && wrong > 200, "{sound} sound, {wrong} wrong");
}
