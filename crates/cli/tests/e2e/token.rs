//! Tokens: for whom they are minted, how often, and to whom they are given.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use querycop_testkit::gateway::{Builder, Gateway};
use querycop_testkit::postgres::{Auth, Encryption, Login, Postgres, Transport};
use querycop_testkit::wait::eventually;
use tempfile::TempDir;

use crate::relay::raw::{RawClient, V3_0, message};
use crate::setup::{Pki, before, before_port, counter, session_log, temporary_directory};

const MINTED: &str = "querycop_token_mints_total{outcome=\"ok\"}";

/// A server with TLS whose roles don't change.
static SERVER: LazyLock<Postgres> = LazyLock::new(|| server(Transport::Any));

fn server(transport: Transport) -> Postgres {
    Postgres::builder()
        .tls(&Pki::new().server())
        .logins(transport)
        .start()
}

/// A directory with what a token command reads and writes.
struct Desk {
    directory: TempDir,
}

impl Desk {
    fn new() -> Self {
        Self {
            directory: temporary_directory(),
        }
    }

    fn file(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// Puts down the token that is valid from now on.
    fn put(&self, token: &str) {
        fs::write(self.file("token"), token).expect("the directory is writable");
    }

    /// Prints the token that was put down and leaves a line for each time.
    fn command(&self) -> String {
        let (minted, token) = (self.file("minted"), self.file("token"));
        format!(
            "echo minted >> {}; cat {}",
            minted.display(),
            token.display()
        )
    }

    /// How often the command has run.
    fn mints(&self) -> usize {
        let lines = fs::read_to_string(self.file("minted")).unwrap_or_default();
        lines.lines().count()
    }
}

fn minting(server: &Postgres, command: &str) -> Builder {
    before(server, "require").env("GATEKEEPER_BACKEND_TOKEN_CMD", command)
}

fn log_in(gateway: &Gateway, role: &str) {
    assert_eq!(
        gateway.client().user(role).query("select current_user"),
        role
    );
}

#[test]
fn the_command_knows_for_whom_it_mints() {
    let desk = Desk::new();
    let said = desk.file("said");
    let command = format!(
        "echo $QUERYCOP_USER $QUERYCOP_DATABASE $QUERYCOP_CLIENT_ADDR >> {}; echo {}",
        said.display(),
        Login::Password.password()
    );
    let gateway = minting(&SERVER, &command).start();
    let client = gateway.client().user(Login::Password.role());
    client.dbname("template1").query("select 1");
    let said = fs::read_to_string(said).unwrap();
    let words: Vec<_> = said.split_whitespace().collect();
    assert_eq!(words[..2], ["password_user", "template1"]);
    let sessions = session_log(&gateway, "INFO");
    assert_eq!(sessions[0]["span"]["client.addr"], words[2]);
}

#[test]
fn the_command_has_the_gateway_s_whole_environment() {
    let desk = Desk::new();
    let environment = desk.file("environment");
    let command = format!("env > {}; echo token", environment.display());
    let gateway = minting(&SERVER, &command)
        .env("SOMEBODY_S_SETTING", "kept")
        .start();
    RawClient::expect_refusal(gateway.port(), Login::Password.role());
    let environment = fs::read_to_string(environment).unwrap();
    assert!(
        environment.contains("SOMEBODY_S_SETTING=kept\n"),
        "{environment}"
    );
    assert!(environment.contains("PATH="), "{environment}");
}

#[test]
fn a_token_answers_cleartext_md5_and_scram() {
    let server = Postgres::builder()
        .tls(&Pki::new().server())
        .hba("hostssl all clear all password")
        .hba("hostssl all hashed all md5")
        .auth(Auth::Scram)
        .start();
    let token = server.rotate_token(server.superuser());
    server.create_role("clear", &token, Encryption::Scram);
    server.create_role("hashed", &token, Encryption::Md5);
    server.create_role("proved", &token, Encryption::Scram);
    let desk = Desk::new();
    desk.put(&format!("  {token}\n\n"));
    let gateway = minting(&server, &desk.command()).start();
    for role in ["clear", "hashed", "proved"] {
        log_in(&gateway, role);
    }
    desk.put("another");
    for role in ["clear", "hashed", "proved"] {
        let error = RawClient::expect_refusal(gateway.port(), role);
        let words = format!("password authentication failed for user \"{role}\"");
        assert_eq!((error.code.as_str(), error.message), ("28P01", words));
    }
}

#[test]
fn the_client_s_own_password_is_not_asked_for_and_does_not_matter() {
    let gateway = minting(&SERVER, &format!("echo {}", Login::Scram.password())).start();
    let client = gateway.client().user(Login::Scram.role());
    assert_eq!(client.query("select 1"), "1");
    assert_eq!(client.password("wrong").query("select 1"), "1");
    // The server's challenge is not shown: the first word is that the client is in.
    let mut client = RawClient::connect(gateway.port());
    client.start_up(Login::Scram.role(), V3_0);
    assert_eq!(client.expect_message().body, [0; 4]);
}

#[test]
fn a_token_is_minted_for_each_connection_so_that_rotation_goes_unnoticed() {
    let server = server(Transport::Tls);
    let desk = Desk::new();
    let gateway = minting(&server, &desk.command()).start();
    for connections in 1..=3 {
        desk.put(&server.rotate_token(Login::Token.role()));
        log_in(&gateway, Login::Token.role());
        assert_eq!(desk.mints(), connections);
    }
    assert_eq!(counter(&gateway, MINTED), 3);
}

#[test]
fn no_token_is_minted_for_a_server_that_trusts() {
    let desk = Desk::new();
    desk.put("token");
    let gateway = minting(&SERVER, &desk.command()).start();
    log_in(&gateway, Login::Trust.role());
    assert_eq!(desk.mints(), 0);
}

#[test]
fn connections_at_the_same_time_share_one_mint_where_tokens_are_kept() {
    let server = server(Transport::Tls);
    let desk = Desk::new();
    desk.put(&server.rotate_token(Login::Token.role()));
    let gateway = minting(&server, &desk.command())
        .env("GATEKEEPER_BACKEND_TOKEN_TTL", "1h")
        .start();
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                for _ in 0..4 {
                    RawClient::log_in_as(gateway.port(), Login::Token.role(), V3_0);
                }
            });
        }
    });
    assert_eq!(desk.mints(), 1);
    assert_eq!(counter(&gateway, MINTED), 1);
}

#[test]
fn roles_do_not_share_a_kept_token() {
    let desk = Desk::new();
    let command = format!(
        "{} > /dev/null; echo secret-of-$QUERYCOP_USER",
        desk.command()
    );
    desk.put("");
    let gateway = minting(&SERVER, &command)
        .env("GATEKEEPER_BACKEND_TOKEN_TTL", "1h")
        .start();
    for _ in 0..2 {
        for login in [Login::Password, Login::Md5, Login::Scram] {
            log_in(&gateway, login.role());
        }
    }
    assert_eq!(desk.mints(), 3);
}

#[test]
fn a_kept_token_that_the_server_refuses_is_minted_once_more_and_the_client_does_not_notice() {
    let server = server(Transport::Tls);
    let desk = Desk::new();
    let gateway = minting(&server, &desk.command())
        .env("GATEKEEPER_BACKEND_TOKEN_TTL", "1h")
        .start();
    for mints in 1..=3 {
        desk.put(&server.rotate_token(Login::Token.role()));
        for _ in 0..2 {
            log_in(&gateway, Login::Token.role());
            assert_eq!(desk.mints(), mints);
        }
    }
    assert_eq!(session_log(&gateway, "WARN").len(), 0);
}

#[test]
fn a_new_token_that_the_server_refuses_is_not_minted_over_and_over() {
    let server = server(Transport::Tls);
    let desk = Desk::new();
    let gateway = minting(&server, &desk.command())
        .env("GATEKEEPER_BACKEND_TOKEN_TTL", "1h")
        .start();
    desk.put(&server.rotate_token(Login::Token.role()));
    log_in(&gateway, Login::Token.role());
    // Behind the gateway's back; what the command prints is not valid any more.
    server.rotate_token(Login::Token.role());
    let error = RawClient::expect_refusal(gateway.port(), Login::Token.role());
    assert_eq!((error.code.as_str(), desk.mints()), ("28P01", 2));
    // The refused one is not kept, or the server's next change of mind would go unnoticed.
    desk.put(&server.rotate_token(Login::Token.role()));
    log_in(&gateway, Login::Token.role());
    assert_eq!(desk.mints(), 3);
}

#[test]
fn a_kept_token_is_renewed_when_its_time_is_over() {
    let desk = Desk::new();
    desk.put(&Login::Password.password());
    let gateway = minting(&SERVER, &desk.command())
        .env("GATEKEEPER_BACKEND_TOKEN_TTL", "50ms")
        .start();
    eventually("a second mint", || {
        log_in(&gateway, Login::Password.role());
        (desk.mints() >= 2).then_some(())
    });
}

#[test]
fn a_failed_mint_is_not_kept() {
    let desk = Desk::new();
    let gateway = minting(&SERVER, &desk.command())
        .env("GATEKEEPER_BACKEND_TOKEN_TTL", "1h")
        .start();
    let error = RawClient::expect_refusal(gateway.port(), Login::Password.role());
    assert_eq!(error.code, "28000");
    desk.put(&Login::Password.password());
    log_in(&gateway, Login::Password.role());
    assert_eq!(
        counter(&gateway, "querycop_token_mints_total{outcome=\"failed\"}"),
        1
    );
}

fn is_alive(process: &Path) -> bool {
    // Nothing is there if its end came before its first word.
    let pid = fs::read_to_string(process).unwrap_or_default();
    let stat = fs::read_to_string(format!("/proc/{}/stat", pid.trim())).unwrap_or_default();
    // A killed process that nobody has waited for yet is dead enough.
    !stat.is_empty() && !stat.contains(") Z ")
}

#[test]
fn the_command_and_its_children_die_when_the_client_goes_away() {
    let desk = Desk::new();
    let (shell, child) = (desk.file("shell"), desk.file("child"));
    let command = format!(
        "sleep 1000 & echo $! > {}; echo $$ > {}.fresh; mv {1}.fresh {1}; wait",
        child.display(),
        shell.display()
    );
    let gateway = minting(&SERVER, &command)
        .env("GATEKEEPER_BACKEND_TOKEN_TIMEOUT", "1h")
        .env("GATEKEEPER_LOGIN_TIMEOUT", "1h")
        .start();
    let mut client = RawClient::connect(gateway.port());
    client.start_up(Login::Password.role(), V3_0);
    eventually("the command to run", || shell.exists().then_some(()));
    assert!(is_alive(&shell) && is_alive(&child));
    drop(client);
    eventually("the command to be killed", || {
        (!is_alive(&shell) && !is_alive(&child)).then_some(())
    });
}

#[test]
fn the_command_and_its_children_die_when_their_time_is_over() {
    let desk = Desk::new();
    let (shell, child) = (desk.file("shell"), desk.file("child"));
    let command = format!(
        "echo $$ > {}; sleep 1000 & echo $! > {}; wait",
        shell.display(),
        child.display()
    );
    let gateway = minting(&SERVER, &command)
        .env("GATEKEEPER_BACKEND_TOKEN_TIMEOUT", "2s")
        .start();
    let error = RawClient::expect_refusal(gateway.port(), Login::Password.role());
    assert!(error.message.contains("i/o timeout"), "{error:?}");
    eventually("the command to be killed", || {
        (!is_alive(&shell) && !is_alive(&child)).then_some(())
    });
}

// What is allowed.

#[test]
fn a_token_in_clear_is_allowed_on_this_machine_by_those_who_say_so() {
    let unix = SERVER.socket_dir().display().to_string();
    for host in ["127.0.0.1", "localhost", &unix] {
        let refused = minting(&SERVER, "echo token")
            .env("GATEKEEPER_BACKEND_HOST", host)
            .env("GATEKEEPER_BACKEND_TLS_MODE", "disable");
        let allowed = refused
            .clone()
            .env("GATEKEEPER_BACKEND_TOKEN_ALLOW_PLAINTEXT_LOOPBACK", true)
            .env(
                "GATEKEEPER_BACKEND_TOKEN_CMD",
                format!("echo {}", Login::Password.password()),
            );
        let output = refused.start_expecting_failure();
        assert_eq!(output.status.code(), Some(78), "{output}");
        let name = "GATEKEEPER_BACKEND_TOKEN_ALLOW_PLAINTEXT_LOOPBACK";
        assert!(output.stderr.contains(name), "{output}");
        log_in(&allowed.start(), Login::Password.role());
    }
}

#[test]
fn the_exemption_is_neither_for_other_machines_nor_for_mode_prefer() {
    for (host, mode) in [
        ("192.0.2.1", "disable"),
        ("db.test", "disable"),
        ("127.0.0.1", "prefer"),
    ] {
        let output = before_port(5432)
            .env("GATEKEEPER_BACKEND_HOST", host)
            .env("GATEKEEPER_BACKEND_TLS_MODE", mode)
            .env("GATEKEEPER_BACKEND_TOKEN_CMD", "echo token")
            .env("GATEKEEPER_BACKEND_TOKEN_ALLOW_PLAINTEXT_LOOPBACK", true)
            .start_expecting_failure();
        assert_eq!(output.status.code(), Some(78), "{host}, {mode}: {output}");
    }
}

#[test]
fn a_gateway_that_others_reach_does_not_lend_its_token_to_everybody() {
    for address in ["0.0.0.0", "::"] {
        let output = minting(&SERVER, "echo token")
            .env("GATEKEEPER_LISTEN_ADDRESS", address)
            .start_expecting_failure();
        assert_eq!(output.status.code(), Some(78), "{output}");
        let name = "GATEKEEPER_ALLOW_UNAUTHENTICATED_CLIENTS";
        assert!(output.stderr.contains(name), "{output}");
    }
    let command = format!("echo {}", Login::Password.password());
    let gateway = minting(&SERVER, &command)
        .env("GATEKEEPER_LISTEN_ADDRESS", "0.0.0.0")
        .env("GATEKEEPER_ALLOW_UNAUTHENTICATED_CLIENTS", true)
        .start();
    let client = gateway.client().option("host", "127.0.0.1");
    assert_eq!(client.user(Login::Password.role()).query("select 1"), "1");
}

#[test]
fn a_gateway_on_a_unix_socket_lends_its_token_to_whoever_may_open_it() {
    let desk = Desk::new();
    let command = format!("echo {}", Login::Password.password());
    let gateway = minting(&SERVER, &command)
        .env("GATEKEEPER_LISTEN_ADDRESS", desk.directory.path().display())
        .env("GATEKEEPER_LISTEN_PORT", 5432)
        .start();
    log_in(&gateway, Login::Password.role());
}

#[test]
fn what_a_client_sends_during_the_login_is_kept_to_the_last_byte() {
    let desk = Desk::new();
    let token = desk.file("token");
    let made = std::process::Command::new("mkfifo").arg(&token).status();
    assert!(made.unwrap().success());
    let gateway = minting(&SERVER, &format!("cat {}", token.display())).start();
    let value = "x".repeat(1_000);
    let query = message(b'Q', format!("select '{value}'\0").as_bytes());
    let mut client = RawClient::connect(gateway.port());
    client.start_up(Login::Password.role(), V3_0);
    // A little less than the gateway keeps, then much more than it keeps.
    client.send(&query.repeat(60));
    client.send(&query.repeat(200));
    fs::write(&token, Login::Password.password()).unwrap();
    client.read_until_ready();
    for _ in 0..260 {
        let rows = client.read_until_ready();
        assert!(
            rows.iter()
                .any(|row| row.tag == b'D' && row.value() == value)
        );
    }
}
