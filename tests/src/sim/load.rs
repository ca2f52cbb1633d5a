//! What a loaded archive does to the image store, for both kinds of store: the
//! lines of the answer, the images, the tags. Errors are part of the answer, as
//! the status was sent long before.

use std::collections::BTreeSet;
use std::sync::Arc;

use serde_json::{Value, json};

use super::archive::{Part, Parts};
use super::images::{Broken, Image, ImageStore, Listing, SimStore};
use super::reference;
use crate::digest;
use crate::images::ImageFacts;

/// The documents of the answer, one JSON value each.
pub(super) type Answer = Vec<Value>;

/// Takes the archive in.
pub(super) fn load(store: &mut ImageStore, parts: &Parts) -> Answer {
    let mut answer = Answer::new();
    let result = match store.kind {
        SimStore::Classic => load_classic(store, parts, &mut answer),
        SimStore::Containerd => load_containerd(store, parts, &mut answer),
    };
    if let Err(message) = result {
        answer.push(error(&message));
    }
    answer
}

/// Stores an image known by its recipe only, as if it had been loaded whole from a
/// docker-archive. Gives its id.
pub(super) fn insert_facts(store: &mut ImageStore, facts: &ImageFacts) -> String {
    let config: Value =
        serde_json::from_slice(&facts.config).expect("a recipe makes a good config");
    let image = Described {
        config: &config,
        config_digest: facts.config_digest.clone(),
        config_bytes: facts.config.len() as u64,
        diff_ids: facts.diff_ids.clone(),
    };
    let part = |(digest, bytes): (&String, &u64)| Part {
        digest: digest.clone(),
        bytes: *bytes,
        json: None,
        listing: None,
    };
    let parts: Vec<Part> = facts
        .diff_ids
        .iter()
        .zip(&facts.layer_bytes)
        .map(part)
        .collect();
    let sent: Vec<Option<&Part>> = parts.iter().map(Some).collect();
    let id = match store.kind {
        SimStore::Classic => image.config_digest.clone(),
        SimStore::Containerd => made_manifest(&image, &sent),
    };
    store.insert(image.image(id.clone(), &sent, None));
    if let Some(name) = facts
        .reference
        .as_deref()
        .and_then(|name| reference::familiar(name).ok())
    {
        store.set_tag(&name, &id);
    }
    id
}

/// An error inside an answer of status 200.
pub(super) fn error(message: &str) -> Value {
    json!({"errorDetail": {"message": message}, "error": message})
}

fn line(text: &str) -> Value {
    json!({"stream": format!("{text}\n")})
}

/// An image of the archive before it is stored.
struct Described<'a> {
    config: &'a Value,
    config_digest: String,
    config_bytes: u64,
    diff_ids: Vec<String>,
}

fn described<'a>(parts: &'a Parts, path: &str) -> Result<Described<'a>, String> {
    let part = parts.get(path).ok_or_else(|| missing(path))?;
    let (_, config) = part.json.as_ref().ok_or_else(|| {
        "invalid character looking for beginning of value in image config".to_owned()
    })?;
    let diff_ids = texts(&config["rootfs"]["diff_ids"]);
    Ok(Described {
        config,
        config_digest: part.digest.clone(),
        config_bytes: part.bytes,
        diff_ids,
    })
}

impl Described<'_> {
    fn image(&self, id: String, layers: &[Option<&Part>], broken: Option<Broken>) -> Image {
        let text = |key: &str| self.config[key].as_str().unwrap_or_default().to_owned();
        let size = |part: &&Part| {
            part.listing
                .as_ref()
                .map_or(part.bytes, |l| l.content_bytes)
        };
        Image {
            id,
            diff_ids: self.diff_ids.clone(),
            architecture: text("architecture"),
            os: text("os"),
            variant: text("variant"),
            created: text("created"),
            config: self.config["config"].clone(),
            bytes: layers.iter().flatten().map(size).sum(),
            broken,
            files: files(layers),
        }
    }
}

/// All paths of all layers, if every layer was sent and could be listed.
fn files(layers: &[Option<&Part>]) -> Listing {
    let mut all = BTreeSet::new();
    for layer in layers {
        all.extend(layer.as_ref()?.listing.as_ref()?.paths.iter().cloned());
    }
    Some(Arc::new(all))
}

/// Docker's own stores read `manifest.json` and check every layer that they
/// don't hold yet under the same parent.
fn load_classic(store: &mut ImageStore, parts: &Parts, answer: &mut Answer) -> Result<(), String> {
    let Some(Part {
        json: Some((_, manifest)),
        ..
    }) = parts.get("manifest.json")
    else {
        return Err(missing("blobs/json"));
    };
    for entry in manifest.as_array().into_iter().flatten() {
        let image = described(parts, entry["Config"].as_str().unwrap_or_default())?;
        let layers = texts(&entry["Layers"]);
        if layers.len() != image.diff_ids.len() {
            return Err(format!(
                "invalid manifest, layers length mismatch: expected {}, got {}",
                image.diff_ids.len(),
                layers.len()
            ));
        }
        let mut sent = Vec::new();
        for (index, path) in layers.iter().enumerate() {
            if store.holds_chain(&image.diff_ids[..=index]) {
                sent.push(parts.get(path));
                continue;
            }
            let part = parts.get(path).ok_or_else(|| missing(path))?;
            if part.digest != image.diff_ids[index] {
                let (wanted, found) = (&image.diff_ids[index], &part.digest);
                return Err(format!(
                    "invalid diffID for layer {index}: expected \"{wanted}\", got \"{found}\""
                ));
            }
            sent.push(Some(part));
        }
        let id = image.config_digest.clone();
        store.insert(image.image(id.clone(), &sent, None));
        name_classic(store, &id, &texts(&entry["RepoTags"]), answer)?;
    }
    Ok(())
}

fn name_classic(
    store: &mut ImageStore,
    id: &str,
    names: &[String],
    answer: &mut Answer,
) -> Result<(), String> {
    for name in names {
        let name = reference::familiar(name)?;
        if let Some(old) = store.set_tag(&name, id) {
            answer.push(line(&format!(
                "The image {name} already exists, renaming the old one with ID {old} to empty string"
            )));
        }
        answer.push(line(&format!("Loaded image: {name}")));
    }
    if names.is_empty() {
        answer.push(line(&format!("Loaded image ID: {id}")));
    }
    Ok(())
}

/// The containerd store takes every blob whose digest is its name, then names,
/// and only then unpacks: what fails there stays as a broken image.
fn load_containerd(
    store: &mut ImageStore,
    parts: &Parts,
    answer: &mut Answer,
) -> Result<(), String> {
    for (path, part) in parts {
        if let Some(hex) = path.strip_prefix("blobs/sha256/")
            && digest::hex_part(&part.digest) != hex
        {
            return Err(format!(
                "failed to ingest \"{path}\": unexpected commit digest {}, expected sha256:{hex}: \
                 failed precondition",
                part.digest
            ));
        }
    }
    match parts.get("index.json").and_then(|part| part.json.as_ref()) {
        Some((_, index)) => load_index(store, parts, index, answer),
        None => load_without_index(store, parts, answer),
    }
}

fn load_index(
    store: &mut ImageStore,
    parts: &Parts,
    index: &Value,
    answer: &mut Answer,
) -> Result<(), String> {
    for descriptor in index["manifests"].as_array().into_iter().flatten() {
        let id = descriptor["digest"].as_str().unwrap_or_default().to_owned();
        let Some((_, manifest)) = parts.get(&blob(&id)).and_then(|part| part.json.as_ref()) else {
            return Err(format!("content digest {id}: not found"));
        };
        let config_digest = manifest["config"]["digest"].as_str().unwrap_or_default();
        let image = described(parts, &blob(config_digest))?;
        let layers: Vec<String> = manifest["layers"]
            .as_array()
            .into_iter()
            .flatten()
            .map(|layer| layer["digest"].as_str().unwrap_or_default().to_owned())
            .collect();
        let sent: Vec<Option<&Part>> = layers.iter().map(|layer| parts.get(&blob(layer))).collect();
        let broken = broken(store, &image, &layers, &sent);
        store.insert(image.image(id.clone(), &sent, broken.clone()));
        let name = annotated_name(&descriptor["annotations"]);
        name_containerd(store, &id, name.as_slice(), broken.as_ref(), answer)?;
    }
    Ok(())
}

/// A docker-archive: the store makes a manifest of its own.
fn load_without_index(
    store: &mut ImageStore,
    parts: &Parts,
    answer: &mut Answer,
) -> Result<(), String> {
    let Some(Part {
        json: Some((_, manifest)),
        ..
    }) = parts.get("manifest.json")
    else {
        return Err("unrecognized image format".to_owned());
    };
    for entry in manifest.as_array().into_iter().flatten() {
        let image = described(parts, entry["Config"].as_str().unwrap_or_default())?;
        let paths = texts(&entry["Layers"]);
        let sent: Vec<Option<&Part>> = paths.iter().map(|path| parts.get(path)).collect();
        if let Some(absent) = sent.iter().position(Option::is_none) {
            return Err(format!(
                "failed to resolve layers: {}: not found",
                paths[absent]
            ));
        }
        let layers: Vec<String> = sent
            .iter()
            .flatten()
            .map(|part| part.digest.clone())
            .collect();
        let id = made_manifest(&image, &sent);
        let broken = broken(store, &image, &layers, &sent);
        store.insert(image.image(id.clone(), &sent, broken.clone()));
        let names = texts(&entry["RepoTags"]);
        name_containerd(store, &id, &names, broken.as_ref(), answer)?;
    }
    Ok(())
}

/// The digest of a manifest over what was sent.
fn made_manifest(image: &Described<'_>, sent: &[Option<&Part>]) -> String {
    let layers: Vec<Value> = sent
        .iter()
        .flatten()
        .map(|part| json!({"digest": part.digest, "size": part.bytes}))
        .collect();
    let config = json!({"digest": image.config_digest, "size": image.config_bytes});
    let manifest = json!({"schemaVersion": 2, "config": config, "layers": layers});
    digest::of(manifest.to_string().as_bytes())
}

fn broken(
    store: &ImageStore,
    image: &Described<'_>,
    layers: &[String],
    sent: &[Option<&Part>],
) -> Option<Broken> {
    let absent = |(layer, part): (&String, Option<&Part>)| {
        (part.is_none() && !store.holds_layer(layer)).then(|| Broken {
            why: format!("content digest {layer}: not found"),
            layers_hidden: true,
        })
    };
    let wrong = || Broken {
        why: format!(
            "wrong diff id calculated on extraction {:?}",
            layers.first()
        ),
        layers_hidden: false,
    };
    let missing_layer = layers.iter().zip(sent.iter().copied()).find_map(absent);
    missing_layer.or_else(|| (*layers != image.diff_ids).then(wrong))
}

fn name_containerd(
    store: &mut ImageStore,
    id: &str,
    names: &[String],
    broken: Option<&Broken>,
    answer: &mut Answer,
) -> Result<(), String> {
    let names = names
        .iter()
        .map(|name| reference::familiar(name))
        .collect::<Result<Vec<_>, _>>()?;
    let shown = names.first().cloned().unwrap_or_else(|| id.to_owned());
    for name in &names {
        store.set_tag(name, id);
        answer.push(line(&format!("Loaded image: {name}")));
    }
    if names.is_empty() {
        answer.push(line(&format!("Loaded image ID: {id}")));
    }
    if let Some(broken) = broken {
        answer.push(line(&format!(
            "Error unpacking image {shown}: {}",
            broken.why
        )));
    }
    Ok(())
}

fn annotated_name(annotations: &Value) -> Option<String> {
    let named = |key: &str| annotations[key].as_str().map(str::to_owned);
    named("io.containerd.image.name").or_else(|| named("org.opencontainers.image.ref.name"))
}

fn blob(digest: &str) -> String {
    format!("blobs/sha256/{}", digest::hex_part(digest))
}

fn texts(list: &Value) -> Vec<String> {
    list.as_array()
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .map(str::to_owned)
        .collect()
}

fn missing(path: &str) -> String {
    format!("open /var/lib/docker/tmp/docker-import-000000000/{path}: no such file or directory")
}
