//! Which keys each table of the catalog has, per catalog version, and which known
//! key a misspelt one probably meant.

/// The keys of one table.
pub(super) struct Keys {
    pub(super) version_1: &'static [&'static str],
    pub(super) version_2: &'static [&'static str],
    /// Words we know and will accept one day; refused by name until then.
    pub(super) later: &'static [&'static str],
    /// What to write in version 2 instead of a key that only version 1 has.
    pub(super) moved: Option<&'static str>,
}

impl Keys {
    pub(super) fn of(&self, version: u32) -> &'static [&'static str] {
        if version == 1 {
            self.version_1
        } else {
            self.version_2
        }
    }
}

const TOP_KEYS: &[&str] = &["catalog_version", "services"];
pub(super) const TOP: Keys = Keys {
    version_1: TOP_KEYS,
    version_2: TOP_KEYS,
    later: &[],
    moved: None,
};

pub(super) const SERVICE: Keys = Keys {
    version_1: &[
        "name",
        "service_revision",
        "platform",
        "runtime_mode",
        "docker",
        "compose",
        "health_check",
        "rollback",
    ],
    version_2: &[
        "name",
        "service_revision",
        "platform",
        "runtime_mode",
        "docker",
        "compose",
        "probe",
    ],
    later: &[],
    moved: Some(
        "catalog version 2 has `[services.probe]` instead of `[services.health_check]`, \
         and always rolls back",
    ),
};

pub(super) const DOCKER: Keys = Keys {
    version_1: &["container_name", "image_reference"],
    version_2: &["container_name", "image_reference", "create_file"],
    later: &[],
    moved: None,
};

const COMPOSE_KEYS: &[&str] = &["project", "file", "service"];
pub(super) const COMPOSE: Keys = Keys {
    version_1: COMPOSE_KEYS,
    version_2: COMPOSE_KEYS,
    later: &[],
    moved: None,
};

pub(super) const HEALTH_CHECK: Keys = Keys {
    version_1: &["kind", "timeout_secs", "poll_interval_secs"],
    version_2: &[],
    later: &[],
    moved: None,
};

pub(super) const ROLLBACK: Keys = Keys {
    version_1: &["automatic"],
    version_2: &[],
    later: &[],
    moved: None,
};

pub(super) const PROBE: Keys = Keys {
    version_1: &[],
    version_2: &[
        "all_of",
        "start_timeout_secs",
        "interval_secs",
        "successes",
        "stable_secs",
        "restarts_allowed",
        "http",
    ],
    later: &["tcp", "exec", "oneshot"],
    moved: None,
};

pub(super) const HTTP: Keys = Keys {
    version_1: &[],
    version_2: &["url", "method", "status", "body_contains", "timeout_secs"],
    later: &[],
    moved: None,
};

/// Longest misspelling we look up; the search costs length times length.
const MISSPELLING_BYTES_MAX: usize = 64;

/// The known word a misspelt one is closest to, if any is close enough to suggest.
pub(super) fn nearest<'k>(word: &str, known: &[&'k str]) -> Option<&'k str> {
    if word.len() > MISSPELLING_BYTES_MAX {
        return None;
    }
    let allowed = (word.chars().count() / 3).clamp(1, 3);
    known
        .iter()
        .map(|candidate| (distance(word, candidate), *candidate))
        .filter(|(far, _)| *far <= allowed)
        .min_by_key(|(far, _)| *far)
        .map(|(_, candidate)| candidate)
}

/// How many single-character edits lie between two words (Levenshtein).
fn distance(left: &str, right: &str) -> usize {
    let right: Vec<char> = right.chars().collect();
    let mut row: Vec<usize> = (0..=right.len()).collect();
    for (i, from) in left.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, to) in right.iter().enumerate() {
            let replaced = diagonal + usize::from(from != *to);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[right.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A suggestion for a word that is nothing like it would mislead.
    #[test]
    fn near_words_are_suggested_and_far_ones_are_not() {
        let known = DOCKER.version_2;
        assert_eq!(nearest("contaner_name", known), Some("container_name"));
        assert_eq!(nearest("container-name", known), Some("container_name"));
        assert_eq!(nearest("createfile", known), Some("create_file"));
        assert_eq!(nearest("timeout", known), None);
        assert_eq!(nearest(&"x".repeat(10_000), known), None);
        assert_eq!(nearest("", known), None);
    }

    /// An off-by-one in the table would suggest the wrong key.
    #[test]
    fn distance_counts_edits() {
        assert_eq!(distance("", "abc"), 3);
        assert_eq!(distance("abc", "abc"), 0);
        assert_eq!(distance("kitten", "sitting"), 3);
        assert_eq!(distance("ähnlich", "ahnlich"), 1);
    }
}
