//! Which images of a source are meant, by the names they have there.

use crate::error::{Code, PackError, Result};
use crate::reference;

use super::Which;

/// What can be chosen: an image, or the images of several platforms under one name.
pub(super) trait Named {
    /// Are several without any name the platforms of one image? An OCI layout is
    /// written of one; an archive of `docker save` may hold anything.
    const UNNAMED_ARE_ONE: bool;

    /// Its names, in whatever form.
    fn names(&self) -> &[String];

    /// Tags that stand there without a name.
    fn tags(&self) -> &[String] {
        &[]
    }
}

/// The items that `which` means: all under one name, at least one.
///
/// # Errors
/// `source.image_not_found`, `source.image_ambiguous`, `build.reference_invalid`.
pub(super) fn choose<T: Named>(place: &str, items: Vec<T>, which: &Which) -> Result<Vec<T>> {
    let count = items.len();
    let listed = list(&items);
    let wanted = match which {
        Which::Only => None,
        Which::At(position) => Some(format!("image {position}, counted from 0")),
        // A tag alone need not be a name.
        Which::Named(name) if items.iter().any(|item| item.tags().contains(name)) => {
            Some(name.clone())
        }
        Which::Named(name) => Some(reference::qualify(name, "the image source")?),
    };
    let mut fitting: Vec<T> = Vec::new();
    for (position, item) in items.into_iter().enumerate() {
        let fits = match which {
            Which::Only => true,
            Which::At(wanted) => *wanted == position,
            Which::Named(name) => {
                item.tags().contains(name)
                    || item.names().iter().any(|name| {
                        reference::qualify(name, "")
                            .is_ok_and(|full| Some(&full) == wanted.as_ref())
                    })
            }
        };
        if fits {
            fitting.push(item);
        }
    }
    let Some(first) = fitting.first() else {
        return Err(
            PackError::new(Code::ImageNotFound, "the source does not have that image")
                .at(place)
                .found(listed)
                .wanted(wanted.unwrap_or_default()),
        );
    };
    let same = |item: &T| item.names() == first.names() && item.tags() == first.tags();
    let is_named = !first.names().is_empty() || !first.tags().is_empty();
    if fitting.len() == 1 || (is_named || T::UNNAMED_ARE_ONE) && fitting.iter().all(same) {
        return Ok(fitting);
    }
    Err(PackError::new(
        Code::ImageAmbiguous,
        format!("the source has {count} images; which one is meant"),
    )
    .at(place)
    .found(listed))
}

fn list<T: Named>(items: &[T]) -> String {
    let names =
        items
            .iter()
            .enumerate()
            .map(|(position, item)| match (item.names(), item.tags()) {
                ([], []) => format!("@{position}"),
                ([], tags) => tags.join(", "),
                (names, _) => names.join(", "),
            });
    names.collect::<Vec<_>>().join("; ")
}

/// The names an image goes by after it was chosen: only the one that was asked
/// for, if it was one; a tag alone is none.
pub(super) fn names_chosen(item: &impl Named, which: &Which) -> Vec<String> {
    match which {
        Which::Named(name) if !item.tags().contains(name) => vec![name.clone()],
        _ => item.names().to_vec(),
    }
}
