//! New certificates without a restart.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;
use std::thread::JoinHandle;

use querycop_testkit::certificates::Authority;
use querycop_testkit::command::{Output, Program};
use querycop_testkit::gateway::{Gateway, Signal};
use querycop_testkit::postgres::Postgres;
use querycop_testkit::psql::Psql;
use querycop_testkit::wait::eventually;
use tempfile::TempDir;

use crate::command::http::metric;
use crate::relay::raw::RawClient;
use crate::setup::{before, temporary_directory};

/// Trusts everybody, in clear.
static SERVER: LazyLock<Postgres> = LazyLock::new(|| Postgres::builder().start());

const RELOADED: &str = "certificate files read";
const KEPT: &str = "certificate files can't be used, the old ones stay";
const NAMES: &[&str] = &["127.0.0.1"];

/// A gateway whose certificate for its clients is in these files.
fn gateway_with(certificate: &Path, key: &Path) -> Gateway {
    before(&SERVER, "disable")
        .env("GATEKEEPER_PROXY_TLS_CERT", certificate.display())
        .env("GATEKEEPER_PROXY_TLS_KEY", key.display())
        .start()
}

/// A client that verifies the gateway against this authority.
fn client(gateway: &Gateway, root: &Path) -> Psql {
    gateway
        .client()
        .user("postgres")
        .sslmode("verify-full")
        .option("sslrootcert", root.display())
}

fn is_trusted(gateway: &Gateway, root: &Path) -> bool {
    client(gateway, root).run("select 1").success()
}

fn wait_until_trusted(gateway: &Gateway, root: &Path) {
    eventually("the new certificate to be shown", || {
        is_trusted(gateway, root).then_some(())
    });
}

/// The log lines with this message about this leg.
fn lines(gateway: &Gateway, message: &str, leg: &str) -> usize {
    let logs = gateway.logs();
    let wanted = logs
        .iter()
        .filter(|line| line["message"] == message && line["leg"] == leg);
    wanted.count()
}

/// A session that is open until it is told to go on, and then runs one more statement.
struct OpenSession {
    gate: PathBuf,
    psql: JoinHandle<Output>,
    _directory: TempDir,
}

impl OpenSession {
    fn begin(client: Psql) -> Self {
        let directory = temporary_directory();
        let (opened, gate) = (
            directory.path().join("opened"),
            directory.path().join("gate"),
        );
        Program::new("mkfifo")
            .argument(&gate)
            .run()
            .expect_success();
        let script = format!(
            "select pg_backend_pid() as pid \\gset\n\
             \\! touch '{}'\n\
             \\! cat '{}'\n\
             select :pid = pg_backend_pid();\n",
            opened.display(),
            gate.display(),
        );
        let psql = std::thread::spawn(move || client.script(&script));
        eventually("the session to open", || opened.exists().then_some(()));
        Self {
            gate,
            psql,
            _directory: directory,
        }
    }

    /// Shows that it is the same session still.
    fn goes_on(self) {
        fs::write(&self.gate, "").expect("psql waits at the other end");
        let output = self.psql.join().expect("psql only fails");
        assert_eq!(output.expect_success(), "t");
    }
}

#[test]
fn a_new_certificate_is_shown_to_new_connections_and_open_sessions_live_on() {
    let directory = temporary_directory();
    let (old, new) = (Authority::new("old root"), Authority::new("new root"));
    let old_root = old.write(directory.path(), "old");
    let new_root = new.write(directory.path(), "new");
    let files = old.server(NAMES).write(directory.path(), "gateway");
    let gateway = gateway_with(&files.certificate, &files.key);
    assert!(!is_trusted(&gateway, &new_root));
    let session = OpenSession::begin(client(&gateway, &old_root));

    new.server(NAMES).write(directory.path(), "gateway");
    wait_until_trusted(&gateway, &new_root);
    assert!(!is_trusted(&gateway, &old_root));
    session.goes_on();
    assert!(lines(&gateway, RELOADED, "client leg") > 0);
}

#[test]
fn a_file_that_can_t_be_used_leaves_the_old_certificate_in_place() {
    let directory = temporary_directory();
    let files_of = temporary_directory();
    let authority = Authority::new("root");
    let root = authority.write(directory.path(), "root");
    let files = authority.server(NAMES).write(files_of.path(), "gateway");
    let good = fs::read(&files.certificate).expect("it was written");
    let gateway = gateway_with(&files.certificate, &files.key);
    let replace = |content: &[u8]| {
        let fresh = directory.path().join("fresh");
        fs::write(&fresh, content).expect("the directory is writable");
        fs::rename(&fresh, &files.certificate).expect("both are on one file system");
    };
    let session = OpenSession::begin(client(&gateway, &root));

    replace(b"-----BEGIN CERTIFICATE-----\nnonsense\n");
    let line = gateway.wait_for_message(KEPT);
    assert_eq!(line["level"], "WARN");
    assert_eq!(line["leg"], "client leg");
    let error = line["error"].as_str().expect("it says why");
    assert!(error.contains("gateway.crt"), "{error}");
    assert!(is_trusted(&gateway, &root));
    let failed = "querycop_reloads_total{outcome=\"failed\"}";
    assert!((metric(&gateway, failed) - 1.0).abs() < 0.1);

    let before = lines(&gateway, RELOADED, "client leg");
    replace(&good);
    eventually("the good file to be read", || {
        (lines(&gateway, RELOADED, "client leg") > before).then_some(())
    });
    assert!(is_trusted(&gateway, &root));
    session.goes_on();
    assert_eq!(lines(&gateway, KEPT, "client leg"), 1);
}

#[test]
fn a_key_of_another_certificate_leaves_the_old_one_in_place() {
    let directory = temporary_directory();
    let authority = Authority::new("root");
    let root = authority.write(directory.path(), "root");
    let files = authority.server(NAMES).write(directory.path(), "gateway");
    let gateway = gateway_with(&files.certificate, &files.key);
    let other = authority.server(NAMES).write(directory.path(), "other");
    fs::rename(other.key, &files.key).expect("both are in one directory");
    gateway.wait_for_message(KEPT);
    assert!(is_trusted(&gateway, &root));
}

#[test]
fn a_hangup_signal_reads_files_whose_change_can_t_be_seen() {
    let directory = temporary_directory();
    let path = |name: &str| directory.path().join(name);
    let (old, new) = (Authority::new("old root"), Authority::new("new root"));
    for (name, authority) in [("old", &old), ("new", &new)] {
        fs::create_dir(path(name)).expect("the directory is writable");
        authority.server(NAMES).write(&path(name), "tls");
    }
    let (old_root, new_root) = (
        old.write(directory.path(), "old"),
        new.write(directory.path(), "new"),
    );
    // A link to a link: neither the first folder nor the last one is where the change happens.
    fs::create_dir(path("named")).expect("the directory is writable");
    fs::create_dir(path("between")).expect("the directory is writable");
    symlink("../old", path("between/current")).expect("the directory is writable");
    for name in ["named/tls.crt", "named/tls.key"] {
        let target = name.replace("named", "../between/current");
        symlink(target, path(name)).expect("the directory is writable");
    }
    let gateway = gateway_with(&path("named/tls.crt"), &path("named/tls.key"));
    symlink("../new", path("between/fresh")).expect("the directory is writable");
    fs::rename(path("between/fresh"), path("between/current")).expect("it is one directory");
    assert!(is_trusted(&gateway, &old_root));
    gateway.signal(Signal::HUP);
    wait_until_trusted(&gateway, &new_root);
    let received = gateway.wait_for_message("signal received");
    assert_eq!(received["signal"], "SIGHUP");
}

#[test]
fn a_swapped_directory_is_noticed_as_kubernetes_swaps_it() {
    let volume = temporary_directory();
    let path = |name: &str| volume.path().join(name);
    let (old, new) = (Authority::new("old root"), Authority::new("new root"));
    for (name, authority) in [("..2026_01", &old), ("..2026_02", &new)] {
        fs::create_dir(path(name)).expect("the directory is writable");
        authority.server(NAMES).write(&path(name), "tls");
    }
    symlink("..2026_01", path("..data")).expect("the directory is writable");
    for name in ["tls.crt", "tls.key"] {
        symlink(format!("..data/{name}"), path(name)).expect("the directory is writable");
    }
    let roots = temporary_directory();
    let old_root = old.write(roots.path(), "old");
    let new_root = new.write(roots.path(), "new");
    let gateway = gateway_with(&path("tls.crt"), &path("tls.key"));
    let session = OpenSession::begin(client(&gateway, &old_root));

    symlink("..2026_02", path("..data_tmp")).expect("the directory is writable");
    fs::rename(path("..data_tmp"), path("..data")).expect("both are in one directory");
    fs::remove_dir_all(path("..2026_01")).expect("it is ours");
    wait_until_trusted(&gateway, &new_root);
    session.goes_on();
    assert_eq!(lines(&gateway, KEPT, "client leg"), 0);
}

#[test]
fn a_new_authority_of_the_server_is_verified_against() {
    let directory = temporary_directory();
    let (old, new) = (Authority::new("old root"), Authority::new("new root"));
    let root = old.write(directory.path(), "root");
    let server = Postgres::builder().tls(&old.server(NAMES)).start();
    let gateway = before(&server, "verify-full")
        .env("GATEKEEPER_BACKEND_TLS_CA_FILE", root.display())
        .start();
    let mut session = RawClient::log_in(gateway.port());

    server.reload_tls(&new.server(NAMES));
    let error = RawClient::expect_refusal(gateway.port(), "postgres");
    assert_eq!(error.code, "08001");
    let words = "backend TLS negotiation failed: ";
    assert!(error.message.starts_with(words), "{error:?}");

    new.write(directory.path(), "root");
    let client = gateway.client().user("postgres");
    eventually("the new authority to be read", || {
        client.run("select 1").success().then_some(())
    });
    assert_eq!(session.value("select 'lives on'"), "lives on");
    assert!(lines(&gateway, RELOADED, "backend leg") > 0);
}

#[test]
fn a_new_authority_of_the_clients_is_verified_against() {
    let directory = temporary_directory();
    let authority = Authority::new("root");
    let root = authority.write(directory.path(), "root");
    let (old, new) = (Authority::new("old clients"), Authority::new("new clients"));
    let accepted = old.write(directory.path(), "clients");
    let files = authority.server(NAMES).write(directory.path(), "gateway");
    let gateway = before(&SERVER, "disable")
        .env("GATEKEEPER_PROXY_TLS_CERT", files.certificate.display())
        .env("GATEKEEPER_PROXY_TLS_KEY", files.key.display())
        .env("GATEKEEPER_PROXY_TLS_CLIENT_CA", accepted.display())
        .start();
    let elsewhere = temporary_directory();
    let client_of = |authority: &Authority, name: &str| {
        let files = authority.client("postgres").write(elsewhere.path(), name);
        client(&gateway, &root)
            .option("sslcert", files.certificate.display())
            .option("sslkey", files.key.display())
    };
    let (old_client, new_client) = (client_of(&old, "old"), client_of(&new, "new"));
    assert_eq!(old_client.query("select 1"), "1");
    assert!(!new_client.run("select 1").success());
    new.write(directory.path(), "clients");
    eventually("the new authority to be read", || {
        new_client.run("select 1").success().then_some(())
    });
    assert!(!old_client.run("select 1").success());
}
