//! Rules of entries and of what is derived: SPEC 5.5, 5.6 and 6.

use crate::base::{base_layer, full, small, with_file};
use crate::describe::Description;
use crate::digest::digest;
use crate::package::{CHUNK, Package};
use crate::vector::{Vector, vectors};

const MISMATCH: &str = "manifest.entries_mismatch";
const DERIVED: &str = "manifest.derived_mismatch";
const INCONSISTENT: &str = "manifest.inconsistent";

/// Changes the list of entries, on the file and in the manifest alike.
fn list(mut package: Package, change: impl FnOnce(&mut Vec<(String, Vec<u8>)>)) -> Package {
    let rows = |package: &Package| {
        let mut text = String::new();
        for (path, data) in &package.entries {
            let (size, sha256) = (data.len(), digest(data));
            let row = format!("path = \"{path}\"\nsize = {size}\nsha256 = \"{sha256}\"\n");
            text.push_str("\n[[entries]]\n");
            text.push_str(&row);
        }
        text
    };
    let before = rows(&package);
    change(&mut package.entries);
    let after = rows(&package);
    package.edit(&before, &after).seal()
}

fn entry(package: &Package, code: &str, must: u32, number: usize) -> Vector {
    package.refuse_rule(code, must, &format!("[[entries]] {number}"))
}

/// The small package with files of these names; the last one breaks a rule.
fn files(names: &[&str], code: &str, element: &str) -> Vector {
    let files = names.iter().map(|name| ((*name).to_owned(), b"f".to_vec()));
    let package = Description {
        files: files.collect(),
        ..small()
    }
    .package();
    let number = package.entries.len();
    entry(&package, code, 29, number).element(element)
}

/// The full package with another derived file, and everything around it right.
fn derived(
    path: &str,
    number: usize,
    element: &str,
    change: impl FnOnce(&str) -> String,
) -> Vector {
    let mut package = full().package();
    let text = String::from_utf8(package.data(path).clone()).expect("derived files are text");
    let changed = change(&text);
    assert_ne!(text, changed, "{path} changes");
    let package = package.replace_data(path, changed.into_bytes());
    package
        .refuse(
            9,
            DERIVED,
            &[30, 32],
            &format!("manifest.toml, [[entries]] {number}"),
        )
        .element(element)
}

vectors! {
    /// `oci-layout` is not there.
    fn entry_missing_at_first() -> Vector {
        let package = list(small().package(), |entries| { entries.remove(0); });
        entry(&package, MISMATCH, 28, 1)
    }

    /// `manifest.json` and `index.json` have changed places.
    fn entries_out_of_order() -> Vector {
        let package = list(small().package(), |entries| entries.swap(1, 2));
        entry(&package, MISMATCH, 28, 2)
    }

    /// The OCI manifest is not there.
    fn entry_missing_oci_manifest() -> Vector {
        let package = list(small().package(), |entries| { entries.remove(3); });
        entry(&package, MISMATCH, 28, 4)
    }

    /// The config stands before the OCI manifest.
    fn entries_config_before_oci_manifest() -> Vector {
        let package = list(full().package(), |entries| entries.swap(3, 4));
        entry(&package, MISMATCH, 28, 4).element("order")
    }

    /// The config has no entry.
    fn entry_missing_config() -> Vector {
        let package = list(small().package(), |entries| { entries.remove(4); });
        package.refuse_rule(MISMATCH, 28, "[[entries]]").element("config")
    }

    /// The layer has no entry: a package that leaves out what the device may have.
    fn entry_missing_layer() -> Vector {
        let package = list(small().package(), |entries| { entries.pop(); });
        entry(&package, MISMATCH, 28, 6)
    }

    /// A shared layer stands in the package twice.
    fn entry_twice_shared_layer() -> Vector {
        let package = list(full().package(), |entries| {
            let shared = entries[9].clone();
            entries.insert(11, shared);
        });
        entry(&package, MISMATCH, 28, 12)
    }

    /// The layers of the second image stand before those of the first.
    fn entries_layers_out_of_order() -> Vector {
        let package = list(full().package(), |entries| entries.swap(9, 11));
        entry(&package, MISMATCH, 28, 10)
    }

    /// A blob that no image needs.
    fn entry_of_a_stray_blob() -> Vector {
        let package = list(small().package(), |entries| {
            entries.push((crate::describe::blob_path(b"stray"), b"stray".to_vec()));
        });
        entry(&package, MISMATCH, 29, 7).element("blob")
    }

    /// An OCI manifest with the media type of a gzip layer: another digest, so another path.
    fn entry_oci_manifest_other_media_type() -> Vector {
        let package = list(full().package(), |entries| {
            let text = String::from_utf8(entries[7].1.clone()).expect("JSON");
            let data = text.replace("tar+zstd", "tar+gzip").into_bytes();
            entries[7] = (crate::describe::blob_path(&data), data);
        });
        entry(&package, MISMATCH, 28, 8)
    }

    /// An absolute path.
    fn entry_path_absolute() -> Vector {
        let package = list(small().package(), |entries| {
            entries.push(("/etc/passwd".to_owned(), b"root\n".to_vec()));
        });
        entry(&package, MISMATCH, 29, 7).element("absolute path")
    }

    /// A path that begins with `./files/`.
    fn entry_path_with_dot() -> Vector {
        let package = list(small().package(), |entries| {
            entries.push(("./files/a".to_owned(), b"a".to_vec()));
        });
        entry(&package, MISMATCH, 29, 7).element("./files/")
    }

    /// 1025 entries.
    fn entries_too_many() -> Vector {
        let package = crate::accept::entries_of(1025);
        package.refuse(9, "manifest.limit_exceeded", &[9, 28], "manifest.toml, [[entries]]")
    }

    /// The config has no byte. Every image would share it.
    fn config_empty() -> Vector {
        let mut package = small();
        package.images[0].config.clear();
        package.package().refuse_rule("manifest.bad_value", 28, "[[entries]]").element("config of size 0")
    }

    /// The config is one byte larger than a chunk.
    fn config_too_large() -> Vector {
        let mut package = small();
        package.images[0].config.resize(CHUNK + 1, b' ');
        let package = package.package();
        package.refuse(9, "manifest.limit_exceeded", &[9, 28], "manifest.toml, [[entries]]").element("config")
    }

    /// A file without a name.
    fn file_name_empty() -> Vector {
        files(&[""], "manifest.bad_value", "empty")
    }

    /// A file's name is the folder above.
    fn file_name_parent_folder() -> Vector {
        files(&[".."], "manifest.bad_value", "..")
    }

    /// A file's name is its folder.
    fn file_name_same_folder() -> Vector {
        files(&["."], "manifest.bad_value", ".")
    }

    /// A file in a folder of its own.
    fn file_name_with_slash() -> Vector {
        files(&["a/b"], "manifest.bad_value", "slash")
    }

    /// A file's name has a backslash, which is a folder on other systems.
    fn file_name_with_backslash() -> Vector {
        let package = Description {
            files: vec![("a\\b".to_owned(), b"f".to_vec())],
            ..small()
        };
        entry(&package.package(), "manifest.bad_value", 29, 7).element("backslash")
    }

    /// A file's name has a space.
    fn file_name_with_space() -> Vector {
        files(&["a b"], "manifest.bad_value", "space")
    }

    /// A file's name has 91 bytes.
    fn file_name_too_long() -> Vector {
        files(&[&"f".repeat(91)], "manifest.bad_value", "91 bytes")
    }

    /// Two files have one name.
    fn file_twice() -> Vector {
        files(&["a", "a"], "manifest.duplicate", "twice")
    }

    /// Files are in the order of a dictionary, not of bytes.
    fn files_out_of_order() -> Vector {
        files(&["a", "B"], MISMATCH, "order")
    }

    /// A file without a byte, with the digest of something.
    fn file_empty_with_other_digest() -> Vector {
        let from = format!("size = 0\nsha256 = \"{}\"", digest(b""));
        let to = format!("size = 0\nsha256 = \"{}\"", digest(b"x"));
        entry(&with_file(0).edit(&from, &to), INCONSISTENT, 29, 7)
    }

    /// A blob's digest in its entry is not the one in its path.
    fn blob_digest_is_not_its_path() -> Vector {
        let package = small().package();
        let from = format!("sha256 = \"{}\"\n\n[chunks]", digest(&base_layer().blob));
        let to = format!("sha256 = \"{}\"\n\n[chunks]", digest(b"other"));
        entry(&package.edit(&from, &to), INCONSISTENT, 30, 6).element("digest")
    }

    /// A blob's size in its entry is not its layer's.
    fn blob_size_is_not_its_layers() -> Vector {
        let mut package = small().package();
        let size = base_layer().blob.len();
        let row = |size: usize| format!("size = {size}\nsha256 = \"{}\"\n\n[chunks]", digest(&base_layer().blob));
        let path = package.entries[5].0.clone();
        package.data(&path).push(0);
        entry(&package.edit(&row(size), &row(size + 1)).seal(), INCONSISTENT, 30, 6).element("size")
    }

    /// `oci-layout` has another version.
    fn derived_oci_layout_version() -> Vector {
        derived("oci-layout", 1, "version", |text| text.replace("1.0.0", "1.1.0"))
    }

    /// `index.json` ends with a line feed.
    fn derived_index_line_feed() -> Vector {
        derived("index.json", 2, "line feed", |text| format!("{text}\n"))
    }

    /// `index.json` names an image by its reference though names are not live: reading the package would move that name.
    fn derived_index_live_name() -> Vector {
        derived("index.json", 2, "live name", |text| text.replacen("caisson.local/db:7", "db:7", 1))
    }

    /// `index.json` keeps the upper case of a domain.
    fn derived_index_domain_case() -> Vector {
        derived("index.json", 2, "domain", |text| text.replace("registry.example", "Registry.example"))
    }

    /// `index.json` leaves out the variant of a platform.
    fn derived_index_without_variant() -> Vector {
        derived("index.json", 2, "variant", |text| text.replace(",\"variant\":\"v7\"", ""))
    }

    /// Two members of `index.json` have changed places: the same JSON, other bytes.
    fn derived_index_member_order() -> Vector {
        derived("index.json", 2, "order of members", |text| {
            text.replacen("\"architecture\":\"amd64\",\"os\":\"linux\"", "\"os\":\"linux\",\"architecture\":\"amd64\"", 1)
        })
    }

    /// `manifest.json` names two images of one reference alike, so that one of them can't be chosen.
    fn derived_docker_names_alike() -> Vector {
        derived("manifest.json", 3, "names alike", |text| text.replace("-linux-amd64", "").replace("-linux-arm-v7", ""))
    }

    /// `manifest.json` has the layers of an image in another order: other programs would run something else.
    fn derived_docker_layer_order() -> Vector {
        derived("manifest.json", 3, "layer order", |text| {
            let start = text.find("\"Layers\":[").expect("layers") + 10;
            let end = start + text[start..].find(']').expect("their end");
            let mut layers: Vec<&str> = text[start..end].split(',').collect();
            layers.reverse();
            format!("{}{}{}", &text[..start], layers.join(","), &text[end..])
        })
    }

    /// `manifest.json` has two images in another order.
    fn derived_docker_image_order() -> Vector {
        derived("manifest.json", 3, "image order", |text| {
            let (first, rest) = text[1..text.len() - 1].split_once("},").expect("several images");
            format!("[{rest},{first}}}]")
        })
    }

    /// An image's `engine_manifest` is another digest: a device would take another image for this one.
    fn derived_engine_manifest() -> Vector {
        let package = small().package();
        let line = package.text().lines().find(|line| line.starts_with("engine_manifest"));
        let line = line.expect("an image").to_owned();
        let to = format!("engine_manifest = \"{}\"", digest(b"other"));
        package.edit(&line, &to).refuse_rule(DERIVED, 30, "[[images]] 1").element("engine_manifest")
    }

    /// The derived names are local ones though `live_names` is there.
    fn derived_live_names_not_used() -> Vector {
        let package = small().package();
        let package = package.edit("mtime = 1704067200\n", "mtime = 1704067200\nlive_names = true\n");
        package.refuse(9, DERIVED, &[30, 32], "manifest.toml, [[entries]] 2").element("live_names")
    }

    /// The chunk table's size is one row too many.
    fn chunks_size_one_row_more() -> Vector {
        let mut package = small().package();
        package.table.extend([0; 32]);
        package.seal_table().refuse_rule(INCONSISTENT, 31, "[chunks]").element("a row more")
    }

    /// The chunk table has a row for an empty file.
    fn chunks_row_for_an_empty_file() -> Vector {
        let mut package = with_file(0);
        package.table.extend(crate::digest::sha256(b""));
        package.seal_table().refuse_rule(INCONSISTENT, 31, "[chunks]").element("empty file")
    }

    /// A file of 32 GiB: more chunks than the table may have rows. None of it is there, since the manifest decides.
    fn chunks_too_many() -> Vector {
        let row = |size: u64| format!("path = \"files/data\"\nsize = {size}\n");
        let package = with_file(0).edit(&row(0), &row(34_359_738_368));
        let from = format!("size = {}\n", package.table.len());
        let package = package.edit_last(&from, "size = 1048768\n");
        package.refuse(9, "manifest.limit_exceeded", &[9, 31], "manifest.toml, [chunks]")
    }

    /// A file of the greatest size that can be said, 2^53 - 1: a reader that adds up sizes, or makes room by them, before it judges them.
    fn chunks_of_the_greatest_size() -> Vector {
        let row = |size: u64| format!("path = \"files/data\"\nsize = {size}\n");
        let package = with_file(0).edit(&row(0), &row(9_007_199_254_740_991));
        package
            .refuse(9, "manifest.limit_exceeded", &[9, 31], "manifest.toml, [chunks]")
            .element("2^53 - 1")
    }
}
