//! What flows through an established session: every kind of message, both ways, to its end.

pub(crate) mod raw;

use std::fs;
use std::io::{self, ErrorKind, Read, Write};
use std::net::TcpListener;
use std::sync::{LazyLock, OnceLock};
use std::time::Duration;

use querycop_testkit::command::{Output, Program};
use querycop_testkit::gateway::{Builder, Gateway};
use querycop_testkit::peer::{Peer, Step};
use querycop_testkit::postgres::{Postgres, Version};
use querycop_testkit::psql::Psql;
use querycop_testkit::wait::eventually;

use self::raw::{LOGGED_IN, Message, RawClient, V3_2, cancel, message, tags};
use crate::setup::{Pki, before, before_port, memory_peak, temporary_directory};

/// For what moves many bytes on a loaded machine.
const LONG: Duration = Duration::from_mins(3);

const MIB: usize = 1 << 20;

/// A server that trusts everybody, and the gateway in front of it.
struct Legs {
    server: Postgres,
    gateway: Gateway,
    /// Where there is TLS, the authority of both certificates.
    pki: Option<Pki>,
    pgbench_tables: OnceLock<()>,
}

/// Both legs in clear, PostgreSQL of the distribution.
static PLAIN: LazyLock<Legs> = LazyLock::new(|| {
    let server = Postgres::builder().start();
    let gateway = before(&server, "disable").start();
    Legs {
        server,
        gateway,
        pki: None,
        pgbench_tables: OnceLock::new(),
    }
});

/// TLS on both legs, PostgreSQL 18.
static TLS: LazyLock<Legs> = LazyLock::new(|| {
    let pki = Pki::new();
    let server = Postgres::builder()
        .version(Version::V18)
        .tls(&pki.server())
        .hba("hostssl all,replication all all trust")
        .start();
    let gateway = pki
        .serve_tls(before(&server, "verify-full"))
        .env("GATEKEEPER_BACKEND_TLS_CA_FILE", pki.root.display())
        .start();
    Legs {
        server,
        gateway,
        pki: Some(pki),
        pgbench_tables: OnceLock::new(),
    }
});

/// A gateway before a scripted server on a port of this machine.
pub(crate) fn before_peer(port: u16) -> Builder {
    before_port(port).env("GATEKEEPER_BACKEND_TLS_MODE", "disable")
}

impl Legs {
    fn psql(&self) -> Psql {
        let client = self.gateway.client().user("postgres").deadline(LONG);
        match &self.pki {
            Some(pki) => client
                .sslmode("verify-full")
                .option("sslrootcert", pki.root.display()),
            None => client.sslmode("disable"),
        }
    }

    /// One of PostgreSQL's own programs, with the gateway as its server.
    fn program(&self, name: &str) -> Program {
        let program = Program::postgresql(name)
            .arguments(["-h", "127.0.0.1", "-U", "postgres"])
            .arguments(["-p", &self.gateway.port().to_string()])
            .deadline(LONG);
        match &self.pki {
            Some(pki) => program
                .environment("PGSSLMODE", "verify-full")
                .environment("PGSSLROOTCERT", &pki.root),
            None => program.environment("PGSSLMODE", "disable"),
        }
    }

    /// Runs pgbench with eight clients.
    fn pgbench(&self, mode: &str, arguments: &[&str]) -> Output {
        self.pgbench_tables.get_or_init(|| {
            let init = self.program("pgbench").arguments(["-i", "-q", "postgres"]);
            init.run().expect_success();
        });
        self.program("pgbench")
            .arguments(["-n", "-c", "8", "-j", "2", "-t", "50", "-M", mode])
            .arguments(arguments)
            .argument("postgres")
            .run()
    }
}

fn pgbench_completes(mode: &str, arguments: &[&str]) {
    for legs in [&*PLAIN, &*TLS] {
        let output = legs.pgbench(mode, arguments);
        let report = output.expect_success();
        assert!(report.contains("processed: 400/400"), "{output}");
        assert!(report.contains("failed transactions: 0 "), "{output}");
    }
}

/// The bytes of message number `n` of a long stream: different from those of its neighbours.
fn filling(n: usize) -> Vec<u8> {
    let mut bytes = vec![u8::try_from(n % 251).expect("it is below 251"); MIB];
    bytes[..8].copy_from_slice(&n.to_be_bytes());
    bytes
}

// ---- Load ----

#[test]
fn pgbench_runs_with_simple_queries() {
    pgbench_completes("simple", &[]);
}

#[test]
fn pgbench_runs_with_extended_queries() {
    pgbench_completes("extended", &[]);
}

#[test]
fn pgbench_runs_with_prepared_statements() {
    pgbench_completes("prepared", &[]);
}

#[test]
fn pgbench_runs_with_pipelines() {
    let directory = temporary_directory();
    let script = directory.path().join("pipeline.sql");
    let select = "select abalance from pgbench_accounts where aid = 17;\n".repeat(20);
    let text = format!("\\startpipeline\n{select}\\endpipeline\n");
    fs::write(&script, text).expect("the directory is writable");
    let file = script.to_str().expect("a temporary path is UTF-8");
    for mode in ["extended", "prepared"] {
        pgbench_completes(mode, &["-f", file]);
    }
}

#[test]
fn a_large_result_arrives_whole_and_in_order() {
    for legs in [&*PLAIN, &*TLS] {
        let rows = legs.psql().query(
            "select n, repeat(chr((97 + n % 26)::int), 200) from generate_series(1, 200000) n",
        );
        let mut count = 0_u32;
        for row in rows.lines() {
            count += 1;
            let letter = char::from(b'a' + u8::try_from(count % 26).expect("it is below 26"));
            let expected = format!("{count}|{}", letter.to_string().repeat(200));
            assert_eq!(row, expected);
        }
        assert_eq!(count, 200_000);
    }
}

// ---- Full duplex ----

/// Pipelines 64 statements, each of which is sent 1 MiB and returns it.
///
/// PostgreSQL does not read while it writes. So a gateway that does not read from it while it waits
/// for it to read hangs, as both ends then wait for the gateway.
fn pipeline_both_ways(port: u16) {
    let mut client = RawClient::log_in(port);
    let mut writer = client.writer();
    let sender = std::thread::spawn(move || {
        let parse = message(b'P', b"echo\0select $1::bytea\0\0\0");
        writer.write_all(&parse).expect("the gateway reads");
        for n in 0..64 {
            // Portal, statement, one format (binary), one parameter; one result format (binary).
            let length = u32::try_from(MIB).expect("it is 1 MiB").to_be_bytes();
            let bind = [
                &b"\0echo\0\0\x01\0\x01\0\x01"[..],
                &length,
                &filling(n),
                b"\0\x01\0\x01",
            ]
            .concat();
            let execute = message(b'E', b"\0\0\0\0\0");
            let bytes = [message(b'B', &bind), execute].concat();
            writer.write_all(&bytes).expect("the gateway reads");
        }
        let sync = message(b'S', b"");
        writer.write_all(&sync).expect("the gateway reads");
    });
    assert_eq!(client.expect_message().tag, b'1');
    for n in 0..64 {
        assert_eq!(client.expect_message().tag, b'2');
        let row = client.expect_message();
        assert_eq!(row.tag, b'D');
        assert!(row.body[6..] == filling(n), "row {n}");
        assert_eq!(client.expect_message().tag, b'C');
    }
    assert_eq!(client.expect_message().tag, b'Z');
    sender.join().expect("it only writes");
}

#[test]
fn a_pipeline_of_64_mib_each_way_does_not_deadlock() {
    pipeline_both_ways(PLAIN.gateway.port());
}

#[test]
fn a_pipeline_of_64_mib_each_way_does_not_deadlock_under_tls() {
    // A second gateway puts TLS on the client leg of the first.
    let pki = TLS.pki.as_ref().expect("it has TLS");
    let outer = before_port(TLS.gateway.port())
        .env("GATEKEEPER_BACKEND_TLS_MODE", "verify-full")
        .env("GATEKEEPER_BACKEND_TLS_CA_FILE", pki.root.display())
        .start();
    pipeline_both_ways(outer.port());
}

/// Serves one session: logs in whoever comes, then `talk`s.
fn serve_one<T: Send + 'static>(
    talk: impl FnOnce(&mut RawClient) -> T + Send + 'static,
) -> (u16, std::thread::JoinHandle<T>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("there is a free port");
    let port = listener.local_addr().expect("it is bound").port();
    let server = std::thread::spawn(move || {
        let (stream, _) = listener.accept().expect("the gateway connects");
        let mut peer = RawClient::from(stream);
        let mut length = [0; 4];
        peer.input()
            .read_exact(&mut length)
            .expect("a start-up packet comes");
        let mut packet = vec![0; u32::from_be_bytes(length) as usize - 4];
        peer.input()
            .read_exact(&mut packet)
            .expect("a start-up packet comes");
        peer.send(LOGGED_IN);
        talk(&mut peer)
    });
    (port, server)
}

fn send_64_mib(peer: &mut RawClient) {
    for n in 0..64 {
        peer.send(&message(b'd', &filling(n)));
    }
}

fn read_64_mib(peer: &mut RawClient) {
    for n in 0..64 {
        let message = peer.expect_message();
        assert!(
            message.tag == b'd' && message.body == filling(n),
            "message {n}"
        );
    }
}

#[test]
fn a_client_may_send_64_mib_before_it_reads() {
    let (port, server) = serve_one(|peer| {
        let mut writer = peer.writer();
        let sender = std::thread::spawn(move || {
            for n in 0..64 {
                let bytes = message(b'd', &filling(n));
                writer.write_all(&bytes).expect("the gateway reads");
            }
        });
        read_64_mib(peer);
        sender.join().expect("it only writes");
    });
    let gateway = before_peer(port).start();
    let mut client = RawClient::log_in(gateway.port());
    send_64_mib(&mut client);
    read_64_mib(&mut client);
    server.join().expect("the server gets what was sent");
}

#[test]
fn a_server_may_send_64_mib_before_it_reads() {
    let (port, server) = serve_one(|peer| {
        send_64_mib(peer);
        read_64_mib(peer);
    });
    let gateway = before_peer(port).start();
    let mut client = RawClient::log_in(gateway.port());
    let mut writer = client.writer();
    let sender = std::thread::spawn(move || {
        for n in 0..64 {
            let bytes = message(b'd', &filling(n));
            writer.write_all(&bytes).expect("the gateway reads");
        }
    });
    read_64_mib(&mut client);
    sender.join().expect("it only writes");
    server.join().expect("the server gets what was sent");
}

// ---- Large values ----

#[test]
fn a_value_of_100_mib_passes_both_ways_in_bounded_memory() {
    let size = 100 * MIB;
    let gateway = before(&PLAIN.server, "disable").start();
    let mut client = RawClient::log_in(gateway.port());
    let before = memory_peak(gateway.pid());

    client.send_query(&format!("select repeat('x', {size})"));
    assert_eq!(client.expect_message().tag, b'T');
    let (tag, length) = client
        .read_header()
        .expect("a row comes")
        .expect("a row comes");
    assert_eq!((tag, length), (b'D', 6 + size));
    let mut row = client.input().take(length as u64);
    let copied = io::copy(&mut row, &mut io::sink()).expect("the row comes");
    assert_eq!(copied, length as u64);
    assert_eq!(tags(&client.read_until_ready()), "CZ");

    client.send(&message(b'P', b"\0select length($1::bytea)\0\0\0"));
    // Portal, statement, one format (binary), one parameter; the result as text.
    let (head, tail) = (b"\0\0\0\x01\0\x01\0\x01", b"\0\0");
    let length = 4 + head.len() + 4 + size + tail.len();
    let [length, size_of_value] =
        [length, size].map(|length| u32::try_from(length).expect("it is about 100 MiB"));
    client.send(
        &[
            &b"B"[..],
            &length.to_be_bytes(),
            head,
            &size_of_value.to_be_bytes(),
        ]
        .concat(),
    );
    for n in 0..100 {
        client.send(&filling(n));
    }
    client.send(tail);
    client.send(&message(b'E', b"\0\0\0\0\0"));
    client.send(&message(b'S', b""));
    assert_eq!(client.read_value(), size.to_string());

    let grown = memory_peak(gateway.pid()) - before;
    assert!(
        grown < 64 * MIB,
        "the gateway took {} KiB more",
        grown / 1024
    );
}

// ---- COPY, large objects, function calls, notifications ----

#[test]
fn copy_carries_10_mib_in_and_out_unchanged() {
    let directory = temporary_directory();
    let path = |name: &str| directory.path().join(name).display().to_string();
    let line = |n: u32| format!("{n}\tline {n} {}\n", "ünïcödé ".repeat(6));
    let text: String = (0..140_000).map(line).collect();
    assert!(text.len() > 10 * MIB);
    fs::write(path("in"), &text).expect("the directory is writable");
    for legs in [&*PLAIN, &*TLS] {
        let script = format!(
            "create temp table lines (n int, line text);\n\
             \\copy lines from '{}'\n\
             \\copy (select * from lines order by n) to '{}'\n\
             select count(*) from lines;\n",
            path("in"),
            path("out"),
        );
        let output = legs.psql().script(&script);
        assert!(output.expect_success().ends_with("140000"), "{output}");
        let copied = fs::read_to_string(path("out")).expect("psql wrote it");
        assert!(copied == text, "{} bytes came back", copied.len());
    }
}

#[test]
fn large_objects_are_imported_and_exported() {
    let directory = temporary_directory();
    let path = |name: &str| directory.path().join(name).display().to_string();
    let content: Vec<u8> = (0..5).flat_map(filling).collect();
    fs::write(path("in"), &content).expect("the directory is writable");
    for legs in [&*PLAIN, &*TLS] {
        let script = format!(
            "\\lo_import '{}'\n\\lo_export :LASTOID '{}'\n\\lo_unlink :LASTOID\n",
            path("in"),
            path("out"),
        );
        legs.psql().script(&script).expect_success();
        let exported = fs::read(path("out")).expect("psql wrote it");
        assert!(exported == content, "{} bytes came back", exported.len());
    }
}

#[test]
fn a_function_call_is_answered() {
    let mut client = RawClient::log_in(PLAIN.gateway.port());
    // int4pl: function 177, no formats (text), two arguments, text result.
    let call = b"\0\0\0\xb1\0\0\0\x02\0\0\0\x0240\0\0\0\x012\0\0";
    client.send(&message(b'F', call));
    let answer = client.read_until_ready();
    assert_eq!(tags(&answer), "VZ");
    assert_eq!(answer[0].body, b"\0\0\0\x0242");
}

#[test]
fn a_notification_reaches_an_idle_session() {
    let mut listener = RawClient::log_in(PLAIN.gateway.port());
    let mut notifier = RawClient::log_in(PLAIN.gateway.port());
    assert_eq!(tags(&listener.query("listen relay_news")), "CZ");
    notifier.query("notify relay_news, 'it works'");
    let notification = listener.expect_message();
    let pid = notifier.backend_pid().to_be_bytes();
    assert_eq!(notification.tag, b'A');
    assert_eq!(
        notification.body,
        [&pid[..], b"relay_news\0it works\0"].concat()
    );
    assert_eq!(listener.value("select 'and goes on'"), "and goes on");
}

#[test]
fn unknown_messages_pass_unchanged_both_ways() {
    let unknown = |tag: u8| [message(tag, b"what is this"), message(tag, &filling(7))].concat();
    let (from_server, from_client) = (unknown(b'~'), unknown(b'!'));
    let server = Peer::listen()
        .script([
            Step::ExpectStartup,
            Step::Send([LOGGED_IN, &from_server].concat()),
            Step::Expect(from_client.clone()),
            Step::Send(message(b'Z', b"I")),
        ])
        .start();
    let gateway = before_peer(server.port()).start();
    let mut client = RawClient::log_in(gateway.port());
    let mut came = vec![0; from_server.len()];
    client.input().read_exact(&mut came).expect("it comes");
    assert!(came == from_server);
    client.send(&from_client);
    assert_eq!(client.expect_message().tag, b'Z');
    server.finish();
}

// ---- Cancel ----

/// Waits until the server runs a statement of this session that waits for something.
fn wait_until_waiting(server: &Postgres, pid: u32, event: &str) {
    eventually("the statement to wait", || {
        let found = server.psql(&format!(
            "select wait_event from pg_stat_activity where pid = {pid} and state = 'active'"
        ));
        (found == event).then_some(())
    });
}

fn cancel_ends_the_statement(server: &Postgres, port: u16, mut client: RawClient) {
    client.send_query("select pg_sleep(600)");
    wait_until_waiting(server, client.backend_pid(), "PgSleep");
    cancel(port, client.key());
    let answer = client.read_until_ready();
    assert_eq!(tags(&answer), "TEZ");
    assert_eq!(answer[1].error().code, "57014");
    assert_eq!(client.value("select 'and goes on'"), "and goes on");
}

#[test]
fn a_cancel_request_ends_the_statement_and_not_the_session() {
    let port = PLAIN.gateway.port();
    let client = RawClient::log_in(port);
    assert_eq!(client.key().len(), 8);
    cancel_ends_the_statement(&PLAIN.server, port, client);
}

#[test]
fn a_cancel_request_passes_through_another_gateway() {
    let client = RawClient::log_in(PLAIN.gateway.port());
    let other = before(&PLAIN.server, "disable").start();
    cancel_ends_the_statement(&PLAIN.server, other.port(), client);
}

#[test]
fn a_cancel_request_may_have_the_long_key_of_protocol_3_2() {
    let server = Postgres::builder().version(Version::V18).start();
    let gateway = before(&server, "disable").start();
    let client = RawClient::log_in_as(gateway.port(), "postgres", V3_2);
    assert!(client.key().len() > 8, "{:?}", client.key());
    cancel_ends_the_statement(&server, gateway.port(), client);
}

#[test]
fn a_cancel_request_with_a_wrong_key_does_nothing() {
    let port = PLAIN.gateway.port();
    let mut holder = RawClient::log_in(port);
    holder.query("select pg_advisory_lock(4711)");
    let mut client = RawClient::log_in(port);
    client.send_query("select 'not cancelled' from pg_advisory_lock(4711)");
    wait_until_waiting(&PLAIN.server, client.backend_pid(), "advisory");
    let mut key = client.key().to_owned();
    *key.last_mut().expect("it has 8 bytes") ^= 1;
    cancel(port, &key);
    holder.query("select pg_advisory_unlock(4711)");
    assert_eq!(client.read_value(), "not cancelled");
}

// ---- Ends ----

const BIG_RESULT: &str = "select repeat('x', 1000) from generate_series(1, 20000)";

/// Everything that a client gets that closes its side after these messages.
fn answer_after_half_close(legs: &Legs, request: &[u8]) -> Vec<Message> {
    let mut client = RawClient::log_in(legs.gateway.port());
    client.send(request);
    client.close_writing();
    client.read_to_end()
}

fn is_the_whole_result(answer: &[Message]) -> bool {
    let rows = answer.iter().filter(|message| message.tag == b'D').count();
    rows == 20_000 && answer.last().is_some_and(|last| last.tag == b'Z')
}

#[test]
fn a_client_that_closes_its_side_after_a_query_gets_the_result() {
    let query = message(b'Q', format!("{BIG_RESULT}\0").as_bytes());
    assert!(is_the_whole_result(&answer_after_half_close(
        &PLAIN, &query
    )));
}

#[test]
fn a_client_that_closes_its_side_after_sync_gets_the_result() {
    let request = [
        message(b'P', format!("\0{BIG_RESULT}\0\0\0").as_bytes()),
        message(b'B', b"\0\0\0\0\0\0\0\0"),
        message(b'E', b"\0\0\0\0\0"),
        message(b'S', b""),
    ]
    .concat();
    assert!(is_the_whole_result(&answer_after_half_close(
        &PLAIN, &request
    )));
}

#[test]
fn a_client_that_says_goodbye_ahead_of_the_result_gets_it() {
    let request = [
        message(b'Q', format!("{BIG_RESULT}\0").as_bytes()),
        message(b'X', b""),
    ]
    .concat();
    assert!(is_the_whole_result(&answer_after_half_close(
        &PLAIN, &request
    )));
}

#[test]
fn a_session_whose_client_vanishes_ends_on_the_server() {
    let client = RawClient::log_in(PLAIN.gateway.port());
    let pid = client.backend_pid();
    drop(client);
    eventually("the server's process to end", || {
        let count = PLAIN.server.psql(&format!(
            "select count(*) from pg_stat_activity where pid = {pid}"
        ));
        (count == "0").then_some(())
    });
}

#[test]
fn a_server_that_dies_within_a_result_is_reported_to_the_client() {
    let row = message(b'D', b"\0\x01\0\0\0\x04rows");
    for end in [Step::Close, Step::Reset] {
        let how = end.to_string();
        let server = Peer::listen()
            .script([
                Step::ExpectStartup,
                Step::Send(LOGGED_IN.to_vec()),
                Step::ExpectMessage(b'Q'),
                // Two rows and the beginning of a third.
                Step::Send([&row[..], &row, &row[..7]].concat()),
                // The client has the rows before the end: a reset may overtake them.
                Step::ExpectMessage(b'H'),
                end,
            ])
            .start();
        let gateway = before_peer(server.port()).start();
        let mut client = RawClient::log_in(gateway.port());
        client.send_query("select everything");
        for _ in 0..2 {
            assert_eq!(client.expect_message().value(), "rows", "{how}");
        }
        client.send(&message(b'H', b""));
        let error = client.expect_last_words();
        assert_eq!(error.code, "08006", "{how}");
        assert_eq!(error.severity, "FATAL", "{how}");
        assert!(error.hint.contains("Connect again"), "{error:?}");
        let line = gateway.wait_for_message("backend closed the connection unexpectedly");
        assert_eq!(line["level"], "WARN");
        assert_eq!(line["client_told"], true, "{how}");
    }
}

#[test]
fn a_result_that_is_cut_within_a_large_message_ends_with_a_reset() {
    let part = [&b"D"[..], &[0, 0x10, 0, 0], &vec![b'x'; MIB / 4]].concat();
    let server = Peer::listen()
        .script([
            Step::ExpectStartup,
            Step::Send(LOGGED_IN.to_vec()),
            Step::ExpectMessage(b'Q'),
            Step::Send(part.clone()),
            Step::ExpectMessage(b'H'),
            Step::Close,
        ])
        .start();
    let gateway = before_peer(server.port()).start();
    let mut client = RawClient::log_in(gateway.port());
    client.send_query("select everything");
    let mut came = vec![0; part.len()];
    client.input().read_exact(&mut came).expect("it comes");
    assert!(came == part);
    client.send(&message(b'H', b""));
    // Words would be taken for a part of the value, and a clean end for an end.
    let error = client.input().read(&mut [0]).expect_err("it is cut off");
    assert_eq!(error.kind(), ErrorKind::ConnectionReset);
    let line = gateway.wait_for_message("backend closed the connection unexpectedly");
    assert_eq!(line["client_told"], false);
}

#[test]
fn a_server_that_is_killed_within_a_large_result_is_reported_to_the_client() {
    let mut server = Postgres::builder().start();
    let gateway = before(&server, "disable").start();
    let mut client = RawClient::log_in(gateway.port());
    client.send_query("select repeat('x', 1000) from generate_series(1, 10000000)");
    assert_eq!(client.expect_message().tag, b'T');
    for _ in 0..1000 {
        assert_eq!(client.expect_message().tag, b'D');
    }
    server.crash();
    let rest = client.read_to_end();
    let (last, rows) = rest.split_last().expect("there are last words");
    assert!(
        rows.iter()
            .all(|row| row.tag == b'D' && row.body.len() == 1006)
    );
    assert_eq!(last.error().code, "08006");
}

#[test]
fn a_session_that_the_server_ends_gets_the_server_s_own_words() {
    let mut client = RawClient::log_in(PLAIN.gateway.port());
    let pid = client.backend_pid();
    PLAIN
        .server
        .psql(&format!("select pg_terminate_backend({pid}, 10000)"));
    let error = client.expect_last_words();
    assert_eq!(error.code, "57P01");
    assert!(error.message.contains("administrator command"), "{error:?}");
}

#[test]
fn a_message_with_an_impossible_length_ends_the_session() {
    let mut client = RawClient::log_in(PLAIN.gateway.port());
    client.send(b"Q\0\0\0\x03");
    let error = client.expect_last_words();
    assert_eq!(error.code, "08P01");
    assert_eq!(error.severity, "FATAL");
}

#[test]
fn a_server_that_sends_garbage_is_reported_to_the_client() {
    let row = message(b'D', b"\0\x01\0\0\0\x04rows");
    let server = Peer::listen()
        .script([
            Step::ExpectStartup,
            Step::Send(LOGGED_IN.to_vec()),
            Step::ExpectMessage(b'Q'),
            Step::Send(row),
            Step::ExpectMessage(b'H'),
            Step::Send(b"HTTP/1.1 400 Bad Request\r\n\r\n".to_vec()),
            Step::ReadToEnd,
        ])
        .start();
    let gateway = before_peer(server.port()).start();
    let mut client = RawClient::log_in(gateway.port());
    client.send_query("select everything");
    assert_eq!(client.expect_message().value(), "rows");
    client.send(&message(b'H', b""));
    let error = client.expect_last_words();
    assert_eq!(error.code, "08P01");
    assert!(error.message.contains("database server"), "{error:?}");
    let line = gateway.wait_for_message("malformed message from the backend");
    assert_eq!(line["level"], "WARN");
    server.finish();
}
