//! The names we give to containers, images and labels on the engine. They are
//! how recovery finds its way without a journal, so they are frozen.

use std::fmt::Write as _;

use crate::engine::RestartPolicy;

/// Every label of ours starts with this.
pub const LABEL_PREFIX: &str = "local.caisson.";
/// The update that made the container.
pub const LABEL_UPDATE: &str = "local.caisson.update";
/// The service of the catalog.
pub const LABEL_SERVICE: &str = "local.caisson.service";
/// `package_version` of the package.
pub const LABEL_VERSION: &str = "local.caisson.version";
/// The release counter, absent if the package has none.
pub const LABEL_RELEASE: &str = "local.caisson.release";
/// The configured restart policy, as [`policy_label`] writes it.
pub const LABEL_POLICY: &str = "local.caisson.policy";
/// `true` if the service ran before the update.
pub const LABEL_WAS_RUNNING: &str = "local.caisson.was-running";
/// The id of the container that this one replaces; empty on a first install.
pub const LABEL_REPLACES: &str = "local.caisson.replaces";

/// Repository of the names that images have while they are being imported. Retention
/// repositories have one component after the domain, so no service can be called this.
pub const INCOMING_REPOSITORY: &str = "caisson.local/caisson/incoming";

/// The part a container plays besides holding the service's own name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// The candidate before it gets the service's name.
    New,
    /// The current container of an update in flight.
    Old,
    /// The parked container that `service rollback` goes back to.
    Previous,
    /// The parked container while a rollback is in flight.
    Back,
}

impl Role {
    pub const ALL: [Self; 4] = [Self::New, Self::Old, Self::Previous, Self::Back];

    /// What is appended to the service's container name.
    pub fn suffix(self) -> &'static str {
        match self {
            Self::New => ".caisson-new",
            Self::Old => ".caisson-old",
            Self::Previous => ".caisson-previous",
            Self::Back => ".caisson-back",
        }
    }

    /// The container name of this role.
    pub fn of(self, container: &str) -> String {
        format!("{container}{}", self.suffix())
    }

    /// Splits `web.caisson-old` into `web` and the role.
    pub fn split(name: &str) -> Option<(&str, Self)> {
        Self::ALL
            .into_iter()
            .find_map(|role| name.strip_suffix(role.suffix()).map(|base| (base, role)))
    }
}

/// The name an image has while it is imported: nobody else uses it, so a refused
/// stream leaves nothing behind that a person could run.
pub fn incoming_tag(update_id: &str) -> String {
    format!("{INCOMING_REPOSITORY}:{update_id}")
}

/// The repository of a service's retention tags.
pub fn retention_repository(service: &str) -> String {
    let mut repository = String::from("caisson.local/");
    for byte in service.bytes() {
        if byte.is_ascii_lowercase() || byte.is_ascii_digit() {
            repository.push(char::from(byte));
        } else {
            // A component begins with a letter or digit. After `x` two dashes come from
            // nowhere else: an escaped byte has one, and two digits behind it.
            if repository.ends_with('/') {
                repository.push_str("x-");
            }
            let _ = write!(repository, "-{byte:02x}");
        }
    }
    repository
}

/// The tag that keeps an image of a service from being pruned:
/// `caisson.local/<service>:<version>-<12 hex of the engine's image id>`.
/// `+` is not allowed in tags and becomes `_`.
pub fn retention_tag(service: &str, version: Option<&str>, image_id: &str) -> String {
    let hex = image_id.strip_prefix("sha256:").unwrap_or(image_id);
    let short: String = hex.chars().take(12).collect();
    // A tag has at most 128 characters of its own alphabet, and does not begin with
    // a dot or a dash; a version may be longer, and a label may be anything.
    let fits = |c: char| c.is_ascii_alphanumeric() || "_.-".contains(c);
    let version: String = version
        .unwrap_or("unknown")
        .chars()
        .take(100)
        .map(|c| if fits(c) { c } else { '_' })
        .collect();
    let version = match version.chars().next() {
        Some('.' | '-') => format!("_{version}"),
        Some(_) => version,
        None => "unknown".to_owned(),
    };
    format!("{}:{version}-{short}", retention_repository(service))
}

/// `unless-stopped` or `on-failure:5`.
pub fn policy_label(policy: &RestartPolicy) -> String {
    if policy.maximum_retry_count == 0 {
        policy.name.clone()
    } else {
        format!("{}:{}", policy.name, policy.maximum_retry_count)
    }
}

/// The version a container's label names, if it is one: an image can set any label.
pub fn version_label(labels: &std::collections::BTreeMap<String, String>) -> Option<String> {
    let text = labels.get(LABEL_VERSION)?;
    semver::Version::parse(text).is_ok().then(|| text.clone())
}

/// Reads what [`policy_label`] wrote.
pub fn parse_policy_label(text: &str) -> Option<RestartPolicy> {
    let (name, retries) = match text.split_once(':') {
        Some((name, retries)) => (name, retries.parse().ok()?),
        None => (text, 0),
    };
    ["no", "always", "unless-stopped", "on-failure"]
        .contains(&name)
        .then(|| RestartPolicy {
            name: name.to_owned(),
            maximum_retry_count: retries,
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Two services must never share a retention repository, or cleaning up
    /// after one would take the other's rollback image away.
    #[test]
    fn retention_repositories_are_distinct_and_valid() {
        assert_eq!(retention_repository("web_1"), "caisson.local/web-5f1");
        assert_eq!(retention_repository("web-1"), "caisson.local/web-2d1");
        assert_eq!(retention_repository("xW"), "caisson.local/x-57");
        assert_eq!(retention_repository("Web"), "caisson.local/x--57eb");
        assert_eq!(
            retention_tag("web", Some("1.0.0+b1"), "sha256:0123456789abcdef"),
            "caisson.local/web:1.0.0_b1-0123456789ab"
        );
        assert_eq!(
            retention_tag("web", Some("-\u{1b}x"), "sha256:ff"),
            "caisson.local/web:_-_x-ff"
        );
        assert_eq!(
            retention_tag("web", Some(""), "sha256:ff"),
            "caisson.local/web:unknown-ff"
        );
        assert_eq!(
            retention_tag("web", None, "sha256:ff"),
            "caisson.local/web:unknown-ff"
        );
    }

    /// A policy that does not survive its label would come back wrong after a lost journal.
    #[test]
    fn policies_survive_their_label() {
        for policy in [
            RestartPolicy::no(),
            RestartPolicy::always(),
            RestartPolicy {
                name: "on-failure".to_owned(),
                maximum_retry_count: 5,
            },
        ] {
            assert_eq!(parse_policy_label(&policy_label(&policy)), Some(policy));
        }
        assert_eq!(parse_policy_label("sometimes"), None);
        assert_eq!(parse_policy_label("on-failure:x"), None);
    }

    /// A role that can't be read back would hide a leftover from recovery.
    #[test]
    fn roles_are_read_back() {
        for role in Role::ALL {
            assert_eq!(Role::split(&role.of("web")), Some(("web", role)));
        }
        assert_eq!(Role::split("web"), None);
    }
}
