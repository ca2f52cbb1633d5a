//! The first two lines: judged before all others, so that a package of a later
//! version is refused for that reason.

use crate::base::small;
use crate::vector::{Vector, vectors};

const VERSION: &str = "format_version = 2";
const REQUIRES: &str = "requires = []";

/// The small package with another first line.
fn line_1(to: &str, code: &str, element: &str) -> Vector {
    small()
        .package()
        .edit(VERSION, to)
        .refuse(7, code, &[11], "manifest.toml, line 1")
        .element(element)
}

/// The small package with another second line.
fn line_2(to: &str, code: &str, element: &str) -> Vector {
    small()
        .package()
        .edit(REQUIRES, to)
        .refuse(7, code, &[11], "manifest.toml, line 2")
        .element(element)
}

vectors! {
    /// A package of format version 3.
    fn format_version_3() -> Vector {
        line_1("format_version = 3", "pkg.format_version_unsupported", "3")
    }

    /// A package of format version 1, which older programs wrote.
    fn format_version_1() -> Vector {
        line_1("format_version = 1", "pkg.format_version_unsupported", "1")
    }

    /// Version 3, and the rest of the manifest is no text: only the first line may decide.
    fn format_version_3_and_garbage() -> Vector {
        let mut package = small().package();
        package.manifest = b"format_version = 3\n\xff\xfe\0 = [[".to_vec();
        let place = "manifest.toml, line 1";
        package.refuse(7, "pkg.format_version_unsupported", &[11, 12], place).element("3, no text after it")
    }

    /// The version is a text.
    fn format_version_quoted() -> Vector {
        line_1("format_version = \"2\"", "manifest.bad_value", "quoted")
    }

    /// The version has a leading zero.
    fn format_version_leading_zero() -> Vector {
        line_1("format_version = 02", "manifest.bad_value", "leading zero")
    }

    /// The version is above 2^53 - 1.
    fn format_version_too_large() -> Vector {
        line_1("format_version = 9007199254740992", "manifest.limit_exceeded", "2^53")
    }

    /// The lines end with a carriage return and a line feed, so the first value is not a number.
    fn line_ends_with_carriage_return() -> Vector {
        let mut package = small().package();
        package.manifest = package.text().replace('\n', "\r\n").into_bytes();
        package.refuse(7, "manifest.bad_value", &[10, 11], "manifest.toml, line 1").element("carriage return")
    }

    /// A byte order mark stands before the first line.
    fn byte_order_mark() -> Vector {
        line_1("\u{feff}format_version = 2", "manifest.missing_key", "byte order mark")
    }

    /// A comment stands before the first line.
    fn comment_before_the_first_line() -> Vector {
        line_1("# made by hand\nformat_version = 2", "manifest.missing_key", "comment")
    }

    /// The first line is the second one.
    fn format_version_second() -> Vector {
        let package = small().package().edit("format_version = 2\nrequires = []", "requires = []\nformat_version = 2");
        package.refuse(7, "manifest.missing_key", &[11], "manifest.toml, line 1").element("order")
    }

    /// The first line has no spaces around its sign.
    fn format_version_without_spaces() -> Vector {
        line_1("format_version=2", "manifest.missing_key", "spaces")
    }

    /// The manifest is a single line feed.
    fn manifest_of_a_line_feed() -> Vector {
        let mut package = small().package();
        package.manifest = b"\n".to_vec();
        package.refuse(7, "manifest.missing_key", &[11], "manifest.toml, line 1").element("empty line")
    }

    /// The manifest ends after its first line.
    fn manifest_of_one_line() -> Vector {
        let mut package = small().package();
        package.manifest = b"format_version = 2\n".to_vec();
        package.refuse(7, "manifest.missing_key", &[11], "manifest.toml, line 2").element("end")
    }

    /// There is no `requires`.
    fn requires_missing() -> Vector {
        let package = small().package().edit("requires = []\n", "");
        package.refuse(7, "manifest.missing_key", &[11], "manifest.toml, line 2").element("package_type")
    }

    /// A feature that this edition does not know. A reader that skips it would read the package wrongly.
    fn requires_a_feature() -> Vector {
        line_2("requires = [\"thin\"]", "pkg.feature_required", "thin")
    }

    /// Two unknown features and a manifest that is wrong after them.
    fn requires_features_of_the_future() -> Vector {
        let mut package = small().package();
        package.manifest = b"format_version = 2\nrequires = [\"base\", \"thin_2\"]\nnothing\n".to_vec();
        package.refuse(7, "pkg.feature_required", &[11], "manifest.toml, line 2").element("base, thin_2")
    }

    /// A space between the brackets.
    fn requires_with_space() -> Vector {
        line_2("requires = [ ]", "manifest.bad_value", "space")
    }

    /// Two features are not in ascending order.
    fn requires_out_of_order() -> Vector {
        line_2("requires = [\"b\", \"a\"]", "manifest.bad_value", "order")
    }

    /// One feature stands there twice.
    fn requires_twice() -> Vector {
        line_2("requires = [\"a\", \"a\"]", "manifest.bad_value", "twice")
    }

    /// A comma follows the last feature, as TOML allows.
    fn requires_trailing_comma() -> Vector {
        line_2("requires = [\"a\",]", "manifest.bad_value", "comma")
    }

    /// A feature's name begins with a digit.
    fn requires_name_with_digit() -> Vector {
        line_2("requires = [\"2thin\"]", "manifest.bad_value", "digit")
    }

    /// A feature's name is in upper case.
    fn requires_name_in_upper_case() -> Vector {
        line_2("requires = [\"Thin\"]", "manifest.bad_value", "upper case")
    }

    /// A feature's name has 33 bytes.
    fn requires_name_too_long() -> Vector {
        line_2(&format!("requires = [\"{}\"]", "f".repeat(33)), "manifest.bad_value", "33 bytes")
    }

    /// The value of `requires` is a text.
    fn requires_as_text() -> Vector {
        line_2("requires = \"\"", "manifest.bad_value", "text")
    }

    /// 17 features: their number decides before their names do.
    fn requires_too_many() -> Vector {
        let names: Vec<String> = (10..27).map(|n| format!("\"f{n}\"")).collect();
        line_2(&format!("requires = [{}]", names.join(", ")), "manifest.limit_exceeded", "17")
    }
}
