//! Split packages: SPEC section 10.

/// The name of the package whose parts these are.
pub(crate) const NAME: &str = "site.edgepkg";

/// Names and bytes of the parts.
pub(crate) fn cut(package: &[u8], part_bytes: usize) -> Vec<(String, Vec<u8>)> {
    let parts = package.chunks(part_bytes).zip(1..);
    parts
        .map(|(bytes, number): (&[u8], u32)| (part(number), bytes.to_vec()))
        .collect()
}

/// The name of this part.
pub(crate) fn part(number: u32) -> String {
    format!("{NAME}.{number:03}")
}
