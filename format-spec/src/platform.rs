//! Platforms, such as `linux/arm64`, in their one normalized spelling.
//!
//! Other people's tools write `linux/aarch64` or `linux/arm64/v8` for the same
//! thing. The build side normalizes what it reads, the manifest holds only
//! the normalized text, and a device compares texts. There is no fall-back
//! from one variant to another: a guess that does not start is worse than a
//! refusal.

use crate::limits::PLATFORM_MAX;

/// The normalized spelling of `os/architecture[/variant]`, by the rules OCI
/// tools share; `None` if the text is not of that form.
pub fn normalize(platform: &str) -> Option<String> {
    if platform.len() > PLATFORM_MAX {
        return None;
    }
    let lower = platform.to_ascii_lowercase();
    let parts: Vec<&str> = lower.split('/').collect();
    let (os, architecture, variant) = match parts[..] {
        [os, architecture] => (os, architecture, ""),
        [os, architecture, variant] if !variant.is_empty() => (os, architecture, variant),
        _ => return None,
    };
    let well_formed = |part: &str| {
        part.bytes().all(|byte| {
            byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"._-".contains(&byte)
        })
    };
    if os.is_empty() || architecture.is_empty() || !parts.iter().all(|part| well_formed(part)) {
        return None;
    }
    let os = if os == "macos" { "darwin" } else { os };
    let (architecture, variant) = normalize_architecture(architecture, variant);
    Some(if variant.is_empty() {
        format!("{os}/{architecture}")
    } else {
        format!("{os}/{architecture}/{variant}")
    })
}

fn normalize_architecture<'a>(architecture: &'a str, variant: &'a str) -> (&'a str, &'a str) {
    match (architecture, variant) {
        ("i386" | "i486" | "i586" | "i686" | "386", _) => ("386", ""),
        ("x86_64" | "x86-64" | "amd64", "" | "v1") => ("amd64", ""),
        ("x86_64" | "x86-64", variant) => ("amd64", variant),
        ("aarch64" | "arm64", "" | "8" | "v8") => ("arm64", ""),
        ("aarch64", variant) => ("arm64", variant),
        ("armhf", _) | ("arm", "" | "7") => ("arm", "v7"),
        ("armel", _) | ("arm", "6") => ("arm", "v6"),
        ("arm", "5") => ("arm", "v5"),
        ("arm", "8") => ("arm", "v8"),
        other => other,
    }
}

/// `os`, `architecture` and, where there is one, `variant` of a normalized
/// platform.
pub fn split(platform: &str) -> (&str, &str, Option<&str>) {
    let (os, rest) = platform.split_once('/').unwrap_or((platform, ""));
    match rest.split_once('/') {
        Some((architecture, variant)) => (os, architecture, Some(variant)),
        None => (os, rest, None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Two spellings of one platform that stay different would make a device
    /// refuse its own package.
    #[test]
    fn spellings_meet_and_stay() {
        for (given, wanted) in [
            ("linux/amd64", "linux/amd64"),
            ("linux/x86_64", "linux/amd64"),
            ("Linux/AMD64/v1", "linux/amd64"),
            ("linux/amd64/v3", "linux/amd64/v3"),
            ("linux/arm64/v8", "linux/arm64"),
            ("linux/aarch64", "linux/arm64"),
            ("linux/arm", "linux/arm/v7"),
            ("linux/armhf", "linux/arm/v7"),
            ("linux/arm/6", "linux/arm/v6"),
            ("linux/riscv64", "linux/riscv64"),
            ("linux/i686", "linux/386"),
        ] {
            let normalized = normalize(given).unwrap();
            assert_eq!(normalized, wanted, "{given}");
            assert_eq!(normalize(&normalized).as_deref(), Some(wanted), "twice");
        }
    }

    /// Text that is no platform must not be taken for one.
    #[test]
    fn other_text_is_refused() {
        for text in [
            "",
            "linux",
            "linux/",
            "/amd64",
            "a/b/c/d",
            "linux/amd64/",
            "li nux/a",
        ] {
            assert_eq!(normalize(text), None, "{text}");
        }
        assert_eq!(normalize(&format!("linux/{}", "a".repeat(40))), None);
    }

    #[test]
    fn parts_of_a_platform() {
        assert_eq!(split("linux/amd64"), ("linux", "amd64", None));
        assert_eq!(split("linux/arm/v7"), ("linux", "arm", Some("v7")));
    }
}
