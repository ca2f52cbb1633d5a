//! SPEC.md against the crate: its example is a real manifest, its derived
//! files are derived, its rules are numbered without a gap.

use edgepkg::manifest::Manifest;
use edgepkg::{derive, header};

const SPEC: &str = include_str!("../../SPEC.md");

/// The content of the first block of this language after this text.
fn block<'a>(after: &str, language: &str) -> &'a str {
    let (_, rest) = SPEC.split_once(after).expect("SPEC.md has this text");
    let (_, rest) = rest
        .split_once(&format!("```{language}\n"))
        .expect("a block follows");
    rest.split_once("```").expect("the block ends").0
}

fn example() -> Manifest {
    Manifest::parse(block("## 12. Example", "toml").as_bytes()).expect("the example is a manifest")
}

/// A reader built from a wrong example would be wrong.
#[test]
fn the_example_is_what_the_crate_derives() {
    let manifest = example();
    let image = &manifest.images[0];
    for (after, bytes) in [
        ("\n`index.json`\n", derive::index_json(&manifest)),
        ("\n`manifest.json`\n", derive::manifest_json(&manifest)),
        (
            "\nthe OCI manifest, ",
            derive::oci_manifest(&manifest, image),
        ),
    ] {
        let json = block(after, "json").trim_end();
        assert_eq!(json.as_bytes(), bytes);
        let _: serde_json::Value = serde_json::from_str(json).expect("derived files are JSON");
    }
    assert_eq!(
        block("**6.1", "").trim_end().as_bytes(),
        derive::oci_layout()
    );
}

/// The example's header, as bytes, and the file's size.
#[test]
fn the_examples_header_is_the_canonical_one() {
    let manifest = example();
    let text = manifest.emit();
    let canonical = header::encode("manifest.toml", text.len() as u64, manifest.mtime);
    let mut shown = vec![0; 512];
    for line in block("Its first header", "").lines() {
        let (offset, rest) = line.split_once(": ").expect("xxd's form");
        let offset = usize::from_str_radix(offset, 16).unwrap();
        let digits: String = rest.split("  ").next().unwrap().split(' ').collect();
        for (position, pair) in digits.as_bytes().chunks(2).enumerate() {
            let pair = std::str::from_utf8(pair).unwrap();
            shown[offset + position] = u8::from_str_radix(pair, 16).unwrap();
        }
    }
    assert_eq!(shown, canonical);
    let on_tape = |size: u64| 512 + size.next_multiple_of(512);
    let data: u64 = manifest
        .entries
        .iter()
        .map(|entry| on_tape(entry.size))
        .sum();
    let size = on_tape(text.len() as u64) + on_tape(80) + on_tape(manifest.chunks.size) + data;
    assert_eq!(size + 1024, 11_776);
    assert!(SPEC.contains("Its file has 11 776 bytes."));
}

/// A rule without a number, or two with one, could not be tested by number.
#[test]
fn rules_are_numbered_without_a_gap() {
    let defined: Vec<usize> = SPEC
        .lines()
        .filter_map(|line| line.strip_prefix("[M")?.split_once(']')?.0.parse().ok())
        .collect();
    assert_eq!(defined, (1..=defined.len()).collect::<Vec<_>>());
    assert!(defined.len() > 40);
}

/// Derived files must be JSON for others too, with every part a manifest can
/// have: several images, variants, layers used twice.
#[test]
fn derived_files_are_json() {
    for live_names in [false, true] {
        let mut draft = crate::support::draft();
        draft.live_names = live_names;
        let manifest = draft.manifest().unwrap();
        let index: serde_json::Value =
            serde_json::from_slice(&derive::index_json(&manifest)).unwrap();
        let docker: serde_json::Value =
            serde_json::from_slice(&derive::manifest_json(&manifest)).unwrap();
        let names = [
            [
                "caisson.local/reg.example-5000/team/web:1.2.0-linux-amd64",
                "Reg.example:5000/team/web:1.2.0",
            ],
            [
                "caisson.local/reg.example-5000/team/web:1.2.0-linux-arm-v7",
                "Reg.example:5000/team/web:1.2.0",
            ],
            ["caisson.local/db:7", "db:7"],
        ];
        for (position, name) in names.iter().enumerate() {
            let name = name[usize::from(live_names)];
            let descriptor = &index["manifests"][position];
            let annotations = &descriptor["annotations"];
            assert_eq!(annotations["io.containerd.image.name"], name);
            assert_eq!(annotations["org.opencontainers.image.ref.name"], name);
            assert_eq!(docker[position]["RepoTags"][0], name);
            let image = &manifest.images[position];
            let bytes = derive::oci_manifest(&manifest, image);
            assert_eq!(descriptor["size"], bytes.len());
            let oci: serde_json::Value = serde_json::from_slice(&bytes).unwrap();
            assert_eq!(oci["config"]["digest"], image.config.to_string());
            assert_eq!(oci["layers"].as_array().unwrap().len(), image.layers.len());
            let size = manifest.config_size(image).unwrap();
            let engine = derive::engine_manifest(&image.config, size, &image.layers);
            let engine: serde_json::Value = serde_json::from_slice(&engine).unwrap();
            for (layer, described) in image
                .layers
                .iter()
                .zip(engine["layers"].as_array().unwrap())
            {
                assert_eq!(described["digest"], layer.diff_id.to_string());
                assert_eq!(described["size"], layer.diff_size);
            }
        }
        assert_eq!(index["manifests"][1]["platform"]["variant"], "v7");
        assert_eq!(index["manifests"][1]["platform"]["architecture"], "arm");
    }
}
