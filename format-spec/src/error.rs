//! The one error type of the format, and the frozen codes.
//!
//! Attacks answered here: text from a package ends up on a terminal and in
//! JSON, so every text is escaped to printable ASCII and capped when it enters
//! the error, not when somebody remembers to at the print.

use std::fmt;
use std::io;

macro_rules! codes {
    ($($(#[$doc:meta])+ $name:ident = $text:literal,)+) => {
        /// What is wrong, as a code that never changes its meaning. Each is
        /// explained in `ERRORS.md`.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Code {
            $($(#[$doc])+ $name,)+
        }

        impl Code {
            /// Every code, in the order of `ERRORS.md`.
            pub const ALL: &[Self] = &[$(Self::$name,)+];

            /// The frozen text, such as `pkg.truncated`.
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$name => $text,)+
                }
            }
        }
    };
}

codes! {
    /// The source could not be read.
    ReadFailed = "pkg.read_failed",
    /// The file ends too early.
    Truncated = "pkg.truncated",
    /// The first header is not version 2's.
    NotVersion2 = "pkg.not_version_2",
    /// A header is not the canonical one for what must stand here.
    HeaderNotCanonical = "pkg.header_not_canonical",
    /// Bytes between an entry's data and the next header are not zero.
    PaddingNotZero = "pkg.padding_not_zero",
    /// `manifest.toml` is empty or larger than the limit.
    ManifestSize = "pkg.manifest_size",
    /// `manifest.sha256` does not fit `manifest.toml`.
    ManifestDigestMismatch = "pkg.manifest_digest_mismatch",
    /// Something that a later version of this crate will understand.
    NotSupportedYet = "pkg.not_supported_yet",
    /// `format_version` is not 2.
    FormatVersionUnsupported = "pkg.format_version_unsupported",
    /// `requires` names a feature this crate does not know.
    FeatureRequired = "pkg.feature_required",
    /// `package_type` is not `service`.
    PackageTypeUnsupported = "pkg.package_type_unsupported",
    /// `chunks.sha256` does not have the digest the manifest wants.
    ChunkTableMismatch = "pkg.chunk_table_mismatch",
    /// The chunk table and an entry's digest contradict each other.
    ChunkTableInconsistent = "pkg.chunk_table_inconsistent",
    /// A chunk of an entry does not have the digest the table wants.
    ChunkMismatch = "pkg.chunk_mismatch",
    /// An entry's data does not have the digest the manifest wants.
    EntryDigestMismatch = "pkg.entry_digest_mismatch",
    /// The file does not end with two blocks of zeros.
    EndNotZero = "pkg.end_not_zero",
    /// Bytes follow the end of the package.
    TrailingBytes = "pkg.trailing_bytes",
    /// The name given is not that of a split package's first part.
    PartName = "pkg.part_name",
    /// A part of a split package is empty, or has another size than the first.
    PartSize = "pkg.part_size",
    /// A part of a split package isn't there.
    PartMissing = "pkg.part_missing",
    /// A split package has more parts than it needs.
    PartSurplus = "pkg.part_surplus",
    /// A layer does not begin with a zstd frame header this format allows.
    LayerFrameRefused = "pkg.layer_frame_refused",
    /// A layer's frame does not decode to exactly its size.
    LayerDamaged = "pkg.layer_damaged",
    /// Bytes follow a layer's frame.
    LayerTrailingBytes = "pkg.layer_trailing_bytes",
    /// An unpacked layer does not have its digest.
    LayerDigestMismatch = "pkg.layer_digest_mismatch",
    /// A line of the manifest is not what the grammar wants there.
    NotCanonical = "manifest.not_canonical",
    /// A key that version 2 does not have.
    UnknownKey = "manifest.unknown_key",
    /// A key or table that must be there is not.
    MissingKey = "manifest.missing_key",
    /// A value has the wrong type or form.
    BadValue = "manifest.bad_value",
    /// A number, length or count is over its limit.
    LimitExceeded = "manifest.limit_exceeded",
    /// Two things that must differ are the same.
    Duplicate = "manifest.duplicate",
    /// Two parts of the manifest contradict each other.
    Inconsistent = "manifest.inconsistent",
    /// `[[entries]]` is not the list that follows from the images.
    EntriesMismatch = "manifest.entries_mismatch",
    /// A digest or size is not that of the file derived from the manifest.
    DerivedMismatch = "manifest.derived_mismatch",
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Why a package is refused: what, where, and both sides of a mismatch. All
/// texts are printable ASCII of bounded length.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PackageError {
    /// The frozen code.
    pub code: Code,
    /// One line for a person.
    pub what: String,
    /// Where in the package, such as `manifest.toml, line 12`.
    pub place: String,
    /// What is there.
    pub found: Option<String>,
    /// What must be there.
    pub wanted: Option<String>,
}

/// Longest text of an error, in characters. A digest, a reference and a few
/// words fit; a hostile note does not fill the screen.
const TEXT_CHARS_MAX: usize = 300;

impl PackageError {
    /// An error with this code, text and place.
    pub fn new(code: Code, what: impl AsRef<str>, place: impl AsRef<str>) -> Self {
        Self {
            code,
            what: printable(what.as_ref()),
            place: printable(place.as_ref()),
            found: None,
            wanted: None,
        }
    }

    /// Adds what was found.
    #[must_use]
    pub fn found(mut self, found: impl fmt::Display) -> Self {
        self.found = Some(printable(&found.to_string()));
        self
    }

    /// Adds what was wanted.
    #[must_use]
    pub fn wanted(mut self, wanted: impl fmt::Display) -> Self {
        self.wanted = Some(printable(&wanted.to_string()));
        self
    }

    /// True if the source failed, not the package: the same package may be
    /// fine elsewhere.
    pub fn is_io(&self) -> bool {
        self.code == Code::ReadFailed
    }

    /// The package error inside an [`io::Error`] that came through a reader of
    /// this crate, else `pkg.read_failed` with the error's text.
    pub fn from_io(error: io::Error, place: &str) -> Self {
        match error.downcast::<Self>() {
            Ok(error) => error,
            Err(error) => {
                Self::new(Code::ReadFailed, "the package could not be read", place).found(error)
            }
        }
    }
}

impl From<PackageError> for io::Error {
    fn from(error: PackageError) -> Self {
        Self::other(error)
    }
}

impl fmt::Display for PackageError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.what, self.place)?;
        if let Some(found) = &self.found {
            write!(f, "; found: {found}")?;
        }
        if let Some(wanted) = &self.wanted {
            write!(f, "; wanted: {wanted}")?;
        }
        Ok(())
    }
}

impl std::error::Error for PackageError {}

/// The text with everything but printable ASCII escaped, cut at a limit. For
/// text that others wrote and a terminal will show.
pub fn printable(text: &str) -> String {
    let mut shown = String::new();
    for (count, character) in text.chars().enumerate() {
        if count == TEXT_CHARS_MAX {
            shown.push_str("...");
            break;
        }
        match character {
            ' '..='~' => shown.push(character),
            _ => shown.extend(character.escape_default()),
        }
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    /// Terminal control sequences in a package's text must not reach the
    /// terminal, and a long text must not push the message away.
    #[test]
    fn text_of_others_is_escaped_and_capped() {
        let error = PackageError::new(Code::BadValue, "a\u{1b}[2Jb\n", "c\u{202e}")
            .found("x".repeat(5000))
            .wanted("ü");
        assert_eq!(error.what, "a\\u{1b}[2Jb\\n");
        assert_eq!(error.place, "c\\u{202e}");
        assert_eq!(error.found.as_ref().unwrap().len(), TEXT_CHARS_MAX + 3);
        assert!(error.to_string().is_ascii());
    }

    /// Two codes with one text would make one of them unusable.
    #[test]
    fn codes_are_distinct_and_well_formed() {
        let texts: BTreeSet<&str> = Code::ALL.iter().map(|code| code.as_str()).collect();
        assert_eq!(texts.len(), Code::ALL.len());
        for text in texts {
            let (area, name) = text.split_once('.').unwrap();
            assert!(area == "pkg" || area == "manifest", "{text}");
            assert!(
                name.bytes()
                    .all(|byte| byte.is_ascii_lowercase() || byte == b'_' || byte.is_ascii_digit()),
                "{text}"
            );
        }
    }

    /// An error that crosses an `io::Read` must come back with its code.
    #[test]
    fn errors_survive_the_way_through_io() {
        let error = PackageError::new(Code::ChunkMismatch, "w", "p");
        let carried = io::Error::from(error.clone());
        assert_eq!(PackageError::from_io(carried, "x"), error);
        let other = PackageError::from_io(io::Error::other("cable"), "x");
        assert!(other.is_io() && other.found.as_deref() == Some("cable"));
    }
}
