//! Whole catalogs, good and bad.

use super::*;

const VERSION_1: &str = r#"catalog_version = 1

[[services]]
name = "frontend"
service_revision = "frontend-v1"
platform = "linux/amd64"
runtime_mode = "docker"

[services.docker]
container_name = "frontend"
image_reference = "example/frontend:current"

[services.health_check]
kind = "container_health"
timeout_secs = 45
poll_interval_secs = 3

[services.rollback]
automatic = true

[[services]]
name = "backend"
service_revision = "backend-v2"
platform = "linux/amd64"
runtime_mode = "compose"

[services.compose]
project = "caisson-stack"
file = "compose/backend.compose.yaml"
service = "backend"
"#;

const VERSION_2: &str = r#"catalog_version = 2

[[services]]
name = "web"
service_revision = "web-r1"
platform = "linux/arm64"

[services.docker]
container_name = "web"
image_reference = "example.com/shop/web:live"
create_file = "web.json"

[services.probe]
all_of = ["running", "http"]
start_timeout_secs = 90
interval_secs = 2
successes = 3
stable_secs = 20
restarts_allowed = 1

[services.probe.http]
url = "http://127.0.0.1:8080/health"
method = "GET"
status = 204
body_contains = "ok"
timeout_secs = 7

[[services]]
name = "db"
service_revision = "db-r1"
platform = "linux/arm64"
docker = { container_name = "db" }
"#;

fn parse(text: &str) -> Result<Catalog, Error> {
    Catalog::parse(text, Path::new("/etc/caisson/services.toml"))
}

/// Parses `VERSION_2` with one piece replaced, and gives the refusal.
fn refused(from: &str, to: &str) -> Error {
    assert!(VERSION_2.contains(from), "the test's own text lacks {from}");
    parse(&VERSION_2.replacen(from, to, 1)).expect_err(to)
}

/// A version 1 file would change its meaning with the new program.
#[test]
fn version_1_is_read_as_written() {
    let catalog = parse(VERSION_1).expect("valid");
    assert_eq!(catalog.version, 1);
    let frontend = catalog.service("frontend").expect("there");
    let target = frontend.docker().expect("docker mode");
    assert_eq!(target.container_name, "frontend");
    assert_eq!(
        target.image_reference.as_deref(),
        Some("example/frontend:current")
    );
    assert_eq!(target.create_file, None);
    let expected = ProbeSettings {
        all_of: Some(vec![ProbeKind::ContainerHealth]),
        start_timeout_secs: 45,
        interval_secs: 3,
        ..ProbeSettings::default()
    };
    assert_eq!(frontend.probe, expected);
    let backend = catalog.service("backend").expect("there");
    let Mode::Compose { file, .. } = &backend.mode else {
        panic!("{backend:?}")
    };
    assert_eq!(file, Path::new("/etc/caisson/compose/backend.compose.yaml"));
    assert_eq!(
        backend.docker().expect_err("compose").code,
        Code::ModeUnsupported
    );
    assert_eq!(catalog.service("nobody"), None);
}

/// A setting of version 2 would be dropped on the way.
#[test]
fn version_2_is_read_whole() {
    let catalog = parse(VERSION_2).expect("valid");
    let web = catalog.service("web").expect("there");
    assert_eq!(
        web.docker().expect("docker").create_file.as_deref(),
        Some(Path::new("/etc/caisson/web.json"))
    );
    let expected = ProbeSettings {
        all_of: Some(vec![ProbeKind::Running, ProbeKind::Http]),
        start_timeout_secs: 90,
        interval_secs: 2,
        successes: 3,
        stable_secs: 20,
        restarts_allowed: 1,
        http: Some(HttpProbe {
            url: "http://127.0.0.1:8080/health".to_owned(),
            method: HttpMethod::Get,
            status: 204,
            body_contains: Some("ok".to_owned()),
            timeout_secs: 7,
        }),
    };
    assert_eq!(web.probe, expected);
    assert_eq!(
        catalog.service("db").expect("there").probe,
        ProbeSettings::default()
    );
}

/// A journal row written by one version of the program could not be read by the next.
#[test]
fn an_entry_survives_the_journal() {
    for text in [VERSION_1, VERSION_2] {
        let catalog = parse(text).expect("valid");
        let json = serde_json::to_string(&catalog).expect("writes");
        assert_eq!(
            serde_json::from_str::<Catalog>(&json).expect("reads"),
            catalog
        );
    }
    let json = serde_json::to_value(&parse(VERSION_2).expect("valid").services[0]).expect("writes");
    assert_eq!(json["mode"]["docker"]["container_name"], "web");
    assert_eq!(json["probe"]["all_of"][1], "http");
}

/// A file cut anywhere would panic, or be taken for a whole one in the middle of a key.
#[test]
fn every_truncation_is_answered() {
    for text in [VERSION_1, VERSION_2] {
        for cut in 0..text.len() {
            if let Err(error) = parse(&text[..cut]) {
                assert!(error.place.is_some(), "cut at {cut}: {error:?}");
                assert!(!error.what.is_empty());
            }
        }
    }
}

/// A damaged byte would panic: every byte replaced by several awkward ones.
#[test]
fn every_damaged_byte_is_answered() {
    for text in [VERSION_1, VERSION_2] {
        for at in 0..text.len() {
            for awkward in ["\0", "\"", "\n", "[", "{", "=", "\u{e9}", "9"] {
                let mut damaged = text.to_owned();
                damaged.replace_range(at..=at, awkward);
                let _ = parse(&damaged);
            }
        }
    }
}

/// A misspelt key would be skipped, and the probe it configures with it.
#[test]
fn unknown_keys_name_their_line_and_the_nearest_known_one() {
    let error = refused("stable_secs", "stabel_secs");
    assert_eq!(error.code, Code::Catalog);
    assert_eq!(error.what, "unknown key `stabel_secs` in [services.probe]");
    assert_eq!(
        error.place.as_deref(),
        Some("/etc/caisson/services.toml, line 18")
    );
    assert_eq!(error.next.as_deref(), Some("did you mean `stable_secs`?"));

    let error = refused("catalog_version = 2", "catalog_version = 2\nextra = 1");
    assert_eq!(
        error.place.as_deref(),
        Some("/etc/caisson/services.toml, line 2")
    );
    assert_eq!(
        error.wanted.as_deref(),
        Some("one of: catalog_version, services")
    );

    let error = refused("container_name = \"web\"", "contaner_name = \"web\"");
    assert!(
        error.what.contains("unknown key `contaner_name`"),
        "{error:?}"
    );
}

/// Keys of version 2 in a version 1 file would be ignored or called unknown.
#[test]
fn version_2_keys_in_a_version_1_file_say_so() {
    let mut plain = VERSION_1.replace("automatic = true", "automatic = true\n[services.probe]");
    let error = parse(&plain).expect_err("probe table");
    assert_eq!(error.code, Code::CatalogVersion);
    assert!(error.next.expect("a hint").contains("catalog_version = 2"));

    plain = VERSION_1.replace(
        "[services.docker]",
        "[services.docker]\ncreate_file = \"x\"",
    );
    assert_eq!(
        parse(&plain).expect_err("create_file").code,
        Code::CatalogVersion
    );

    plain = VERSION_1.replace("kind = \"container_health\"", "kind = \"http\"");
    assert_eq!(parse(&plain).expect_err("http").code, Code::CatalogVersion);

    let error = refused("[services.probe]", "[services.health_check]");
    assert_eq!(error.code, Code::Catalog);
    assert!(error.next.expect("a hint").contains("[services.probe]"));
}

/// A probe of a later version would be accepted and never run.
#[test]
fn later_probes_are_known_and_refused() {
    for word in ["tcp", "exec", "oneshot"] {
        let error = refused("\"http\"]", &format!("\"http\", \"{word}\"]"));
        assert_eq!(
            error.what,
            format!("the probe `{word}` is not supported yet")
        );
        let error = refused(
            "[services.probe.http]",
            &format!("[services.probe.{word}]\n[services.probe.http]"),
        );
        assert_eq!(
            error.what,
            format!("the probe `{word}` is not supported yet")
        );
    }
}

/// Each of these would run a probe that can't pass, or none at all.
#[test]
fn bad_settings_are_refused() {
    let cases = [
        ("catalog_version = 2", "catalog_version = 3"),
        ("catalog_version = 2", "catalog_version = \"2\""),
        ("catalog_version = 2", "catalog_version = -1"),
        ("catalog_version = 2", ""),
        ("name = \"web\"", "name = \"\""),
        ("name = \"web\"", "name = \"we b\""),
        ("name = \"web\"", "name = 7"),
        ("name = \"db\"", "name = \"web\""),
        ("container_name = \"db\"", "container_name = \"web\""),
        (
            "container_name = \"db\"",
            "container_name = \"web.caisson-old\"",
        ),
        ("service_revision = \"web-r1\"", ""),
        ("platform = \"linux/arm64\"", "platform = \"arm64\""),
        (
            "platform = \"linux/arm64\"",
            "platform = \"linux/arm64\"\nruntime_mode = \"podman\"",
        ),
        (
            "platform = \"linux/arm64\"",
            "platform = \"linux/arm64\"\nruntime_mode = \"compose\"",
        ),
        ("docker = { container_name = \"db\" }", ""),
        ("docker = { container_name = \"db\" }", "docker = 1"),
        ("create_file = \"web.json\"", "create_file = \"\""),
        ("[\"running\", \"http\"]", "[]"),
        ("[\"running\", \"http\"]", "[\"running\"]"),
        ("[\"running\", \"http\"]", "[\"http\", \"http\"]"),
        ("[\"running\", \"http\"]", "[\"pings\"]"),
        ("[\"running\", \"http\"]", "[1]"),
        ("[\"running\", \"http\"]", "\"http\""),
        ("all_of = [\"running\", \"http\"]", ""),
        ("interval_secs = 2", "interval_secs = 0"),
        ("interval_secs = 2", "interval_secs = 1.5"),
        (
            "interval_secs = 2",
            "interval_secs = 99999999999999999999999",
        ),
        ("successes = 3", "successes = 0"),
        ("stable_secs = 20", "stable_secs = 86401"),
        (
            "http://127.0.0.1:8080/health",
            "https://127.0.0.1:8080/health",
        ),
        ("method = \"GET\"", "method = \"POST\""),
        ("method = \"GET\"", "method = \"HEAD\""),
        ("status = 204", "status = 20"),
        ("body_contains = \"ok\"", "body_contains = \"\""),
        ("timeout_secs = 7", "timeout_secs = 0"),
    ];
    for (from, to) in cases {
        let error = refused(from, to);
        assert_eq!(error.code, Code::Catalog, "{to}: {error:?}");
        let place = error.place.expect(to);
        assert!(
            place.starts_with("/etc/caisson/services.toml, line "),
            "{to}: {place}"
        );
    }
}

/// Two keys of one name: which one counts must not be a guess.
#[test]
fn a_key_given_twice_is_refused() {
    let error = refused("successes = 3", "successes = 3\nsuccesses = 4");
    assert_eq!(error.what, "the service catalog is not valid TOML");
    assert_eq!(
        error.place.as_deref(),
        Some("/etc/caisson/services.toml, line 18")
    );
}

/// A file that nests or grows without end would eat the memory or the stack.
#[test]
fn absurd_files_are_refused() {
    let deep = format!("catalog_version = 2\nx = {}", "[".repeat(100_000));
    assert_eq!(parse(&deep).expect_err("deep").code, Code::Catalog);
    let long = " ".repeat(TEXT_BYTES_MAX + 1);
    assert_eq!(
        parse(&long).expect_err("long").found.expect("bytes"),
        "1048577 bytes"
    );
}

/// A device that spells its platform otherwise would refuse every package.
#[test]
fn platforms_are_normalized() {
    let text = VERSION_2.replace("linux/arm64", "linux/aarch64");
    assert_eq!(
        parse(&text).expect("valid").services[0].platform,
        "linux/arm64"
    );
}

/// An empty catalog is a device without services, not a mistake.
#[test]
fn no_services_is_allowed() {
    assert!(
        parse("catalog_version = 2")
            .expect("valid")
            .services
            .is_empty()
    );
}
