//! `import_image`: the image gets into the engine under a name that only this
//! update uses, is compared with what the package names, and only then gets its
//! retention tag. A 200 from the engine means nothing by itself.

use std::io;

use serde_json::{Value, json};

use crate::engine::{EngineErrorKind, ImageInfo, StoreKind};
use crate::error::{Code, Error};
use crate::journal::StepId;
use crate::name::Role;
use crate::update::context::{Cx, StepError};
use crate::update::look;
use crate::update::record::{TargetImage, UpdateRecord};

use super::Step;
use super::create_candidate::{create, remove_ours};
use super::pin_current::remove_added_tag;

pub(super) struct ImportImage;

impl Step for ImportImage {
    fn id(&self) -> StepId {
        StepId::ImportImage
    }

    fn skip(&self, _record: &UpdateRecord) -> Option<&'static str> {
        None
    }

    fn run(&self, cx: &mut Cx<'_>) -> Result<Value, StepError> {
        let record = cx.record;
        let (Some(image), Some(incoming), Some(retention)) =
            (&record.image, &record.tags.incoming, &record.tags.retention)
        else {
            return Err(Error::new(
                Code::Internal,
                "an update without an image reached the import",
            )
            .into());
        };
        let present = usable(cx, image)?;
        if !present {
            send(cx, image, incoming)?;
            let loaded = cx.engine.image(incoming)?;
            compare(image, loaded.as_ref())?;
        }
        cx.engine.tag_image(&image.engine_id, &retention.tag)?;
        if !present {
            cx.engine.untag_image(incoming)?;
        }
        Ok(json!({ "image": image.engine_id, "tag": retention.tag, "was_there": present }))
    }

    fn check(&self, cx: &Cx<'_>) -> Result<String, StepError> {
        let mut words = String::new();
        for tag in [
            cx.record.tags.incoming.as_ref(),
            cx.record
                .tags
                .retention
                .as_ref()
                .map(|retention| &retention.tag),
        ]
        .into_iter()
        .flatten()
        {
            words.push_str(
                &cx.engine
                    .image(tag)?
                    .map_or("none".to_owned(), |image| image.id),
            );
            words.push(' ');
        }
        Ok(words + &look::words(look::candidate(cx)?.as_ref()))
    }

    fn undo(&self, cx: &mut Cx<'_>) -> Result<(), StepError> {
        // The trial container of `usable`, if a cut left it.
        remove_ours(cx)?;
        if let Some(incoming) = &cx.record.tags.incoming
            && cx.engine.image(incoming)?.is_some()
        {
            cx.engine.untag_image(incoming)?;
        }
        let image = cx
            .record
            .image
            .as_ref()
            .map(|image| image.engine_id.as_str());
        remove_added_tag(cx, cx.record.tags.retention.as_ref(), image)
    }
}

/// Is the very image there already, and whole? Then nothing is sent.
fn usable(cx: &mut Cx<'_>, image: &TargetImage) -> Result<bool, StepError> {
    let Some(found) = cx.engine.image(&image.engine_id)? else {
        return Ok(false);
    };
    if compare(image, Some(&found)).is_err() {
        return Ok(false);
    }
    if cx.engine.info()?.store != StoreKind::Containerd {
        return Ok(true);
    }
    // The containerd store can hold an image whose blobs are missing, and shows
    // it like any other; only creating a container tells. Sending it again repairs it.
    let name = Role::New.of(&cx.record.container);
    let whole = create(cx, &name, &image.engine_id).is_ok();
    remove_ours(cx)?;
    Ok(whole)
}

fn send(cx: &mut Cx<'_>, image: &TargetImage, incoming: &str) -> Result<(), StepError> {
    let Some(source) = cx.source.as_deref_mut() else {
        return Err(Error::new(Code::Internal, "an import without a package").into());
    };
    let mut refusal = None;
    let answer = cx
        .engine
        .load_images(&mut |sink| match source.send(image, incoming, sink) {
            Ok(()) => Ok(()),
            Err(error) => {
                refusal = Some(error);
                Err(io::Error::other("the package was refused"))
            }
        });
    match (answer, refusal) {
        (Ok(_), None) => Ok(()),
        // The engine said no and closed; the sink's error is only the echo of that.
        (Err(error), _) if error.kind == EngineErrorKind::Refused => Err(error.into()),
        // Not `unanswered`: the body was cut before the names, so nothing can appear later.
        (_, Some(refusal)) => Err(refusal.into()),
        (Err(error), None) => Err(error.into()),
    }
}

/// What the engine holds against what the manifest names.
fn compare(image: &TargetImage, found: Option<&ImageInfo>) -> Result<(), Error> {
    let mismatch = |what: &str, found: String, wanted: String| {
        Err(Error::new(
            Code::ImportMismatch,
            format!("the engine holds another image than the package names: {what}"),
        )
        .found(found)
        .wanted(wanted)
        .next("build the package again; if it repeats, check the engine's storage"))
    };
    let Some(found) = found else {
        return mismatch(
            "none arrived",
            "no image".to_owned(),
            image.engine_id.clone(),
        );
    };
    if found.id != image.engine_id {
        return mismatch("its id differs", found.id.clone(), image.engine_id.clone());
    }
    if found.diff_ids != image.diff_ids {
        return mismatch(
            "its layers differ",
            found.diff_ids.join(" "),
            image.diff_ids.join(" "),
        );
    }
    if found.platform != image.platform {
        return mismatch(
            "its platform differs",
            found.platform.clone(),
            image.platform.clone(),
        );
    }
    Ok(())
}
