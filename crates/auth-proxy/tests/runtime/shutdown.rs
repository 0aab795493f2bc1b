//! How it ends.

use std::net::TcpStream;
use std::time::Duration;

use querycop_auth_proxy::Trigger;
use querycop_testkit::wait::eventually;

use crate::lab::PRIMARY;
use crate::proxy::{instance, settings, start};

#[test]
fn statuses_are_the_original_s() {
    for (trigger, zero, expected) in [
        (Trigger::Interrupt, false, 130),
        (Trigger::Terminate, false, 143),
        (Trigger::Terminate, true, 0),
        (Trigger::Interrupt, true, 130),
        (Trigger::Quit, false, 0),
    ] {
        let mut ending = settings([instance(PRIMARY)]);
        ending.shutdown.exit_zero_sigterm = zero;
        let proxy = start(ending);
        proxy.signal(trigger);
        assert_eq!(proxy.wait(), expected, "{trigger:?} {zero}");
    }
}

#[test]
fn the_delay_before_the_end_counts_with_a_zero_status_too() {
    let mut patient = settings([instance(PRIMARY)]);
    patient.shutdown.exit_zero_sigterm = true;
    patient.shutdown.min_sigterm_delay = Duration::from_mins(10);
    let proxy = start(patient);
    proxy.signal(Trigger::Terminate);
    proxy.wait_for_out("SIGTERM signal received. Shutting down...");
    assert_eq!(proxy.psql(0).query("SELECT 1"), "1");
    proxy.stop();
}

#[test]
fn connections_are_waited_for_and_new_ones_refused() {
    let mut draining = settings([instance(PRIMARY)]);
    draining.shutdown.max_sigterm_delay = Duration::from_mins(10);
    let proxy = start(draining);
    let port = proxy.port(0);
    let client = proxy.connect_through(0);
    proxy.signal(Trigger::Terminate);
    eventually("the port to be closed", || {
        TcpStream::connect(("127.0.0.1", port)).err()
    });
    drop(client);
    assert_eq!(proxy.wait(), 143);
}

#[test]
fn connections_that_stay_are_cut_and_make_the_status_one() {
    let mut draining = settings([instance(PRIMARY)]);
    draining.shutdown.max_sigterm_delay = Duration::from_millis(10);
    let proxy = start(draining);
    let _client = proxy.connect_through(0);
    proxy.signal(Trigger::Interrupt);
    proxy.wait_for_err("error during shutdown: 1 connection(s) still open after waiting 10ms");
    assert_eq!(proxy.wait(), 1);
}
