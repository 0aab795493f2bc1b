//! Instances that change while the proxy runs.

use std::net::TcpStream;
use std::sync::{Arc, Mutex};

use querycop_auth_proxy::{Bind, FailedInstance, Hooks, Instance};
use querycop_testkit::wait::eventually;

use crate::lab::{POOL, PRIMARY, ROLE};
use crate::proxy::{instance, settings, try_start, worker};

/// What the instances are when they are read again.
#[derive(Clone, Default)]
pub(crate) struct Instances(Arc<Mutex<Option<Vec<Instance>>>>);

impl Instances {
    pub(crate) fn set(&self, instances: Option<Vec<Instance>>) {
        *self.0.lock().expect("nobody panics with it") = instances;
    }

    pub(crate) fn hooks(&self) -> Hooks {
        let instances = self.clone();
        let read = move || {
            let read = instances.0.lock().expect("nobody panics with it").clone();
            read.ok_or_else(|| "line 1 makes no sense".to_owned())
        };
        Hooks {
            reload: Some(Arc::new(read)),
            ..Hooks::default()
        }
    }
}

pub(crate) fn on(port: u16, name: &str) -> Instance {
    Instance {
        bind: Bind::Tcp {
            address: [127, 0, 0, 1].into(),
            port: port.into(),
        },
        ..instance(name)
    }
}

/// A port that was free a moment ago.
pub(crate) fn free_port() -> u16 {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port is free");
    listener.local_addr().expect("it has an address").port()
}

#[test]
fn listeners_come_and_go_and_sessions_stay() {
    let instances = Instances::default();
    let (first, second) = (free_port(), free_port());
    let before = settings([on(first, PRIMARY)]);
    let proxy = try_start(before, instances.hooks()).expect("it starts");
    let session = std::thread::spawn(move || {
        // Lives until the second instance is there, which is after the first was closed.
        worker("127.0.0.1", first)
            .script("SELECT pg_sleep(0.2) FROM generate_series(1, 10); SELECT current_user;")
    });
    proxy.wait_for_out("accepted connection");

    instances.set(Some(vec![on(second, POOL)]));
    proxy.reload();
    proxy.wait_for_out(&format!(
        "[p.l.c.primary] no longer listening on 127.0.0.1:{first}"
    ));
    proxy.wait_for_out(&format!("[p.l.c.pool] Listening on 127.0.0.1:{second}"));
    eventually("the first port to be closed", || {
        TcpStream::connect(("127.0.0.1", first)).err()
    });
    assert_eq!(
        worker("127.0.0.1", second).query("SHOW transaction_read_only"),
        "on"
    );
    let said = session.join().expect("it doesn't panic");
    assert!(said.expect_success().ends_with(&ROLE));

    instances.set(None);
    proxy.reload();
    proxy.wait_for_err(
        "the instances stay as they were, the new ones can't be read: line 1 makes no sense",
    );
    assert_eq!(worker("127.0.0.1", second).query("SELECT 1"), "1");
    proxy.stop();
}

#[test]
fn a_socket_can_change_its_instance_without_being_closed() {
    let instances = Instances::default();
    let port = free_port();
    let proxy = try_start(settings([on(port, PRIMARY)]), instances.hooks()).expect("it starts");
    instances.set(Some(vec![on(port, POOL)]));
    proxy.reload();
    proxy.wait_for_out("[p.l.c.pool] Listening on");
    assert_eq!(
        worker("127.0.0.1", port).query("SHOW transaction_read_only"),
        "on"
    );
    assert!(
        !proxy.out().contains("no longer listening"),
        "{}",
        proxy.out()
    );
    proxy.stop();
}

#[test]
fn an_instance_that_can_not_be_set_up_is_skipped_at_a_reload() {
    let instances = Instances::default();
    let port = free_port();
    let mut checked = settings([on(port, PRIMARY)]);
    checked.failed_instance = FailedInstance::EndsAll;
    checked.http.health_check = true;
    let proxy = try_start(checked, instances.hooks()).expect("it starts");
    let bad = Instance {
        bind: Bind::Tcp {
            address: [127, 0, 0, 1].into(),
            port: -1,
        },
        ..instance(POOL)
    };
    instances.set(Some(vec![bad.clone(), on(port, PRIMARY)]));
    proxy.reload();
    proxy.wait_for_err("instance skipped: [p.l.c.pool] Unable to mount socket: -1 is no port");
    eventually("readiness to name it", || {
        proxy
            .get("/readiness")
            .1
            .contains("skipped p.l.c.pool")
            .then_some(())
    });
    assert_eq!(worker("127.0.0.1", port).query("SELECT 1"), "1");

    instances.set(Some(vec![bad]));
    proxy.reload();
    eventually("readiness to miss a listener", || {
        let (status, body) = proxy.get("/readiness");
        let expected = "no instance has a listener\nskipped p.l.c.pool: ";
        (status == 503 && body.starts_with(expected)).then_some(())
    });
    instances.set(Some(vec![on(port, PRIMARY)]));
    proxy.reload();
    eventually("readiness", || {
        (proxy.get("/readiness") == (200, "ok".to_owned())).then_some(())
    });
    assert_eq!(worker("127.0.0.1", port).query("SELECT 1"), "1");
    proxy.stop();
}

#[test]
fn the_file_is_watched() {
    let place = tempfile::tempdir().unwrap();
    let file = place.path().join("proxy.toml");
    std::fs::write(&file, "old").unwrap();
    let instances = Instances::default();
    let port = free_port();
    let mut watching = settings([on(port, PRIMARY)]);
    watching.config_file = Some(file.clone());
    let proxy = try_start(watching, instances.hooks()).expect("it starts");
    let other = free_port();
    instances.set(Some(vec![on(port, PRIMARY), on(other, POOL)]));
    std::fs::write(&file, "changed").unwrap();
    proxy.wait_for_out("[p.l.c.pool] Listening on");
    assert_eq!(worker("127.0.0.1", other).query("SELECT 1"), "1");
    proxy.stop();
}

#[test]
fn a_change_while_the_instances_are_read_is_not_missed() {
    let place = tempfile::tempdir().unwrap();
    let file = place.path().join("proxy.toml");
    std::fs::write(&file, "old").unwrap();
    let (port, other) = (free_port(), free_port());
    let mut watching = settings([on(port, PRIMARY)]);
    watching.config_file = Some(file.clone());
    let config = file.clone();
    let read = move || {
        let text = std::fs::read_to_string(&config).map_err(|error| error.to_string())?;
        if text == "changed" {
            // Somebody else writes it just now.
            std::fs::write(&config, "changed again").map_err(|error| error.to_string())?;
            return Ok(vec![on(port, PRIMARY)]);
        }
        Ok(vec![on(port, PRIMARY), on(other, POOL)])
    };
    let hooks = Hooks {
        reload: Some(Arc::new(read)),
        ..Hooks::default()
    };
    let proxy = try_start(watching, hooks).expect("it starts");
    std::fs::write(&file, "changed").unwrap();
    proxy.wait_for_out("[p.l.c.pool] Listening on");
    assert_eq!(proxy.out().matches("Reloading the instances").count(), 2);
    proxy.stop();
}
