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

use super::session::{LOCK_PATIENCE, Session};
use super::{Terminal, show, talk};

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

/// Recovers on every engine that an open update was on, else on the usual one:
/// waits for the engine, takes the lock, finishes what is open.
///
/// # Errors
/// The engine's, the lock's and the recovery's own; the other engines were still tried.
pub(super) fn run(
    session: &Session,
    engine_patience: Duration,
    lock_patience: Duration,
    words: &dyn Talk,
) -> Result<Vec<Recovered>> {
    let mut all = Vec::new();
    let mut first = None;
    for (address, no_sync) in addresses(session)? {
        let patience = (engine_patience, lock_patience);
        match on_engine(session, &address, no_sync, patience, words) {
            Ok(recovered) => all.extend(recovered),
            Err(error) => first = first.or(Some(error)),
        }
    }
    first.map_or(Ok(all), Err)
}

/// Finishes what an earlier process left before anything new begins. Another engine
/// that is gone keeps its own update open, and nothing else from going on.
///
/// # Errors
/// As [`run`].
pub(super) fn recover_first(session: &Session) -> Result<()> {
    let ours = session.engine()?.address();
    for (address, no_sync) in addresses(session)? {
        let patience = (Duration::ZERO, LOCK_PATIENCE);
        match on_engine(session, &address, no_sync, patience, &Terminal) {
            Ok(recovered) => recovered.iter().for_each(|one| talk(&one.words)),
            Err(error) if address != ours && error.code == Code::EngineUnreachable => {
                talk(&format!(
                    "an interrupted update stays open: its engine at {address} does not answer"
                ));
            }
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// Whose engines: those of the updates that are open, which may not be today's
/// default. With each, whether its data root is left alone (`--no-sync`).
fn addresses(session: &Session) -> Result<Vec<(String, bool)>> {
    // A journal that can't be read has no say in this: the containers' labels decide.
    let open = match session.journal_to_read() {
        Ok(Some(journal)) => recover::open(&journal).unwrap_or_default(),
        Ok(None) | Err(_) => Vec::new(),
    };
    let mut addresses: Vec<(String, bool)> = Vec::new();
    for record in &open {
        if addresses
            .iter()
            .all(|(address, _)| *address != record.engine)
        {
            addresses.push((record.engine.clone(), record.sync_dirs.is_empty()));
        }
    }
    if addresses.is_empty() {
        addresses.push((session.engine()?.address(), false));
    }
    Ok(addresses)
}

fn on_engine(
    session: &Session,
    address: &str,
    no_sync: bool,
    (engine_patience, lock_patience): (Duration, Duration),
    words: &dyn Talk,
) -> Result<Vec<Recovered>> {
    let wishes = Wishes {
        engine: Some(address),
        ..Wishes::default()
    };
    let engine = DockerEngine::new(choose(wishes)?.path);
    wait_for(&engine, session, engine_patience).map_err(|error| error.at(address))?;
    let info = engine.info()?;
    let _lock = session.lock(&info, no_sync, lock_patience)?;
    // A recovery that is killed half-way would leave the service as it is then, and no
    // guard watches over it.
    session.catch_signals()?;
    let mut journal = session.journal_for_recovery();
    let mut device = Device {
        engine: &engine,
        journal: &mut journal,
        host: &session.host,
        talk: words,
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
