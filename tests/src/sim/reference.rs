//! Image names as Docker reads and shows them.

/// A tagged name in the short form that Docker shows: `web:1`, `reg.example/a/b:2`.
///
/// `text` may leave out the tag (`latest`) and may carry `docker.io/library/`.
/// The error is Docker's.
pub(super) fn familiar(text: &str) -> Result<String, String> {
    let invalid = || {
        let upper = text.bytes().any(|byte| byte.is_ascii_uppercase());
        let why = if upper {
            ": repository name must be lowercase"
        } else {
            ""
        };
        format!("invalid reference format{why}")
    };
    let (name, tag) = match text.rsplit_once(':') {
        // A colon before the last slash belongs to the registry's port.
        Some((name, tag)) if !tag.contains('/') => (name, tag),
        _ => (text, "latest"),
    };
    if !valid_tag(tag) || !valid_name(name) {
        return Err(invalid());
    }
    let short = name.strip_prefix("docker.io/").unwrap_or(name);
    let short = short.strip_prefix("library/").unwrap_or(short);
    Ok(format!("{short}:{tag}"))
}

/// Splits a familiar reference into repository and tag.
pub(super) fn repository_and_tag(familiar: &str) -> (&str, &str) {
    familiar.rsplit_once(':').unwrap_or((familiar, "latest"))
}

fn valid_tag(tag: &str) -> bool {
    let word = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    tag.len() <= 128
        && tag.bytes().next().is_some_and(word)
        && tag
            .bytes()
            .all(|byte| word(byte) || byte == b'.' || byte == b'-')
}

fn valid_name(name: &str) -> bool {
    let mut parts = name.split('/').peekable();
    let first_is_host = name.contains('/')
        && parts
            .peek()
            .is_some_and(|first| first.contains(['.', ':']) || *first == "localhost");
    if first_is_host {
        let host = parts.next().unwrap_or_default();
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b".-:".contains(&byte);
        if host.is_empty() || !host.bytes().all(plain) {
            return false;
        }
    }
    name.len() <= 255 && parts.all(valid_path_part)
}

fn valid_path_part(part: &str) -> bool {
    let letter = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let edges = part.bytes().next().is_some_and(letter) && part.bytes().last().is_some_and(letter);
    edges
        && part
            .bytes()
            .all(|byte| letter(byte) || b"._-".contains(&byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Two spellings of one name must be one tag, or a rollback would miss it.
    #[test]
    fn spellings_of_one_name() {
        for text in [
            "web",
            "web:latest",
            "library/web",
            "docker.io/library/web:latest",
        ] {
            assert_eq!(familiar(text).as_deref(), Ok("web:latest"));
        }
        assert_eq!(
            familiar("reg.example:5000/a/b").as_deref(),
            Ok("reg.example:5000/a/b:latest")
        );
        assert_eq!(
            familiar("caisson.local/web:1.0.0-ab").as_deref(),
            Ok("caisson.local/web:1.0.0-ab")
        );
        for text in [
            "", "Web:1", "web:", "web:a b", "a//b:1", "web:+1", "-web:1", "a/B:1",
        ] {
            assert!(familiar(text).is_err(), "{text}");
        }
    }
}
