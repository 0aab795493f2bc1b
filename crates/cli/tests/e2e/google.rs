//! Google's own clients of AlloyDB, unmodified, through the emulator.

pub(crate) mod cloud;
mod seen;

use std::fmt;
use std::sync::{Mutex, PoisonError};

use querycop_testkit::command::Program;

use self::cloud::{Cloud, clients, root};

/// Google's clients, as `tests/clients/google/run` names them.
const CLIENTS: [&str; 6] = ["go", "java", "pg8000", "psycopg", "asyncpg", "auth-proxy"];

/// The address of an instance that is dialled.
#[derive(Clone, Copy, PartialEq, Eq)]
enum IpType {
    Private,
    Public,
    Psc,
}

impl fmt::Display for IpType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Private => "private",
            Self::Public => "public",
            Self::Psc => "psc",
        })
    }
}

/// How the client says who it is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Login {
    /// A role of the database with its password.
    Password,
    /// Automatic IAM login as the service account of the credentials file.
    ServiceAccount,
    /// Automatic IAM login as the user of an access token.
    Token,
}

/// The PSC name is `localhost`, and so one address belongs to one emulator at a time.
pub(crate) static LOCALHOST: Mutex<()> = Mutex::new(());

/// Runs a client in its cluster and checks that every behaviour held.
fn works(client: &str, ip_type: IpType, login: Login) {
    if ip_type == IpType::Psc {
        let _turn = LOCALHOST.lock().unwrap_or_else(PoisonError::into_inner);
        let cloud = Cloud::with_psc_name(client);
        cloud.check(client, client, ip_type, login);
    } else {
        cloud::SHARED.check(client, client, ip_type, login);
    }
}

#[test]
fn every_client_has_its_tests() {
    let listed = Program::new(clients().join("run")).argument("--list").run();
    let names: Vec<_> = listed.expect_success().lines().collect();
    assert_eq!(names, CLIENTS);
}

#[test]
fn every_client_is_there_where_the_project_is_tested() {
    if std::env::var_os("CI").is_none() {
        return;
    }
    for program in ["go", "java", "python", "auth-proxy"] {
        let absent = root().join(format!(".cache/clients/google/{program}.absent"));
        let reason = std::fs::read_to_string(absent).ok();
        assert_eq!(reason, None, "{program} is missing");
    }
}

/// The tests of one client.
macro_rules! connect {
    ($module:ident, $client:literal) => {
        mod $module {
            use super::{IpType, Login, works};

            #[test]
            fn works_on_the_private_ip_with_a_password() {
                works($client, IpType::Private, Login::Password);
            }

            #[test]
            fn works_on_the_private_ip_with_iam() {
                works($client, IpType::Private, Login::ServiceAccount);
            }

            #[test]
            fn works_on_the_public_ip_with_a_password() {
                works($client, IpType::Public, Login::Password);
            }

            #[test]
            fn works_on_the_public_ip_with_iam() {
                works($client, IpType::Public, Login::ServiceAccount);
            }

            #[test]
            fn works_on_the_psc_name_with_a_password() {
                works($client, IpType::Psc, Login::Password);
            }

            #[test]
            fn works_on_the_psc_name_with_iam() {
                works($client, IpType::Psc, Login::ServiceAccount);
            }

            #[test]
            fn works_with_a_users_token() {
                works($client, IpType::Public, Login::Token);
            }
        }
    };
}

connect!(go, "go");
connect!(java, "java");
connect!(pg8000, "pg8000");
connect!(psycopg, "psycopg");
connect!(asyncpg, "asyncpg");
connect!(auth_proxy, "auth-proxy");
