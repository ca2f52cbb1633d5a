//! Rules of images: SPEC 5.4.

use crate::base::{base_layer, full, layer_tar, service, small, with_layers};
use crate::describe::{Description, Image, Layer};
use crate::digest::digest;
use crate::vector::{Vector, vectors};

const BAD: &str = "manifest.bad_value";
const LIMIT: &str = "manifest.limit_exceeded";
const INCONSISTENT: &str = "manifest.inconsistent";

/// A package whose one image has this reference.
fn reference(reference: &str, element: &str) -> Vector {
    let package = Description {
        services: vec![service("web", reference)],
        images: vec![Image::new(reference, "linux/amd64", vec![base_layer()])],
        ..small()
    };
    package
        .package()
        .refuse_rule(BAD, 23, "[[images]] 1")
        .element(element)
}

/// The full package whose second image has this platform.
fn platform(platform: &str, element: &str) -> Vector {
    let mut package = full();
    let layers = package.images[1].layers.clone();
    package.images[1] = Image::new(&package.images[1].reference, platform, layers);
    package
        .package()
        .refuse_rule(BAD, 24, "[[images]] 2")
        .element(element)
}

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
    /// A reference without a tag.
    fn reference_without_tag() -> Vector {
        reference("team/web", "no tag")
    }

    /// A reference with an empty tag.
    fn reference_empty_tag() -> Vector {
        reference("team/web:", "empty tag")
    }

    /// A reference whose only colon belongs to a port.
    fn reference_with_port_only() -> Vector {
        reference("registry.example:5000/web", "port and no tag")
    }

    /// A reference with a digest.
    fn reference_with_digest() -> Vector {
        reference(&format!("web@{}", digest(b"image")), "digest")
    }

    /// A reference with a tag and a digest.
    fn reference_with_tag_and_digest() -> Vector {
        reference(&format!("web:1@{}", digest(b"image")), "tag and digest")
    }

    /// A tag that begins with a dot.
    fn reference_tag_with_dot() -> Vector {
        reference("web:.1", "tag, dot")
    }

    /// A tag that begins with a dash.
    fn reference_tag_with_dash() -> Vector {
        reference("web:-1", "tag, dash")
    }

    /// A tag of 96 bytes, which docker would take: with a platform after it it would be too long.
    fn reference_tag_too_long() -> Vector {
        reference(&format!("web:{}", "t".repeat(96)), "tag, 96 bytes")
    }

    /// A tag with a plus, as versions have it.
    fn reference_tag_with_plus() -> Vector {
        reference("web:1.0.0+5", "tag, plus")
    }

    /// An upper-case letter in a path behind a domain. In the first component it would make a domain.
    fn reference_path_upper_case() -> Vector {
        reference("registry.example/Web:1", "path, upper case")
    }

    /// An empty component.
    fn reference_empty_component() -> Vector {
        reference("team//web:1", "component, empty")
    }

    /// A component that leads to the folder above.
    fn reference_with_parent_folder() -> Vector {
        reference("team/../web:1", "component, dots")
    }

    /// A reference that begins with a slash.
    fn reference_with_leading_slash() -> Vector {
        reference("/web:1", "leading slash")
    }

    /// A component that ends with a dash.
    fn reference_component_dash_at_end() -> Vector {
        reference("web-:1", "component, dash at end")
    }

    /// Three underscores join two words.
    fn reference_three_underscores() -> Vector {
        reference("a___b:1", "component, joint")
    }

    /// An underscore and a dash join two words.
    fn reference_mixed_joint() -> Vector {
        reference("a_-b:1", "component, mixed joint")
    }

    /// A domain with an underscore.
    fn reference_domain_underscore() -> Vector {
        reference("my_reg.example/web:1", "domain, underscore")
    }

    /// A label of the domain begins with a dash.
    fn reference_domain_dash() -> Vector {
        reference("reg.-example/web:1", "domain, dash")
    }

    /// The domain ends with a dot.
    fn reference_domain_trailing_dot() -> Vector {
        reference("reg.example./web:1", "domain, empty label")
    }

    /// A port without a digit.
    fn reference_port_empty() -> Vector {
        reference("reg.example:/web:1", "port, empty")
    }

    /// A port of six digits.
    fn reference_port_too_long() -> Vector {
        reference("reg.example:123456/web:1", "port, six digits")
    }

    /// An address of IP version 6, which has colons of its own.
    fn reference_domain_ip_6() -> Vector {
        reference("[::1]:5000/web:1", "domain, brackets")
    }

    /// A reference of 201 bytes.
    fn reference_too_long() -> Vector {
        reference(&format!("{}:1", "p".repeat(199)), "201 bytes")
    }

    /// Another name for amd64.
    fn platform_x86_64() -> Vector {
        platform("linux/x86_64", "x86_64")
    }

    /// Another name for arm64, as Linux itself has it.
    fn platform_aarch64() -> Vector {
        platform("linux/aarch64", "aarch64")
    }

    /// Another name for arm/v7.
    fn platform_armhf() -> Vector {
        platform("linux/armhf", "armhf")
    }

    /// Another name for 386.
    fn platform_i386() -> Vector {
        platform("linux/i386", "i386")
    }

    /// The lowest level of amd64 is amd64.
    fn platform_amd64_v1() -> Vector {
        platform("linux/amd64/v1", "amd64/v1")
    }

    /// A variant that says nothing: arm64/v8 is arm64.
    fn platform_arm64_v8() -> Vector {
        platform("linux/arm64/v8", "arm64/v8")
    }

    /// Arm without the variant that it stands for.
    fn platform_arm_without_variant() -> Vector {
        platform("linux/arm", "arm")
    }

    /// A variant without its letter.
    fn platform_arm_6() -> Vector {
        platform("linux/arm/6", "arm/6")
    }

    /// 386 has no variants.
    fn platform_386_with_variant() -> Vector {
        platform("linux/386/sse2", "386/sse2")
    }

    /// Another name for darwin.
    fn platform_macos() -> Vector {
        platform("macos/arm64", "macos")
    }

    /// A platform in upper case.
    fn platform_upper_case() -> Vector {
        platform("Linux/amd64", "upper case")
    }

    /// An operating system alone.
    fn platform_without_architecture() -> Vector {
        platform("linux", "one part")
    }

    /// An empty variant after its slash.
    fn platform_empty_variant() -> Vector {
        platform("linux/amd64/", "empty variant")
    }

    /// A platform of four parts.
    fn platform_four_parts() -> Vector {
        platform("linux/arm/v7/hard", "four parts")
    }

    /// A character that would need an escape in the derived files.
    fn platform_with_quote() -> Vector {
        let mut package = full();
        let layers = package.images[1].layers.clone();
        package.images[1] = Image::new(&package.images[1].reference, "linux/a\"b", layers);
        package.package().refuse_rule(BAD, 24, "[[images]] 2").element("quote")
    }

    /// A platform of 33 bytes.
    fn platform_too_long() -> Vector {
        platform(&format!("linux/{}", "x".repeat(27)), "33 bytes")
    }

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
