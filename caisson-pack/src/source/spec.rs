//! What a person writes to name an image source: skopeo's forms.

use std::path::{Path, PathBuf};

use crate::error::{Code, PackError, Result};

/// Every form, for messages.
const FORMS: &str = "docker-archive:FILE[:WHICH], oci-archive:FILE[:WHICH], oci:FOLDER[:WHICH], \
                     docker-daemon:IMAGE or v1:FILE";

/// Where an image is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SourceSpec {
    /// `docker-archive:FILE[:WHICH]`, what `docker save` writes.
    DockerArchive {
        /// The archive.
        path: PathBuf,
        /// Which of its images.
        which: Which,
    },
    /// `oci-archive:FILE[:WHICH]`, an OCI image layout as one tar.
    OciArchive {
        /// The archive.
        path: PathBuf,
        /// Which of its images.
        which: Which,
    },
    /// `oci:FOLDER[:WHICH]`, an OCI image layout.
    Oci {
        /// The folder.
        path: PathBuf,
        /// Which of its images.
        which: Which,
    },
    /// `docker-daemon:IMAGE`, over the engine's socket.
    DockerDaemon {
        /// A name or an image id.
        reference: String,
    },
    /// `v1:FILE`, a package of format version 1.
    Version1 {
        /// The package.
        path: PathBuf,
    },
}

/// Which image of a source with several.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Which {
    /// The only one.
    Only,
    /// The one with this name, in any of its forms.
    Named(String),
    /// The one at this place of `manifest.json` or `index.json`, counted from 0.
    At(usize),
}

impl SourceSpec {
    /// Reads one of the forms. The first colon after the kind ends the path, as
    /// with skopeo; `WHICH` is a name or `@NUMBER`. `folder` is what a relative
    /// path is relative to.
    ///
    /// # Errors
    /// `usage.source_unknown`.
    pub fn parse(text: &str, folder: &Path) -> Result<Self> {
        let unknown = || {
            PackError::new(
                Code::SourceUnknown,
                "this kind of image source is not known",
            )
            .found(text)
            .wanted(FORMS)
        };
        let (kind, rest) = text.split_once(':').ok_or_else(unknown)?;
        if rest.is_empty() {
            return Err(unknown());
        }
        let chosen = || {
            let (path, which) = path_and_choice(rest).ok_or_else(unknown)?;
            Ok((folder.join(path), which))
        };
        match kind {
            "docker-archive" => chosen().map(|(path, which)| Self::DockerArchive { path, which }),
            "oci-archive" => chosen().map(|(path, which)| Self::OciArchive { path, which }),
            "oci" => chosen().map(|(path, which)| Self::Oci { path, which }),
            "docker-daemon" => Ok(Self::DockerDaemon {
                reference: rest.to_owned(),
            }),
            "v1" => Ok(Self::Version1 {
                path: folder.join(rest),
            }),
            _ => Err(unknown()),
        }
    }
}

impl SourceSpec {
    /// True for a source whose image is for one platform, which it says.
    pub fn names_its_platform(&self) -> bool {
        matches!(self, Self::Version1 { .. })
    }
}

fn path_and_choice(rest: &str) -> Option<(&str, Which)> {
    let (path, which) = match rest.split_once(':') {
        None => (rest, Which::Only),
        Some((path, choice)) => match choice.strip_prefix('@') {
            Some(number) => (path, Which::At(number.parse().ok()?)),
            None if choice.is_empty() => return None,
            None => (path, Which::Named(choice.to_owned())),
        },
    };
    (!path.is_empty()).then_some((path, which))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A choice taken for a part of the file name, or the other way round,
    /// would open the wrong image.
    #[test]
    fn specs_are_read_as_skopeo_reads_them() {
        let parse = |text| SourceSpec::parse(text, Path::new("/in"));
        let archive = |path: &str, which| {
            let path = PathBuf::from(path);
            Ok(SourceSpec::DockerArchive { path, which })
        };
        assert_eq!(
            parse("docker-archive:a.tar"),
            archive("/in/a.tar", Which::Only)
        );
        assert_eq!(
            parse("docker-archive:/x/a.tar:reg:5000/web:1"),
            archive("/x/a.tar", Which::Named("reg:5000/web:1".into()))
        );
        assert_eq!(
            parse("docker-archive:a.tar:@2"),
            archive("/in/a.tar", Which::At(2))
        );
        assert_eq!(
            parse("oci:a:1.0"),
            Ok(SourceSpec::Oci {
                path: "/in/a".into(),
                which: Which::Named("1.0".into())
            })
        );
        assert_eq!(
            parse("docker-daemon:reg:5000/web:1"),
            Ok(SourceSpec::DockerDaemon {
                reference: "reg:5000/web:1".into()
            })
        );
        assert_eq!(
            parse("v1:a:b.edgepkg"),
            Ok(SourceSpec::Version1 {
                path: "/in/a:b.edgepkg".into()
            })
        );
        for text in [
            "a.tar",
            "dir:x",
            "docker-archive:",
            "docker-archive::x",
            "docker-archive:a:",
            "docker-archive:a:@x",
            "oci:",
            "oci-archive::x",
            "docker-daemon:",
            "v1:",
        ] {
            assert_eq!(parse(text).unwrap_err().code, Code::SourceUnknown, "{text}");
        }
    }
}
