//! DNS names as instances.

use std::collections::HashMap;
use std::io::Read;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use alloydb_connector::BoxFuture;
use querycop_auth_proxy::{Hooks, Instance, InstanceName, Resolve, ResolveError};
use querycop_testkit::wait::eventually;

use crate::lab::{POOL, PRIMARY, uri};
use crate::proxy::{named, settings, try_start};
use crate::reload::{Instances, free_port, on};

/// Names and the values of their TXT records, which can change.
#[derive(Clone, Default)]
pub(crate) struct Zone(Arc<Mutex<HashMap<String, Vec<String>>>>);

impl Zone {
    fn set(&self, name: &str, values: &[&str]) {
        let values = values.iter().map(|&value| value.to_owned()).collect();
        self.0
            .lock()
            .expect("nobody panics with it")
            .insert(name.to_owned(), values);
    }

    fn remove(&self, name: &str) {
        self.0.lock().expect("nobody panics with it").remove(name);
    }
}

impl Resolve for Zone {
    fn txt<'a>(&'a self, name: &'a str) -> BoxFuture<'a, Result<Vec<String>, ResolveError>> {
        let found = self
            .0
            .lock()
            .expect("nobody panics with it")
            .get(name)
            .cloned();
        Box::pin(std::future::ready(
            found.ok_or_else(|| "no such name".into()),
        ))
    }
}

#[test]
fn a_name_is_followed_and_a_failed_lookup_changes_nothing() {
    let zone = Zone::default();
    zone.set("db.example", &["v=1", &uri(PRIMARY)]);
    let mut following = settings([named(InstanceName::Dns("db.example".to_owned()))]);
    following.dns_period = Duration::from_millis(20);
    let hooks = Hooks {
        resolver: Arc::new(zone.clone()),
        ..Hooks::default()
    };
    let proxy = try_start(following, hooks).expect("it starts");
    assert_eq!(proxy.psql(0).query("SHOW transaction_read_only"), "off");
    let mut old = proxy.connect_through(0);

    zone.remove("db.example");
    proxy.wait_for_err(
        "[db.example] stays where it was: the TXT record of db.example can't be looked up",
    );
    assert_eq!(proxy.psql(0).query("SHOW transaction_read_only"), "off");

    zone.set("db.example", &[&uri(POOL)]);
    proxy.wait_for_out(
        "[db.example] leads to p.l.c.pool now, connections to p.l.c.primary are closed",
    );
    assert_eq!(proxy.psql(0).query("SHOW transaction_read_only"), "on");
    let mut rest = Vec::new();
    old.read_to_end(&mut rest).expect("it is closed in order");
    proxy.stop();
}

#[test]
fn a_name_that_leads_nowhere_ends_the_start() {
    let hooks = Hooks {
        resolver: Arc::new(Zone::default()),
        ..Hooks::default()
    };
    let name = InstanceName::Dns("db.example".to_owned());
    let error = try_start(settings([named(name)]), hooks)
        .err()
        .expect("no such name");
    let expected = "unable to start: [db.example] can't be set up: the TXT record of db.example";
    assert!(error.starts_with(expected), "{error}");
}

#[test]
fn a_switchover_after_or_during_a_reload_closes_older_connections_too() {
    let zone = Zone::default();
    zone.set("db.example", &[&uri(PRIMARY)]);
    let port = free_port();
    let by_name = |iam| Instance {
        name: InstanceName::Dns("db.example".to_owned()),
        auto_iam_authn: iam,
        ..on(port, PRIMARY)
    };
    let mut following = settings([by_name(false)]);
    following.dns_period = Duration::from_hours(1);
    let instances = Instances::default();
    let hooks = Hooks {
        resolver: Arc::new(zone.clone()),
        ..instances.hooks()
    };
    let proxy = try_start(following, hooks).expect("it starts");
    let mut old = proxy.connect_through(0);

    // Another parameter, and what is known holds where a lookup fails.
    zone.remove("db.example");
    instances.set(Some(vec![by_name(true)]));
    proxy.reload();
    proxy.wait_for_err("[db.example] stays where it was");
    let listening = |times| {
        let line = format!("[db.example] Listening on 127.0.0.1:{port}");
        eventually(&line, || {
            (proxy.out().matches(&line).count() == times).then_some(())
        });
    };
    listening(2);

    // The lookup of the next reload finds the other instance.
    zone.set("db.example", &[&uri(POOL)]);
    instances.set(Some(vec![by_name(false)]));
    proxy.reload();
    proxy.wait_for_out("connections to p.l.c.primary are closed");
    let mut rest = Vec::new();
    old.read_to_end(&mut rest).expect("it is closed in order");
    listening(3);
    assert_eq!(proxy.psql(0).query("SHOW transaction_read_only"), "on");
    proxy.stop();
}
