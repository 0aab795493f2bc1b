//! TLS toward clients.

use std::io::{Read, Write};
use std::path::Path;

use querycop_auth_proxy::{Bind, Instance, ListenerTls};
use querycop_testkit::certificates::Authority;
use querycop_testkit::psql::Libpq;
use querycop_testkit::wait::eventually;

use crate::lab::PRIMARY;
use crate::proxy::{instance, settings, start, worker_at};

fn encrypted(authority: &Authority, place: &Path) -> Instance {
    let files = authority
        .server(&["localhost", "127.0.0.1"])
        .write(place, "server");
    Instance {
        tls: Some(ListenerTls {
            certificate: files.certificate,
            key: files.key,
        }),
        ..instance(PRIMARY)
    }
}

#[test]
fn a_client_is_served_under_tls_and_told_that_it_must_use_it() {
    let place = tempfile::tempdir().unwrap();
    let authority = Authority::new("local");
    let root = authority.write(place.path(), "root");
    let proxy = start(settings([encrypted(&authority, place.path())]));
    let verified = proxy
        .psql(0)
        .sslmode("verify-full")
        .option("sslrootcert", root.display());
    assert_eq!(verified.query("SELECT 1"), "1");

    let direct = verified
        .libpq(Libpq::V18)
        .option("sslnegotiation", "direct");
    assert_eq!(direct.query("SELECT 1"), "1");

    let refused = proxy.psql(0).sslmode("disable").run("SELECT 1");
    let text = refused.expect_failure();
    assert!(
        text.contains("TLS is required") && text.contains("sslmode=require"),
        "{text}"
    );
    proxy.wait_for_out("[p.l.c.primary] client refused: it does not use TLS");
    proxy.stop();
}

#[test]
fn over_a_unix_socket_there_is_none() {
    let place = tempfile::tempdir().unwrap();
    let authority = Authority::new("local");
    let directory = place.path().join("x");
    let local = Instance {
        bind: Bind::Unix {
            parent: place.path().to_owned(),
            directory: directory.clone(),
        },
        ..encrypted(&authority, place.path())
    };
    let proxy = start(settings([local]));
    assert_eq!(worker_at(&directory).query("SELECT 1"), "1");
    proxy.stop();
}

#[test]
fn a_new_certificate_is_used_when_its_files_change() {
    let place = tempfile::tempdir().unwrap();
    let (before, after) = (Authority::new("before"), Authority::new("after"));
    let root = after.write(place.path(), "root");
    let proxy = start(settings([encrypted(&before, place.path())]));
    encrypted(&after, place.path());
    let verified = proxy
        .psql(0)
        .sslmode("verify-ca")
        .option("sslrootcert", root.display());
    eventually("the new certificate", || {
        verified.run("SELECT 1").success().then_some(())
    });
    proxy.stop();
}

#[test]
fn a_cancel_request_may_come_in_clear() {
    let place = tempfile::tempdir().unwrap();
    let authority = Authority::new("local");
    let proxy = start(settings([encrypted(&authority, place.path())]));
    let mut client = proxy.connect(0);
    let cancel = b"\0\0\0\x10\x04\xd2\x16\x2e\0\0\0\x01\0\0\0\x02";
    client.write_all(cancel).expect("it is taken");
    let mut nothing = Vec::new();
    client
        .read_to_end(&mut nothing)
        .expect("it is closed in order");
    assert_eq!(nothing, b"");
    drop(client);
    proxy.wait_for_out("[p.l.c.primary] instance closed the connection");
    proxy.stop();
}
