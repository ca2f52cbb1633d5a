//! The old container's networks, as the candidate asks for them.
//!
//! Of each endpoint only what a person can set is kept: the engine fills in addresses,
//! gateways and ids again, and sending the old ones back asks for the old container's
//! place. The engine-wide hardware address is kept where the inspection shows one: it
//! does so only if it was asked for. Those of single endpoints are dropped, because an
//! asked-for one can't be told from a random one.
//!
//! Before API 1.44 a create request may name one network only; the others are
//! connected after it and before the start.

use serde_json::{Value, json};

use super::{Members, is_blank, short_id, text, texts};

/// Endpoint members that a person sets.
const SETTABLE: &[&str] = &["IPAMConfig", "Links", "DriverOpts", "GwPriority"];

/// Names the two engines give the network that a container gets unasked.
const DEFAULT_NETWORKS: &[&str] = &["bridge", "podman"];

/// The first API version whose create request may name several networks.
const SEVERAL_NETWORKS_API: (u64, u64) = (1, 44);

/// Networks of the candidate; the first endpoint is the one its mode names.
pub(super) struct Networks {
    /// Replaces `NetworkMode`, where the engine shows one that isn't true.
    mode: Option<String>,
    endpoints: Vec<(String, Members)>,
}

/// Reads the networks out of an inspection.
pub(super) fn plan(raw: &Value, id: &str, host: &Members, notes: &mut Vec<String>) -> Networks {
    let mode = text(host, "NetworkMode");
    if matches!(mode, "host" | "none") || mode.starts_with("container:") || mode.starts_with("ns:")
    {
        return Networks {
            mode: None,
            endpoints: Vec::new(),
        };
    }
    let shown = raw
        .pointer("/NetworkSettings/Networks")
        .and_then(Value::as_object);
    let Some(shown) = shown.filter(|shown| !shown.is_empty()) else {
        if shown.is_some() {
            notes.push(format!(
                "the old container is connected to no network; the new one will be connected to `{}`",
                if mode.is_empty() { "default" } else { mode }
            ));
        }
        return Networks {
            mode: None,
            endpoints: Vec::new(),
        };
    };
    let primary = shown
        .iter()
        .find(|(name, network)| names_network(mode, name, network))
        .or_else(|| shown.iter().next())
        .map(|(name, _)| name.clone())
        .expect("the set was found not to be empty");
    let mut endpoints: Vec<(String, Members)> = shown
        .iter()
        .map(|(name, network)| (name.clone(), endpoint(network, id)))
        .collect();
    // Stable: the others keep the engine's order.
    endpoints.sort_by_key(|(name, _)| *name != primary);
    let is_default = matches!(mode, "" | "default" | "bridge");
    let mode_is_true =
        mode == primary || (is_default && DEFAULT_NETWORKS.contains(&primary.as_str()));
    Networks {
        mode: (!mode_is_true).then_some(primary),
        endpoints,
    }
}

/// Does a `NetworkMode` mean this network? It may hold a name, an id or its beginning.
fn names_network(mode: &str, name: &str, network: &Value) -> bool {
    let id = network
        .get("NetworkID")
        .and_then(Value::as_str)
        .unwrap_or("");
    let by_default = matches!(mode, "" | "default" | "bridge") && DEFAULT_NETWORKS.contains(&name);
    mode == name || by_default || (mode.len() >= 12 && id.starts_with(mode))
}

/// What a person set of one endpoint.
fn endpoint(network: &Value, id: &str) -> Members {
    let mut kept = Members::new();
    let Some(network) = network.as_object() else {
        return kept;
    };
    for key in SETTABLE {
        if let Some(value) = network.get(*key)
            && !is_blank(value)
            && value.as_i64() != Some(0)
        {
            kept.insert((*key).to_owned(), value.clone());
        }
    }
    let mut aliases: Vec<&str> = Vec::new();
    for alias in texts(network, "Aliases") {
        // The engine adds the container's own short id, and every recreation would
        // add one more.
        if alias != short_id(id) && !aliases.contains(&alias) {
            aliases.push(alias);
        }
    }
    if !aliases.is_empty() {
        kept.insert("Aliases".to_owned(), json!(aliases));
    }
    kept
}

impl Networks {
    /// Writes the networks into the request; gives those to connect after it.
    pub(super) fn apply(
        mut self,
        body: &mut Members,
        host: &mut Members,
        api_version: &str,
    ) -> Vec<(String, Value)> {
        if let Some(mode) = self.mode {
            host.insert("NetworkMode".to_owned(), Value::String(mode));
        }
        let several = allows_several(api_version);
        // API 1.44 moved the hardware address into the endpoint.
        if several
            && let Some((_, primary)) = self.endpoints.first_mut()
            && let Some(address) = body.shift_remove("MacAddress")
        {
            primary.insert("MacAddress".to_owned(), address);
        }
        let further = if several {
            Vec::new()
        } else {
            self.endpoints.split_off(self.endpoints.len().min(1))
        };
        // One network without settings is said by the mode alone.
        if self.endpoints.len() > 1
            || self
                .endpoints
                .iter()
                .any(|(_, settings)| !settings.is_empty())
        {
            let named: Members = self
                .endpoints
                .into_iter()
                .map(|(name, settings)| (name, Value::Object(settings)))
                .collect();
            body.insert(
                "NetworkingConfig".to_owned(),
                json!({ "EndpointsConfig": named }),
            );
        }
        further
            .into_iter()
            .map(|(name, settings)| (name, Value::Object(settings)))
            .collect()
    }
}

/// May one create request name several networks? An unreadable version counts as old,
/// which every engine understands.
pub(super) fn allows_several(api_version: &str) -> bool {
    let parsed = api_version
        .split_once('.')
        .and_then(|(major, minor)| Some((major.parse::<u64>().ok()?, minor.parse::<u64>().ok()?)));
    parsed.is_some_and(|version| version >= SEVERAL_NETWORKS_API)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

    /// Plans and applies: mode, request's networks, further networks, body.
    fn applied(mode: &str, networks: &Value, api: &str) -> (Value, Value, Vec<(String, Value)>) {
        let raw = json!({ "NetworkSettings": { "Networks": networks } });
        let mut host = Members::new();
        host.insert("NetworkMode".to_owned(), json!(mode));
        let mut body = Members::new();
        let further = plan(&raw, ID, &host, &mut Vec::new()).apply(&mut body, &mut host, api);
        let config = body.get("NetworkingConfig").cloned().unwrap_or(Value::Null);
        (host["NetworkMode"].clone(), config, further)
    }

    /// Everything an engine writes into an endpoint that nobody asked for.
    fn runtime() -> Value {
        json!({
            "IPAMConfig": null, "Links": null, "Aliases": ["0123456789ab"], "NetworkID": "feedfacefeedface",
            "EndpointID": "e1", "Gateway": "172.17.0.1", "IPAddress": "172.17.0.2", "IPPrefixLen": 16,
            "IPv6Gateway": "", "GlobalIPv6Address": "", "GlobalIPv6PrefixLen": 0,
            "MacAddress": "02:42:ac:11:00:02", "DriverOpts": null, "DNSNames": ["web", "0123456789ab"],
            "GwPriority": 0
        })
    }

    fn with(changes: &Value) -> Value {
        let mut network = runtime();
        for (key, value) in changes.as_object().expect("an object") {
            network[key] = value.clone();
        }
        network
    }

    /// The old container's address and id would be asked for again.
    #[test]
    fn the_default_network_needs_no_words() {
        let networks = json!({ "bridge": runtime() });
        assert_eq!(
            applied("default", &networks, "1.41"),
            (json!("default"), Value::Null, vec![])
        );
        assert_eq!(
            applied("bridge", &networks, "1.51"),
            (json!("bridge"), Value::Null, vec![])
        );
        let podman = json!({ "podman": runtime() });
        assert_eq!(
            applied("bridge", &podman, "1.41"),
            (json!("bridge"), Value::Null, vec![])
        );
    }

    /// A fixed address, an alias or a link would be lost; the old id would pile up.
    #[test]
    fn what_a_person_set_stays() {
        let networks = json!({ "n1": with(&json!({
            "IPAMConfig": {"IPv4Address": "10.5.0.9"}, "Aliases": ["web", "0123456789ab", "web"],
            "Links": ["db:database"], "DriverOpts": {"a": "b"}
        }))});
        let (mode, config, further) = applied("n1", &networks, "1.41");
        assert_eq!(mode, json!("n1"));
        assert_eq!(
            config,
            json!({"EndpointsConfig": {"n1": {
                "IPAMConfig": {"IPv4Address": "10.5.0.9"}, "Links": ["db:database"],
                "DriverOpts": {"a": "b"}, "Aliases": ["web"]
            }}})
        );
        assert_eq!(further, vec![]);
    }

    /// Two networks in one old request are a 400 on every engine before API 1.44.
    #[test]
    fn further_networks_follow_on_old_engines_only() {
        let networks =
            json!({ "a": with(&json!({"Aliases": ["x"]})), "n1": runtime(), "z": runtime() });
        let (_, config, further) = applied("n1", &networks, "1.43");
        assert_eq!(config, Value::Null);
        assert_eq!(
            further,
            vec![
                ("a".to_owned(), json!({"Aliases": ["x"]})),
                ("z".to_owned(), json!({}))
            ]
        );
        let (_, config, further) = applied("n1", &networks, "1.44");
        assert_eq!(
            config,
            json!({"EndpointsConfig": {"n1": {}, "a": {"Aliases": ["x"]}, "z": {}}})
        );
        assert_eq!(further, vec![]);
    }

    /// A mode that isn't true would move the candidate to another network.
    #[test]
    fn a_wrong_mode_is_corrected() {
        // Podman shows `bridge` for a network of the person's own.
        let own = json!({ "n1": runtime() });
        assert_eq!(applied("bridge", &own, "1.41").0, json!("n1"));
        // Disconnected from its first network, connected to another.
        assert_eq!(applied("n0", &own, "1.41").0, json!("n1"));
        // Created with the network's id.
        assert_eq!(applied("feedfacefeed", &own, "1.41").0, json!("n1"));
    }

    /// A shared or absent network has no endpoints to send.
    #[test]
    fn shared_namespaces_have_no_endpoints() {
        for mode in ["host", "none", "container:abc", "ns:/run/netns/x"] {
            let networks = json!({ mode: runtime() });
            assert_eq!(
                applied(mode, &networks, "1.51"),
                (json!(mode), Value::Null, vec![]),
                "{mode}"
            );
        }
    }

    /// A hardware address that was asked for would change, or be asked for twice.
    #[test]
    fn an_asked_for_hardware_address_stays() {
        let raw = json!({"NetworkSettings": {"Networks": {"bridge": runtime()}}});
        let host = json!({"NetworkMode": "default"})
            .as_object()
            .expect("an object")
            .clone();
        for (api, in_body) in [("1.41", true), ("1.44", false)] {
            let mut body = json!({"MacAddress": "02:00:00:00:00:07"})
                .as_object()
                .expect("an object")
                .clone();
            let networks = plan(&raw, ID, &host, &mut Vec::new());
            networks.apply(&mut body, &mut host.clone(), api);
            assert_eq!(body.contains_key("MacAddress"), in_body, "{api}");
            let moved = Value::Object(body);
            let at = "/NetworkingConfig/EndpointsConfig/bridge/MacAddress";
            assert_eq!(moved.pointer(at).is_some(), !in_body, "{api}");
        }
    }

    /// A candidate that is reachable where the old one was not, unsaid.
    #[test]
    fn being_connected_to_nothing_is_said() {
        let mut notes = Vec::new();
        let host = json!({"NetworkMode": "n1"})
            .as_object()
            .expect("an object")
            .clone();
        plan(
            &json!({"NetworkSettings": {"Networks": {}}}),
            ID,
            &host,
            &mut notes,
        );
        assert!(notes[0].contains("`n1`"), "{notes:?}");
    }

    /// A version that can't be read must not choose the request old engines refuse.
    #[test]
    fn api_versions() {
        for (version, several) in [
            ("1.41", false),
            ("1.43", false),
            ("1.44", true),
            ("1.100", true),
            ("2.0", true),
            ("", false),
            ("x.y", false),
        ] {
            assert_eq!(allows_several(version), several, "{version}");
        }
    }
}
