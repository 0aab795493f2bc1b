//! The operator's endpoints.

use querycop_auth_proxy::Hooks;

use crate::lab::PRIMARY;
use crate::proxy::{instance, settings, start, try_start};

#[test]
fn quitting_takes_get_and_post() {
    for method in ["GET", "POST"] {
        let mut quittable = settings([instance(PRIMARY)]);
        quittable.admin.quitquitquit = true;
        let proxy = start(quittable);
        assert_eq!(proxy.ask("PUT", "/quitquitquit"), (400, String::new()));
        assert_eq!(
            proxy.ask("GET", "/debug/pprof/").0,
            404,
            "it was not asked for"
        );
        assert_eq!(proxy.ask(method, "/quitquitquit"), (200, String::new()));
        proxy.wait_for_out("/quitquitquit received request. Shutting down...");
        assert_eq!(proxy.wait(), 0);
    }
}

#[test]
fn profiles_that_there_are_not_are_named() {
    let mut debugged = settings([instance(PRIMARY)]);
    debugged.admin.debug = true;
    let hooks = Hooks {
        command_line: b"alloydb-auth-proxy\0--debug".to_vec(),
        ..Hooks::default()
    };
    let proxy = try_start(debugged, hooks).expect("it starts");
    assert_eq!(proxy.ask("GET", "/debug/pprof").0, 307);
    assert!(proxy.ask("GET", "/debug/pprof/").1.contains("cmdline"));
    let (status, line) = proxy.ask("GET", "/debug/pprof/cmdline");
    assert_eq!(
        (status, line.as_str()),
        (200, "alloydb-auth-proxy\0--debug")
    );
    let (status, body) = proxy.ask("GET", "/debug/pprof/profile?seconds=1");
    assert_eq!(status, 501);
    assert!(body.contains("perf record"), "{body}");
    assert_eq!(proxy.ask("GET", "/quitquitquit").0, 404);
    proxy.stop();
}
