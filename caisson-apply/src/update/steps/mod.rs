//! The steps of an update, in order. Each is one effect with a way to look at it
//! and a way back.
//!
//! To add one: a file here, its frozen name in `journal::event::StepId`, its place
//! in [`before_commit`], and a crash-point run of `tests/`.

mod adopt_previous;
mod create_candidate;
mod import_image;
mod insure_current;
mod pin_current;
mod probe;
pub(super) mod settle;
mod start_candidate;
pub(super) mod stop_current;
mod swap_names;
mod verify_head;

pub(in crate::update) use create_candidate::remove_ours as remove_candidate;
pub(crate) use probe::interrupted;

use serde_json::Value;

use crate::journal::StepId;

use super::context::{Cx, StepError};
use super::record::{UpdateKind, UpdateRecord};

/// One step before the commit.
pub(super) trait Step {
    /// The frozen name.
    fn id(&self) -> StepId;
    /// Why the step has nothing to do in this update; a `skipped` row says so.
    fn skip(&self, record: &UpdateRecord) -> Option<&'static str>;
    /// Makes the effect. Safe to repeat. What it gives goes into the row.
    fn run(&self, cx: &mut Cx<'_>) -> Result<Value, StepError>;
    /// What the engine shows of the effect now, in words that two looks can compare.
    fn check(&self, cx: &Cx<'_>) -> Result<String, StepError>;
    /// Takes the effect back. Asks the engine, not the journal: safe if the step
    /// never ran, half happened, or was undone before.
    fn undo(&self, cx: &mut Cx<'_>) -> Result<(), StepError>;
}

/// The steps up to the commit, in order. Undo goes through them backwards.
pub(super) fn before_commit(kind: UpdateKind) -> Vec<&'static dyn Step> {
    let mut steps: Vec<&'static dyn Step> = Vec::new();
    match kind {
        UpdateKind::Load => {
            steps.push(&verify_head::VerifyHead);
            steps.push(&pin_current::PinCurrent);
            steps.push(&import_image::ImportImage);
            steps.push(&create_candidate::CreateCandidate);
        }
        UpdateKind::Rollback => {
            steps.push(&pin_current::PinCurrent);
            steps.push(&adopt_previous::AdoptPrevious);
        }
    }
    steps.push(&insure_current::InsureCurrent);
    steps.push(&stop_current::StopCurrent);
    steps.push(&swap_names::SwapNames);
    steps.push(&start_candidate::StartCandidate);
    steps.push(&probe::Probe);
    steps
}

/// The words of a `skipped` row on a first install.
const FIRST_INSTALL: &str = "first install: there is no current container";
/// The words of a `skipped` row for a service that was stopped.
const WAS_STOPPED: &str = "the service was stopped before the update";

/// Gives the current container its name back.
pub(super) fn swap_back(cx: &mut Cx<'_>) -> Result<(), StepError> {
    swap_names::SwapNames.undo(cx)
}
