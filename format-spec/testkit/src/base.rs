//! The sound packages that vectors start from.

use crate::describe::{Description, Image, Layer};
use crate::package::Package;
use crate::ustar;

/// An unpacked layer: a tar with one small file.
pub(crate) fn layer_tar(name: &str, text: &str) -> Vec<u8> {
    let mut tar = ustar::header(name, text.len() as u64, 0);
    tar.extend(text.bytes());
    tar.resize(
        tar.len().next_multiple_of(ustar::BLOCK) + 2 * ustar::BLOCK,
        0,
    );
    tar
}

/// The one layer of the smallest package.
pub(crate) fn base_layer() -> Layer {
    Layer::of(&layer_tar("etc/base", "base\n"))
}

pub(crate) fn service(name: &str, image: &str) -> [String; 3] {
    [name, "r1", image].map(str::to_owned)
}

/// One service, one image, one layer, nothing that may be left out.
pub(crate) fn small() -> Description {
    Description {
        package_version: "1.0.0".to_owned(),
        release: None,
        mtime: 1_704_067_200,
        live_names: false,
        compatibility: Vec::new(),
        notes: Vec::new(),
        services: vec![service("web", "web:1")],
        images: vec![Image::new("web:1", "linux/amd64", vec![base_layer()])],
        files: Vec::new(),
    }
}

/// Every table and every kind of value, around one small image.
pub(crate) fn medium() -> Description {
    let full = full();
    Description {
        release: full.release,
        compatibility: full.compatibility,
        notes: full.notes,
        package_version: full.package_version,
        services: vec![service("web", "web:1"), service("db", "web:1")],
        ..small()
    }
}

/// Every table and key: two services, three images for two platforms that
/// share a layer, notes, files.
pub(crate) fn full() -> Description {
    let reference = "Registry.example:5000/team/web:1.2.0";
    let own = Layer::of(&layer_tar("srv/web", "web\n"));
    let arm = Layer::of(&layer_tar("srv/web", "web for arm\n"));
    Description {
        package_version: "1.2.0".to_owned(),
        release: Some("7".to_owned()),
        compatibility: vec![
            ("min_updater_version", "0.2.0".to_owned()),
            ("engine_api_min", "1.41".to_owned()),
        ],
        notes: [("built-by", "ci"), ("changes", "faster start")]
            .map(|(key, value)| (key.to_owned(), value.to_owned()))
            .to_vec(),
        services: vec![service("web", reference), service("db", "db:7")],
        images: vec![
            Image::new(reference, "linux/amd64", vec![base_layer(), own]),
            Image::new(reference, "linux/arm/v7", vec![arm]),
            Image::new("db:7", "linux/amd64", vec![base_layer()]),
        ],
        files: vec![
            ("a.conf".to_owned(), b"a = 1\n".to_vec()),
            ("z.conf".to_owned(), b"z = 26\n".to_vec()),
        ],
        ..small()
    }
}

/// One image with these layers.
pub(crate) fn with_layers(layers: Vec<Layer>) -> Description {
    Description {
        images: vec![Image::new("web:1", "linux/amd64", layers)],
        ..small()
    }
}

/// The smallest package with one file of this size beside the image.
pub(crate) fn with_file(size: usize) -> Package {
    Description {
        files: vec![("data".to_owned(), pattern(size))],
        ..small()
    }
    .package()
}

/// Bytes that differ from chunk to chunk and still pack well.
pub(crate) fn pattern(size: usize) -> Vec<u8> {
    (0..size)
        .map(|position| match position % 65_536 {
            0 => b"0123456789"[position / 65_536 % 10],
            _ => b'.',
        })
        .collect()
}

/// A service and an image for each of these references, all with one layer.
pub(crate) fn references(references: &[&str]) -> Description {
    let services = references.iter().enumerate();
    let services =
        services.map(|(index, image)| [format!("s{index}"), "r1".to_owned(), (*image).to_owned()]);
    let images = references.iter();
    let images = images.map(|name| Image::new(name, "linux/amd64", vec![base_layer()]));
    Description {
        services: services.collect(),
        images: images.collect(),
        ..small()
    }
}
