//! Images and their names, in the two kinds of store that engines have.
//!
//! Layers are digests only: the bytes were hashed when they came in and dropped.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde_json::Value;

use super::reference;
use super::refusal::Refusal;

/// Where the engine keeps images; decides what an image's id is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SimStore {
    /// Graph drivers; the id is the config digest. Speaks like Docker 20.10.
    Classic,
    /// The containerd image store; the id is the manifest digest, broken images
    /// are stored, and an image whose last tag moves is gone. Speaks like Docker 28.
    Containerd,
}

/// Paths in an image's layers, as far as they were seen; `None`: not known.
pub(super) type Listing = Option<Arc<BTreeSet<String>>>;

#[derive(Debug, Clone, PartialEq)]
pub(super) struct Image {
    pub(super) id: String,
    pub(super) diff_ids: Vec<String>,
    pub(super) architecture: String,
    pub(super) os: String,
    pub(super) variant: String,
    /// As the image config has it.
    pub(super) created: String,
    /// The `config` object.
    pub(super) config: Value,
    pub(super) bytes: u64,
    pub(super) broken: Option<Broken>,
    pub(super) files: Listing,
}

/// Why an image that the containerd store holds can't run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Broken {
    pub(super) why: String,
    /// Inspect shows no layers.
    pub(super) layers_hidden: bool,
}

#[derive(Debug, Clone)]
pub(super) struct ImageStore {
    pub(super) kind: SimStore,
    /// By id.
    images: BTreeMap<String, Image>,
    /// Familiar reference to id.
    tags: BTreeMap<String, String>,
}

/// What a deletion did, in the words of the API.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Deleted {
    Untagged(String),
    Deleted(String),
}

/// Containers that use an image: (container id, runs).
pub(super) type Users = Vec<(String, bool)>;

impl ImageStore {
    pub(super) fn new(kind: SimStore) -> Self {
        Self {
            kind,
            images: BTreeMap::new(),
            tags: BTreeMap::new(),
        }
    }

    pub(super) fn images(&self) -> impl Iterator<Item = &Image> {
        self.images.values()
    }

    pub(super) fn tags(&self) -> &BTreeMap<String, String> {
        &self.tags
    }

    pub(super) fn tags_of(&self, id: &str) -> Vec<String> {
        self.tags
            .iter()
            .filter(|(_, held)| *held == id)
            .map(|(tag, _)| tag.clone())
            .collect()
    }

    /// Finds by reference, id, or id prefix.
    pub(super) fn find(&self, name_or_id: &str) -> Option<&Image> {
        let by_tag = reference::familiar(name_or_id)
            .ok()
            .and_then(|tag| self.tags.get(&tag));
        if let Some(id) = by_tag {
            return self.images.get(id);
        }
        let hex = name_or_id.strip_prefix("sha256:").unwrap_or(name_or_id);
        if hex.len() < 4 || !hex.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return None;
        }
        let wanted = format!("sha256:{hex}");
        let mut matches = self.images.range(wanted.clone()..);
        let (id, image) = matches.next()?;
        id.starts_with(&wanted).then_some(image)
    }

    /// Does it hold these layers as the bottom of some image?
    pub(super) fn holds_chain(&self, layers: &[String]) -> bool {
        self.images
            .values()
            .any(|image| image.broken.is_none() && image.diff_ids.starts_with(layers))
    }

    /// Does it hold this layer anywhere?
    pub(super) fn holds_layer(&self, layer: &String) -> bool {
        self.images
            .values()
            .any(|image| image.broken.is_none() && image.diff_ids.contains(layer))
    }

    /// Stores an image. A good one replaces a broken one of the same id.
    pub(super) fn insert(&mut self, image: Image) {
        match self.images.get(&image.id) {
            Some(held) if held.broken.is_none() => {}
            _ => drop(self.images.insert(image.id.clone(), image)),
        }
    }

    /// Points a familiar reference to an image. Gives the id it pointed to before.
    pub(super) fn set_tag(&mut self, reference: &str, id: &str) -> Option<String> {
        let before = self.tags.insert(reference.to_owned(), id.to_owned());
        let before = before.filter(|before| before != id)?;
        if self.kind == SimStore::Containerd && self.tags_of(&before).is_empty() {
            self.images.remove(&before);
        }
        Some(before)
    }

    /// `POST /images/{name}/tag`.
    pub(super) fn tag(&mut self, name_or_id: &str, reference: &str) -> Result<(), Refusal> {
        let Some(image) = self.find(name_or_id) else {
            return Err(no_such_image(name_or_id));
        };
        let id = image.id.clone();
        let reference = reference::familiar(reference).map_err(Refusal::server)?;
        self.set_tag(&reference, &id);
        Ok(())
    }

    /// `DELETE /images/{name}`. `users` are the containers of the image.
    pub(super) fn delete(
        &mut self,
        name_or_id: &str,
        force: bool,
        users: impl Fn(&str) -> Users,
    ) -> Result<Vec<Deleted>, Refusal> {
        let Some(image) = self.find(name_or_id) else {
            return Err(no_such_image(name_or_id));
        };
        let id = image.id.clone();
        let users = users(&id);
        let tag = reference::familiar(name_or_id)
            .ok()
            .filter(|tag| self.tags.contains_key(tag));
        match tag {
            Some(tag) => self.delete_tag(&tag, &id, force, &users),
            None => self.delete_id(&id, force, &users),
        }
    }

    fn delete_tag(
        &mut self,
        tag: &str,
        id: &str,
        force: bool,
        users: &Users,
    ) -> Result<Vec<Deleted>, Refusal> {
        let last = self.tags_of(id).len() == 1;
        if let (true, false, Some((user, _))) = (last, force, users.first()) {
            return Err(Refusal::conflict(format!(
                "conflict: unable to remove repository reference \"{tag}\" (must force) - \
                 container {} is using its referenced image {}",
                short(user),
                short(id)
            )));
        }
        self.tags.remove(tag);
        let mut deleted = vec![Deleted::Untagged(tag.to_owned())];
        // An image in use stays, without a name.
        if last && users.is_empty() {
            self.images.remove(id);
            deleted.push(Deleted::Deleted(id.to_owned()));
        }
        Ok(deleted)
    }

    fn delete_id(&mut self, id: &str, force: bool, users: &Users) -> Result<Vec<Deleted>, Refusal> {
        let conflict = |how: &str, why: String| {
            Err(Refusal::conflict(format!(
                "conflict: unable to delete {} ({how}) - {why}",
                short(id)
            )))
        };
        if let Some((user, _)) = users.iter().find(|(_, runs)| *runs) {
            let why = format!("image is being used by running container {}", short(user));
            return conflict("cannot be forced", why);
        }
        let tags = self.tags_of(id);
        let repositories: BTreeSet<&str> = tags
            .iter()
            .map(|tag| reference::repository_and_tag(tag).0)
            .collect();
        if !force && (repositories.len() > 1 || tags.len() > 1) {
            let why = "image is referenced in multiple repositories".to_owned();
            return conflict("must be forced", why);
        }
        if let (false, Some((user, _))) = (force, users.first()) {
            let why = format!("image is being used by stopped container {}", short(user));
            return conflict("must be forced", why);
        }
        let mut deleted: Vec<Deleted> = tags.iter().cloned().map(Deleted::Untagged).collect();
        self.tags.retain(|_, held| held != id);
        self.images.remove(id);
        deleted.push(Deleted::Deleted(id.to_owned()));
        Ok(deleted)
    }
}

pub(super) fn no_such_image(name: &str) -> Refusal {
    let shown = reference::familiar(name).unwrap_or_else(|_| name.to_owned());
    let shown = if name.starts_with("sha256:") {
        name.to_owned()
    } else {
        shown
    };
    Refusal::not_found(format!("No such image: {shown}"))
}

/// The 12 hex digits that people see.
pub(super) fn short(id: &str) -> &str {
    let hex = id.strip_prefix("sha256:").unwrap_or(id);
    hex.get(..12).unwrap_or(hex)
}
