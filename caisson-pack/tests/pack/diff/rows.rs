//! One row for everything that can differ.

use edgepkg::Digest;
use edgepkg::writer::{BlobDraft, PackageDraft};
use serde_json::{Value, json};

use super::{WEB, changes, compared, draft, edited, put, service, with_config};
use crate::program::Desk;

/// Differences of the package as a whole.
fn package_rows() -> Vec<(PackageDraft, Value)> {
    let digest = |text: &str| Digest::of(text.as_bytes()).to_string();
    vec![
        (
            edited(|draft| draft.package_version = "1.1.0".into()),
            json!([["package_version", null, "1.0.0", "1.1.0"]]),
        ),
        (
            edited(|draft| draft.release = Some(7)),
            json!([["release", null, 6, 7]]),
        ),
        (
            edited(|draft| draft.release = None),
            json!([["release", null, 6, null]]),
        ),
        (
            edited(|draft| draft.mtime = 1_700_000_001),
            json!([["mtime", null, 1_700_000_000, 1_700_000_001]]),
        ),
        (
            edited(|draft| draft.live_names = true),
            json!([["live_names", null, false, true]]),
        ),
        (
            edited(|draft| draft.compatibility.engine_api_min = Some("1.41".into())),
            json!([["engine_api_min", null, null, "1.41"]]),
        ),
        (
            edited(|draft| draft.compatibility.min_updater_version = Some("0.2.0".into())),
            json!([["min_updater_version", null, null, "0.2.0"]]),
        ),
        (
            edited(|draft| {
                draft.notes = [
                    ("changelog".into(), "second".into()),
                    ("x".into(), "y".into()),
                ]
                .into();
            }),
            json!([
                ["note", "changelog", "first", "second"],
                ["note", "x", null, "y"]
            ]),
        ),
        (
            edited(|draft| draft.files[0].blob = BlobDraft::from_bytes(b"bb".to_vec())),
            json!([["file", "a.txt", {"size": 1, "digest": digest("a")}, {"size": 2, "digest": digest("bb")}]]),
        ),
        (
            edited(|draft| draft.files.clear()),
            json!([["file", "a.txt", {"size": 1, "digest": digest("a")}, null]]),
        ),
    ]
}

/// Differences of the services.
fn service_rows() -> Vec<(PackageDraft, Value)> {
    let row = |service: &str| json!({"service_revision": "r1", "image": service});
    vec![
        (
            edited(|draft| draft.services[0].service_revision = "r2".into()),
            json!([["service_revision", null, "r1", "r2"]]),
        ),
        (
            edited(|draft| draft.services.push(service("api", WEB))),
            json!([["service", null, null, row(WEB)]]),
        ),
        (
            edited(|draft| draft.services[0].service = "www".into()),
            json!([
                ["service", null, row(WEB), null],
                ["service", null, null, row(WEB)]
            ]),
        ),
        // A new tag: the same image under another name.
        (
            edited(|draft| {
                draft.services[0].image = "registry.example/web:1.1.0".into();
                draft.images[0].reference = "registry.example/web:1.1.0".into();
            }),
            json!([
                ["image", null, WEB, "registry.example/web:1.1.0"],
                ["reference", null, WEB, "registry.example/web:1.1.0"],
            ]),
        ),
    ]
}

/// Differences of the container's settings.
fn container_rows() -> Vec<(PackageDraft, Value)> {
    let set = |key: &'static str, value: Value| {
        with_config(move |config| config["config"][key] = value.clone())
    };
    vec![
        (
            set("Env", json!(["PATH=/sbin", "NEW=a=b"])),
            json!([
                ["env", "NEW", null, "a=b"],
                ["env", "PATH", "/bin", "/sbin"],
                ["env", "VERSION", "1", null]
            ]),
        ),
        (
            set("Entrypoint", json!(["/sh"])),
            json!([["entrypoint", null, null, ["/sh"]]]),
        ),
        (
            set("Cmd", Value::Null),
            json!([["cmd", null, ["/web"], null]]),
        ),
        (
            set("User", json!("1000")),
            json!([["user", null, null, "1000"]]),
        ),
        (
            set("WorkingDir", json!("/srv")),
            json!([["working_dir", null, null, "/srv"]]),
        ),
        (
            set("ExposedPorts", json!({"80/tcp": {}})),
            json!([["port", "80/tcp", null, true]]),
        ),
        (
            set("Volumes", json!({})),
            json!([["volume", "/data", true, null]]),
        ),
        (
            set("Labels", json!({"a": ""})),
            json!([["label", "a", null, ""]]),
        ),
        (
            set("Healthcheck", json!({"Test": ["NONE"]})),
            json!([["healthcheck", null, null, {"Test": ["NONE"]}]]),
        ),
        (
            set("StopSignal", json!("TERM")),
            json!([["stop_signal", null, null, "TERM"]]),
        ),
        (
            set("Shell", json!(["/sh"])),
            json!([["shell", null, null, ["/sh"]]]),
        ),
        (set("New", json!(1)), json!([["config.New", null, null, 1]])),
    ]
}

/// Differences of a config beside the container's settings.
fn image_rows() -> Vec<(PackageDraft, Value)> {
    vec![
        (
            with_config(|config| config["created"] = json!("2026-01-03T00:00:00Z")),
            json!([[
                "created",
                null,
                "2026-01-02T03:04:05Z",
                "2026-01-03T00:00:00Z"
            ]]),
        ),
        (
            with_config(|config| config["history"] = json!([])),
            json!([["history", null, [{"created_by": "one"}], null]]),
        ),
        (
            with_config(|config| config["packing"] = json!(true)),
            json!([["image.packing", null, null, true]]),
        ),
    ]
}

/// A difference that is not said is an update nobody expects; one that is said
/// twice, or in the wrong direction, is a riddle.
#[test]
fn every_difference_is_said() {
    let desk = Desk::new();
    put(&desk, "a", &draft());
    let rows = [
        package_rows(),
        service_rows(),
        container_rows(),
        image_rows(),
    ];
    let rows = rows.into_iter().flatten();
    for (number, (draft, wanted)) in rows.enumerate() {
        put(&desk, "b", &draft);
        let there = compared(&desk, "a", "b");
        assert_eq!(Value::from(changes(&there)), wanted, "row {number}");
        assert_eq!(
            (&there["event"], &there["equal"]),
            (&json!("compared"), &json!(false))
        );
        // The other way round everything is the other way round.
        let mut back: Vec<Value> = changes(&compared(&desk, "b", "a"))
            .into_iter()
            .map(|change| json!([change[0], change[1], change[3], change[2]]))
            .collect();
        let mut wanted = wanted.as_array().expect("rows").clone();
        back.sort_by_key(Value::to_string);
        wanted.sort_by_key(Value::to_string);
        assert_eq!(back, wanted, "row {number}, back");
        assert_eq!(there["new_layers"][0]["layers"], 0, "row {number}");
        let words = desk.run("diff a b").succeeded().stdout;
        assert!(words.lines().count() >= 3, "row {number}: {words}");
        assert_eq!(desk.run("diff a b --exit-code").status, 4, "row {number}");
    }
}
