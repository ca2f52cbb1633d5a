//! Containers that would not come back as they were, or that somebody else brings
//! back: named before anything is touched.

use serde_json::Value;

use super::Members;
use crate::engine::Container;

/// Label prefixes of those who drive containers, and what a person calls them.
const DRIVERS: &[(&str, &str)] = &[
    ("com.docker.swarm.", "Docker Swarm"),
    ("com.docker.stack.", "Docker Swarm"),
    ("com.docker.compose.", "compose"),
    ("io.podman.compose.", "compose"),
    ("PODMAN_SYSTEMD_UNIT", "a systemd unit or quadlet"),
    ("io.portainer.", "Portainer"),
    ("io.kubernetes.", "Kubernetes"),
    ("io.balena.", "balena"),
    ("com.hashicorp.nomad.", "Nomad"),
];

/// Every reason against recreating this container; empty if there is none. `body` and
/// `host` are what is left of it without the old image's defaults.
pub(super) fn reasons(old: &Container, body: &Members, host: &Members) -> Vec<String> {
    let mut reasons = Vec::new();
    if old.auto_remove || host.get("AutoRemove") == Some(&Value::Bool(true)) {
        reasons.push(
            "it was created with `--rm`: the engine deletes it when it stops, and nothing is \
             left to roll back to"
                .to_owned(),
        );
    }
    if matches!(old.status.as_str(), "dead" | "removing") {
        reasons.push(format!("the engine calls it `{}`", old.status));
    }
    reasons.extend(driven_by(body.get("Labels")));
    reasons
}

/// Who else would recreate the container by its own idea.
pub(super) fn driven_by(labels: Option<&Value>) -> Vec<String> {
    let mut reasons: Vec<String> = Vec::new();
    for key in labels
        .and_then(Value::as_object)
        .into_iter()
        .flat_map(Members::keys)
    {
        let driver = DRIVERS.iter().find(|(prefix, _)| key.starts_with(prefix));
        if let Some((_, who)) = driver
            && !reasons.iter().any(|reason| reason.contains(who))
        {
            reasons.push(format!("it is driven by {who} (label `{key}`)"));
        }
    }
    reasons
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::fixture;
    use super::*;

    /// Two drivers of one container undo each other's work.
    #[test]
    fn drivers_are_named_once_each() {
        let labels = json!({
            "com.docker.compose.project": "shop", "com.docker.compose.service": "web",
            "PODMAN_SYSTEMD_UNIT": "web.service", "owner": "me"
        });
        assert_eq!(
            driven_by(Some(&labels)),
            [
                "it is driven by compose (label `com.docker.compose.project`)",
                "it is driven by a systemd unit or quadlet (label `PODMAN_SYSTEMD_UNIT`)",
            ]
        );
        for (prefix, who) in DRIVERS {
            let mut labels = Members::new();
            labels.insert(format!("{prefix}x"), json!("1"));
            assert!(
                driven_by(Some(&Value::Object(labels)))[0].contains(who),
                "{prefix}"
            );
        }
        assert!(driven_by(Some(&json!({"my.com.docker.compose.x": ""}))).is_empty());
        assert!(driven_by(None).is_empty());
    }

    /// A container that vanishes when it stops leaves the device with nothing.
    #[test]
    fn containers_that_remove_themselves_are_refused() {
        let mut old = fixture::container(&fixture::inspection());
        assert!(reasons(&old, &Members::new(), &Members::new()).is_empty());
        old.auto_remove = true;
        assert!(reasons(&old, &Members::new(), &Members::new())[0].contains("--rm"));
        old.status = "dead".to_owned();
        assert_eq!(reasons(&old, &Members::new(), &Members::new()).len(), 2);
    }
}
