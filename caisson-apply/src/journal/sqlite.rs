//! The journal in SQLite: one file in the state directory, WAL, `synchronous=FULL`
//! (with `NORMAL` a power cut may lose the last commits).
//!
//! A damaged file is moved aside with a word and a new one begun: it never
//! blocks an update for ever. A file of a newer version is left alone.

use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::{Connection, ErrorCode, OpenFlags, OptionalExtension, Row as SqlRow, params};
use serde_json::Value;

use super::{
    Event, Journal, JournalError, JournalResult, Row, ServiceState, Stamp, StepId, UpdateSummary,
};
use crate::update::record::UpdateRecord;

/// `user_version` of the schema below.
const SCHEMA_VERSION: i64 = 1;
/// Page cache in KiB: rows are few and small, memory on the device is not plenty.
const CACHE_KIB: i64 = 256;
/// How long a writer waits for another process, such as `history` reading.
const BUSY_TIMEOUT: Duration = Duration::from_secs(10);

const SCHEMA: &str = "
CREATE TABLE updates (
  update_id TEXT PRIMARY KEY, service TEXT NOT NULL, kind TEXT NOT NULL,
  from_version TEXT, to_version TEXT, record TEXT NOT NULL,
  wall_ms INTEGER NOT NULL, boot_id TEXT NOT NULL
) STRICT;
CREATE TABLE steps (
  seq INTEGER PRIMARY KEY AUTOINCREMENT, update_id TEXT NOT NULL REFERENCES updates(update_id),
  service TEXT NOT NULL, step TEXT NOT NULL, event TEXT NOT NULL, detail TEXT NOT NULL,
  wall_ms INTEGER NOT NULL, boot_id TEXT NOT NULL
) STRICT;
CREATE INDEX steps_of_update ON steps(update_id, seq);
CREATE TABLE services (service TEXT PRIMARY KEY, state TEXT NOT NULL) STRICT;
";

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
            Err(OpenError::Other(message)) => return Err(JournalError { message }),
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
        let read = |db: &Connection| db.query_row("SELECT count(*) FROM updates", [], |_| Ok(()));
        let db =
            match Connection::open_with_flags(&path, flags).and_then(|db| read(&db).map(|()| db)) {
                Ok(db) => db,
                // WAL needs a writable shared-memory file; on a read-only file system
                // nobody else can be writing, so the file is read as it lies there.
                Err(_) => {
                    let uri = format!("file:{}?immutable=1", uri_path(&path));
                    Connection::open_with_flags(uri, flags | OpenFlags::SQLITE_OPEN_URI)
                        .map_err(from_sql)?
                }
            };
        db.busy_timeout(BUSY_TIMEOUT).map_err(from_sql)?;
        Ok(Some(Self {
            path,
            db,
            notice: None,
        }))
    }

    /// What a person should know about opening, such as a damaged file moved aside.
    pub fn notice(&self) -> Option<&str> {
        self.notice.as_deref()
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
        let text = serde_json::to_string(record).map_err(|error| JournalError {
            message: error.to_string(),
        })?;
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
                serde_json::from_str(text).map_err(|error| JournalError {
                    message: error.to_string(),
                })
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
            serde_json::from_str(&text).map_err(|error| JournalError {
                message: error.to_string(),
            })
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
                   AND NOT EXISTS (SELECT 1 FROM steps a WHERE a.update_id = u.update_id AND a.event = 'aborted')
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

fn read_row(row: &SqlRow<'_>) -> rusqlite::Result<JournalResult<Row>> {
    let step: String = row.get(1)?;
    let event: String = row.get(2)?;
    let detail: String = row.get(3)?;
    let stamp = Stamp {
        wall_ms: row.get(4)?,
        boot_id: row.get(5)?,
    };
    let seq = row.get(0)?;
    let (Some(step_id), Some(event_id)) = (StepId::parse(&step), Event::parse(&event)) else {
        return Ok(Err(JournalError {
            message: format!("row {seq} says `{step}` `{event}`, which means nothing"),
        }));
    };
    Ok(Ok(Row {
        seq,
        step: step_id,
        event: event_id,
        detail: serde_json::from_str(&detail).unwrap_or(Value::String(detail)),
        stamp,
    }))
}

fn read_summary(row: &SqlRow<'_>) -> rusqlite::Result<UpdateSummary> {
    let detail: Option<String> = row.get(8)?;
    Ok(UpdateSummary {
        update_id: row.get(0)?,
        service: row.get(1)?,
        kind: row.get(2)?,
        from_version: row.get(3)?,
        to_version: row.get(4)?,
        started_ms: row.get(5)?,
        outcome: row.get(6)?,
        ended_ms: row.get(7)?,
        detail: detail
            .and_then(|text| serde_json::from_str(&text).ok())
            .unwrap_or(Value::Null),
        committed: row.get(9)?,
    })
}

enum OpenError {
    Damaged(String),
    Other(String),
}

impl OpenError {
    fn into_journal(self) -> JournalError {
        match self {
            Self::Damaged(message) | Self::Other(message) => JournalError { message },
        }
    }
}

impl From<rusqlite::Error> for OpenError {
    fn from(error: rusqlite::Error) -> Self {
        let damaged = matches!(
            error.sqlite_error_code(),
            Some(ErrorCode::NotADatabase | ErrorCode::DatabaseCorrupt)
        );
        if damaged {
            Self::Damaged(error.to_string())
        } else {
            Self::Other(error.to_string())
        }
    }
}

fn open_checked(path: &Path) -> Result<Connection, OpenError> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE
        | OpenFlags::SQLITE_OPEN_CREATE
        | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let mut db = Connection::open_with_flags(path, flags)?;
    db.busy_timeout(BUSY_TIMEOUT)?;
    db.pragma_update(None, "cache_size", -CACHE_KIB)?;
    db.pragma_update_and_check(None, "journal_mode", "WAL", |_| Ok(()))?;
    db.pragma_update(None, "synchronous", "FULL")?;
    let check: String = db.query_row("PRAGMA quick_check(1)", [], |row| row.get(0))?;
    if check != "ok" {
        return Err(OpenError::Damaged(check));
    }
    let version: i64 = db.query_row("PRAGMA user_version", [], |row| row.get(0))?;
    match version {
        0 => {
            let transaction =
                db.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate)?;
            // Another process may have created it while we waited for the lock.
            let now: i64 = transaction.query_row("PRAGMA user_version", [], |row| row.get(0))?;
            if now == 0 {
                transaction.execute_batch(SCHEMA)?;
                transaction.pragma_update(None, "user_version", SCHEMA_VERSION)?;
            }
            transaction.commit()?;
        }
        SCHEMA_VERSION => {}
        newer => {
            return Err(OpenError::Other(format!(
                "{} was written by a newer caisson-apply (schema {newer}, this one knows {SCHEMA_VERSION})",
                path.display()
            )));
        }
    }
    Ok(db)
}

/// Moves the database and its companions to names that say so; gives the new name.
fn move_file_aside(path: &Path) -> JournalResult<PathBuf> {
    let io = |error: std::io::Error| JournalError {
        message: format!("{}: {error}", path.display()),
    };
    let free = (1..)
        .map(|n| path.with_file_name(format!("caisson.db.damaged-{n}")))
        .find(|candidate| !candidate.exists())
        .expect("some number is free");
    for suffix in ["-wal", "-shm", ""] {
        let from = PathBuf::from(format!("{}{suffix}", path.display()));
        if from.exists() {
            rename(&from, &PathBuf::from(format!("{}{suffix}", free.display()))).map_err(io)?;
        }
    }
    if let Some(folder) = path.parent() {
        std::fs::File::open(folder)
            .and_then(|folder| folder.sync_all())
            .map_err(io)?;
    }
    Ok(free)
}

#[expect(
    clippy::disallowed_methods,
    reason = "the journal's own file, and only when it is damaged"
)]
fn rename(from: &Path, to: &Path) -> std::io::Result<()> {
    std::fs::rename(from, to)
}

/// Creates the state directory and makes its name durable: a journal in a
/// directory that a power cut forgets is no journal.
#[expect(clippy::disallowed_methods, reason = "the journal's own directory")]
fn create_state_dir(state_dir: &Path) -> JournalResult<()> {
    let io = |error: std::io::Error| JournalError {
        message: format!("{}: {error}", state_dir.display()),
    };
    if state_dir.is_dir() {
        return Ok(());
    }
    std::fs::create_dir_all(state_dir).map_err(io)?;
    for folder in state_dir
        .ancestors()
        .take(3)
        .filter(|folder| !folder.as_os_str().is_empty())
    {
        if let Ok(folder) = std::fs::File::open(folder) {
            folder.sync_all().map_err(io)?;
        }
    }
    Ok(())
}

/// A path inside a SQLite URI.
fn uri_path(path: &Path) -> String {
    let mut text = String::new();
    for byte in path.as_os_str().as_encoded_bytes() {
        match byte {
            b'?' | b'#' | b'%' => text.push_str(&format!("%{byte:02x}")),
            other if other.is_ascii() => text.push(char::from(*other)),
            other => text.push_str(&format!("%{other:02x}")),
        }
    }
    text
}

fn from_sql(error: rusqlite::Error) -> JournalError {
    JournalError {
        message: error.to_string(),
    }
}
