//! The database file: opening and checking it, its schema, and moving it aside
//! when it is damaged.

use std::fmt::Write as _;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use rusqlite::{Connection, ErrorCode, OpenFlags};

use super::BUSY_TIMEOUT;
use crate::journal::{JournalError, JournalResult};

/// `user_version` of the schema below.
const SCHEMA_VERSION: i64 = 1;
/// Page cache in KiB: rows are few and small, memory on the device is not plenty.
const CACHE_KIB: i64 = 256;

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

pub(super) enum OpenError {
    Damaged(String),
    Other(String),
}

impl OpenError {
    pub(super) fn into_journal(self) -> JournalError {
        match self {
            Self::Damaged(message) | Self::Other(message) => JournalError::storage(message),
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

/// The journal holds whole container configurations, and these hold passwords:
/// nobody but its owner reads it. `SQLite` gives its companions the same mode.
#[expect(clippy::disallowed_methods, reason = "the journal's own file")]
fn create_private(path: &Path) -> Result<(), OpenError> {
    use std::os::unix::fs::OpenOptionsExt;
    let made = std::fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path);
    match made {
        Err(error) if error.kind() != std::io::ErrorKind::AlreadyExists => {
            Err(OpenError::Other(format!("{}: {error}", path.display())))
        }
        Ok(_) | Err(_) => Ok(()),
    }
}

pub(super) fn open_checked(path: &Path) -> Result<Connection, OpenError> {
    create_private(path)?;
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE
        | OpenFlags::SQLITE_OPEN_CREATE
        | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let mut db = Connection::open_with_flags(path, flags)?;
    // Where it can't write, `SQLite` opens for reading without a word.
    if db.is_readonly("main")? {
        return Err(OpenError::Other(format!(
            "{} can't be written",
            path.display()
        )));
    }
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

/// A database of this schema that is nowhere on the disk.
pub(super) fn empty_in_memory() -> rusqlite::Result<Connection> {
    let db = Connection::open_in_memory()?;
    db.execute_batch(SCHEMA)?;
    Ok(db)
}

/// Moves the database and its companions to names that say so; gives the new name.
pub(super) fn move_file_aside(path: &Path) -> JournalResult<PathBuf> {
    let io = |error: std::io::Error| JournalError::storage(format!("{}: {error}", path.display()));
    let free = (1..=u32::MAX)
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
pub fn create_state_dir(state_dir: &Path) -> JournalResult<()> {
    let io =
        |error: std::io::Error| JournalError::storage(format!("{}: {error}", state_dir.display()));
    if state_dir.is_dir() {
        return Ok(());
    }
    std::fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(state_dir)
        .map_err(io)?;
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

/// A path inside an `SQLite` URI.
pub(super) fn uri_path(path: &Path) -> String {
    let mut text = String::new();
    for byte in path.as_os_str().as_encoded_bytes() {
        match byte {
            b'?' | b'#' | b'%' => {
                let _ = write!(text, "%{byte:02x}");
            }
            other if other.is_ascii() => text.push(char::from(*other)),
            other => {
                let _ = write!(text, "%{other:02x}");
            }
        }
    }
    text
}
