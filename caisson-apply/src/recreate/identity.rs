//! What names one container and not its successor: host name and, through the
//! network mode, settings that the engine filled in from elsewhere.

use super::{Members, short_id, text};
use crate::engine::Container;

/// Drops a host name that the engine made up.
pub(super) fn clean(body: &mut Members, old: &Container, old_host: &Members) {
    let mode = text(old_host, "NetworkMode");
    // Sharing another's namespace means sharing its host name: the inspection shows
    // that one, and the engine refuses to be told it.
    let shared = mode.starts_with("container:") || text(old_host, "UTSMode") == "host";
    let made_up = text(body, "Hostname") == short_id(&old.id);
    if shared || made_up {
        body.shift_remove("Hostname");
    }
    if shared {
        body.shift_remove("Domainname");
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::super::fixture;
    use super::*;

    fn cleaned(body: &Value, host: &Value) -> Value {
        let old = fixture::container(&fixture::inspection());
        let mut body = body.as_object().expect("an object").clone();
        clean(&mut body, &old, host.as_object().expect("an object"));
        Value::Object(body)
    }

    /// The old id would be baked into the new container as its name.
    #[test]
    fn made_up_host_names_go_and_chosen_ones_stay() {
        let id = short_id(fixture::ID);
        assert_eq!(cleaned(&json!({"Hostname": id}), &json!({})), json!({}));
        let chosen = json!({"Hostname": "web-1", "Domainname": "example.org"});
        assert_eq!(cleaned(&chosen, &json!({"NetworkMode": "n1"})), chosen);
    }

    /// The engine refuses a host name beside a shared namespace.
    #[test]
    fn shared_namespaces_bring_their_own_name() {
        let body = json!({"Hostname": "other", "Domainname": "x"});
        assert_eq!(
            cleaned(&body, &json!({"NetworkMode": "container:abc"})),
            json!({})
        );
        assert_eq!(cleaned(&body, &json!({"UTSMode": "host"})), json!({}));
    }
}
