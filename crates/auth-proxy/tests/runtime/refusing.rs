//! Clients that can't be served are told why.

use std::io::{Read, Write};

use querycop_auth_proxy::InstanceName;

use crate::lab::{GONE, ODD, PRIMARY, REFUSING, STRANGER_TOKEN};
use crate::proxy::{Running, instance, named, settings, start, token};

/// What psql says: with the code in place of the text, and with the text.
fn said(proxy: &Running, position: usize) -> (String, String) {
    let psql = proxy.psql(position).argument("--set=VERBOSITY=verbose");
    let text = psql.run("SELECT 1").expect_failure().to_owned();
    // libpq shows no code of an error in the start-up, so it is asked for in bytes.
    let mut client = proxy.connect(position);
    client
        .write_all(b"\0\0\0\x12\0\x03\0\0user\0abc\0\0")
        .and_then(|()| client.flush())
        .expect("it listens");
    let mut answer = Vec::new();
    client.read_to_end(&mut answer).expect("it answers");
    let answer = String::from_utf8_lossy(&answer).into_owned();
    let code = answer.split('\0').find_map(|field| field.strip_prefix('C'));
    (code.expect("it has a code").to_owned(), text)
}

#[test]
fn the_cause_and_what_to_do_are_told() {
    let instances = [REFUSING, ODD, GONE].map(instance);
    let proxy = start(settings(instances));

    let (code, text) = said(&proxy, 0);
    assert_eq!(code, "28000");
    assert!(
        text.contains("alloydb.instances.connect is missing"),
        "{text}"
    );
    assert!(
        text.contains("HINT:") && text.contains("roles/alloydb.client"),
        "{text}"
    );

    // The original ends here, with all its connections.
    let (code, text) = said(&proxy, 1);
    assert_eq!(code, "08001");
    assert!(text.contains("no such door"), "{text}");

    let (code, text) = said(&proxy, 2);
    assert_eq!(code, "08001");
    assert!(text.contains("Port 5433"), "{text}");
    assert!(
        proxy
            .err()
            .contains("[p.l.c.gone] failed to connect to instance: "),
        "{}",
        proxy.err()
    );
    proxy.stop();
}

#[test]
fn a_principal_without_rights_is_told() {
    let mut stranger = settings([instance(PRIMARY)]);
    stranger.identity = token(STRANGER_TOKEN);
    let proxy = start(stranger);
    let (code, text) = said(&proxy, 0);
    assert_eq!(code, "28000");
    assert!(text.contains("PERMISSION_DENIED"), "{text}");
    assert!(!proxy.err().contains(STRANGER_TOKEN) && !text.contains(STRANGER_TOKEN));
    proxy.stop();
}

#[test]
fn the_limit_counts_all_instances_and_frees_its_places() {
    let mut limited = settings([instance(PRIMARY), instance(PRIMARY)]);
    limited.max_connections = 1;
    let proxy = start(limited);
    let first = proxy.connect(0);
    proxy.wait_for_out("accepted connection");
    let (code, text) = said(&proxy, 1);
    assert_eq!(code, "53300");
    assert!(
        text.contains("HINT:") && text.contains("--max-connections"),
        "{text}"
    );
    assert!(
        proxy
            .out()
            .contains("max connections (1) exceeded, refusing new connection")
    );
    drop(first);
    proxy.wait_for_out("client closed the connection");
    assert_eq!(proxy.psql(1).query("SELECT 1"), "1");
    proxy.stop();
}

#[test]
fn a_client_that_says_nothing_is_closed() {
    let mut limited = settings([instance(PRIMARY)]);
    limited.max_connections = 1;
    let proxy = start(limited);
    let _first = proxy.connect(0);
    proxy.wait_for_out("accepted connection");
    let mut second = proxy.connect(0);
    let mut nothing = Vec::new();
    second.read_to_end(&mut nothing).expect("it is closed");
    assert_eq!(nothing, b"");
    proxy.stop();
}

#[test]
fn a_name_that_leads_nowhere_is_told_when_it_is_skipped() {
    let name = InstanceName::Dns("nowhere.invalid".to_owned());
    let mut skipping = settings([instance(PRIMARY), named(name)]);
    skipping.failed_instance = querycop_auth_proxy::FailedInstance::IsSkipped;
    let hooks = querycop_auth_proxy::Hooks {
        resolver: std::sync::Arc::new(crate::dns::Zone::default()),
        ..Default::default()
    };
    let proxy = crate::proxy::try_start(skipping, hooks).expect("it starts");
    let (code, text) = said(&proxy, 1);
    assert_eq!(code, "08001");
    assert!(text.contains("nowhere.invalid"), "{text}");
    proxy.stop();
}
