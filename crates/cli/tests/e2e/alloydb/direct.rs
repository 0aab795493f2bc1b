//! The two patterns of the cookbook that go to port 5432, with exactly its environment variables,
//! and the five failures that people meet the first time.

use std::fs;
use std::net::Ipv4Addr;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use alloydb_emulator::Fault;
use querycop_testkit::gateway::{Builder, Gateway};
use querycop_testkit::postgres::Login;
use tempfile::TempDir;
use tokio::net::TcpSocket;

use super::cloud::{ALICE, CLUSTER, Cloud, SECONDARY_CLUSTER, SERVICE_ACCOUNT, SERVICE_ROLE};
use super::{CLOUD, who};
use crate::errors::{SHORT, filled};
use crate::setup::{querycop, session_log, temporary_directory};

/// The variables of pattern A; nothing else is set.
fn pattern_a(cloud: &Cloud, authority: &str) -> Builder {
    Gateway::builder(querycop())
        .env("GATEKEEPER_BACKEND_HOST", cloud.private)
        .env("GATEKEEPER_BACKEND_PORT", 5432)
        .env("GATEKEEPER_BACKEND_TLS_MODE", "verify-ca")
        .env("GATEKEEPER_BACKEND_TLS_CA_FILE", authority)
        .env("ADMIN_API_KEY", "0123456789abcdef0123456789abcdef")
}

/// The variables of pattern B: the same, and the command.
fn pattern_b(cloud: &Cloud, path: &str) -> Builder {
    pattern_a(cloud, &authority(cloud, CLUSTER))
        .env(
            "GATEKEEPER_BACKEND_TOKEN_CMD",
            "gcloud auth print-access-token",
        )
        .env("PATH", path)
}

fn authority(cloud: &Cloud, cluster: &str) -> String {
    cloud
        .emulator
        .cluster_ca_file(cluster)
        .display()
        .to_string()
}

/// A `gcloud` that prints a principal's token, and the `PATH` that leads to it.
struct Gcloud {
    _directory: TempDir,
    path: String,
}

impl Gcloud {
    fn of(cloud: &Cloud, principal: &str) -> Self {
        let token = cloud.emulator.issue_token(principal, None);
        let token = token.expect("the principal is known");
        Self::saying(&format!(
            "[ \"$*\" = 'auth print-access-token' ] && echo '{token}'"
        ))
    }

    fn saying(script: &str) -> Self {
        let directory = temporary_directory();
        let program: PathBuf = directory.path().join("gcloud");
        fs::write(&program, format!("#!/bin/sh\n{script}\n")).expect("the directory is writable");
        let executable = fs::Permissions::from_mode(0o755);
        fs::set_permissions(&program, executable).expect("it is ours");
        let path = format!("{}:/usr/bin:/bin", directory.path().display());
        Self {
            _directory: directory,
            path,
        }
    }
}

/// What the client reads and what the operator's log says first.
fn failure(gateway: &Gateway, role: &str) -> (String, String) {
    let client = gateway.client().user(role).password("ignored");
    let said = client.run("select 1").expect_failure().to_owned();
    let warnings = session_log(gateway, "WARN");
    let warning = warnings.first().map(|line| line["message"].to_string());
    (said, warning.unwrap_or_default())
}

#[test]
fn pattern_a_passes_the_client_s_password_on() {
    let gateway = pattern_a(&CLOUD, &authority(&CLOUD, CLUSTER)).start();
    let login = Login::Scram;
    let client = gateway
        .client()
        .user(login.role())
        .password(&login.password());
    assert_eq!(client.query("select current_user"), login.role());
}

#[test]
fn pattern_b_puts_the_token_in_the_place_of_the_password() {
    for (principal, role) in [(ALICE, ALICE), (SERVICE_ACCOUNT, SERVICE_ROLE)] {
        let gcloud = Gcloud::of(&CLOUD, principal);
        let gateway = pattern_b(&CLOUD, &gcloud.path).start();
        assert_eq!(who(&gateway, role), role);
        let ignored = gateway.client().user(role).password("ignored");
        assert_eq!(ignored.query("select current_user"), role);
    }
}

#[test]
fn the_connector_s_token_does_as_well_as_the_command_s() {
    let gateway = CLOUD
        .gateway()
        .env("GATEKEEPER_BACKEND_HOST", CLOUD.private)
        .env("GATEKEEPER_BACKEND_TLS_MODE", "verify-ca")
        .env("GATEKEEPER_BACKEND_TLS_CA_FILE", authority(&CLOUD, CLUSTER))
        .env("GATEKEEPER_BACKEND_IAM_AUTH", "true")
        .start();
    assert_eq!(who(&gateway, SERVICE_ROLE), SERVICE_ROLE);
}

#[test]
fn failure_one_no_route_to_the_private_address() {
    // An address whose packets are dropped is not to be had on this machine; a port whose queue is full
    // drops them as well.
    let socket = TcpSocket::new_v4().expect("there are descriptors");
    let address = Ipv4Addr::new(127, 52, 0, 1);
    socket
        .bind((address, 5432).into())
        .expect("the port is free");
    let (_listener, _waiting) = filled(socket);
    let gateway = Gateway::builder(querycop())
        .env("GATEKEEPER_BACKEND_HOST", address)
        .env("GATEKEEPER_BACKEND_PORT", 5432)
        .env("GATEKEEPER_BACKEND_TLS_MODE", "verify-ca")
        .env("GATEKEEPER_BACKEND_TLS_CA_FILE", authority(&CLOUD, CLUSTER))
        .env("GATEKEEPER_BACKEND_CONNECT_TIMEOUT", SHORT)
        .start();
    let (said, warning) = failure(&gateway, ALICE);
    let leading = "backend dial failed: ";
    for text in [said, warning] {
        assert!(text.contains(leading), "{text}");
        assert!(text.contains("i/o timeout"), "{text}");
    }
}

#[test]
fn failure_two_the_authority_of_another_cluster() {
    let gateway = pattern_a(&CLOUD, &authority(&CLOUD, SECONDARY_CLUSTER)).start();
    let (said, warning) = failure(&gateway, ALICE);
    let leading = "backend TLS negotiation failed: x509: certificate signed by unknown authority";
    assert!(said.contains(leading), "{said}");
    assert!(warning.contains(leading), "{warning}");
}

#[test]
fn failure_three_verify_full_against_an_address() {
    let cloud = Cloud::with(|builder| builder.fault(Fault::CertificateWithoutAddresses));
    let gateway = pattern_a(&cloud, &authority(&cloud, CLUSTER))
        .env("GATEKEEPER_BACKEND_TLS_MODE", "verify-full")
        .start();
    let (said, warning) = failure(&gateway, ALICE);
    let leading = "backend TLS negotiation failed: x509: certificate is valid for ";
    assert!(said.contains(leading), "{said}");
    assert!(said.contains(&format!("not {}", cloud.private)), "{said}");
    assert!(warning.contains(leading), "{warning}");
}

#[test]
fn failure_four_the_token_command_fails() {
    let denied = Gcloud::saying("echo PERMISSION_DENIED >&2; exit 1");
    let gateway = pattern_b(&CLOUD, &denied.path).start();
    let (said, warning) = failure(&gateway, ALICE);
    assert!(said.contains("backend token command failed: "), "{said}");
    assert!(warning.contains("PERMISSION_DENIED"), "{warning}");
    // A directory that has a shell and nothing else.
    let bare = temporary_directory();
    let shell = bare.path().join("sh");
    std::os::unix::fs::symlink("/bin/sh", shell).expect("the directory is writable");
    let gateway = pattern_b(&CLOUD, &bare.path().display().to_string()).start();
    let (said, _) = failure(&gateway, ALICE);
    assert!(
        said.contains("backend token command failed: executable file not found in $PATH"),
        "{said}"
    );
}

#[test]
fn failure_five_the_role_is_not_the_token_s_principal() {
    let gcloud = Gcloud::of(&CLOUD, SERVICE_ACCOUNT);
    let gateway = pattern_b(&CLOUD, &gcloud.path).start();
    let (said, warning) = failure(&gateway, ALICE);
    let leading = format!("password authentication failed for user \"{ALICE}\"");
    assert!(said.contains(&leading), "{said}");
    assert!(
        warning.contains("password authentication failed"),
        "{warning}"
    );
}
