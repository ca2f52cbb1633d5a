//! `HostConfig`, carried as it is but for what belongs to the old container alone.
//!
//! Carried unread on purpose: a setting this program has never heard of still comes
//! back as it was.

use serde_json::{Value, json};

use super::{Members, podman};

/// The old container's `HostConfig` for the candidate. The restart policy is set by the caller.
pub(super) fn carry(old_host: &Members, podman: bool, notes: &mut Vec<String>) -> Members {
    let mut host = old_host.clone();
    // Written by the client that created the old container, for that container.
    host.shift_remove("ContainerIDFile");
    links(&mut host);
    if podman {
        podman::clean_host_config(&mut host);
    }
    if has_random_ports(&host) {
        notes.push(
            "ports without a fixed number on the host are chosen anew by the engine".to_owned(),
        );
    }
    host
}

/// The engine shows `/other:/web/alias` where it was told `other:alias`.
fn links(host: &mut Members) {
    let Some(links) = host.get_mut("Links").and_then(Value::as_array_mut) else {
        return;
    };
    for link in links {
        let told = link.as_str().and_then(|shown| {
            let (target, own) = shown.strip_prefix('/')?.split_once(':')?;
            let (_, alias) = own.rsplit_once('/')?;
            Some(format!("{target}:{alias}"))
        });
        if let Some(told) = told {
            *link = json!(told);
        }
    }
}

fn has_random_ports(host: &Members) -> bool {
    if host.get("PublishAllPorts") == Some(&Value::Bool(true)) {
        return true;
    }
    let bindings = host.get("PortBindings").and_then(Value::as_object);
    bindings.into_iter().flat_map(Members::values).any(|ports| {
        ports.as_array().into_iter().flatten().any(|port| {
            matches!(
                port.get("HostPort").and_then(Value::as_str),
                None | Some("" | "0")
            )
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn carried(host: &Value) -> (Value, Vec<String>) {
        let mut notes = Vec::new();
        let host = carry(host.as_object().expect("an object"), false, &mut notes);
        (Value::Object(host), notes)
    }

    /// A limit, a capability or a setting of a newer engine would be lost.
    #[test]
    fn unknown_and_known_settings_come_through_untouched() {
        let host = json!({
            "Memory": 67_108_864, "CapDrop": ["ALL"], "Ulimits": [{"Name": "nofile", "Soft": 1, "Hard": 2}],
            "PortBindings": {"80/tcp": [{"HostIp": "127.0.0.1", "HostPort": "8080"}]},
            "Sysctls": {"net.core.somaxconn": "10"}, "FromTheFuture": {"x": [1, 2]},
            "MemorySwappiness": 0, "ReadonlyRootfs": true
        });
        assert_eq!(carried(&host), (host, vec![]));
    }

    /// The old container's id file would be claimed by the new one.
    #[test]
    fn what_belongs_to_the_old_one_is_dropped() {
        assert_eq!(
            carried(&json!({"ContainerIDFile": "/run/web.cid", "Memory": 1})).0,
            json!({"Memory": 1})
        );
    }

    /// A link in the engine's own spelling names the old container.
    #[test]
    fn links_are_told_again_as_they_were() {
        let host = json!({"Links": ["/db:/web/database", "/cache:/web/cache", "odd"]});
        assert_eq!(
            carried(&host).0,
            json!({"Links": ["db:database", "cache:cache", "odd"]})
        );
    }

    /// The plan would promise the same port where the engine picks another.
    #[test]
    fn random_ports_are_said() {
        for host in [
            json!({"PublishAllPorts": true}),
            json!({"PortBindings": {"80/tcp": [{"HostPort": ""}]}}),
            json!({"PortBindings": {"80/tcp": [{"HostPort": "0"}]}}),
        ] {
            assert_eq!(carried(&host).1.len(), 1, "{host}");
        }
        assert!(
            carried(&json!({"PortBindings": {"80/tcp": [{"HostPort": "80"}]}}))
                .1
                .is_empty()
        );
    }
}
