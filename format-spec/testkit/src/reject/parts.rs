//! Split packages that are not whole: SPEC section 10.

use crate::base::{layer_tar, small, with_layers};
use crate::describe::Layer;
use crate::parts::{NAME, cut, part};
use crate::vector::{Vector, vectors};

/// Size of the parts, in bytes: the small package has three.
const PART: usize = 5000;

type Parts = Vec<(String, Vec<u8>)>;

/// The small package in three parts, changed.
fn parts(
    step: Option<u32>,
    code: &str,
    musts: &[u32],
    place: &str,
    change: impl FnOnce(&mut Parts),
) -> Vector {
    let package = small().package();
    let mut files = cut(&package.tape().bytes(), PART);
    change(&mut files);
    let vector = package.refuse(step.unwrap_or(0), code, musts, place);
    let vector = vector.in_parts(&part(1), files);
    if step.is_some() {
        vector
    } else {
        vector.before_reading()
    }
}

fn size(number: u32, element: &str, change: impl FnOnce(&mut Parts)) -> Vector {
    parts(None, "pkg.part_size", &[46], &part(number), change).element(element)
}

vectors! {
    /// The reader is given the second part's name.
    fn part_name_of_the_second() -> Vector {
        let vector = parts(None, "pkg.part_name", &[45], &part(2), |_| {});
        given(vector, &part(2))
    }

    /// The reader is given a part's name that is not even there: the name alone decides.
    fn part_name_of_none() -> Vector {
        let vector = parts(None, "pkg.part_name", &[45], &part(9), |_| {});
        given(vector, &part(9))
    }

    /// The reader is given the package's name, and only its parts are there.
    fn part_name_of_the_whole() -> Vector {
        let vector = parts(None, "pkg.part_name", &[45], NAME, |_| {});
        given(vector, NAME)
    }

    /// The first part is empty.
    fn part_first_empty() -> Vector {
        size(1, "empty", |parts| parts[0].1.clear())
    }

    /// The second part is empty.
    fn part_second_empty() -> Vector {
        size(2, "empty", |parts| parts[1].1.clear())
    }

    /// A part in the middle is a byte short.
    fn part_in_the_middle_short() -> Vector {
        size(2, "short", |parts| { parts[1].1.pop(); })
    }

    /// A part in the middle is a byte long.
    fn part_in_the_middle_long() -> Vector {
        size(2, "long", |parts| parts[1].1.push(0))
    }

    /// The last part is larger than the first: filled up with zeros by a tool that rounds sizes.
    fn part_last_too_large() -> Vector {
        size(3, "larger than the first", |parts| parts[2].1.resize(PART + 1, 0))
    }

    /// The last part is not there. Everything before it is, and is not enough.
    fn part_missing_last() -> Vector {
        parts(Some(15), "pkg.part_missing", &[47], "part .003", |parts| { parts.pop(); })
    }

    /// The second part is not there, though the third is.
    fn part_missing_second() -> Vector {
        parts(Some(15), "pkg.part_missing", &[46, 47], "part .002", |parts| { parts.remove(1); })
    }

    /// The first part ends within the manifest, and there is no other.
    fn part_missing_in_the_head() -> Vector {
        let vector = parts(Some(3), "pkg.part_missing", &[47], "part .002", |parts| {
            parts.truncate(1);
            parts[0].1.truncate(1000);
        });
        vector.element("within the manifest")
    }

    /// The last part is a byte short.
    fn part_last_truncated() -> Vector {
        parts(Some(15), "pkg.truncated", &[47], "size of part .003", |parts| { parts[2].1.pop(); })
    }

    /// The last part is a byte long, and still smaller than the first.
    fn part_last_with_trailing_byte() -> Vector {
        parts(Some(15), "pkg.trailing_bytes", &[47], "size of part .003", |parts| parts[2].1.push(0))
    }

    /// A fourth part follows, that of an older and larger package of the same name.
    fn part_surplus() -> Vector {
        parts(Some(15), "pkg.part_surplus", &[47], "part .004", |parts| {
            parts[2].1.resize(PART, 0);
            parts.push((part(4), b"old".to_vec()));
        })
    }

    /// All parts but the first are of another package of the same size. Its first file is the same, its index tells.
    fn parts_of_two_packages() -> Vector {
        let package = small().package();
        let layer = Layer::of(&layer_tar("etc/base", "BASE\n"));
        let other = with_layers(vec![layer]).package();
        let mut parts = cut(&package.tape().bytes(), PART);
        parts.truncate(1);
        parts.extend(cut(&other.tape().bytes(), PART).split_off(1));
        let at = package.tape().data_position("index.json");
        let place = format!("index.json, chunk 1 of 1, byte {at} (part .002, byte {})", at - PART);
        package
            .refuse(17, "pkg.chunk_mismatch", &[47], &place)
            .released(&package.data_before("index.json"))
            .in_parts(&part(1), parts)
    }
}

/// The same with another name for the reader.
fn given(vector: Vector, name: &str) -> Vector {
    match vector.content.clone() {
        crate::vector::Content::Parts { files, .. } => vector.in_parts(name, files),
        crate::vector::Content::Whole(_) => vector,
    }
}
