//! Every way in, times every way on, times every method of login, with real libpq.

use querycop_testkit::gateway::{Builder, Gateway};
use querycop_testkit::postgres::{Login, Postgres, Transport, Version};
use querycop_testkit::psql::{Libpq, Psql};

use crate::setup::{Pki, before, before_port};

/// Who the server thinks it serves, and whether over TLS.
const WHO: &str = "select current_user, (select ssl from pg_stat_ssl where pid = pg_backend_pid())";

/// How the client comes in.
const CLIENT_LEGS: [ClientLeg; 5] = [
    ClientLeg::Plain,
    ClientLeg::Require,
    ClientLeg::VerifyFull,
    ClientLeg::Direct,
    ClientLeg::DirectVerifyFull,
];

#[derive(Clone, Copy, Debug)]
enum ClientLeg {
    Plain,
    Require,
    VerifyFull,
    Direct,
    DirectVerifyFull,
}

/// A gateway with a certificate before a server with one, each role of which has its method.
struct Legs {
    pki: Pki,
    server: Postgres,
}

impl Legs {
    fn new(version: Version) -> Self {
        let pki = Pki::new();
        let server = Postgres::builder()
            .version(version)
            .tls(&pki.server())
            .logins(Transport::Any)
            .start();
        Self { pki, server }
    }

    fn gateway(&self, backend_mode: &str) -> Builder {
        let gateway = before(&self.server, backend_mode);
        let gateway = match backend_mode {
            "verify-ca" | "verify-full" => {
                gateway.env("GATEKEEPER_BACKEND_TLS_CA_FILE", self.pki.root.display())
            }
            _ => gateway,
        };
        self.pki.serve_tls(gateway)
    }

    fn client(&self, gateway: &Gateway, leg: ClientLeg) -> Psql {
        let client = gateway.client();
        let root = self.pki.root.display();
        match leg {
            ClientLeg::Plain => client.sslmode("disable"),
            ClientLeg::Require => client.sslmode("require"),
            ClientLeg::VerifyFull => client.sslmode("verify-full").option("sslrootcert", root),
            ClientLeg::Direct => direct(client).sslmode("require"),
            ClientLeg::DirectVerifyFull => direct(client)
                .sslmode("verify-full")
                .option("sslrootcert", root),
        }
    }

    /// Every role logs in with its own password, and with no other.
    fn passwords_pass_through(&self, backend_mode: &str) {
        let gateway = self.gateway(backend_mode).start();
        let encrypted = if backend_mode == "disable" { "f" } else { "t" };
        for leg in CLIENT_LEGS {
            for login in [Login::Trust, Login::Password, Login::Md5, Login::Scram] {
                let cell = format!("{leg:?}, {backend_mode}, {login:?}");
                let role = login.role();
                let client = self.client(&gateway, leg).user(role);
                let right = client.clone().password(&login.password()).run(WHO);
                assert!(right.success(), "{cell}: {right}");
                assert_eq!(right.stdout.trim(), format!("{role}|{encrypted}"), "{cell}");
                if login != Login::Trust {
                    let wrong = client.password("wrong").run(WHO);
                    let words =
                        format!("FATAL:  password authentication failed for user \"{role}\"");
                    assert!(wrong.expect_failure().contains(&words), "{cell}: {wrong}");
                }
            }
        }
    }

    /// Every role logs in with a token and is never asked for a password.
    fn tokens_replace_passwords(&self, backend_mode: &str) {
        let token = self.pki.path().join(format!("token-{backend_mode}"));
        let command = format!("cat {}", token.display());
        let gateway = self.gateway(backend_mode);
        let gateway = gateway.env("GATEKEEPER_BACKEND_TOKEN_CMD", command).start();
        for login in [Login::Trust, Login::Token] {
            let role = login.role();
            for leg in CLIENT_LEGS {
                // A token is good for one login.
                let fresh = self.server.rotate_token(role);
                std::fs::write(&token, fresh).expect("the directory is writable");
                let cell = format!("{leg:?}, {backend_mode}, {login:?}");
                let output = self.client(&gateway, leg).user(role).run(WHO);
                assert!(output.success(), "{cell}: {output}");
                assert_eq!(output.stdout.trim(), format!("{role}|t"), "{cell}");
            }
        }
        std::fs::write(&token, "no-longer-valid").expect("the directory is writable");
        let client = self.client(&gateway, ClientLeg::VerifyFull);
        let refused = client.user(Login::Token.role()).run(WHO);
        let words = "FATAL:  password authentication failed for user \"token_user\"";
        assert!(refused.expect_failure().contains(words), "{refused}");
    }
}

fn direct(client: Psql) -> Psql {
    client.libpq(Libpq::V18).option("sslnegotiation", "direct")
}

/// One module for each version, so that the servers start and the tests run beside each other.
macro_rules! matrix {
    ($($name:ident: $version:expr;)*) => {$(
        mod $name {
            use std::sync::LazyLock;

            use super::*;

            static LEGS: LazyLock<Legs> = LazyLock::new(|| Legs::new($version));

            #[test]
            fn passwords_pass_through_to_a_backend_without_tls() {
                LEGS.passwords_pass_through("disable");
            }

            #[test]
            fn passwords_pass_through_where_tls_is_preferred() {
                LEGS.passwords_pass_through("prefer");
            }

            #[test]
            fn passwords_pass_through_where_tls_is_required() {
                LEGS.passwords_pass_through("require");
            }

            #[test]
            fn passwords_pass_through_where_the_authority_is_verified() {
                LEGS.passwords_pass_through("verify-ca");
            }

            #[test]
            fn passwords_pass_through_where_authority_and_name_are_verified() {
                LEGS.passwords_pass_through("verify-full");
            }

            #[test]
            fn tokens_replace_passwords_in_every_mode_that_always_encrypts() {
                for backend_mode in ["require", "verify-ca", "verify-full"] {
                    LEGS.tokens_replace_passwords(backend_mode);
                }
            }
        }
    )*};
}

matrix! {
    packaged: Version::Packaged;
    v18: Version::V18;
}

#[test]
fn a_token_and_a_mode_that_may_not_encrypt_are_refused_at_start() {
    for backend_mode in ["disable", "prefer"] {
        let output = before_port(5432)
            .env("GATEKEEPER_BACKEND_TLS_MODE", backend_mode)
            .env("GATEKEEPER_BACKEND_TOKEN_CMD", "echo token")
            .start_expecting_failure();
        assert_eq!(output.status.code(), Some(78), "{output}");
        let wanted = [
            "GATEKEEPER_BACKEND_TOKEN_CMD".to_owned(),
            format!("GATEKEEPER_BACKEND_TLS_MODE {backend_mode}"),
        ];
        for wanted in wanted {
            assert!(output.stderr.contains(&wanted), "{wanted}: {output}");
        }
    }
}

#[test]
fn a_token_and_the_mode_that_is_the_default_are_refused_at_start() {
    let output = before_port(5432)
        .env("GATEKEEPER_BACKEND_TOKEN_CMD", "echo token")
        .start_expecting_failure();
    assert_eq!(output.status.code(), Some(78), "{output}");
    assert!(
        output.stderr.contains("GATEKEEPER_BACKEND_TLS_MODE prefer"),
        "{output}"
    );
}

#[test]
fn tls_to_postgresql_18_may_begin_at_once() {
    let legs = Legs::new(Version::V18);
    for backend_mode in ["require", "verify-ca", "verify-full"] {
        let gateway = legs
            .gateway(backend_mode)
            .env("GATEKEEPER_BACKEND_TLS_NEGOTIATION", "direct")
            .start();
        for leg in CLIENT_LEGS {
            for login in [Login::Trust, Login::Scram] {
                let client = legs.client(&gateway, leg).user(login.role());
                let who = client.password(&login.password()).query(WHO);
                assert_eq!(
                    who,
                    format!("{}|t", login.role()),
                    "{leg:?}, {backend_mode}"
                );
            }
        }
    }
}

#[test]
fn tls_to_an_older_postgresql_may_not_begin_at_once() {
    let legs = Legs::new(Version::Packaged);
    let gateway = legs
        .gateway("require")
        .env("GATEKEEPER_BACKEND_TLS_NEGOTIATION", "direct")
        .start();
    let refused = legs.client(&gateway, ClientLeg::Plain).user("trust_user");
    let refused = refused.run(WHO);
    let words = "FATAL:  backend TLS negotiation failed: ";
    assert!(refused.expect_failure().contains(words), "{refused}");
}
