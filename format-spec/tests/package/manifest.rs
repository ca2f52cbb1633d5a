//! The manifest's text: every way to spell it otherwise is refused, and what
//! parses is canonical.

use edgepkg::limits;
use edgepkg::manifest::Manifest;
use edgepkg::{Code, PackageError};

use crate::support::{Random, draft, noise};

fn text() -> String {
    draft().manifest().unwrap().emit()
}

#[track_caller]
fn refused(text: &str, code: Code) -> PackageError {
    let error = Manifest::parse(text.as_bytes()).expect_err("the manifest must be refused");
    assert_eq!(error.code, code, "{error}");
    error
}

/// Text in the canonical manifest, what replaces it, and the code for that.
const OTHER_SPELLINGS: &[(&str, &str, Code)] = &[
    // Lines and space.
    ("\n", "\r\n", Code::BadValue),
    ("requires = []", "requires=[]", Code::MissingKey),
    ("requires = []", "requires = [ ]", Code::BadValue),
    ("requires = []", "requires = [\"b\", \"a\"]", Code::BadValue),
    ("requires = []", "requires = [\"a\", \"a\"]", Code::BadValue),
    ("requires = []", "requires = [\"A\"]", Code::BadValue),
    ("mtime = ", "mtime  = ", Code::NotCanonical),
    ("mtime = ", "mtime =  ", Code::BadValue),
    ("mtime = ", "\"mtime\" = ", Code::NotCanonical),
    ("mtime = ", "# a comment\nmtime = ", Code::NotCanonical),
    (
        "mtime = 1700000000\n",
        "mtime = 1700000000 \n",
        Code::BadValue,
    ),
    ("\n\n[notes]", "\n[notes]", Code::NotCanonical),
    ("\n\n[notes]", "\n\n\n[notes]", Code::MissingKey),
    ("\n[notes]\n", "\n[ notes ]\n", Code::UnknownKey),
    ("[notes]\n", "[notes]\n\n", Code::MissingKey),
    // Integers.
    ("mtime = 1700000000", "mtime = 01700000000", Code::BadValue),
    ("mtime = 1700000000", "mtime = +1700000000", Code::BadValue),
    ("mtime = 1700000000", "mtime = -1", Code::BadValue),
    (
        "mtime = 1700000000",
        "mtime = 1_700_000_000",
        Code::BadValue,
    ),
    ("mtime = 1700000000", "mtime = 0x10", Code::BadValue),
    ("mtime = 1700000000", "mtime = 1700000000.0", Code::BadValue),
    (
        "mtime = 1700000000",
        "mtime = \"1700000000\"",
        Code::BadValue,
    ),
    ("mtime = 1700000000", "mtime = ", Code::BadValue),
    ("mtime = 1700000000", "mtime = true", Code::BadValue),
    // Strings.
    ("\"service\"", "'service'", Code::BadValue),
    ("\"service\"", "\"\"\"service\"\"\"", Code::BadValue),
    ("\"service\"", "service", Code::BadValue),
    ("\"service\"", "\"service", Code::BadValue),
    ("\"service\"", "\"serv\\u0069ce\"", Code::BadValue),
    ("\"service\"", "\"service\\\"", Code::BadValue),
    ("\"service\"", "\"service\" # comment", Code::BadValue),
    ("\"service\"", "7", Code::BadValue),
    ("with a \\\\", "with a \\/", Code::BadValue),
    ("with a \\\\", "with a \u{7f}", Code::BadValue),
    ("with a \\\\", "with a \u{85}", Code::BadValue),
    ("with a \\\\", "with a \t", Code::BadValue),
    ("with a \\\\", "with a \\r", Code::BadValue),
    ("sha256:", "sha256:0", Code::BadValue),
    ("sha256:", "SHA256:", Code::BadValue),
    // Order.
    (
        "service = \"web\"\nservice_revision = \"web-r1\"",
        "service_revision = \"web-r1\"\nservice = \"web\"",
        Code::MissingKey,
    ),
    (
        "release = 7\nmtime = 1700000000\n",
        "mtime = 1700000000\nrelease = 7\n",
        Code::NotCanonical,
    ),
    (
        "release = 7\n",
        "release = 7\nrelease = 7\n",
        Code::MissingKey,
    ),
    (
        "[notes]\nbuilt-by = \"\"\n",
        "[notes]\nzz = \"\"\nbuilt-by = \"\"\n",
        Code::NotCanonical,
    ),
    (
        "[notes]\nbuilt-by = \"\"\n",
        "[notes]\nbuilt-by = \"\"\nbuilt-by = \"\"\n",
        Code::Duplicate,
    ),
];

/// A grammar that takes a second spelling lets one signature cover two texts.
#[test]
fn other_spellings_are_refused() {
    for &(from, to, code) in OTHER_SPELLINGS {
        let canonical = text();
        assert!(canonical.contains(from), "{from:?}");
        let error = refused(&canonical.replacen(from, to, 1), code);
        assert!(error.place.starts_with("manifest.toml"), "{error}");
    }
    let canonical = text();
    refused(&format!("{canonical}\n"), Code::NotCanonical);
    refused(&format!("{canonical}# end\n"), Code::NotCanonical);
    refused(&format!("{canonical}size = 1\n"), Code::NotCanonical);
    refused(&format!("{canonical}\n[chunks]\n"), Code::NotCanonical);
    refused(canonical.trim_end(), Code::NotCanonical);
    refused(&format!("\u{feff}{canonical}"), Code::MissingKey);
    let error = Manifest::parse(&[canonical.as_bytes(), b"\xff\n"].concat()).unwrap_err();
    assert_eq!(error.code, Code::NotCanonical);
}

/// A key that is not understood must not be skipped, nor one that is needed
/// be assumed.
#[test]
fn unknown_and_missing_keys_are_named() {
    for (from, to, code) in [
        ("package_type = ", "packagetype = ", Code::UnknownKey),
        ("mtime = ", "color = \"red\"\nmtime = ", Code::UnknownKey),
        (
            "[notes]",
            "[base]\nimage = \"x\"\n\n[notes]",
            Code::UnknownKey,
        ),
        ("[[services]]", "[[servers]]", Code::UnknownKey),
        (
            "engine_api_min = \"1.41\"\n",
            "engine_api_max = \"1.41\"\n",
            Code::UnknownKey,
        ),
        (
            "platform = ",
            "os = \"linux\"\nplatform = ",
            Code::UnknownKey,
        ),
        (
            "diff_id = ",
            "media_type = \"x\"\ndiff_id = ",
            Code::UnknownKey,
        ),
        ("package_type = \"service\"\n", "", Code::MissingKey),
        ("mtime = 1700000000\n", "", Code::MissingKey),
        ("format_version = 2\n", "", Code::MissingKey),
        ("requires = []\n", "", Code::MissingKey),
        ("platform = \"linux/amd64\"\n", "", Code::MissingKey),
        ("image = \"db:7\"\n", "", Code::MissingKey),
    ] {
        let canonical = text();
        assert!(canonical.contains(from), "{from:?}");
        refused(&canonical.replacen(from, to, 1), code);
    }
    let canonical = text();
    refused(&format!("{canonical}color = \"red\"\n"), Code::UnknownKey);
    refused(&format!("{canonical}\n[more]\n"), Code::UnknownKey);
    let cut = |at: &str| canonical[..canonical.find(at).unwrap()].to_string();
    for header in [
        "\n[[services]]",
        "\n[[images]]",
        "\n[[images.layers]]",
        "\n[[entries]]",
        "\n[chunks]",
        "sha256 = ",
        "diff_size = ",
    ] {
        refused(&cut(header), Code::MissingKey);
        refused(&(cut(header) + "x"), Code::NotCanonical);
    }
}

/// Values of the right type that cannot mean anything.
#[test]
fn values_without_meaning_are_refused() {
    for (from, to, code) in [
        ("\"1.2.0-rc.1+build.7\"", "\"1.2\"", Code::BadValue),
        (
            "package_type = \"service\"",
            "package_type = \"updater\"",
            Code::PackageTypeUnsupported,
        ),
        ("release = 7", "release = 0", Code::BadValue),
        (
            "release = 7",
            "release = 9007199254740992",
            Code::LimitExceeded,
        ),
        (
            "release = 7",
            "release = 99999999999999999999999",
            Code::LimitExceeded,
        ),
        (
            "mtime = 1700000000",
            "mtime = 8589934592",
            Code::LimitExceeded,
        ),
        (
            "\nmtime = 1700000000\n",
            "\nmtime = 1700000000\nlive_names = false\n",
            Code::BadValue,
        ),
        ("\"0.2.0\"", "\"0.2\"", Code::BadValue),
        ("\"1.41\"", "\"1.041\"", Code::BadValue),
        ("built-by = ", "Built-By = ", Code::BadValue),
        ("service = \"web\"", "service = \"we b\"", Code::BadValue),
        ("\"web-r1\"", "\"\"", Code::BadValue),
        ("\"linux/arm/v7\"", "\"linux/arm\"", Code::BadValue),
        ("\"linux/arm/v7\"", "\"Linux/arm/v7\"", Code::BadValue),
        ("image = \"db:7\"", "image = \"db:8\"", Code::Inconsistent),
        ("files/A_1.txt", "files/A 1.txt", Code::BadValue),
        ("files/A_1.txt", "files/..", Code::BadValue),
        ("files/A_1.txt", "other/A_1.txt", Code::EntriesMismatch),
        ("files/A_1.txt", "files/zz", Code::EntriesMismatch),
        ("files/A_1.txt", "files/empty", Code::Duplicate),
        (
            "path = \"oci-layout\"",
            "path = \"index.json\"",
            Code::EntriesMismatch,
        ),
        (
            "path = \"oci-layout\"\nsize = 30",
            "path = \"oci-layout\"\nsize = 31",
            Code::DerivedMismatch,
        ),
        (
            "[chunks]\nsize = 4",
            "[chunks]\nsize = 5",
            Code::Inconsistent,
        ),
    ] {
        let canonical = text();
        assert!(canonical.contains(from), "{from:?}");
        refused(&canonical.replacen(from, to, 1), code);
    }
}

/// The grammar's one promise: a text that parses is the text that its content
/// is written as. Random edits must be refused or be canonical.
#[test]
fn what_parses_is_canonical() {
    let canonical = text();
    let pieces: Vec<&str> = canonical.split_inclusive('\n').collect();
    let mut accepted = 0;
    for seed in 0..4000 {
        let mut random = Random::new(seed);
        let mut changed: Vec<String> = pieces.iter().map(ToString::to_string).collect();
        for _ in 0..=random.below(2) {
            let at = usize::try_from(random.below(changed.len() as u64)).unwrap();
            let other = usize::try_from(random.below(changed.len() as u64)).unwrap();
            match random.below(5) {
                0 => drop(changed.remove(at)),
                1 => changed.swap(at, other),
                2 => changed.insert(at, pieces[other % pieces.len()].to_string()),
                3 => {
                    let with = ["0", "9", " ", "\"", "\\n", "a", "\n", "ü", "= "];
                    let with = with[usize::try_from(random.below(9)).unwrap()];
                    let line = &mut changed[at];
                    let offset = usize::try_from(random.below(line.len() as u64)).unwrap();
                    if line.is_char_boundary(offset) {
                        line.insert_str(offset, with);
                    }
                }
                _ => {
                    let line = &mut changed[at];
                    let offset = usize::try_from(random.below(line.len() as u64)).unwrap();
                    if line.is_char_boundary(offset) {
                        line.remove(offset);
                    }
                }
            }
            if changed.is_empty() {
                break;
            }
        }
        let changed = changed.concat();
        if let Ok(manifest) = Manifest::parse(changed.as_bytes()) {
            assert_eq!(manifest.emit(), changed, "seed {seed}");
            accepted += 1;
        }
    }
    // Notes, versions and names may change and stay canonical.
    assert!(accepted > 20, "{accepted} of 4000");
}

/// Manifests of random content come back from their text as they were.
#[test]
fn random_content_comes_back() {
    for seed in 0..300 {
        let mut random = Random::new(seed);
        let mut draft = draft();
        draft.release = (random.below(2) == 0).then(|| random.below(1000) + 1);
        draft.mtime = random.below(limits::MTIME_MAX + 1);
        draft.live_names = random.below(2) == 0;
        if random.below(2) == 0 {
            draft.compatibility.engine_api_min = None;
        }
        if random.below(2) == 0 {
            draft.compatibility.min_updater_version = None;
        }
        draft.notes = (0..random.below(4))
            .map(|_| {
                let length = random.below(20);
                let characters = ['a', '"', '\\', '\n', '\t', 'ü', '日', '#', '=', '[', ' '];
                let value = (0..length)
                    .map(|_| characters[usize::try_from(random.below(11)).unwrap()])
                    .collect();
                (format!("k{}", random.below(9)), value)
            })
            .collect();
        let manifest = draft.manifest().unwrap();
        let text = manifest.emit();
        assert_eq!(
            Manifest::parse(text.as_bytes()).as_ref(),
            Ok(&manifest),
            "seed {seed}"
        );
        let table: toml::Table = text.parse().expect("canonical is TOML");
        for (key, value) in &manifest.notes {
            assert_eq!(table["notes"][key].as_str(), Some(value.as_str()));
        }
    }
}

/// Bytes of any kind: a code, never a panic.
#[test]
fn any_bytes_get_a_code() {
    for seed in 0..500 {
        let size = usize::try_from(Random::new(seed).below(400)).unwrap();
        assert!(Manifest::parse(&noise(seed, size)).is_err());
        let mut head = b"format_version = 2\nrequires = []\n".to_vec();
        head.extend(noise(seed, size));
        assert!(Manifest::parse(&head).is_err());
    }
    let large = vec![b'\n'; usize::try_from(limits::MANIFEST_BYTES_MAX).unwrap() + 1];
    assert_eq!(
        Manifest::parse(&large).unwrap_err().code,
        Code::ManifestSize
    );
    assert_eq!(Manifest::parse(b"").unwrap_err().code, Code::ManifestSize);
}
