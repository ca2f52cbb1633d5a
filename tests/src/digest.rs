//! SHA-256 digests in the text form that engines use.

use sha2::{Digest, Sha256};

/// `sha256:<hex>` of the bytes.
pub fn of(bytes: &[u8]) -> String {
    finish(Sha256::new_with_prefix(bytes))
}

/// `sha256:<hex>` of what was hashed.
pub fn finish(hash: Sha256) -> String {
    use std::fmt::Write;
    let mut text = "sha256:".to_owned();
    for byte in hash.finalize() {
        write!(text, "{byte:02x}").expect("a String takes everything");
    }
    text
}

/// The hex part of a digest; the whole text where there is no algorithm.
pub fn hex_part(digest: &str) -> &str {
    digest.strip_prefix("sha256:").unwrap_or(digest)
}
