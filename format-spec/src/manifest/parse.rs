//! From bytes to a [`Manifest`]: version and features first, then line by
//! line, then the rules, then the proof that the bytes are the canonical ones.

use std::collections::BTreeMap;

use super::lines::{Lines, Table, integer_value, unquote};
use super::{Chunks, Compatibility, Entry, FORMAT_VERSION, Image, Layer, Manifest, Service};
use crate::digest::Digest;
use crate::error::{Code, PackageError};
use crate::limits::{MANIFEST_BYTES_MAX, REQUIRES_MAX};
use crate::name;

const TOP: Table = Table {
    header: "",
    keys: &[
        "format_version",
        "requires",
        "package_type",
        "package_version",
        "release",
        "mtime",
        "live_names",
    ],
};
const COMPATIBILITY: Table = Table {
    header: "[compatibility]",
    keys: &["min_updater_version", "engine_api_min"],
};
const NOTES: Table = Table {
    header: "[notes]",
    keys: &[],
};
const SERVICES: Table = Table {
    header: "[[services]]",
    keys: &["service", "service_revision", "image"],
};
const IMAGES: Table = Table {
    header: "[[images]]",
    keys: &["reference", "platform", "config", "engine_manifest"],
};
const LAYERS: Table = Table {
    header: "[[images.layers]]",
    keys: &["digest", "size", "diff_id", "diff_size"],
};
const ENTRIES: Table = Table {
    header: "[[entries]]",
    keys: &["path", "size", "sha256"],
};
const CHUNKS: Table = Table {
    header: "[chunks]",
    keys: &["size", "sha256"],
};
const TABLES: &[Table] = &[
    COMPATIBILITY,
    NOTES,
    SERVICES,
    IMAGES,
    LAYERS,
    ENTRIES,
    CHUNKS,
];

/// Features in `requires` that this crate knows.
const KNOWN_FEATURES: &[&str] = &[];

const PLACE: &str = "manifest.toml";

impl Manifest {
    /// Reads the canonical bytes of a manifest and holds it against every rule.
    ///
    /// # Errors
    /// `pkg.format_version_unsupported` and `pkg.feature_required` from the
    /// first two lines alone; `manifest.*` and `pkg.package_type_unsupported`
    /// for the rest, in the order of SPEC section 8.
    pub fn parse(bytes: &[u8]) -> Result<Self, PackageError> {
        if bytes.is_empty() || bytes.len() as u64 > MANIFEST_BYTES_MAX {
            return Err(PackageError::new(
                Code::ManifestSize,
                "the manifest's size is wrong",
                PLACE,
            )
            .found(format!("{} bytes", bytes.len()))
            .wanted(format!("1 to {MANIFEST_BYTES_MAX} bytes")));
        }
        judge_version(bytes)?;
        let text = std::str::from_utf8(bytes).map_err(|error| {
            PackageError::new(
                Code::NotCanonical,
                "the manifest is not UTF-8",
                format!("{PLACE}, byte {}", error.valid_up_to()),
            )
        })?;
        if !text.ends_with('\n') {
            return Err(PackageError::new(
                Code::NotCanonical,
                "the manifest's last line has no line feed",
                PLACE,
            ));
        }
        let manifest = parse_lines(&mut Lines::new(text, TABLES))?;
        manifest.check()?;
        // The grammar leaves no second spelling; should it ever, this does not.
        if manifest.emit().as_bytes() != bytes {
            return Err(PackageError::new(
                Code::NotCanonical,
                "the manifest is not in its canonical form",
                PLACE,
            ));
        }
        Ok(manifest)
    }
}

/// Judges the first two lines, so that a package of a later version gets a
/// useful answer whatever else is in it.
fn judge_version(bytes: &[u8]) -> Result<(), PackageError> {
    let mut lines = bytes.split(|byte| *byte == b'\n');
    let mut value_of = |key: &str, line: usize| {
        let place = format!("{PLACE}, line {line}");
        lines
            .next()
            .and_then(|line| std::str::from_utf8(line).ok())
            .and_then(|line| line.strip_prefix(key)?.strip_prefix(" = "))
            .map(|value| (value, place.clone()))
            .ok_or_else(|| {
                PackageError::new(
                    Code::MissingKey,
                    format!("line {line} is not `{key} = ...`"),
                    place,
                )
            })
    };
    let (value, place) = value_of("format_version", 1)?;
    let version = integer_value("format_version", value, &place)?;
    if version != FORMAT_VERSION {
        return Err(PackageError::new(
            Code::FormatVersionUnsupported,
            "the package has a format version this program does not know",
            place,
        )
        .found(version)
        .wanted(FORMAT_VERSION));
    }
    let (value, place) = value_of("requires", 2)?;
    let features = requires_value(value).ok_or_else(|| {
        PackageError::new(
            Code::BadValue,
            "`requires` has a value it cannot have",
            &place,
        )
        .found(value)
        .wanted("feature names in ascending order, as `[]` or `[\"one\", \"two\"]`")
    })?;
    check_features(&features, &place)
}

/// The names in `["one", "two"]`, in its one spelling.
fn requires_value(value: &str) -> Option<Vec<String>> {
    let inner = value.strip_prefix('[')?.strip_suffix(']')?;
    if inner.is_empty() {
        return Some(Vec::new());
    }
    let features: Vec<String> = inner
        .split(", ")
        .map(|item| unquote(item).ok().filter(|item| name::is_feature(item)))
        .collect::<Option<_>>()?;
    features
        .is_sorted_by(|one, next| one < next)
        .then_some(features)
}

/// Refuses features this crate does not know.
pub(super) fn check_features(features: &[String], place: &str) -> Result<(), PackageError> {
    if features.len() > REQUIRES_MAX {
        return Err(
            PackageError::new(Code::LimitExceeded, "too many required features", place)
                .found(features.len())
                .wanted(format!("at most {REQUIRES_MAX}")),
        );
    }
    let unknown: Vec<&str> = features
        .iter()
        .map(String::as_str)
        .filter(|feature| !KNOWN_FEATURES.contains(feature))
        .collect();
    if unknown.is_empty() {
        return Ok(());
    }
    Err(PackageError::new(
        Code::FeatureRequired,
        "the package needs features this program does not know",
        place,
    )
    .found(unknown.join(", ")))
}

fn parse_lines(lines: &mut Lines<'_>) -> Result<Manifest, PackageError> {
    let format_version = lines.integer(TOP, "format_version")?;
    let requires = lines.features("requires")?;
    let package_type = lines.string(TOP, "package_type")?;
    let package_version = lines.string(TOP, "package_version")?;
    let release = lines.optional_integer("release")?;
    let mtime = lines.integer(TOP, "mtime")?;
    let live_names = lines.optional_true("live_names")?;
    lines.table_end(TOP)?;
    let compatibility = parse_compatibility(lines)?;
    let notes = parse_notes(lines)?;
    let services = parse_services(lines)?;
    let images = parse_images(lines)?;
    let entries = parse_entries(lines)?;
    lines.required_table(CHUNKS)?;
    let chunks = Chunks {
        size: lines.integer(CHUNKS, "size")?,
        sha256: lines.digest(CHUNKS, "sha256")?,
    };
    lines.table_end(CHUNKS)?;
    lines.end()?;
    Ok(Manifest {
        format_version,
        requires,
        package_type,
        package_version,
        release,
        mtime,
        live_names,
        compatibility,
        notes,
        services,
        images,
        entries,
        chunks,
    })
}

fn parse_compatibility(lines: &mut Lines<'_>) -> Result<Compatibility, PackageError> {
    if !lines.table(COMPATIBILITY) {
        return Ok(Compatibility::default());
    }
    let compatibility = Compatibility {
        min_updater_version: lines.optional_string("min_updater_version")?,
        engine_api_min: lines.optional_string("engine_api_min")?,
    };
    if compatibility == Compatibility::default() {
        return Err(lines.misfit(COMPATIBILITY, Some("min_updater_version")));
    }
    lines.table_end(COMPATIBILITY)?;
    Ok(compatibility)
}

fn parse_notes(lines: &mut Lines<'_>) -> Result<BTreeMap<String, String>, PackageError> {
    let mut notes: BTreeMap<String, String> = BTreeMap::new();
    if !lines.table(NOTES) {
        return Ok(notes);
    }
    loop {
        let place = lines.place();
        let Some((key, value)) = lines.any_string()? else {
            break;
        };
        let newest = notes.last_key_value().map(|(key, _)| key.as_str());
        if newest.is_some_and(|newest| newest == key) {
            return Err(
                PackageError::new(Code::Duplicate, "two notes have the same key", place).found(key),
            );
        }
        if newest.is_some_and(|newest| newest > key) {
            return Err(PackageError::new(
                Code::NotCanonical,
                "the notes are not in ascending order of their keys",
                place,
            )
            .found(key));
        }
        notes.insert(key.to_string(), value);
    }
    if notes.is_empty() {
        return Err(lines.misfit(NOTES, Some("a note's key")));
    }
    lines.table_end(NOTES)?;
    Ok(notes)
}

fn parse_services(lines: &mut Lines<'_>) -> Result<Vec<Service>, PackageError> {
    let mut services = Vec::new();
    lines.required_table(SERVICES)?;
    loop {
        services.push(Service {
            service: lines.string(SERVICES, "service")?,
            service_revision: lines.string(SERVICES, "service_revision")?,
            image: lines.string(SERVICES, "image")?,
        });
        lines.table_end(SERVICES)?;
        if !lines.table(SERVICES) {
            return Ok(services);
        }
    }
}

fn parse_images(lines: &mut Lines<'_>) -> Result<Vec<Image>, PackageError> {
    let mut images = Vec::new();
    lines.required_table(IMAGES)?;
    loop {
        let mut image = Image {
            reference: lines.string(IMAGES, "reference")?,
            platform: lines.string(IMAGES, "platform")?,
            config: lines.digest(IMAGES, "config")?,
            engine_manifest: lines.digest(IMAGES, "engine_manifest")?,
            layers: Vec::new(),
        };
        lines.table_end(IMAGES)?;
        lines.required_table(LAYERS)?;
        loop {
            image.layers.push(Layer {
                digest: lines.digest(LAYERS, "digest")?,
                size: lines.integer(LAYERS, "size")?,
                diff_id: lines.digest(LAYERS, "diff_id")?,
                diff_size: lines.integer(LAYERS, "diff_size")?,
            });
            lines.table_end(LAYERS)?;
            if !lines.table(LAYERS) {
                break;
            }
        }
        images.push(image);
        if !lines.table(IMAGES) {
            return Ok(images);
        }
    }
}

fn parse_entries(lines: &mut Lines<'_>) -> Result<Vec<Entry>, PackageError> {
    let mut entries = Vec::new();
    lines.required_table(ENTRIES)?;
    loop {
        entries.push(Entry {
            path: lines.string(ENTRIES, "path")?,
            size: lines.integer(ENTRIES, "size")?,
            sha256: lines.digest(ENTRIES, "sha256")?,
        });
        lines.table_end(ENTRIES)?;
        if !lines.table(ENTRIES) {
            return Ok(entries);
        }
    }
}

impl Lines<'_> {
    /// The digest of a key that must be next.
    fn digest(&mut self, table: Table, key: &str) -> Result<Digest, PackageError> {
        let place = self.place();
        let text = self.string(table, key)?;
        text.parse().map_err(|not_a_digest| {
            PackageError::new(
                Code::BadValue,
                format!("`{key}` has a value it cannot have"),
                place,
            )
            .found(text)
            .wanted(not_a_digest)
        })
    }

    /// The value of `requires`, which [`judge_version`] has already judged.
    fn features(&mut self, key: &str) -> Result<Vec<String>, PackageError> {
        let value = self.raw(TOP, key)?;
        Ok(requires_value(value).unwrap_or_default())
    }
}
