//! Which vectors cover which MUST of SPEC.md.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use crate::vector::{Vector, Verdict};

/// Rules that no file can show, each with the reason and what shows it instead.
pub const WITHOUT_VECTOR: &[(u32, &str)] = &[
    (
        41,
        "Allowed behaviour, no rule of a file: `format-spec/tests/package/hostile.rs` skips an entry above 8 GiB.",
    ),
    (
        42,
        "Memory is measured, not read from a verdict: `format-spec/tests/memory.rs`, `tests/tests/memory.rs`.",
    ),
    (
        43,
        "A rule for writers: `format-spec/tests/package/round_trip.rs`. The runner writes each accept vector again.",
    ),
    (
        44,
        "A rule for writers: `format-spec/tests/package/round_trip.rs`. The runner writes each accept vector again.",
    ),
    (
        48,
        "How many files are open is not in a verdict: `format-spec/tests/package/parts.rs`.",
    ),
];

/// The numbers of the rules that SPEC.md defines, in its order.
pub fn musts(spec: &str) -> Vec<u32> {
    spec.lines()
        .filter_map(|line| line.strip_prefix("[M")?.split_once(']')?.0.parse().ok())
        .collect()
}

/// The table as a document.
pub fn table(vectors: &[Vector], spec: &str) -> String {
    let mut text = String::from(
        "# Coverage\n\nWhich vectors show which rule of SPEC.md. Written by the testkit; don't edit it.\n",
    );
    let rejects = vectors.iter().filter(|vector| is_reject(vector)).count();
    let _ = writeln!(
        text,
        "\n{} vectors: {} accept, {rejects} reject.\n\n| rule | accept | reject |\n|---|---|---|",
        vectors.len(),
        vectors.len() - rejects
    );
    for must in musts(spec) {
        let names = |wanted: bool| {
            let covering = vectors.iter().filter(|vector| vector.musts.contains(&must));
            let names = covering.filter(|vector| is_reject(vector) == wanted);
            let names: Vec<String> = names.map(|vector| format!("`{}`", vector.name)).collect();
            names.join(", ")
        };
        let (accept, reject) = (names(false), names(true));
        let _ = writeln!(text, "| M{must} | {accept} | {reject} |");
    }
    text.push_str("\n## Rules without a vector\n\n");
    for (must, reason) in WITHOUT_VECTOR {
        let _ = writeln!(text, "- M{must}: {reason}");
    }
    text.push_str("\n## Codes\n\n| code | vectors |\n|---|---|\n");
    let mut codes: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for (code, vector) in vectors.iter().flat_map(|vector| {
        let codes = codes_of(vector).into_iter();
        codes.map(move |code| (code, vector))
    }) {
        codes.entry(code).or_default().insert(&vector.name);
    }
    for (code, names) in codes {
        let _ = writeln!(text, "| `{code}` | {} |", names.len());
    }
    text
}

/// Every code that a reader gives for this vector.
pub fn codes_of(vector: &Vector) -> Vec<&str> {
    match &vector.verdict {
        Verdict::Accept { .. } => Vec::new(),
        Verdict::Reject(refusal) => {
            let stream = refusal.stream.iter().map(|stream| stream.code.as_str());
            std::iter::once(refusal.code.as_str())
                .chain(stream)
                .collect()
        }
    }
}

fn is_reject(vector: &Vector) -> bool {
    matches!(vector.verdict, Verdict::Reject(_))
}
