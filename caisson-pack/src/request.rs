//! What a build is asked to do, whoever asked: flags, a `caisson.toml`, or a
//! program that calls this library.
//!
//! What this does not do: names and numbers are judged by the format's own
//! rules when the build begins, so that they exist once.

use std::collections::BTreeMap;
use std::path::PathBuf;

use edgepkg::manifest::Compatibility;

use crate::compress::{Compression, LEVEL_DEFAULT, LEVEL_MAX, LEVEL_MIN, THREADS_MAX};
use crate::error::{Code, PackError, Result};
use crate::output::split::PartSize;
use crate::source::{EngineWish, SourceSpec};

/// Everything that decides a package, and where it goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BuildRequest {
    /// The images, in any order: the package sorts them.
    pub images: Vec<ImageRequest>,
    /// The services, in any order.
    pub services: Vec<ServiceRequest>,
    /// Semantic version of what is delivered.
    pub package_version: String,
    /// Counter that orders releases.
    pub release: Option<u64>,
    /// What the device must be able to do.
    pub compatibility: Compatibility,
    /// Shown to people, never acted on.
    pub notes: BTreeMap<String, String>,
    /// Use the images' own names in the derived files.
    pub live_names: bool,
    /// How layers are compressed.
    pub compression: Compression,
    /// Seconds since 1970 for every header, instead of the newest image's date.
    pub epoch: Option<u64>,
    /// Which engine `docker-daemon:` means.
    pub engine: EngineWish,
    /// The package file.
    pub output: PathBuf,
    /// Cut the package into parts of this size.
    pub split: Option<PartSize>,
    /// Replace the package file if it exists.
    pub force: bool,
}

/// One image that goes into the package.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ImageRequest {
    /// Where it is.
    pub source: SourceSpec,
    /// Its name in the package, instead of its name in the source.
    pub reference: Option<String>,
    /// The platforms that are taken of it, in any spelling; none only for a
    /// package of version 1, which names its own.
    pub platforms: Vec<String>,
}

/// One service that the package updates.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServiceRequest {
    /// The service's name in the device's catalog.
    pub service: String,
    /// Must equal the catalog's.
    pub service_revision: String,
    /// The reference of its image; `None` if the package has one reference only.
    pub image: Option<String>,
}

impl Compression {
    /// Checks the level; threads are as many as the machine has, within bounds.
    pub fn at_level(level: Option<i32>, threads: Option<u32>) -> Result<Self> {
        let level = level.unwrap_or(LEVEL_DEFAULT);
        if !(LEVEL_MIN..=LEVEL_MAX).contains(&level) {
            return Err(
                PackError::new(Code::Usage, "this compression level does not exist")
                    .found(level)
                    .wanted(format!("{LEVEL_MIN} to {LEVEL_MAX}")),
            );
        }
        let machine = || {
            std::thread::available_parallelism()
                .map_or(1, |count| u32::try_from(count.get()).unwrap_or(u32::MAX))
        };
        Ok(Self {
            level,
            threads: threads.unwrap_or_else(machine).clamp(1, THREADS_MAX),
        })
    }
}

/// `SOURCE_DATE_EPOCH`, as it stands in the environment.
///
/// # Errors
/// `usage.epoch_invalid` if it is anything but decimal digits.
pub fn parse_epoch(text: &str) -> Result<u64> {
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    digits.then(|| text.parse().ok()).flatten().ok_or_else(|| {
        PackError::new(
            Code::EpochInvalid,
            "SOURCE_DATE_EPOCH is not a number of seconds",
        )
        .at("the environment")
        .found(text)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An epoch that is guessed at would give a package nobody can repeat.
    #[test]
    fn the_epoch_is_digits_only() {
        assert_eq!(parse_epoch("1700000000"), Ok(1_700_000_000));
        for text in [
            "",
            "-1",
            "+1",
            "1.5",
            "1e9",
            " 1",
            "0x10",
            "99999999999999999999",
        ] {
            assert_eq!(
                parse_epoch(text).unwrap_err().code,
                Code::EpochInvalid,
                "{text}"
            );
        }
    }

    /// A level zstd does not have would be clamped by it in silence.
    #[test]
    fn levels_are_bounded() {
        let level = |level| Compression::at_level(Some(level), Some(1)).map(|it| it.level);
        assert_eq!(level(1), Ok(1));
        assert_eq!(level(19), Ok(19));
        assert!(level(0).is_err() && level(20).is_err() && level(-5).is_err());
        let default = Compression::at_level(None, Some(0)).expect("sound");
        assert_eq!((default.level, default.threads), (LEVEL_DEFAULT, 1));
    }
}
