//! Paths inside a tar, in their one spelling.
//!
//! Attacks answered here: a path that leaves the archive, and one file under two
//! spellings that look like two.

/// The path that `relative` means seen from `folder`, without `.`, `..` and
/// empty parts; `None` if it is absolute or climbs above the root.
pub(super) fn join(folder: &str, relative: &str) -> Option<String> {
    if relative.starts_with('/') || relative.contains('\0') {
        return None;
    }
    let mut parts: Vec<&str> = folder.split('/').filter(|part| !part.is_empty()).collect();
    for part in relative.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop()?;
            }
            part => parts.push(part),
        }
    }
    Some(parts.join("/"))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A path that escapes, or one file under two spellings, would show here.
    #[test]
    fn paths_stay_inside_and_have_one_spelling() {
        assert_eq!(join("", "a/b").as_deref(), Some("a/b"));
        assert_eq!(join("", "./a//b/.").as_deref(), Some("a/b"));
        assert_eq!(join("x", "../y/layer.tar").as_deref(), Some("y/layer.tar"));
        for escape in ["/a", "..", "a/../..", "../../a", "a\0b"] {
            assert_eq!(join("", escape), None, "{escape}");
        }
        assert_eq!(join("x", "../../a"), None);
    }
}
