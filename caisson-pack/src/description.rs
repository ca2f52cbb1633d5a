//! `caisson.toml`: a build with several images, services and platforms, as a
//! file that lives beside a project's source.
//!
//! Keys are those of the package's own manifest where they mean the same.
//! Unknown keys are refused: a misspelt one would silently not be there.
//! Paths are relative to the file's folder.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use edgepkg::manifest::Compatibility;
use serde::Deserialize;

use crate::error::{Code, PackError, Result};
use crate::output::split::PartSize;
use crate::request::{ImageRequest, ServiceRequest};
use crate::source::SourceSpec;

/// Greatest size of the file, in bytes. A hundred images need about twenty thousand.
const BYTES_MAX: u64 = 1024 * 1024;

/// What a `caisson.toml` says. Flags may add the version and override the rest.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Description {
    /// `[[images]]`.
    pub images: Vec<ImageRequest>,
    /// `[[services]]`.
    pub services: Vec<ServiceRequest>,
    /// `package_version`; a pipeline usually gives it as a flag instead.
    pub package_version: Option<String>,
    /// `release`.
    pub release: Option<u64>,
    /// `level`.
    pub level: Option<i32>,
    /// `split`.
    pub split: Option<PartSize>,
    /// `live_names`.
    pub live_names: bool,
    /// `[compatibility]`.
    pub compatibility: Compatibility,
    /// `[notes]`.
    pub notes: BTreeMap<String, String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Raw {
    package_version: Option<String>,
    release: Option<u64>,
    level: Option<i32>,
    split: Option<String>,
    #[serde(default)]
    live_names: bool,
    #[serde(default)]
    compatibility: RawCompatibility,
    #[serde(default)]
    notes: BTreeMap<String, String>,
    images: Vec<RawImage>,
    services: Vec<RawService>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawCompatibility {
    min_updater_version: Option<String>,
    engine_api_min: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawImage {
    source: String,
    reference: Option<String>,
    platform: Option<String>,
    platforms: Option<Vec<String>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawService {
    service: String,
    service_revision: String,
    image: Option<String>,
}

impl RawImage {
    fn request(self, folder: &Path) -> Result<ImageRequest> {
        let source = SourceSpec::parse(&self.source, folder)?;
        let platforms = match (self.platform, self.platforms) {
            (Some(platform), None) => vec![platform],
            (None, Some(platforms)) if !platforms.is_empty() => platforms,
            (None, None) if source.names_its_platform() => Vec::new(),
            (platform, _) => {
                let found = if platform.is_some() { "both" } else { "none" };
                return Err(PackError::new(
                    Code::DescriptionInvalid,
                    "an image needs `platform` or `platforms`, and not both",
                )
                .found(format!("{found}, for {}", self.source)));
            }
        };
        Ok(ImageRequest {
            source,
            reference: self.reference,
            platforms,
        })
    }
}

impl Description {
    /// Reads the file.
    ///
    /// # Errors
    /// `usage.file_unreadable`, `usage.description_invalid`, `usage.source_unknown`.
    pub fn read(path: &Path) -> Result<Self> {
        let unreadable = |error: std::io::Error| {
            PackError::new(Code::FileUnreadable, "the description can't be read")
                .at_path(path)
                .found(error)
        };
        let size = fs::metadata(path).map_err(unreadable)?.len();
        if size > BYTES_MAX {
            return Err(
                PackError::new(Code::DescriptionInvalid, "the description is too large")
                    .at_path(path)
                    .found(format!("{size} bytes"))
                    .wanted(format!("at most {BYTES_MAX} bytes")),
            );
        }
        let text = fs::read_to_string(path).map_err(unreadable)?;
        Self::parse(&text, path)
    }

    /// Reads the text of the file at `path`.
    pub fn parse(text: &str, path: &Path) -> Result<Self> {
        let raw: Raw = toml::from_str(text).map_err(|error| {
            let before = error.span().map_or("", |span| &text[..span.start]);
            let line = before.matches('\n').count() + 1;
            PackError::new(
                Code::DescriptionInvalid,
                format!("the description can't be used: {}", error.message()),
            )
            .at(format!("{}, line {line}", path.display()))
        })?;
        let folder = path.parent().unwrap_or(Path::new(""));
        let images = raw.images.into_iter().map(|image| image.request(folder));
        let images: Result<Vec<_>> = images.collect();
        let services = raw.services.into_iter().map(|service| ServiceRequest {
            service: service.service,
            service_revision: service.service_revision,
            image: service.image,
        });
        Ok(Self {
            images: images.map_err(|error| match error.place {
                Some(_) => error,
                None => error.at_path(path),
            })?,
            services: services.collect(),
            package_version: raw.package_version,
            release: raw.release,
            level: raw.level,
            split: match raw.split {
                Some(size) => Some(size.parse().map_err(|error: PackError| {
                    error.at(format!("{}, `split`", path.display()))
                })?),
                None => None,
            },
            live_names: raw.live_names,
            compatibility: Compatibility {
                min_updater_version: raw.compatibility.min_updater_version,
                engine_api_min: raw.compatibility.engine_api_min,
            },
            notes: raw.notes,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::Which;

    const SOUND: &str = r#"
package_version = "1.1.0"

[[images]]
source = "docker-archive:out/web-amd64.tar"
platform = "linux/amd64"

[[services]]
service = "web"
service_revision = "r1"
"#;

    /// A path that depends on where the build was started would give two results.
    #[test]
    fn paths_are_relative_to_the_file() {
        let description = Description::parse(SOUND, Path::new("ci/caisson.toml")).expect("sound");
        assert_eq!(
            description.images[0].source,
            SourceSpec::DockerArchive {
                path: "ci/out/web-amd64.tar".into(),
                which: Which::Only,
            }
        );
        assert_eq!(description.services[0].image, None);
    }

    /// A misspelt key that is silently ignored would build another package
    /// than the one that was described.
    #[test]
    fn mistakes_are_refused_with_their_line() {
        for (mistake, line) in [
            (SOUND.replace("platform", "platfrom"), 6),
            (SOUND.replace("package_version", "version"), 2),
            (format!("{SOUND}\n[compatibility]\nupdater = \"1\"\n"), 13),
            (SOUND.replace("\"r1\"", "1"), 10),
        ] {
            let error = Description::parse(&mistake, Path::new("c.toml")).unwrap_err();
            assert_eq!(error.code, Code::DescriptionInvalid);
            let wanted = format!("c.toml, line {line}");
            assert_eq!(error.place.as_deref(), Some(&*wanted), "{error}");
        }
        let other = SOUND.replace("docker-archive:", "rpm:");
        let error = Description::parse(&other, Path::new("c.toml")).unwrap_err();
        assert_eq!(error.code, Code::SourceUnknown);
        assert_eq!(error.place.as_deref(), Some("c.toml"));
    }
}
