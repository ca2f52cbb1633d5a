//! The old container's data goes to the candidate: every volume by its name, also the
//! anonymous ones, for which the engine would otherwise make new, empty ones.
//!
//! A reused volume is mounted with `nocopy`: it holds the service's data, even if that
//! is nothing yet, and the new image's files must not be mixed into it.

use serde_json::{Value, json};

use super::{Members, text, texts};

/// Adds names and `nocopy` to `host`, drops from `body` what that replaces, and says
/// what both versions share.
pub(super) fn reuse(
    host: &mut Members,
    body: &mut Members,
    raw: &Value,
    podman: bool,
    notes: &mut Vec<String>,
) {
    let mounted = mounted_volumes(raw);
    // Older Podman versions refuse the option where it stands in a bind.
    if !podman {
        binds_without_copy(host);
    }
    named_mounts(host, &mounted);
    let taken = destinations(host);
    for volume in mounted
        .iter()
        .filter(|volume| !is_taken(&taken, volume.destination))
    {
        notes.push(format!(
            "the anonymous volume at `{}` is kept, mounted by its name",
            volume.destination
        ));
        mounts_of(host).push(volume.mount());
    }
    let taken = destinations(host);
    if let Some(declared) = body.get_mut("Volumes").and_then(Value::as_object_mut) {
        declared.retain(|destination, _| !is_taken(&taken, destination));
        if declared.is_empty() {
            body.shift_remove("Volumes");
        }
    }
    shared_and_writable(raw, notes);
}

/// A volume in the inspection's `Mounts`.
struct Volume<'r> {
    name: &'r str,
    destination: &'r str,
    writable: bool,
}

impl Volume<'_> {
    /// The structured form: a bind could not hold a colon in the destination.
    fn mount(&self) -> Value {
        let mut mount = json!({
            "Type": "volume",
            "Source": self.name,
            "Target": self.destination,
            "VolumeOptions": { "NoCopy": true }
        });
        if !self.writable {
            mount["ReadOnly"] = json!(true);
        }
        mount
    }
}

fn mounted_volumes(raw: &Value) -> Vec<Volume<'_>> {
    let mounts = raw.get("Mounts").and_then(Value::as_array);
    let mut volumes: Vec<Volume<'_>> = mounts
        .into_iter()
        .flatten()
        .filter_map(Value::as_object)
        .filter(|mount| text(mount, "Type") == "volume")
        .map(|mount| Volume {
            name: text(mount, "Name"),
            destination: text(mount, "Destination"),
            writable: mount.get("RW") != Some(&Value::Bool(false)),
        })
        .filter(|volume| !volume.name.is_empty() && !volume.destination.is_empty())
        .collect();
    // Engines list mounts in another order every time.
    volumes.sort_by_key(|volume| volume.destination);
    volumes
}

/// `name:/dest[:options]` gets `nocopy`; a bind of a host path has no copying.
fn binds_without_copy(host: &mut Members) {
    let binds = host.get_mut("Binds").and_then(Value::as_array_mut);
    for bind in binds.into_iter().flatten() {
        let Some(written) = bind.as_str() else {
            continue;
        };
        let parts: Vec<&str> = written.splitn(3, ':').collect();
        let (source, destination, options) = match parts.as_slice() {
            [source, destination] => (*source, *destination, ""),
            [source, destination, options] => (*source, *destination, *options),
            _ => continue,
        };
        if source.starts_with('/') || options.split(',').any(|option| option == "nocopy") {
            continue;
        }
        let comma = if options.is_empty() { "" } else { "," };
        *bind = json!(format!("{source}:{destination}:{options}{comma}nocopy"));
    }
}

/// Volumes in `HostConfig.Mounts`: one without a name gets the name it was given.
fn named_mounts(host: &mut Members, mounted: &[Volume<'_>]) {
    let mounts = host.get_mut("Mounts").and_then(Value::as_array_mut);
    for mount in mounts
        .into_iter()
        .flatten()
        .filter_map(Value::as_object_mut)
    {
        if text(mount, "Type") != "volume" {
            continue;
        }
        if text(mount, "Source").is_empty() {
            let target = plain(text(mount, "Target")).to_owned();
            let Some(volume) = mounted
                .iter()
                .find(|volume| plain(volume.destination) == target)
            else {
                continue;
            };
            mount.insert("Source".to_owned(), json!(volume.name));
        }
        let options = mount.entry("VolumeOptions").or_insert(Value::Null);
        if options.is_null() {
            *options = json!({});
        }
        if let Some(options) = options.as_object_mut() {
            options.insert("NoCopy".to_owned(), json!(true));
        }
    }
}

/// Where something is mounted already.
fn destinations(host: &Members) -> Vec<String> {
    let binds = texts(host, "Binds")
        .into_iter()
        .filter_map(|bind| bind.split(':').nth(1));
    let mounts = host.get("Mounts").and_then(Value::as_array);
    let targets = mounts
        .into_iter()
        .flatten()
        .filter_map(|mount| mount.get("Target")?.as_str());
    let tmpfs = host.get("Tmpfs").and_then(Value::as_object);
    let tmpfs = tmpfs
        .into_iter()
        .flat_map(Members::keys)
        .map(String::as_str);
    binds
        .chain(targets)
        .chain(tmpfs)
        .map(|path| plain(path).to_owned())
        .collect()
}

fn is_taken(taken: &[String], path: &str) -> bool {
    taken.iter().any(|other| other == plain(path))
}

/// Paths are compared without final slashes.
fn plain(path: &str) -> &str {
    path.trim_end_matches('/')
}

fn mounts_of(host: &mut Members) -> &mut Vec<Value> {
    let mounts = host.entry("Mounts").or_insert(Value::Null);
    if !mounts.is_array() {
        *mounts = json!([]);
    }
    mounts.as_array_mut().expect("made an array above")
}

/// The one thing a rollback can't give back.
fn shared_and_writable(raw: &Value, notes: &mut Vec<String>) {
    let mounts = raw.get("Mounts").and_then(Value::as_array);
    let mut shared: Vec<String> = mounts
        .into_iter()
        .flatten()
        .filter_map(Value::as_object)
        .filter(|mount| matches!(text(mount, "Type"), "volume" | "bind"))
        .filter(|mount| mount.get("RW") != Some(&Value::Bool(false)))
        .map(|mount| format!("`{}`", text(mount, "Destination")))
        .collect();
    shared.sort_unstable();
    if !shared.is_empty() {
        notes.push(format!(
            "both versions write to {}: what the new one writes there stays after a rollback",
            shared.join(", ")
        ));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Reuses and gives host, body and notes.
    fn reused(
        host: &Value,
        body: &Value,
        mounts: &Value,
        podman: bool,
    ) -> (Value, Value, Vec<String>) {
        let mut host = host.as_object().expect("an object").clone();
        let mut body = body.as_object().expect("an object").clone();
        let mut notes = Vec::new();
        reuse(
            &mut host,
            &mut body,
            &json!({ "Mounts": mounts }),
            podman,
            &mut notes,
        );
        (Value::Object(host), Value::Object(body), notes)
    }

    fn volume(name: &str, destination: &str, writable: bool) -> Value {
        json!({
            "Type": "volume", "Name": name, "Source": format!("/var/lib/docker/volumes/{name}/_data"),
            "Destination": destination, "Driver": "local", "Mode": "", "RW": writable, "Propagation": ""
        })
    }

    /// The engine would make a new, empty volume, and the data would lie orphaned.
    #[test]
    fn anonymous_volumes_are_mounted_by_name() {
        let mounts = json!([
            volume("abc123", "/data", true),
            volume("def456", "/ro", false)
        ]);
        let body = json!({"Volumes": {"/data": {}, "/other": {}}});
        let (host, body, notes) = reused(&json!({"Binds": null}), &body, &mounts, false);
        assert_eq!(
            host["Mounts"],
            json!([
                {"Type": "volume", "Source": "abc123", "Target": "/data", "VolumeOptions": {"NoCopy": true}},
                {"Type": "volume", "Source": "def456", "Target": "/ro", "VolumeOptions": {"NoCopy": true}, "ReadOnly": true},
            ])
        );
        assert_eq!(body, json!({"Volumes": {"/other": {}}}));
        assert!(notes[0].contains("`/data`"), "{notes:?}");
        let (_, body, _) = reused(
            &json!({}),
            &json!({"Volumes": {"/data": {}}}),
            &mounts,
            false,
        );
        assert_eq!(body, json!({}));
    }

    /// The new image's files would be copied into a volume that is still empty.
    #[test]
    fn named_volumes_are_not_filled_from_the_new_image() {
        let host = json!({"Binds": ["db:/db", "logs:/logs:ro", "x:/x:nocopy", "/srv:/srv:rw"]});
        let mounts = json!([
            volume("db", "/db", true),
            volume("logs", "/logs", false),
            volume("x", "/x/", true)
        ]);
        let (host, _, _) = reused(&host, &json!({}), &mounts, false);
        assert_eq!(
            host,
            json!({
                "Binds": ["db:/db:nocopy", "logs:/logs:ro,nocopy", "x:/x:nocopy", "/srv:/srv:rw"]
            })
        );
    }

    /// A bind option that the engine refuses would make every update fail.
    #[test]
    fn podman_binds_stay_as_they_are() {
        let host = json!({"Binds": ["0123:/data:rprivate,rw,nodev,nosuid,rbind"]});
        let mounts = json!([volume("0123", "/data", true)]);
        assert_eq!(reused(&host, &json!({}), &mounts, true).0, host);
    }

    /// A structured mount without a name would become a new volume.
    #[test]
    fn structured_mounts_get_their_name() {
        let host = json!({"Mounts": [
            {"Type": "volume", "Target": "/data"},
            {"Type": "volume", "Source": "db", "Target": "/db", "VolumeOptions": {"Labels": {"a": "b"}}},
            {"Type": "volume", "Target": "/gone"},
            {"Type": "bind", "Source": "/srv", "Target": "/srv"},
        ]});
        let mounts = json!([volume("abc123", "/data", true), volume("db", "/db", true)]);
        let (host, _, _) = reused(&host, &json!({}), &mounts, false);
        assert_eq!(
            host["Mounts"],
            json!([
                {"Type": "volume", "Target": "/data", "Source": "abc123", "VolumeOptions": {"NoCopy": true}},
                {"Type": "volume", "Source": "db", "Target": "/db", "VolumeOptions": {"Labels": {"a": "b"}, "NoCopy": true}},
                {"Type": "volume", "Target": "/gone"},
                {"Type": "bind", "Source": "/srv", "Target": "/srv"},
            ])
        );
    }

    /// A mount over a tmpfs or a host path would be a duplicate, which engines refuse.
    #[test]
    fn a_destination_is_mounted_once() {
        let host = json!({"Binds": ["/srv:/a/"], "Tmpfs": {"/b": ""}});
        let mounts = json!([volume("v1", "/a", true), volume("v2", "/b/", true)]);
        assert_eq!(reused(&host, &json!({}), &mounts, false).0, host);
    }

    /// The person would believe a rollback brings the data back.
    #[test]
    fn shared_writable_data_is_said() {
        let mounts = json!([
            volume("db", "/db", true), volume("ro", "/ro", false),
            {"Type": "bind", "Source": "/srv", "Destination": "/srv", "RW": true},
            {"Type": "tmpfs", "Destination": "/tmp", "RW": true},
        ]);
        let host = json!({"Binds": ["db:/db", "ro:/ro:ro", "/srv:/srv"], "Tmpfs": {"/tmp": ""}});
        let (_, _, notes) = reused(&host, &json!({}), &mounts, false);
        assert_eq!(notes.len(), 1);
        assert!(
            notes[0].starts_with("both versions write to `/db`, `/srv`:"),
            "{notes:?}"
        );
    }

    /// Mounts that aren't what the API promises must not panic.
    #[test]
    fn odd_inspections_are_survived() {
        for mounts in [
            json!(null),
            json!(7),
            json!([1, null, {}]),
            json!([{"Type": "volume"}]),
        ] {
            let host = json!({"Mounts": 3, "Binds": [1, "alone", ":"], "Tmpfs": []});
            let (after, _, _) = reused(&host, &json!({"Volumes": 1}), &mounts, false);
            assert_eq!(after["Mounts"], json!(3));
        }
    }
}
