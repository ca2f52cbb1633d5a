//! The plan: whether this update may happen on this device, and everything it
//! will do, decided before anything is changed. Pure but for the facts it is given.

mod checks;
mod facts;
mod load;
mod roles;
mod rollback;
mod version;
mod words;

use serde_json::{Value, json};

pub use facts::Facts;
pub use load::load;
pub use rollback::rollback;

use crate::catalog::ServiceEntry;
use crate::engine::ImageInfo;
use crate::error::Result;

use super::record::{TagBinding, TagPlan, UpdateRecord};

/// What the person allowed on the command line.
#[derive(Debug, Clone, Copy, Default)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a flag of its own on the command line"
)]
pub struct Options {
    pub allow_downgrade: bool,
    pub reinstall: bool,
    pub keep_old_defaults: bool,
    pub no_sync: bool,
}

/// What a package offers for one service of this device.
#[derive(Debug, Clone)]
pub struct Offer {
    pub version: String,
    pub release: Option<u64>,
    pub manifest: String,
    pub manifest_digest: String,
    pub image_reference: String,
    pub platform: String,
    /// `sha256:...` of the image's config.
    pub config_digest: String,
    /// `sha256:...` of the manifest that the containerd store makes its id of.
    pub engine_manifest: String,
    pub diff_ids: Vec<String>,
    pub unpacked_bytes: u64,
    /// The image's config file.
    pub config: Value,
    pub engine_api_min: Option<String>,
}

/// A decided update.
#[derive(Debug)]
pub struct Plan {
    pub record: UpdateRecord,
    /// The very package is installed and runs: there is nothing to do.
    pub installed_already: bool,
    /// Sentences for the person, in order.
    pub words: Vec<String>,
    /// Bytes the engine needs for the import; 0 if the image is there.
    pub needed_bytes: u64,
}

impl Plan {
    /// The same facts for a script.
    pub fn to_json(&self) -> Value {
        let record = &self.record;
        json!({
            "plan": record.kind.as_str(),
            "service": record.service.name,
            "container": record.container,
            "from_version": record.current.as_ref().and_then(|current| current.version.clone()),
            "to_version": record.version,
            "release": record.release,
            "installed_already": self.installed_already,
            "was_running": record.was_running,
            "first_install": record.current.is_none(),
            "needed_bytes": self.needed_bytes,
            "words": self.words,
        })
    }
}

/// Where an update's id and engine come from.
#[derive(Debug, Clone)]
pub struct Identity {
    pub update_id: String,
    /// The engine's socket.
    pub engine: String,
}

/// One `package load`, as far as the plan is concerned.
#[derive(Debug)]
pub struct LoadRequest<'a> {
    pub service: &'a ServiceEntry,
    pub offer: &'a Offer,
    /// The text of the catalog's file for a first install.
    pub create_file: Option<&'a str>,
    /// The package's image, if the engine has it already.
    pub image_known: Option<&'a ImageInfo>,
    pub identity: Identity,
    pub options: Options,
}

/// Gives the image id that a tag names now.
pub type TagLookup<'a> = &'a dyn Fn(&str) -> Result<Option<String>>;

/// A tag with what it names now.
fn bind(tag: String, tags: TagLookup<'_>) -> Result<TagBinding> {
    Ok(TagBinding {
        before: tags(&tag)?,
        tag,
    })
}
