//! `recover`: finishes what an interrupted update left. The boot unit and its
//! timer call it too, so it is quiet and quick when nothing is open.

use std::time::Duration;

use serde_json::json;

use crate::cli::RecoverArgs;
use crate::engine::Engine;
use crate::engine::docker::DockerEngine;
use crate::engine::socket::{Wishes, choose};
use crate::error::{Code, Exit, Result};
use crate::host::Host;
use crate::update::context::{Device, Talk};
use crate::update::recover::{self, Recovered};

use super::session::Session;
use super::{Terminal, show};

/// Between two looks whether the engine answers.
const PING_INTERVAL: Duration = Duration::from_secs(1);

pub(super) fn recover(session: &Session, args: &RecoverArgs) -> Result<Exit> {
    let outcome = run(
        session,
        Duration::from_secs(args.wait),
        Duration::ZERO,
        &Terminal,
    );
    let recovered = match outcome {
        Ok(recovered) => recovered,
        // Somebody else is at it: as good as done, and what the timer wants.
        Err(error) if error.code == Code::Locked => {
            show(
                session,
                &json!({ "result": "locked", "exit": 0 }),
                &["another instance is at work; nothing done".to_owned()],
            );
            return Ok(Exit::Done);
        }
        Err(error) => return Err(error),
    };
    let exit = if recovered
        .iter()
        .any(|one| one.touched && one.outcome == "rolled_back")
    {
        Exit::RolledBack
    } else {
        Exit::Done
    };
    let mut words: Vec<String> = recovered.iter().map(|one| one.words.clone()).collect();
    // The timer asks every minute; only a person wants to read that nothing was open.
    if words.is_empty() && !session.is_unit() {
        words.push("nothing is open".to_owned());
    }
    show(
        session,
        &json!({ "result": "recovered", "recovered": recovered, "exit": exit as u8 }),
        &words,
    );
    Ok(exit)
}

/// Waits for the engine, takes the lock and recovers.
///
/// # Errors
/// The engine's, the lock's and the recovery's own.
pub(super) fn run(
    session: &Session,
    engine_patience: Duration,
    lock_patience: Duration,
    talk: &dyn Talk,
) -> Result<Vec<Recovered>> {
    // Whose engine: that of the update that is open, which may not be today's default.
    let open = match session.journal_to_read()? {
        Some(journal) => recover::open(&journal).unwrap_or_default(),
        None => Vec::new(),
    };
    let engine = match open.first() {
        Some(record) => {
            let wishes = Wishes {
                engine: Some(&record.engine),
                ..Wishes::default()
            };
            DockerEngine::new(choose(wishes)?.path)
        }
        None => session.engine()?,
    };
    wait_for(&engine, session, engine_patience)?;
    let info = engine.info()?;
    let no_sync = open
        .first()
        .is_some_and(|record| record.sync_dirs.is_empty());
    let _lock = session.lock(&info, no_sync, lock_patience)?;
    let mut journal = session.journal_for_recovery();
    let mut device = Device {
        engine: &engine,
        journal: &mut journal,
        host: &session.host,
        talk,
    };
    recover::recover(&mut device)
}

fn wait_for(engine: &DockerEngine, session: &Session, patience: Duration) -> Result<()> {
    let begin = session.host.monotonic();
    loop {
        match engine.ping() {
            Ok(()) => return Ok(()),
            Err(error) if session.host.monotonic().saturating_sub(begin) >= patience => {
                return Err(error.into());
            }
            Err(_) => session.host.sleep(PING_INTERVAL),
        }
    }
}
