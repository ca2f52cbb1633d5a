//! The folder of vectors and its index, read as strictly as a package: a member
//! that nobody knows, a file that no vector owns, a vector without its file are
//! errors, since each of them would be a vector that is not run.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use serde::Deserialize;

/// The index version and the package format that this runner knows.
const VERSIONS: (u32, u32) = (1, 2);

/// All vectors of a folder.
#[derive(Debug)]
pub struct Suite {
    /// The folder.
    pub folder: PathBuf,
    /// In the index's order.
    pub vectors: Vec<Vector>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Index {
    #[serde(rename = "$schema")]
    _schema: String,
    #[serde(rename = "index_version")]
    version: u32,
    format_version: u32,
    vectors: Vec<Row>,
}

/// All members of all kinds; [`Row::vector`] tells the kinds apart.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Row {
    name: String,
    file: String,
    parts: Option<Vec<String>>,
    musts: Vec<String>,
    sentence: String,
    expect: String,
    manifest_digest: Option<String>,
    depth: Option<Depth>,
    code: Option<String>,
    step: Option<u32>,
    place: Option<String>,
    element: Option<String>,
    released: Option<Released>,
    stream: Option<Reject>,
}

/// One vector.
#[derive(Clone, Debug)]
pub struct Vector {
    /// `area_defect`.
    pub name: String,
    /// What a reader is given, below the folder.
    pub file: String,
    /// The files of a split package.
    pub parts: Option<Vec<String>>,
    /// The rules of SPEC.md that it is about, such as `M7`.
    pub musts: Vec<String>,
    /// What it shows.
    pub sentence: String,
    /// What a reader must say.
    pub verdict: Verdict,
}

/// What a reader must say.
#[derive(Clone, Debug)]
pub enum Verdict {
    /// The package is sound.
    Accept {
        /// The digest of its manifest.
        manifest_digest: String,
    },
    /// The package is refused.
    Reject {
        /// Which pass finds it.
        depth: Depth,
        /// By a reader that knows the file's size.
        file: Reject,
        /// By one that does not.
        stream: Reject,
    },
}

/// Which pass finds a defect.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Depth {
    /// Every pass.
    File,
    /// Only one that unpacks the layers and computes every digest.
    Contents,
}

/// How a package is refused.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Reject {
    /// A code of ERRORS.md.
    pub code: String,
    /// The step of SPEC section 8.
    pub step: Option<u32>,
    /// In the words of this project's reader.
    pub place: String,
    /// The data that is released before.
    pub released: Released,
}

/// Data that a reader gives out before it refuses.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Released {
    /// How many bytes.
    pub bytes: u64,
    /// Their digest.
    pub sha256: String,
}

impl Suite {
    /// Reads the index and looks whether the folder holds what it names.
    ///
    /// # Errors
    /// A sentence for a person: what is unreadable, unknown, missing or too much.
    pub fn read(folder: &Path) -> Result<Self, String> {
        let path = folder.join("index.json");
        let text =
            fs::read_to_string(&path).map_err(|error| format!("{}: {error}", path.display()))?;
        let index: Index =
            serde_json::from_str(&text).map_err(|error| format!("index.json: {error}"))?;
        let found = (index.version, index.format_version);
        if found != VERSIONS {
            return Err(format!(
                "index.json: versions {found:?}, wanted {VERSIONS:?}"
            ));
        }
        let rows = index.vectors.into_iter();
        let suite = Self {
            folder: folder.to_owned(),
            vectors: rows.map(Row::vector).collect::<Result<_, _>>()?,
        };
        suite.owns_every_file()?;
        Ok(suite)
    }

    /// The path that a reader is given.
    pub fn path(&self, vector: &Vector) -> PathBuf {
        self.folder.join(&vector.file)
    }

    fn owns_every_file(&self) -> Result<(), String> {
        let mut owned = BTreeSet::new();
        let mut names = BTreeSet::new();
        for vector in &self.vectors {
            if !names.insert(&vector.name) {
                return Err(format!("two vectors have the name {}", vector.name));
            }
            let alone = std::slice::from_ref(&vector.file);
            for file in vector.parts.as_deref().unwrap_or(alone) {
                if !owned.insert(self.folder.join(file)) {
                    return Err(format!("{file} belongs to two vectors"));
                }
            }
        }
        let mut folders = vec![self.folder.join("accept"), self.folder.join("reject")];
        while let Some(folder) = folders.pop() {
            let unreadable = |error| format!("{}: {error}", folder.display());
            for entry in fs::read_dir(&folder).map_err(unreadable)? {
                let path = entry.map_err(unreadable)?.path();
                if path.is_dir() {
                    folders.push(path);
                } else if !owned.remove(&path) {
                    return Err(format!("{} belongs to no vector", path.display()));
                }
            }
        }
        match owned.first() {
            Some(missing) => Err(format!("{} is missing", missing.display())),
            None => Ok(()),
        }
    }
}

impl Row {
    fn vector(self) -> Result<Vector, String> {
        let name = self.name.clone();
        let wrong = |what: &str| format!("index.json: {name}: {what}");
        let verdict = match self.expect.as_str() {
            "accept" => Verdict::Accept {
                manifest_digest: self.manifest_digest.ok_or_else(|| wrong("no digest"))?,
            },
            "reject" => {
                let file = Reject {
                    code: self.code.ok_or_else(|| wrong("no code"))?,
                    step: self.step,
                    place: self.place.ok_or_else(|| wrong("no place"))?,
                    released: self.released.ok_or_else(|| wrong("nothing about data"))?,
                };
                Verdict::Reject {
                    depth: self.depth.ok_or_else(|| wrong("no depth"))?,
                    stream: self.stream.unwrap_or_else(|| file.clone()),
                    file,
                }
            }
            _ => return Err(wrong("neither accept nor reject")),
        };
        drop(self.element);
        Ok(Vector {
            name: self.name,
            file: self.file,
            parts: self.parts,
            musts: self.musts,
            sentence: self.sentence,
            verdict,
        })
    }
}
