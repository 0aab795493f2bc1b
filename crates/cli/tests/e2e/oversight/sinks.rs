//! Where records go beside the store.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use querycop_testkit::collector::Collector;
use querycop_testkit::gateway::Signal;
use querycop_testkit::wait::eventually;

use super::*;
use crate::setup::counter;

/// An attribute's text.
fn attribute<'r>(record: &'r Value, key: &str) -> &'r Value {
    let attributes = record["attributes"].as_array().expect("attributes");
    let found = attributes.iter().find(|attribute| attribute["key"] == key);
    found.map_or(&Value::Null, |attribute| &attribute["value"]["stringValue"])
}

#[test]
fn standard_output_gets_every_line_of_the_log() {
    let overseen = Overseen::with(NO_DELETES, |builder| {
        builder.env("GATEKEEPER_AUDIT_STDOUT", "true")
    });
    overseen.client().query("select 'one'");
    overseen.gateway.signal(Signal::TERM);
    assert!(overseen.gateway.wait().success());
    let lines = overseen.gateway.stdout();
    let lines: Vec<Value> = lines
        .lines()
        .map(|line| serde_json::from_str(line).expect("each line is an object"))
        .collect();
    let recorded = records(&overseen.audit());
    // What is recorded before there are sinks, that the log was begun, is in the store alone.
    assert!(recorded.ends_with(&lines), "{lines:?}");
    for event in ["session_began", "statement", "session_ended"] {
        assert!(
            lines.iter().any(|line| line["event"] == event),
            "{event} in {lines:?}"
        );
    }
}

#[test]
fn a_collector_that_was_away_gets_what_it_missed() {
    let away = Arc::new(AtomicBool::new(true));
    let collector = Collector::start({
        let away = Arc::clone(&away);
        move |_| {
            if away.load(Ordering::Relaxed) {
                503
            } else {
                200
            }
        }
    });
    let overseen = Overseen::with(NO_DELETES, |builder| {
        builder
            .env("GATEKEEPER_AUDIT_OTLP_ENDPOINT", collector.endpoint())
            .env("GATEKEEPER_AUDIT_OTLP_HEADERS", "authorization=Bearer%20t")
    });
    let mut client = overseen.client();
    client.query("delete from nothing where true");
    eventually("a failure", || {
        let failures = counter(
            &overseen.gateway,
            "querycop_audit_sink_failures_total{sink=\"otlp\"}",
        );
        (failures > 0).then_some(())
    });
    away.store(false, Ordering::Relaxed);
    let record = collector.record(|record| record["eventName"] == "querycop.statement");
    assert_eq!(record["severityText"], "WARN");
    assert_eq!(attribute(&record, "querycop.outcome"), "denied");
    assert_eq!(attribute(&record, "db.operation.name"), "delete");
    overseen.gateway.signal(Signal::TERM);
    assert!(overseen.gateway.wait().success());
    let _ = collector.record(|record| record["eventName"] == "querycop.session_ended");
}

#[test]
fn a_collector_that_is_none_is_a_mistake_in_the_settings() {
    let directory = temporary_directory();
    let output = before(&SERVER, "disable")
        .env("GATEKEEPER_AUDIT_DIR", directory.path().display())
        .env("GATEKEEPER_AUDIT_OTLP_ENDPOINT", "localhost:4317")
        .env("GATEKEEPER_AUDIT_OTLP_HEADERS", "authorization")
        .start_expecting_failure();
    assert_eq!(output.status.code(), Some(78), "{output}");
    for part in [
        "GATEKEEPER_AUDIT_OTLP_HEADERS",
        "NAME=VALUE",
        "is no URL of a collector",
    ] {
        assert!(output.stderr.contains(part), "{part}: {output}");
    }
}
