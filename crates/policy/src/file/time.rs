//! Windows of time: `{ days: [mon-fri], hours: "08:00-18:00", zone: Europe/Berlin }`.

use jiff::civil::Time;
use jiff::tz::{TimeZone, TimeZoneDatabase};

use super::value::{items_of, text_of, texts_of};
use crate::window::Window;
use crate::yaml::{Fields, Node, Place, Reading, Value};

pub(super) const KEYS: &[&str] = &["days", "hours", "zone"];

const DAYS: &[&str] = &["mon", "tue", "wed", "thu", "fri", "sat", "sun"];

/// One window or several.
pub(super) fn read(node: Node, reading: &mut Reading) -> Vec<Window> {
    let nodes = if matches!(node.value, Value::Map(_)) {
        vec![node]
    } else {
        items_of(node, "during", reading)
    };
    nodes
        .into_iter()
        .filter_map(|node| window(node, reading))
        .collect()
}

fn window(node: Node, reading: &mut Reading) -> Option<Window> {
    let place = node.place;
    let mut fields = Fields::of(node, "a window of time", KEYS, reading)?;
    let days = fields.take("days").map(|(_, node)| days(node, reading));
    let hours = fields.take("hours").map(|(_, node)| hours(&node, reading));
    let zone = fields
        .demand(
            "zone",
            "no zone: write `zone: UTC` or one as Europe/Berlin",
            reading,
        )
        .and_then(|node| zone(&node, reading));
    fields.finish(reading);
    if days.is_none() && hours.is_none() {
        reading.mistake(place, "a window without days and hours is all the time");
    }
    let (from, to) = match hours {
        Some(hours) => hours?,
        None => (Time::MIN, Time::MIN),
    };
    Some(Window {
        days: days.unwrap_or([true; 7]),
        from,
        to,
        zone: zone?,
    })
}

fn zone(node: &Node, reading: &mut Reading) -> Option<TimeZone> {
    let name = text_of(node, "a zone", reading)?;
    let zone = TimeZoneDatabase::bundled().get(&name).ok();
    if zone.is_none() {
        reading.mistake(
            node.place,
            format!("there is no time zone {name}: write UTC or one as Europe/Berlin"),
        );
    }
    zone
}

/// Days and ranges of them: `mon-fri`, `sat`.
fn days(node: Node, reading: &mut Reading) -> [bool; 7] {
    let mut days = [false; 7];
    for (place, text) in texts_of(node, "days", reading) {
        let (first, last) = text.split_once('-').unwrap_or((&text, &text));
        let (Some(first), Some(last)) = (day(first), day(last)) else {
            reading.mistake(
                place,
                format!(
                    "{text} is no day: write one of {}, or a range as mon-fri",
                    DAYS.join(", ")
                ),
            );
            continue;
        };
        let length = (last + 7 - first) % 7;
        for index in first..=first + length {
            if let Some(day) = days.get_mut(index % 7) {
                *day = true;
            }
        }
    }
    days
}

fn day(text: &str) -> Option<usize> {
    DAYS.iter().position(|day| *day == text.trim())
}

/// `08:00-18:00`; 24:00 is the end of the day.
fn hours(node: &Node, reading: &mut Reading) -> Option<(Time, Time)> {
    let text = text_of(node, "hours", reading)?;
    let parsed = text
        .split_once('-')
        .and_then(|(from, to)| Some((time(from)?, time(to)?)));
    if parsed.is_none() {
        mistaken_hours(node.place, &text, reading);
    }
    parsed
}

fn mistaken_hours(place: Place, text: &str, reading: &mut Reading) {
    reading.mistake(
        place,
        format!("{text} is no time of the day: write it as 08:00-18:00"),
    );
}

fn time(text: &str) -> Option<Time> {
    let (hour, minute) = text.trim().split_once(':')?;
    let (hour, minute): (i8, i8) = (hour.parse().ok()?, minute.parse().ok()?);
    if (hour, minute) == (24, 0) {
        return Some(Time::MIN);
    }
    Time::new(hour, minute, 0, 0).ok()
}
