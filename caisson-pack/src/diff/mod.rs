//! What differs between two packages, in words a person can act on: what changes
//! on a device that gets the second after the first.
//!
//! [`compare`] reads both heads and the images' configs, verified like everything
//! that is read from a package; layers are compared by their digests and not read.
//! The comparison itself is pure. It is one list of [`Change`]s, from which both
//! the words and the JSON are made, so both say the same.
//!
//! It does not judge: whether a device takes the second package over the first is
//! decided there.

mod image;
mod layers;
mod package;
mod pair;
mod settings;
mod side;
mod words;

use std::path::Path;

use edgepkg::Digest;
use serde::Serialize;
use serde_json::Value;

use crate::error::Result;
use crate::progress::Watch;
pub use layers::NewLayers;
pub use side::Side;

/// What one change is about.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(tag = "scope", rename_all = "snake_case")]
pub enum Scope {
    /// The package as a whole.
    Package,
    /// A service.
    Service {
        /// Its name.
        service: String,
    },
    /// An image; where it has another name in the first package, the second's.
    Image {
        /// Its name.
        reference: String,
        /// Its platform.
        platform: String,
    },
}

/// One difference. Without `from` it was added, without `to` removed.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Change {
    /// What it is about.
    #[serde(flatten)]
    pub scope: Scope,
    /// Which of its properties, such as `env`; never changes its meaning.
    pub what: String,
    /// Which of several, such as the variable's name.
    pub name: Option<String>,
    /// In the first package.
    pub from: Option<Value>,
    /// In the second package.
    pub to: Option<Value>,
}

/// Two packages, compared.
#[derive(Clone, Debug)]
pub struct Comparison {
    /// Digests of the two manifests: equal ones mean equal packages, byte for byte.
    pub manifest_digests: [Digest; 2],
    /// Sizes of the two packages, in bytes.
    pub sizes: [u64; 2],
    /// What differs; empty exactly if the packages are equal.
    pub changes: Vec<Change>,
    /// What a device that holds the first stores of the second, for each platform
    /// of the second; empty if the packages are equal.
    pub new_layers: Vec<NewLayers>,
}

/// Compares two package files.
///
/// # Errors
/// `usage.file_unreadable`, the format's codes as far as the files are read,
/// `manifest.inconsistent` for a config that isn't its image's,
/// `build.interrupted`.
pub fn compare(first: &Path, second: &Path, watch: &mut Watch) -> Result<Comparison> {
    let read = |path: &Path, watch: &mut Watch| {
        Side::read(path, watch).map_err(|error| error.in_package(path))
    };
    Ok(compare_sides(&read(first, watch)?, &read(second, watch)?))
}

/// Compares two packages that were read.
pub fn compare_sides(first: &Side, second: &Side) -> Comparison {
    let mut comparison = Comparison {
        manifest_digests: [first.manifest_digest, second.manifest_digest],
        sizes: [first.size, second.size],
        changes: Vec::new(),
        new_layers: Vec::new(),
    };
    if first.manifest_digest == second.manifest_digest {
        return comparison;
    }
    let changes = &mut comparison.changes;
    package::compare(first, second, changes);
    package::compare_services(first, second, changes);
    for pair in pair::pairs(&first.manifest, &second.manifest) {
        image::compare(first, second, pair, changes);
    }
    package::compare_order(first, second, changes);
    if changes.is_empty() {
        package::name_the_place(first, second, changes);
    }
    comparison.new_layers = layers::new_layers(&first.manifest, &second.manifest);
    comparison
}

impl Comparison {
    /// True if the packages are equal, byte for byte.
    pub fn is_equal(&self) -> bool {
        self.changes.is_empty()
    }
}

impl Change {
    /// A difference, if there is one.
    fn between(
        scope: &Scope,
        what: &str,
        name: Option<&str>,
        from: Option<Value>,
        to: Option<Value>,
    ) -> Option<Self> {
        (from != to).then(|| Self {
            scope: scope.clone(),
            what: what.to_owned(),
            name: name.map(str::to_owned),
            from,
            to,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use edgepkg::manifest::{Chunks, Compatibility, Entry, Manifest};
    use std::collections::BTreeMap;

    fn side(chunk_table: &[u8]) -> Side {
        let manifest = Manifest {
            format_version: 2,
            requires: Vec::new(),
            package_type: "service".to_owned(),
            package_version: "1.0.0".to_owned(),
            release: None,
            mtime: 0,
            live_names: false,
            compatibility: Compatibility::default(),
            notes: BTreeMap::new(),
            services: Vec::new(),
            images: Vec::new(),
            entries: vec![Entry {
                path: "blobs/x".to_owned(),
                size: 1,
                sha256: Digest::of(chunk_table),
            }],
            chunks: Chunks {
                size: 32,
                sha256: Digest::of(b""),
            },
        };
        Side {
            manifest_digest: Digest::of(format!("{manifest:?}").as_bytes()),
            manifest,
            size: 1,
            configs: BTreeMap::new(),
        }
    }

    /// Packages that differ must never be called equal, not even where nobody
    /// thought of the difference.
    #[test]
    fn a_difference_without_words_is_shown_by_its_place() {
        let comparison = compare_sides(&side(b"one"), &side(b"two"));
        assert!(!comparison.is_equal());
        let digest = Digest::of(b"one");
        assert!(
            comparison.words().contains(&format!(
                "manifest manifest.toml, entries, 1, sha256: {digest} -> "
            )),
            "{}",
            comparison.words()
        );
        assert!(compare_sides(&side(b"one"), &side(b"one")).is_equal());
    }
}
