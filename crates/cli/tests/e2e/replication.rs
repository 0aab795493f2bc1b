//! Replication connections: base backups and both kinds of WAL stream.

use std::fs;
use std::path::Path;
use std::sync::LazyLock;
use std::time::Duration;

use querycop_testkit::command::Program;
use querycop_testkit::gateway::Gateway;
use querycop_testkit::postgres::Postgres;

use crate::setup::{Pki, before, temporary_directory};

/// A server with WAL for all purposes, TLS on both legs: the backup is as protected as a session.
struct Legs {
    server: Postgres,
    gateway: Gateway,
    pki: Pki,
}

static LEGS: LazyLock<Legs> = LazyLock::new(|| {
    let pki = Pki::new();
    let server = Postgres::builder()
        .tls(&pki.server())
        .hba("hostssl all,replication all all trust")
        .setting("wal_level", "logical")
        .start();
    let gateway = pki
        .serve_tls(before(&server, "verify-full"))
        .env("GATEKEEPER_BACKEND_TLS_CA_FILE", pki.root.display())
        .start();
    Legs {
        server,
        gateway,
        pki,
    }
});

impl Legs {
    fn program(&self, name: &str) -> Program {
        Program::postgresql(name)
            .arguments(["-h", "127.0.0.1", "-U", "postgres", "-w"])
            .arguments(["-p", &self.gateway.port().to_string()])
            .environment("PGSSLMODE", "verify-full")
            .environment("PGSSLROOTCERT", &self.pki.root)
            .deadline(Duration::from_mins(2))
    }

    /// Writes some MiB of WAL, each segment of which has 1 MiB.
    fn write(&self, table: &str) {
        self.server.psql(&format!(
            "create table {table} as \
             select n, repeat(md5(n::text), 10) from generate_series(1, 8000) n"
        ));
    }

    fn wal_position(&self) -> String {
        self.server.psql("select pg_current_wal_flush_lsn()")
    }
}

#[test]
fn a_base_backup_is_taken_and_verified() {
    LEGS.write("backed_up");
    let directory = temporary_directory();
    let backup = directory.path().join("backup");
    LEGS.program("pg_basebackup")
        .argument("-D")
        .argument(&backup)
        .arguments(["--wal-method=stream", "--checkpoint=fast", "--no-sync"])
        .run()
        .expect_success();
    let verified = Program::postgresql("pg_verifybackup")
        .argument(&backup)
        .run();
    assert!(verified.expect_success().contains("successfully verified"));
}

#[test]
fn wal_is_received_as_the_server_wrote_it() {
    // The second slot stays where it is, so that the segments stay at the server for comparison.
    for slot in ["receiver", "keeper"] {
        LEGS.server.psql(&format!(
            "select pg_create_physical_replication_slot('{slot}', true)"
        ));
    }
    LEGS.write("streamed");
    let end = LEGS.wal_position();
    let directory = temporary_directory();
    LEGS.program("pg_receivewal")
        .argument("-D")
        .argument(directory.path())
        .arguments(["--slot=receiver", "--no-loop", "--no-sync"])
        .arguments(["--endpos", &end])
        .run()
        .expect_success();
    let segments = whole_segments(directory.path());
    assert!(segments.len() > 1, "{segments:?}");
    for name in segments {
        let received = fs::read(directory.path().join(&name)).expect("it is there");
        let written = LEGS.server.data_dir().join("pg_wal").join(&name);
        let written = fs::read(written).expect("a slot keeps it");
        assert!(received == written, "{name}");
    }
}

/// The names of the segments that were received to their end.
fn whole_segments(directory: &Path) -> Vec<String> {
    let files = fs::read_dir(directory).expect("the directory is ours");
    files
        .filter_map(|file| file.ok()?.file_name().into_string().ok())
        .filter(|name| !name.ends_with(".partial"))
        .collect()
}

#[test]
fn changes_are_decoded_and_received() {
    let receiver = || {
        LEGS.program("pg_recvlogical")
            .arguments(["--dbname=postgres", "--slot=decoder"])
    };
    receiver()
        .arguments(["--create-slot", "--plugin=test_decoding"])
        .run()
        .expect_success();
    LEGS.server.psql("create table decoded (n int, word text)");
    LEGS.server
        .psql("insert into decoded select n, 'word ' || n from generate_series(1, 1000) n");
    let end = LEGS.wal_position();
    let output = receiver()
        .arguments(["--start", "--file=-", "--no-loop", "--endpos", &end])
        .run();
    let changes = output.expect_success();
    for n in [1, 500, 1000] {
        let change = format!("table public.decoded: INSERT: n[integer]:{n} word[text]:'word {n}'");
        assert!(changes.contains(&change), "{n}");
    }
    receiver().argument("--drop-slot").run().expect_success();
}

#[test]
fn a_replication_command_is_answered() {
    let client = LEGS
        .gateway
        .client()
        .user("postgres")
        .sslmode("verify-full")
        .option("sslrootcert", LEGS.pki.root.display())
        .option("replication", "database");
    let system = client.query("IDENTIFY_SYSTEM");
    assert_eq!(system.split('|').nth(3), Some("postgres"), "{system}");
}
