//! Rows of the database as the journal's own types.

use rusqlite::Row as SqlRow;
use serde_json::Value;

use crate::journal::{Event, JournalError, JournalResult, Row, Stamp, StepId, UpdateSummary};

pub(super) fn read_row(row: &SqlRow<'_>) -> rusqlite::Result<JournalResult<Row>> {
    let step: String = row.get(1)?;
    let event: String = row.get(2)?;
    let detail: String = row.get(3)?;
    let stamp = Stamp {
        wall_ms: row.get(4)?,
        boot_id: row.get(5)?,
    };
    let seq = row.get(0)?;
    let (Some(step_id), Some(event_id)) = (StepId::parse(&step), Event::parse(&event)) else {
        return Ok(Err(JournalError::senseless(format!(
            "row {seq} says `{step}` `{event}`, which means nothing"
        ))));
    };
    Ok(Ok(Row {
        seq,
        step: step_id,
        event: event_id,
        detail: serde_json::from_str(&detail).unwrap_or(Value::String(detail)),
        stamp,
    }))
}

pub(super) fn read_summary(row: &SqlRow<'_>) -> rusqlite::Result<UpdateSummary> {
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
        first_install: row.get(10)?,
    })
}
