//! The end of the log: where the next line goes, and what it is tied to.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use uuid::Uuid;

use crate::checkpoint::Signer;
use crate::disk::{Disk, SegmentFile};
use crate::hash::LineHash;
use crate::line::{self, Buffer, key};
use crate::room::{CHUNK, Reservation, Room, signed};
use crate::segment::SegmentName;
use crate::stage::Bodies;
use crate::store::WriteError;

/// What comes before a line's body at most: sequence, hash, and the words around them.
pub(crate) const HEADROOM: usize = 112;

const SEQUENCE: &[u8] = b"{\"sequence\":";
const PREV: &[u8] = b",\"prev\":\"";

/// What is added to a line at its end.
const LINE_END: usize = 2;

/// What does not change while a store is open.
#[derive(Debug)]
pub(crate) struct Place {
    pub(crate) directory: PathBuf,
    pub(crate) disk: Arc<dyn Disk>,
    /// Identifies the log, so that checkpoints of another are not taken for its own.
    pub(crate) log: Uuid,
    pub(crate) instance: String,
    pub(crate) version: String,
    pub(crate) segment_bytes: u64,
    pub(crate) segment_age: Duration,
    pub(crate) room: Arc<Room>,
    /// A segment that could neither be begun nor be taken away again.
    pub(crate) leftover: Option<SegmentName>,
    pub(crate) signer: Option<Signer>,
}

/// The end of the log.
#[derive(Debug)]
pub(crate) struct Chain {
    pub(crate) place: Place,
    pub(crate) segment: Segment,
    /// The sequence of the next line.
    pub(crate) next: u64,
    /// The hash of the last line.
    pub(crate) head: LineHash,
    /// Segments that are full and may not be on disk yet.
    pub(crate) retired: Vec<Arc<dyn SegmentFile>>,
    /// Whether a name is new since the directory was last synced.
    pub(crate) has_new_name: bool,
    /// Segments that were begun since the store was opened.
    pub(crate) segments: u64,
    /// The sequence of the last record if it is a checkpoint, else of an earlier one.
    pub(crate) signed: u64,
    /// Where what was staged is taken to, and the lines that are made of it.
    pub(crate) staged: Bodies,
    /// The place of the last staged record that was written.
    pub(crate) staged_up_to: u64,
    lines: Buffer,
    is_closed: bool,
    /// After a rotation that failed: not to be tried again before.
    retry_at: Timestamp,
}

/// The segment that is written to.
#[derive(Debug)]
pub(crate) struct Segment {
    pub(crate) name: SegmentName,
    pub(crate) file: Arc<dyn SegmentFile>,
    /// Bytes of whole lines.
    pub(crate) length: u64,
    /// Bytes that can be written without asking for more room.
    pub(crate) allocated: u64,
    /// When its first record was.
    pub(crate) began: Timestamp,
    pub(crate) condition: Condition,
}

/// What may be behind the last whole line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Condition {
    /// Nothing.
    Whole,
    /// A part of a line: to be cut before anything is written.
    Torn,
    /// The disk didn't take what was written, or the file is gone: nothing may follow in this segment.
    Abandoned,
}

/// How long a rotation that failed is not tried again while the old segment still has room.
const ROTATION_RETRY: Duration = Duration::from_millis(100);

impl Chain {
    /// A log that goes on in this segment.
    pub(crate) fn new(place: Place, segment: Segment, next: u64, head: LineHash) -> Self {
        place
            .room
            .add(signed(segment.allocated.saturating_sub(segment.length)));
        Self {
            place,
            segment,
            next,
            head,
            retired: Vec::new(),
            has_new_name: true,
            segments: 0,
            signed: 0,
            staged: Bodies::default(),
            staged_up_to: 0,
            lines: Buffer::new(),
            is_closed: false,
            retry_at: Timestamp::MIN,
        }
    }

    /// A log that goes on in a segment of its own.
    pub(crate) fn begin(
        mut place: Place,
        after: Option<SegmentName>,
        (next, head): (u64, LineHash),
        time: Timestamp,
    ) -> Result<Self, WriteError> {
        let (segment, last) = place.begin_segment(after, (next, head), time, 0)?;
        let mut chain = Self::new(place, segment, next + 1, last);
        chain.segments = 1;
        Ok(chain)
    }

    /// Adds a line. The buffer has [`HEADROOM`] bytes and then the body, with neither the brace that
    /// ends it nor a newline. Returns the line's sequence.
    pub(crate) fn put(&mut self, buffer: &mut Buffer, time: Timestamp) -> Result<u64, WriteError> {
        self.make_ready(buffer.len() as u64 + 2, time)?;
        self.put_here(buffer)
    }

    /// Adds lines with one write: all of them or none. Returns their bytes.
    pub(crate) fn put_all(&mut self, bodies: &Bodies) -> Result<u64, WriteError> {
        if self.is_closed {
            return Err(WriteError::Closed);
        }
        let most = bodies.len() + bodies.iter().len() * (HEADROOM + LINE_END);
        self.make_ready(most as u64, bodies.time())?;
        let (mut next, mut head) = (self.next, self.head);
        self.lines.clear();
        for body in bodies.iter() {
            let start = self.lines.len();
            let begin = Begin::of(next, head);
            self.lines.extend_from_slice(begin.bytes());
            self.lines.extend_from_slice(body);
            self.lines.extend_from_slice(b"}\n");
            head = LineHash::of(&self.lines[start..self.lines.len() - 1]);
            next += 1;
        }
        let length = self.lines.len() as u64;
        let lines = std::mem::take(&mut self.lines);
        let outcome = self.write(&lines);
        self.lines = lines;
        outcome?;
        (self.next, self.head) = (next, head);
        Ok(length)
    }

    /// Writes whole lines behind the last one.
    fn write(&mut self, lines: &[u8]) -> Result<(), WriteError> {
        let segment = &mut self.segment;
        if let Err(source) = segment.file.write_at(lines, segment.length) {
            segment.condition = Condition::Torn;
            let error = WriteError::write(segment.name, source);
            // Whoever reads along should not see half a line for longer than it takes.
            let _ = self.repair();
            return Err(error);
        }
        let length = lines.len() as u64;
        segment.length += length;
        self.place.room.add(-signed(length));
        Ok(())
    }

    /// Adds a line to the segment as it is.
    fn put_here(&mut self, buffer: &mut Buffer) -> Result<u64, WriteError> {
        if self.is_closed {
            return Err(WriteError::Closed);
        }
        let line = finish(buffer, self.next, self.head);
        self.write(line)?;
        self.head = LineHash::of(&line[..line.len() - 1]);
        self.next += 1;
        Ok(self.next - 1)
    }

    /// Ends the log: gives back the room that nobody needs, and takes no more lines.
    pub(crate) fn finish(&mut self) {
        self.is_closed = true;
        let _ = self.segment.file.truncate(self.segment.length);
    }

    /// Writes that records could not be written.
    pub(crate) fn note_interruption(
        &mut self,
        failures: u64,
        cause: &str,
        time: Timestamp,
    ) -> Result<(), WriteError> {
        let mut buffer = begun("interrupted", time);
        line::number(&mut buffer, key!("failures"), failures);
        line::text(&mut buffer, key!("cause"), cause, 1024);
        let _held = self.hold(buffer.len() + LINE_END)?;
        self.put(&mut buffer, time).map(drop)
    }

    /// Signs what is there, if that was not done already, and there is a key.
    pub(crate) fn checkpoint(&mut self, time: Timestamp) -> Result<Option<u64>, WriteError> {
        match self.segment.condition {
            Condition::Whole => {}
            Condition::Torn => self.repair()?,
            // The next record begins another segment; what is here is covered from there.
            Condition::Abandoned => return Ok(None),
        }
        if self.signed == self.next - 1 {
            return Ok(None);
        }
        let covers = (self.next - 1, self.head);
        let Some(signer) = &mut self.place.signer else {
            return Ok(None);
        };
        let checkpoint = signer.sign(self.place.log, covers, time);
        let mut buffer = begun("checkpoint", checkpoint.time);
        checkpoint.encode(&mut buffer);
        let _held = self.hold(buffer.len() + LINE_END)?;
        let sequence = self.put_here(&mut buffer)?;
        self.signed = sequence;
        if let Some(signer) = &mut self.place.signer {
            signer.publish(&checkpoint);
        }
        Ok(Some(sequence))
    }

    /// Takes room, and makes some if there isn't enough.
    pub(crate) fn hold(&mut self, bytes: usize) -> Result<Reservation, WriteError> {
        loop {
            // Others take room all the time.
            if let Some(reservation) = self.place.room.take(bytes) {
                return Ok(reservation);
            }
            self.grow(bytes as u64)?;
        }
    }

    /// Makes room for at least so many bytes.
    fn grow(&mut self, bytes: u64) -> Result<(), WriteError> {
        let segment = &mut self.segment;
        let from = segment.allocated.max(segment.length);
        let made = allocate(&*segment.file, from, bytes)
            .map_err(|source| WriteError::write(segment.name, source))?;
        self.place.room.add(signed(made));
        segment.allocated = from + made;
        Ok(())
    }

    /// Looks whether the segment is still where it was; if not, nothing may follow in it.
    pub(crate) fn look(&mut self) -> Result<(), WriteError> {
        let segment = &mut self.segment;
        // What can't be told by now may be told the next time.
        if segment.condition != Condition::Abandoned && matches!(segment.file.has_name(), Ok(false))
        {
            segment.condition = Condition::Abandoned;
            let segment = segment.name;
            return Err(WriteError::Removed { segment });
        }
        Ok(())
    }

    /// Makes sure that the segment can be written to, or begins another.
    pub(crate) fn go_on(&mut self, time: Timestamp) -> Result<(), WriteError> {
        match self.segment.condition {
            Condition::Abandoned => self.rotate(time),
            Condition::Torn => self.repair(),
            Condition::Whole => Ok(()),
        }
    }

    /// Makes sure that a whole line can be written where the last one ends.
    fn make_ready(&mut self, bytes: u64, time: Timestamp) -> Result<(), WriteError> {
        self.go_on(time)?;
        let segment = &self.segment;
        let age = time.duration_since(segment.began);
        let is_old = age.unsigned_abs() >= self.place.segment_age && age.is_positive();
        let is_full = segment.length + bytes > self.place.segment_bytes;
        // A segment has at least one record beside its first line.
        let is_due = (is_old || is_full) && self.next > segment.name.first + 1;
        if is_due && time >= self.retry_at && self.rotate(time).is_err() {
            // What was reserved was reserved here; a segment that is too long is no harm.
            self.retry_at = time.saturating_add(ROTATION_RETRY).unwrap_or(time);
        }
        Ok(())
    }

    /// Begins a new segment, which goes on where the last one ends.
    pub(crate) fn rotate(&mut self, time: Timestamp) -> Result<(), WriteError> {
        if self.segment.condition == Condition::Whole {
            // Where it can't be written, the next checkpoint covers the same records.
            let _ = self.checkpoint(time);
        }
        let old = &self.segment;
        let room = signed(old.allocated.saturating_sub(old.length));
        // What others have reserved must find room in the new one too.
        let reserved = (room - self.place.room.free()).max(0).unsigned_abs();
        let end = (self.next, self.head);
        let (segment, last) = self
            .place
            .begin_segment(Some(old.name), end, time, reserved)?;
        let new_room = signed(segment.allocated - segment.length);
        let old = std::mem::replace(&mut self.segment, segment);
        self.place.room.add(new_room - room);
        // The room behind its end is of no more use.
        let _ = old.file.truncate(old.length);
        self.retired.push(old.file);
        self.next += 1;
        self.head = last;
        self.has_new_name = true;
        self.segments += 1;
        Ok(())
    }

    /// Cuts what is left of a line that could not be written.
    fn repair(&mut self) -> Result<(), WriteError> {
        let segment = &mut self.segment;
        let wrong = |source| WriteError::repair(segment.name, source);
        segment.file.truncate(segment.length).map_err(wrong)?;
        segment.condition = Condition::Whole;
        let room = segment.allocated.saturating_sub(segment.length);
        if room > 0 && segment.file.allocate(segment.length, room).is_err() {
            // Cutting gave the room back, and others were quicker.
            self.place.room.add(-signed(room));
            segment.allocated = segment.length;
        }
        Ok(())
    }
}

impl Place {
    /// Makes a segment with its first line; returns that line's hash.
    fn begin_segment(
        &mut self,
        after: Option<SegmentName>,
        (sequence, head): (u64, LineHash),
        time: Timestamp,
        reserved: u64,
    ) -> Result<(Segment, LineHash), WriteError> {
        let name = SegmentName { first: sequence };
        let mut buffer = begun("segment_began", time);
        let mut id = Uuid::encode_buffer();
        let id = self.log.hyphenated().encode_lower(&mut id);
        line::text(&mut buffer, key!("log"), id, 64);
        line::text(&mut buffer, key!("segment"), &name.to_string(), 64);
        let previous = after.map(|name| name.to_string());
        line::optional(&mut buffer, key!("previous"), previous.as_deref(), 64);
        line::text(&mut buffer, key!("instance"), &self.instance, 512);
        line::text(&mut buffer, key!("version"), &self.version, 512);
        let path = name.path(&self.directory);
        let wrong = |source| WriteError::write(name, source);
        if self.leftover == Some(name) {
            std::fs::remove_file(&path).map_err(wrong)?;
            self.leftover = None;
        }
        let file = self.disk.create(&path).map_err(wrong)?;
        let line = finish(&mut buffer, sequence, head);
        let needed = line.len() as u64 + reserved;
        let made = allocate(&*file, 0, needed)
            .and_then(|allocated| file.write_at(line, 0).map(|()| allocated));
        let allocated = made.map_err(|source| {
            // A segment without a record would be in the way of the next try.
            if std::fs::remove_file(&path).is_err() {
                self.leftover = Some(name);
            }
            wrong(source)
        })?;
        let segment = Segment {
            name,
            file,
            length: line.len() as u64,
            allocated,
            began: time,
            condition: Condition::Whole,
        };
        Ok((segment, LineHash::of(&line[..line.len() - 1])))
    }
}

/// The body of one of the store's own records.
pub(crate) fn begun(event: &str, time: Timestamp) -> Buffer {
    let mut buffer = vec![0; HEADROOM];
    line::time(&mut buffer, key!("time"), time);
    line::text(&mut buffer, key!("event"), event, 64);
    buffer
}

/// Makes room for as much as is good, or at least for what is needed; returns for how much.
fn allocate(file: &dyn SegmentFile, from: u64, needed: u64) -> io::Result<u64> {
    let good = needed.max(CHUNK);
    match file.allocate(from, good) {
        Ok(()) => Ok(good),
        // A disk that is nearly full is used to its end.
        Err(_) => file.allocate(from, needed).map(|()| needed),
    }
}

/// Writes what only the store knows in front of a body, and its end; returns the whole line.
pub(crate) fn finish(buffer: &mut Buffer, sequence: u64, prev: LineHash) -> &[u8] {
    buffer.extend(b"}\n");
    let begin = Begin::of(sequence, prev);
    let start = HEADROOM - begin.length;
    buffer[start..HEADROOM].copy_from_slice(begin.bytes());
    &buffer[start..]
}

/// The beginning of a line, which is written where there was room left for it.
struct Begin {
    bytes: [u8; HEADROOM],
    length: usize,
}

impl Begin {
    fn of(sequence: u64, prev: LineHash) -> Self {
        let mut begin = Self {
            bytes: [0; HEADROOM],
            length: 0,
        };
        begin.add(SEQUENCE);
        begin.add_number(sequence);
        begin.add(PREV);
        begin.add(&prev.digits());
        begin.add(b"\"");
        begin
    }

    fn bytes(&self) -> &[u8] {
        &self.bytes[..self.length]
    }

    fn add(&mut self, bytes: &[u8]) {
        let end = self.length + bytes.len();
        self.bytes[self.length..end].copy_from_slice(bytes);
        self.length = end;
    }

    fn add_number(&mut self, number: u64) {
        self.add(itoa::Buffer::new().format(number).as_bytes());
    }
}

/// The sequence and the hash of the line before it, as the beginning of a line has them; and where
/// the rest begins.
pub(crate) fn read_begin(line: &[u8]) -> Option<(u64, LineHash, usize)> {
    let rest = line.strip_prefix(SEQUENCE)?;
    let digits = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let (number, rest) = rest.split_at_checked(digits)?;
    let canonical = digits == 1 || number.first() != Some(&b'0');
    let sequence = std::str::from_utf8(number).ok()?.parse().ok()?;
    let rest = rest.strip_prefix(PREV)?;
    let (hash, rest) = rest.split_at_checked(LineHash::DIGITS)?;
    let rest = rest.strip_prefix(b"\"")?;
    let hash = LineHash::read(hash)?;
    canonical.then_some((sequence, hash, line.len() - rest.len()))
}

impl WriteError {
    fn write(segment: SegmentName, source: io::Error) -> Self {
        Self::Write { segment, source }
    }

    fn repair(segment: SegmentName, source: io::Error) -> Self {
        Self::Repair { segment, source }
    }
}
