//! References and platforms: SPEC [M23] and [M24].

use crate::base::{base_layer, full, service, small};
use crate::describe::{Description, Image};
use crate::digest::digest;
use crate::vector::{Vector, vectors};

const BAD: &str = "manifest.bad_value";

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

    /// Two dots join two words.
    fn reference_two_dots() -> Vector {
        reference("a..b:1", "component, two dots")
    }

    /// A component begins with its joint.
    fn reference_component_dot_at_start() -> Vector {
        reference("team/.web:1", "component, dot at start")
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

    /// A label of the domain ends with a dash.
    fn reference_domain_dash_at_end() -> Vector {
        reference("reg-.example/web:1", "domain, dash at end")
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

    /// Another name for arm/v6.
    fn platform_armel() -> Vector {
        platform("linux/armel", "armel")
    }

    /// A variant of arm without its letter, the oldest one.
    fn platform_arm_5() -> Vector {
        platform("linux/arm/5", "arm/5")
    }

    /// A variant of arm without its letter, the newest one.
    fn platform_arm_8() -> Vector {
        platform("linux/arm/8", "arm/8")
    }

    /// Another name for arm64, with a variant that stays.
    fn platform_aarch64_with_variant() -> Vector {
        platform("linux/aarch64/v9", "aarch64/v9")
    }

    /// Another name for amd64, with a variant that stays.
    fn platform_x86_64_with_variant() -> Vector {
        platform("linux/x86_64/v3", "x86_64/v3")
    }

    /// Another name for amd64, with a dash.
    fn platform_x86_64_with_dash() -> Vector {
        platform("linux/x86-64", "x86-64")
    }

    /// The last of the names for 386.
    fn platform_i686() -> Vector {
        platform("linux/i686", "i686")
    }

    /// A variant of arm without its letter, the usual one.
    fn platform_arm_7() -> Vector {
        platform("linux/arm/7", "arm/7")
    }

    /// A variant of arm64 that says nothing, without its letter.
    fn platform_arm64_8() -> Vector {
        platform("linux/arm64/8", "arm64/8")
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
}
