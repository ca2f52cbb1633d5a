//! Rules of the manifest's top, its notes and its services: SPEC 5.1 to 5.3.

use crate::base::{base_layer, full, references, service, small};
use crate::describe::{Description, Image};
use crate::vector::{Vector, vectors};

const BAD: &str = "manifest.bad_value";
const LIMIT: &str = "manifest.limit_exceeded";

/// The full package with an edit that a rule of the top finds.
fn top(from: &str, to: &str, code: &str, must: u32, element: &str) -> Vector {
    full()
        .package()
        .edit(from, to)
        .refuse(9, code, &[must], "manifest.toml")
        .element(element)
}

fn version(to: &str, element: &str) -> Vector {
    let from = "package_version = \"1.2.0\"";
    top(
        from,
        &format!("package_version = \"{to}\""),
        BAD,
        15,
        element,
    )
}

fn compatibility(from: &str, to: &str, element: &str) -> Vector {
    full()
        .package()
        .edit(from, to)
        .refuse_rule(BAD, 18, "[compatibility]")
        .element(element)
}

fn notes(notes: Vec<(String, String)>, code: &str, musts: &[u32], element: &str) -> Vector {
    let package = Description { notes, ..small() }.package();
    package
        .refuse(9, code, musts, "manifest.toml, [notes]")
        .element(element)
}

fn note(key: &str, value: &str) -> Vec<(String, String)> {
    vec![(key.to_owned(), value.to_owned())]
}

/// The full package with another second service.
fn second_service(name: &str, revision: &str, code: &str, must: u32) -> Vector {
    let mut package = full();
    let image = package.services[1][2].clone();
    package.services[1] = [name.to_owned(), revision.to_owned(), image];
    package.package().refuse_rule(code, must, "[[services]] 2")
}

vectors! {
    /// The package carries keys to trust: reserved, and nothing that this edition knows.
    fn package_type_trust() -> Vector {
        top("package_type = \"service\"", "package_type = \"trust\"", "pkg.package_type_unsupported", 14, "trust")
    }

    /// The package's type is in upper case.
    fn package_type_upper_case() -> Vector {
        top("package_type = \"service\"", "package_type = \"SERVICE\"", "pkg.package_type_unsupported", 14, "SERVICE")
    }

    /// A version of two numbers.
    fn version_of_two_numbers() -> Vector {
        version("1.2", "two numbers")
    }

    /// A version with a leading zero.
    fn version_leading_zero() -> Vector {
        version("1.02.0", "leading zero")
    }

    /// A version with a `v` before it, as tags are often called.
    fn version_with_v() -> Vector {
        version("v1.2.0", "v")
    }

    /// A pre-release that is a number with a leading zero.
    fn version_pre_release_leading_zero() -> Vector {
        version("1.2.0-01", "pre-release")
    }

    /// A number of 2^64.
    fn version_number_too_large() -> Vector {
        version("18446744073709551616.0.0", "2^64")
    }

    /// A version of 97 bytes.
    fn version_too_long() -> Vector {
        version(&format!("1.0.0-{}", "a".repeat(91)), "97 bytes")
    }

    /// The release is 0.
    fn release_zero() -> Vector {
        top("release = 7", "release = 0", BAD, 16, "release")
    }

    /// The time is a second too late for eleven octal digits. The headers have the latest time they can.
    fn mtime_too_large() -> Vector {
        let mut package = small().package().edit("mtime = 1704067200", "mtime = 8589934592");
        package.mtime = 8_589_934_591;
        package.refuse(9, LIMIT, &[9, 17], "manifest.toml").element("mtime")
    }

    /// The least updater has a version of two numbers.
    fn updater_version_form() -> Vector {
        compatibility("min_updater_version = \"0.2.0\"", "min_updater_version = \"0.2\"", "min_updater_version")
    }

    /// The API version is a single number.
    fn engine_api_one_number() -> Vector {
        compatibility("\"1.41\"", "\"1\"", "one number")
    }

    /// The API version has a leading zero.
    fn engine_api_leading_zero() -> Vector {
        compatibility("\"1.41\"", "\"1.041\"", "leading zero")
    }

    /// The API version has three numbers.
    fn engine_api_three_numbers() -> Vector {
        compatibility("\"1.41\"", "\"1.41.0\"", "three numbers")
    }

    /// The API version has a number of four digits.
    fn engine_api_four_digits() -> Vector {
        compatibility("\"1.41\"", "\"1.1000\"", "four digits")
    }

    /// 33 notes.
    fn notes_too_many() -> Vector {
        let many = (10..43).map(|n| (format!("n{n}"), String::new()));
        notes(many.collect(), LIMIT, &[9, 19], "33")
    }

    /// A note's key has 65 bytes.
    fn note_key_too_long() -> Vector {
        notes(note(&"k".repeat(65), ""), BAD, &[19], "65 bytes")
    }

    /// A note's key is in upper case.
    fn note_key_upper_case() -> Vector {
        notes(note("Built-by", "ci"), BAD, &[19], "upper case")
    }

    /// A note's key has a dot, which would make it a table in TOML.
    fn note_key_with_dot() -> Vector {
        notes(note("built.by", "ci"), BAD, &[19], "dot")
    }

    /// A note's value has 4097 bytes, though only 1366 characters.
    fn note_value_too_long() -> Vector {
        let value = format!("{}x", "\u{6f22}".repeat(1365) + "x");
        assert_eq!(value.len(), 4097);
        notes(note("long", &value), LIMIT, &[9, 19], "4097 bytes")
    }

    /// A service's name begins with a dash, and would be an option on a command line.
    fn service_name_with_dash() -> Vector {
        second_service("-db", "r1", BAD, 20).element("name, dash")
    }

    /// A service's name has a slash.
    fn service_name_with_slash() -> Vector {
        second_service("team/db", "r1", BAD, 20).element("name, slash")
    }

    /// A service's name has a letter that is not ASCII, and looks like one that is.
    fn service_name_not_ascii() -> Vector {
        second_service("d\u{431}", "r1", BAD, 20).element("name, not ASCII")
    }

    /// A service's name is empty.
    fn service_name_empty() -> Vector {
        second_service("", "r1", BAD, 20).element("name, empty")
    }

    /// A service's name has 65 bytes.
    fn service_name_too_long() -> Vector {
        second_service(&"s".repeat(65), "r1", BAD, 20).element("name, 65 bytes")
    }

    /// A service's revision begins with a slash.
    fn service_revision_with_slash() -> Vector {
        second_service("db", "/r1", BAD, 20).element("revision, slash")
    }

    /// A service's revision has a line feed, as its escape.
    fn service_revision_with_line_feed() -> Vector {
        second_service("db", "r\n1", BAD, 20).element("revision, line feed")
    }

    /// A service's revision has 129 bytes.
    fn service_revision_too_long() -> Vector {
        second_service("db", &"r".repeat(129), BAD, 20).element("revision, 129 bytes")
    }

    /// 65 services.
    fn services_too_many() -> Vector {
        let services = (0..65).map(|n| service(&format!("s{n}"), "web:1")).collect();
        let package = Description { services, ..small() }.package();
        package.refuse(9, LIMIT, &[9, 20], "manifest.toml, [[services]]")
    }

    /// A service runs an image that is not there.
    fn service_without_image() -> Vector {
        let mut package = full();
        package.services.push(service("cache", "cache:1"));
        package.package().refuse_rule("manifest.inconsistent", 21, "[[services]] 3")
    }

    /// One service stands there twice.
    fn service_twice() -> Vector {
        second_service("web", "r1", "manifest.duplicate", 22).element("two images")
    }

    /// One service with one image stands there twice.
    fn service_twice_with_one_image() -> Vector {
        let mut package = small();
        package.services.push(service("web", "web:1"));
        package.package().refuse_rule("manifest.duplicate", 22, "[[services]] 2").element("one image")
    }

    /// Two images have one reference and one platform: which one the service runs is a guess.
    fn image_twice_for_a_platform() -> Vector {
        let mut package = small();
        let other = crate::describe::Layer::of(b"another layer");
        package.images.push(Image::new("web:1", "linux/amd64", vec![other]));
        package.package().refuse_rule("manifest.duplicate", 22, "[[services]] 1")
    }

    /// No service runs the second image.
    fn image_without_service() -> Vector {
        let mut package = small();
        package.images.push(Image::new("db:7", "linux/amd64", vec![base_layer()]));
        package.package().refuse_rule("manifest.inconsistent", 25, "[[images]] 2")
    }

    /// 65 images.
    fn images_too_many() -> Vector {
        let names: Vec<String> = (0..65).map(|n| format!("i{n}:1")).collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let mut package = references(&names);
        // One service for each would be too many services: one runs what 64 can't.
        package.services.truncate(64);
        package.images[64] = Image::new("i63:1", "linux/arm64", vec![base_layer()]);
        package.package().refuse(9, LIMIT, &[9, 23], "manifest.toml, [[images]]")
    }
}
