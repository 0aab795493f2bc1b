//! Both versions of PostgreSQL start, serve every login with and without TLS, and leave nothing.

use std::path::{Path, PathBuf};
use std::process::Command;

use querycop_testkit::certificates::{Authority, Leaf};
use querycop_testkit::command::Program;
use querycop_testkit::postgres::{Auth, Encryption, Login, Postgres, Transport, Version};
use querycop_testkit::psql::Libpq;
use querycop_testkit::wait::eventually;

/// What a session says about its own TLS.
const TLS: &str = "select ssl from pg_stat_ssl where pid = pg_backend_pid()";

#[test]
fn every_login_works_over_tls_and_in_clear() {
    let authority = Authority::new("test root");
    let directory = tempfile::tempdir().expect("the temporary directory is writable");
    let root = authority.write(directory.path(), "root");
    for version in Version::ALL {
        let server = Postgres::builder()
            .version(version)
            .tls(&authority.intermediate("issuing").server(&["127.0.0.1"]))
            .logins(Transport::Any)
            .start();
        let token = server.rotate_token(Login::Token.role());
        for login in Login::ALL {
            let client = server.client().user(login.role());
            let client = match login {
                Login::Trust => client,
                Login::Token => client.password(&token),
                Login::Password | Login::Md5 | Login::Scram => client.password(&login.password()),
            };
            let verified = client
                .clone()
                .sslmode("verify-full")
                .option("sslrootcert", root.display());
            assert_eq!(verified.query(TLS), "t", "{version:?} {login:?}");
            let plain = client.sslmode("disable");
            assert_eq!(plain.query(TLS), "f", "{version:?} {login:?}");
            if login != Login::Trust {
                let wrong = plain.password("wrong").run(TLS);
                assert!(wrong.expect_failure().contains("authentication failed"));
            }
        }
        let scram = server.client().user("scram_user").sslmode("require");
        let scram = scram.password(&Login::Scram.password());
        assert_eq!(scram.option("channel_binding", "require").query(TLS), "t");
    }
}

#[test]
fn libpq_18_negotiates_tls_directly() {
    let server = Postgres::builder()
        .version(Version::V18)
        .tls(&Authority::new("test root").server(&["127.0.0.1"]))
        .logins(Transport::Tls)
        .start();
    let client = server.client().libpq(Libpq::V18).sslmode("require");
    let client = client.option("sslnegotiation", "direct");
    let client = client.option("min_protocol_version", "3.2");
    assert_eq!(client.user("trust_user").query(TLS), "t");
}

#[test]
fn a_token_is_accepted_until_the_next() {
    let server = Postgres::builder().logins(Transport::Any).start();
    let first = server.rotate_token("token_user");
    let second = server.rotate_token("token_user");
    let client = server.client().user("token_user");
    assert!(!client.clone().password(&first).run(TLS).success());
    assert!(client.password(&second).run(TLS).success());
}

#[test]
fn a_crashed_server_comes_back_on_its_port() {
    for version in Version::ALL {
        let mut server = Postgres::builder()
            .version(version)
            .auth(Auth::Scram)
            .start();
        server.create_role("o'hara", r"it's a \secret", Encryption::Scram);
        server.psql("create table kept ()");
        let port = server.port();
        server.crash();
        server.restart();
        assert_eq!(server.port(), port);
        let client = server.client().user("o'hara").password(r"it's a \secret");
        assert_eq!(client.query("select 1"), "1");
        assert_eq!(server.psql("select count(*) from kept"), "0");
    }
}

#[test]
fn a_new_certificate_and_new_rules_are_in_force_after_the_reload() {
    let (before, after) = (Authority::new("before"), Authority::new("after"));
    let directory = tempfile::tempdir().expect("the temporary directory is writable");
    let root = after.write(directory.path(), "root");
    let server = Postgres::builder()
        .tls(&before.server(&["db.test"]))
        .start();
    let client = server.client().user("postgres").sslmode("verify-ca");
    let client = client.option("sslrootcert", root.display());
    assert!(
        client
            .run(TLS)
            .expect_failure()
            .contains("certificate verify failed")
    );
    server.reload_tls(&after.server(&["db.test"]));
    assert_eq!(client.query(TLS), "t");
    server.reload_hba("hostnossl all all all trust");
    assert!(
        client
            .run(TLS)
            .expect_failure()
            .contains("no pg_hba.conf entry")
    );
}

#[test]
fn a_client_certificate_is_asked_for_and_verified() {
    let authority = Authority::new("test root");
    let server = Postgres::builder()
        .tls(&authority.server(&["127.0.0.1"]))
        .client_authority(&authority)
        .hba("hostssl all postgres all cert")
        .start();
    let directory = tempfile::tempdir().expect("the temporary directory is writable");
    let connect = |leaf: &Leaf| {
        let files = authority.issue(leaf).write(directory.path(), "client");
        let client = server.client().user("postgres").sslmode("require");
        let client = client.option("sslcert", files.certificate.display());
        client.option("sslkey", files.key.display()).run(TLS)
    };
    let good = Leaf::client("postgres");
    assert_eq!(connect(&good).expect_success(), "t");
    assert!(!connect(&good.expired()).success());
    assert!(!connect(&Leaf::client("somebody")).success());
}

#[test]
fn sessions_of_a_role_can_be_ended() {
    let server = Postgres::builder().logins(Transport::Any).start();
    let client = server.client().user("trust_user");
    let sleeper = std::thread::spawn(move || client.run("select pg_sleep(1000)"));
    let ended = eventually("the session to be there", || {
        Some(server.terminate_backends("trust_user")).filter(|count| *count > 0)
    });
    assert_eq!(ended, 1);
    let output = sleeper.join().expect("psql only fails");
    assert!(output.expect_failure().contains("administrator command"));
}

#[test]
fn pgbench_runs_against_a_server() {
    let server = Postgres::builder().start();
    let pgbench = || {
        Program::postgresql("pgbench")
            .arguments(["-h", server.host(), "-p", &server.port().to_string()])
            .arguments(["-U", server.superuser()])
    };
    pgbench()
        .arguments(["-i", "-q"])
        .argument("postgres")
        .run()
        .expect_success();
    let run = pgbench()
        .arguments(["-S", "-t", "10"])
        .argument("postgres")
        .run();
    assert!(run.expect_success().contains("10/10"));
}

#[test]
fn a_dropped_server_leaves_nothing() {
    let server = Postgres::builder().start();
    let (directory, pid) = (server.socket_dir().to_owned(), server.pid());
    assert!(directory.exists() && process(pid).exists());
    drop(server);
    assert!(!directory.exists() && !process(pid).exists());
}

#[test]
fn a_panicking_test_leaves_nothing() {
    let (sender, receiver) = std::sync::mpsc::channel();
    let test = std::thread::spawn(move || {
        let server = Postgres::builder().start();
        let started = (server.socket_dir().to_owned(), server.pid());
        sender.send(started).expect("the other end waits");
        panic!("this is expected");
    });
    test.join().expect_err("it panics");
    let (directory, pid) = receiver.recv().expect("it was sent before");
    assert!(!directory.exists() && !process(pid).exists());
}

#[test]
fn a_killed_test_process_leaves_nothing() {
    let child_marker = "QUERYCOP_TESTKIT_CHILD";
    if let Some(report) = std::env::var_os(child_marker) {
        let server = Postgres::builder().start();
        let line = format!("{}\n{}", server.pid(), server.socket_dir().display());
        let fresh = Path::new(&report).with_extension("fresh");
        std::fs::write(&fresh, line).expect("the directory is writable");
        std::fs::rename(fresh, report).expect("both names are in one directory");
        std::thread::park();
    }
    let directory = tempfile::tempdir().expect("the temporary directory is writable");
    let report = directory.path().join("report");
    let myself = std::env::current_exe().expect("this is Linux");
    let mut child = Command::new(myself)
        .args(["--exact", "a_killed_test_process_leaves_nothing"])
        .env(child_marker, &report)
        .spawn()
        .expect("a test binary runs");
    let report = eventually("the child's server", || {
        std::fs::read_to_string(&report).ok()
    });
    let (pid, server) = report.split_once('\n').expect("two lines were written");
    let pid = pid.parse().expect("it is a number");
    assert!(process(pid).exists() && Path::new(server).exists());
    child.kill().expect("it is parked");
    child.wait().expect("it is our child");
    eventually("the reaper to clean up", || {
        (!process(pid).exists() && !Path::new(server).exists()).then_some(())
    });
}

fn process(pid: u32) -> PathBuf {
    format!("/proc/{pid}").into()
}
