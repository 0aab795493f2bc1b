//! What a change of the log looks like to whoever verifies it.

use std::fs;
use std::path::Path;

use proptest::prelude::*;
use proptest::test_runner::TestCaseError;
use querycop_audit::{
    CHECKPOINTS_FILE, Checkpoint, Fault, KeyFiles, PublicKey, Report, SegmentName, SigningKey,
    Store, StoreConfig, VerifyConfig, verify,
};
use tempfile::TempDir;

use crate::records::append;

/// A log that was closed in good order: three segments, signed.
struct Log {
    directory: TempDir,
    public_key: PublicKey,
    /// The lines of each segment.
    segments: Vec<(SegmentName, Vec<Vec<u8>>)>,
}

/// A new key, in files of this directory.
pub(crate) fn keys(directory: &Path) -> (SigningKey, PublicKey) {
    let KeyFiles {
        private, public, ..
    } = SigningKey::generate().expect("a key");
    let write = |name: &str, text: &str| {
        let path = directory.join(name);
        fs::write(&path, text).expect("the key can be written");
        path
    };
    let signing = SigningKey::read(&write("key.pem", &private)).expect("a private key");
    let public = PublicKey::read(&write("public.pem", &public)).expect("a public key");
    (signing, public)
}

impl Log {
    fn new() -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        let (signing_key, public_key) = keys(directory.path());
        let mut config = StoreConfig::new(directory.path().join("audit"));
        config.signing_key = Some(signing_key);
        config.segment_bytes = 128 << 10;
        let (store, _) = Store::open(config).expect("the store opens");
        for number in 0..400 {
            let _ticket = append(&store, &format!("SELECT {number}")).expect("appended");
        }
        store.close();
        drop(store);
        let mut log = Self {
            directory,
            public_key,
            segments: Vec::new(),
        };
        for name in SegmentName::list(&log.path()).expect("segments") {
            let bytes = fs::read(name.path(&log.path())).expect("a segment");
            let lines = bytes.split_inclusive(|byte| *byte == b'\n');
            log.segments
                .push((name, lines.map(<[u8]>::to_vec).collect()));
        }
        assert!(log.segments.len() > 2, "{} segments", log.segments.len());
        log
    }

    fn path(&self) -> std::path::PathBuf {
        self.directory.path().join("audit")
    }

    fn verify(&self) -> Report {
        self.verify_with(|_| {})
    }

    fn verify_with(&self, change: impl FnOnce(&mut VerifyConfig)) -> Report {
        let mut config = VerifyConfig {
            directory: self.path(),
            public_keys: vec![self.public_key.clone()],
            ..VerifyConfig::default()
        };
        change(&mut config);
        verify(&config).expect("the log can be read")
    }

    fn checkpoints(&self) -> Vec<Checkpoint> {
        let text = fs::read_to_string(self.path().join(CHECKPOINTS_FILE)).expect("checkpoints");
        Checkpoint::read_all(&text).expect("checkpoints")
    }

    /// Writes a segment with other lines than it has.
    fn write(&self, segment: usize, lines: &[Vec<u8>]) {
        let path = self.segments[segment].0.path(&self.path());
        fs::write(path, lines.concat()).expect("the segment can be written");
    }

    fn restore(&self, segment: usize) {
        self.write(segment, &self.segments[segment].1);
    }
}

#[test]
fn a_log_that_nobody_changed_is_sound() {
    let log = Log::new();
    let report = log.verify_with(|config| config.checkpoints = log.checkpoints());
    assert_eq!(report.findings, []);
    let lines: usize = log.segments.iter().map(|(_, lines)| lines.len()).sum();
    assert_eq!(report.records, lines as u64);
    assert_eq!(report.first, Some(1));
    assert_eq!(report.last.unwrap().0, report.records);
    assert_eq!(report.segments, log.segments.len() as u64);
    // One at each rotation, and one at the end, which is the last record.
    assert_eq!(report.signed_checkpoints, report.segments);
    assert_eq!(report.matched_checkpoints, report.segments);
    assert_eq!(report.covered.unwrap().0, report.records - 1);
    assert_eq!(report.unproved().len(), 1);
}

/// Whether a finding is about this line, or the one that stands after it.
fn names(report: &Report, segment: SegmentName, line: usize) -> bool {
    report.findings.iter().any(|finding| {
        let found = usize::try_from(finding.line).expect("a line");
        finding.segment == Some(segment) && (found == line || found == line + 1)
    })
}

fn check(condition: bool, report: &Report) -> Result<(), TestCaseError> {
    prop_assert!(condition, "{:#?}", report.findings);
    Ok(())
}

#[test]
fn any_change_is_found_and_named() {
    let log = Log::new();
    let count = log.segments.len();
    let mut runner = proptest::test_runner::TestRunner::new(ProptestConfig::with_cases(400));
    let place = (
        0..count,
        any::<prop::sample::Index>(),
        any::<prop::sample::Index>(),
    );
    let change = (place, 0_usize..6, any::<u8>());
    runner
        .run(&change, |((segment, line, byte), what, value)| {
            let (name, lines) = &log.segments[segment];
            let line = line.index(lines.len());
            let mut changed = lines.clone();
            match what {
                0 | 1 => {
                    let byte = byte.index(changed[line].len());
                    prop_assume!(changed[line][byte] != value);
                    changed[line][byte] = value;
                }
                2 => drop(changed.remove(line)),
                3 => {
                    prop_assume!(line + 1 < lines.len());
                    changed.swap(line, line + 1);
                }
                4 => changed.insert(line, lines[line].clone()),
                _ => {
                    // Cut in the middle of a line.
                    let byte = byte.index(changed[line].len() - 1) + 1;
                    changed.truncate(line + 1);
                    changed[line].truncate(byte);
                }
            }
            log.write(segment, &changed);
            let report = log.verify();
            log.restore(segment);
            // Nothing follows the last line, a checkpoint. Without it, or under the name of a key that
            // nobody has given, the log is sound as far as another checkpoint speaks for it.
            let is_last = segment + 1 == count && line + 1 == lines.len();
            if is_last && (what == 2 || report.is_sound()) {
                return check(report.covered != log.verify().covered, &report);
            }
            check(!report.is_sound(), &report)?;
            // Where the last line of a segment is gone, the next segment tells.
            let next = log
                .segments
                .get(segment + 1)
                .map_or(*name, |(name, _)| *name);
            check(
                names(&report, *name, line + 1) || names(&report, next, 1),
                &report,
            )
        })
        .unwrap();
}

#[test]
fn a_changed_record_is_named_and_no_other() {
    let log = Log::new();
    let (name, lines) = &log.segments[1];
    let mut changed = lines.clone();
    let text = String::from_utf8(changed[17].clone()).unwrap();
    changed[17] = text.replace("alice", "mallo").into_bytes();
    log.write(1, &changed);
    let report = log.verify();
    let sequence = name.first + 17;
    let fault = Fault::Changed { sequence };
    assert_eq!(report.findings.len(), 1, "{:#?}", report.findings);
    assert_eq!(report.findings[0].fault, fault);
    assert_eq!(
        (report.findings[0].segment, report.findings[0].line),
        (Some(*name), 18)
    );

    // The same where what was changed is the link to the record before.
    let text = String::from_utf8(lines[17].clone()).unwrap();
    let prev = text.split("\"prev\":\"").nth(1).unwrap()[..64].to_owned();
    changed[17] = text.replace(&prev, &"0".repeat(64)).into_bytes();
    log.write(1, &changed);
    let report = log.verify();
    assert_eq!(report.findings.len(), 1, "{:#?}", report.findings);
    assert_eq!(report.findings[0].fault, fault);
}

#[test]
fn segments_that_are_gone_or_doubled_are_found() {
    let log = Log::new();
    let (first, second) = (log.segments[0].0, log.segments[1].0);
    let path = |name: SegmentName| name.path(&log.path());
    // The first.
    fs::rename(path(first), log.directory.path().join("away")).unwrap();
    let report = log.verify();
    let missing = Fault::Missing {
        first: 1,
        last: second.first - 1,
    };
    assert_eq!(report.findings[0].fault, missing);
    fs::rename(log.directory.path().join("away"), path(first)).unwrap();
    // One in the middle.
    fs::rename(path(second), log.directory.path().join("away")).unwrap();
    let report = log.verify();
    assert_eq!(report.findings[0].segment, Some(log.segments[2].0));
    let missing = Fault::Missing {
        first: second.first,
        last: log.segments[2].0.first - 1,
    };
    assert_eq!(report.findings[0].fault, missing);
    fs::rename(log.directory.path().join("away"), path(second)).unwrap();
    // One under the name of another.
    let double = SegmentName {
        first: second.first + 1,
    };
    fs::copy(path(second), path(double)).unwrap();
    assert!(!log.verify().is_sound());
    fs::remove_file(path(double)).unwrap();
    // The last: checkpoints tell, those that lie beside the log too.
    let (last, _) = log.segments.last().unwrap();
    fs::remove_file(path(*last)).unwrap();
    let kept = log.checkpoints();
    let is_cut_back = |report: &Report| matches!(report.findings[..], [ref finding] if matches!(finding.fault, Fault::CutBack { .. }));
    assert!(is_cut_back(&log.verify()));
    assert!(is_cut_back(
        &log.verify_with(|config| config.checkpoints.clone_from(&kept))
    ));
    // Without those beside it only what was kept elsewhere tells; what never ends is none.
    let beside = log.path().join(CHECKPOINTS_FILE);
    fs::remove_file(&beside).unwrap();
    assert_eq!(log.verify().findings, []);
    std::os::unix::fs::symlink("/dev/zero", &beside).unwrap();
    assert_eq!(log.verify().findings, []);
    assert!(is_cut_back(
        &log.verify_with(|config| config.checkpoints = kept)
    ));
}

#[test]
fn a_log_that_was_written_anew_needs_the_key() {
    let log = Log::new();
    // The same records but for one name, with right hashes all along: without a key that is a log.
    let lines: Vec<_> = log.segments.iter().flat_map(|(_, lines)| lines).collect();
    let mut prev = "0".repeat(64);
    let mut forged = Vec::new();
    for (index, line) in lines.iter().enumerate() {
        let text = std::str::from_utf8(line).unwrap().trim_end();
        let own = text.split("\"prev\":\"").nth(1).unwrap()[..64].to_owned();
        let mut text = text.replacen(&own, &prev, 1);
        if index == 5 {
            text = text.replace("alice", "mallo");
        }
        prev = sha256(&text);
        forged.push((text + "\n").into_bytes());
    }
    let mut at = 0;
    for (segment, (_, lines)) in log.segments.iter().enumerate() {
        log.write(segment, &forged[at..at + lines.len()]);
        at += lines.len();
    }
    let report = log.verify_with(|config| config.public_keys.clear());
    assert_eq!(report.findings, []);
    assert_eq!(report.covered, None);
    assert!(report.unproved()[0].contains("--public-key"));
    let report = log.verify();
    assert!(matches!(
        report.findings[0].fault,
        Fault::BadSignature { .. }
    ));
    assert!(
        report
            .findings
            .iter()
            .any(|finding| finding.fault == Fault::NoCheckpoint)
    );
    // Without the key, but with the checkpoints: the records are not those that were covered.
    let report = log.verify_with(|config| {
        config.public_keys.clear();
        config.checkpoints = log.checkpoints();
    });
    assert!(matches!(report.findings[0].fault, Fault::Rewritten { .. }));
}

fn sha256(text: &str) -> String {
    use std::fmt::Write;

    use aws_lc_rs::digest::{SHA256, digest};
    let digest = digest(&SHA256, text.as_bytes());
    let mut digits = String::new();
    for byte in digest.as_ref() {
        write!(digits, "{byte:02x}").expect("a string takes all");
    }
    digits
}

#[test]
fn segments_may_be_put_away_up_to_a_checkpoint() {
    let log = Log::new();
    let checkpoints = log.checkpoints();
    fs::remove_file(log.segments[0].0.path(&log.path())).unwrap();
    let from = |covers| {
        log.verify_with(|config| {
            config.checkpoints.clone_from(&checkpoints);
            config.from_checkpoint = Some(covers);
        })
    };
    // The last two records of the segment that is gone: what the checkpoint covers, and itself.
    let report = from(checkpoints[0].covers);
    assert_eq!(report.findings, []);
    assert_eq!(report.first, Some(checkpoints[0].covers + 2));
    // With one segment more gone, the same checkpoint is not enough.
    fs::remove_file(log.segments[1].0.path(&log.path())).unwrap();
    assert!(!from(checkpoints[0].covers).is_sound());
    assert_eq!(from(checkpoints[1].covers).findings, []);
    let unknown = verify(&VerifyConfig {
        directory: log.path(),
        checkpoints,
        from_checkpoint: Some(3),
        ..VerifyConfig::default()
    });
    unknown.unwrap_err();
}

#[test]
fn an_empty_directory_is_no_log() {
    let directory = tempfile::tempdir().unwrap();
    let report = verify(&VerifyConfig {
        directory: directory.path().to_path_buf(),
        ..VerifyConfig::default()
    });
    assert_eq!(report.unwrap().findings[0].fault, Fault::Empty);
}

#[test]
fn what_is_no_file_is_no_segment() {
    let directory = tempfile::tempdir().unwrap();
    let segment = SegmentName { first: 1 }.path(directory.path());
    // It would be read for ever.
    std::os::unix::fs::symlink("/dev/zero", &segment).unwrap();
    let outcome = verify(&VerifyConfig {
        directory: directory.path().to_path_buf(),
        ..VerifyConfig::default()
    });
    outcome.unwrap_err();
    assert!(Store::open(StoreConfig::new(directory.path())).is_err());
}
