//! The parts of an image's config that a build looks at: platform, diff ids,
//! history and date. The config itself is carried to the byte.
//!
//! Attacks answered here: a config that is too large, malformed, names fewer
//! layers than its history (engines refuse it only after the whole load), or
//! has a date that no header can hold.

use edgepkg::limits::{CONFIG_BYTES_MAX, LAYERS_MAX};
use edgepkg::{Digest, platform};
use serde::Deserialize;

use crate::error::{Code, PackError, Result};
use crate::timestamp;

/// What a build needs of a config.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ImageConfig {
    /// Normalized platform, such as `linux/amd64`.
    pub platform: String,
    /// Digests of the unpacked layers, base first.
    pub diff_ids: Vec<Digest>,
    /// When the image was built, seconds since 1970; may be negative.
    pub created: Option<i64>,
}

#[derive(Deserialize)]
struct Raw {
    architecture: String,
    os: String,
    #[serde(default)]
    variant: Option<String>,
    #[serde(default)]
    created: Option<String>,
    rootfs: RootFs,
    #[serde(default)]
    history: Option<Vec<History>>,
}

#[derive(Deserialize)]
struct RootFs {
    #[serde(rename = "type")]
    kind: String,
    #[serde(default)]
    diff_ids: Option<Vec<Digest>>,
}

#[derive(Deserialize)]
struct History {
    #[serde(default)]
    empty_layer: bool,
}

impl ImageConfig {
    /// Reads a config of at most [`CONFIG_BYTES_MAX`] bytes. `place` names it in errors.
    pub fn parse(bytes: &[u8], place: &str) -> Result<Self> {
        let invalid = |what: &str| {
            PackError::new(
                Code::SourceConfigInvalid,
                format!("the image's config can't be used: {what}"),
            )
            .at(place)
        };
        if bytes.len() as u64 > CONFIG_BYTES_MAX {
            return Err(invalid("it is too large")
                .found(format!("{} bytes", bytes.len()))
                .wanted(format!("at most {CONFIG_BYTES_MAX} bytes")));
        }
        let raw: Raw = serde_json::from_slice(bytes)
            .map_err(|error| invalid("it is no image config").found(error))?;
        if raw.rootfs.kind != "layers" {
            return Err(invalid("its root file system has no layers")
                .found(&raw.rootfs.kind)
                .wanted("layers"));
        }
        let diff_ids = raw.rootfs.diff_ids.clone().unwrap_or_default();
        if diff_ids.is_empty() {
            return Err(invalid("it has no layers"));
        }
        if diff_ids.len() > LAYERS_MAX {
            return Err(invalid("it has too many layers")
                .found(diff_ids.len())
                .wanted(format!("at most {LAYERS_MAX}")));
        }
        raw.check_history(diff_ids.len(), place)?;
        let spelled = raw.spelled_platform();
        let platform = platform::normalize(&spelled)
            .ok_or_else(|| invalid("its platform makes no sense").found(&spelled))?;
        let created = match raw.created.as_deref() {
            None | Some("") => None,
            Some(text) => Some(timestamp::parse(text).ok_or_else(|| {
                invalid("its date makes no sense")
                    .found(text)
                    .wanted("a date such as 2026-01-31T12:00:00Z")
            })?),
        };
        Ok(Self {
            platform,
            diff_ids,
            created,
        })
    }
}

impl Raw {
    fn spelled_platform(&self) -> String {
        match self.variant.as_deref() {
            None | Some("") => format!("{}/{}", self.os, self.architecture),
            Some(variant) => format!("{}/{}/{variant}", self.os, self.architecture),
        }
    }

    /// Tools may leave out history, and Docker allows too little of it; more
    /// layers in the history than in the file system it refuses.
    fn check_history(&self, layers: usize, place: &str) -> Result<()> {
        let history = self.history.as_deref().unwrap_or_default();
        let named = history.iter().filter(|step| !step.empty_layer).count();
        if named <= layers {
            return Ok(());
        }
        Err(PackError::new(
            Code::SourceHistory,
            "the config's history names more layers than the image has",
        )
        .at(place)
        .found(format!("{named} in the history"))
        .wanted(format!("at most {layers}")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(os: &str, more: &str) -> String {
        let diff = Digest::of(b"layer");
        format!(
            r#"{{"architecture":"aarch64","os":"{os}","rootfs":{{"type":"layers","diff_ids":["{diff}"]}}{more}}}"#
        )
    }

    /// A second spelling of the platform, or a lost layer, would make a device
    /// refuse its own package.
    #[test]
    fn reads_what_a_build_needs() {
        let text = config(
            "linux",
            r#","variant":"v8","created":"2026-01-01T00:00:01.5Z","history":[{"empty_layer":true},{}]"#,
        );
        let parsed = ImageConfig::parse(text.as_bytes(), "c").expect("sound");
        assert_eq!(parsed.platform, "linux/arm64");
        assert_eq!(parsed.diff_ids, [Digest::of(b"layer")]);
        assert_eq!(parsed.created, Some(1_767_225_601));
    }

    /// Each of these would be found by an engine only after the whole import,
    /// or by nobody.
    #[test]
    fn refuses_what_engines_refuse() {
        let code = |text: &str| ImageConfig::parse(text.as_bytes(), "c").unwrap_err().code;
        let many = r#","history":[{},{}]"#;
        assert_eq!(code(&config("linux", many)), Code::SourceHistory);
        assert_eq!(code(&config("li nux", "")), Code::SourceConfigInvalid);
        assert_eq!(
            code(&config("linux", r#","created":"today""#)),
            Code::SourceConfigInvalid
        );
        assert_eq!(code("{}"), Code::SourceConfigInvalid);
        assert_eq!(code("[1"), Code::SourceConfigInvalid);
        let short = config("linux", "").replace("sha256:", "sha256:0");
        assert_eq!(code(&short), Code::SourceConfigInvalid);
        let large = config("linux", &format!(r#","x":"{}""#, "x".repeat(1 << 20)));
        assert_eq!(code(&large), Code::SourceConfigInvalid);
    }
}
