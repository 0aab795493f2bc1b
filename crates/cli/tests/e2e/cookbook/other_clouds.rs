//! The pages of the other clouds, against a stand-in: a PostgreSQL with a certificate and tokens of the
//! shape that the cloud's have.

use std::fmt::Write as _;
use std::fs;

use querycop_testkit::certificates::Authority;
use querycop_testkit::postgres::{Encryption, Postgres};

use super::{Desk, Page};

/// A server of some cloud.
struct StandIn {
    server: Postgres,
    authority: Authority,
}

impl StandIn {
    /// A server whose certificate has this name.
    fn named(name: &str) -> Self {
        let authority = Authority::new("a cloud's authority");
        let server = Postgres::builder()
            .tls(&authority.server(&[name]))
            // Clouds ask for a token in clear, under TLS.
            .hba("hostssl all all 127.0.0.1/32 password")
            .start();
        server.psql("CREATE DATABASE appdb");
        Self { server, authority }
    }

    fn role(&self, name: &str, password: &str) {
        self.server.create_role(name, password, Encryption::Scram);
    }

    /// Whatever host the page names is this server; its name is what is verified.
    fn desk(&self, authority_file: &str) -> Desk {
        let mut desk = Desk::new();
        let written = fs::write(desk.path().join(authority_file), self.authority.pem());
        written.expect("the directory is writable");
        let port = self.server.port();
        writeln!(
            desk.prologue,
            "before_the_gateway() {{
              export GATEKEEPER_BACKEND_TLS_SERVER_NAME=$GATEKEEPER_BACKEND_HOST
              export GATEKEEPER_BACKEND_HOST=127.0.0.1 GATEKEEPER_BACKEND_PORT={port}
            }}"
        )
        .expect("a string grows");
        desk
    }
}

/// Runs a section; what it prints must hold the role that it logs in as.
fn follow(desk: &Desk, page: &str, section: &str, role: &str) {
    let output = desk.run(&Page::read(page).section(section), "");
    assert!(output.stdout.contains(role), "no {role} in\n{output}");
}

const RDS: &str = "mydb.abc123.eu-central-1.rds.amazonaws.com";
const AZURE: &str = "mydb.postgres.database.azure.com";

/// Text of a token's length.
fn token(prefix: &str, length: usize) -> String {
    let letters = "0123456789abcdefABCDEF-_".chars().cycle();
    prefix.chars().chain(letters).take(length).collect()
}

#[test]
fn rds_with_passwords() {
    let server = StandIn::named(RDS);
    server.role("pages_role", "rds-password");
    let mut desk = server.desk("rds-global-bundle.pem");
    desk.replace("-U postgres", "-U pages_role");
    follow(&desk, "rds.md", "password", "pages_role");
}

#[test]
fn rds_with_iam_login() {
    let server = StandIn::named(RDS);
    let signed = token(
        &format!("{RDS}:5432/?Action=connect&DBUser=iam_user&X-Amz-"),
        1400,
    );
    server.role("iam_user", &signed);
    let desk = server.desk("rds-global-bundle.pem");
    let arguments =
        format!("rds generate-db-auth-token --hostname {RDS} --port 5432 --username iam_user");
    desk.program(
        "aws",
        &format!("[ \"$*\" = '{arguments}' ] && echo '{signed}'"),
    );
    follow(&desk, "rds.md", "iam", "iam_user");
}

#[test]
fn azure_with_passwords() {
    let server = StandIn::named(AZURE);
    server.role("pages_role", "azure-password");
    let mut desk = server.desk("azure-roots.pem");
    desk.replace("-U postgres", "-U pages_role");
    follow(&desk, "azure.md", "password", "pages_role");
}

#[test]
fn azure_with_entra_login() {
    let server = StandIn::named(AZURE);
    let jwt = token("eyJ0eXAiOiJKV1QiLCJhbGciOiJSUzI1NiJ9.", 2000);
    server.role("alice@example.com", &jwt);
    let desk = server.desk("azure-roots.pem");
    let arguments = "account get-access-token --resource-type oss-rdbms --query accessToken \
                     --output tsv";
    desk.program("az", &format!("[ \"$*\" = '{arguments}' ] && echo '{jwt}'"));
    follow(&desk, "azure.md", "entra", "alice@example.com");
}

#[test]
fn cloud_sql_with_passwords() {
    let server = StandIn::named("1a2b3c4d.us-central1.sql.goog");
    server.role("pages_role", "cloud-sql-password");
    let mut desk = server.desk("cloud-sql-ca.pem");
    desk.replace("-U postgres", "-U pages_role");
    follow(&desk, "cloud-sql.md", "password", "pages_role");
}

#[test]
fn cloud_sql_with_iam_login() {
    let server = StandIn::named("1a2b3c4d.us-central1.sql.goog");
    let access = token("ya29.", 220);
    server.role("my-sa@my-project.iam", &access);
    let desk = server.desk("cloud-sql-ca.pem");
    desk.program(
        "gcloud",
        &format!("[ \"$*\" = 'sql generate-login-token' ] && echo '{access}'"),
    );
    follow(&desk, "cloud-sql.md", "iam", "my-sa@my-project.iam");
}
