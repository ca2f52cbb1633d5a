//! Image references, written out in full.
//!
//! `web`, `web:latest` and `docker.io/library/web:latest` are one image to
//! Docker, but Podman reads the first two in its own way. A package always
//! carries the full form, so that it means the same everywhere and the same
//! image gives the same package whatever form its name was given in.

use edgepkg::name::parse_reference;

use crate::error::{Code, PackError, Result};

/// Docker's registry, which short names mean.
const DEFAULT_DOMAIN: &str = "docker.io";
/// The old name of the same registry.
const OLD_DEFAULT_DOMAIN: &str = "index.docker.io";
/// The folder of names without one.
const DEFAULT_FOLDER: &str = "library";
/// The tag that is meant where none is written.
const DEFAULT_TAG: &str = "latest";

/// The full form `domain/path:tag`, by Docker's rules. `place` says where the
/// reference was given.
pub fn qualify(text: &str, place: &str) -> Result<String> {
    let with_tag = if has_tag(text) {
        text.to_owned()
    } else {
        format!("{text}:{DEFAULT_TAG}")
    };
    let invalid = || {
        PackError::new(Code::ReferenceInvalid, "this is not an image reference")
            .at(place)
            .found(text)
    };
    let short = parse_reference(&with_tag).ok_or_else(invalid)?;
    let full = match short.domain {
        Some(domain) if domain != DEFAULT_DOMAIN && domain != OLD_DEFAULT_DOMAIN => {
            return Ok(with_tag);
        }
        _ if short.path.contains('/') => format!("{DEFAULT_DOMAIN}/{}:{}", short.path, short.tag),
        _ => format!(
            "{DEFAULT_DOMAIN}/{DEFAULT_FOLDER}/{}:{}",
            short.path, short.tag
        ),
    };
    // The full form is longer and may have become too long.
    parse_reference(&full).ok_or_else(invalid)?;
    Ok(full)
}

/// A colon after the last slash begins a tag; one before it, a port.
fn has_tag(text: &str) -> bool {
    text.rsplit('/')
        .next()
        .is_some_and(|last| last.contains(':'))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Two forms of one name that stay different would give two packages.
    #[test]
    fn forms_of_one_name_meet() {
        for (given, wanted) in [
            ("web", "docker.io/library/web:latest"),
            ("web:1.2", "docker.io/library/web:1.2"),
            ("library/web:1", "docker.io/library/web:1"),
            ("team/web:1", "docker.io/team/web:1"),
            ("docker.io/web:1", "docker.io/library/web:1"),
            ("index.docker.io/library/web:1", "docker.io/library/web:1"),
            ("localhost/web:1", "localhost/web:1"),
            ("reg.example:5000/web", "reg.example:5000/web:latest"),
        ] {
            let full = qualify(given, "here").expect("sound");
            assert_eq!(full, wanted, "{given}");
            assert_eq!(qualify(&full, "here").as_deref(), Ok(wanted), "twice");
        }
    }

    /// What an engine would refuse, or read otherwise, must not get into a package.
    #[test]
    fn other_text_is_refused() {
        let long = "a".repeat(195);
        for text in [
            "",
            ":1",
            "Web",
            "web:",
            "web@sha256:aa",
            "a b",
            "/web",
            long.as_str(),
        ] {
            let error = qualify(text, "here").unwrap_err();
            assert_eq!(error.code, Code::ReferenceInvalid, "{text}");
        }
    }
}
