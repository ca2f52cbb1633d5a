//! What Podman's Docker-compatible API shows of a container that nobody ever set.
//!
//! Measured on Podman 4.3, 5.4 and 5.8: it adds variables to the environment, spells
//! limits with a prefix that its own create call refuses, shows a swappiness of 0
//! that can't be started on cgroup v2, and a runtime name that isn't one.

use serde_json::{Value, json};

use super::{Members, text, texts};

/// What Podman sets `PATH` to where the image doesn't.
const DEFAULT_PATH: &str = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// Did Podman make this container? It marks every environment.
pub(super) fn made_this(config: &Members, host: &Members) -> bool {
    let marked = |variable: &&str| matches!(*variable, "container=podman" | "container=oci");
    texts(config, "Env").iter().any(marked) || text(host, "Runtime") == "oci"
}

/// Variables that Podman adds itself. A `HOME` or `TERM` that was set by hand can't be
/// told from Podman's own; it computes both again for the new container.
pub(super) fn is_leaked_variable(variable: &str, config: &Members) -> bool {
    let Some((name, value)) = variable.split_once('=') else {
        return false;
    };
    match name {
        "container" | "HOME" | "TERM" => true,
        "HOSTNAME" => value == text(config, "Hostname"),
        _ => variable == DEFAULT_PATH,
    }
}

/// Podman shows the default signal as if it had been asked for.
pub(super) fn is_default_stop_signal(value: &Value) -> bool {
    matches!(value.as_str(), Some("15" | "SIGTERM"))
}

/// Makes a `HostConfig` that Podman showed acceptable to Podman.
pub(super) fn clean_host_config(host: &mut Members) {
    if host.get("MemorySwappiness").and_then(Value::as_i64) == Some(0) {
        host.shift_remove("MemorySwappiness");
    }
    if text(host, "Runtime") == "oci" {
        host.shift_remove("Runtime");
    }
    let limits = host.get_mut("Ulimits").and_then(Value::as_array_mut);
    for limit in limits.into_iter().flatten() {
        let name = limit.get("Name").and_then(Value::as_str);
        if let Some(plain) = name.and_then(|name| name.strip_prefix("RLIMIT_")) {
            let plain = plain.to_ascii_lowercase();
            limit["Name"] = json!(plain);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn members(value: &Value) -> Members {
        value.as_object().expect("an object").clone()
    }

    /// The same variables on Docker are the person's own and must stay.
    #[test]
    fn podman_is_known_by_its_mark() {
        let with = |env: &str| members(&json!({"Env": [env]}));
        assert!(made_this(&with("container=podman"), &Members::new()));
        assert!(made_this(&with("container=oci"), &Members::new()));
        assert!(made_this(
            &Members::new(),
            &members(&json!({"Runtime": "oci"}))
        ));
        assert!(!made_this(
            &with("container=mine"),
            &members(&json!({"Runtime": "runc"}))
        ));
    }

    /// A leaked variable would pin the old container's name into the new one.
    #[test]
    fn leaked_variables() {
        let config = members(&json!({"Hostname": "0123456789ab"}));
        for leaked in [
            "container=podman",
            "HOME=/root",
            "TERM=xterm",
            "HOSTNAME=0123456789ab",
            DEFAULT_PATH,
        ] {
            assert!(is_leaked_variable(leaked, &config), "{leaked}");
        }
        for own in ["HOSTNAME=chosen", "PATH=/opt/bin", "HOMEPAGE=x", "HOME"] {
            assert!(!is_leaked_variable(own, &config), "{own}");
        }
    }

    /// Podman 4.3 refuses to create, and 5 to start, what it has shown itself.
    #[test]
    fn host_config_is_made_acceptable() {
        let mut host = members(&json!({
            "MemorySwappiness": 0, "Runtime": "oci",
            "Ulimits": [{"Name": "RLIMIT_NOFILE", "Soft": 1, "Hard": 2}, {"Name": "nproc"}, {}]
        }));
        clean_host_config(&mut host);
        let expected = json!({
            "Ulimits": [{"Name": "nofile", "Soft": 1, "Hard": 2}, {"Name": "nproc"}, {}]
        });
        assert_eq!(Value::Object(host), expected);
        let mut host = members(&json!({"MemorySwappiness": 60, "Runtime": "crun"}));
        clean_host_config(&mut host);
        assert_eq!(
            Value::Object(host),
            json!({"MemorySwappiness": 60, "Runtime": "crun"})
        );
    }
}
