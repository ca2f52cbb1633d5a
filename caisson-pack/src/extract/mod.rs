//! Images out of a package, as archives that any engine reads: layers unpacked,
//! names as they were where the images were built.
//!
//! One pass and flat memory: configs and layers are written as they come out of
//! the package, what gives them a name comes after the package's last byte was
//! checked. So a stream that is cut, or a package that turns out to be damaged,
//! leaves nothing that an engine would take for an image. A file or folder is
//! given its name only when it is whole.
//!
//! Attacks answered: no byte is written before its chunk was verified; layers
//! are held against `diff_id` and size, configs against the manifest; every
//! path of the output is made here, of digests.

mod choose;
mod folder;
mod names;
mod output;

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{self, IsTerminal as _, Read, Write};
use std::os::fd::AsFd as _;
use std::path::{Path, PathBuf};

use edgepkg::layer::{DecodeError, DiffIdCheck, decode};
use edgepkg::manifest::{Image, Layer, Manifest, blob_path};
use edgepkg::{Digest, PackageReader};

use crate::error::{Code, PackError, Result};
use crate::output::PartFile;
use crate::progress::Watch;
use crate::verify::{compare_config, open_source, read_config};
use folder::FolderOutput;
use output::{Output, TarOutput};

/// How the images are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// What `docker save` writes today: a docker archive that is an OCI layout
    /// as well, with docker's media types. Every engine loads it.
    DockerArchive,
    /// An OCI image layout.
    Oci,
}

/// Where they are written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Destination {
    /// A tar file; `replace` if it is there.
    Archive {
        /// The file.
        path: PathBuf,
        /// Whether a file that is there is replaced.
        replace: bool,
    },
    /// A tar on standard output.
    StandardOutput,
    /// A folder that is not there yet, or is empty.
    Folder(PathBuf),
}

/// What is to be extracted.
#[derive(Clone, Debug)]
pub struct ExtractRequest {
    /// The package file.
    pub package: PathBuf,
    /// How.
    pub form: Form,
    /// Where to.
    pub destination: Destination,
    /// Only images of this name.
    pub reference: Option<String>,
    /// Only images for this platform.
    pub platform: Option<String>,
}

/// What was extracted.
#[derive(Clone, Debug)]
pub struct Extracted {
    /// The images, in the package's order.
    pub images: Vec<ExtractedImage>,
    /// Bytes written: blobs, and in archives the tar around them.
    pub bytes: u64,
}

/// One image of the output.
#[derive(Clone, Debug)]
pub struct ExtractedImage {
    /// The image in the package.
    pub image: Image,
    /// Digest of its manifest in the output.
    pub manifest: Digest,
}

/// Writes the chosen images of a package.
///
/// # Errors
/// `extract.image_not_found`, `extract.platform_needed`, `usage.invalid`,
/// `usage.file_unreadable`, the format's codes, `build.output_exists`,
/// `build.output_busy`, `build.output_failed`, `build.no_space`,
/// `build.interrupted`.
pub fn extract(request: &ExtractRequest, watch: &mut Watch) -> Result<Extracted> {
    let (source, options) = open_source(&request.package)?;
    let opened = PackageReader::open(source, options).map_err(PackError::package);
    let extracted = opened.and_then(|mut reader| {
        let manifest = reader.manifest().clone();
        let chosen = choose::choose(&manifest, request)?;
        watch.begin("extracting", reader.file_bytes());
        write_images(request, &mut reader, &manifest, &chosen, watch)
    });
    watch.end();
    extracted.map_err(|error| error.in_package(&request.package))
}

fn write_images(
    request: &ExtractRequest,
    reader: &mut PackageReader<impl Read>,
    manifest: &Manifest,
    chosen: &[&Image],
    watch: &mut Watch,
) -> Result<Extracted> {
    let mut tar = |file: File, place: &Path, watch: &mut Watch| -> Result<(Extracted, File)> {
        let mut output = TarOutput::new(file, manifest.mtime);
        let pass = Pass::new(&mut output, place, manifest, chosen);
        let images = pass.run(reader, request.form, watch)?;
        let (bytes, file) = output
            .finish()
            .map_err(|error| output_failed(&error, place))?;
        Ok((Extracted { images, bytes }, file))
    };
    match &request.destination {
        Destination::StandardOutput => {
            if io::stdout().is_terminal() {
                let what = "refusing to write an archive to a terminal";
                return Err(PackError::new(Code::Usage, what)
                    .wanted("a file, or a pipe such as `| docker load`"));
            }
            let place = Path::new("standard output");
            let stdout = io::stdout().as_fd().try_clone_to_owned();
            let stdout = stdout.map_err(|error| output_failed(&error, place))?;
            tar(stdout.into(), place, watch).map(|(extracted, _)| extracted)
        }
        Destination::Archive { path, replace } => {
            let part = PartFile::create(path, *replace)?;
            let failed = |error: io::Error| output_failed(&error, part.part_path());
            let file = part.file().try_clone().map_err(failed)?;
            let (extracted, file) = tar(file, part.part_path(), watch)?;
            file.sync_all().map_err(failed)?;
            part.publish()?;
            Ok(extracted)
        }
        Destination::Folder(path) => {
            let mut output = FolderOutput::create(path)?;
            let place = output.part_path().to_owned();
            let pass = Pass::new(&mut output, &place, manifest, chosen);
            let images = pass.run(reader, request.form, watch)?;
            let bytes = output.publish()?;
            Ok(Extracted { images, bytes })
        }
    }
}

/// A failed write of the output; the advice names no build.
fn output_failed(error: &io::Error, place: &Path) -> PackError {
    let io_kind = error.kind();
    let error = PackError::output(error, place);
    if error.code == Code::NoSpace {
        return error.next("free some room: unpacked layers take more than the package");
    }
    if io_kind == io::ErrorKind::BrokenPipe {
        return error.next("the program behind the pipe ended; look at what it said");
    }
    error
}

/// One pass over a package.
struct Pass<'a> {
    output: &'a mut dyn Output,
    place: &'a Path,
    manifest: &'a Manifest,
    chosen: &'a [&'a Image],
    /// Blobs of the output; images share them.
    written: BTreeSet<Digest>,
}

impl<'a> Pass<'a> {
    fn new(
        output: &'a mut dyn Output,
        place: &'a Path,
        manifest: &'a Manifest,
        chosen: &'a [&'a Image],
    ) -> Self {
        Self {
            output,
            place,
            manifest,
            chosen,
            written: BTreeSet::new(),
        }
    }

    fn run(
        mut self,
        reader: &mut PackageReader<impl Read>,
        form: Form,
        watch: &mut Watch,
    ) -> Result<Vec<ExtractedImage>> {
        while let Some(entry) = reader.next_entry().map_err(PackError::package)? {
            let path = entry.path.clone();
            if let Some(layer) = self.layer_at(&path) {
                self.layer(reader, layer, watch)?;
            } else if let Some(image) = self.image_of_config(&path) {
                self.config(reader, image, &path)?;
            } else {
                while reader.next_chunk().map_err(PackError::package)?.is_some() {
                    watch.reach(reader.bytes_read())?;
                }
            }
        }
        let naming = match form {
            Form::DockerArchive => names::docker_archive(self.manifest, self.chosen),
            Form::Oci => names::oci_layout(self.manifest, self.chosen),
        };
        for (digest, bytes) in &naming.blobs {
            self.blob(*digest, bytes)?;
        }
        for (path, bytes) in &naming.files {
            self.file(path, bytes)?;
        }
        Ok(self
            .chosen
            .iter()
            .zip(naming.manifests)
            .map(|(image, manifest)| ExtractedImage {
                image: (*image).clone(),
                manifest,
            })
            .collect())
    }

    /// The layer that is packed in this entry. A digest means one layer
    /// everywhere: that is a rule of the manifest.
    fn layer_at(&self, path: &str) -> Option<&'a Layer> {
        let mut layers = self.chosen.iter().flat_map(|image| &image.layers);
        layers.find(|layer| blob_path(&layer.digest) == path)
    }

    fn image_of_config(&self, path: &str) -> Option<&'a Image> {
        let mut images = self.chosen.iter();
        images
            .find(|image| blob_path(&image.config) == path)
            .copied()
    }

    /// A config that names other layers, or another platform, than the manifest
    /// would be an image that no engine accepts.
    fn config<R: Read>(
        &mut self,
        reader: &mut PackageReader<R>,
        image: &Image,
        path: &str,
    ) -> Result<()> {
        let (bytes, config) = read_config(reader, path)?;
        compare_config(&config, image, path)?;
        self.blob(image.config, &bytes)
    }

    fn layer<R: Read>(
        &mut self,
        reader: &mut PackageReader<R>,
        layer: &Layer,
        watch: &mut Watch,
    ) -> Result<()> {
        if !self.written.insert(layer.diff_id) {
            return Ok(());
        }
        let failed = |error: &io::Error| output_failed(error, self.place);
        self.output
            .begin(&blob_path(&layer.diff_id), layer.diff_size)
            .map_err(|error| failed(&error))?;
        let mut sink = Watched {
            output: &mut *self.output,
            watch,
            layer,
            start: reader.bytes_read(),
            done: 0,
        };
        let mut entry = reader.entry_reader();
        match decode(&mut entry, layer, DiffIdCheck::Here, &mut sink, &mut |_| {}) {
            Ok(()) => self.output.end().map_err(|error| failed(&error)),
            Err(DecodeError::Package(error)) => Err(PackError::package(error)),
            Err(DecodeError::Sink(error)) => Err(PackError::from_io(error, failed)),
        }
    }

    fn blob(&mut self, digest: Digest, bytes: &[u8]) -> Result<()> {
        if self.written.insert(digest) {
            self.file(&blob_path(&digest), bytes)?;
        }
        Ok(())
    }

    fn file(&mut self, path: &str, bytes: &[u8]) -> Result<()> {
        let output = &mut *self.output;
        output
            .begin(path, bytes.len() as u64)
            .and_then(|()| output.write_all(bytes))
            .and_then(|()| output.end())
            .map_err(|error| output_failed(&error, self.place))
    }
}

/// Draws progress, and lets a signal end the work, while a layer is written.
struct Watched<'a> {
    output: &'a mut dyn Output,
    watch: &'a mut Watch,
    layer: &'a Layer,
    /// Where the layer begins in the package, in bytes.
    start: u64,
    /// Unpacked bytes so far.
    done: u64,
}

impl Write for Watched<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let count = self.output.write(bytes)?;
        self.done += count as u64;
        // The position in the package, estimated from the unpacked bytes.
        let share = u128::from(self.done) * u128::from(self.layer.size)
            / u128::from(self.layer.diff_size.max(1));
        let share = u64::try_from(share).unwrap_or(u64::MAX);
        self.watch
            .reach(self.start.saturating_add(share))
            .map_err(PackError::into_io)?;
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.output.flush()
    }
}
