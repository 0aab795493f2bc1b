//! Windows of time.

use jiff::Timestamp;
use jiff::civil::{Time, Weekday};
use jiff::tz::TimeZone;

/// Some hours of some days, in a time zone.
#[derive(Clone, Debug)]
pub(crate) struct Window {
    /// By number from Monday, 0.
    pub(crate) days: [bool; 7],
    pub(crate) from: Time,
    /// Not included; midnight is the end of the day. Before `from`, it is of the next day.
    pub(crate) to: Time,
    pub(crate) zone: TimeZone,
}

impl Window {
    /// Whether a moment is in it. A night belongs to the day on which it begins.
    pub(crate) fn contains(&self, now: Timestamp) -> bool {
        let local = now.to_zoned_datetime(self.zone.clone());
        let (today, time) = (local.weekday(), local.time());
        let is_over_midnight = self.to <= self.from;
        if is_over_midnight {
            (time >= self.from && self.has(today)) || (time < self.to && self.has(today.previous()))
        } else {
            time >= self.from && time < self.to && self.has(today)
        }
    }

    fn has(&self, day: Weekday) -> bool {
        usize::try_from(day.to_monday_zero_offset())
            .ok()
            .and_then(|day| self.days.get(day))
            .is_some_and(|is_in| *is_in)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::civil::time;
    use jiff::tz::TimeZoneDatabase;

    fn window(days: &[usize], from: Time, to: Time) -> Window {
        let mut set = [false; 7];
        for day in days {
            set[*day] = true;
        }
        let zone = TimeZoneDatabase::bundled().get("Europe/Berlin").unwrap();
        Window {
            days: set,
            from,
            to,
            zone,
        }
    }

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    #[test]
    fn hours_are_those_of_the_zone() {
        // Monday to Friday.
        let office = window(&[0, 1, 2, 3, 4], time(8, 0, 0, 0), time(18, 0, 0, 0));
        // 2026-11-25 is a Wednesday; Berlin is an hour ahead in winter, two in summer.
        assert!(office.contains(at("2026-11-25T07:00:00Z")));
        assert!(!office.contains(at("2026-11-25T06:59:59Z")));
        assert!(!office.contains(at("2026-11-25T17:00:00Z")));
        assert!(office.contains(at("2026-07-01T06:00:00Z")));
        assert!(!office.contains(at("2026-11-28T10:00:00Z")), "a Saturday");
    }

    #[test]
    fn a_night_belongs_to_the_day_on_which_it_begins() {
        let friday_night = window(&[4], time(22, 0, 0, 0), time(6, 0, 0, 0));
        assert!(
            friday_night.contains(at("2026-11-27T22:00:00Z")),
            "Friday, 23:00"
        );
        assert!(
            friday_night.contains(at("2026-11-28T04:59:00Z")),
            "Saturday, 05:59"
        );
        assert!(
            !friday_night.contains(at("2026-11-28T05:00:00Z")),
            "Saturday, 06:00"
        );
        assert!(
            !friday_night.contains(at("2026-11-27T04:00:00Z")),
            "Friday, 05:00"
        );
        let whole_day = window(&[4], Time::MIN, Time::MIN);
        assert!(whole_day.contains(at("2026-11-27T12:00:00Z")));
        assert!(!whole_day.contains(at("2026-11-28T12:00:00Z")));
    }
}
