//! A package file on this device: its head is checked when it is opened, its
//! blobs are read once, while they are imported.
//!
//! Nothing here trusts the file: `edgepkg` verifies every chunk before it gives
//! it out. No byte is copied to the disk.

use std::path::{Path, PathBuf};

use edgepkg::layer::{DecodeError, DiffIdCheck, decode};
use edgepkg::manifest::Image;
use edgepkg::parts::{self, OpenError};
use edgepkg::{Digest, PackageError, PackageFile, PackageReader};
use serde_json::Value;

use crate::error::{Code, Error, Result};
use crate::update::plan::Offer;

/// The version of this program as packages know it (`min_updater_version`).
pub const UPDATER_VERSION: &str = env!("CARGO_PKG_VERSION");

/// A package whose head was verified.
#[derive(Debug)]
pub struct Package {
    pub(crate) reader: PackageReader<PackageFile>,
    pub path: PathBuf,
    /// Size of the file, or of all its parts together.
    pub file_bytes: u64,
}

impl Package {
    /// Opens the file, or all parts of it by the name of the first, and checks
    /// everything before the first blob.
    ///
    /// # Errors
    /// `pkg.unreadable` if a file can't be opened; the format's own codes.
    pub fn open(path: &Path) -> Result<Self> {
        let file = PackageFile::open(path).map_err(|error| match error {
            OpenError::Refused(error) => refused(&error, path),
            OpenError::Unreadable { path, error } => Error::new(
                Code::PackageUnreadable,
                format!("the package file can't be read: {error}"),
            )
            .at(path.display().to_string())
            .state("nothing changed")
            .next("check the name and the stick"),
        })?;
        let file_bytes = file.file_bytes();
        let options = file.read_options();
        let reader = PackageReader::open(file, options).map_err(|error| refused(&error, path))?;
        Ok(Self {
            reader,
            path: path.to_owned(),
            file_bytes,
        })
    }

    pub fn manifest(&self) -> &edgepkg::Manifest {
        self.reader.manifest()
    }

    pub fn manifest_digest(&self) -> String {
        self.reader.manifest_digest().to_string()
    }

    /// The format's refusal in our own form.
    pub fn refused(&self, error: &PackageError) -> Error {
        refused(error, &self.path)
    }

    /// Reads on to the image's config, which stands before every layer, and gives
    /// what the package offers for the service on this platform.
    ///
    /// # Errors
    /// `device.*` if it has nothing for this service, revision or platform; the
    /// format's own codes.
    pub fn offer(
        mut self,
        service: &str,
        revision: &str,
        platform: &str,
    ) -> Result<(Offer, ImportSource)> {
        let image = self.choose(service, revision, platform)?;
        let config = self.read_config(&image)?;
        let manifest = self.reader.manifest();
        let offer = Offer {
            version: manifest.package_version.clone(),
            release: manifest.release,
            manifest: String::from_utf8_lossy(self.reader.manifest_bytes()).into_owned(),
            manifest_digest: self.manifest_digest(),
            image_reference: image.reference.clone(),
            platform: image.platform.clone(),
            config_digest: image.config.to_string(),
            engine_manifest: image.engine_manifest.to_string(),
            diff_ids: image
                .layers
                .iter()
                .map(|layer| layer.diff_id.to_string())
                .collect(),
            unpacked_bytes: image
                .layers
                .iter()
                .map(|layer| layer.diff_size)
                .fold(0, u64::saturating_add),
            config: self.config_fits(&image, &config)?,
            engine_api_min: manifest.compatibility.engine_api_min.clone(),
        };
        Ok((
            offer,
            ImportSource {
                package: self,
                image,
                config,
            },
        ))
    }

    /// Is there something for the service on this platform?
    ///
    /// # Errors
    /// `device.service_unknown`, `device.platform_mismatch`, `device.revision_mismatch`.
    pub fn fits(&self, service: &str, revision: &str, platform: &str) -> Result<()> {
        self.choose(service, revision, platform).map(|_image| ())
    }

    /// Reads the rest of the file and checks every byte of it.
    ///
    /// # Errors
    /// The format's own codes.
    pub fn verify_rest(&mut self, progress: &mut dyn FnMut(u64)) -> Result<()> {
        let verified = self.reader.verify_rest(progress);
        verified.map_err(|error| refused(&error, &self.path))
    }

    /// The same, computes the digest of every entry, and unpacks every layer to
    /// check its digest and size.
    ///
    /// # Errors
    /// The format's own codes.
    pub fn verify_deep(&mut self, progress: &mut dyn FnMut(u64)) -> Result<()> {
        self.reader.check_digests();
        let layers: Vec<_> = self
            .reader
            .manifest()
            .images
            .iter()
            .flat_map(|image| image.layers.iter().cloned())
            .collect();
        let path = self.path.clone();
        loop {
            let entry = match self
                .reader
                .next_entry()
                .map_err(|error| refused(&error, &path))?
            {
                Some(entry) => entry.path.clone(),
                None => return Ok(()),
            };
            if let Some(layer) = layers
                .iter()
                .find(|layer| blob_path(&layer.digest) == entry)
            {
                let mut nowhere = std::io::sink();
                let mut reader = self.reader.entry_reader();
                decode(
                    &mut reader,
                    layer,
                    DiffIdCheck::Here,
                    &mut nowhere,
                    &mut |_| {},
                )
                .map_err(|error| match error {
                    DecodeError::Package(error) => refused(&error, &path),
                    DecodeError::Sink(error) => Error::new(Code::Internal, error.to_string()),
                })?;
            }
            progress(self.reader.bytes_read());
        }
    }

    /// The image of a service for a platform.
    fn choose(&self, service: &str, revision: &str, platform: &str) -> Result<Image> {
        let manifest = self.reader.manifest();
        let place = self.path.display().to_string();
        if let Some((row, image)) = manifest.image_for(service, platform) {
            if row.service_revision == revision {
                return Ok(image.clone());
            }
            return Err(Error::new(
                Code::RevisionMismatch,
                "the package is for another revision of the service",
            )
            .at(place)
            .found(row.service_revision.clone())
            .wanted(revision.to_owned())
            .state("nothing changed")
            .next("take the package that was built for this device"));
        }
        let known = manifest.services.iter().any(|row| row.service == service);
        let error = if known {
            let platforms: Vec<_> = manifest
                .services
                .iter()
                .filter(|row| row.service == service)
                .flat_map(|row| {
                    manifest
                        .images
                        .iter()
                        .filter(|image| image.reference == row.image)
                })
                .map(|image| image.platform.clone())
                .collect();
            Error::new(
                Code::PlatformMismatch,
                format!("the package has service `{service}` for other platforms only"),
            )
            .found(platforms.join(", "))
            .wanted(platform.to_owned())
        } else {
            let services: Vec<_> = manifest
                .services
                .iter()
                .map(|row| row.service.clone())
                .collect();
            Error::new(
                Code::ServiceUnknown,
                format!("the package has no service `{service}`"),
            )
            .found(services.join(", "))
            .wanted(service.to_owned())
        };
        Err(error
            .at(place)
            .state("nothing changed")
            .next("take the package that was built for this device"))
    }

    fn read_config(&mut self, image: &Image) -> Result<Vec<u8>> {
        let wanted = blob_path(&image.config);
        loop {
            let path = match self
                .reader
                .next_entry()
                .map_err(|error| refused(&error, &self.path))?
            {
                Some(entry) => entry.path.clone(),
                None => {
                    return Err(Error::new(
                        Code::Internal,
                        "a verified package without its image's config",
                    ));
                }
            };
            if path != wanted {
                continue;
            }
            let mut config = Vec::new();
            while let Some(piece) = self
                .reader
                .next_chunk()
                .map_err(|error| refused(&error, &self.path))?
            {
                config.extend_from_slice(piece);
            }
            return Ok(config);
        }
    }

    /// The config says what the manifest says of it, or the engine would refuse it
    /// after all layers were sent, or run it on the wrong machine.
    fn config_fits(&self, image: &Image, config: &[u8]) -> Result<Value> {
        let disagree = |what: &str, found: String, wanted: String| {
            Error::new(
                Code::Package("pkg.config_mismatch"),
                format!("the image's config {what}"),
            )
            .at(format!(
                "{}, {}",
                self.path.display(),
                blob_path(&image.config)
            ))
            .found(found)
            .wanted(wanted)
            .state("nothing changed")
            .next("build the package again")
        };
        let value: Value = serde_json::from_slice(config).map_err(|error| {
            disagree(
                "is not JSON",
                error.to_string(),
                "an image config".to_owned(),
            )
        })?;
        let text = |key: &str| value[key].as_str().unwrap_or_default().to_owned();
        let mut platform = format!("{}/{}", text("os"), text("architecture"));
        if !text("variant").is_empty() {
            platform = format!("{platform}/{}", text("variant"));
        }
        let normal = edgepkg::platform::normalize(&platform).unwrap_or(platform);
        if normal != image.platform {
            return Err(disagree(
                "is for another platform",
                normal,
                image.platform.clone(),
            ));
        }
        let diff_ids: Vec<&str> = value["rootfs"]["diff_ids"]
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(Value::as_str)
            .collect();
        let wanted: Vec<String> = image
            .layers
            .iter()
            .map(|layer| layer.diff_id.to_string())
            .collect();
        if diff_ids != wanted {
            return Err(disagree(
                "lists other layers",
                diff_ids.join(" "),
                wanted.join(" "),
            ));
        }
        Ok(value)
    }
}

/// A package that stands before its first layer, and the image to import from it.
#[derive(Debug)]
pub struct ImportSource {
    pub(crate) package: Package,
    pub(crate) image: Image,
    pub(crate) config: Vec<u8>,
}

/// Where a blob stands in the package and in what the engine is sent.
pub(crate) fn blob_path(digest: &Digest) -> String {
    format!("blobs/sha256/{}", digest.hex())
}

/// The format's refusal in our own form.
fn refused(error: &PackageError, path: &Path) -> Error {
    let mut mapped = Error::new(Code::Package(error.code.as_str()), error.what.clone())
        .at(format!("{}, {}", path.display(), error.place));
    mapped.found.clone_from(&error.found);
    mapped.wanted.clone_from(&error.wanted);
    // Once something was begun, unwinding says what became of it instead.
    mapped.state = Some("nothing changed".to_owned());
    mapped.next = Some(advice(error).to_owned());
    mapped
}

fn advice(error: &PackageError) -> &'static str {
    if let Some(advice) = parts::advice(error.code) {
        advice
    } else if error.is_io() {
        "the stick can't be read: copy the package again, or take another stick"
    } else {
        "copy the package again; if it repeats, build it again with caisson-pack"
    }
}
