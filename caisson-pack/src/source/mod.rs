//! Where images come from. Every kind of source gives the same thing: an image
//! whose config was read and checked, and layers that are read later, each in
//! one stream that is checked while it flows.
//!
//! A source is outside input: it may be damaged, cut, or made to do harm.
//! Nothing of it is ever unpacked to disk or held in memory whole, save the
//! config.

mod docker_archive;
mod file_slice;
mod image_config;
mod layer;
mod tar_index;
mod tar_path;
mod tar_scan;

use std::path::{Path, PathBuf};

pub(crate) use file_slice::FileSlice;
pub use image_config::ImageConfig;
pub use layer::SourceLayer;

use crate::error::{Code, PackError, Result};

/// The one kind of source that this version reads.
const DOCKER_ARCHIVE: &str = "docker-archive:";

/// Where an image is, as a person wrote it: `docker-archive:FILE[:WHICH]`, the
/// form skopeo uses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SourceSpec {
    /// The archive.
    pub path: PathBuf,
    /// Which of its images.
    pub which: Which,
}

/// Which image of a source with several.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Which {
    /// The only one.
    Only,
    /// The one with this name, in any of its forms.
    Named(String),
    /// The one at this place of `manifest.json`, counted from 0.
    At(usize),
}

/// An image of a source, its config checked, its layers not yet read.
#[derive(Debug)]
pub struct SourceImage {
    /// Names the image in messages.
    pub place: String,
    /// The names it has in the source, as they stand there; only the one it was
    /// chosen by, if it was chosen by name.
    pub names: Vec<String>,
    /// The config, to the byte.
    pub config_bytes: Vec<u8>,
    /// What the config says.
    pub config: ImageConfig,
    /// Layers, base first, as many as the config has diff ids.
    pub layers: Vec<SourceLayer>,
}

impl SourceSpec {
    /// Reads `docker-archive:FILE`, `docker-archive:FILE:REFERENCE` or
    /// `docker-archive:FILE:@NUMBER`. The first colon ends the file's name, as
    /// with skopeo. `folder` is what a relative path is relative to.
    pub fn parse(text: &str, folder: &Path) -> Result<Self> {
        let unknown = || {
            PackError::new(
                Code::SourceUnknown,
                "this kind of image source is not known",
            )
            .found(text)
            .wanted("docker-archive:FILE[:REFERENCE]")
        };
        let rest = text.strip_prefix(DOCKER_ARCHIVE).ok_or_else(unknown)?;
        let (file, which) = match rest.split_once(':') {
            None => (rest, Which::Only),
            Some((file, choice)) => match choice.strip_prefix('@') {
                Some(number) => (file, Which::At(number.parse().map_err(|_| unknown())?)),
                None if choice.is_empty() => return Err(unknown()),
                None => (file, Which::Named(choice.to_owned())),
            },
        };
        if file.is_empty() {
            return Err(unknown());
        }
        Ok(Self {
            path: folder.join(file),
            which,
        })
    }

    /// Finds the image and reads and checks its config.
    pub fn open(&self) -> Result<SourceImage> {
        docker_archive::open(&self.path, &self.which)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A choice taken for a part of the file name, or the other way round,
    /// would open the wrong image.
    #[test]
    fn specs_are_read_as_skopeo_reads_them() {
        let parse = |text| SourceSpec::parse(text, Path::new("/in"));
        let spec = |path: &str, which| SourceSpec {
            path: PathBuf::from(path),
            which,
        };
        assert_eq!(
            parse("docker-archive:a.tar"),
            Ok(spec("/in/a.tar", Which::Only))
        );
        assert_eq!(
            parse("docker-archive:/x/a.tar:reg:5000/web:1"),
            Ok(spec("/x/a.tar", Which::Named("reg:5000/web:1".into())))
        );
        assert_eq!(
            parse("docker-archive:a.tar:@2"),
            Ok(spec("/in/a.tar", Which::At(2)))
        );
        for text in [
            "a.tar",
            "oci:x",
            "docker-archive:",
            "docker-archive::x",
            "docker-archive:a:",
            "docker-archive:a:@x",
        ] {
            assert_eq!(parse(text).unwrap_err().code, Code::SourceUnknown, "{text}");
        }
    }
}
