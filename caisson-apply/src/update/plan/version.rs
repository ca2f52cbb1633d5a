//! Is this package newer than what the device has? Pure.

use std::cmp::Ordering;

use semver::Version;

use crate::error::{Code, Error, Result};
use crate::journal::{InstalledVersion, ServiceState};

/// A release counter may grow by this much at once: a typing error in CI must not
/// use the counter up for ever.
const RELEASE_JUMP_MAX: u64 = 1_000_000;

/// What the package brings.
#[derive(Debug, Clone, Copy)]
pub(super) struct Offered<'a> {
    pub(super) version: &'a str,
    pub(super) release: Option<u64>,
    pub(super) manifest_digest: &'a str,
}

/// What the person allowed.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Allowed {
    pub(super) downgrade: bool,
    pub(super) reinstall: bool,
}

/// What follows from the comparison.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    Newer,
    /// The very same package is installed: nothing to do.
    Installed,
    /// Older, or equal with other content, and the person said that this is meant.
    AllowedAnyway,
}

/// Compares release counters where both are known, else versions.
///
/// # Errors
/// `device.downgrade`, `device.same_version`, `device.release_jump`.
pub(super) fn judge(
    offered: Offered<'_>,
    current: Option<&InstalledVersion>,
    state: Option<&ServiceState>,
    allowed: Allowed,
) -> Result<Verdict> {
    let highest = state
        .and_then(|state| state.highest_release)
        .max(current.and_then(|current| current.release));
    no_jump(offered, highest)?;
    let Some(current) = current else {
        return older_than_ever(offered, highest, allowed);
    };
    if current.manifest_digest.as_deref() == Some(offered.manifest_digest) {
        return Ok(if allowed.reinstall {
            Verdict::AllowedAnyway
        } else {
            Verdict::Installed
        });
    }
    let words = |version: Option<&str>, release: Option<u64>| {
        let version = version.unwrap_or("an unknown version");
        release.map_or_else(
            || version.to_owned(),
            |release| format!("{version} (release {release})"),
        )
    };
    let found = words(Some(offered.version), offered.release);
    match order(offered, current, state, highest) {
        Ordering::Greater => Ok(Verdict::Newer),
        _ if allowed.downgrade => Ok(Verdict::AllowedAnyway),
        Ordering::Equal => Err(Error::new(
            Code::SameVersion,
            "the same version is installed with other content",
        )
        .found(found)
        .wanted("a newer version")
        .next("build it again under a new version; --allow-downgrade installs it all the same")),
        Ordering::Less => {
            let installed = words(current.version.as_deref(), highest.or(current.release));
            Err(Error::new(Code::Downgrade, "refusing to install an older version")
                .found(found)
                .wanted(format!("newer than {installed}"))
                .next("take a newer package; --allow-downgrade installs the older one all the same"))
        }
    }
}

fn no_jump(offered: Offered<'_>, highest: Option<u64>) -> Result<()> {
    let (Some(release), Some(highest)) = (offered.release, highest) else {
        return Ok(());
    };
    let most = highest.saturating_add(RELEASE_JUMP_MAX);
    if release <= most {
        return Ok(());
    }
    Err(Error::new(
        Code::ReleaseJump,
        "the release counter of the package jumps too far",
    )
    .found(release.to_string())
    .wanted(format!("at most {most}"))
    .next("build the package with the counter that follows"))
}

/// How the package stands to what is installed.
fn order(
    offered: Offered<'_>,
    current: &InstalledVersion,
    state: Option<&ServiceState>,
    highest: Option<u64>,
) -> Ordering {
    let previous = state.and_then(|state| state.previous.as_ref());
    let is_previous = previous.and_then(|previous| previous.manifest_digest.as_deref())
        == Some(offered.manifest_digest);
    let versions = (
        Version::parse(offered.version),
        current.version.as_deref().map(Version::parse),
    );
    match (offered.release, highest, versions) {
        // Back to the newest one after a rollback: the very package is known.
        (Some(release), Some(highest), _) if release == highest && is_previous => Ordering::Greater,
        (Some(release), Some(highest), _) => release.cmp(&highest),
        (_, _, (Ok(offered), Some(Ok(current)))) => offered.cmp_precedence(&current),
        // The installed version is not known: nothing to compare with.
        _ => Ordering::Greater,
    }
}

/// No container, but the device may remember a higher counter.
fn older_than_ever(
    offered: Offered<'_>,
    highest: Option<u64>,
    allowed: Allowed,
) -> Result<Verdict> {
    match (offered.release, highest) {
        (Some(offered), Some(highest)) if offered < highest && !allowed.downgrade => {
            Err(Error::new(
                Code::Downgrade,
                "refusing to install an older release than this device had",
            )
            .found(offered.to_string())
            .wanted(format!("at least {highest}"))
            .next("take a newer package; --allow-downgrade installs the older one all the same"))
        }
        _ => Ok(Verdict::Newer),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn installed(version: &str, release: Option<u64>, digest: &str) -> InstalledVersion {
        InstalledVersion {
            version: Some(version.to_owned()),
            release,
            image_id: String::new(),
            container_id: "c".to_owned(),
            manifest_digest: Some(digest.to_owned()),
            update_id: None,
        }
    }

    fn offered<'a>(version: &'a str, release: Option<u64>, digest: &'a str) -> Offered<'a> {
        Offered {
            version,
            release,
            manifest_digest: digest,
        }
    }

    fn code(result: Result<Verdict>) -> Option<Code> {
        result.err().map(|error| error.code)
    }

    /// A silent downgrade would bring fixed faults back.
    #[test]
    fn versions_without_counters() {
        let current = installed("1.1.0", None, "d1");
        let judge = |v, d, allowed| judge(offered(v, None, d), Some(&current), None, allowed);
        let no = Allowed::default();
        assert_eq!(judge("1.2.0", "d2", no), Ok(Verdict::Newer));
        assert_eq!(code(judge("1.0.9", "d2", no)), Some(Code::Downgrade));
        assert_eq!(code(judge("1.1.0-rc.1", "d2", no)), Some(Code::Downgrade));
        assert_eq!(code(judge("1.1.0", "d2", no)), Some(Code::SameVersion));
        assert_eq!(judge("1.1.0", "d1", no), Ok(Verdict::Installed));
        assert_eq!(
            judge(
                "1.1.0",
                "d1",
                Allowed {
                    reinstall: true,
                    ..no
                }
            ),
            Ok(Verdict::AllowedAnyway)
        );
        assert_eq!(
            judge(
                "1.0.0",
                "d2",
                Allowed {
                    downgrade: true,
                    ..no
                }
            ),
            Ok(Verdict::AllowedAnyway)
        );
        // Build metadata has no precedence: same version, other content.
        assert_eq!(code(judge("1.1.0+b2", "d2", no)), Some(Code::SameVersion));
    }

    /// The counter decides where both have one, and a rollback must not lower it.
    #[test]
    fn counters_decide_and_stay() {
        let current = installed("1.0.0", Some(1), "d1");
        let state = ServiceState {
            service: "web".to_owned(),
            current: current.clone(),
            previous: Some(installed("1.1.0", Some(2), "d2")),
            highest_release: Some(2),
        };
        let judge = |v, r, d| {
            judge(
                offered(v, r, d),
                Some(&current),
                Some(&state),
                Allowed::default(),
            )
        };
        assert_eq!(judge("0.9.0", Some(3), "d3"), Ok(Verdict::Newer));
        assert_eq!(judge("1.1.0", Some(2), "d2"), Ok(Verdict::Newer));
        assert_eq!(
            code(judge("1.1.0", Some(2), "other")),
            Some(Code::SameVersion)
        );
        assert_eq!(code(judge("9.0.0", Some(1), "d9")), Some(Code::Downgrade));
        assert_eq!(
            code(judge("9.0.0", Some(2_000_000), "d9")),
            Some(Code::ReleaseJump)
        );
    }

    /// A container somebody made by hand has no version: any package is an update.
    #[test]
    fn unknown_versions_are_replaced() {
        let mut current = installed("1.0.0", None, "d1");
        current.version = None;
        current.manifest_digest = None;
        assert_eq!(
            judge(
                offered("0.1.0", None, "d2"),
                Some(&current),
                None,
                Allowed::default()
            ),
            Ok(Verdict::Newer)
        );
    }
}
