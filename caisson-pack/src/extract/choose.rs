//! Which images of a package are meant.

use edgepkg::manifest::{Image, Manifest};
use edgepkg::platform;

use super::{ExtractRequest, Form};
use crate::error::{Code, PackError, Result};
use crate::reference::qualify;

/// The images of the wanted name and platform, in the package's order.
///
/// # Errors
/// `build.reference_invalid`, `usage.invalid` (a platform that makes no sense),
/// `extract.image_not_found`, `extract.platform_needed`.
pub(super) fn choose<'a>(
    manifest: &'a Manifest,
    request: &ExtractRequest,
) -> Result<Vec<&'a Image>> {
    let mut images: Vec<&Image> = manifest.images.iter().collect();
    if let Some(text) = &request.reference {
        let full = qualify(text, "--image")?;
        // Packages of other tools may carry a short name as it is.
        let is_wanted = |image: &&Image| image.reference == *text || image.reference == full;
        images = narrowed(images, is_wanted, &full)?;
    }
    if let Some(text) = &request.platform {
        let wanted = platform::normalize(text).ok_or_else(|| {
            PackError::new(Code::Usage, "this is not a platform")
                .at("--platform")
                .found(text)
                .wanted("one such as linux/arm64")
        })?;
        images = narrowed(images, |image| image.platform == wanted, &wanted)?;
    }
    if request.form == Form::DockerArchive {
        one_platform_for_each_name(&images)?;
    }
    Ok(images)
}

fn narrowed<'a>(
    images: Vec<&'a Image>,
    is_wanted: impl FnMut(&&'a Image) -> bool,
    wanted: &str,
) -> Result<Vec<&'a Image>> {
    let all = list(&images);
    let left: Vec<&Image> = images.into_iter().filter(is_wanted).collect();
    if left.is_empty() {
        let what = "the package has no such image";
        return Err(PackError::new(Code::ExtractImageNotFound, what)
            .found(all)
            .wanted(wanted));
    }
    Ok(left)
}

/// Under one name an engine keeps one image: the second would take the name
/// away from the first.
fn one_platform_for_each_name(images: &[&Image]) -> Result<()> {
    for image in images {
        let namesakes: Vec<&str> = images
            .iter()
            .filter(|other| other.reference == image.reference)
            .map(|other| other.platform.as_str())
            .collect();
        if namesakes.len() > 1 {
            return Err(PackError::new(
                Code::ExtractPlatformNeeded,
                "a docker archive holds one platform of an image, and the package has several",
            )
            .at(&image.reference)
            .found(namesakes.join(", ")));
        }
    }
    Ok(())
}

fn list(images: &[&Image]) -> String {
    let names: Vec<String> = images
        .iter()
        .map(|image| format!("{} for {}", image.reference, image.platform))
        .collect();
    names.join(", ")
}
