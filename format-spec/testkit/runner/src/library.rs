//! The vectors through this project's library: verdict, place, and every byte
//! that is released before it; accept vectors are written again.
//!
//! Each vector is read three times: as a file whose size is known, as a stream,
//! and in a deep pass that unpacks the layers.

use std::fs;
use std::io::{self, Read};

use edgepkg::digest::Hasher;
use edgepkg::layer::{DecodeError, DiffIdCheck, decode};
use edgepkg::manifest::{FILES, Manifest, blob_path};
use edgepkg::parts::{OpenError, PackageFile};
use edgepkg::writer::{self, BlobDraft, FileDraft, ImageDraft, LayerDraft, PackageDraft};
use edgepkg::{PackageError, PackageReader, ReadOptions};

use crate::suite::{Depth, Reject, Released, Suite, Vector, Verdict};

/// Holds the library against one vector.
///
/// # Errors
/// What differs from the index.
pub fn check(suite: &Suite, vector: &Vector) -> Result<(), String> {
    let quick = from_file(suite, vector, false)?;
    let deep = from_file(suite, vector, true)?;
    // Parts are files: there is no stream of them whose size is not known.
    let stream = match vector.parts {
        None => Some(from_stream(suite, vector)?),
        Some(_) => None,
    };
    match &vector.verdict {
        Verdict::Accept { manifest_digest } => {
            for (how, pass) in [
                ("file", Some(&quick)),
                ("stream", stream.as_ref()),
                ("deep", Some(&deep)),
            ] {
                if let Some(pass) = pass {
                    pass.is_accepted(manifest_digest)
                        .map_err(|why| format!("{how}: {why}"))?;
                }
            }
            again(suite, vector, &deep)
        }
        Verdict::Reject {
            depth,
            file,
            stream: in_stream,
        } => {
            if *depth == Depth::Contents {
                quick
                    .is_accepted("")
                    .map_err(|why| format!("quick pass: {why}"))?;
            } else {
                quick
                    .is_refused(file)
                    .map_err(|why| format!("file: {why}"))?;
                if let Some(stream) = stream {
                    stream
                        .is_refused(in_stream)
                        .map_err(|why| format!("stream: {why}"))?;
                }
            }
            deep.is_refused(file)
                .map_err(|why| format!("deep pass: {why}"))
        }
    }
}

/// What one reading found.
struct Pass {
    error: Option<PackageError>,
    head: Option<(Manifest, String)>,
    /// Data of each entry that was released.
    entries: Vec<Vec<u8>>,
    /// Unpacked bytes beyond a layer's size.
    is_over: bool,
    /// The reader gave something after its error.
    goes_on: bool,
}

fn from_file(suite: &Suite, vector: &Vector, is_deep: bool) -> Result<Pass, String> {
    match PackageFile::open(&suite.path(vector)) {
        Ok(file) => {
            let options = ReadOptions {
                check_digests: is_deep,
                ..file.read_options()
            };
            Ok(Pass::new(file, options))
        }
        Err(OpenError::Refused(error)) => Ok(Pass {
            error: Some(error),
            ..Pass::empty()
        }),
        Err(OpenError::Unreadable { path, error }) => Err(format!("{}: {error}", path.display())),
    }
}

fn from_stream(suite: &Suite, vector: &Vector) -> Result<Pass, String> {
    let bytes = fs::read(suite.path(vector)).map_err(|error| error.to_string())?;
    Ok(Pass::new(&bytes[..], ReadOptions::default()))
}

impl Pass {
    fn empty() -> Self {
        Self {
            error: None,
            head: None,
            entries: Vec::new(),
            is_over: false,
            goes_on: false,
        }
    }

    /// With `check_digests` it is a deep pass.
    fn new(source: impl Read, options: ReadOptions) -> Self {
        let mut pass = Self::empty();
        pass.error = pass.read(source, options).err();
        pass
    }

    fn read(&mut self, source: impl Read, options: ReadOptions) -> Result<(), PackageError> {
        let mut reader = PackageReader::open(source, options)?;
        let result = self.read_entries(&mut reader, options);
        if let Err(error) = &result
            && !error.code.as_str().starts_with("pkg.layer_")
        {
            // The reader itself failed, not the layer it gave: then for good.
            self.goes_on = reader.next_chunk().is_ok() || reader.next_entry().is_ok();
        }
        result
    }

    fn read_entries(
        &mut self,
        reader: &mut PackageReader<impl Read>,
        options: ReadOptions,
    ) -> Result<(), PackageError> {
        let manifest = reader.manifest().clone();
        self.head = Some((manifest.clone(), reader.manifest_digest().to_string()));
        while let Some(entry) = reader.next_entry()? {
            let path = entry.path.clone();
            self.entries.push(Vec::new());
            while let Some(piece) = reader.next_chunk()? {
                self.entries
                    .last_mut()
                    .expect("pushed above")
                    .extend_from_slice(piece);
            }
            if options.check_digests {
                self.unpack(&manifest, &path)?;
            }
        }
        Ok(())
    }

    fn unpack(&mut self, manifest: &Manifest, path: &str) -> Result<(), PackageError> {
        let mut layers = manifest.images.iter().flat_map(|image| &image.layers);
        let Some(layer) = layers.find(|layer| blob_path(&layer.digest) == path) else {
            return Ok(());
        };
        let mut blob = &self.entries.last().expect("the layer was read")[..];
        let mut unpacked = 0;
        let mut progress = |count: u64| unpacked = count;
        let decoded = decode(
            &mut blob,
            layer,
            DiffIdCheck::Here,
            &mut io::sink(),
            &mut progress,
        );
        self.is_over |= unpacked > layer.diff_size;
        decoded.map_err(|error| match error {
            DecodeError::Package(error) => error,
            DecodeError::Sink(error) => PackageError::from_io(error, path),
        })
    }

    fn released(&self) -> Released {
        let mut hasher = Hasher::new();
        let mut bytes = 0;
        for entry in &self.entries {
            hasher.update(entry);
            bytes += entry.len() as u64;
        }
        Released {
            bytes,
            sha256: hasher.finish().to_string(),
        }
    }

    /// An empty digest is not compared.
    fn is_accepted(&self, manifest_digest: &str) -> Result<(), String> {
        if let Some(error) = &self.error {
            return Err(format!("refused: {}: {error}", error.code));
        }
        let (_, found) = self.head.as_ref().expect("read to its end");
        if manifest_digest.is_empty() || found == manifest_digest {
            return Ok(());
        }
        Err(format!("manifest digest {found}, wanted {manifest_digest}"))
    }

    fn is_refused(&self, wanted: &Reject) -> Result<(), String> {
        let Some(error) = &self.error else {
            return Err(format!("accepted, wanted {}", wanted.code));
        };
        if self.is_over {
            return Err("more was unpacked than the layer's size".to_owned());
        }
        if self.goes_on {
            return Err("the reader went on after its error".to_owned());
        }
        let found = [error.code.as_str(), &error.place];
        let codes = [wanted.code.as_str(), &wanted.place];
        if found != codes {
            return Err(format!("{found:?}, wanted {codes:?}"));
        }
        if self.released() != wanted.released {
            return Err(format!(
                "released {:?}, wanted {:?}",
                self.released(),
                wanted.released
            ));
        }
        Ok(())
    }
}

/// The writer, given what the reader read, must give the same bytes.
fn again(suite: &Suite, vector: &Vector, pass: &Pass) -> Result<(), String> {
    let (manifest, _) = pass.head.as_ref().expect("it was accepted");
    let mut written = Vec::new();
    writer::write(
        &draft(manifest, &pass.entries),
        &mut written,
        &mut |_, _| {},
    )
    .map_err(|error| format!("written again: {error}"))?;
    let mut wanted = Vec::new();
    PackageFile::open(&suite.path(vector))
        .map_err(io::Error::other)
        .and_then(|mut file| file.read_to_end(&mut wanted))
        .map_err(|error| error.to_string())?;
    let same = written
        .iter()
        .zip(&wanted)
        .take_while(|(one, other)| one == other);
    let same = same.count();
    if written == wanted {
        return Ok(());
    }
    Err(format!("written again, it differs from byte {same} on"))
}

fn draft(manifest: &Manifest, entries: &[Vec<u8>]) -> PackageDraft {
    let data = |path: &str| {
        let paths = manifest.entries.iter().map(|entry| entry.path.as_str());
        let found = paths.zip(entries).find(|(known, _)| *known == path);
        found.expect("a checked manifest names its blobs").1.clone()
    };
    let images = manifest.images.iter().map(|image| ImageDraft {
        reference: image.reference.clone(),
        platform: image.platform.clone(),
        config: data(&blob_path(&image.config)),
        layers: image
            .layers
            .iter()
            .map(|layer| LayerDraft {
                blob: BlobDraft::from_bytes(data(&blob_path(&layer.digest))),
                diff_id: layer.diff_id,
                diff_size: layer.diff_size,
            })
            .collect(),
    });
    let paths = manifest.entries.iter().map(|entry| entry.path.as_str());
    let files = paths
        .filter_map(|path| path.strip_prefix(FILES))
        .map(|name| FileDraft {
            name: name.to_owned(),
            blob: BlobDraft::from_bytes(data(&format!("{FILES}{name}"))),
        });
    PackageDraft {
        package_version: manifest.package_version.clone(),
        release: manifest.release,
        mtime: manifest.mtime,
        requires: manifest.requires.clone(),
        live_names: manifest.live_names,
        compatibility: manifest.compatibility.clone(),
        notes: manifest.notes.clone(),
        services: manifest.services.clone(),
        images: images.collect(),
        files: files.collect(),
    }
}
