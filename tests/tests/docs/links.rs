//! Files that the documents point to.

use caisson_tests::programs::workspace;

use super::document;
use super::markdown::inline_code;

const DOCUMENTS: [&str; 6] = [
    "README.md",
    "CONTRIBUTING.md",
    "CHANGELOG.md",
    "format-spec/SPEC.md",
    "format-spec/ERRORS.md",
    "format-spec/GLOSSARY.md",
];

/// Folders of the workspace: inline code that begins with one is a path.
const ROOMS: [&str; 4] = ["format-spec/", "caisson-pack/", "caisson-apply/", "tests/"];

/// `](target)` of every link that stays inside the project.
fn links(document: &str) -> Vec<String> {
    document
        .split("](")
        .skip(1)
        .filter_map(|rest| rest.split(')').next())
        .filter(|target| !target.contains("://") && !target.starts_with('#'))
        .map(|target| target.split('#').next().unwrap_or(target).to_owned())
        .collect()
}

/// A file was moved, and the reader is sent to where it was.
#[test]
fn links_lead_somewhere() {
    for path in DOCUMENTS {
        let text = document(path);
        let folder = workspace().join(path);
        let folder = folder.parent().expect("a document is in a folder");
        for target in links(&text) {
            assert!(folder.join(&target).exists(), "{path}: {target}");
        }
        for code in inline_code(&text) {
            let is_path = ROOMS.iter().any(|room| code.starts_with(room));
            let is_whole = !code.contains(['<', '*', ' ']);
            if is_path && is_whole {
                assert!(workspace().join(&code).exists(), "{path}: {code}");
            }
        }
    }
}

/// If nothing is found, nothing is checked.
#[test]
fn links_are_found() {
    assert_eq!(
        links("[a](b.md), [c](https://d) and [e](f.md#g)"),
        ["b.md", "f.md"]
    );
    assert!(links(&document("README.md")).len() > 5);
}
