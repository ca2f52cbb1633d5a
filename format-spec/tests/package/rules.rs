//! The manifest's rules: every part that contradicts another, every limit at
//! its border. Here a manifest is changed as a value, where text is clumsy.

use edgepkg::Code;
use edgepkg::digest::Digest;
use edgepkg::limits;
use edgepkg::manifest::{Layer, Manifest, Service};
use edgepkg::writer::PackageDraft;

use crate::support::{draft, file, image, layer, noise, service, small_draft};

type Change = fn(&mut Manifest);

/// A change of a sound manifest and the code for what it becomes.
#[expect(
    clippy::semicolon_if_nothing_returned,
    reason = "one change per line reads as a table"
)]
const CONTRADICTIONS: &[(Code, Change)] = &[
    (Code::Inconsistent, |m| {
        m.services.retain(|s| s.service != "db")
    }),
    (Code::Duplicate, |m| m.services.push(m.services[1].clone())),
    (Code::Duplicate, |m| {
        m.services[1].service = "web".to_string();
    }),
    (Code::Duplicate, |m| m.images.push(m.images[2].clone())),
    (Code::BadValue, |m| m.images[0].layers.clear()),
    (Code::BadValue, |m| m.images[0].layers[0].size = 0),
    (Code::BadValue, |m| m.images[0].layers[0].diff_size = 0),
    (Code::Inconsistent, |m| m.images[0].layers[0].size += 1),
    (Code::Inconsistent, |m| {
        m.images[2].layers[0].diff_id = Digest::of(b"x")
    }),
    (Code::Inconsistent, |m| {
        m.images[2].layers[0].digest = Digest::of(b"x")
    }),
    (Code::Inconsistent, |m| {
        m.images[1].config = m.images[0].config
    }),
    (Code::Inconsistent, |m| {
        let config = m.images[0].config;
        m.images[1].layers[0].digest = config;
    }),
    (Code::EntriesMismatch, |m| {
        m.images[1].config = Digest::of(b"x")
    }),
    (Code::EntriesMismatch, |m| {
        m.images[1].layers[0].digest = Digest::of(b"x")
    }),
    (Code::EntriesMismatch, |m| m.entries.swap(3, 4)),
    (Code::EntriesMismatch, |m| drop(m.entries.remove(8))),
    (Code::EntriesMismatch, |m| m.images.swap(0, 1)),
    (Code::DerivedMismatch, |m| m.live_names = true),
    (Code::DerivedMismatch, |m| {
        m.entries[1].sha256 = Digest::of(b"x")
    }),
    (Code::DerivedMismatch, |m| {
        m.images[1].engine_manifest = Digest::of(b"x")
    }),
    (Code::Inconsistent, |m| {
        m.entries[4].sha256 = Digest::of(b"x")
    }),
    (Code::Inconsistent, |m| m.entries[9].size += 1),
    (Code::Inconsistent, |m| {
        let empty = m.entries.iter_mut().find(|entry| entry.size == 0).unwrap();
        empty.sha256 = Digest::of(b"x");
    }),
    (Code::Inconsistent, |m| m.chunks.size = 0),
    (Code::FormatVersionUnsupported, |m| m.format_version = 3),
    (Code::FeatureRequired, |m| {
        m.requires = vec!["thin".to_string()]
    }),
    (Code::BadValue, |m| {
        m.notes.insert("bell".to_string(), "\u{7}".to_string());
    }),
];

/// The reader and the writer share these rules; here a manifest is changed as
/// a value, where text would be clumsy.
#[test]
fn parts_that_contradict_each_other_are_refused() {
    for (number, (code, change)) in CONTRADICTIONS.iter().enumerate() {
        let mut manifest = draft().manifest().unwrap();
        change(&mut manifest);
        let error = manifest.check().expect_err("the manifest must be refused");
        assert_eq!(error.code, *code, "case {number}: {error}");
        assert!(
            Manifest::parse(manifest.emit().as_bytes()).is_err(),
            "case {number}, as text"
        );
    }
}

/// Above its limit a draft is refused for that, at its limit it passes.
#[track_caller]
fn check(draft: &PackageDraft, allowed: bool, what: &str) {
    match draft.manifest() {
        Ok(_) => assert!(allowed, "{what} is above its limit"),
        Err(error) => {
            assert!(!allowed, "{what}: {error}");
            assert_eq!(error.code, Code::LimitExceeded, "{what}: {error}");
        }
    }
}

/// Each limit is met exactly: at it a package passes, one above it does not.
#[test]
fn limits_of_counts_and_texts_hold_at_their_border() {
    for over in [0, 1] {
        let allowed = over == 0;
        let mut draft = small_draft(10);
        draft.release = Some(limits::INTEGER_MAX + over as u64);
        check(&draft, allowed, "release");

        let mut draft = small_draft(10);
        draft.mtime = limits::MTIME_MAX + over as u64;
        check(&draft, allowed, "mtime");

        let mut draft = small_draft(10);
        for number in 0..limits::NOTES_MAX + over {
            draft.notes.insert(format!("n{number}"), String::new());
        }
        check(&draft, allowed, "notes");

        let mut draft = small_draft(10);
        let value = "x".repeat(limits::NOTE_VALUE_MAX + over);
        draft.notes.insert("n".to_string(), value);
        check(&draft, allowed, "a note");

        let mut draft = small_draft(10);
        draft.services = (0..limits::SERVICES_MAX + over)
            .map(|number| service(&format!("s{number}"), "web:1"))
            .collect();
        check(&draft, allowed, "services");

        let mut draft = small_draft(10);
        draft.images = (0..limits::IMAGES_MAX + over)
            .map(|number| {
                let layers = vec![layer(b"shared")];
                image("web:1", &format!("linux/cpu{number}"), layers)
            })
            .collect();
        check(&draft, allowed, "images");
    }
}

/// The same for what is large: layers, configs, entries, chunks.
#[test]
fn limits_of_layers_and_data_hold_at_their_border() {
    for over in [0, 1] {
        let allowed = over == 0;
        let mut draft = small_draft(10);
        draft.images[0].layers = vec![layer(b"same"); limits::LAYERS_MAX + over];
        check(&draft, allowed, "layers");

        let mut draft = small_draft(10);
        draft.images[0].layers[0].diff_size = limits::DIFF_BYTES_TOTAL_MAX + over as u64;
        check(&draft, allowed, "diff_size");

        let mut draft = small_draft(10);
        let mut half = layer(b"half");
        half.diff_size = limits::DIFF_BYTES_TOTAL_MAX / 2;
        draft.images[0].layers = vec![half.clone(), half];
        let mut rest = layer(b"rest");
        rest.diff_size = 1;
        draft.images[0].layers.extend(vec![rest; over]);
        check(&draft, allowed, "the sum of diff_size");

        let mut draft = small_draft(10);
        let size = usize::try_from(limits::CONFIG_BYTES_MAX).unwrap() + over;
        draft.images[0].config = noise(1, size);
        check(&draft, allowed, "a config");

        // Derived files, OCI manifest, config and layer are six entries.
        let mut draft = small_draft(10);
        draft.files = (0..limits::ENTRIES_MAX - 6 + over)
            .map(|number| file(&format!("{number}"), b""))
            .collect();
        check(&draft, allowed, "entries");

        // Six chunks are taken; the table has 32768 rows.
        let mut draft = small_draft(10);
        let mut large = file("large", b"");
        let chunks = 32_768 - 6 + over;
        large.blob.sum.size = chunks as u64 * limits::CHUNK_BYTES;
        large.blob.sum.chunks = vec![Digest::of(b"x"); chunks];
        draft.files.push(large);
        check(&draft, allowed, "the chunk table");
    }
}

/// Sizes that overflow when added must be refused, not wrapped.
#[test]
fn sums_do_not_overflow() {
    let mut manifest = draft().manifest().unwrap();
    for entry in manifest.entries.iter_mut().rev().take(3) {
        entry.size = u64::MAX;
    }
    assert_eq!(manifest.check().unwrap_err().code, Code::LimitExceeded);
    let mut manifest = draft().manifest().unwrap();
    manifest.images[0].layers = vec![
        Layer {
            digest: Digest::of(b"x"),
            size: limits::INTEGER_MAX,
            diff_id: Digest::of(b"y"),
            diff_size: limits::DIFF_BYTES_TOTAL_MAX,
        };
        limits::LAYERS_MAX
    ];
    assert_eq!(manifest.check().unwrap_err().code, Code::LimitExceeded);
}

/// Two services may share one image; each is found.
#[test]
fn two_services_may_share_an_image() {
    let mut draft = small_draft(10);
    draft.services.push(Service {
        service: "worker".to_string(),
        ..draft.services[0].clone()
    });
    let manifest = draft.manifest().unwrap();
    let image = |service| manifest.image_for(service, "linux/amd64").unwrap().1;
    assert_eq!(image("web"), image("worker"));
}
