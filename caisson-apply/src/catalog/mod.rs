//! The device's service catalog, `services.toml`: which services exist here, which
//! container each one is, and how to tell that a new version works.
//!
//! Does: reads catalog versions 1 and 2 into one set of types, refusing whatever it
//! doesn't know. Does not: open files, ask the engine, or decide whether a package
//! fits. The device's owner writes the catalog, so it is trusted, but it is written
//! by hand: every refusal names the line, and a misspelt key is never skipped,
//! because a skipped key is a probe that silently doesn't run.
//!
//! Attacks and accidents answered here:
//! - a huge or deeply nested file: [`TEXT_BYTES_MAX`], and the TOML parser's own depth limit;
//! - names that would reach the engine's URLs or our own suffixes: `names.rs`;
//! - two services that would swap the same container: refused;
//! - a probe that connects to anything but plain HTTP on a named port: `url.rs`.

mod keys;
mod names;
mod probe;
mod reader;
mod service;
mod url;

#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::error::{Code, Error};
pub use probe::{HttpMethod, HttpProbe, ProbeKind, ProbeSettings};
use reader::{Section, Source};

/// Longest catalog we read: 1 MiB holds several thousand services.
pub const TEXT_BYTES_MAX: usize = 1024 * 1024;

/// Everything `services.toml` says.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Catalog {
    /// `catalog_version`: 1 or 2.
    pub version: u32,
    /// The file this was read from.
    pub path: PathBuf,
    /// In the order of the file; names and container names are unique.
    pub services: Vec<ServiceEntry>,
}

/// One `[[services]]` entry, complete: it is written into the journal, and an
/// interrupted update is recovered from it without the file.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ServiceEntry {
    pub name: String,
    /// Compared for equality with the package's.
    pub service_revision: String,
    /// Normalized as packages spell it, such as `linux/arm64` or `linux/arm/v7`.
    pub platform: String,
    pub mode: Mode,
    pub probe: ProbeSettings,
}

/// What runs the service.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Mode {
    /// One container that we swap.
    #[serde(rename = "docker")]
    Docker(DockerTarget),
    /// A service of a compose project. Read so that a version 1 file stays valid;
    /// an update of it is refused ([`ServiceEntry::docker`]).
    #[serde(rename = "compose")]
    Compose {
        project: String,
        /// Joined to the catalog's folder.
        file: PathBuf,
        service: String,
    },
}

/// The container of a service.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DockerTarget {
    pub container_name: String,
    /// The tag that follows the running version, moved after the commit.
    pub image_reference: Option<String>,
    /// A JSON body of `POST /containers/create` for the first install, joined to
    /// the catalog's folder.
    pub create_file: Option<PathBuf>,
}

impl Catalog {
    /// Reads the text of a catalog; `path` is where it came from and decides what
    /// relative files in it mean.
    ///
    /// # Errors
    /// [`Code::Catalog`] with the line; [`Code::CatalogVersion`] for a version 1
    /// file that uses keys of version 2.
    pub fn parse(text: &str, path: &Path) -> Result<Self, Error> {
        if text.len() > TEXT_BYTES_MAX {
            return Err(
                Error::new(Code::Catalog, "the service catalog is too large")
                    .at(path.display().to_string())
                    .found(format!("{} bytes", text.len()))
                    .wanted(format!("at most {TEXT_BYTES_MAX} bytes")),
            );
        }
        let source = Source { text, path };
        let document = toml::de::DeTable::parse(text).map_err(|error| source.syntax(&error))?;
        let root = Section::top(&source, &document);
        let version = catalog_version(&root)?;
        root.refuse_unknown(&keys::TOP, version)?;
        let mut services = Vec::new();
        for section in root.sections("services", "[[services]]")? {
            let entry = service::read(&section, version)?;
            refuse_twins(&services, &entry, &section)?;
            services.push(entry);
        }
        Ok(Self {
            version,
            path: path.to_owned(),
            services,
        })
    }

    /// The entry of that name.
    pub fn service(&self, name: &str) -> Option<&ServiceEntry> {
        self.services.iter().find(|entry| entry.name == name)
    }
}

impl ServiceEntry {
    /// The container to swap.
    ///
    /// # Errors
    /// [`Code::ModeUnsupported`] where the service isn't a single container.
    pub fn docker(&self) -> Result<&DockerTarget, Error> {
        match &self.mode {
            Mode::Docker(target) => Ok(target),
            Mode::Compose { project, file, .. } => Err(Error::new(
                Code::ModeUnsupported,
                format!("refusing to update service `{}`: it runs in compose mode", self.name),
            )
            .at(format!("compose project `{project}`, {}", file.display()))
            .wanted("runtime_mode = \"docker\"")
            .next("this version swaps single containers only; keep updating this service with compose")),
        }
    }
}

/// Decides which set of keys is allowed, so it's read before any other key.
fn catalog_version(root: &Section<'_>) -> Result<u32, Error> {
    let Some(field) = root.field("catalog_version") else {
        return Err(root
            .error("the key `catalog_version` is missing")
            .wanted("1 or 2")
            .next("write `catalog_version = 2` as the first line"));
    };
    match field.integer() {
        Some(1) => Ok(1),
        Some(2) => Ok(2),
        _ => Err(field
            .error("this version of the service catalog is not known here")
            .found(field.shown())
            .wanted("1 or 2")),
    }
}

/// Two services with one container would take turns breaking each other.
fn refuse_twins(
    before: &[ServiceEntry],
    entry: &ServiceEntry,
    section: &Section<'_>,
) -> Result<(), Error> {
    if before.iter().any(|other| other.name == entry.name) {
        return Err(section.error(format!("the service name `{}` is used twice", entry.name)));
    }
    let Mode::Docker(target) = &entry.mode else {
        return Ok(());
    };
    for other in before {
        if let Mode::Docker(theirs) = &other.mode
            && theirs.container_name == target.container_name
        {
            return Err(section.error(format!(
                "the services `{}` and `{}` name the same container `{}`",
                other.name, entry.name, target.container_name
            )));
        }
    }
    Ok(())
}
