//! What will happen, in sentences for the person who has to say yes.

use crate::update::record::{UpdateKind, UpdateRecord};

use super::{Facts, Options};

/// What will happen, sentence by sentence.
pub(super) fn words_of(
    record: &UpdateRecord,
    facts: &Facts,
    needed_bytes: u64,
    options: Options,
) -> Vec<String> {
    let mut words = versions(record);
    words.push(format!(
        "container `{}` on {}",
        record.container, facts.info.name
    ));
    if needed_bytes > 0 {
        words.push(format!(
            "the image needs up to {} MiB in {}",
            needed_bytes.div_ceil(1024 * 1024),
            facts.info.data_root.display()
        ));
    } else if record.kind == UpdateKind::Load {
        words.push("the image is in the engine already".to_owned());
    }
    if record.current.is_none() {
        words.push(
            "if it fails, the container is removed again, and the image if this brought it"
                .to_owned(),
        );
    } else if record.was_running {
        words.push(
            "the service is down while it is stopped, renamed and started; \
             if the new version fails, the old container starts again"
                .to_owned(),
        );
    } else {
        words.push(
            "the service is stopped and stays so: the new version is not started and not probed"
                .to_owned(),
        );
    }
    if let Some(parked) = &record.parked
        && record.kind == UpdateKind::Load
    {
        words.push(format!(
            "the version kept for a rollback so far ({}) is removed afterwards",
            parked.version.as_deref().unwrap_or(UNKNOWN)
        ));
    }
    if record.current.is_some() && facts.current_image.is_none() {
        words
            .push("the engine no longer knows the old image: it can't be kept by a tag".to_owned());
    }
    if facts.info.live_restore {
        words.push(
            "live-restore is on: a restart of the engine during the update may start \
             the old version beside the new one for a moment"
                .to_owned(),
        );
    }
    if options.no_sync {
        words.push("--no-sync: what happens at a power cut is not promised".to_owned());
    }
    words
}

const UNKNOWN: &str = "an unknown version";

/// From what to what.
fn versions(record: &UpdateRecord) -> Vec<String> {
    let service = &record.service.name;
    let to = record.version.as_deref().unwrap_or(UNKNOWN);
    vec![match &record.current {
        None => format!("service `{service}` is installed for the first time: {to}"),
        Some(current) => {
            let from = current.version.as_deref().unwrap_or(UNKNOWN);
            format!("service `{service}` goes from {from} to {to}")
        }
    }]
}
