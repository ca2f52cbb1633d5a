//! From the yes of the person to the last row: boot unit, guard, update, and what
//! is said of it.

use std::ffi::OsString;

use serde_json::{Value, json};

use crate::cli::Promises;
use crate::engine::docker::DockerEngine;
use crate::error::{Code, Error, Exit, Result};
use crate::guard::Guard;
use crate::journal::sqlite::SqliteJournal;
use crate::update::context::{Device, ImageSource};
use crate::update::plan::Plan;
use crate::update::record::UpdateRecord;
use crate::update::{self, Finished};

use super::doctor::boot_unit_installed;
use super::session::Session;
use super::{Guarding, Terminal, confirm, show, talk};

pub(super) const WITHOUT_BOOT_UNIT: &str = "the boot unit is not installed: after a power cut the engine brings the right \
     version back by itself, but nobody finishes the update until the next command; \
     `caisson-apply doctor --install-boot-unit` installs it";

/// Shows the plan and asks.
pub(super) fn agree(session: &Session, planned: &Plan, promises: &Promises) -> Result<()> {
    if !promises.no_boot_unit && !boot_unit_installed(session, &planned.record.engine) {
        return Err(Error::new(Code::BootUnitMissing, WITHOUT_BOOT_UNIT)
            .state("nothing changed")
            .next("install it, or add --no-boot-unit to go on without"));
    }
    for line in &planned.words {
        talk(&format!("- {line}"));
    }
    confirm(session, "Do this now?")
}

/// From the first effect to the last row.
pub(super) fn perform(
    session: &Session,
    engine: &DockerEngine,
    journal: &mut SqliteJournal,
    record: &UpdateRecord,
    source: Option<&mut dyn ImageSource>,
) -> Result<Exit> {
    session.catch_signals()?;
    let guard = start_guard(session, record)?;
    let mut device = Device {
        engine,
        journal,
        host: &session.host,
        talk: &Terminal,
    };
    let outcome = update::execute(&mut device, record, source);
    let unfinished = match &outcome {
        Ok(finished) => finished.cleanup_pending.is_some(),
        Err(error) => error.open || error.exit() == Exit::NeedsAPerson,
    };
    // What is left open here stays the guard's: it goes on trying when we are gone.
    match guard {
        Some(guard) if unfinished => drop(guard),
        Some(guard) => guard.good_end(),
        None => {}
    }
    Ok(finished(session, record, &outcome?))
}

fn start_guard(session: &Session, record: &UpdateRecord) -> Result<Option<Guard>> {
    if session.guarding == Guarding::OffForTesting {
        return Ok(None);
    }
    let flags: [OsString; 6] = [
        "--state-dir".into(),
        session.global.state_dir.clone().into(),
        "--engine".into(),
        record.engine.clone().into(),
        "--services".into(),
        session.global.services.clone().into(),
    ];
    Guard::start(&flags, &session.global.state_dir).map(Some)
}

fn finished(session: &Session, record: &UpdateRecord, finished: &Finished) -> Exit {
    let version = record
        .version
        .clone()
        .unwrap_or_else(|| "the previous version".to_owned());
    let service = &record.service.name;
    let mut words = vec![if record.starts() {
        format!("service `{service}` runs {version}")
    } else {
        format!("service `{service}` is on {version} and stopped, as before")
    }];
    if let Some(pending) = &finished.cleanup_pending {
        words.push(format!(
            "tidying up is not finished and goes on by itself: {pending}"
        ));
    }
    let value = json!({
        "result": "done",
        "service": service,
        "version": version,
        "update_id": record.update_id,
        "running": record.starts(),
        "cleanup_pending": finished.cleanup_pending.as_ref().map_or(Value::Bool(false), |_| Value::Bool(true)),
        "exit": 0,
    });
    show(session, &value, &words);
    Exit::Done
}
