//! Looking at a finished package: `inspect` reads its head, `verify` all of it,
//! `verify --deep` also unpacks every layer and compares the configs with the
//! manifest.
//!
//! The checks are those of the device, by the same reader. The deep ones find
//! what a device only learns from its engine during the import.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io;
use std::path::Path;

use edgepkg::layer::{DecodeError, DiffIdCheck, decode};
use edgepkg::limits::CONFIG_BYTES_MAX;
use edgepkg::manifest::{Image, Layer, Manifest, blob_path};
use edgepkg::parts::OpenError;
use edgepkg::{PackageError, PackageFile, PackageReader, ReadOptions};

use crate::describe::PackageFacts;
use crate::error::{Code, PackError, Result};
use crate::progress::Watch;
use crate::source::ImageConfig;

/// How much of a package is checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Depth {
    /// The head: manifest and chunk table.
    Head,
    /// Every byte of the file.
    File,
    /// Also what the layers and configs contain.
    Contents,
}

/// Opens a package by its name, or a split one by that of its first part. Every
/// command that reads a package opens it here.
///
/// # Errors
/// `usage.file_unreadable`, `pkg.part_name`, `pkg.part_size`.
pub fn open_package(path: &Path) -> Result<PackageFile> {
    PackageFile::open(path).map_err(|error| match error {
        OpenError::Refused(error) => PackError::package(error).in_package(path),
        OpenError::Unreadable { path, error } => unreadable(&path, &error),
    })
}

fn unreadable(path: &Path, error: &io::Error) -> PackError {
    PackError::new(Code::FileUnreadable, "the package can't be opened")
        .at_path(path)
        .found(error)
}

/// Checks a package file and says what it holds. The package may also come out of
/// a pipe.
///
/// # Errors
/// `usage.file_unreadable`, the format's codes, `build.interrupted`.
pub fn check_package(path: &Path, depth: Depth, watch: &mut Watch) -> Result<PackageFacts> {
    if is_stream(path) {
        let file = File::open(path).map_err(|error| unreadable(path, &error))?;
        let checked = check_file(file, None, depth, watch);
        return checked.map_err(|error| error.in_package(path));
    }
    let file = open_package(path)?;
    check_parts(file, depth, watch).map_err(|error| error.in_package(path))
}

/// The bytes of a package, whole, split or out of a pipe, and how to read them.
///
/// # Errors
/// As [`open_package`].
pub(crate) fn open_source(path: &Path) -> Result<(Box<dyn io::Read>, ReadOptions)> {
    if is_stream(path) {
        let file = File::open(path).map_err(|error| unreadable(path, &error))?;
        return Ok((Box::new(file), ReadOptions::default()));
    }
    let file = open_package(path)?;
    let options = file.read_options();
    Ok((Box::new(file), options))
}

/// A pipe or a device: it has no size of its own.
fn is_stream(path: &Path) -> bool {
    fs::metadata(path).is_ok_and(|facts| !facts.is_file() && !facts.is_dir())
}

/// Checks a package that is already open, whole or in parts, from its first byte.
///
/// # Errors
/// As [`check_package`].
pub fn check_parts(file: PackageFile, depth: Depth, watch: &mut Watch) -> Result<PackageFacts> {
    let parts = file.parts();
    let options = file.read_options();
    let facts = check(file, options, depth, watch)?;
    Ok(PackageFacts { parts, ..facts })
}

/// Checks a package from any source of bytes, from where its position is.
///
/// # Errors
/// As [`check_package`].
pub fn check_file(
    file: impl io::Read,
    file_size: Option<u64>,
    depth: Depth,
    watch: &mut Watch,
) -> Result<PackageFacts> {
    let options = ReadOptions {
        file_size,
        ..ReadOptions::default()
    };
    check(file, options, depth, watch)
}

fn check(
    source: impl io::Read,
    options: ReadOptions,
    depth: Depth,
    watch: &mut Watch,
) -> Result<PackageFacts> {
    let options = ReadOptions {
        check_digests: depth == Depth::Contents,
        ..options
    };
    let mut reader = PackageReader::open(source, options).map_err(PackError::package)?;
    watch.begin("checking", reader.file_bytes());
    match depth {
        Depth::Head => {}
        Depth::File => read_through(&mut reader, watch)?,
        Depth::Contents => read_contents(&mut reader, watch)?,
    }
    watch.end();
    Ok(PackageFacts {
        manifest_digest: reader.manifest_digest(),
        size: reader.file_bytes(),
        parts: Vec::new(),
        manifest: reader.manifest().clone(),
    })
}

fn read_through<R: io::Read>(reader: &mut PackageReader<R>, watch: &mut Watch) -> Result<()> {
    loop {
        while reader.next_chunk().map_err(PackError::package)?.is_some() {
            watch.reach(reader.bytes_read())?;
        }
        if reader.next_entry().map_err(PackError::package)?.is_none() {
            return Ok(());
        }
    }
}

fn read_contents<R: io::Read>(reader: &mut PackageReader<R>, watch: &mut Watch) -> Result<()> {
    let manifest = reader.manifest().clone();
    while let Some(entry) = reader.next_entry().map_err(PackError::package)? {
        let path = entry.path.clone();
        if let Some(layer) = layer_at(&manifest, &path) {
            let before = reader.bytes_read();
            unpack(reader, layer)?;
            watch.reach(before)?;
        } else if manifest
            .images
            .iter()
            .any(|image| blob_path(&image.config) == path)
        {
            let (_, config) = read_config(reader, &path)?;
            for image in &manifest.images {
                if blob_path(&image.config) == path {
                    compare_config(&config, image, &path)?;
                }
            }
        }
    }
    Ok(())
}

fn layer_at<'a>(manifest: &'a Manifest, path: &str) -> Option<&'a Layer> {
    let mut layers = manifest.images.iter().flat_map(|image| &image.layers);
    layers.find(|layer| blob_path(&layer.digest) == path)
}

fn unpack<R: io::Read>(reader: &mut PackageReader<R>, layer: &Layer) -> Result<()> {
    let mut entry = reader.entry_reader();
    let mut sink = io::sink();
    match decode(&mut entry, layer, DiffIdCheck::Here, &mut sink, &mut |_| {}) {
        Ok(()) => Ok(()),
        Err(DecodeError::Package(error)) => Err(PackError::package(error)),
        Err(DecodeError::Sink(error)) => Err(PackError::new(
            Code::Internal,
            format!("nothing could not be written: {error}"),
        )),
    }
}

/// The config in the current entry: its bytes, and what is in them.
///
/// # Errors
/// `manifest.inconsistent`, and what the reader finds.
pub(crate) fn read_config<R: io::Read>(
    reader: &mut PackageReader<R>,
    path: &str,
) -> Result<(Vec<u8>, ImageConfig)> {
    let mut bytes = Vec::new();
    // The manifest's rules keep configs below this.
    let mut entry = io::Read::take(reader.entry_reader(), CONFIG_BYTES_MAX);
    io::Read::read_to_end(&mut entry, &mut bytes)
        .map_err(|error| PackError::package(PackageError::from_io(error, path)))?;
    let config = ImageConfig::parse(&bytes, path)
        .map_err(|error| inconsistent("an image's config can't be used", path).found(error.what))?;
    Ok((bytes, config))
}

/// Holds a config against the manifest: layers and platform.
///
/// # Errors
/// `manifest.inconsistent`.
pub(crate) fn compare_config(config: &ImageConfig, image: &Image, path: &str) -> Result<()> {
    let diff_ids: Vec<_> = image.layers.iter().map(|layer| layer.diff_id).collect();
    if config.diff_ids != diff_ids {
        let known: BTreeSet<_> = diff_ids.iter().collect();
        let stranger = config
            .diff_ids
            .iter()
            .find(|diff_id| !known.contains(diff_id));
        let error = inconsistent(
            "an image's config names other layers than the manifest",
            path,
        );
        return Err(match stranger {
            Some(stranger) => error.found(stranger),
            None => error
                .found(format!(
                    "{} layers, or another order",
                    config.diff_ids.len()
                ))
                .wanted(format!("{} layers", diff_ids.len())),
        });
    }
    if config.platform != image.platform {
        return Err(
            inconsistent("an image's config is for another platform", path)
                .found(&config.platform)
                .wanted(&image.platform),
        );
    }
    Ok(())
}

fn inconsistent(what: &str, path: &str) -> PackError {
    PackError::package(PackageError::new(edgepkg::Code::Inconsistent, what, path))
}
