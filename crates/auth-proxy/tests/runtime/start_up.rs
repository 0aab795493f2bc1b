//! The check before clients are served.

use std::time::Duration;

use alloydb_emulator::{ApiFailure, ApiMethod, Fault};
use querycop_auth_proxy::{Hooks, StartUpCheck};

use crate::lab::{GONE, LATE, PRIMARY, lab, uri};
use crate::proxy::{instance, settings, start, try_start};

#[test]
fn a_test_that_passes_is_told() {
    let mut tested = settings([instance(PRIMARY)]);
    tested.start_up_check = StartUpCheck::Once;
    let proxy = start(tested);
    let out = proxy.out();
    let order = [
        "ready for new connections",
        "Connection test started",
        "Connection test passed",
    ];
    let positions: Vec<_> = order.iter().map(|part| out.find(part)).collect();
    assert!(
        positions.iter().all(Option::is_some) && positions.is_sorted(),
        "{out}"
    );
    proxy.stop();
}

#[test]
fn a_test_that_fails_ends_the_start() {
    let mut tested = settings([instance(GONE), instance(PRIMARY)]);
    tested.start_up_check = StartUpCheck::Once;
    let error = try_start(tested, Hooks::default())
        .err()
        .expect("nobody is there");
    assert!(
        error.starts_with("[p.l.c.gone] ") && !error.contains("primary"),
        "{error}"
    );
}

#[test]
fn a_check_is_tried_again_until_it_passes() {
    let unavailable = Fault::Api {
        method: Some(ApiMethod::ConnectionInfo),
        failure: ApiFailure::Status {
            code: 403,
            retry_after: None,
            message: Some("not yet".to_owned()),
        },
    };
    lab().emulator.inject(unavailable.on(uri(LATE)).times(1));
    let mut tested = settings([instance(LATE)]);
    tested.start_up_check = StartUpCheck::Retry {
        timeout: Duration::from_mins(10),
    };
    let proxy = start(tested);
    let out = proxy.out();
    let passed = out.find("Connection test passed");
    assert!(
        passed.is_some() && passed < out.find("ready for new connections"),
        "{out}"
    );
    proxy.stop();
}

#[test]
fn a_check_that_never_passes_ends_the_start() {
    let mut tested = settings([instance(GONE)]);
    tested.start_up_check = StartUpCheck::Retry {
        timeout: Duration::from_millis(1),
    };
    try_start(tested, Hooks::default())
        .err()
        .expect("nobody is there");
}
