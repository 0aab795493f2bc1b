//! Points in time as JSON and HTTP write them.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

const MONTHS: [&str; 12] = [
    "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
];

/// Reads `2026-11-25T00:41:01[.123]Z`, the form of Google's APIs (RFC 3339 in UTC).
pub(crate) fn rfc3339(text: &str) -> Option<SystemTime> {
    let (date, time) = text.strip_suffix('Z')?.split_once('T')?;
    let mut date = date.splitn(3, '-');
    let year = number(date.next()?)?;
    let month = number(date.next()?)?;
    let day = number(date.next()?)?;
    let time = time.split('.').next()?;
    at(year, month, day, time)
}

/// Reads `Wed, 25 Nov 2026 00:41:01 GMT`, the form that servers must send (RFC 9110, 5.6.7).
pub(crate) fn http_date(text: &str) -> Option<SystemTime> {
    let (_, rest) = text.strip_suffix(" GMT")?.split_once(", ")?;
    let mut parts = rest.split(' ');
    let day = number(parts.next()?)?;
    let name = parts.next()?;
    let month = MONTHS.iter().position(|month| *month == name)?;
    let year = number(parts.next()?)?;
    at(year, u32::try_from(month).ok()? + 1, day, parts.next()?)
}

/// Digits only, where `parse` would take a sign too.
fn number(text: &str) -> Option<u32> {
    let digits = text.len() <= 4 && text.bytes().all(|byte| byte.is_ascii_digit());
    digits.then(|| text.parse().ok()).flatten()
}

fn at(year: u32, month: u32, day: u32, time: &str) -> Option<SystemTime> {
    if !(1970..=9999).contains(&year) || !(1..=12).contains(&month) || !(1..=31).contains(&day) {
        return None;
    }
    let mut time = time.split(':');
    let hour = number(time.next()?).filter(|hour| *hour < 24)?;
    let minute = number(time.next()?).filter(|minute| *minute < 60)?;
    // 60 is a leap second.
    let second = number(time.next()?).filter(|second| *second <= 60)?;
    if time.next().is_some() {
        return None;
    }
    let seconds = u64::from(hour * 3600 + minute * 60 + second);
    UNIX_EPOCH.checked_add(Duration::from_secs(
        days(year, month, day) * 86_400 + seconds,
    ))
}

/// Days since 1970 in the Gregorian calendar. Years begin in March here, so that the leap day is
/// the last of its year and a month's first day is a linear function of the month.
fn days(year: u32, month: u32, day: u32) -> u64 {
    let (year, month) = if month > 2 {
        (year, month - 3)
    } else {
        (year - 1, month + 9)
    };
    let leap_days = year / 4 - year / 100 + year / 400;
    let days = year * 365 + leap_days + (153 * month + 2) / 5 + day - 1;
    // 719 468 days lie between 1 March of the year 0 and 1 January 1970.
    u64::from(days - 719_468)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn google_and_http_forms_are_read() {
        let expected = UNIX_EPOCH + Duration::from_secs(1_795_567_261);
        assert_eq!(rfc3339("2026-11-25T00:41:01Z"), Some(expected));
        assert_eq!(rfc3339("2026-11-25T00:41:01.123456Z"), Some(expected));
        assert_eq!(http_date("Wed, 25 Nov 2026 00:41:01 GMT"), Some(expected));
        assert_eq!(rfc3339("1970-01-01T00:00:00Z"), Some(UNIX_EPOCH));
        let leap_day = UNIX_EPOCH + Duration::from_hours(474_768);
        assert_eq!(rfc3339("2024-02-29T00:00:00Z"), Some(leap_day));
    }

    #[test]
    fn other_texts_are_no_times() {
        for text in [
            "",
            "tomorrow",
            "2026-13-01T00:00:00Z",
            "2026-11-25",
            "2026-1-1T+1:00:00Z",
        ] {
            assert_eq!(rfc3339(text), None, "{text}");
        }
        for text in [
            "",
            "120",
            "Wed, 25 Nov 2026 25:41:01 GMT",
            "Wed, 25 Foo 2026 00:41:01 GMT",
        ] {
            assert_eq!(http_date(text), None, "{text}");
        }
    }
}
