//! Packages with one defect each.

mod chunks;
mod entries;
mod first_header;
mod headers;
mod images;
mod layers;
mod lines;
mod names;
mod order;
mod parts;
mod rules;
mod truncated;
mod values;
mod version;

use crate::vector::Vector;

/// All reject vectors.
pub(crate) fn vectors() -> Vec<Vector> {
    [
        first_header::vectors(),
        headers::vectors(),
        order::vectors(),
        truncated::vectors(),
        version::vectors(),
        lines::vectors(),
        values::vectors(),
        rules::vectors(),
        names::vectors(),
        images::vectors(),
        entries::vectors(),
        chunks::vectors(),
        layers::vectors(),
        parts::vectors(),
    ]
    .concat()
}
