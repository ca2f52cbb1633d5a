//! Names that leave the catalog: into engine calls, tags, rows and messages.

/// Longest service name, in bytes: it becomes part of a retention tag.
pub(super) const SERVICE_NAME_BYTES_MAX: usize = 64;

/// Longest container name, in bytes. We append up to 17 bytes (`.caisson-previous`),
/// and the sum stays within 128.
pub(super) const CONTAINER_NAME_BYTES_MAX: usize = 128 - ".caisson-previous".len();

/// Longest revision, platform or image reference, in bytes.
const TEXT_BYTES_MAX: usize = 255;

/// What a container name must never hold: our own suffixes start with it.
const RESERVED: &str = ".caisson-";

/// Why a service name is refused; `None` if it is fine.
pub(super) fn service_name_problem(name: &str) -> Option<String> {
    if name.len() > SERVICE_NAME_BYTES_MAX {
        return Some(format!("at most {SERVICE_NAME_BYTES_MAX} bytes"));
    }
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-');
    (name.is_empty() || !name.bytes().all(allowed))
        .then(|| "ASCII letters, digits, `.`, `_` and `-`".to_owned())
}

/// Why a container name is refused; `None` if it is fine.
/// The engine's own rule is `[a-zA-Z0-9][a-zA-Z0-9_.-]+`.
pub(super) fn container_name_problem(name: &str) -> Option<String> {
    if name.len() > CONTAINER_NAME_BYTES_MAX {
        return Some(format!("at most {CONTAINER_NAME_BYTES_MAX} bytes"));
    }
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-');
    let starts = name
        .bytes()
        .next()
        .is_some_and(|byte| byte.is_ascii_alphanumeric());
    if name.len() < 2 || !starts || !name.bytes().all(allowed) {
        return Some(
            "two or more ASCII letters, digits, `.`, `_` and `-`, a letter or digit first"
                .to_owned(),
        );
    }
    name.contains(RESERVED)
        .then(|| format!("a name without `{RESERVED}`, which marks containers of an update"))
}

/// An image reference with its tag, as Docker means it: `web` is `web:latest`.
pub(super) fn with_tag(reference: &str) -> String {
    let last = reference.rsplit('/').next().unwrap_or(reference);
    if last.contains(':') {
        reference.to_owned()
    } else {
        format!("{reference}:latest")
    }
}

/// Why an image reference can't be the tag that follows the running version; `None`
/// if it can. The engine would refuse it only after the commit.
pub(super) fn reference_problem(text: &str) -> Option<String> {
    let tagged = with_tag(text);
    let (repository, tag) = tagged.rsplit_once(':').unwrap_or((&tagged, ""));
    let part = |part: &str| {
        part.starts_with(|first: char| first.is_ascii_lowercase() || first.is_ascii_digit())
            && part.ends_with(|last: char| last.is_ascii_lowercase() || last.is_ascii_digit())
            && part.bytes().all(|byte| {
                byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"._-".contains(&byte)
            })
    };
    let (domain, path) = match repository.split_once('/') {
        Some((domain, path)) if domain.contains(['.', ':']) || domain == "localhost" => {
            (Some(domain), path)
        }
        _ => (None, repository),
    };
    let domain_fits = domain.is_none_or(|domain| {
        let (host, number) = domain.split_once(':').unwrap_or((domain, "1"));
        !host.is_empty()
            && host
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || b".-".contains(&byte))
            && number.parse::<u16>().is_ok()
    });
    let tag_fits = (1..=128).contains(&tag.len())
        && !tag.starts_with(['.', '-'])
        && tag
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte));
    let ours = domain == Some("caisson.local");
    let fine = tagged.len() <= 255 && domain_fits && path.split('/').all(part) && tag_fits && !ours;
    (!fine).then(|| {
        "a repository and a tag such as `example/web:current`, not below `caisson.local`".to_owned()
    })
}

/// Why a free word (revision, project) is refused; `None` if it is fine.
pub(super) fn text_problem(text: &str) -> Option<String> {
    let fine = text.len() <= TEXT_BYTES_MAX
        && text
            .bytes()
            .all(|byte| byte.is_ascii_graphic() || byte == b' ')
        && text.trim() == text;
    (!fine).then(|| format!("1 to {TEXT_BYTES_MAX} printable ASCII characters"))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A tag that the engine refuses only after the commit can never be settled.
    #[test]
    fn references() {
        for good in [
            "web",
            "web:1",
            "example/web:current",
            "reg.example:5000/a/b",
            "caisson.test/w_b:x",
        ] {
            assert_eq!(reference_problem(good), None, "{good}");
        }
        for bad in [
            "",
            ":",
            "web:",
            "Web:1",
            "a//b",
            "a/:b",
            "web:.x",
            "web@sha256:00",
            "a b:1",
            "-a:1",
            "caisson.local/web:1",
            "reg.example:x/a:1",
            "web:a:b",
        ] {
            assert!(reference_problem(bad).is_some(), "{bad}");
        }
        assert_eq!(with_tag("reg:5000/web"), "reg:5000/web:latest");
        assert_eq!(with_tag("web:1"), "web:1");
    }

    /// A name the engine would refuse, or that reads as one of our own, gets through.
    #[test]
    fn container_names() {
        for good in [
            "ab",
            "web",
            "Web-1.2_x",
            "0a",
            &"a".repeat(CONTAINER_NAME_BYTES_MAX),
        ] {
            assert_eq!(container_name_problem(good), None, "{good}");
        }
        let bad = [
            "",
            "a",
            "-ab",
            ".ab",
            "/web",
            "a b",
            "wéb",
            "web.caisson-old",
            "a\nb",
            "a/b",
        ];
        for name in bad {
            assert!(container_name_problem(name).is_some(), "{name}");
        }
        assert!(container_name_problem(&"a".repeat(CONTAINER_NAME_BYTES_MAX + 1)).is_some());
    }

    /// A service name with other bytes would not survive in a tag.
    #[test]
    fn service_names() {
        assert_eq!(service_name_problem("front.end_1-B"), None);
        assert_eq!(service_name_problem(&"a".repeat(64)), None);
        for name in ["", "a b", "a/b", "a:b", "\u{e9}", &"a".repeat(65)] {
            assert!(service_name_problem(name).is_some(), "{name}");
        }
    }

    /// Control characters in a revision would reach terminals and rows.
    #[test]
    fn free_words() {
        assert_eq!(text_problem("frontend v1"), None);
        for bad in [" x", "x ", "a\tb", "\u{1b}[2J", "\u{fc}", &"a".repeat(256)] {
            assert!(text_problem(bad).is_some(), "{bad}");
        }
    }
}
