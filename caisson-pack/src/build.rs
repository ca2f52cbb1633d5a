//! A build from beginning to end: open the images, check what follows from
//! them, compress the layers, write, read it again with the device's own
//! reader, give the file its name.
//!
//! What is wrong is found as early as it can be: nothing is compressed for a
//! package that the format's rules refuse, and no output appears that the
//! reader refuses.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Write};
use std::thread;

use edgepkg::manifest::{Manifest, Service};
use edgepkg::writer::{
    BlobDraft, ImageDraft, LayerDraft, PackageDraft, WriteError, write as write_package,
};
use edgepkg::{Digest, PackageError, platform};

use crate::describe::PackageFacts;
use crate::error::{Code, PackError, Result};
use crate::layers::pack_layers;
use crate::output::follow::Written;
use crate::output::package::PackageOutput;
use crate::progress::Watch;
use crate::reference;
use crate::request::{BuildRequest, ImageRequest};
use crate::source::{Opening, SourceImage, SourceLayer};
use crate::verify::{Depth, check_file};

/// Builds the package that is asked for.
///
/// # Errors
/// Every code of this crate; the output file is then not there, or the one that
/// was there before.
pub fn build(request: &BuildRequest, watch: &mut Watch) -> Result<PackageFacts> {
    if request.images.is_empty() || request.services.is_empty() {
        return Err(PackError::new(
            Code::Usage,
            "a package needs at least one image and one service",
        ));
    }
    let mut output = PackageOutput::create(&request.output, request.split, request.force)?;
    let mut images = Vec::new();
    for image in &request.images {
        let mut opening = Opening {
            scratch: output.folder(),
            engine: &request.engine,
            watch,
        };
        images.extend(NamedImage::open(image, &mut opening)?);
    }
    // The order of flags must not show in the package.
    images.sort_by(|one, other| one.key().cmp(&other.key()));
    let draft = draft_without_layers(request, &images)?;
    let foreseen = with_layers(&draft, &images, &placeholders(&images));
    foreseen.manifest().map_err(refused)?;

    let layers = distinct_layers(&images).cloned().collect();
    let folder = output.folder();
    let packed = pack_layers(layers, request.compression, request.split, folder, watch)?;
    let draft = with_layers(&draft, &images, &packed);
    let size = draft.file_bytes().map_err(refused)?;
    if let Some(split) = request.split {
        split.check(size)?;
    }
    let mut facts = write_and_check(&draft, size, &mut output, watch)?;
    output.publish(&request.output, &mut facts)?;
    Ok(facts)
}

/// An image with the name it gets in the package.
struct NamedImage {
    reference: String,
    image: SourceImage,
}

impl NamedImage {
    /// The images of a source, one for each platform that is asked for.
    fn open(request: &ImageRequest, opening: &mut Opening) -> Result<Vec<Self>> {
        let mut platforms = Vec::with_capacity(request.platforms.len());
        for given in &request.platforms {
            let platform = platform_of_a_device(given)?;
            if platforms.contains(&platform) {
                return Err(
                    PackError::new(Code::Usage, "a platform is asked for twice").found(platform)
                );
            }
            platforms.push(platform);
        }
        let images = request.source.open(&platforms, opening)?;
        let named = images.into_iter().map(|image| {
            let reference = match &request.reference {
                Some(given) => reference::qualify(given, "the build's flags or caisson.toml")?,
                None => own_reference(&image)?,
            };
            Ok(Self { reference, image })
        });
        named.collect()
    }

    fn key(&self) -> (&str, &str) {
        (&self.reference, &self.image.config.platform)
    }
}

/// The platform, normalized. Devices run Linux and nothing else.
fn platform_of_a_device(given: &str) -> Result<String> {
    let wrong = |what| {
        PackError::new(Code::Usage, what)
            .found(given)
            .wanted("linux/ARCHITECTURE[/VARIANT], such as linux/arm64")
    };
    let platform = platform::normalize(given).ok_or_else(|| wrong("this is not a platform"))?;
    if platform.starts_with("linux/") {
        return Ok(platform);
    }
    Err(wrong("no device takes an image for this platform"))
}

/// The one name the image has in its source, in whatever forms.
fn own_reference(image: &SourceImage) -> Result<String> {
    let mut names = BTreeSet::new();
    for name in &image.names {
        names.insert(reference::qualify(name, &image.place)?);
    }
    let listed = names
        .iter()
        .map(String::as_str)
        .collect::<Vec<_>>()
        .join(", ");
    match (names.pop_first(), names.is_empty()) {
        (Some(name), true) => Ok(name),
        (Some(_), false) => Err(PackError::new(
            Code::ReferenceAmbiguous,
            "the image has several names",
        )
        .at(&image.place)
        .found(listed)),
        (None, _) => {
            let error = PackError::new(Code::ReferenceMissing, "the image has no name");
            Err(match &image.tag {
                Some(tag) => error.found(format!("only a tag, `{tag}`")),
                None => error,
            }
            .at(&image.place))
        }
    }
}

fn draft_without_layers(request: &BuildRequest, images: &[NamedImage]) -> Result<PackageDraft> {
    let newest = images
        .iter()
        .filter_map(|image| image.image.config.created)
        .max();
    let newest = u64::try_from(newest.unwrap_or(0)).unwrap_or(0);
    let mut services = Vec::new();
    for service in &request.services {
        let image = match &service.image {
            Some(image) => reference::qualify(image, "`image` of a service in caisson.toml")?,
            None => only_reference(images)?,
        };
        services.push(Service {
            service: service.service.clone(),
            service_revision: service.service_revision.clone(),
            image,
        });
    }
    services.sort_by(|one, other| one.service.cmp(&other.service));
    Ok(PackageDraft {
        package_version: request.package_version.clone(),
        release: request.release,
        mtime: request.epoch.unwrap_or(newest),
        requires: Vec::new(),
        live_names: request.live_names,
        compatibility: request.compatibility.clone(),
        notes: request.notes.clone(),
        services,
        images: Vec::new(),
        files: Vec::new(),
    })
}

fn only_reference(images: &[NamedImage]) -> Result<String> {
    let references: BTreeSet<&str> = images
        .iter()
        .map(|image| image.reference.as_str())
        .collect();
    let mut all = references.iter();
    match (all.next(), all.next()) {
        (Some(only), None) => Ok((*only).to_owned()),
        _ => Err(PackError::new(
            Code::ImagesConflict,
            "the images have different names; which one does the service run",
        )
        .found(references.into_iter().collect::<Vec<_>>().join(", "))
        .wanted("one name, for example by --reference")),
    }
}

/// Each layer once, however many images share it.
fn distinct_layers(images: &[NamedImage]) -> impl Iterator<Item = &SourceLayer> {
    let mut seen = BTreeSet::new();
    images
        .iter()
        .flat_map(|image| &image.image.layers)
        .filter(move |layer| seen.insert(layer.diff_id()))
}

/// The draft with what is known of each layer by its diff id.
fn with_layers(
    draft: &PackageDraft,
    images: &[NamedImage],
    layers: &BTreeMap<Digest, LayerDraft>,
) -> PackageDraft {
    let images = images.iter().map(|image| ImageDraft {
        reference: image.reference.clone(),
        platform: image.image.config.platform.clone(),
        config: image.image.config_bytes.clone(),
        layers: image
            .image
            .layers
            .iter()
            .map(|layer| layers[&layer.diff_id()].clone())
            .collect(),
    });
    PackageDraft {
        images: images.collect(),
        ..draft.clone()
    }
}

/// Stand-ins of one byte, for the format's rules to judge all the rest before
/// the work begins.
fn placeholders(images: &[NamedImage]) -> BTreeMap<Digest, LayerDraft> {
    let stand_in = |layer: &SourceLayer| {
        let mut blob = BlobDraft::from_bytes(vec![0]);
        blob.sum.digest = layer.diff_id();
        let draft = LayerDraft {
            blob,
            diff_id: layer.diff_id(),
            diff_size: 1,
        };
        (layer.diff_id(), draft)
    };
    distinct_layers(images).map(stand_in).collect()
}

/// Writes the package, reads it with the device's reader, and brings it to the
/// disk, all at the same time where that can be.
fn write_and_check(
    draft: &PackageDraft,
    size: u64,
    output: &mut PackageOutput,
    watch: &mut Watch,
) -> Result<PackageFacts> {
    let beside = output.beside();
    let beside = beside.map_err(|error| PackError::output(&error, output.part_path()))?;
    let (manifest, checked, synced) = thread::scope(|scope| {
        let syncing = scope.spawn(beside.sync);
        let checking = beside.follower.map(|file| {
            scope.spawn(move || check_file(file, Some(size), Depth::File, &mut Watch::silent()))
        });
        let manifest = write(draft, output, beside.written, watch);
        let checked = checking.map(|it| it.join().expect("the checking thread does not panic"));
        let synced = syncing.join();
        (
            manifest,
            checked,
            synced.expect("the syncing thread does not panic"),
        )
    });
    // An output that could not be written is no sound one either: its error first.
    let manifest = manifest?;
    synced.map_err(|error| PackError::output(&error, output.part_path()))?;
    let checked = match checked {
        Some(facts) => facts.map(Some),
        None => output.check(watch),
    };
    let self_check = |found: String| {
        PackError::new(
            Code::SelfCheckFailed,
            "the reader refuses what was just written",
        )
        .at_path(output.part_path())
        .found(found)
    };
    let facts = checked.map_err(|error| match error.code {
        Code::Package(code) => self_check(format!("{code}: {}", error.what)),
        _ => error,
    })?;
    match facts {
        Some(facts) if facts.manifest == manifest => Ok(facts),
        _ => Err(self_check("another manifest".to_owned())),
    }
}

fn write(
    draft: &PackageDraft,
    output: &mut PackageOutput,
    written: Written,
    watch: &mut Watch,
) -> Result<Manifest> {
    let blobs = draft.images.iter().flat_map(|image| &image.layers);
    watch.begin("writing", blobs.map(|layer| layer.blob.sum.size).sum());
    let mut out = Watched {
        output,
        written,
        watch,
    };
    let result = write_package(draft, &mut out, &mut |_, _| {});
    drop(out);
    watch.end();
    let failed = |error: &io::Error| PackError::output(error, output.part_path());
    result.map_err(|error| match error {
        WriteError::Rules(error) => refused(error),
        WriteError::Source { error, .. } | WriteError::Sink(error) => {
            PackError::from_io(error, failed)
        }
        WriteError::Changed { path } => PackError::new(
            Code::SelfCheckFailed,
            "a temporary file changed while the package was written",
        )
        .at(path),
    })
}

/// The format's rules refuse what was asked for.
fn refused(error: PackageError) -> PackError {
    PackError::package(error).next("correct the build's flags or caisson.toml")
}

/// The output, with progress and the possibility to stop.
struct Watched<'a> {
    output: &'a mut PackageOutput,
    written: Written,
    watch: &'a mut Watch,
}

impl Write for Watched<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let count = self.output.write(bytes)?;
        self.written.advance(count);
        let advanced = self.watch.advance(count as u64);
        advanced.map_err(PackError::into_io)?;
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
