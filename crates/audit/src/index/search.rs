//! Answers filters, newest first.

use std::cmp::Reverse;
use std::collections::{BTreeSet, BinaryHeap};
use std::fmt::Write;
use std::fs::File;

use jiff::Timestamp;
use rusqlite::{OptionalExtension, Row, params};

use super::build::signed;
use super::tables::BLOCK;
use super::{Index, IndexError};
use crate::chain::read_begin;
use crate::filter::Filter;
use crate::lines::line_at;
use crate::segment::{self, SegmentName};

/// A record that was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hit {
    /// Its sequence.
    pub sequence: u64,
    /// Its line, without the newline.
    pub line: Vec<u8>,
}

/// What a filter asks of records themselves.
struct Bounds {
    /// Sequences between which all of them are.
    first: i64,
    last: i64,
    /// Times, in microseconds: not before, and before.
    since: i64,
    until: i64,
    /// The parts of these sequences in which they are, the newest first.
    ranges: Vec<(i64, i64)>,
}

/// What a filter asks of shapes: SQL, of which every value is a number.
enum Asked {
    /// Nothing that the index has can be it.
    Nothing,
    /// Every shape.
    Everything,
    /// The shapes for which this is true.
    Where(String),
}

/// The newest of the sequences that were found, as many as are asked for.
struct Newest {
    sequences: BinaryHeap<Reverse<i64>>,
    limit: usize,
}

/// How many of the newest records are looked at one by one: some hundredths of a second.
const NEWEST: u64 = 10_000;

impl Index {
    /// The newest records that are asked for, newest first; at most `limit`.
    pub fn search(&self, filter: &Filter, limit: usize) -> Result<Vec<Hit>, IndexError> {
        let found = self
            .find(filter, limit)
            .map_err(|source| self.wrong(source))?;
        self.read(&found)
    }

    fn find(&self, filter: &Filter, limit: usize) -> rusqlite::Result<Vec<i64>> {
        let Some(bounds) = self.bounds(filter)? else {
            return Ok(Vec::new());
        };
        let asked = self.asked(filter)?;
        let condition = match &asked {
            Asked::Nothing => return Ok(Vec::new()),
            Asked::Everything => "1",
            Asked::Where(condition) => condition,
        };
        if !filter.sessions.is_empty() {
            return self.find_in_sessions(filter, condition, (&bounds, limit));
        }
        match asked {
            Asked::Everything => self.find_in_all((&bounds, limit)),
            Asked::Nothing | Asked::Where(_) => {
                let found = self.find_in_newest(condition, (&bounds, limit))?;
                if found.len() >= limit {
                    return Ok(found);
                }
                self.find_in_shapes(condition, (&bounds, limit))
            }
        }
    }

    /// What is often there is found among the newest records, without a look at every shape.
    fn find_in_newest(
        &self,
        condition: &str,
        (bounds, limit): (&Bounds, usize),
    ) -> rusqlite::Result<Vec<i64>> {
        let mut statement = self.connection.prepare(&format!(
            "SELECT sequence FROM (
                 SELECT sequence, shape FROM records
                 WHERE sequence BETWEEN ? AND ? AND time >= ? AND time < ?
                 ORDER BY sequence DESC LIMIT {NEWEST}
             ) CROSS JOIN shapes ON shapes.id = shape
             WHERE {condition} ORDER BY sequence DESC LIMIT ?"
        ))?;
        // Behind the newest range there may be others; then the shapes have the answer.
        let Some((first, last)) = bounds.ranges.first() else {
            return Ok(Vec::new());
        };
        let limit = signed(limit as u64);
        let values = params![first, last, bounds.since, bounds.until, limit];
        statement.query_map(values, first_number)?.collect()
    }

    fn find_in_sessions(
        &self,
        filter: &Filter,
        condition: &str,
        (bounds, limit): (&Bounds, usize),
    ) -> rusqlite::Result<Vec<i64>> {
        let mut newest = Newest::new(limit);
        let mut statement = self.connection.prepare(&format!(
            "SELECT records.sequence FROM records
             JOIN sessions ON sessions.id = records.session
             JOIN shapes ON shapes.id = records.shape
             WHERE sessions.session = ? AND records.sequence BETWEEN ? AND ?
                 AND records.time >= ? AND records.time < ? AND {condition}
             ORDER BY records.sequence DESC LIMIT ?"
        ))?;
        // One that is named twice is asked for once.
        let sessions: BTreeSet<_> = filter.sessions.iter().collect();
        for session in sessions {
            let values = params![
                session,
                bounds.first,
                bounds.last,
                bounds.since,
                bounds.until,
                signed(limit as u64)
            ];
            for sequence in statement.query_map(values, first_number)? {
                newest.add(sequence?);
            }
        }
        Ok(newest.descending())
    }

    fn find_in_all(&self, (bounds, limit): (&Bounds, usize)) -> rusqlite::Result<Vec<i64>> {
        let mut statement = self.connection.prepare(
            "SELECT sequence FROM records
             WHERE sequence BETWEEN ? AND ? AND time >= ? AND time < ?
             ORDER BY sequence DESC LIMIT ?",
        )?;
        let mut found = Vec::new();
        for (first, last) in &bounds.ranges {
            let left = signed(limit.saturating_sub(found.len()) as u64);
            let values = params![first, last, bounds.since, bounds.until, left];
            for sequence in statement.query_map(values, first_number)? {
                found.push(sequence?);
            }
        }
        Ok(found)
    }

    /// Shapes whose last record is the newest come first; when a shape's last record is older than
    /// all that was found, no later shape can add to it.
    fn find_in_shapes(
        &self,
        condition: &str,
        (bounds, limit): (&Bounds, usize),
    ) -> rusqlite::Result<Vec<i64>> {
        let mut newest = Newest::new(limit);
        let mut shapes = self.connection.prepare(&format!(
            "SELECT last, id FROM shapes WHERE count > 0 AND last >= ? AND {condition}"
        ))?;
        // Sorted here, because most of them are not looked at.
        let shapes = shapes.query_map([bounds.first], |row| Ok((row.get(0)?, row.get(1)?)))?;
        let mut shapes: BinaryHeap<(i64, i64)> = shapes.collect::<rusqlite::Result<_>>()?;
        // Without times the index alone has the answer.
        let is_timed = bounds.since > i64::MIN || bounds.until < i64::MAX;
        let mut records = self.connection.prepare(if is_timed {
            "SELECT sequence FROM records WHERE shape = ?1 AND sequence BETWEEN ?2 AND ?3
                 AND time >= ?4 AND time < ?5 ORDER BY sequence DESC"
        } else {
            "SELECT sequence FROM records WHERE shape = ?1 AND sequence BETWEEN ?2 AND ?3
                 AND ?4 < ?5 ORDER BY sequence DESC"
        })?;
        while let Some((last, id)) = shapes.pop() {
            if newest.is_older_than_all(last) {
                break;
            }
            let values = params![id, bounds.first, bounds.last, bounds.since, bounds.until];
            for sequence in records.query_map(values, first_number)? {
                if !newest.add(sequence?) {
                    break;
                }
            }
        }
        Ok(newest.descending())
    }

    /// Between which records the filter's times lie. A record whose time is far from its
    /// neighbours' makes a range of its own, and not one long range.
    fn bounds(&self, filter: &Filter) -> rusqlite::Result<Option<Bounds>> {
        let mut bounds = Bounds {
            first: 0,
            last: i64::MAX,
            since: i64::MIN,
            until: i64::MAX,
            ranges: vec![(0, i64::MAX)],
        };
        if filter.since.is_none() && filter.until.is_none() {
            return Ok(Some(bounds));
        }
        bounds.since = filter.since.map_or(i64::MIN, Timestamp::as_microsecond);
        bounds.until = filter.until.map_or(i64::MAX, Timestamp::as_microsecond);
        bounds.ranges.clear();
        let sql = "SELECT block FROM blocks WHERE latest >= ? AND earliest < ? ORDER BY block DESC";
        let mut statement = self.connection.prepare(sql)?;
        let size = signed(BLOCK);
        for block in statement.query_map([bounds.since, bounds.until], first_number)? {
            let first = block? * size;
            match bounds.ranges.last_mut() {
                Some((next, _)) if *next == first + size => *next = first,
                Some(_) | None => bounds.ranges.push((first, first + size - 1)),
            }
        }
        let (Some((_, last)), Some((first, _))) = (bounds.ranges.first(), bounds.ranges.last())
        else {
            return Ok(None);
        };
        (bounds.first, bounds.last) = (*first, *last);
        Ok(Some(bounds))
    }

    fn asked(&self, filter: &Filter) -> rusqlite::Result<Asked> {
        let mut asked = Asked::Everything;
        let columns = [
            ("event IN ($)", &filter.events),
            ("(user IN ($) OR principal IN ($))", &filter.users),
            ("database IN ($)", &filter.databases),
            (
                "(rule IN ($) OR marks IN (SELECT marks FROM mark_words WHERE word IN ($)))",
                &filter.rules,
            ),
            ("verdict IN ($)", &filter.verdicts),
            ("risk IN ($)", &filter.risks),
            ("outcome IN ($)", &filter.outcomes),
            ("client_addr IN ($)", &filter.client_addrs),
            (
                "statement IN (SELECT id FROM statements WHERE kind IN ($))",
                &filter.kinds,
            ),
            (
                "statement IN (SELECT id FROM statements WHERE fingerprint IN ($))",
                &filter.fingerprints,
            ),
            (
                "statement IN (SELECT statement FROM statement_tables WHERE name IN ($))",
                &filter.tables,
            ),
        ];
        for (condition, words) in columns {
            if !words.is_empty() {
                asked.and(condition, &self.words(words)?);
            }
        }
        if !filter.sqlstates.is_empty() {
            asked.and("sqlstate IN ($)", &self.sqlstates(&filter.sqlstates)?);
        }
        for part in &filter.texts {
            asked.and("statement IN ($)", &self.statements_with(part)?);
        }
        Ok(asked)
    }

    /// The numbers of words, as far as they ever came up.
    fn words(&self, words: &[String]) -> rusqlite::Result<Vec<i64>> {
        let mut statement = self
            .connection
            .prepare("SELECT id FROM words WHERE word = ?")?;
        let mut numbers = Vec::new();
        for word in words {
            numbers.extend(statement.query_row([word], first_number).optional()?);
        }
        Ok(numbers)
    }

    fn sqlstates(&self, wanted: &[String]) -> rusqlite::Result<Vec<i64>> {
        let (classes, states): (Vec<_>, Vec<_>) =
            wanted.iter().cloned().partition(|state| state.len() == 2);
        let mut numbers = self.words(&states)?;
        // One of them may be a word by itself, too.
        numbers.extend(self.words(&classes)?);
        let sql = "SELECT id FROM words WHERE word >= ?1 AND word < ?1 || char(1114111)";
        let mut statement = self.connection.prepare(sql)?;
        for class in classes {
            for number in statement.query_map([class], first_number)? {
                numbers.push(number?);
            }
        }
        Ok(numbers)
    }

    /// The statements in whose text this stands.
    fn statements_with(&self, part: &str) -> rusqlite::Result<Vec<i64>> {
        // The index has runs of three characters; what is shorter is looked for in every text.
        if part.chars().count() < 3 {
            let mut statement = self
                .connection
                .prepare("SELECT rowid FROM texts WHERE instr(lower(text), ?)")?;
            let found = statement.query_map([part.to_lowercase()], first_number)?;
            return found.collect();
        }
        let phrase = format!("\"{}\"", part.replace('"', "\"\""));
        let mut statement = self
            .connection
            .prepare("SELECT rowid FROM texts WHERE texts MATCH ?")?;
        let found = statement.query_map([phrase], first_number)?;
        found.collect()
    }

    /// Reads the lines from the segments.
    fn read(&self, sequences: &[i64]) -> Result<Vec<Hit>, IndexError> {
        let mut statement = self
            .connection
            .prepare(
                "SELECT segments.first, records.\"offset\" FROM records
                 JOIN segments ON segments.id = records.segment WHERE records.sequence = ?",
            )
            .map_err(|source| self.wrong(source))?;
        let mut open: Option<(i64, File)> = None;
        let mut hits = Vec::with_capacity(sequences.len());
        for sequence in sequences {
            let place = statement.query_row([sequence], |row| Ok((row.get(0)?, row.get(1)?)));
            let (first, offset): (i64, i64) = place.map_err(|source| self.wrong(source))?;
            let path = SegmentName {
                first: first.unsigned_abs(),
            }
            .path(&self.directory);
            let wrong = |source| IndexError::File {
                path: path.clone(),
                source,
            };
            let file = match open.take() {
                Some((known, file)) if known == first => file,
                Some(_) | None => segment::open(&path).map_err(wrong)?,
            };
            let line = line_at(&file, offset.unsigned_abs()).map_err(wrong)?;
            open = Some((first, file));
            let sequence = sequence.unsigned_abs();
            let line =
                line.filter(|line| read_begin(line).is_some_and(|(found, ..)| found == sequence));
            let line = line.ok_or(IndexError::Stale { sequence })?;
            hits.push(Hit { sequence, line });
        }
        Ok(hits)
    }
}

impl Asked {
    /// Asks for one thing more; `$` stands for the numbers.
    fn and(&mut self, condition: &str, numbers: &[i64]) {
        if numbers.is_empty() {
            *self = Self::Nothing;
        }
        let mut list = String::new();
        for number in numbers {
            let separator = if list.is_empty() { "" } else { "," };
            let _ = write!(list, "{separator}{number}");
        }
        let condition = condition.replace('$', &list);
        match self {
            Self::Nothing => {}
            Self::Everything => *self = Self::Where(condition),
            Self::Where(others) => {
                let _ = write!(others, " AND {condition}");
            }
        }
    }
}

impl Newest {
    fn new(limit: usize) -> Self {
        Self {
            sequences: BinaryHeap::new(),
            limit,
        }
    }

    fn is_older_than_all(&self, sequence: i64) -> bool {
        let oldest = self.sequences.peek();
        self.sequences.len() >= self.limit && oldest.is_none_or(|oldest| sequence < oldest.0)
    }

    /// Adds one; says whether an older one could still be added.
    fn add(&mut self, sequence: i64) -> bool {
        if self.is_older_than_all(sequence) {
            return false;
        }
        self.sequences.push(Reverse(sequence));
        if self.sequences.len() > self.limit {
            self.sequences.pop();
        }
        true
    }

    fn descending(self) -> Vec<i64> {
        let ascending = self.sequences.into_sorted_vec();
        ascending
            .into_iter()
            .map(|Reverse(sequence)| sequence)
            .collect()
    }
}

fn first_number(row: &Row<'_>) -> rusqlite::Result<i64> {
    row.get(0)
}
