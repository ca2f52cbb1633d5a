//! Manifests at the edge: optional keys, the least and the greatest values,
//! the longest names.

use crate::base::{base_layer, full, references, small};
use crate::describe::{Description, Image};
use crate::package::Package;
use crate::vector::vectors;

fn texts(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
    pairs
        .iter()
        .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
        .collect()
}

vectors! {
    /// The smallest package: nothing that may be left out is there.
    fn smallest() -> Vector {
        small().package().accept(&[1, 2, 4, 5, 6, 7, 10, 37])
    }

    /// Every table and every optional key is there at once, but `live_names`.
    fn everything() -> Vector {
        full().package().accept(&[1, 7, 10, 12, 13, 18, 21, 22, 28, 32])
    }

    /// With `live_names` the derived files carry the references as they are.
    fn live_names() -> Vector {
        Description { live_names: true, ..full() }.package().accept(&[32])
    }

    /// The least release.
    fn release_least() -> Vector {
        Description { release: Some("1".to_owned()), ..small() }.package().accept(&[16])
    }

    /// The greatest release, 2^53 - 1. A reader that keeps numbers as doubles must still be exact.
    fn release_greatest() -> Vector {
        let release = Some("9007199254740991".to_owned());
        Description { release, ..small() }.package().accept(&[9, 16])
    }

    /// The time is 0. A reader that takes 0 for "not there" would refuse it.
    fn mtime_least() -> Vector {
        Description { mtime: 0, ..small() }.package().accept(&[7, 17])
    }

    /// The time is the greatest that eleven octal digits hold, in the year 2242.
    fn mtime_greatest() -> Vector {
        Description { mtime: 8_589_934_591, ..small() }.package().accept(&[7, 17])
    }

    /// `[compatibility]` with its first key alone.
    fn compatibility_updater_only() -> Vector {
        let compatibility = vec![("min_updater_version", "1.0.0-rc.1+build.5".to_owned())];
        Description { compatibility, ..small() }.package().accept(&[10, 18])
    }

    /// `[compatibility]` with its second key alone, and the longest numbers in it.
    fn compatibility_engine_only() -> Vector {
        let compatibility = vec![("engine_api_min", "999.100".to_owned())];
        Description { compatibility, ..small() }.package().accept(&[10, 18])
    }

    /// An API version whose numbers are zeros: a zero alone is no leading zero.
    fn compatibility_engine_zeros() -> Vector {
        let compatibility = vec![("engine_api_min", "0.0".to_owned())];
        Description { compatibility, ..small() }.package().accept(&[18])
    }

    /// Notes with every escape, an empty value, and text in many scripts, up to the last code point.
    fn notes_escapes_and_unicode() -> Vector {
        let notes = texts(&[
            ("-", ""),
            ("0", "a \"quoted\" word, a \\ and \\n that is no line feed"),
            ("_", "one\ntwo\tthree\n"),
            ("scripts", "Größe 漢字 עברית 😀 \u{a0}\u{2028}\u{feff}\u{202e}\u{10ffff}"),
        ]);
        Description { notes, ..small() }.package().accept(&[10, 12, 19])
    }

    /// As many notes as allowed, one key of 64 bytes and one value of 4096 bytes once its escapes are resolved.
    fn notes_greatest() -> Vector {
        let mut notes: Vec<_> = (1..32).map(|n| (format!("n{n:02}"), String::new())).collect();
        notes.push(("z".repeat(64), "\n".repeat(4096)));
        Description { notes, ..small() }.package().accept(&[9, 19])
    }

    /// Every name at its greatest length: service, revision, reference with tag, platform, version, file.
    fn names_longest() -> Vector {
        let reference = format!("{}:{}", "p".repeat(104), "t".repeat(95));
        let platform = format!("linux/{}", "x".repeat(26));
        let mut longest = references(&[&reference]);
        longest.services[0][0] = "S".repeat(64);
        longest.services[0][1] = format!("r{}", "/".repeat(127));
        longest.images[0] = Image::new(&reference, &platform, vec![base_layer()]);
        longest.package_version = format!("1.0.0-{}", "a".repeat(90));
        longest.files = vec![("f".repeat(90), b"f".to_vec())];
        longest.package().accept(&[9, 15, 20, 23, 24, 29])
    }

    /// A version with the greatest numbers, a pre-release and a build part of odd but allowed form.
    fn version_odd_but_allowed() -> Vector {
        let version = "18446744073709551615.0.18446744073709551615--.0a.-1+00.--".to_owned();
        Description { package_version: version, ..small() }.package().accept(&[15])
    }

    /// References of every form: with and without domain, port, several components and joints.
    fn reference_forms() -> Vector {
        references(&[
            "localhost/a:1",
            "LOCAL/a:1",
            "a.b/c:1",
            "h:5000/a/b/c:1",
            "1-2.X:1/a:_",
            "a/b:A.b-C_9",
            "a__b.c_d---e:1",
            "localhostx/a:1",
        ])
        .package()
        .accept(&[23, 32])
    }

    /// References that differ only in what becomes of them: local names that fall together are allowed.
    fn reference_local_names_collide() -> Vector {
        references(&["Reg.example/a:1", "reg.example/a:1"]).package().accept(&[22, 32])
    }

    /// One reference for four platforms: each local name ends with its platform, a variant too.
    fn platforms_of_one_reference() -> Vector {
        let platforms = ["linux/amd64", "linux/amd64/v3", "linux/arm/v6", "windows/arm64"];
        let images = platforms.map(|platform| Image::new("web:1", platform, vec![base_layer()]));
        Description { images: images.to_vec(), ..small() }.package().accept(&[22, 24, 25, 32])
    }

    /// Platforms that this format does not know and does not change.
    fn platform_unknown_but_normal() -> Vector {
        let platforms = ["plan9/mips64le", "linux/arm/v9", "linux/ppc64le/power9", "a/b.c_d-e"];
        let images = platforms.map(|platform| Image::new("web:1", platform, vec![base_layer()]));
        Description { images: images.to_vec(), ..small() }.package().accept(&[24])
    }

    /// As many services as allowed, all of them on one image.
    fn services_greatest() -> Vector {
        let services = (0..64).map(|n| [format!("s{n}"), "r1".to_owned(), "web:1".to_owned()]);
        Description { services: services.collect(), ..small() }.package().accept(&[9, 20, 21])
    }

    /// One service in two `[[services]]`, for another platform and revision each.
    fn service_in_two_tables() -> Vector {
        let mut two = references(&["web:1", "web:2"]);
        two.services = vec![
            ["web", "r1", "web:1"].map(str::to_owned),
            ["web", "r2:b+c@d/e", "web:2"].map(str::to_owned),
        ];
        two.images[1] = Image::new("web:2", "linux/arm64", vec![base_layer()]);
        two.package().accept(&[20, 22])
    }

    /// As many images as allowed, all with one config and one layer: three blobs.
    fn images_greatest() -> Vector {
        let names: Vec<String> = (0..64).map(|n| format!("i{n}:1")).collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        references(&names).package().accept(&[9, 23, 27, 28])
    }

    /// The manifest has exactly the greatest size: images of 125 layers, and a note that fills it up.
    fn manifest_greatest() -> Vector {
        manifest_of(262_144).accept(&[9, 37])
    }

    /// The manifest fills its blocks exactly, so that no padding follows.
    fn manifest_without_padding() -> Vector {
        let mut small = Description { notes: texts(&[("fill", "")]), ..small() };
        let over = small.package().manifest.len() % 512;
        small.notes[0].1 = "x".repeat(512 - over);
        small.package().accept(&[5])
    }
}

/// A package whose manifest has this size: images of 125 layers, and notes that
/// fill what is left.
pub(crate) fn manifest_of(size: usize) -> Package {
    let names = ["a:1", "b:1", "c:1", "d:1", "e:1"];
    let mut large = references(&names);
    for (image, name) in large.images.iter_mut().zip(names) {
        *image = Image::new(name, "linux/amd64", vec![base_layer(); 125]);
    }
    large.notes = (10..42).map(|n| (format!("n{n}"), String::new())).collect();
    let mut left = size - large.package().manifest.len();
    for (_, value) in &mut large.notes {
        let count = left.min(4096);
        *value = "x".repeat(count);
        left -= count;
    }
    let package = large.package();
    assert_eq!(package.manifest.len(), size, "the notes could fill it");
    package
}
