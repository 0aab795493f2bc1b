//! Unix sockets.

use std::path::Path;

use querycop_auth_proxy::{Bind, Hooks, Instance};

use crate::lab::PRIMARY;
use crate::proxy::{instance, settings, start, worker_at};

fn at(directory: &Path) -> Instance {
    Instance {
        bind: Bind::Unix {
            parent: directory.parent().expect("it has one").to_owned(),
            directory: directory.to_owned(),
        },
        ..instance(PRIMARY)
    }
}

#[test]
fn a_socket_serves_and_goes_with_the_proxy() {
    let parent = tempfile::tempdir().unwrap();
    let directory = parent.path().join("p.l.c.primary");
    let proxy = start(settings([at(&directory)]));
    let socket = directory.join(".s.PGSQL.5432");
    assert_eq!(worker_at(&directory).query("SELECT 1"), "1");
    let out = proxy.out();
    let line = format!("[p.l.c.primary] Listening on {}\n", socket.display());
    assert!(out.contains(&line), "{out}");
    assert!(
        out.contains("[p.l.c.primary] accepted connection from @\n"),
        "{out}"
    );
    proxy.stop();
    assert!(!socket.exists() && directory.exists());
}

#[test]
fn a_socket_that_a_dead_process_left_is_no_obstacle_and_a_live_one_is() {
    let parent = tempfile::tempdir().unwrap();
    let directory = parent.path().join("x");
    std::fs::create_dir(&directory).unwrap();
    let socket = directory.join(".s.PGSQL.5432");
    drop(std::os::unix::net::UnixListener::bind(&socket).unwrap());
    let proxy = start(settings([at(&directory)]));
    let second = crate::proxy::try_start(settings([at(&directory)]), Hooks::default());
    assert!(
        second
            .err()
            .expect("the first one lives")
            .contains("Unable to mount socket")
    );
    assert_eq!(worker_at(&directory).query("SELECT 1"), "1");
    proxy.stop();
}
