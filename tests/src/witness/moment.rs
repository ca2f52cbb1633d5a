//! A moment of an update, told from its journal while another process writes it.

use std::path::Path;
use std::process::Child;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Result, bail, ensure};
use caisson_apply::journal::sqlite::SqliteJournal;
use caisson_apply::journal::{Event, Journal, StepId};

/// The moment after this row was written by the newest update.
pub type Moment = (StepId, Event);

/// A step of a test's update that takes longer hangs.
const LIMIT: Duration = Duration::from_mins(1);

/// Waits until the newest update of the state directory has the row. `updates` is how
/// many there were before it began.
pub fn wait_for_moment(
    load: &mut Child,
    state_dir: &Path,
    updates: usize,
    moment: Moment,
) -> Result<()> {
    let begin = Instant::now();
    loop {
        if has_row(state_dir, updates, moment) {
            return Ok(());
        }
        if let Some(ended) = load.try_wait()? {
            bail!("the load ended before {moment:?}: {ended}");
        }
        ensure!(begin.elapsed() < LIMIT, "no {moment:?} after {LIMIT:?}");
        thread::sleep(Duration::from_millis(2));
    }
}

/// How many updates the journal knows.
pub fn updates(state_dir: &Path) -> usize {
    match SqliteJournal::open_read_only(state_dir) {
        Ok(Some(journal)) => journal
            .history(None, u32::MAX)
            .map_or(0, |history| history.len()),
        Ok(None) | Err(_) => 0,
    }
}

/// A reader that comes at a bad instant sees nothing and looks again.
fn has_row(state_dir: &Path, updates: usize, (step, event): Moment) -> bool {
    let Ok(Some(journal)) = SqliteJournal::open_read_only(state_dir) else {
        return false;
    };
    let Ok(history) = journal.history(None, u32::MAX) else {
        return false;
    };
    if history.len() <= updates {
        return false;
    }
    let rows = journal.rows(&history[0].update_id).unwrap_or_default();
    rows.iter()
        .any(|row| row.step == step && row.event == event)
}

/// Waits until it is so.
pub fn wait_until(what: &str, limit: Duration, mut so: impl FnMut() -> bool) -> Result<()> {
    let begin = Instant::now();
    while !so() {
        ensure!(begin.elapsed() < limit, "not within {limit:?}: {what}");
        thread::sleep(Duration::from_millis(20));
    }
    Ok(())
}
