//! The first install: a JSON body of `POST /containers/create` that the device's owner
//! wrote, for a service that has no container yet.
//!
//! Carried as written but for the image, which comes from the package, and the restart
//! policy, which waits for the commit. The owner is trusted; what is refused here would
//! make the second update fail, or hide a mistake.

use serde_json::{Value, json};

use super::{CandidateSpec, DEFAULT_GRACE_SECS, Members, networks, policy_json, refusals, text};
use crate::engine::RestartPolicy;
use crate::error::{Code, Error};
use crate::name::LABEL_PREFIX;

/// Longest create file: 256 KiB is far above any create request.
const TEXT_BYTES_MAX: usize = 256 * 1024;

/// Reads a create file. The caller adds its path to an error.
///
/// # Errors
/// [`Code::Catalog`]: the file is part of the device's configuration.
pub fn from_create_file(text: &str, api_version: &str) -> Result<CandidateSpec, Error> {
    let mut body = object(text)?;
    let mut notes = Vec::new();
    if body.shift_remove("Image").is_some() {
        notes.push(
            "the `Image` of the create file is not used: the package brings the image".to_owned(),
        );
    }
    for key in ["Name", "name"] {
        if body.contains_key(key) {
            return Err(refused(format!("`{key}` in the create file"))
                .wanted("no name: the catalog's `container_name` names the container"));
        }
    }
    refuse_labels(&body)?;
    let mut host = section(&body, "HostConfig")?;
    if host.get("AutoRemove") == Some(&Value::Bool(true)) {
        return Err(refused("`HostConfig.AutoRemove` in the create file")
            .wanted("a container that stays when it stops"));
    }
    let configured_policy = policy(&host)?;
    host.insert(
        "RestartPolicy".to_owned(),
        policy_json(&RestartPolicy::no()),
    );
    let further_networks = split_networks(&mut body, &mut host, api_version)?;
    body.insert("HostConfig".to_owned(), Value::Object(host));
    let grace_secs = grace(&body)?;
    Ok(CandidateSpec {
        body: Value::Object(body),
        further_networks,
        notes,
        grace_secs,
        configured_policy,
    })
}

fn refused(what: impl std::fmt::Display) -> Error {
    Error::new(Code::Catalog, format!("refusing {what}"))
}

fn object(text: &str) -> Result<Members, Error> {
    if text.len() > TEXT_BYTES_MAX {
        return Err(refused("a create file of this size")
            .found(format!("{} bytes", text.len()))
            .wanted(format!("at most {TEXT_BYTES_MAX} bytes")));
    }
    let wanted = "a JSON object, the body of `POST /containers/create`";
    match serde_json::from_str(text) {
        Ok(Value::Object(body)) => Ok(body),
        Ok(_) => Err(refused("a create file that isn't a JSON object").wanted(wanted)),
        Err(error) => Err(refused("a create file that isn't JSON")
            .found(error.to_string())
            .wanted(wanted)),
    }
}

/// An object member; absent and null count as empty.
fn section(body: &Members, key: &str) -> Result<Members, Error> {
    match body.get(key) {
        None | Some(Value::Null) => Ok(Members::new()),
        Some(Value::Object(members)) => Ok(members.clone()),
        Some(other) => Err(refused(format!("`{key}` in the create file"))
            .found(other.to_string())
            .wanted("an object")),
    }
}

fn refuse_labels(body: &Members) -> Result<(), Error> {
    let labels = section(body, "Labels")?;
    if let Some(key) = labels.keys().find(|key| key.starts_with(LABEL_PREFIX)) {
        return Err(refused(format!("the label `{key}` in the create file"))
            .wanted(format!("no label that starts with `{LABEL_PREFIX}`")));
    }
    let reasons = refusals::driven_by(Some(&Value::Object(labels)));
    if reasons.is_empty() {
        return Ok(());
    }
    Err(refused("a create file with labels of another program").found(reasons.join("; ")))
}

/// The restart policy the service gets once it works.
fn policy(host: &Members) -> Result<RestartPolicy, Error> {
    let written = section(host, "RestartPolicy")?;
    let name = match text(&written, "Name") {
        "" => "no",
        name @ ("no" | "always" | "unless-stopped" | "on-failure") => name,
        other => {
            return Err(refused("the restart policy of the create file")
                .found(format!("`{other}`"))
                .wanted("`no`, `always`, `unless-stopped` or `on-failure`"));
        }
    };
    let count = written.get("MaximumRetryCount").unwrap_or(&Value::Null);
    let maximum_retry_count = match count {
        Value::Null => 0,
        count => count.as_u64().ok_or_else(|| {
            refused("`MaximumRetryCount` in the create file")
                .found(count.to_string())
                .wanted("a whole number")
        })?,
    };
    if maximum_retry_count > 0 && name != "on-failure" {
        return Err(refused("`MaximumRetryCount` in the create file")
            .found(format!("policy `{name}`"))
            .wanted("the policy `on-failure`, the only one that counts"));
    }
    Ok(RestartPolicy {
        name: name.to_owned(),
        maximum_retry_count,
    })
}

/// Before API 1.44, only the network that `NetworkMode` names stays in the body.
fn split_networks(
    body: &mut Members,
    host: &mut Members,
    api_version: &str,
) -> Result<Vec<(String, Value)>, Error> {
    let networking = section(body, "NetworkingConfig")?;
    let mut endpoints = section(&networking, "EndpointsConfig")?;
    if endpoints.len() < 2 || networks::allows_several(api_version) {
        return Ok(Vec::new());
    }
    let mode = text(host, "NetworkMode");
    let Some(first) = endpoints.shift_remove_entry(mode) else {
        return Err(
            refused("several networks in the create file without a first one")
                .found(format!("`HostConfig.NetworkMode` is `{mode}`"))
                .wanted("one of the networks of `NetworkingConfig.EndpointsConfig`"),
        );
    };
    let mut only = Members::new();
    only.insert(first.0, first.1);
    body.insert(
        "NetworkingConfig".to_owned(),
        json!({ "EndpointsConfig": only }),
    );
    Ok(endpoints
        .into_iter()
        .map(|(name, settings)| {
            (
                name,
                if settings.is_null() {
                    json!({})
                } else {
                    settings
                },
            )
        })
        .collect())
}

fn grace(body: &Members) -> Result<u64, Error> {
    match body.get("StopTimeout") {
        None | Some(Value::Null) => Ok(DEFAULT_GRACE_SECS),
        Some(written) => written.as_u64().ok_or_else(|| {
            refused("`StopTimeout` in the create file")
                .found(written.to_string())
                .wanted("seconds, 0 or more")
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: &str = r#"{
        "Image": "ignored:1", "Env": ["A=1"], "StopTimeout": 30, "Labels": {"owner": "me"},
        "ExposedPorts": {"8080/tcp": {}},
        "HostConfig": {
            "PortBindings": {"8080/tcp": [{"HostPort": "8080"}]},
            "RestartPolicy": {"Name": "on-failure", "MaximumRetryCount": 3},
            "NetworkMode": "n1"
        },
        "NetworkingConfig": {"EndpointsConfig": {"n0": null, "n1": {"Aliases": ["w"]}}}
    }"#;

    fn error(text: &str) -> Error {
        from_create_file(text, "1.41").expect_err(text)
    }

    /// The first install would come up with another image, or restart before it is probed.
    #[test]
    fn image_and_policy_wait_and_the_rest_is_carried() {
        let spec = from_create_file(FILE, "1.41").expect("valid");
        assert_eq!(spec.body.get("Image"), None);
        assert_eq!(
            spec.body["HostConfig"]["RestartPolicy"],
            json!({"Name": "no", "MaximumRetryCount": 0})
        );
        assert_eq!(
            spec.configured_policy,
            RestartPolicy {
                name: "on-failure".to_owned(),
                maximum_retry_count: 3
            }
        );
        assert_eq!(
            spec.body["HostConfig"]["PortBindings"]["8080/tcp"][0]["HostPort"],
            "8080"
        );
        assert_eq!(spec.body["Env"], json!(["A=1"]));
        assert_eq!(spec.grace_secs, 30);
        assert_eq!(spec.notes.len(), 1);
        assert_eq!(
            spec.body["NetworkingConfig"],
            json!({"EndpointsConfig": {"n1": {"Aliases": ["w"]}}})
        );
        assert_eq!(spec.further_networks, vec![("n0".to_owned(), json!({}))]);
    }

    /// A newer engine takes all networks at once.
    #[test]
    fn networks_stay_together_from_1_44_on() {
        let spec = from_create_file(FILE, "1.44").expect("valid");
        assert_eq!(
            spec.body["NetworkingConfig"]["EndpointsConfig"]
                .as_object()
                .expect("there")
                .len(),
            2
        );
        assert!(spec.further_networks.is_empty());
    }

    /// The smallest file means: all defaults, no restart.
    #[test]
    fn an_empty_object_is_enough() {
        let spec = from_create_file("{}", "1.41").expect("valid");
        assert_eq!(spec.configured_policy, RestartPolicy::no());
        assert_eq!(spec.grace_secs, 10);
    }

    /// Each of these would surprise at the first start, or at the second update.
    #[test]
    fn mistakes_are_refused() {
        let bad = [
            "",
            "[]",
            "7",
            "{",
            "{\"HostConfig\": 1}",
            "{\"Name\": \"web\"}",
            "{\"Labels\": []}",
            r#"{"HostConfig": {"AutoRemove": true}}"#,
            r#"{"HostConfig": {"RestartPolicy": {"Name": "sometimes"}}}"#,
            r#"{"HostConfig": {"RestartPolicy": {"Name": "always", "MaximumRetryCount": 2}}}"#,
            r#"{"HostConfig": {"RestartPolicy": {"Name": "on-failure", "MaximumRetryCount": -2}}}"#,
            r#"{"Labels": {"local.caisson.role": "x"}}"#,
            r#"{"Labels": {"com.docker.compose.project": "x"}}"#,
            r#"{"StopTimeout": -1}"#,
            r#"{"NetworkingConfig": {"EndpointsConfig": {"a": {}, "b": {}}}}"#,
        ];
        for text in bad {
            assert_eq!(error(text).code, Code::Catalog, "{text}");
        }
        let deep = format!("{}1{}", "[".repeat(100_000), "]".repeat(100_000));
        assert_eq!(error(&deep).code, Code::Catalog);
        assert_eq!(error(&" ".repeat(TEXT_BYTES_MAX + 1)).code, Code::Catalog);
    }

    /// A cut file must be answered, never taken for a whole one.
    #[test]
    fn every_truncation_is_refused() {
        for cut in 0..FILE.len() {
            assert!(
                from_create_file(&FILE[..cut], "1.41").is_err(),
                "cut at {cut}"
            );
        }
    }
}
