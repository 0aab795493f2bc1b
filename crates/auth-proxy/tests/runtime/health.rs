//! Probes.

use querycop_auth_proxy::{FailedInstance, Trigger};
use std::time::Duration;

use crate::lab::{GONE, PRIMARY};
use crate::proxy::{instance, settings, start};

#[test]
fn probes_get_the_original_s_answers() {
    let mut healthy = settings([instance(PRIMARY)]);
    healthy.http.health_check = true;
    healthy.max_connections = 1;
    let proxy = start(healthy);
    for path in ["/startup", "/readiness", "/liveness"] {
        assert_eq!(proxy.get(path), (200, "ok".to_owned()), "{path}");
    }
    assert_eq!(proxy.get("/other").0, 404);
    assert_eq!(proxy.get("/metrics").0, 404, "it was not asked for");

    let client = proxy.connect(0);
    proxy.wait_for_out("accepted connection");
    let full = "max connections reached (open = 1, max = 1)";
    assert_eq!(proxy.get("/readiness"), (503, full.to_owned()));
    proxy.wait_for_err(&format!("[Health Check] Readiness failed: {full}"));
    assert_eq!(proxy.get("/liveness").0, 200);
    drop(client);
    proxy.stop();
}

#[test]
fn a_backend_check_dials_every_instance() {
    let mut checked = settings([instance(PRIMARY), instance(GONE)]);
    checked.http.health_check = true;
    checked.http.with_backend_check = true;
    let proxy = start(checked);
    let (status, body) = proxy.get("/startup");
    assert_eq!(status, 503);
    assert!(body.contains("[p.l.c.gone] "), "{body}");
    assert!(!body.contains("[p.l.c.primary]"), "{body}");
    proxy.stop();

    let mut checked = settings([instance(PRIMARY)]);
    checked.http.health_check = true;
    checked.http.with_backend_check = true;
    let proxy = start(checked);
    assert_eq!(proxy.get("/startup"), (200, "ok".to_owned()));
    proxy.stop();
}

#[test]
fn readiness_turns_at_the_signal_if_that_is_wanted() {
    for (at_signal, expected) in [(false, 200), (true, 503)] {
        let mut patient = settings([instance(PRIMARY)]);
        patient.http.health_check = true;
        patient.shutdown.min_sigterm_delay = Duration::from_mins(10);
        patient.shutdown.fail_readiness_on_term = at_signal;
        let proxy = start(patient);
        proxy.signal(Trigger::Terminate);
        proxy.wait_for_out("SIGTERM signal received. Shutting down...");
        assert_eq!(proxy.get("/readiness").0, expected);
        assert_eq!(proxy.get("/startup").0, 200);
        assert_eq!(proxy.psql(0).query("SELECT 1"), "1", "everything goes on");
        assert_eq!(proxy.stop(), 143, "the second signal ends it at once");
    }
}

#[test]
fn a_skipped_instance_is_reported() {
    let mut broken = instance(PRIMARY);
    broken.bind = querycop_auth_proxy::Bind::Tcp {
        address: [127, 0, 0, 1].into(),
        port: 70_000,
    };
    let mut skipping = settings([broken, instance(PRIMARY)]);
    skipping.failed_instance = FailedInstance::IsSkipped;
    skipping.http.health_check = true;
    let proxy = start(skipping);
    let (status, body) = proxy.get("/readiness");
    assert_eq!(status, 200, "the others are served");
    let expected =
        "ok\nskipped p.l.c.primary: [p.l.c.primary] Unable to mount socket: 70000 is no port";
    assert!(body.starts_with(expected), "{body}");
    proxy.wait_for_err("instance skipped: [p.l.c.primary] Unable to mount socket");
    assert_eq!(proxy.psql(0).query("SELECT 1"), "1");
    proxy.stop();
}
