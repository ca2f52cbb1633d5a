//! Dates of image configs: RFC 3339 to seconds since 1970. Small and strict; no
//! time zone data, no clock.

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
