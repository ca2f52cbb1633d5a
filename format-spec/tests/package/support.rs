//! Small packages for the tests, made by the writer from fixed bytes.

use std::io::Write;

use edgepkg::digest::Digest;
use edgepkg::manifest::{Compatibility, Manifest, Service};
use edgepkg::reader::{PackageReader, ReadOptions};
use edgepkg::writer::{self, BlobDraft, FileDraft, ImageDraft, LayerDraft, PackageDraft};
use edgepkg::{Code, PackageError};

/// Bytes that do not compress, always the same for one seed.
pub(crate) fn noise(seed: u64, size: usize) -> Vec<u8> {
    let mut random = Random::new(seed);
    let mut bytes = Vec::with_capacity(size + 8);
    while bytes.len() < size {
        bytes.extend_from_slice(&random.next().to_le_bytes());
    }
    bytes.truncate(size);
    bytes
}

/// A seeded generator (splitmix64), so that a failing case can be run again.
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    pub(crate) fn below(&mut self, limit: u64) -> u64 {
        self.next() % limit
    }
}

/// One zstd frame over these bytes, with its content size in the header.
pub(crate) fn zstd_frame(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = zstd::stream::Encoder::new(Vec::new(), 3).unwrap();
    encoder
        .set_pledged_src_size(Some(bytes.len() as u64))
        .unwrap();
    encoder.include_contentsize(true).unwrap();
    encoder.window_log(21).unwrap();
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

pub(crate) fn layer(unpacked: &[u8]) -> LayerDraft {
    LayerDraft {
        blob: BlobDraft::from_bytes(zstd_frame(unpacked)),
        diff_id: Digest::of(unpacked),
        diff_size: unpacked.len() as u64,
    }
}

pub(crate) fn service(name: &str, image: &str) -> Service {
    Service {
        service: name.to_string(),
        service_revision: format!("{name}-r1"),
        image: image.to_string(),
    }
}

pub(crate) fn image(reference: &str, platform: &str, layers: Vec<LayerDraft>) -> ImageDraft {
    ImageDraft {
        reference: reference.to_string(),
        platform: platform.to_string(),
        config: format!(r#"{{"reference":"{reference}","platform":"{platform}"}}"#).into_bytes(),
        layers,
    }
}

/// A small package with everything in it: two services, three images on two
/// platforms that share a layer, notes, and files, one of them empty.
pub(crate) fn draft() -> PackageDraft {
    let base = layer(&noise(1, 5000));
    let web_layers = vec![base.clone(), layer(&noise(2, 700)), base.clone()];
    PackageDraft {
        package_version: "1.2.0-rc.1+build.7".to_string(),
        release: Some(7),
        mtime: 1_700_000_000,
        compatibility: Compatibility {
            min_updater_version: Some("0.2.0".to_string()),
            engine_api_min: Some("1.41".to_string()),
        },
        notes: [
            ("changes", "first line\nsecond \"line\"\twith a \\ and ü"),
            ("built-by", ""),
        ]
        .map(|(key, value)| (key.to_string(), value.to_string()))
        .into(),
        services: vec![
            service("web", "Reg.example:5000/team/web:1.2.0"),
            service("db", "db:7"),
        ],
        images: vec![
            image("Reg.example:5000/team/web:1.2.0", "linux/amd64", web_layers),
            image(
                "Reg.example:5000/team/web:1.2.0",
                "linux/arm/v7",
                vec![layer(&noise(3, 900))],
            ),
            image("db:7", "linux/amd64", vec![base, layer(&[0; 3000])]),
        ],
        files: vec![
            file("z.conf", b"z"),
            file("A_1.txt", &noise(4, 600)),
            file("empty", b""),
        ],
        ..PackageDraft::default()
    }
}

pub(crate) fn file(name: &str, bytes: &[u8]) -> FileDraft {
    FileDraft {
        name: name.to_string(),
        blob: BlobDraft::from_bytes(bytes.to_vec()),
    }
}

/// One service, one image, one layer of this many bytes.
pub(crate) fn small_draft(layer_bytes: usize) -> PackageDraft {
    PackageDraft {
        package_version: "1.0.0".to_string(),
        services: vec![service("web", "web:1")],
        images: vec![image(
            "web:1",
            "linux/amd64",
            vec![layer(&noise(9, layer_bytes))],
        )],
        ..PackageDraft::default()
    }
}

pub(crate) fn package(draft: &PackageDraft) -> Vec<u8> {
    let mut bytes = Vec::new();
    writer::write(draft, &mut bytes, &mut |_, _| {}).unwrap();
    bytes
}

/// Reads everything, with digests, from a source whose size is not known.
pub(crate) fn read_all(bytes: &[u8]) -> Result<Manifest, PackageError> {
    read_with(bytes, ReadOptions::default())
}

pub(crate) fn read_with(bytes: &[u8], options: ReadOptions) -> Result<Manifest, PackageError> {
    let mut reader = PackageReader::open(bytes, options)?;
    reader.verify_rest(&mut |_| {})?;
    Ok(reader.manifest().clone())
}

#[track_caller]
pub(crate) fn assert_refused(bytes: &[u8], code: Code) -> PackageError {
    let error = read_all(bytes).expect_err("the package must be refused");
    assert_eq!(error.code, code, "{error}");
    error
}
