//! `pin_current`: gives the current image a retention tag of its own. On the
//! containerd store of Docker 26 an image whose only tag moves is gone at once,
//! and with it the way back.

use serde_json::{Value, json};

use crate::engine::EngineErrorKind;
use crate::journal::StepId;
use crate::update::context::{Cx, StepError};
use crate::update::record::{TagBinding, UpdateRecord};

use super::{FIRST_INSTALL, Step};

pub(super) struct PinCurrent;

impl Step for PinCurrent {
    fn id(&self) -> StepId {
        StepId::PinCurrent
    }

    fn skip(&self, record: &UpdateRecord) -> Option<&'static str> {
        match (&record.current, &record.tags.pin) {
            (None, _) => Some(FIRST_INSTALL),
            (Some(_), None) => Some("the engine no longer knows the current image"),
            (Some(current), Some(pin)) if pin.before.as_ref() == Some(&current.image_id) => {
                Some("the current image has its retention tag already")
            }
            (Some(_), Some(_)) => None,
        }
    }

    fn run(&self, cx: &mut Cx<'_>) -> Result<Value, StepError> {
        if let (Some(current), Some(pin)) = (&cx.record.current, &cx.record.tags.pin) {
            cx.engine.tag_image(&current.image_id, &pin.tag)?;
            return Ok(json!({ "tag": pin.tag, "image": current.image_id }));
        }
        Ok(Value::Null)
    }

    fn check(&self, cx: &Cx<'_>) -> Result<String, StepError> {
        tag_words(cx, cx.record.tags.pin.as_ref())
    }

    fn undo(&self, cx: &mut Cx<'_>) -> Result<(), StepError> {
        let image = cx
            .record
            .current
            .as_ref()
            .map(|current| current.image_id.as_str());
        remove_added_tag(cx, cx.record.tags.pin.as_ref(), image)
    }
}

/// What a tag names now.
pub(super) fn tag_words(cx: &Cx<'_>, binding: Option<&TagBinding>) -> Result<String, StepError> {
    match binding {
        None => Ok("none".to_owned()),
        Some(binding) => Ok(cx
            .engine
            .image(&binding.tag)?
            .map_or("none".to_owned(), |image| image.id)),
    }
}

/// Removes a tag that this update added, and only if it names the image we gave it.
pub(super) fn remove_added_tag(
    cx: &Cx<'_>,
    binding: Option<&TagBinding>,
    image_id: Option<&str>,
) -> Result<(), StepError> {
    let Some(binding) = binding.filter(|binding| binding.before.is_none()) else {
        return Ok(());
    };
    let Some(image) = cx.engine.image(&binding.tag)? else {
        return Ok(());
    };
    if image_id != Some(image.id.as_str()) {
        return Ok(());
    }
    match cx.engine.untag_image(&binding.tag) {
        Ok(_) => Ok(()),
        // The only name of an image that a container uses: the engine keeps it
        // (409), and so do we. Forcing could delete the image under a stopped container.
        Err(error) if error.kind == EngineErrorKind::Refused && error.status == Some(409) => Ok(()),
        Err(error) => Err(error.into()),
    }
}
