//! SHA-256 in the three spellings a package needs.

use sha2::Digest as _;

/// The 32 bytes.
pub(crate) fn sha256(bytes: &[u8]) -> [u8; 32] {
    sha2::Sha256::digest(bytes).into()
}

/// 64 lower-case digits.
pub(crate) fn hex(bytes: &[u8]) -> String {
    sha256(bytes)
        .iter()
        .flat_map(|byte| [byte >> 4, byte & 15])
        .map(|digit| char::from_digit(u32::from(digit), 16).expect("four bits"))
        .collect()
}

/// `sha256:` and 64 digits.
pub(crate) fn digest(bytes: &[u8]) -> String {
    format!("sha256:{}", hex(bytes))
}
