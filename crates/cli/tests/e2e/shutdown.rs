//! How the gateway comes to its end, and what it does when the system gives it little.

use std::fs;
use std::io::{ErrorKind, Read};
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::process::ExitStatus;
use std::sync::LazyLock;

use querycop_testkit::gateway::{Gateway, Signal};
use querycop_testkit::peer::{Peer, Step};
use querycop_testkit::postgres::{Auth, Postgres};
use querycop_testkit::psql::Psql;
use querycop_testkit::wait::{DEADLINE, eventually};

use crate::command::http::{get, metric};
use crate::relay::before_peer;
use crate::relay::raw::{LOGGED_IN, RawClient, ServerError, V3_0, message, tags};
use crate::setup::{before, querycop, temporary_directory};

/// Trusts everybody.
static SERVER: LazyLock<Postgres> = LazyLock::new(|| Postgres::builder().start());

/// A session of the gateway that runs a statement until it is told to go on.
struct Busy {
    client: RawClient,
    /// Holds, at the server itself, the lock that the statement waits for.
    holder: RawClient,
    lock: u32,
}

impl Busy {
    /// `lock` is the test's own: the server is everybody's.
    fn begin(gateway: &Gateway, lock: u32) -> Self {
        let mut holder = RawClient::log_in(SERVER.port());
        holder.query(&format!("select pg_advisory_lock({lock})"));
        let mut client = RawClient::log_in(gateway.port());
        client.send_query(&format!("select 'finished' from pg_advisory_lock({lock})"));
        eventually("the statement to run", || {
            let waiting = SERVER.psql(&format!(
                "select count(*) from pg_locks where objid = {lock} and not granted"
            ));
            (waiting == "1").then_some(())
        });
        Self {
            client,
            holder,
            lock,
        }
    }

    /// Lets the statement come to its end.
    fn go_on(&mut self) {
        let unlock = format!("select pg_advisory_unlock({})", self.lock);
        self.holder.query(&unlock);
    }
}

/// Tells the gateway to end and waits until it takes no more clients.
fn begin_shutdown(gateway: &Gateway, signal: Signal) {
    gateway.signal(signal);
    gateway.wait_for_message("shutting down, waiting for sessions");
}

fn assert_shutdown(error: &ServerError) {
    assert_eq!(error.severity, "FATAL");
    assert_eq!(error.code, "57P01");
    assert!(error.message.contains("shutting down"), "{error:?}");
}

fn exit_code(status: ExitStatus) -> i32 {
    status.code().expect("it ends by itself, not by a signal")
}

#[test]
fn an_idle_session_is_told_and_the_gateway_ends() {
    for signal in [Signal::TERM, Signal::INT] {
        let gateway = before(&SERVER, "disable").start();
        let mut client = RawClient::log_in(gateway.port());
        assert_eq!(client.value("select 1"), "1");
        let pid = client.backend_pid();
        gateway.signal(signal);
        assert_shutdown(&client.expect_last_words());
        assert_eq!(exit_code(gateway.wait()), 0, "{signal:?}");
        eventually("the server's process to end", || {
            let sessions = format!("select count(*) from pg_stat_activity where pid = {pid}");
            (SERVER.psql(&sessions) == "0").then_some(())
        });
    }
}

#[test]
fn without_sessions_the_gateway_ends_at_once() {
    let gateway = before(&SERVER, "disable").start();
    gateway.signal(Signal::TERM);
    assert_eq!(exit_code(gateway.wait()), 0);
}

#[test]
fn a_running_statement_is_finished_and_its_result_delivered() {
    let gateway = before(&SERVER, "disable").start();
    let mut busy = Busy::begin(&gateway, 1001);
    begin_shutdown(&gateway, Signal::TERM);
    busy.go_on();
    assert_eq!(busy.client.read_value(), "finished");
    assert_shutdown(&busy.client.expect_last_words());
    assert_eq!(exit_code(gateway.wait()), 0);
}

#[test]
fn a_transaction_is_waited_for() {
    let gateway = before(&SERVER, "disable").start();
    let mut client = RawClient::log_in(gateway.port());
    client.query("begin");
    begin_shutdown(&gateway, Signal::TERM);
    assert_eq!(client.value("select 'still here'"), "still here");
    assert_eq!(tags(&client.query("commit")), "CZ");
    assert_shutdown(&client.expect_last_words());
    assert_eq!(exit_code(gateway.wait()), 0);
}

#[test]
fn an_unfinished_pipeline_is_waited_for() {
    let gateway = before(&SERVER, "disable").start();
    let mut client = RawClient::log_in(gateway.port());
    // Parse and Flush: answered, but without Sync the server is not done.
    client.send(b"P\0\0\0\x10\0select 1\0\0\0H\0\0\0\x04");
    assert_eq!(client.expect_message().tag, b'1');
    begin_shutdown(&gateway, Signal::TERM);
    client.send(b"S\0\0\0\x04");
    assert_eq!(client.expect_message().tag, b'Z');
    assert_shutdown(&client.expect_last_words());
    assert_eq!(exit_code(gateway.wait()), 0);
}

#[test]
fn new_connections_are_refused_while_sessions_are_waited_for() {
    let gateway = before(&SERVER, "disable").start();
    let mut busy = Busy::begin(&gateway, 1002);
    // Begins before the signal and goes on after it.
    let mut early = RawClient::connect(gateway.port());
    early.send(&querycop_wire::startup::ssl_request());
    let mut answer = [0];
    let read = early.input().read_exact(&mut answer);
    read.expect("the gateway answers");
    assert_eq!(answer, *b"N");
    begin_shutdown(&gateway, Signal::TERM);
    early.start_up("postgres", V3_0);
    let error = early.expect_last_words();
    assert_eq!(error.code, "57P03");
    assert_eq!(error.severity, "FATAL");
    let late = TcpStream::connect(("127.0.0.1", gateway.port()));
    let late = late.expect_err("nobody listens any more");
    assert_eq!(late.kind(), ErrorKind::ConnectionRefused);
    busy.go_on();
    assert_eq!(busy.client.read_value(), "finished");
    assert_eq!(exit_code(gateway.wait()), 0);
}

#[test]
fn a_connection_that_says_nothing_does_not_hold_up_the_end() {
    let gateway = before(&SERVER, "disable")
        .env("GATEKEEPER_STARTUP_TIMEOUT", "10m")
        .env("GATEKEEPER_DRAIN_TIMEOUT", "10m")
        .start();
    let _silent = RawClient::connect(gateway.port());
    eventually("the connection to be counted", || {
        (metric(&gateway, "querycop_connections_total") >= 1.0).then_some(())
    });
    gateway.signal(Signal::TERM);
    assert_eq!(exit_code(gateway.wait()), 0);
}

#[test]
fn a_client_that_is_asked_for_its_password_does_not_hold_up_the_end() {
    let server = Postgres::builder().auth(Auth::Password).start();
    let gateway = before(&server, "disable")
        .env("GATEKEEPER_LOGIN_TIMEOUT", "10m")
        .env("GATEKEEPER_DRAIN_TIMEOUT", "10m")
        .start();
    let mut asked = RawClient::connect(gateway.port());
    asked.start_up("postgres", V3_0);
    assert_eq!(asked.expect_message().tag, b'R');
    gateway.signal(Signal::TERM);
    assert_eq!(asked.expect_last_words().code, "57P03");
    assert_eq!(exit_code(gateway.wait()), 0);
}

#[test]
fn the_api_says_that_the_gateway_is_not_ready_while_it_shuts_down() {
    let gateway = before(&SERVER, "disable").start();
    let mut busy = Busy::begin(&gateway, 1003);
    assert_eq!(get(&gateway, "/readyz", &[]).status, 200);
    begin_shutdown(&gateway, Signal::TERM);
    eventually("the answer to change", || {
        (get(&gateway, "/readyz", &[]).status == 503).then_some(())
    });
    // It lives, and whoever restarts what does not live must not restart it.
    assert_eq!(get(&gateway, "/healthz", &[]).status, 200);
    busy.go_on();
    assert_eq!(exit_code(gateway.wait()), 0);
}

#[test]
fn a_session_that_is_busy_for_too_long_is_cut_off() {
    let gateway = before(&SERVER, "disable")
        .env("GATEKEEPER_DRAIN_TIMEOUT", "1s")
        .start();
    let mut busy = Busy::begin(&gateway, 1004);
    gateway.signal(Signal::TERM);
    assert_shutdown(&busy.client.expect_last_words());
    assert_eq!(exit_code(gateway.wait()), 1);
    let line = gateway.wait_for_message("stopped, sessions were cut off");
    assert_eq!(line["sessions"], 1);
}

#[test]
fn a_second_signal_ends_the_gateway_at_once() {
    for (signal, code) in [(Signal::TERM, 143), (Signal::INT, 130)] {
        let gateway = before(&SERVER, "disable")
            .env("GATEKEEPER_DRAIN_TIMEOUT", "10m")
            .start();
        let _busy = Busy::begin(&gateway, 1005);
        begin_shutdown(&gateway, signal);
        gateway.signal(signal);
        assert_eq!(exit_code(gateway.wait()), code, "{signal:?}");
    }
}

#[test]
fn the_unix_socket_disappears() {
    let directory = temporary_directory();
    let gateway = before(&SERVER, "disable")
        .env("GATEKEEPER_LISTEN_ADDRESS", directory.path().display())
        .env("GATEKEEPER_LISTEN_PORT", 5432)
        .start();
    let socket = PathBuf::from(gateway.listen_addr());
    assert_eq!(socket, directory.path().join(".s.PGSQL.5432"));
    let client = gateway.client().user("postgres");
    assert_eq!(
        client.query("select 'through the socket'"),
        "through the socket"
    );
    gateway.signal(Signal::TERM);
    assert_eq!(exit_code(gateway.wait()), 0);
    assert!(!socket.exists());
}

#[test]
fn systemd_is_told_of_start_and_end() {
    let directory = temporary_directory();
    let path = directory.path().join("notify");
    let socket = UnixDatagram::bind(&path).expect("the directory is writable");
    let deadline = socket.set_read_timeout(Some(DEADLINE));
    deadline.expect("the deadline is not zero");
    let receive = || {
        let mut buffer = [0; 1024];
        let size = socket
            .recv(&mut buffer)
            .expect("the gateway says something");
        String::from_utf8_lossy(&buffer[..size]).trim().to_owned()
    };
    let gateway = before(&SERVER, "disable")
        .env("NOTIFY_SOCKET", path.display())
        .start();
    assert_eq!(receive(), "READY=1");
    gateway.signal(Signal::TERM);
    assert_eq!(receive(), "STOPPING=1");
    assert_eq!(exit_code(gateway.wait()), 0);
}

// ---- Few descriptors ----

/// A program that becomes the gateway after `limits`, which are commands of a shell.
fn limited(directory: &Path, limits: &str) -> PathBuf {
    let path = directory.join("limited");
    let binary = querycop().display();
    let script = format!("#!/bin/sh\nset -e\n{limits}\nexec '{binary}' \"$@\"\n");
    fs::write(&path, script).expect("the directory is writable");
    let executable = fs::Permissions::from_mode(0o755);
    fs::set_permissions(&path, executable).expect("the file is ours");
    path
}

#[test]
fn running_out_of_descriptors_is_survived() {
    let directory = temporary_directory();
    let gateway = Gateway::builder(limited(directory.path(), "ulimit -n 64"))
        .env("GATEKEEPER_BACKEND_HOST", SERVER.host())
        .env("GATEKEEPER_BACKEND_PORT", SERVER.port())
        .start();
    let mut veteran = RawClient::log_in(gateway.port());
    let crowd: Vec<_> = (0..100)
        .map(|_| RawClient::connect(gateway.port()))
        .collect();
    let line = gateway.wait_for_message("accept failed, will try again");
    assert_eq!(line["level"], "WARN");
    let error = line["error"].as_str().expect("it says why");
    assert!(error.contains("Too many open files"), "{error}");
    assert_eq!(veteran.value("select 'still served'"), "still served");
    drop(crowd);
    let client: Psql = gateway.client().user("postgres");
    eventually("the gateway to serve again", || {
        client.run("select 1").success().then_some(())
    });
}

#[test]
fn the_limit_of_open_files_is_raised() {
    let directory = temporary_directory();
    let server = Peer::listen()
        .script([
            Step::ExpectStartup,
            Step::Send(LOGGED_IN.to_vec()),
            Step::Hang,
        ])
        .start();
    let limits = "ulimit -Sn 64; ulimit -Hn 4096";
    let gateway = Gateway::builder(limited(directory.path(), limits))
        .env("GATEKEEPER_BACKEND_HOST", "127.0.0.1")
        .env("GATEKEEPER_BACKEND_PORT", server.port())
        .env("GATEKEEPER_BACKEND_TLS_MODE", "disable")
        .start();
    let line = gateway.wait_for_message("file limit raised");
    assert_eq!(line["open_files"], 4096, "{line}");
    let sessions: Vec<_> = (0..100)
        .map(|_| RawClient::log_in(gateway.port()))
        .collect();
    assert_eq!(sessions.len(), 100);
}

#[test]
fn a_session_that_does_not_read_does_not_hold_up_the_end() {
    let server = Peer::listen()
        .script([
            Step::ExpectStartup,
            Step::Send(LOGGED_IN.to_vec()),
            Step::ExpectMessage(b'Q'),
            // More than all sockets on the way can hold.
            Step::Send(message(b'D', &[b'x'; 1000]).repeat(64 * 1024)),
        ])
        .start();
    let gateway = before_peer(server.port())
        .env("GATEKEEPER_DRAIN_TIMEOUT", "1s")
        .start();
    let mut client = RawClient::log_in(gateway.port());
    client.send_query("select everything");
    // From here on it does not read.
    assert_eq!(client.expect_message().tag, b'D');
    gateway.signal(Signal::TERM);
    assert_eq!(exit_code(gateway.wait()), 1);
}
