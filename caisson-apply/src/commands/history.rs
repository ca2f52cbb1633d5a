//! `history list` and `history show`.

use std::fmt::Write as _;

use serde_json::{Value, json};

use crate::error::{Code, Error, Exit, Result};
use crate::journal::{Journal, JournalError, Row, UpdateSummary};
use edgepkg::error::printable;

use super::session::Session;
use super::{data, show as show_one};

pub(super) fn list(session: &Session, service: Option<&str>, limit: u32) -> Result<Exit> {
    let updates = match session.journal_to_read()? {
        Some(journal) => journal.history(service, limit).map_err(unreadable)?,
        None => Vec::new(),
    };
    if session.global.json {
        for update in &updates {
            data(&json!(update).to_string());
        }
        return Ok(Exit::Done);
    }
    if updates.is_empty() {
        data("nothing was updated yet");
    }
    for update in &updates {
        data(&line(update));
    }
    Ok(Exit::Done)
}

pub(super) fn show(session: &Session, id: &str) -> Result<Exit> {
    let unknown = || {
        Error::new(
            Code::HistoryUnknown,
            format!("the history has no update `{}`", printable(id)),
        )
        .next("`caisson-apply history list` shows them")
    };
    let journal = session.journal_to_read()?.ok_or_else(unknown)?;
    let all = journal.history(None, u32::MAX).map_err(unreadable)?;
    let mut found = all.iter().filter(|update| update.update_id.starts_with(id));
    let (Some(update), None) = (found.next(), found.next()) else {
        return Err(unknown());
    };
    let rows = journal.rows(&update.update_id).map_err(unreadable)?;
    let mut words = vec![line(update), String::new()];
    words.extend(rows.iter().map(step_line));
    words.extend(evidence(&rows));
    let value = json!({
        "update": update,
        "record": journal.record(&update.update_id).map_err(unreadable)?,
        "rows": rows.iter().map(|row| json!({
            "seq": row.seq, "step": row.step.as_str(), "event": row.event.as_str(),
            "wall_ms": row.stamp.wall_ms, "boot_id": row.stamp.boot_id, "detail": row.detail,
        })).collect::<Vec<_>>(),
    });
    show_one(session, &value, &words);
    Ok(Exit::Done)
}

fn unreadable(error: JournalError) -> Error {
    Error::new(Code::JournalInconsistent, "the history can't be read").found(error.message)
}

/// One update in one line.
fn line(update: &UpdateSummary) -> String {
    let unknown = || "unknown".to_owned();
    let from = if update.first_install {
        "nothing".to_owned()
    } else {
        update.from_version.clone().unwrap_or_else(unknown)
    };
    let outcome = match (update.outcome.as_deref(), update.kind.as_str()) {
        (Some("done"), "rollback") => "went back by hand",
        (Some("done"), _) => "done",
        (Some("rolled_back"), _) => match update.detail["touched"].as_bool() {
            Some(false) => "refused, nothing changed",
            _ => "rolled back",
        },
        (Some("superseded"), _) => "the old version had to take over",
        (Some(_), _) => "ended",
        (None, _) if update.committed => "done, tidying up is open",
        (None, _) => "interrupted, `caisson-apply recover` finishes it",
    };
    let because = match update.detail["what"].as_str() {
        Some(what) => format!(" ({})", printable(what)),
        None => String::new(),
    };
    format!(
        "{}  {}  {}  {} -> {}  {outcome}{because}",
        &update.update_id[..update.update_id.len().min(8)],
        date(update.started_ms),
        printable(&update.service),
        printable(&from),
        printable(&update.to_version.clone().unwrap_or_else(unknown)),
    )
}

fn step_line(row: &Row) -> String {
    let detail = match &row.detail {
        Value::Null => String::new(),
        Value::Object(fields) => {
            let shown = fields.iter().filter(|(key, value)| {
                !value.is_null() && !matches!(key.as_str(), "rounds" | "evidence")
            });
            shown.fold(String::new(), |mut words, (key, value)| {
                let text = value
                    .as_str()
                    .map_or_else(|| value.to_string(), str::to_owned);
                let _ = write!(words, "  {key}={}", printable(&text));
                words
            })
        }
        other => format!("  {}", printable(&other.to_string())),
    };
    format!(
        "{}  {:<16} {:<13}{detail}",
        date(row.stamp.wall_ms),
        row.step.as_str(),
        row.event.as_str()
    )
}

/// What was seen when it failed: probe rounds and the last lines of the log.
fn evidence(rows: &[Row]) -> Vec<String> {
    let mut words = Vec::new();
    for row in rows {
        let seen = &row.detail["evidence"];
        if row.event.is_final() || seen.is_null() {
            continue;
        }
        words.push(String::new());
        words.push(format!("what {} saw:", row.step));
        for round in seen["rounds"].as_array().into_iter().flatten() {
            let at_ms = round["at_ms"].as_u64().unwrap_or(0);
            let saw = printable(round["saw"].as_str().unwrap_or_default());
            words.push(format!(
                "  after {}.{:03} s: {saw}",
                at_ms / 1000,
                at_ms % 1000
            ));
        }
        let log = seen["log"]
            .as_array()
            .map(Vec::as_slice)
            .unwrap_or_default();
        if !log.is_empty() {
            words.push("the new version's last log lines:".to_owned());
        }
        words.extend(
            log.iter()
                .filter_map(Value::as_str)
                .map(|text| format!("  | {}", printable(text))),
        );
    }
    words
}

/// `2026-01-31 12:00:00` in UTC, by the device's clock, which may be wrong.
fn date(wall_ms: i64) -> String {
    let seconds = wall_ms.div_euclid(1000);
    let (days, rest) = (seconds.div_euclid(86_400), seconds.rem_euclid(86_400));
    // Days since 1970 to a civil date, by eras of 400 years that begin in March.
    let shifted = days + 719_468;
    let era = shifted.div_euclid(146_097);
    let day_of_era = shifted.rem_euclid(146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_index = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_index + 2) / 5 + 1;
    let month = if month_index < 10 {
        month_index + 3
    } else {
        month_index - 9
    };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    format!(
        "{year:04}-{month:02}-{day:02} {:02}:{:02}:{:02}",
        rest / 3600,
        rest % 3600 / 60,
        rest % 60
    )
}

#[cfg(test)]
mod tests {
    use super::date;

    /// A date that is off by a day would send a technician to the wrong log.
    #[test]
    fn dates() {
        assert_eq!(date(0), "1970-01-01 00:00:00");
        assert_eq!(date(951_782_400_000), "2000-02-29 00:00:00");
        assert_eq!(date(1_767_225_599_999), "2025-12-31 23:59:59");
        assert_eq!(date(-1000), "1969-12-31 23:59:59");
    }
}
