//! What sinks get.

use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use querycop_audit::{
    Begin, Feed, FeedStats, OtlpConfig, OtlpSink, Sink, SinkError, Store, StoreConfig, otlp_headers,
};
use querycop_testkit::collector::Collector;
use querycop_testkit::wait::{DEADLINE, eventually};
use serde_json::Value;

use crate::records::append;

fn open(directory: &Path) -> Arc<Store> {
    let mut config = StoreConfig::new(directory);
    config.segment_bytes = 128 << 10;
    Store::open(config).expect("the store opens").0
}

fn append_many(store: &Store, count: u64) {
    for number in 0..count {
        let _ticket = append(store, &format!("SELECT {number}")).expect("appended");
    }
}

/// A sink that keeps what it gets.
#[derive(Clone, Default)]
struct Kept(Arc<Mutex<Vec<u8>>>);

impl Sink for Kept {
    fn deliver(&mut self, lines: &[u8]) -> Result<(), SinkError> {
        self.0
            .lock()
            .expect("not poisoned")
            .extend_from_slice(lines);
        Ok(())
    }
}

impl Kept {
    fn sequences(&self) -> Vec<u64> {
        let text = String::from_utf8(self.0.lock().expect("not poisoned").clone()).expect("UTF-8");
        let sequence = |line: &str| {
            let line: Value = serde_json::from_str(line).expect("a line is JSON");
            line["sequence"].as_u64().expect("a number")
        };
        text.lines().map(sequence).collect()
    }
}

#[test]
fn a_sink_gets_every_record_over_all_segments() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(directory.path());
    append_many(&store, 10);
    let kept = Kept::default();
    let feed = Feed::start(&store, "kept", Begin::Now, Box::new(kept.clone())).unwrap();
    append_many(&store, 500);
    store.close();
    feed.stop(DEADLINE);
    let last = store.last_sequence();
    assert!(store.stats().segments > 2);
    // Its beginning is what was there when it was started.
    assert_eq!(kept.sequences(), (12..=last).collect::<Vec<_>>());
    let stats = feed.stats();
    assert_eq!((stats.lag, stats.failures), (0, 0));
    assert_eq!(stats.delivered, last - 11);
}

#[test]
fn a_feed_goes_on_where_it_ended() {
    let directory = tempfile::tempdir().unwrap();
    let kept = Kept::default();
    for _ in 0..3 {
        let store = open(directory.path());
        append_many(&store, 200);
        let feed = Feed::start(&store, "kept", Begin::WhereItEnded, Box::new(kept.clone()));
        append_many(&store, 100);
        store.close();
        feed.unwrap().stop(DEADLINE);
    }
    let sequences = kept.sequences();
    assert_eq!(sequences, (1..=sequences.len() as u64).collect::<Vec<_>>());
    assert!(sequences.len() > 900);
}

fn sink(collector: &Collector) -> Box<dyn Sink> {
    let config = OtlpConfig {
        endpoint: collector.endpoint().to_owned(),
        instance: "gate-1".to_owned(),
        version: "0.1.0".to_owned(),
        headers: otlp_headers("authorization=Bearer%20t").expect("headers"),
    };
    Box::new(OtlpSink::new(&config).expect("a sink"))
}

fn sequence(record: &Value) -> u64 {
    let line: Value = serde_json::from_str(record["body"]["stringValue"].as_str().expect("a line"))
        .expect("the body is a line of the log");
    line["sequence"].as_u64().expect("a number")
}

fn attribute<'r>(record: &'r Value, key: &str) -> &'r Value {
    let attributes = record["attributes"].as_array().expect("attributes");
    let found = attributes.iter().find(|attribute| attribute["key"] == key);
    &found.expect("the attribute is there")["value"]
}

#[test]
fn a_collector_gets_records_in_the_words_of_opentelemetry() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(directory.path());
    let collector = Collector::start(|_| 200);
    let feed = Feed::start(&store, "otlp", Begin::WhereItEnded, sink(&collector)).unwrap();
    let _ticket = append(&store, "SELECT ?").unwrap();
    let records = collector.records(2);
    let record = &records[1];
    assert_eq!(sequence(record), 2);
    assert_eq!(record["eventName"], "querycop.statement");
    assert_eq!(record["severityText"], "INFO");
    assert_eq!(
        attribute(record, "db.query.text")["stringValue"],
        "SELECT ?"
    );
    assert_eq!(attribute(record, "db.namespace")["stringValue"], "shop");
    assert_eq!(attribute(record, "user.name")["stringValue"], "alice");
    assert_eq!(attribute(record, "client.port")["intValue"], "50000");
    assert_eq!(attribute(record, "querycop.rule")["stringValue"], "default");
    assert_eq!(
        attribute(record, "db.collection.name")["stringValue"],
        "public.pgbench_accounts"
    );
    store.close();
    feed.stop(DEADLINE);
}

#[test]
fn a_collector_that_is_away_gets_all_when_it_is_back() {
    let directory = tempfile::tempdir().unwrap();
    let mut asked = 0;
    let collector = Collector::start(move |_| {
        asked += 1;
        if asked <= 2 { 503 } else { 200 }
    });
    let store = open(directory.path());
    append_many(&store, 700);
    let feed = Feed::start(&store, "otlp", Begin::WhereItEnded, sink(&collector)).unwrap();
    let first = collector.records(700);
    assert_eq!(feed.stats().failures, 2);
    store.close();
    feed.stop(DEADLINE);
    drop((feed, store));
    // The next process goes on behind them.
    let store = open(directory.path());
    let feed = Feed::start(&store, "otlp", Begin::WhereItEnded, sink(&collector)).unwrap();
    append_many(&store, 50);
    let last = store.last_sequence();
    let second = collector.records(usize::try_from(last).unwrap() - first.len());
    let sequences: Vec<_> = first.iter().chain(&second).map(sequence).collect();
    assert_eq!(sequences, (1..=last).collect::<Vec<_>>());
    eventually("no lag", || (feed.stats().lag == 0).then_some(()));
    store.close();
    feed.stop(DEADLINE);
}

#[test]
fn a_record_that_a_collector_refuses_holds_up_no_other() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(directory.path());
    append_many(&store, 99);
    let collector = Collector::start(|body| {
        if body.to_string().contains("SELECT 42") {
            400
        } else {
            200
        }
    });
    let feed = Feed::start(&store, "otlp", Begin::WhereItEnded, sink(&collector)).unwrap();
    let records = collector.records(99);
    let sequences: Vec<_> = records.iter().map(sequence).collect();
    assert_eq!(
        sequences,
        (1..=100).filter(|one| *one != 44).collect::<Vec<_>>()
    );
    let stats = eventually("the counters", || {
        let stats = feed.stats();
        (stats.delivered == 100).then_some(stats)
    });
    let expected = FeedStats {
        delivered: 100,
        refused: 1,
        ..FeedStats::default()
    };
    assert_eq!(stats, expected);
}

#[test]
fn a_sink_that_takes_nothing_does_not_hold_up_the_end() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(directory.path());
    append_many(&store, 3);
    let collector = Collector::start(|_| 503);
    let feed = Feed::start(&store, "otlp", Begin::WhereItEnded, sink(&collector)).unwrap();
    eventually("a failure", || (feed.stats().failures > 0).then_some(()));
    assert_eq!(feed.stats().lag, 4);
    assert_eq!(
        feed.stats().trouble.as_deref(),
        Some("the collector answers 503 Service Unavailable")
    );
    store.close();
    feed.stop(Duration::from_millis(1));
}
