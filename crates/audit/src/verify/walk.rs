//! The way through the segments, record by record.

use std::io;
use std::path::Path;

use jiff::Timestamp;
use serde::Deserialize;
use uuid::Uuid;

use super::anchors::Anchors;
use super::finding::{Fault, Finding};
use super::{MAX_FINDINGS, Report};
use crate::chain::read_begin;
use crate::checkpoint::{Checkpoint, micros};
use crate::hash::LineHash;
use crate::key::PublicKey;
use crate::lines::Lines;
use crate::segment::SegmentName;

/// How a segment may end.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    /// With a whole line.
    Whole,
    /// In the middle of one, which a gateway is writing.
    BeingWritten,
}

/// What is known on the way.
pub(super) struct Walk<'k> {
    anchors: Anchors,
    keys: &'k [PublicKey],
    report: Report,
    log: Option<Uuid>,
    segment: Option<SegmentName>,
    line: u64,
    /// The record that came last.
    last: Option<Last>,
}

/// The record that came last.
#[derive(Clone, Copy)]
struct Last {
    segment: SegmentName,
    line: u64,
    sequence: u64,
    hash: LineHash,
    /// Whether it names the record before it by the right hash.
    link: Link,
}

/// Whether a record names the one before it by the right hash.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Link {
    /// It does, or there is none to name.
    Right,
    /// It doesn't: one of the two was changed.
    Wrong { before: Place },
    /// Nothing can be said, because something else was found there.
    Unknown,
}

/// Where a record is.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Place {
    segment: SegmentName,
    line: u64,
    sequence: u64,
}

impl<'k> Walk<'k> {
    pub(super) fn new(anchors: Anchors, keys: &'k [PublicKey]) -> Self {
        let mut walk = Self {
            anchors,
            keys,
            report: Report {
                segments: 0,
                records: 0,
                first: None,
                last: None,
                findings: Vec::new(),
                more_findings: 0,
                signed_checkpoints: 0,
                matched_checkpoints: 0,
                covered: None,
                being_written: 0,
            },
            log: None,
            segment: None,
            line: 0,
            last: None,
        };
        for fault in std::mem::take(&mut walk.anchors.faults) {
            walk.find_in_all(fault);
        }
        walk
    }

    pub(super) fn note_empty(&mut self) {
        self.find_in_all(Fault::Empty);
    }

    /// Reads a segment.
    pub(super) fn segment(
        &mut self,
        directory: &Path,
        name: SegmentName,
        end: End,
    ) -> io::Result<()> {
        let path = name.path(directory);
        let mut lines = Lines::open(&path)?;
        let before = self.segment.replace(name);
        self.line = 0;
        self.report.segments += 1;
        while let Some(read) = lines.next()? {
            self.line += 1;
            match read {
                Ok(line) => self.read(line, before),
                Err(hash) => self.no_record(Fault::TooLong, hash),
            }
        }
        // What is behind the last line now may be a line a moment later.
        let rest = std::fs::metadata(&path)?
            .len()
            .saturating_sub(lines.position);
        if rest > 0 {
            match end {
                End::BeingWritten => self.report.being_written = rest,
                End::Whole => {
                    self.line += 1;
                    self.find(Fault::Incomplete { bytes: rest });
                }
            }
        }
        Ok(())
    }

    /// All segments were read; `beside` is the newest checkpoint that lies beside the log.
    pub(super) fn finish(mut self, beside: Option<&Checkpoint>) -> Report {
        self.judge_last();
        let last = self.last.map_or(0, |last| last.sequence);
        let beside = beside.filter(|beside| self.log.is_none_or(|log| log == beside.log));
        let beside = beside.map(|beside| beside.covers);
        if let Some(fault) = self.anchors.left() {
            self.find_in_all(fault);
        } else if let Some(covers) = beside.filter(|covers| *covers > last) {
            self.find_in_all(Fault::CutBack { covers });
        }
        let report = &mut self.report;
        report.matched_checkpoints = self.anchors.matched;
        report.last = self.last.map(|last| (last.sequence, last.hash));
        report.covered = report.covered.max(self.anchors.covered);
        if !self.keys.is_empty() && report.covered.is_none() {
            self.find_in_all(Fault::NoCheckpoint);
        }
        self.report
    }

    fn read(&mut self, line: &[u8], before: Option<SegmentName>) {
        let hash = LineHash::of(line);
        let Some((sequence, prev, body)) = read_begin(line) else {
            return self.no_record(Fault::NoRecord, hash);
        };
        let Some(name) = self.segment else { return };
        let relation = self.link(sequence, prev);
        self.report.records += 1;
        self.report.first.get_or_insert(sequence);
        self.last = Some(Last {
            segment: name,
            line: self.line,
            sequence,
            hash,
            link: relation,
        });
        let body = line.get(body..).unwrap_or_default();
        if self.line == 1 {
            self.read_first(line, (name, before), sequence);
        } else if event_of(body) == b"checkpoint" {
            self.read_checkpoint(line, prev, sequence);
        }
        if let Some(fault) = self.anchors.check(self.log, sequence, hash) {
            self.find(fault);
        }
    }

    /// Whether a record follows the last one; finds what is wrong if it doesn't.
    fn link(&mut self, sequence: u64, prev: LineHash) -> Link {
        let Some(last) = self.last else {
            return self.begin(sequence, prev);
        };
        let expected = last.sequence + 1;
        if sequence != expected {
            self.judge_last();
            self.find(if sequence > expected {
                Fault::Missing {
                    first: expected,
                    last: sequence - 1,
                }
            } else {
                Fault::OutOfOrder {
                    found: sequence,
                    expected,
                }
            });
            return Link::Unknown;
        }
        if prev == last.hash {
            // The last one is vouched for, so what it says of the one before it is true.
            self.judge_last();
            return Link::Right;
        }
        match last.link {
            // Neither neighbour agrees with the last one: it was changed, and its own link with it.
            Link::Wrong { .. } => {
                self.find_at(
                    last.place(),
                    Fault::Changed {
                        sequence: last.sequence,
                    },
                );
                Link::Unknown
            }
            Link::Right => Link::Wrong {
                before: last.place(),
            },
            // What was found there before explains it.
            Link::Unknown => Link::Right,
        }
    }

    /// The first record: the beginning of the log, or what may come after a checkpoint.
    fn begin(&mut self, sequence: u64, prev: LineHash) -> Link {
        let is_beginning = sequence == 1 && prev == LineHash::default();
        let follows = self.anchors.start.is_some_and(|start| {
            sequence <= start.covers
                || (sequence == start.covers + 1 && prev == start.head)
                || (sequence == start.covers + 2 && prev == start.line)
        });
        if is_beginning || follows {
            return Link::Right;
        }
        self.find(if sequence > 1 {
            Fault::Missing {
                first: 1,
                last: sequence - 1,
            }
        } else {
            Fault::Changed { sequence }
        });
        Link::Unknown
    }

    /// The link of the last record is wrong and nothing speaks against that record itself: so it is
    /// the one before it that was changed.
    fn judge_last(&mut self) {
        let Some(last) = &mut self.last else { return };
        if let Link::Wrong { before } = last.link {
            last.link = Link::Right;
            let sequence = before.sequence;
            self.find_at(before, Fault::Changed { sequence });
        }
    }

    /// A line that can't be read stands for the record that is expected.
    fn no_record(&mut self, fault: Fault, hash: LineHash) {
        self.judge_last();
        self.find(fault);
        let Some(name) = self.segment else { return };
        let sequence = self.last.map_or(name.first, |last| last.sequence + 1);
        self.last = Some(Last {
            segment: name,
            line: self.line,
            sequence,
            hash,
            link: Link::Unknown,
        });
    }

    /// The first line of a segment says which log it is of, and what comes before.
    fn read_first(
        &mut self,
        line: &[u8],
        (name, before): (SegmentName, Option<SegmentName>),
        sequence: u64,
    ) {
        let Ok(first) = serde_json::from_slice::<First<'_>>(line) else {
            return self.find(Fault::Stranger);
        };
        let log = *self.log.get_or_insert(first.log);
        let previous = before.map(|name| name.to_string());
        // The first segment there is may name one that was put away.
        let is_next = before.is_none() || first.previous.map(str::to_owned) == previous;
        let is_named = first.segment == name.to_string() && sequence == name.first;
        if first.event != "segment_began" || log != first.log || !is_named || !is_next {
            self.find(Fault::Stranger);
        }
    }

    /// Checks a checkpoint byte for byte: the last record of a log is one, and nothing else vouches
    /// for it.
    fn read_checkpoint(&mut self, line: &[u8], prev: LineHash, sequence: u64) {
        let Ok(signed) = serde_json::from_slice::<Signed>(line) else {
            return self.find(Fault::BadCheckpoint);
        };
        let checkpoint = Checkpoint {
            log: signed.log,
            covers: sequence.saturating_sub(1),
            head: prev.to_string(),
            time: signed.time,
            key: signed.key,
            signature: signed.signature,
        };
        let is_own = self.log.is_none_or(|log| log == signed.log);
        if !is_own || checkpoint.line(prev) != line {
            return self.find(Fault::BadCheckpoint);
        }
        let covers = checkpoint.covers;
        let mut keys = self.keys.iter();
        match keys.find(|key| key.id().to_string() == checkpoint.key) {
            Some(key) if checkpoint.is_signed_by(key) => {
                self.report.signed_checkpoints += 1;
                self.report.covered = Some((covers, checkpoint.time));
            }
            Some(_) => self.find(Fault::BadSignature { covers }),
            // Another key's, or nobody gave one.
            None => {}
        }
    }

    fn find(&mut self, fault: Fault) {
        self.add(Finding {
            segment: self.segment,
            line: self.line,
            fault,
        });
    }

    fn find_at(&mut self, place: Place, fault: Fault) {
        self.add(Finding {
            segment: Some(place.segment),
            line: place.line,
            fault,
        });
    }

    fn find_in_all(&mut self, fault: Fault) {
        self.add(Finding {
            segment: None,
            line: 0,
            fault,
        });
    }

    fn add(&mut self, finding: Finding) {
        if self.report.findings.len() < MAX_FINDINGS {
            self.report.findings.push(finding);
        } else {
            self.report.more_findings += 1;
        }
    }
}

impl Last {
    fn place(self) -> Place {
        Place {
            segment: self.segment,
            line: self.line,
            sequence: self.sequence,
        }
    }
}

/// What the first line of a segment says.
#[derive(Deserialize)]
struct First<'l> {
    event: &'l str,
    log: Uuid,
    segment: &'l str,
    previous: Option<&'l str>,
}

/// What a checkpoint says.
#[derive(Deserialize)]
struct Signed {
    #[serde(with = "micros")]
    time: Timestamp,
    log: Uuid,
    key: String,
    signature: String,
}

/// The event of a record, from what comes after its `prev`.
fn event_of(body: &[u8]) -> &[u8] {
    const TIME: &[u8] = b",\"time\":\"";
    /// Digits of a time, with its quote.
    const TIME_LENGTH: usize = 28;
    let rest = body
        .strip_prefix(TIME)
        .and_then(|rest| rest.get(TIME_LENGTH..));
    let rest = rest.and_then(|rest| rest.strip_prefix(b",\"event\":\""));
    let Some(rest) = rest else { return &[] };
    let end = rest.iter().position(|byte| *byte == b'"');
    rest.get(..end.unwrap_or_default()).unwrap_or_default()
}
