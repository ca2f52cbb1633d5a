//! Where images come from. Every kind of source gives the same thing: images
//! whose configs were read and checked, and layers that are read later, each in
//! one stream that is checked while it flows.
//!
//! Reading order: [`spec`] (what a person wrote), then a file for each kind:
//! `docker_archive`, `oci_layout` (in an archive or a folder), `docker_daemon`,
//! `version_1`.
//!
//! A source is outside input: it may be damaged, cut, or made to do harm.
//! Nothing of it is held in memory whole, save manifests and configs, and
//! nothing is unpacked to disk under a name: an archive that is compressed as a
//! whole, or comes from an engine, waits in a temporary file without one.

mod archive;
mod descriptor;
mod docker_archive;
mod docker_daemon;
mod file_slice;
mod files;
mod folder;
mod image_config;
mod layer;
mod names;
mod oci_image;
mod oci_index;
mod oci_layout;
mod spec;
mod spool;
mod tar_index;
mod tar_path;
mod tar_scan;
mod version_1;

use std::path::Path;

pub use docker_daemon::EngineWish;
pub(crate) use file_slice::FileSlice;
pub use image_config::ImageConfig;
pub use layer::SourceLayer;
pub use spec::{SourceSpec, Which};
pub use version_1::Version1;

use crate::error::{Code, PackError, Result};
use crate::progress::Watch;

/// An image of a source, its config checked, its layers not yet read.
#[derive(Debug)]
pub struct SourceImage {
    /// Names the image in messages.
    pub place: String,
    /// The names it has in the source, as they stand there; only the one it was
    /// chosen by, if it was chosen by name.
    pub names: Vec<String>,
    /// A tag that the source has without a name.
    pub tag: Option<String>,
    /// The config, to the byte.
    pub config_bytes: Vec<u8>,
    /// What the config says.
    pub config: ImageConfig,
    /// Layers, base first, as many as the config has diff ids.
    pub layers: Vec<SourceLayer>,
}

/// What opening a source needs besides its name.
#[derive(Debug)]
pub struct Opening<'a> {
    /// Where temporary files without a name go.
    pub scratch: &'a Path,
    /// Which engine `docker-daemon:` means.
    pub engine: &'a EngineWish,
    /// Hears of progress, and of what is passed over.
    pub watch: &'a mut Watch,
}

impl SourceSpec {
    /// Finds the source's image for each of these normalized platforms and reads
    /// and checks its config. For `v1:` no platform means the one it says.
    ///
    /// # Errors
    /// `source.*`, `usage.file_unreadable`, `build.no_space`, `build.output_failed`.
    pub fn open(&self, platforms: &[String], opening: &mut Opening) -> Result<Vec<SourceImage>> {
        match self {
            Self::DockerArchive { path, which } => {
                let index = archive::open(path, opening)?;
                docker_archive::open(&index, which, platforms)
            }
            Self::OciArchive { path, which } => {
                let index = archive::open(path, opening)?;
                oci_layout::open(&index, which, platforms, opening.watch)
            }
            Self::Oci { path, which } => {
                let folder = folder::Folder::open(path)?;
                oci_layout::open(&folder, which, platforms, opening.watch)
            }
            Self::DockerDaemon { reference } => docker_daemon::open(reference, platforms, opening),
            Self::Version1 { path } => version_1::open(path, platforms, opening),
        }
    }
}

/// The one image of `found` for each platform. `found` holds what the source has
/// under the chosen name, `there` the platforms of these and others; `place`
/// names the source.
fn pick(
    place: &str,
    found: Vec<SourceImage>,
    mut there: Vec<String>,
    platforms: &[String],
) -> Result<Vec<SourceImage>> {
    there.sort();
    there.dedup();
    let mut left = found;
    let mut picked = Vec::with_capacity(platforms.len());
    for platform in platforms {
        let (fitting, others): (Vec<_>, Vec<_>) = left
            .into_iter()
            .partition(|image| image.config.platform == *platform);
        left = others;
        let mut fitting = fitting.into_iter();
        match (fitting.next(), fitting.next()) {
            (Some(image), None) => picked.push(image),
            (Some(_), Some(_)) => {
                return Err(PackError::new(
                    Code::ImageAmbiguous,
                    "the source has several images of that name for one platform",
                )
                .at(place)
                .found(platform));
            }
            (None, _) => return Err(platform_missing(place, platform, &there)),
        }
    }
    Ok(picked)
}

fn platform_missing(place: &str, wanted: &str, there: &[String]) -> PackError {
    let what = if there.len() == 1 {
        "the image is for another platform"
    } else {
        "the source has no image for that platform"
    };
    PackError::new(Code::SourcePlatformMismatch, what)
        .at(place)
        .found(there.join(", "))
        .wanted(wanted)
}
