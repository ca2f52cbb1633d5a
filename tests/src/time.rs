//! Points in time as image configs and engines write them (RFC 3339, UTC).

use std::time::Duration;

/// `2026-01-01T00:00:00Z` from seconds since 1970.
pub fn rfc3339_seconds(unix: u64) -> String {
    let (year, month, day) = civil_date(unix / 86_400);
    let second = unix % 86_400;
    format!(
        "{year:04}-{month:02}-{day:02}T{:02}:{:02}:{:02}Z",
        second / 3600,
        second / 60 % 60,
        second % 60
    )
}

/// `2026-01-01T00:00:00.250000000Z`, nine digits as Docker writes them in logs and states.
pub fn rfc3339_nanos(since_1970: Duration) -> String {
    let mut text = rfc3339_seconds(since_1970.as_secs());
    text.pop();
    format!("{text}.{:09}Z", since_1970.subsec_nanos())
}

/// Year, month and day of a day since 1970 in the Gregorian calendar, by whole
/// 400-year cycles that start on a 1 March (so that leap days come last).
fn civil_date(days_since_1970: u64) -> (u64, u64, u64) {
    let days = days_since_1970 + 719_468;
    let cycle = days / 146_097;
    let day_of_cycle = days % 146_097;
    let year_of_cycle = (day_of_cycle - day_of_cycle / 1_460 + day_of_cycle / 36_524
        - day_of_cycle / 146_096)
        / 365;
    let day_of_year =
        day_of_cycle - (365 * year_of_cycle + year_of_cycle / 4 - year_of_cycle / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 {
        shifted_month + 3
    } else {
        shifted_month - 9
    };
    (
        cycle * 400 + year_of_cycle + u64::from(month <= 2),
        month,
        day,
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A wrong calendar would only show as odd `created` times in packages.
    #[test]
    fn known_days() {
        assert_eq!(rfc3339_seconds(0), "1970-01-01T00:00:00Z");
        assert_eq!(rfc3339_seconds(951_782_399), "2000-02-28T23:59:59Z");
        assert_eq!(rfc3339_seconds(951_782_400), "2000-02-29T00:00:00Z");
        assert_eq!(rfc3339_seconds(4_107_542_399), "2100-02-28T23:59:59Z");
        assert_eq!(rfc3339_seconds(4_107_542_400), "2100-03-01T00:00:00Z");
        assert_eq!(
            rfc3339_nanos(Duration::new(1_767_225_600, 5)),
            "2026-01-01T00:00:00.000000005Z"
        );
    }
}
