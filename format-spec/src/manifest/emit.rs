//! The canonical bytes of a manifest: one spelling for one content.

use std::fmt::Write as _;

use super::Manifest;

impl Manifest {
    /// The canonical bytes: SPEC section 4. For a manifest that passed its
    /// check, `parse` gives it back.
    pub fn emit(&self) -> String {
        let mut out = String::new();
        integer(&mut out, "format_version", self.format_version);
        let requires: Vec<String> = self.requires.iter().map(|name| quoted(name)).collect();
        let _ = writeln!(out, "requires = [{}]", requires.join(", "));
        string(&mut out, "package_type", &self.package_type);
        string(&mut out, "package_version", &self.package_version);
        if let Some(release) = self.release {
            integer(&mut out, "release", release);
        }
        integer(&mut out, "mtime", self.mtime);
        if self.live_names {
            out.push_str("live_names = true\n");
        }
        self.emit_compatibility(&mut out);
        self.emit_notes(&mut out);
        self.emit_services(&mut out);
        self.emit_images(&mut out);
        self.emit_entries(&mut out);
        out.push_str("\n[chunks]\n");
        integer(&mut out, "size", self.chunks.size);
        string(&mut out, "sha256", &self.chunks.sha256.to_string());
        out
    }

    fn emit_compatibility(&self, out: &mut String) {
        let compatibility = &self.compatibility;
        let keys = [
            ("min_updater_version", &compatibility.min_updater_version),
            ("engine_api_min", &compatibility.engine_api_min),
        ];
        if keys.iter().all(|(_, value)| value.is_none()) {
            return;
        }
        out.push_str("\n[compatibility]\n");
        for (key, value) in keys {
            if let Some(value) = value {
                string(out, key, value);
            }
        }
    }

    fn emit_notes(&self, out: &mut String) {
        if self.notes.is_empty() {
            return;
        }
        out.push_str("\n[notes]\n");
        for (key, value) in &self.notes {
            string(out, key, value);
        }
    }

    fn emit_services(&self, out: &mut String) {
        for service in &self.services {
            out.push_str("\n[[services]]\n");
            string(out, "service", &service.service);
            string(out, "service_revision", &service.service_revision);
            string(out, "image", &service.image);
        }
    }

    fn emit_images(&self, out: &mut String) {
        for image in &self.images {
            out.push_str("\n[[images]]\n");
            string(out, "reference", &image.reference);
            string(out, "platform", &image.platform);
            string(out, "config", &image.config.to_string());
            string(out, "engine_manifest", &image.engine_manifest.to_string());
            for layer in &image.layers {
                out.push_str("\n[[images.layers]]\n");
                string(out, "digest", &layer.digest.to_string());
                integer(out, "size", layer.size);
                string(out, "diff_id", &layer.diff_id.to_string());
                integer(out, "diff_size", layer.diff_size);
            }
        }
    }

    fn emit_entries(&self, out: &mut String) {
        for entry in &self.entries {
            out.push_str("\n[[entries]]\n");
            string(out, "path", &entry.path);
            integer(out, "size", entry.size);
            string(out, "sha256", &entry.sha256.to_string());
        }
    }
}

fn integer(out: &mut String, key: &str, value: u64) {
    let _ = writeln!(out, "{key} = {value}");
}

fn string(out: &mut String, key: &str, value: &str) {
    let _ = writeln!(out, "{key} = {}", quoted(value));
}

/// The value as a basic string. Only four characters are escaped, each in one
/// way; other control characters are not allowed in a value.
fn quoted(value: &str) -> String {
    let mut text = String::with_capacity(value.len() + 2);
    text.push('"');
    for character in value.chars() {
        match character {
            '"' => text.push_str("\\\""),
            '\\' => text.push_str("\\\\"),
            '\n' => text.push_str("\\n"),
            '\t' => text.push_str("\\t"),
            _ => text.push(character),
        }
    }
    text.push('"');
    text
}
