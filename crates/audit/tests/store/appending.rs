//! What is appended is in the segments.

use querycop_audit::{Durability, Health, Recovery, Store, StoreConfig};

use crate::records::{append, lines};

#[test]
fn a_record_is_a_line_that_names_all_there_is_to_know() {
    let directory = tempfile::tempdir().unwrap();
    let (store, recovery) = Store::open(StoreConfig::new(directory.path())).unwrap();
    assert_eq!(
        recovery,
        Recovery {
            next: 2,
            ..Recovery::default()
        }
    );
    let _ticket = append(&store, "UPDATE pgbench_accounts SET abalance = ?").unwrap();
    let lines = lines(directory.path());
    assert_eq!(lines.len(), 2);
    assert_eq!(lines[0]["event"], "segment_began");
    let line = &lines[1];
    assert_eq!(line["sequence"], 2);
    assert_eq!(line["event"], "statement");
    assert_eq!(line["user"], "alice");
    assert_eq!(line["kind"], "update");
    assert_eq!(line["tables"][0], "public.pgbench_accounts");
    assert_eq!(line["rule"], "default");
    assert_eq!(line["outcome"], "completed");
    assert_eq!(line["tag"], "UPDATE 1");
    assert_eq!(line["duration_us"], 350);
    assert_eq!(
        line["effects"][0],
        "update relation public.pgbench_accounts (abalance) filter=given"
    );
    assert_eq!(store.health(), Health::Good);
}

#[test]
fn a_log_goes_on_where_it_ended() {
    let directory = tempfile::tempdir().unwrap();
    for durability in [Durability::Written, Durability::Synced, Durability::Queued] {
        let mut config = StoreConfig::new(directory.path());
        config.durability = durability;
        let (store, recovery) = Store::open(config).unwrap();
        assert_eq!(recovery.cuts, []);
        assert_eq!(recovery.damage, None);
        for number in 0..10 {
            let _ticket = append(&store, &format!("SELECT {number}")).unwrap();
        }
        store.close();
        append(&store, "too late").unwrap_err();
    }
    let lines = lines(directory.path());
    let sequences: Vec<_> = lines
        .iter()
        .map(|line| line["sequence"].as_u64().unwrap())
        .collect();
    assert_eq!(sequences, (1..=31).collect::<Vec<_>>());
}

#[test]
fn a_directory_has_one_writer() {
    let directory = tempfile::tempdir().unwrap();
    let (store, _) = Store::open(StoreConfig::new(directory.path())).unwrap();
    Store::open(StoreConfig::new(directory.path())).unwrap_err();
    drop(store);
    Store::open(StoreConfig::new(directory.path())).unwrap();
}
