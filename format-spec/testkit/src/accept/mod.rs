//! Packages at the edge of what is allowed: a reader that refuses one of them
//! is stricter than the format.

mod content;
mod frames;
mod parts;
mod texts;

use crate::vector::Vector;

pub(crate) use content::entries_of;
pub(crate) use texts::manifest_of;

/// All accept vectors.
pub(crate) fn vectors() -> Vec<Vector> {
    [
        texts::vectors(),
        content::vectors(),
        frames::vectors(),
        parts::vectors(),
    ]
    .concat()
}
