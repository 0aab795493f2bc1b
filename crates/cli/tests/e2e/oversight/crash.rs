//! A gateway that is killed: nothing that was acknowledged is lost.

use std::io::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use querycop_testkit::command::Program;
use querycop_testkit::gateway::{Gateway, Signal};
use querycop_testkit::wait::eventually;

use super::{SERVER, records};
use crate::relay::raw::{RawClient, message};
use crate::setup::{before, querycop, temporary_directory};

/// How often the gateway is killed.
const KILLS: usize = 20;

/// Clients that count what is acknowledged.
const CLIENTS: usize = 4;

/// Statements that are to be acknowledged before the gateway is killed, at least.
const STATEMENTS: u64 = 200;

fn start(audit: &std::path::Path) -> Gateway {
    before(&SERVER, "disable")
        .env("GATEKEEPER_AUDIT_DIR", audit.display())
        .start()
}

/// Runs statements until the gateway is gone, and counts those that were acknowledged.
fn run_statements(mut client: RawClient, acknowledged: &AtomicU64) {
    let mut writer = client.writer();
    loop {
        let sql = message(b'Q', b"select 1, 'x'\0");
        if writer.write_all(&sql).is_err() {
            return;
        }
        loop {
            match client.try_read() {
                Ok(Some(message)) if message.tag == b'Z' => break,
                Ok(Some(_)) => {}
                Ok(None) | Err(_) => return,
            }
        }
        acknowledged.fetch_add(1, Ordering::Relaxed);
    }
}

#[test]
fn nothing_acknowledged_is_lost_when_the_gateway_is_killed_again_and_again() {
    let directory = temporary_directory();
    let audit = directory.path().join("audit");
    SERVER.psql("drop table if exists crash_accounts; create table crash_accounts as select n as aid, 0 as abalance from generate_series(1, 1000) n");
    let script = directory.path().join("load.sql");
    std::fs::write(
        &script,
        "\\set aid random(1, 1000)\nupdate crash_accounts set abalance = abalance + 1 where aid = :aid;\nselect abalance from crash_accounts where aid = :aid;\n",
    )
    .unwrap();
    let mut acknowledged = 0;
    for _ in 0..KILLS {
        let gateway = start(&audit);
        let port = gateway.port();
        let load = Program::postgresql("pgbench")
            .arguments(["-n", "-M", "prepared", "-c", "4", "-T", "600"])
            .arguments([
                "-U",
                "postgres",
                "-h",
                "127.0.0.1",
                "-p",
                &port.to_string(),
                "-f",
            ])
            .argument(&script)
            .argument("postgres");
        // It ends when it has lost its connections.
        let load = std::thread::spawn(move || load.run());
        let total = Arc::new(AtomicU64::new(0));
        // All have their sessions before the first of them has had its share.
        let clients: Vec<_> = (0..CLIENTS).map(|_| RawClient::log_in(port)).collect();
        let clients: Vec<_> = clients
            .into_iter()
            .map(|client| {
                let total = Arc::clone(&total);
                std::thread::spawn(move || run_statements(client, &total))
            })
            .collect();
        eventually("enough statements", || {
            (total.load(Ordering::Relaxed) >= STATEMENTS).then_some(())
        });
        gateway.signal(Signal::KILL);
        gateway.wait();
        for client in clients {
            client.join().expect("it ends when the gateway is gone");
        }
        acknowledged += total.load(Ordering::Relaxed);
        load.join().expect("it has lost its server");
    }
    // Once more, so that what the last kill left is repaired.
    let gateway = start(&audit);
    gateway.signal(Signal::TERM);
    assert!(gateway.wait().success());
    let all = records(&audit);
    let completed = all
        .iter()
        .filter(|record| record["event"] == "statement" && record["text"] == "select ?, ?")
        .count();
    assert!(
        completed as u64 >= acknowledged,
        "{completed} of {acknowledged}"
    );
    // One that ran unacknowledged for each client and kill is all that may be more.
    assert!(completed as u64 <= acknowledged + (KILLS * CLIENTS) as u64);
    let verified = Program::new(querycop())
        .arguments(["audit", "verify", "--audit-dir"])
        .argument(audit.to_str().expect("it is UTF-8"))
        .run();
    assert!(verified.success(), "{verified}");
}
