//! A real disk that is full.

use std::io::Write;
use std::path::Path;
use std::process::Command;

use querycop_audit::{Health, Record, Reservation, Store, StoreConfig, VerifyConfig, verify};
use querycop_testkit::wait::eventually;

use crate::child::{self, TestChild};
use crate::records::{append, decision, record, session, statement};

/// Words that run a program where it may mount a file system for itself.
const ALONE: &[&str] = &["unshare", "--mount", "--map-root-user"];

/// The child, which has a disk of 4 MiB.
#[test]
fn child_fills_its_disk() {
    let Some(directory) = child::argument() else {
        return;
    };
    let mounted = Command::new("mount")
        .args(["-t", "tmpfs", "-o", "size=4m", "tmpfs", &directory])
        .status();
    assert!(mounted.expect("mount runs").success());
    let directory = Path::new(&directory);
    let (store, _) = Store::open(StoreConfig::new(directory.join("audit"))).expect("opens");
    let (session, statement, decision) = (session(), statement("SELECT"), decision());
    let room = Record::room(Some(&session), Some(&statement), None);
    let mut records = 1;
    // Two sessions keep the room of their last statement for the next, another takes it anew.
    let mut kept = [const { None }; 2];
    let refused = 'full: loop {
        for kept in &mut kept {
            let held: Option<Reservation> = kept.take();
            let reservation = match held {
                Some(held) => store.renew(held, room),
                None => store.reserve(room),
            };
            let reservation = match reservation {
                Ok(reservation) => reservation,
                Err(refused) => break 'full refused,
            };
            let record = record(&session, &statement, &decision);
            let _ticket = store
                .append_soon(&reservation, &record)
                .expect("what is reserved fits");
            store.write_left();
            records += 1;
            *kept = Some(reservation);
        }
        match store.reserve(room) {
            Ok(reservation) => {
                let record = record(&session, &statement, &decision);
                let _ticket = store
                    .append(reservation, &record)
                    .expect("what is reserved fits");
                records += 1;
            }
            Err(refused) => break refused,
        }
    };
    assert_eq!(store.stats().failed, 0);
    drop(kept);
    assert!(records > 1000, "{records}");
    let cause = std::error::Error::source(&refused).expect("a cause");
    let cause = std::error::Error::source(cause).expect("the system's cause");
    assert!(cause.to_string().contains("No space left"), "{cause}");
    assert!(matches!(store.health(), Health::Failing { .. }));
    // Nobody makes room for us, so the log is put elsewhere, but for the segment in use.
    let mut config = VerifyConfig {
        directory: directory.join("audit"),
        ..VerifyConfig::default()
    };
    assert_eq!(verify(&config).expect("readable").records, records);
    let bigger = Command::new("mount")
        .args(["-o", "remount,size=8m"])
        .arg(directory)
        .status();
    assert!(bigger.expect("mount runs").success());
    let _ = eventually("room", || store.reserve(room).ok());
    assert_eq!(store.health(), Health::Good);
    let _ticket = append(&store, "SELECT again").expect("appended");
    store.close();
    drop(store);
    config.directory = directory.join("audit");
    let report = verify(&config).expect("readable");
    assert_eq!(report.findings, []);
    assert_eq!(report.records, records + 1);
    let _ = std::io::stdout().write_all(b"done\n");
}

#[test]
fn a_disk_that_is_full_refuses_statements_until_there_is_room() {
    let allowed = Command::new(ALONE[0])
        .args(&ALONE[1..])
        .arg("true")
        .status();
    if !allowed.is_ok_and(|status| status.success()) {
        // A container without the right to: the disk that the unit tests play has to do.
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().display().to_string();
    let mut child = TestChild::start(ALONE, "full::child_fills_its_disk", &path);
    let done = child
        .lines
        .by_ref()
        .any(|line| line.unwrap().ends_with("done"));
    assert!(done, "the child says what went wrong");
    assert!(child.succeeds());
}
