//! What names may look like: services, references, versions, keys, files.
//!
//! Each rule is one pure function over a text. They are narrow on purpose:
//! every name in a package is ASCII, so no two names look alike on a screen,
//! none needs escaping in TOML, JSON, a tar header or an image tag, and none
//! can leave a folder.

use crate::limits::{
    FEATURE_NAME_MAX, FILE_NAME_MAX, NOTE_KEY_MAX, REFERENCE_MAX, SERVICE_NAME_MAX,
    SERVICE_REVISION_MAX, TAG_MAX, VERSION_MAX,
};

/// A service's name: a letter or digit, then letters, digits, `.`, `_`, `-`.
pub fn is_service(text: &str) -> bool {
    text.len() <= SERVICE_NAME_MAX && starts_alphanumeric_then(text, b"._-")
}

/// A service's revision: like a service's name, and `:`, `+`, `@`, `/` inside.
pub fn is_service_revision(text: &str) -> bool {
    text.len() <= SERVICE_REVISION_MAX && starts_alphanumeric_then(text, b"._-:+@/")
}

/// A semantic version, spelled as the rules of semver.org spell it.
pub fn is_version(text: &str) -> bool {
    text.len() <= VERSION_MAX && semver::Version::parse(text).is_ok()
}

/// A Docker API version: two numbers without leading zeros, such as `1.41`.
pub fn is_engine_api(text: &str) -> bool {
    let is_number = |part: &str| {
        (1..=3).contains(&part.len())
            && part.bytes().all(|byte| byte.is_ascii_digit())
            && (part == "0" || !part.starts_with('0'))
    };
    text.split_once('.')
        .is_some_and(|(major, minor)| is_number(major) && is_number(minor))
}

/// A feature's name in `requires`: a lower-case letter, then lower-case
/// letters, digits and `_`.
pub fn is_feature(text: &str) -> bool {
    text.len() <= FEATURE_NAME_MAX
        && text.bytes().enumerate().all(|(position, byte)| {
            byte.is_ascii_lowercase() || position > 0 && (byte.is_ascii_digit() || byte == b'_')
        })
        && !text.is_empty()
}

/// A note's key: lower-case letters, digits, `_` and `-`.
pub fn is_note_key(text: &str) -> bool {
    (1..=NOTE_KEY_MAX).contains(&text.len())
        && text
            .bytes()
            .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"_-".contains(&byte))
}

/// A name after `files/`: letters, digits, `.`, `_`, `-`, but not `.` or `..`.
pub fn is_file(text: &str) -> bool {
    (1..=FILE_NAME_MAX).contains(&text.len())
        && text != "."
        && text != ".."
        && text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte))
}

/// A name of a signature entry: `signatures/`, 16 upper-case hexadecimal
/// digits, `.minisig`.
pub fn is_signature_path(text: &str) -> bool {
    text.strip_prefix("signatures/")
        .and_then(|rest| rest.strip_suffix(".minisig"))
        .is_some_and(|key_id| {
            key_id.len() == 16
                && key_id
                    .bytes()
                    .all(|byte| byte.is_ascii_digit() || (b'A'..=b'F').contains(&byte))
        })
}

/// An image reference, taken apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reference<'a> {
    /// The registry, with its port, where the reference names one.
    pub domain: Option<&'a str>,
    /// The path below the registry.
    pub path: &'a str,
    /// The tag.
    pub tag: &'a str,
}

/// Takes an image reference apart: `[domain/]path:tag`. The tag must be there
/// and a digest must not, because a package is the image under one name. A
/// first component with a dot, a colon or an upper-case letter, or
/// `localhost`, is the domain, as in docker's own rule.
pub fn parse_reference(text: &str) -> Option<Reference<'_>> {
    if text.len() > REFERENCE_MAX {
        return None;
    }
    let (repository, tag) = text.rsplit_once(':')?;
    if !is_tag(tag) {
        return None;
    }
    let (domain, path) = match repository.split_once('/') {
        Some((first, rest)) if is_domain_by_form(first) => (Some(first), rest),
        _ => (None, repository),
    };
    let sound = domain.is_none_or(is_domain) && path.split('/').all(is_path_component);
    sound.then_some(Reference { domain, path, tag })
}

fn is_domain_by_form(first: &str) -> bool {
    first == "localhost"
        || first
            .bytes()
            .any(|byte| byte == b'.' || byte == b':' || byte.is_ascii_uppercase())
}

fn is_domain(domain: &str) -> bool {
    let (host, port) = match domain.split_once(':') {
        Some((host, port)) => (host, Some(port)),
        None => (domain, None),
    };
    let is_label = |label: &str| {
        !label.is_empty()
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
    };
    host.split('.').all(is_label)
        && port.is_none_or(|port| {
            (1..=5).contains(&port.len()) && port.bytes().all(|byte| byte.is_ascii_digit())
        })
}

/// Runs of lower-case letters and digits, joined by `.`, `_`, `__` or dashes.
fn is_path_component(component: &str) -> bool {
    let is_word = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let mut rest = component.as_bytes();
    loop {
        let word = rest.iter().take_while(|byte| is_word(**byte)).count();
        if word == 0 {
            return false;
        }
        rest = &rest[word..];
        if rest.is_empty() {
            return true;
        }
        let joint = rest.iter().take_while(|byte| !is_word(**byte)).count();
        let (joint_bytes, after) = rest.split_at(joint);
        let sound = matches!(joint_bytes, b"." | b"_" | b"__")
            || joint_bytes.iter().all(|byte| *byte == b'-');
        if !sound {
            return false;
        }
        rest = after;
    }
}

fn is_tag(tag: &str) -> bool {
    (1..=TAG_MAX).contains(&tag.len())
        && !tag.starts_with(['.', '-'])
        && tag
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte))
}

fn starts_alphanumeric_then(text: &str, others: &[u8]) -> bool {
    text.bytes().enumerate().all(|(position, byte)| {
        byte.is_ascii_alphanumeric() || position > 0 && others.contains(&byte)
    }) && !text.is_empty()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A name that leaves its folder, hides, or needs escaping must not pass.
    #[test]
    fn names_are_narrow() {
        assert!(is_service("web") && is_service("Web.1_a-b") && is_service("7"));
        for text in ["", "-a", ".a", "a b", "a/b", "é", "a\n", &"a".repeat(65)] {
            assert!(!is_service(text), "{text:?}");
        }
        assert!(is_service_revision("r1") && is_service_revision("hw:2/rev+3@x"));
        assert!(!is_service_revision("/r1") && !is_service_revision("r\"1"));
        assert!(is_file("a.txt") && is_file(".hidden") && is_file(&"a".repeat(90)));
        for text in ["", ".", "..", "a/b", "a b", "ä", &"a".repeat(91)] {
            assert!(!is_file(text), "{text:?}");
        }
        assert!(is_note_key("built-by_2") && !is_note_key("A") && !is_note_key("a.b"));
        assert!(is_feature("thin_2") && !is_feature("2thin") && !is_feature(""));
        assert!(is_signature_path("signatures/0123456789ABCDEF.minisig"));
        assert!(!is_signature_path("signatures/0123456789abcdef.minisig"));
        assert!(!is_signature_path("signatures/0123456789ABCDE.minisig"));
    }

    /// A version in a second spelling would break "same version" on a device.
    #[test]
    fn versions_have_one_spelling() {
        for text in ["1.2.3", "0.1.0-alpha.1", "1.0.0+git.abc"] {
            assert!(is_version(text), "{text}");
        }
        for text in [
            "", "1.2", "01.2.3", "v1.2.3", " 1.2.3", "1.2.3 ", "1.2.3-01",
        ] {
            assert!(!is_version(text), "{text}");
        }
        assert!(!is_version(&format!("1.2.3-{}", "a".repeat(100))));
        assert!(is_engine_api("1.41") && is_engine_api("2.0"));
        for text in ["1", "1.", ".1", "01.4", "1.041", "1.4.1", "1.4444"] {
            assert!(!is_engine_api(text), "{text}");
        }
    }

    /// A reference that an engine would read differently, or reject, must not
    /// get into a package.
    #[test]
    fn references_are_taken_apart_as_docker_does() {
        fn parts(text: &str) -> Option<(Option<&str>, &str, &str)> {
            parse_reference(text).map(|r| (r.domain, r.path, r.tag))
        }
        assert_eq!(parts("web:1.2.0"), Some((None, "web", "1.2.0")));
        assert_eq!(parts("team/web:1"), Some((None, "team/web", "1")));
        assert_eq!(
            parts("Reg.example:5000/team/web-x__y.z:A_1"),
            Some((Some("Reg.example:5000"), "team/web-x__y.z", "A_1"))
        );
        assert_eq!(
            parts("localhost/web:1"),
            Some((Some("localhost"), "web", "1"))
        );
        for text in [
            "",
            "web",
            "web:",
            ":1",
            "web:1:2",
            "Web:1",
            "a//b:1",
            "a/:1",
            "/a:1",
            "a_-b:1",
            "a___b:1",
            "a..b:1",
            "-a:1",
            "a-:1",
            "web:-1",
            "web:.1",
            "reg.example:x/web:1",
            "reg.example:/web:1",
            "-reg.example/web:1",
            "web@sha256:aa",
            "w eb:1",
            "[::1]:5/web:1",
        ] {
            assert_eq!(parts(text), None, "{text:?}");
        }
        assert_eq!(parts(&format!("web:{}", "1".repeat(96))), None);
        assert_eq!(parts(&format!("{}:1", "a".repeat(200))), None);
    }
}
