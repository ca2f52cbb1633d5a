//! Data at the edge: blobs that are shared, files and chunks of odd sizes.

use crate::base::{base_layer, layer_tar, pattern, small, with_file, with_layers};
use crate::describe::{Description, Image, Layer};
use crate::package::CHUNK;
use crate::vector::vectors;

vectors! {
    /// Two images share a layer: its blob stands in the package once, where the first image needs it.
    fn layer_shared_by_images() -> Vector {
        let own = |text: &str| Layer::of(&layer_tar("own", text));
        let images = vec![
            Image::new("web:1", "linux/amd64", vec![own("one"), base_layer()]),
            Image::new("web:1", "linux/arm64", vec![base_layer(), own("two")]),
        ];
        Description { images, ..small() }.package().accept(&[26, 27, 28])
    }

    /// One layer stands in its image three times, and its blob once in the package.
    fn layer_repeated() -> Vector {
        let other = Layer::of(&layer_tar("other", "other"));
        let layers = vec![base_layer(), other, base_layer(), base_layer()];
        with_layers(layers).package().accept(&[26, 28])
    }

    /// As many layers as an image may have.
    fn layers_greatest() -> Vector {
        let layers = (0..125).map(|n| Layer::of(format!("layer {n}").as_bytes()));
        with_layers(layers.collect()).package().accept(&[9, 26])
    }

    /// Two references of one config: one config and one OCI manifest in the package.
    fn config_of_two_references() -> Vector {
        let mut two = small();
        two.services.push(crate::base::service("db", "db:1"));
        two.images.push(Image::new("db:1", "linux/amd64", vec![base_layer()]));
        two.package().accept(&[27, 28])
    }

    /// A config of exactly one chunk, the greatest size: its row in the table is its own digest, and no empty chunk follows.
    fn config_greatest() -> Vector {
        let mut package = small();
        let config = &mut package.images[0].config;
        let mut large = vec![b' '; CHUNK - config.len()];
        large.append(config);
        *config = large;
        package.package().accept(&[4, 28, 31, 38])
    }

    /// Files of every size around a block, an empty one first: no padding after 512 bytes.
    fn files_around_a_block() -> Vector {
        let sizes = [0, 1, 511, 512, 513, 1024];
        let files = sizes.map(|size| (format!("size-{size:04}"), pattern(size)));
        Description { files: files.to_vec(), ..small() }.package().accept(&[4, 5, 29, 30])
    }

    /// File names that are odd and allowed, in byte order: upper case before lower case.
    fn files_odd_names() -> Vector {
        let names = ["-", "...", ".hidden", "0", "A", "Z", "_", "a", "a-b", "a.b"];
        let files = names.map(|name| (name.to_owned(), name.as_bytes().to_vec()));
        Description { files: files.to_vec(), ..small() }.package().accept(&[29])
    }

    /// A file that has the bytes of a blob: files are no blobs and stand for themselves.
    fn file_like_a_blob() -> Vector {
        let files = vec![("layer".to_owned(), base_layer().blob)];
        Description { files, ..small() }.package().accept(&[28, 29])
    }

    /// A file one byte shorter than a chunk.
    fn chunk_minus_one() -> Vector {
        with_file(CHUNK - 1).accept(&[4, 31, 38])
    }

    /// A file one byte longer than a chunk: its last chunk has one byte, and the next file begins another.
    fn chunk_plus_one() -> Vector {
        let sizes = [("one", CHUNK + 1), ("two", 100)];
        let files = sizes.map(|(name, size)| (name.to_owned(), pattern(size)));
        Description { files: files.to_vec(), ..small() }.package().accept(&[4, 31, 40])
    }

    /// The chunk table fills its block exactly, so that no padding follows it.
    fn chunk_table_without_padding() -> Vector {
        let mut sixteen = small();
        let rows = sixteen.package().table.len() / 32;
        let files = (rows..16).map(|n| (format!("f{n:02}"), vec![b'f']));
        sixteen.files = files.collect();
        sixteen.package().accept(&[4, 5])
    }

    /// As many entries as allowed, nearly all of them empty files.
    fn entries_greatest() -> Vector {
        entries_of(1024).accept(&[9, 28, 29])
    }
}

/// A package with this many entries.
pub(crate) fn entries_of(count: usize) -> crate::package::Package {
    let mut many = small();
    let others = many.package().entries.len();
    let files = (others..count).map(|n| (format!("f{n:04}"), Vec::new()));
    many.files = files.collect();
    many.package()
}
