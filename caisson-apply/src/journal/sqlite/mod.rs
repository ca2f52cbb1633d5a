//! The journal in `SQLite`: one file in the state directory, WAL, `synchronous=FULL`
//! (with `NORMAL` a power cut may lose the last commits).
//!
//! A damaged file is moved aside with a word and a new one begun: it never
//! blocks an update for ever. A file of a newer version is left alone.

mod file;
mod rows;

use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::{Connection, ErrorCode, OpenFlags, OptionalExtension, params};
use serde_json::Value;

pub use file::create_state_dir;
use file::{OpenError, move_file_aside, open_checked, uri_path};
use rows::{read_row, read_summary};

use super::{
    Event, Journal, JournalError, JournalResult, Row, ServiceState, Stamp, StepId, UpdateSummary,
};
use crate::update::record::UpdateRecord;

/// How long a writer waits for another process, such as `history` reading.
const BUSY_TIMEOUT: Duration = Duration::from_secs(10);

/// The real journal.
#[derive(Debug)]
pub struct SqliteJournal {
    path: PathBuf,
    db: Connection,
    notice: Option<String>,
}

impl SqliteJournal {
    /// Opens or creates `caisson.db` in the state directory, for writing.
    pub fn open(state_dir: &Path) -> JournalResult<Self> {
        create_state_dir(state_dir)?;
        let path = state_dir.join("caisson.db");
        let mut notice = None;
        let db = match open_checked(&path) {
            Ok(db) => db,
            Err(OpenError::Other(message)) => return Err(JournalError::storage(message)),
            Err(OpenError::Damaged(message)) => {
                let aside = move_file_aside(&path)?;
                notice = Some(format!(
                    "the journal was damaged ({message}); it was moved to {} and a new one begun",
                    aside.display()
                ));
                open_checked(&path).map_err(OpenError::into_journal)?
            }
        };
        Ok(Self { path, db, notice })
    }

    /// Opens an existing journal for reading, also on a read-only file system.
    /// `None` if there is none.
    pub fn open_read_only(state_dir: &Path) -> JournalResult<Option<Self>> {
        let path = state_dir.join("caisson.db");
        if !path.exists() {
            return Ok(None);
        }
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let read = |db: Connection| {
            db.busy_timeout(BUSY_TIMEOUT)?;
            db.query_row("SELECT count(*) FROM updates", [], |_| Ok(()))?;
            Ok(db)
        };
        let opened = Connection::open_with_flags(&path, flags).and_then(read);
        // WAL needs a writable shared-memory file; on a read-only file system nobody
        // else can be writing, so the file is read as it lies there.
        let db = match opened {
            Err(error) if needs_writing(&error) => {
                let uri = format!("file:{}?immutable=1", uri_path(&path));
                Connection::open_with_flags(uri, flags | OpenFlags::SQLITE_OPEN_URI)
                    .map_err(from_sql)?
            }
            opened => opened.map_err(from_sql)?,
        };
        Ok(Some(Self {
            path,
            db,
            notice: None,
        }))
    }

    /// A journal that knows nothing and is gone with the process: for recovery where
    /// there is no other.
    ///
    /// # Panics
    /// If there is no memory for an empty database.
    pub fn in_memory() -> Self {
        let db = file::empty_in_memory().expect("an empty database in memory");
        Self {
            path: PathBuf::new(),
            db,
            notice: None,
        }
    }

    /// What a person should know about opening, such as a damaged file moved aside.
    pub fn notice(&self) -> Option<&str> {
        self.notice.as_deref()
    }

    /// The first row of an update: everything it was to do, as JSON; `None` if the
    /// text can't be read any more.
    ///
    /// # Errors
    /// The storage's own.
    pub fn record(&self, update_id: &str) -> JournalResult<Option<Value>> {
        let text: String = self
            .db
            .query_row(
                "SELECT record FROM updates WHERE update_id = ?1",
                [update_id],
                |row| row.get(0),
            )
            .map_err(from_sql)?;
        Ok(serde_json::from_str(&text).ok())
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    fn insert_step(
        db: &Connection,
        update_id: &str,
        step: StepId,
        event: Event,
        detail: &Value,
        stamp: &Stamp,
    ) -> rusqlite::Result<()> {
        let inserted = db.execute(
            "INSERT INTO steps (update_id, service, step, event, detail, wall_ms, boot_id)
             SELECT update_id, service, ?2, ?3, ?4, ?5, ?6 FROM updates WHERE update_id = ?1",
            params![
                update_id,
                step.as_str(),
                event.as_str(),
                detail.to_string(),
                stamp.wall_ms,
                stamp.boot_id
            ],
        )?;
        // Without this the row of an update that the file has lost (moved aside
        // in between) would be dropped in silence.
        if inserted == 1 {
            Ok(())
        } else {
            Err(rusqlite::Error::StatementChangedRows(inserted))
        }
    }

    fn write_state(db: &Connection, state: &ServiceState) -> rusqlite::Result<()> {
        let text = serde_json::to_string(state)
            .map_err(|error| rusqlite::Error::ToSqlConversionFailure(Box::new(error)))?;
        db.execute(
            "INSERT INTO services (service, state) VALUES (?1, ?2)
             ON CONFLICT(service) DO UPDATE SET state = excluded.state",
            params![state.service, text],
        )?;
        Ok(())
    }
}

impl Journal for SqliteJournal {
    fn begin(&mut self, record: &UpdateRecord, stamp: &Stamp) -> JournalResult<()> {
        let text = serde_json::to_string(record)
            .map_err(|error| JournalError::senseless(error.to_string()))?;
        self.db
            .execute(
                "INSERT INTO updates (update_id, service, kind, from_version, to_version, record, wall_ms, boot_id)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
                params![
                    record.update_id,
                    record.service.name,
                    record.kind.as_str(),
                    record.current.as_ref().and_then(|current| current.version.clone()),
                    record.version,
                    text,
                    stamp.wall_ms,
                    stamp.boot_id
                ],
            )
            .map_err(from_sql)?;
        Ok(())
    }

    fn append(
        &mut self,
        update_id: &str,
        step: StepId,
        event: Event,
        detail: &Value,
        stamp: &Stamp,
    ) -> JournalResult<()> {
        Self::insert_step(&self.db, update_id, step, event, detail, stamp).map_err(from_sql)
    }

    fn commit(
        &mut self,
        update_id: &str,
        state: &ServiceState,
        stamp: &Stamp,
    ) -> JournalResult<()> {
        let write = |db: &mut Connection| {
            let transaction =
                db.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate)?;
            Self::insert_step(
                &transaction,
                update_id,
                StepId::Commit,
                Event::Committed,
                &Value::Null,
                stamp,
            )?;
            Self::write_state(&transaction, state)?;
            transaction.commit()
        };
        write(&mut self.db).map_err(from_sql)
    }

    fn finish(
        &mut self,
        update_id: &str,
        event: Event,
        detail: &Value,
        state: Option<&ServiceState>,
        stamp: &Stamp,
    ) -> JournalResult<()> {
        let write = |db: &mut Connection| {
            let transaction =
                db.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate)?;
            Self::insert_step(
                &transaction,
                update_id,
                StepId::Settle,
                event,
                detail,
                stamp,
            )?;
            if let Some(state) = state {
                Self::write_state(&transaction, state)?;
            }
            transaction.commit()
        };
        write(&mut self.db).map_err(from_sql)
    }

    fn reopen(&mut self) -> JournalResult<()> {
        let closed = std::mem::replace(
            &mut self.db,
            Connection::open_in_memory().map_err(from_sql)?,
        );
        drop(closed);
        self.db = open_checked(&self.path).map_err(OpenError::into_journal)?;
        Ok(())
    }

    fn move_aside(&mut self) -> JournalResult<()> {
        drop(std::mem::replace(
            &mut self.db,
            Connection::open_in_memory().map_err(from_sql)?,
        ));
        move_file_aside(&self.path)?;
        self.db = open_checked(&self.path).map_err(OpenError::into_journal)?;
        Ok(())
    }

    fn open_updates(&self) -> JournalResult<Vec<UpdateRecord>> {
        let mut statement = self
            .db
            .prepare(
                "SELECT record FROM updates u WHERE NOT EXISTS (
                   SELECT 1 FROM steps s WHERE s.update_id = u.update_id
                   AND s.event IN ('done', 'rolled_back', 'superseded'))
                 ORDER BY rowid",
            )
            .map_err(from_sql)?;
        let texts = statement
            .query_map([], |row| row.get::<_, String>(0))
            .and_then(Iterator::collect::<rusqlite::Result<Vec<_>>>)
            .map_err(from_sql)?;
        texts
            .iter()
            .map(|text| {
                serde_json::from_str(text)
                    .map_err(|error| JournalError::senseless(error.to_string()))
            })
            .collect()
    }

    fn rows(&self, update_id: &str) -> JournalResult<Vec<Row>> {
        let mut statement = self
            .db
            .prepare(
                "SELECT seq, step, event, detail, wall_ms, boot_id FROM steps WHERE update_id = ?1 ORDER BY seq",
            )
            .map_err(from_sql)?;
        let rows = statement
            .query_map([update_id], read_row)
            .and_then(Iterator::collect::<rusqlite::Result<Vec<_>>>)
            .map_err(from_sql)?;
        rows.into_iter().collect()
    }

    fn service(&self, service: &str) -> JournalResult<Option<ServiceState>> {
        let text: Option<String> = self
            .db
            .query_row(
                "SELECT state FROM services WHERE service = ?1",
                [service],
                |row| row.get(0),
            )
            .optional()
            .map_err(from_sql)?;
        text.map(|text| {
            serde_json::from_str(&text).map_err(|error| JournalError::senseless(error.to_string()))
        })
        .transpose()
    }

    fn history(&self, service: Option<&str>, limit: u32) -> JournalResult<Vec<UpdateSummary>> {
        let mut statement = self
            .db
            .prepare(
                "SELECT u.update_id, u.service, u.kind, u.from_version, u.to_version, u.wall_ms,
                   f.event, f.wall_ms, f.detail,
                   EXISTS (SELECT 1 FROM steps c WHERE c.update_id = u.update_id AND c.event = 'committed')
                   AND NOT EXISTS (SELECT 1 FROM steps a WHERE a.update_id = u.update_id AND a.event = 'aborted'),
                   json_valid(u.record) AND json_extract(u.record, '$.current') IS NULL
                 FROM updates u LEFT JOIN steps f ON f.update_id = u.update_id
                   AND f.event IN ('done', 'rolled_back', 'superseded')
                 WHERE ?1 IS NULL OR u.service = ?1 ORDER BY u.rowid DESC LIMIT ?2",
            )
            .map_err(from_sql)?;
        statement
            .query_map(params![service, limit], read_summary)
            .and_then(Iterator::collect::<rusqlite::Result<Vec<_>>>)
            .map_err(from_sql)
    }
}

/// Could the file not be opened because of its file system?
fn needs_writing(error: &rusqlite::Error) -> bool {
    matches!(
        error.sqlite_error_code(),
        Some(ErrorCode::CannotOpen | ErrorCode::ReadOnly | ErrorCode::PermissionDenied)
    )
}

#[expect(clippy::needless_pass_by_value, reason = "a function for `map_err`")]
fn from_sql(error: rusqlite::Error) -> JournalError {
    JournalError::storage(error.to_string())
}
