//! Archives whose tar is sound, but not the image in it.

use super::{Case, gzip};
use crate::archive::Item;

pub(super) const CASES: &[Case] = &[
    (
        "no manifest.json",
        |a| {
            a.0.pop();
        },
        "source.manifest_missing",
    ),
    (
        "a dangling manifest.json",
        |a| *a.item("manifest.json") = Item::link("manifest.json", "none"),
        "source.manifest_missing",
    ),
    (
        "a huge manifest.json",
        |a| a.item("manifest.json").data.resize(5 << 20, b' '),
        "source.limit_exceeded",
    ),
    (
        "a manifest.json that is no JSON",
        |a| a.item("manifest.json").data = b"[{".to_vec(),
        "source.manifest_invalid",
    ),
    (
        "a manifest.json without images",
        |a| a.item("manifest.json").data = b"[]".to_vec(),
        "source.manifest_invalid",
    ),
    (
        "a manifest.json nested deep",
        |a| a.item("manifest.json").data = vec![b'['; 1 << 20],
        "source.manifest_invalid",
    ),
    (
        "a missing config",
        |a| a.edit_manifest(".json\"", ".jsn\""),
        "source.blob_missing",
    ),
    (
        "a missing layer",
        |a| {
            let at = a.0.iter().position(|i| i.path.ends_with("layer.tar"));
            a.0.remove(at.expect("a layer"));
        },
        "source.blob_missing",
    ),
    (
        "a config with another digest",
        |a| a.item(".json").data.push(b' '),
        "source.blob_digest_mismatch",
    ),
    (
        "a huge config",
        |a| {
            a.edit_config(
                "\"os\"",
                &format!("\"x\":\"{}\",\"os\"", "x".repeat(1 << 20)),
            );
        },
        "source.limit_exceeded",
    ),
    (
        "a config that is none",
        |a| a.edit_config("rootfs", "rootsf"),
        "source.config_invalid",
    ),
    (
        "a platform that is none",
        |a| a.edit_config("\"linux\"", "\"li/nux/a\""),
        "source.config_invalid",
    ),
    (
        "a layer too few",
        |a| {
            let text = String::from_utf8(a.item("manifest.json").data.clone()).expect("text");
            let from = text.find(",\"").expect("a list");
            let layers = text.find("\"Layers\":[").expect("layers") + 10;
            let comma = text[layers..].find(',').expect("two layers") + layers;
            let first = text[layers..=comma].to_owned();
            assert!(from > 0);
            a.edit_manifest(&first, "");
        },
        "source.layer_count_mismatch",
    ),
    (
        "a history with more layers",
        |a| a.edit_config("\"history\":[", "\"history\":[{},"),
        "source.history_mismatch",
    ),
    (
        "a layer with another byte",
        |a| a.item("layer.tar").data[600] ^= 1,
        "source.layer_digest_mismatch",
    ),
    (
        "a layer with more bytes",
        |a| a.item("layer.tar").data.push(0),
        "source.layer_digest_mismatch",
    ),
    (
        "a layer with fewer bytes",
        |a| {
            a.item("layer.tar").data.pop();
        },
        "source.layer_digest_mismatch",
    ),
    (
        "a layer without a byte",
        |a| a.item("layer.tar").data.clear(),
        "source.layer_damaged",
    ),
    (
        "a layer compressed with xz",
        |a| a.item("layer.tar").data = b"\xfd7zXZ\0rest".to_vec(),
        "source.layer_encoding",
    ),
    (
        "a layer compressed with bzip2",
        |a| a.item("layer.tar").data = b"BZh91AY".to_vec(),
        "source.layer_encoding",
    ),
    (
        "a layer that is half a gzip",
        |a| a.item("layer.tar").data = b"\x1f\x8b\x08\0\0\0\0\0\0\x03abc".to_vec(),
        "source.layer_damaged",
    ),
    (
        "a layer that is half a zstd frame",
        |a| a.item("layer.tar").data = b"\x28\xb5\x2f\xfd\x04".to_vec(),
        "source.layer_damaged",
    ),
    (
        "a gzip layer of something else",
        |a| {
            a.item("layer.tar").data = gzip(b"something else");
        },
        "source.layer_digest_mismatch",
    ),
];
