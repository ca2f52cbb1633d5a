//! `create_candidate`: the new container beside the current one, not started,
//! restart policy `no`. A created container never starts by itself at boot, so a
//! cut from here on leaves the old version in charge.

use serde_json::{Value, json};

use crate::engine::Container;
use crate::error::{Code, Error};
use crate::journal::StepId;
use crate::name::Role;
use crate::update::context::{Cx, StepError};
use crate::update::look;
use crate::update::record::{UpdateKind, UpdateRecord};

use super::Step;

pub(super) struct CreateCandidate;

impl Step for CreateCandidate {
    fn id(&self) -> StepId {
        StepId::CreateCandidate
    }

    fn skip(&self, _record: &UpdateRecord) -> Option<&'static str> {
        None
    }

    fn run(&self, cx: &mut Cx<'_>) -> Result<Value, StepError> {
        let record = cx.record;
        let (Some(image), Some(retention)) = (&record.image, &record.tags.retention) else {
            return Err(Error::new(Code::Internal, "a candidate without an image").into());
        };
        // By its retention tag, so that people see a name in `docker ps`; that the
        // tag still means our image is read back from the container itself.
        let name = Role::New.of(&record.container);
        let id = create(cx, &name, &retention.tag)?;
        let made = inspect(cx, &id)?;
        if made.image_id != image.engine_id {
            return Err(Error::new(
                Code::ImportMismatch,
                "the candidate was made from another image",
            )
            .found(made.image_id)
            .wanted(image.engine_id.clone())
            .into());
        }
        if let Some(spec) = &record.candidate {
            for (network, endpoint) in &spec.further_networks {
                cx.engine.connect_network(network, &id, endpoint)?;
            }
        }
        Ok(json!({ "container": id }))
    }

    fn check(&self, cx: &Cx<'_>) -> Result<String, StepError> {
        Ok(look::words(look::candidate(cx)?.as_ref()))
    }

    fn undo(&self, cx: &mut Cx<'_>) -> Result<(), StepError> {
        remove_ours(cx)
    }
}

/// Creates a container of the update's configuration from an image.
pub(super) fn create(cx: &Cx<'_>, name: &str, image: &str) -> Result<String, StepError> {
    let Some(spec) = &cx.record.candidate else {
        return Err(Error::new(Code::Internal, "a candidate without a configuration").into());
    };
    let mut body = spec.body.clone();
    let Some(fields) = body.as_object_mut() else {
        return Err(Error::new(Code::Internal, "a configuration that is no object").into());
    };
    fields.insert("Image".to_owned(), Value::from(image));
    let labels = fields.entry("Labels").or_insert_with(|| json!({}));
    if !labels.is_object() {
        *labels = json!({});
    }
    for (key, value) in cx.record.labels() {
        labels[key] = Value::from(value);
    }
    Ok(cx.engine.create_container(name, &body)?)
}

/// Removes the candidate of this update with the anonymous volumes it brought.
/// Volumes it took over from the current container are mounted by name and stay.
pub(in crate::update) fn remove_ours(cx: &Cx<'_>) -> Result<(), StepError> {
    // The candidate of a rollback is somebody's data: it is renamed back, never removed.
    if cx.record.kind == UpdateKind::Load
        && let Some(candidate) = look::candidate(cx)?
    {
        cx.engine.remove_container(&candidate.id, true, true)?;
    }
    Ok(())
}

fn inspect(cx: &Cx<'_>, id: &str) -> Result<Container, StepError> {
    cx.engine.container(id)?.ok_or_else(|| {
        Error::new(
            Code::EngineAnswer,
            "the engine created a container and does not know it",
        )
        .at(id)
        .into()
    })
}
