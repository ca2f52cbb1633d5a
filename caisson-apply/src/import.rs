//! What the engine is sent: one plain tar that every engine reads, made from the
//! package while it is read. Uncompressed layers under their `diff_id`, the
//! config, the canonical engine manifest, and last of all the files that give the
//! image a name: a stream that is cut or refused leaves nothing named.
//!
//! Every byte was verified by the package reader before it is written here; the
//! whole package is read to its end before the naming files go out.

use std::collections::BTreeSet;
use std::io::{self, Write};

use edgepkg::layer::{DecodeError, DiffIdCheck, decode};
use edgepkg::{Digest, derive, header};
use serde_json::json;

use crate::error::{Code, Error, Result};
use crate::host::Host;
use crate::package::{ImportSource, Package, blob_path};
use crate::progress::Progress;
use crate::update::context::ImageSource;
use crate::update::interrupted;
use crate::update::record::TargetImage;

/// Time stamps inside the stream; nobody reads them.
const MTIME: u64 = 0;

/// An [`ImportSource`] with somebody watching.
pub struct Import<'a> {
    pub source: ImportSource,
    pub host: &'a dyn Host,
    pub progress: Progress<'a>,
}

impl std::fmt::Debug for Import<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Import")
            .field("source", &self.source)
            .finish_non_exhaustive()
    }
}

impl ImageSource for Import<'_> {
    fn send(&mut self, image: &TargetImage, incoming: &str, sink: &mut dyn Write) -> Result<()> {
        if self.source.image.config.to_string() != image.config {
            return Err(Error::new(
                Code::Internal,
                "the package and the plan name different images",
            ));
        }
        entry(
            sink,
            &blob_path(&self.source.image.config),
            &self.source.config,
        )?;
        self.send_layers(sink)?;
        self.send_names(incoming, sink)?;
        self.progress.finish();
        Ok(())
    }
}

impl Import<'_> {
    /// The layers of this image, in the order they stand in the package; everything
    /// else is verified and dropped. Ends after the end of the package was verified.
    fn send_layers(&mut self, sink: &mut dyn Write) -> Result<()> {
        let mut sent: BTreeSet<Digest> = BTreeSet::new();
        let package = &mut self.source.package;
        let total = package.file_bytes;
        loop {
            let path = match package.reader.next_entry() {
                Ok(Some(entry)) => entry.path.clone(),
                Ok(None) => return Ok(()),
                Err(error) => return Err(package.refused(&error)),
            };
            let layer = self
                .source
                .image
                .layers
                .iter()
                .find(|layer| blob_path(&layer.digest) == path);
            let Some(layer) = layer.filter(|layer| !sent.contains(&layer.diff_id)) else {
                skip(package, self.host)?;
                continue;
            };
            write(
                sink,
                &header::encode(&blob_path(&layer.diff_id), layer.diff_size, MTIME),
            )?;
            let before = package.reader.bytes_read();
            let (packed, unpacked) = (layer.size.max(1), layer.diff_size.max(1));
            let host = self.host;
            let progress = &mut self.progress;
            let mut stopped = None;
            let mut guarded = StopSink {
                sink,
                host,
                stopped: &mut stopped,
            };
            let decoded = decode(
                &mut package.reader.entry_reader(),
                layer,
                DiffIdCheck::Elsewhere,
                &mut guarded,
                &mut |done| {
                    // The position in the file, estimated from the unpacked bytes.
                    let share = u128::from(done) * u128::from(packed) / u128::from(unpacked);
                    progress.reach(
                        before
                            .saturating_add(u64::try_from(share).unwrap_or(u64::MAX))
                            .min(total),
                    );
                },
            );
            if let Some(error) = stopped {
                return Err(error);
            }
            match decoded {
                Ok(()) => {}
                Err(DecodeError::Package(error)) => return Err(package.refused(&error)),
                Err(DecodeError::Sink(error)) => return Err(sink_failed(&error)),
            }
            write(sink, &[0; 512][..header::padding_len(layer.diff_size)])?;
            sent.insert(layer.diff_id);
        }
    }

    /// The files that make an image of the blobs, under the incoming name.
    fn send_names(&self, incoming: &str, sink: &mut dyn Write) -> Result<()> {
        let image = &self.source.image;
        let config_size = self.source.config.len() as u64;
        let manifest = derive::engine_manifest(&image.config, config_size, &image.layers);
        let digest = Digest::of(&manifest);
        if digest != image.engine_manifest {
            return Err(Error::new(
                Code::Package("pkg.config_mismatch"),
                "the manifest names another engine manifest",
            )
            .found(digest.to_string())
            .wanted(image.engine_manifest.to_string()));
        }
        entry(sink, &blob_path(&digest), &manifest)?;
        let index = json!({
            "schemaVersion": 2,
            "mediaType": "application/vnd.oci.image.index.v1+json",
            "manifests": [{
                "mediaType": "application/vnd.docker.distribution.manifest.v2+json",
                "digest": digest.to_string(),
                "size": manifest.len(),
                "annotations": {
                    "io.containerd.image.name": incoming,
                    "org.opencontainers.image.ref.name": incoming,
                },
            }],
        });
        entry(sink, "index.json", index.to_string().as_bytes())?;
        entry(sink, "oci-layout", &derive::oci_layout())?;
        let layers: Vec<String> = image
            .layers
            .iter()
            .map(|layer| blob_path(&layer.diff_id))
            .collect();
        let names = json!([{ "Config": blob_path(&image.config), "RepoTags": [incoming], "Layers": layers }]);
        entry(sink, "manifest.json", names.to_string().as_bytes())?;
        write(sink, &[0; 1024])
    }
}

/// Verifies and drops the current entry.
fn skip(package: &mut Package, host: &dyn Host) -> Result<()> {
    loop {
        match package.reader.next_chunk() {
            Ok(Some(_piece)) => stop_if_asked(host)?,
            Ok(None) => return Ok(()),
            Err(error) => return Err(package.refused(&error)),
        }
    }
}

/// Ends the stream when the person asks for it.
struct StopSink<'a> {
    sink: &'a mut dyn Write,
    host: &'a dyn Host,
    stopped: &'a mut Option<Error>,
}

impl Write for StopSink<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if let Err(error) = stop_if_asked(self.host) {
            *self.stopped = Some(error);
            return Err(io::Error::other("interrupted"));
        }
        self.sink.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.sink.flush()
    }
}

fn stop_if_asked(host: &dyn Host) -> Result<()> {
    if host.interrupted() {
        Err(interrupted())
    } else {
        Ok(())
    }
}

/// One whole file of the stream.
fn entry(sink: &mut dyn Write, path: &str, bytes: &[u8]) -> Result<()> {
    let size = bytes.len() as u64;
    write(sink, &header::encode(path, size, MTIME))?;
    write(sink, bytes)?;
    write(sink, &[0; 512][..header::padding_len(size)])
}

fn write(sink: &mut dyn Write, bytes: &[u8]) -> Result<()> {
    sink.write_all(bytes).map_err(|error| sink_failed(&error))
}

fn sink_failed(error: &io::Error) -> Error {
    Error::new(Code::EngineAnswer, "the engine stopped taking the image").found(error.to_string())
}
