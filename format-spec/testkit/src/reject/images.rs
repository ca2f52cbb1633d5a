//! Layers of images, and digests that mean one thing: SPEC [M26] and [M27].

use crate::base::{base_layer, layer_tar, service, small, with_layers};
use crate::describe::{Description, Image, Layer};
use crate::digest::digest;
use crate::vector::vectors;

const BAD: &str = "manifest.bad_value";
const LIMIT: &str = "manifest.limit_exceeded";
const INCONSISTENT: &str = "manifest.inconsistent";

/// Two images on two platforms with these layers.
fn two_images(one: Vec<Layer>, other: Vec<Layer>) -> Description {
    Description {
        images: vec![
            Image::new("web:1", "linux/amd64", one),
            Image::new("web:1", "linux/arm64", other),
        ],
        ..small()
    }
}

vectors! {
    /// 126 layers, all of them one blob.
    fn layers_too_many() -> Vector {
        with_layers(vec![base_layer(); 126])
            .package()
            .refuse(9, LIMIT, &[9, 26], "manifest.toml, [[images]] 1")
            .element("126 layers")
    }

    /// A layer's blob has no byte, so no frame.
    fn layer_size_zero() -> Vector {
        let empty = Layer::new(b"x", Vec::new());
        with_layers(vec![base_layer(), empty])
            .package()
            .refuse_rule(BAD, 26, "[[images]] 1, layer 2")
            .element("size")
    }

    /// A layer unpacks to no byte.
    fn layer_diff_size_zero() -> Vector {
        with_layers(vec![base_layer(), Layer::of(b"")])
            .package()
            .refuse_rule(BAD, 26, "[[images]] 1, layer 2")
            .element("diff_size")
    }

    /// A layer of 128 GiB and a byte: more than four times what a package can hold.
    fn layer_diff_size_too_large() -> Vector {
        let mut bomb = base_layer();
        bomb.diff_size = 137_438_953_473;
        with_layers(vec![bomb])
            .package()
            .refuse(9, LIMIT, &[9, 26], "manifest.toml, [[images]] 1, layer 1")
            .element("diff_size")
    }

    /// Two layers that are too large only together. Their sum is above 2^37, far below 2^64.
    fn layers_too_large_together() -> Vector {
        let mut one = base_layer();
        one.diff_size = 68_719_476_737;
        let mut other = Layer::of(b"other");
        other.diff_size = 68_719_476_736;
        with_layers(vec![one, other])
            .package()
            .refuse(9, LIMIT, &[9, 26], "manifest.toml, [[images]] 1")
            .element("sum of diff_size")
    }

    /// One blob with two values of `diff_id`.
    fn blob_with_two_diff_ids() -> Vector {
        let mut other = base_layer();
        other.diff_id = digest(b"other");
        two_images(vec![base_layer()], vec![other])
            .package()
            .refuse_rule(INCONSISTENT, 27, "[[images]] 2")
            .element("digest")
    }

    /// One blob with two unpacked sizes in one image.
    fn blob_with_two_diff_sizes() -> Vector {
        let mut other = base_layer();
        other.diff_size += 1;
        with_layers(vec![base_layer(), other])
            .package()
            .refuse_rule(INCONSISTENT, 27, "[[images]] 1")
            .element("diff_size")
    }

    /// One unpacked layer in two blobs: which one a reader takes would be a guess.
    fn diff_id_with_two_blobs() -> Vector {
        let tar = layer_tar("etc/base", "base\n");
        let wide = crate::frame::Frame::with_width(&tar, 8).bytes();
        two_images(vec![base_layer()], vec![Layer::new(&tar, wide)])
            .package()
            .refuse_rule(INCONSISTENT, 27, "[[images]] 2")
            .element("diff_id")
    }

    /// One config for two platforms.
    fn config_for_two_platforms() -> Vector {
        let mut two = two_images(vec![base_layer()], vec![base_layer()]);
        let config = two.images[0].config.clone();
        two.images[1].config = config;
        two.package().refuse_rule(INCONSISTENT, 27, "[[images]] 2").element("config, platform")
    }

    /// One config with two lists of layers.
    fn config_with_two_lists_of_layers() -> Vector {
        let mut two = small();
        two.services.push(service("db", "db:7"));
        let other = vec![base_layer(), Layer::of(b"more")];
        two.images.push(Image::new("db:7", "linux/amd64", other));
        let config = two.images[0].config.clone();
        two.images[1].config = config;
        two.package().refuse_rule(INCONSISTENT, 27, "[[images]] 2").element("config, layers")
    }

    /// The blob of a layer is the config of the image.
    fn config_is_a_layer() -> Vector {
        let mut package = small();
        package.images[0].config = base_layer().blob;
        package.package().refuse_rule(INCONSISTENT, 27, "[[images]]").element("config, layer")
    }
}
