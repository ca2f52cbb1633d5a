//! Which image of the first package became which of the second. A new version
//! mostly has a new tag, so names alone would call every image removed and added.

use edgepkg::manifest::{Image, Manifest};
use edgepkg::name::parse_reference;

/// An image, and what it was or became. At least one of the two is there.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pair<'a> {
    pub(super) first: Option<&'a Image>,
    pub(super) second: Option<&'a Image>,
}

/// Whether an image of the first package may have become one of the second.
type Rule<'a> = dyn Fn(&Image, &Image) -> bool + 'a;

/// Images of both packages: those of the second in its order, then those that
/// only the first has.
///
/// Two are a pair if they are for one platform and have, in this order of
/// preference, one name, one service that runs them, or one name but for the tag.
pub(super) fn pairs<'a>(first: &'a Manifest, second: &'a Manifest) -> Vec<Pair<'a>> {
    let mut left: Vec<&Image> = first.images.iter().collect();
    let mut partners: Vec<Option<&Image>> = vec![None; second.images.len()];
    let rules: [&Rule<'_>; 3] = [
        &|one, two| one.reference == two.reference,
        &|one, two| share_a_service(first, one, second, two),
        &|one, two| repository(one) == repository(two),
    ];
    for rule in rules {
        for (partner, image) in partners.iter_mut().zip(&second.images) {
            if partner.is_some() {
                continue;
            }
            let found = left
                .iter()
                .position(|one| one.platform == image.platform && rule(one, image));
            *partner = found.map(|position| left.remove(position));
        }
    }
    let in_second = partners.into_iter().zip(&second.images);
    let in_second = in_second.map(|(first, second)| Pair {
        first,
        second: Some(second),
    });
    let removed = left.into_iter().map(|image| Pair {
        first: Some(image),
        second: None,
    });
    in_second.chain(removed).collect()
}

fn share_a_service(first: &Manifest, one: &Image, second: &Manifest, two: &Image) -> bool {
    first.services.iter().any(|service| {
        service.image == one.reference
            && second
                .services
                .iter()
                .any(|other| other.service == service.service && other.image == two.reference)
    })
}

fn repository(image: &Image) -> Option<(Option<&str>, &str)> {
    let reference = parse_reference(&image.reference)?;
    Some((reference.domain, reference.path))
}
