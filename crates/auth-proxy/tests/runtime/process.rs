//! What concerns a process: its log's formats.

use querycop_auth_proxy::Logging;

use crate::lab::{APP_TOKEN, GONE, PRIMARY};
use crate::proxy::{instance, settings, start};

#[test]
fn a_quiet_structured_log_has_structured_errors_alone() {
    let mut quiet = settings([instance(GONE)]);
    quiet.logging = Logging {
        structured: true,
        quiet: true,
        debug: false,
    };
    let proxy = start(quiet);
    proxy.psql(0).run("SELECT 1").expect_failure();
    proxy.wait_for_err("failed to connect to instance");
    assert_eq!(proxy.out(), "");
    for line in proxy.err().lines() {
        assert!(line.starts_with("{\"timestamp\":\"2"), "{line}");
        assert!(
            line.contains("\"severity\":\"ERROR\",\"message\":\"[p.l.c.gone] "),
            "{line}"
        );
    }
    proxy.stop();
}

#[test]
fn notices_come_first() {
    let mut noticed = settings([instance(PRIMARY)]);
    noticed.notices = vec!["Ignoring --http-port".to_owned()];
    let proxy = start(noticed);
    let out = proxy.out();
    let first = out.lines().next().expect("it has lines");
    assert!(first.ends_with(" Ignoring --http-port"), "{out}");
    proxy.stop();
}

#[test]
fn a_debug_log_tells_of_dials() {
    let mut talkative = settings([instance(PRIMARY)]);
    talkative.logging.debug = true;
    let proxy = start(talkative);
    proxy.psql(0).query("SELECT 1");
    let out = proxy.out();
    assert!(out.contains("[p.l.c.primary] dialing projects/p/"), "{out}");
    assert!(
        out.contains(":5433 in ") && out.contains(", certificate expires at 2"),
        "{out}"
    );
    assert!(!out.contains(APP_TOKEN), "{out}");
    proxy.stop();
}
