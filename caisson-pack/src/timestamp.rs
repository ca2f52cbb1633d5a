//! Dates: RFC 3339, as image configs have it, to seconds since 1970, and seconds to
//! a date for people. Small and strict; no time zone data, no clock.

/// Seconds since 1970 of a date such as `2026-01-31T12:00:00.25+01:00`, rounded
/// down; `None` if it is not of that form. A leap second counts as the second
/// before it.
pub fn parse(text: &str) -> Option<i64> {
    let (date, rest) = text.split_at_checked(10)?;
    let rest = rest.strip_prefix(['T', 't'])?;
    let (clock, rest) = rest.split_at_checked(8)?;
    let (year, month, day) = date_parts(date)?;
    let [hour, minute, second] = fields(clock, ':')?;
    if hour > 23 || minute > 59 || second > 60 {
        return None;
    }
    let zone = match rest.strip_prefix('.') {
        Some(fraction) => {
            let digits = fraction.bytes().take_while(u8::is_ascii_digit).count();
            if digits == 0 {
                return None;
            }
            &fraction[digits..]
        }
        None => rest,
    };
    let days = days_since_1970(year, month, day);
    Some(days * 86_400 + hour * 3600 + minute * 60 + second.min(59) - offset(zone)?)
}

fn date_parts(date: &str) -> Option<(i64, i64, i64)> {
    let (year, rest) = date.split_at_checked(4)?;
    let year = number(year)?;
    let [month, day] = fields(rest.strip_prefix('-')?, '-')?;
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let last = match month {
        4 | 6 | 9 | 11 => 30,
        2 if leap => 29,
        2 => 28,
        1..=12 => 31,
        _ => return None,
    };
    (1..=last).contains(&day).then_some((year, month, day))
}

/// Seconds that a zone is ahead of UTC.
fn offset(zone: &str) -> Option<i64> {
    let (sign, rest) = match zone.split_at_checked(1)? {
        ("Z" | "z", "") => return Some(0),
        ("+", rest) => (1, rest),
        ("-", rest) => (-1, rest),
        _ => return None,
    };
    let [hours, minutes] = fields(rest, ':')?;
    (hours <= 23 && minutes <= 59).then_some(sign * (hours * 3600 + minutes * 60))
}

/// Exactly `N` numbers of two digits.
fn fields<const N: usize>(text: &str, separator: char) -> Option<[i64; N]> {
    let mut values = [0; N];
    let mut parts = text.split(separator);
    for value in &mut values {
        *value = parts
            .next()
            .filter(|part| part.len() == 2)
            .and_then(number)?;
    }
    parts.next().is_none().then_some(values)
}

fn number(digits: &str) -> Option<i64> {
    let sound = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    sound.then(|| digits.parse().ok()).flatten()
}

/// Days of the proleptic Gregorian calendar: years begin in March, so that the
/// leap day is a year's last.
fn days_since_1970(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let month_from_march = (month + 9) % 12;
    let day_of_year = (153 * month_from_march + 2) / 5 + day - 1;
    let leap_days = year.div_euclid(4) - year.div_euclid(100) + year.div_euclid(400);
    // 719 468 days from 0000-03-01 to 1970-01-01.
    year * 365 + leap_days + day_of_year - 719_468
}

/// A time in seconds since 1970 for people, such as `2026-01-31 12:00:00 UTC`.
pub fn show(seconds: u64) -> String {
    let clock = seconds % 86_400;
    let (hour, minute, second) = (clock / 3600, clock / 60 % 60, clock % 60);
    let days = i64::try_from(seconds / 86_400).unwrap_or(i64::MAX);
    let (year, month, day) = date_of(days);
    format!("{year:04}-{month:02}-{day:02} {hour:02}:{minute:02}:{second:02} UTC")
}

/// The other way round than [`days_since_1970`].
fn date_of(days: i64) -> (i64, i64, i64) {
    const ERA_DAYS: i64 = 146_097; // 400 years
    let days = days.saturating_add(719_468);
    let (era, day_of_era) = (days.div_euclid(ERA_DAYS), days.rem_euclid(ERA_DAYS));
    let leap_days = day_of_era / 1460 - day_of_era / 36_524 + day_of_era / 146_096;
    let year_of_era = (day_of_era - leap_days) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = (month_from_march + 2) % 12 + 1;
    (era * 400 + year_of_era + i64::from(month <= 2), month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A wrong calendar would give wrong, if stable, dates. Values by `date -d`.
    #[test]
    fn known_dates() {
        for (text, wanted) in [
            ("1970-01-01T00:00:00Z", 0),
            ("2000-02-29T23:59:59Z", 951_868_799),
            ("2026-03-01T00:00:00.999999999Z", 1_772_323_200),
            ("2026-03-01T01:30:00+01:30", 1_772_323_200),
            ("2026-02-28T19:00:00-05:00", 1_772_323_200),
            ("0001-01-01T00:00:00Z", -62_135_596_800),
            ("2016-12-31T23:59:60Z", 1_483_228_799),
            ("1969-12-31T23:59:59Z", -1),
            ("2242-03-16T12:56:32Z", 8_589_934_592),
        ] {
            assert_eq!(parse(text), Some(wanted), "{text}");
        }
    }

    /// Each day between 1970 and the format's last second must come back as itself.
    #[test]
    fn dates_for_people_are_the_same_days() {
        for day in 0..=99_421_u64 {
            let seconds = day * 86_400 + day % 86_400;
            let shown = show(seconds);
            let rfc = format!("{}T{}Z", &shown[..10], &shown[11..19]);
            assert_eq!(parse(&rfc), i64::try_from(seconds).ok(), "{shown}");
        }
        assert_eq!(show(951_868_799), "2000-02-29 23:59:59 UTC");
        assert_eq!(show(8_589_934_591), "2242-03-16 12:56:31 UTC");
    }

    /// Text that only looks like a date must not become one.
    #[test]
    fn other_text_is_refused() {
        for text in [
            "",
            "2026",
            "2026-01-01",
            "2026-01-01T00:00:00",
            "2026-13-01T00:00:00Z",
            "2026-02-29T00:00:00Z",
            "2026-01-01T24:00:00Z",
            "2026-01-01 00:00:00Z",
            "2026-01-01T00:00:00.Z",
            "2026-01-01T00:00:00+0100",
            "2026-01-01T00:00:00ZZ",
            "+026-01-01T00:00:00Z",
            "2026-1-01T00:00:00Z",
            "2026-01-01T0:00:00Z",
            "2026-01-01T00:00:00é",
            "20é6-01-01T00:00:00Z",
        ] {
            assert_eq!(parse(text), None, "{text:?}");
        }
    }
}
