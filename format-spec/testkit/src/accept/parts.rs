//! Split packages that are whole: SPEC section 10.

use crate::base::small;
use crate::parts::cut;
use crate::vector::vectors;

/// The small package, cut every so many bytes.
fn split(part_bytes: usize) -> crate::vector::Vector {
    let package = small().package();
    let parts = cut(&package.tape().bytes(), part_bytes);
    package
        .accept(&[45, 46, 47])
        .in_parts("site.edgepkg.001", parts)
}

vectors! {
    /// A package in three parts, cut within headers and data. The last part is smaller.
    fn parts_three() -> Vector {
        split(5000)
    }

    /// A package in parts of one size, the last one too.
    fn parts_of_one_size() -> Vector {
        split(small().package().tape().bytes().len() / 4)
    }

    /// A package in one part: its name ends in 001, and it is the whole.
    fn parts_one() -> Vector {
        split(1 << 20)
    }

    /// A part after a gap is none: the row ends where a name is not there.
    fn parts_and_a_stray_one() -> Vector {
        let package = small().package();
        let mut parts = cut(&package.tape().bytes(), 10_000);
        parts.push(("site.edgepkg.004".to_owned(), b"of another package".to_vec()));
        package.accept(&[46]).in_parts("site.edgepkg.001", parts)
    }
}
