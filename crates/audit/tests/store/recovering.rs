//! What is found when a store is opened again.

use std::fs::{self, OpenOptions};
use std::os::unix::fs::FileExt;
use std::path::Path;

use querycop_audit::{
    Fault, Recovery, Report, SegmentName, Store, StoreConfig, VerifyConfig, verify,
};
use tempfile::TempDir;

use crate::records::{append, lines};

/// A log of some records whose gateway was killed.
fn log(records: u64) -> TempDir {
    let directory = tempfile::tempdir().expect("a directory");
    let (store, _) = Store::open(StoreConfig::new(directory.path())).expect("the store opens");
    for number in 0..records {
        let _ticket = append(&store, &format!("SELECT {number}")).expect("appended");
    }
    directory
}

fn only_segment(directory: &Path) -> std::path::PathBuf {
    let names = SegmentName::list(directory).expect("segments");
    assert_eq!(names.len(), 1);
    names[0].path(directory)
}

fn reopen(directory: &Path) -> Recovery {
    let (store, recovery) = Store::open(StoreConfig::new(directory)).expect("the store opens");
    let _ticket = append(&store, "SELECT 'again'").expect("appended");
    recovery
}

fn report(directory: &Path) -> Report {
    let config = VerifyConfig {
        directory: directory.to_path_buf(),
        ..VerifyConfig::default()
    };
    verify(&config).expect("the log can be read")
}

#[test]
fn half_a_record_is_cut_wherever_it_was_torn() {
    let directory = log(2);
    let path = only_segment(directory.path());
    let whole = fs::read(&path).unwrap();
    let last_line = whole[..whole.len() - 1]
        .iter()
        .rposition(|byte| *byte == b'\n')
        .unwrap()
        + 1;
    for length in last_line + 1..whole.len() {
        fs::write(&path, &whole[..length]).unwrap();
        let recovery = reopen(directory.path());
        assert_eq!(recovery.cuts.len(), 1);
        assert_eq!(recovery.cuts[0].bytes, (length - last_line) as u64);
        let lines = lines(directory.path());
        assert_eq!(lines.len(), 4);
        assert_eq!(lines[2]["event"], "recovered");
        assert_eq!(lines[2]["cut_bytes"], recovery.cuts[0].bytes);
        assert_eq!(lines[2]["cut_hash"], *recovery.cuts[0].hash);
        assert_eq!(report(directory.path()).findings, []);
    }
}

#[test]
fn zeros_behind_the_end_are_cut() {
    let directory = log(2);
    let path = only_segment(directory.path());
    // Longer than a record, as a power loss may leave what was allocated.
    OpenOptions::new()
        .append(true)
        .open(&path)
        .unwrap()
        .set_len(300_000)
        .unwrap();
    assert!(!report(directory.path()).is_sound());
    let recovery = reopen(directory.path());
    assert_eq!(recovery.cuts.len(), 1);
    assert_eq!(recovery.damage, None);
    assert_eq!(report(directory.path()).findings, []);
    assert_eq!(lines(directory.path()).len(), 5);
}

#[test]
fn a_last_line_of_garbage_is_cut() {
    let directory = log(2);
    let path = only_segment(directory.path());
    let length = fs::metadata(&path).unwrap().len();
    // A page that never came to the disk, in the middle of the last line.
    let file = OpenOptions::new().write(true).open(&path).unwrap();
    file.write_all_at(&[0; 100], length - 200).unwrap();
    let recovery = reopen(directory.path());
    assert_eq!(recovery.cuts.len(), 1);
    assert_eq!(report(directory.path()).findings, []);
    assert_eq!(lines(directory.path()).len(), 4);
}

#[test]
fn a_segment_without_a_record_is_taken_away() {
    let directory = log(2);
    let next = SegmentName { first: 4 }.path(directory.path());
    for begun in [&b""[..], b"{\"sequence\":4,\"prev\":\"00"] {
        fs::write(&next, begun).unwrap();
        let (store, recovery) = Store::open(StoreConfig::new(directory.path())).unwrap();
        assert_eq!(recovery.cuts.len(), usize::from(!begun.is_empty()));
        store.close();
        assert!(!next.exists());
        assert_eq!(report(directory.path()).findings, []);
    }
    // The very first one too.
    let directory = tempfile::tempdir().unwrap();
    fs::write(SegmentName { first: 1 }.path(directory.path()), b"{\"seq").unwrap();
    assert_eq!(reopen(directory.path()).cuts.len(), 1);
    assert_eq!(report(directory.path()).findings, []);
}

#[test]
fn a_segment_that_was_changed_is_kept_as_it_is() {
    let directory = log(10);
    let path = only_segment(directory.path());
    let changed = fs::read_to_string(&path)
        .unwrap()
        .replace("SELECT 4", "SELECT 5");
    fs::write(&path, &changed).unwrap();
    let recovery = reopen(directory.path());
    let damage = recovery.damage.unwrap();
    // The line after the one that was changed is the first that doesn't fit.
    assert_eq!(
        (damage.line, damage.what),
        (7, "the record before it was changed")
    );
    assert_eq!(fs::read_to_string(&path).unwrap(), changed);
    let lines = lines(directory.path());
    assert_eq!(lines[11]["event"], "segment_began");
    assert_eq!(lines[11]["sequence"], 12);
    assert_eq!(lines[12]["damaged_line"], 7);
    // Verifying finds that and nothing else.
    let findings = report(directory.path()).findings;
    assert_eq!(findings.len(), 1, "{findings:#?}");
    assert_eq!(findings[0].fault, Fault::Changed { sequence: 6 });
    // The next time the log is opened, that is the past.
    assert_eq!(reopen(directory.path()).damage, None);
}
