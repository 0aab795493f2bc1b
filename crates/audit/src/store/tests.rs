use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::task::{Context, Poll, Waker};

use jiff::Timestamp;
use querycop_testkit::wait::eventually;

use super::*;
use crate::disk::SegmentFile;
use crate::record::Event;
use crate::verify::{VerifyConfig, verify};

/// What goes wrong with a disk.
#[derive(Debug, Default)]
struct Faults {
    /// Bytes that can still be allocated.
    capacity: AtomicU64,
    /// Writes that take half of their bytes before they fail.
    half_writes: AtomicU64,
    truncate_fails: AtomicBool,
    sync_fails: AtomicBool,
    create_fails: AtomicBool,
}

#[derive(Debug)]
struct FaultyDisk(Arc<Faults>);

#[derive(Debug)]
struct FaultyFile(Arc<dyn SegmentFile>, Arc<Faults>);

fn fail_if(fault: &AtomicBool) -> io::Result<()> {
    if fault.load(Ordering::SeqCst) {
        return Err(io::ErrorKind::Other.into());
    }
    Ok(())
}

fn take(from: &AtomicU64, amount: u64) -> bool {
    let outcome = from.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| {
        left.checked_sub(amount)
    });
    outcome.is_ok()
}

impl Disk for FaultyDisk {
    fn create(&self, path: &Path) -> io::Result<Arc<dyn SegmentFile>> {
        fail_if(&self.0.create_fails)?;
        let file = SystemDisk.create(path)?;
        Ok(Arc::new(FaultyFile(file, Arc::clone(&self.0))))
    }

    fn open(&self, path: &Path) -> io::Result<Arc<dyn SegmentFile>> {
        let file = SystemDisk.open(path)?;
        Ok(Arc::new(FaultyFile(file, Arc::clone(&self.0))))
    }

    fn sync_directory(&self, directory: &Path) -> io::Result<()> {
        SystemDisk.sync_directory(directory)
    }
}

impl SegmentFile for FaultyFile {
    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        if take(&self.1.half_writes, 1) {
            self.0.write_at(&bytes[..bytes.len() / 2], offset)?;
            return Err(io::ErrorKind::StorageFull.into());
        }
        self.0.write_at(bytes, offset)
    }

    fn truncate(&self, length: u64) -> io::Result<()> {
        fail_if(&self.1.truncate_fails)?;
        self.0.truncate(length)
    }

    fn allocate(&self, from: u64, bytes: u64) -> io::Result<()> {
        if !take(&self.1.capacity, bytes) {
            return Err(io::ErrorKind::StorageFull.into());
        }
        self.0.allocate(from, bytes)
    }

    fn sync(&self) -> io::Result<()> {
        fail_if(&self.1.sync_fails)?;
        self.0.sync()
    }

    fn has_name(&self) -> io::Result<bool> {
        self.0.has_name()
    }
}

struct Bench {
    directory: tempfile::TempDir,
    faults: Arc<Faults>,
    store: Arc<Store>,
}

impl Bench {
    fn new(durability: Durability) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let faults = Arc::new(Faults::default());
        faults.capacity.store(u64::MAX, Ordering::SeqCst);
        let mut config = StoreConfig::new(directory.path());
        config.durability = durability;
        config.segment_bytes = 128 << 10;
        let disk = Arc::new(FaultyDisk(Arc::clone(&faults)));
        let (store, _) = Store::open_on(config, disk).unwrap();
        Self {
            directory,
            faults,
            store,
        }
    }

    /// Records of the log, which has to be sound.
    fn records(&self) -> u64 {
        let config = VerifyConfig {
            directory: self.directory.path().to_path_buf(),
            ..VerifyConfig::default()
        };
        let report = verify(&config).unwrap();
        assert_eq!(report.findings, []);
        assert_eq!(report.being_written, 0);
        report.records
    }

    /// How often this event stands in the log.
    fn count(&self, event: &str) -> usize {
        let text =
            |name: SegmentName| std::fs::read_to_string(name.path(self.directory.path())).unwrap();
        let names = SegmentName::list(self.directory.path()).unwrap();
        let event = format!("\"event\":\"{event}\"");
        names
            .into_iter()
            .map(|name| text(name).matches(&event).count())
            .sum()
    }
}

fn record(reason: &str) -> Record<'_> {
    Record {
        time: Timestamp::now(),
        session: None,
        number: 0,
        event: Event::SessionRefused {
            sqlstate: "53300",
            reason,
            decision: None,
        },
    }
}

fn append(store: &Store) -> Result<Ticket, WriteError> {
    let room = Record::room(None, None, None);
    let reservation = eventually("room", || store.reserve(room).ok());
    store.append(reservation, &record("too many sessions"))
}

fn append_soon(store: &Store) -> Ticket {
    let room = Record::room(None, None, None);
    let reservation = eventually("room", || store.reserve(room).ok());
    let ticket = store.append_soon(&reservation, &record("too many sessions"));
    ticket.expect("it can be left")
}

fn poll(store: &Store, mut ticket: Ticket) -> Poll<Result<(), WriteError>> {
    ask(store, &mut ticket)
}

fn ask(store: &Store, ticket: &mut Ticket) -> Poll<Result<(), WriteError>> {
    store.poll_settled(ticket, &mut Context::from_waker(Waker::noop()))
}

fn settled(store: &Store, ticket: Ticket) -> Result<(), WriteError> {
    eventually("a settled record", || match poll(store, ticket) {
        Poll::Ready(outcome) => Some(outcome),
        Poll::Pending => None,
    })
}

#[test]
fn what_is_left_is_written_together_when_somebody_asks_again() {
    let bench = Bench::new(Durability::Written);
    let store = &bench.store;
    let before = bench.records();
    let counted = store.stats().records;
    let mut tickets: Vec<_> = (0..3).map(|_| append_soon(store)).collect();
    assert!(ask(store, &mut tickets[0]).is_pending());
    assert!(ask(store, &mut tickets[1]).is_pending());
    assert_eq!(bench.records(), before);
    assert!(matches!(ask(store, &mut tickets[1]), Poll::Ready(Ok(()))));
    assert_eq!(bench.records(), before + 3);
    // The others need not ask twice.
    for ticket in &mut tickets {
        assert!(matches!(ask(store, ticket), Poll::Ready(Ok(()))));
    }
    assert_eq!(store.stats().records, counted + 3);
}

#[test]
fn what_is_left_is_written_before_what_is_appended_and_before_the_end() {
    let bench = Bench::new(Durability::Written);
    let store = &bench.store;
    let before = bench.records();
    let left = append_soon(store);
    let _appended = append(store).unwrap();
    assert_eq!(bench.records(), before + 2);
    assert!(matches!(poll(store, left), Poll::Ready(Ok(()))));
    let _at_the_end = append_soon(store);
    store.close();
    assert_eq!(bench.records(), before + 3);
    let mut late = append_soon(store);
    assert!(ask(store, &mut late).is_pending());
    assert!(matches!(ask(store, &mut late), Poll::Ready(Err(_))));
}

#[test]
fn all_that_a_failed_write_was_to_take_is_lost_and_told_to_be() {
    let bench = Bench::new(Durability::Written);
    let store = &bench.store;
    let before = bench.records();
    let mut lost: Vec<_> = (0..2).map(|_| append_soon(store)).collect();
    bench.faults.half_writes.store(1, Ordering::SeqCst);
    assert!(ask(store, &mut lost[0]).is_pending());
    for ticket in &mut lost {
        let outcome = eventually("an outcome", || match ask(store, ticket) {
            Poll::Ready(outcome) => Some(outcome),
            Poll::Pending => None,
        });
        assert!(matches!(outcome, Err(WriteError::Unwritten)), "{outcome:?}");
    }
    assert!(matches!(store.health(), Health::Failing { .. }));
    let mut kept = append_soon(store);
    assert!(ask(store, &mut kept).is_pending());
    assert!(matches!(ask(store, &mut kept), Poll::Ready(Ok(()))));
    // That records were lost is in the log, too.
    assert_eq!(bench.records(), before + 2);
    assert_eq!(bench.count("interrupted"), 1);
}

#[test]
fn what_is_left_is_settled_when_the_disk_has_it() {
    let bench = Bench::new(Durability::Synced);
    let store = &bench.store;
    let before = bench.records();
    let tickets: Vec<_> = (0..3).map(|_| append_soon(store)).collect();
    for ticket in &tickets {
        settled(store, *ticket).unwrap();
    }
    assert_eq!(bench.records(), before + 3);
    bench.faults.sync_fails.store(true, Ordering::SeqCst);
    let lost = append_soon(store);
    settled(store, lost).unwrap_err();
    bench.faults.sync_fails.store(false, Ordering::SeqCst);
    let kept = append_soon(store);
    settled(store, kept).unwrap();
    // Asked again, the answers are the same.
    settled(store, tickets[0]).unwrap();
    settled(store, lost).unwrap_err();
    bench.faults.half_writes.store(1, Ordering::SeqCst);
    let unwritten = append_soon(store);
    settled(store, unwritten).unwrap_err();
    settled(store, kept).unwrap();
    let at_the_end = append_soon(store);
    store.close();
    settled(store, at_the_end).unwrap();
    let late = append_soon(store);
    settled(store, late).unwrap_err();
    bench.records();
}

#[test]
fn segments_take_turns_while_records_are_left() {
    let bench = Bench::new(Durability::Written);
    for _ in 0..200 {
        let mut tickets: Vec<_> = (0..7).map(|_| append_soon(&bench.store)).collect();
        assert!(ask(&bench.store, &mut tickets[0]).is_pending());
        assert!(ask(&bench.store, &mut tickets[0]).is_ready());
    }
    assert!(bench.store.stats().segments > 2);
    assert_eq!(bench.count("session_refused"), 1400);
    bench.records();
}

#[test]
fn a_full_disk_refuses_what_was_not_reserved_and_heals() {
    let bench = Bench::new(Durability::Written);
    let store = &bench.store;
    let room = Record::room(None, None, None);
    // More than a segment takes: what was reserved must find its place in the next one as well.
    let reserved: Vec<_> = (0..600).map(|_| store.reserve(room).unwrap()).collect();
    bench.faults.capacity.store(0, Ordering::SeqCst);
    let mut more = Vec::new();
    let refused = loop {
        match store.reserve(room) {
            Ok(reservation) => more.push(reservation),
            Err(refused) => break refused,
        }
    };
    let cause = std::error::Error::source(&refused).unwrap().to_string();
    assert!(cause.contains("can't be written"), "{cause}");
    assert!(matches!(store.health(), Health::Failing { .. }));
    for reservation in reserved {
        let _ticket = store.append(reservation, &record("reserved")).unwrap();
    }
    drop(more);
    assert!(store.stats().refused > 0);
    bench.faults.capacity.store(u64::MAX, Ordering::SeqCst);
    let _ticket = append(store).unwrap();
    assert_eq!(store.health(), Health::Good);
    assert_eq!(bench.records(), 601 + store.stats().segments);
}

#[test]
fn what_was_reserved_fits_into_a_segment_that_begins_meanwhile() {
    let bench = Bench::new(Durability::Written);
    let store = &bench.store;
    let room = Record::room(None, None, None);
    let reserved: Vec<_> = (0..1000).map(|_| store.reserve(room).unwrap()).collect();
    for (index, reservation) in reserved.into_iter().enumerate() {
        let segments = store.stats().segments;
        let _ticket = store.append(reservation, &record("reserved")).unwrap();
        if store.stats().segments > segments && index > 0 {
            // From here on nothing more can be had.
            bench.faults.capacity.store(0, Ordering::SeqCst);
        }
    }
    assert_eq!(store.stats().segments, 2);
    assert_eq!(store.stats().failed, 0);
    assert_eq!(bench.records(), 1002);
}

#[test]
fn half_a_record_is_taken_back_and_the_log_tells_of_it() {
    let bench = Bench::new(Durability::Written);
    let store = &bench.store;
    let _ticket = append(store).unwrap();
    bench.faults.half_writes.store(1, Ordering::SeqCst);
    append(store).unwrap_err();
    assert!(matches!(store.health(), Health::Failing { .. }));
    assert_eq!(bench.records(), 2);
    let _ticket = append(store).unwrap();
    assert_eq!(store.health(), Health::Good);
    assert_eq!(bench.records(), 4);
    assert_eq!(bench.count("interrupted"), 1);
    assert_eq!(store.stats().failed, 1);
}

#[test]
fn nothing_is_written_behind_half_a_record() {
    let bench = Bench::new(Durability::Written);
    let store = &bench.store;
    let room = Record::room(None, None, None);
    let reserved: Vec<_> = (0..3).map(|_| store.reserve(room).unwrap()).collect();
    bench.faults.truncate_fails.store(true, Ordering::SeqCst);
    bench.faults.half_writes.store(1, Ordering::SeqCst);
    for reservation in reserved {
        store.append(reservation, &record("lost")).unwrap_err();
    }
    store.reserve(room).unwrap_err();
    bench.faults.truncate_fails.store(false, Ordering::SeqCst);
    let _ticket = append(store).unwrap();
    assert_eq!(bench.records(), 3);
    assert_eq!(bench.count("interrupted"), 1);
}

#[test]
fn a_segment_that_was_removed_is_told_of_and_left() {
    let bench = Bench::new(Durability::Written);
    let (store, directory) = (&bench.store, bench.directory.path());
    let failing = || matches!(store.health(), Health::Failing { .. }).then_some(());
    let _ticket = append(store).unwrap();
    std::fs::remove_dir_all(directory).unwrap();
    eventually("the loss to be seen", failing);
    // Where no other segment can be begun, no statement may run.
    let room = Record::room(None, None, None);
    store.reserve(room).unwrap_err();
    std::fs::create_dir(directory).unwrap();
    let _ticket = append(store).unwrap();
    assert_eq!(store.health(), Health::Good);
    assert_eq!(bench.count("interrupted"), 1);
    assert_eq!(bench.count("session_refused"), 1);
}

#[test]
fn a_segment_that_the_disk_did_not_keep_is_left() {
    let bench = Bench::new(Durability::Synced);
    let store = &bench.store;
    let kept = append(store).unwrap();
    settled(store, kept).unwrap();
    bench.faults.sync_fails.store(true, Ordering::SeqCst);
    let lost = append(store).unwrap();
    let error = settled(store, lost).unwrap_err();
    assert!(matches!(error, WriteError::Lost { .. }), "{error}");
    bench.faults.sync_fails.store(false, Ordering::SeqCst);
    let kept = append(store).unwrap();
    settled(store, kept).unwrap();
    assert_eq!(store.stats().segments, 2);
    assert_eq!(bench.count("interrupted"), 1);
    // Asked again, the answer is the same.
    settled(store, lost).unwrap_err();
    bench.records();
}

#[test]
fn a_rotation_that_fails_is_no_failure_of_a_record() {
    let bench = Bench::new(Durability::Written);
    let store = &bench.store;
    bench.faults.create_fails.store(true, Ordering::SeqCst);
    let many = 600;
    for _ in 0..many {
        let _ticket = append(store).unwrap();
    }
    assert_eq!(store.stats().segments, 1);
    bench.faults.create_fails.store(false, Ordering::SeqCst);
    let mut appended = many;
    eventually("the next segment", || {
        let _ticket = append(store).unwrap();
        appended += 1;
        (store.stats().segments == 2).then_some(())
    });
    assert_eq!(bench.records(), appended + 2);
}

#[test]
fn a_queue_that_is_full_holds_back_and_leaves_nothing_out() {
    let bench = Bench::new(Durability::Queued);
    let store = &bench.store;
    let reason = "x".repeat(500);
    let one = {
        let mut buffer = Vec::new();
        record(&reason).encode(&mut buffer);
        buffer.len() as u64
    };
    // The thread can write nothing from now on.
    bench.faults.half_writes.store(u64::MAX, Ordering::SeqCst);
    let room = Record::room(None, None, None);
    let fits = QUEUE_BYTES / one;
    let reserved: Vec<_> = (0..fits + 50)
        .map(|_| store.reserve(room).unwrap())
        .collect();
    let mut tickets = Vec::new();
    for reservation in reserved {
        tickets.push(store.append(reservation, &record(&reason)).unwrap());
    }
    let waiting = tickets
        .iter()
        .filter(|ticket| poll(store, **ticket).is_pending());
    assert_eq!(waiting.count(), 50);
    assert!(store.stats().queued_bytes > QUEUE_BYTES);
    bench.faults.half_writes.store(0, Ordering::SeqCst);
    for ticket in &tickets {
        settled(store, *ticket).unwrap();
    }
    store.close();
    assert_eq!(bench.count("session_refused") as u64, fits + 50);
    assert_eq!(store.stats().queued_bytes, 0);
    bench.records();
}

#[test]
fn appending_from_many_threads_leaves_nothing_out() {
    let append_many = |store: &Store| {
        for _ in 0..100 {
            let ticket = append(store).unwrap();
            settled(store, ticket).unwrap();
            let mut ticket = append_soon(store);
            let outcome = eventually("a settled record", || match ask(store, &mut ticket) {
                Poll::Ready(outcome) => Some(outcome),
                Poll::Pending => None,
            });
            outcome.unwrap();
        }
    };
    for durability in Durability::ALL {
        let bench = Bench::new(*durability);
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| append_many(&bench.store));
            }
        });
        bench.store.close();
        assert_eq!(bench.count("session_refused"), 1600);
        bench.records();
    }
}
