//! Errors of the build tool as people and scripts see them: a stable code, what
//! happened, where, what was found and wanted, what to do next.
//!
//! A code decides the exit status and the default advice; both matches have no
//! wild arm, so a new code can't be added without deciding both.
//!
//! Attacks answered here: text from a source ends up on a terminal and in JSON,
//! so every text is escaped to printable ASCII and capped when it enters the
//! error, not when somebody remembers to at the print.

use std::fmt;
use std::io;
use std::path::Path;

use edgepkg::PackageError;
use edgepkg::error::printable;

macro_rules! codes {
    ($($(#[$doc:meta])+ $name:ident = $text:literal, $exit:ident, $next:literal;)+) => {
        /// What went wrong, as a code that never changes its meaning. The table
        /// stands in `ERRORS.md`, "Codes of the build tool".
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Code {
            /// A code of the package format, such as `manifest.bad_value`.
            Package(edgepkg::Code),
            $($(#[$doc])+ $name,)+
        }

        impl Code {
            /// Every code of this program besides the format's own.
            pub const ALL: &[Self] = &[$(Self::$name,)+];

            /// The frozen text, such as `source.not_a_tar`.
            pub fn as_str(self) -> &'static str {
                match self {
                    Self::Package(code) => code.as_str(),
                    $(Self::$name => $text,)+
                }
            }

            /// The exit status this code ends the program with.
            pub fn exit(self) -> Exit {
                match self {
                    Self::Package(edgepkg::Code::ReadFailed) => Exit::Internal,
                    Self::Package(_) => Exit::Rejected,
                    $(Self::$name => Exit::$exit,)+
                }
            }

            /// What to do next, where the place of the error has no better advice.
            pub(crate) fn advice(self) -> &'static str {
                match self {
                    Self::Package(edgepkg::Code::ReadFailed) => {
                        "check the disk the package is on"
                    }
                    Self::Package(code) => edgepkg::parts::advice(code)
                        .unwrap_or("copy the package again; if it repeats, build it again"),
                    $(Self::$name => $next,)+
                }
            }
        }
    };
}

codes! {
    /// A bug in this program.
    Internal = "internal.bug", Internal,
        "this is a bug in caisson-pack; please report it with the command line";
    /// A flag or argument is missing, unknown or makes no sense.
    Usage = "usage.invalid", Usage,
        "see `caisson-pack help` and the help of the command, such as `caisson-pack help build`";
    /// A file named on the command line can't be opened.
    FileUnreadable = "usage.file_unreadable", Usage,
        "check the path and its permissions";
    /// The description file breaks its rules.
    DescriptionInvalid = "usage.description_invalid", Usage,
        "see `caisson-pack help build` for the keys of caisson.toml";
    /// The kind of an image source is not known.
    SourceUnknown = "usage.source_unknown", Usage,
        "see `caisson-pack help build` for the kinds of sources";
    /// `SOURCE_DATE_EPOCH` is not a number of seconds.
    EpochInvalid = "usage.epoch_invalid", Usage,
        "set SOURCE_DATE_EPOCH to whole seconds since 1970, or unset it";
    /// The images given by flags don't fit one service.
    ImagesConflict = "usage.images_conflict", Usage,
        "describe several services or references in a caisson.toml and use `build -f`";
    /// The source is compressed as a whole, in a way that can't be unpacked.
    SourceCompressed = "source.compressed", Rejected,
        "unpack it first, or compress it with gzip or zstd";
    /// The source's file is not a tar.
    SourceNotTar = "source.not_a_tar", Rejected,
        "make the file with `docker save -o FILE IMAGE`, or name another kind of source";
    /// The source's file ends too early.
    SourceTruncated = "source.truncated", Rejected,
        "copy or save the image again; the file is incomplete";
    /// The source's file could not be read, though it was opened.
    SourceReadFailed = "source.read_failed", Internal,
        "check the disk the file is on";
    /// A path or kind of entry that an honest archive does not have.
    SourceEntryRefused = "source.entry_refused", Rejected,
        "save the image again with a known tool; this archive was made by hand or to do harm";
    /// Two entries of one path: which one counts would be a guess.
    SourceEntryDuplicate = "source.entry_duplicate", Rejected,
        "save the image again; never append to an archive";
    /// A number or size in the source is over its limit.
    SourceLimitExceeded = "source.limit_exceeded", Rejected,
        "save the image again with a known tool";
    /// A link of the archive that leads outside, nowhere or round in circles.
    SourceLinkRefused = "source.link_refused", Rejected,
        "save the image again with a known tool";
    /// The source does not have the file that says what is in it.
    SourceManifestMissing = "source.manifest_missing", Rejected,
        "make the file with `docker save`; `docker export` writes no image";
    /// A manifest or index of the source can't be understood, or contradicts itself.
    SourceManifestInvalid = "source.manifest_invalid", Rejected,
        "save the image again with a known tool";
    /// A file that a manifest names is not in the source.
    SourceBlobMissing = "source.blob_missing", Rejected,
        "save the image again; the source is incomplete";
    /// A file does not have the size that the manifest promises.
    SourceBlobSizeMismatch = "source.blob_size_mismatch", Rejected,
        "copy or save the image again; the file is damaged";
    /// Stored bytes don't have the digest that names them.
    SourceBlobDigestMismatch = "source.blob_digest_mismatch", Rejected,
        "copy or save the image again; the file is damaged";
    /// The image's config can't be understood.
    SourceConfigInvalid = "source.config_invalid", Rejected,
        "build the image again with a known tool";
    /// The source and the config name different numbers of layers.
    SourceLayerCount = "source.layer_count_mismatch", Rejected,
        "save the image again; the archive mixes two images";
    /// The config's history names more layers than there are.
    SourceHistory = "source.history_mismatch", Rejected,
        "build the image again; engines refuse such a config";
    /// A layer is compressed in a way this program does not read.
    SourceLayerEncoding = "source.layer_encoding", Rejected,
        "save the image with plain, gzip or zstd layers";
    /// A layer may only be had from a server.
    SourceLayerForeign = "source.layer_foreign", Rejected,
        "build the image on a base whose layers may be passed on";
    /// A layer is of a kind this program does not know.
    SourceMediaTypeUnknown = "source.media_type_unknown", Rejected,
        "save the image with plain, gzip or zstd layers";
    /// A compressed layer can't be unpacked.
    SourceLayerDamaged = "source.layer_damaged", Rejected,
        "copy or save the image again; the file is damaged";
    /// An unpacked layer does not have the diff id the config names.
    SourceLayerDigestMismatch = "source.layer_digest_mismatch", Rejected,
        "copy or save the image again; the layer is not the one the image was built with";
    /// The image is for another platform than the one asked for.
    SourcePlatformMismatch = "source.platform_mismatch", Rejected,
        "save the image for the wanted platform, or correct the platform";
    /// The source has no image of the wanted name.
    ImageNotFound = "source.image_not_found", Usage,
        "choose one of the names in the source";
    /// The source has several images and none was chosen.
    ImageAmbiguous = "source.image_ambiguous", Usage,
        "choose one: a name or @NUMBER behind the file, such as docker-archive:FILE:REFERENCE";
    /// No container engine was found or may be used.
    EngineUnreachable = "engine.unreachable", Engine,
        "start the engine, or name its socket with --engine";
    /// The container engine refused, or its answer broke off.
    EngineFailed = "engine.failed", Engine,
        "see the engine's log, or save the image with `docker save` and pack the file";
    /// The image has no name and none was given.
    ReferenceMissing = "build.reference_missing", Usage,
        "name the image with --reference or `reference = ` in caisson.toml";
    /// The image has several names and none was chosen.
    ReferenceAmbiguous = "build.reference_ambiguous", Usage,
        "choose one with --reference or `reference = ` in caisson.toml";
    /// A reference is not of the form `[HOST/]NAME[:TAG]`.
    ReferenceInvalid = "build.reference_invalid", Usage,
        "write it like registry.example/team/name:1.2.3";
    /// The output file is there already.
    OutputExists = "build.output_exists", Usage,
        "choose another name, or replace the file with --force";
    /// Another build writes the same output file.
    OutputBusy = "build.output_busy", Usage,
        "wait for the other build, or choose another name";
    /// The output could not be written.
    OutputFailed = "build.output_failed", Internal,
        "check the folder, its permissions and its disk";
    /// No room for the output.
    NoSpace = "build.no_space", NoSpace,
        "free some room: a build needs twice the size of the package beside the output";
    /// The package needs more parts than there are names for.
    PartsTooMany = "build.parts_too_many", Usage,
        "split it into larger parts";
    /// The package has no image of the wanted name or platform.
    ExtractImageNotFound = "extract.image_not_found", Usage,
        "choose one of the package's images; `caisson-pack inspect` shows them";
    /// Several platforms of one name, and the output has room for one.
    ExtractPlatformNeeded = "extract.platform_needed", Usage,
        "choose one with --platform, or write an OCI layout, which has room for all";
    /// INT or TERM arrived; no file was left.
    Interrupted = "build.interrupted", Stopped,
        "run the same command again";
    /// The reader refuses what the writer has just written.
    SelfCheckFailed = "build.self_check_failed", Internal,
        "check memory and disk of this machine; if it repeats, report a bug in caisson-pack";
}

/// Exit statuses (`caisson-pack --help`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// Done.
    Done = 0,
    /// A bug, or a disk that fails.
    Internal = 1,
    /// Usage or configuration.
    Usage = 2,
    /// Stopped by INT or TERM, no file left.
    Stopped = 3,
    /// `diff --exit-code` of packages that differ.
    Different = 4,
    /// A package or a source was rejected.
    Rejected = 10,
    /// Not enough space.
    NoSpace = 13,
    /// The container engine of `docker-daemon:`.
    Engine = 20,
}

/// One error, whole. All texts are printable ASCII of bounded length.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PackError {
    /// The frozen code.
    pub code: Code,
    /// One line, lower case, no full stop.
    pub what: Box<str>,
    /// File, and where in it.
    pub place: Option<Box<str>>,
    /// What is there.
    pub found: Option<Box<str>>,
    /// What must be there.
    pub wanted: Option<Box<str>>,
    /// What the person does next.
    pub next: Box<str>,
}

/// What functions of this crate return.
pub type Result<T> = std::result::Result<T, PackError>;

impl PackError {
    /// An error with this code and text, and the code's own advice.
    pub fn new(code: Code, what: impl AsRef<str>) -> Self {
        Self {
            code,
            what: printable(what.as_ref()).into(),
            place: None,
            found: None,
            wanted: None,
            next: code.advice().into(),
        }
    }

    /// Adds where it happened.
    #[must_use]
    pub fn at(mut self, place: impl fmt::Display) -> Self {
        self.place = Some(printable(&place.to_string()).into());
        self
    }

    /// Adds the file it happened in.
    #[must_use]
    pub fn at_path(self, path: &Path) -> Self {
        self.at(path.display())
    }

    /// Adds what was found.
    #[must_use]
    pub fn found(mut self, found: impl fmt::Display) -> Self {
        self.found = Some(printable(&found.to_string()).into());
        self
    }

    /// Adds what was wanted.
    #[must_use]
    pub fn wanted(mut self, wanted: impl fmt::Display) -> Self {
        self.wanted = Some(printable(&wanted.to_string()).into());
        self
    }

    /// Replaces the code's own advice.
    #[must_use]
    pub fn next(mut self, next: impl AsRef<str>) -> Self {
        self.next = printable(next.as_ref()).into();
        self
    }

    /// A failed write of the output or of a temporary file beside it.
    pub fn output(error: &io::Error, place: &Path) -> Self {
        let code = match error.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Code::NoSpace,
            _ => Code::OutputFailed,
        };
        Self::new(code, "the output could not be written")
            .at_path(place)
            .found(error)
    }

    /// This error as one that passes through [`io::Read`] or [`io::Write`].
    pub fn into_io(self) -> io::Error {
        io::Error::other(self)
    }

    /// The error that [`PackError::into_io`] carried, else what `otherwise` makes of it.
    pub fn from_io(error: io::Error, otherwise: impl FnOnce(&io::Error) -> Self) -> Self {
        match error.downcast::<Self>() {
            Ok(carried) => carried,
            Err(error) => otherwise(&error),
        }
    }

    /// A package error, as this program reports it.
    pub fn package(error: PackageError) -> Self {
        Self {
            found: error.found.map(String::into_boxed_str),
            wanted: error.wanted.map(String::into_boxed_str),
            ..Self::new(Code::Package(error.code), error.what).at(error.place)
        }
    }

    /// Adds the file to the place of an error from inside a package.
    #[must_use]
    pub fn in_package(self, file: &Path) -> Self {
        match (self.code, self.place.clone()) {
            (Code::Package(_), Some(place)) => self.at(format!("{}: {place}", file.display())),
            _ => self,
        }
    }
}

impl fmt::Display for PackError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "[{}] {}", self.code.as_str(), self.what)
    }
}

impl std::error::Error for PackError {}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    /// Two codes with one text, or a misspelt area, would break scripts.
    #[test]
    fn codes_are_distinct_and_well_formed() {
        let texts: BTreeSet<&str> = Code::ALL.iter().map(|code| code.as_str()).collect();
        assert_eq!(texts.len(), Code::ALL.len());
        for text in texts {
            let (area, name) = text.split_once('.').expect("area and name");
            assert!(
                ["internal", "usage", "source", "engine", "build", "extract"].contains(&area),
                "{text}"
            );
            assert!(
                name.bytes()
                    .all(|byte| byte.is_ascii_lowercase() || byte == b'_')
            );
        }
    }

    /// An error of ours that crosses an `io::Read` must come back whole.
    #[test]
    fn errors_survive_the_way_through_io() {
        let error = PackError::new(Code::SourceTruncated, "w").at("p").found(1);
        let back = PackError::from_io(error.clone().into_io(), |_| unreachable!());
        assert_eq!(back, error);
        let other = PackError::from_io(io::Error::other("cable"), |error| {
            PackError::new(Code::SourceReadFailed, error.to_string())
        });
        assert_eq!(&*other.what, "cable");
    }
}
