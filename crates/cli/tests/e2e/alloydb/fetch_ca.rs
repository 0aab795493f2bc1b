//! `querycop fetch-ca`.

use std::fs;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use alloydb_emulator::Rotation;
use querycop_testkit::command::Program;
use querycop_testkit::wait::eventually;

use super::cloud::{CLUSTER, Cloud, NOBODY, PRIMARY, SERVICE_ACCOUNT};
use crate::setup::{querycop, temporary_directory};

fn fetch(cloud: &Cloud, principal: &str) -> Program {
    let credentials = cloud.emulator.credentials_file(principal);
    let credentials = credentials.expect("the principal is known");
    Program::new(querycop())
        .clean_environment()
        .arguments(["fetch-ca", PRIMARY])
        .environment("GOOGLE_APPLICATION_CREDENTIALS", credentials)
        .environment(
            "GATEKEEPER_BACKEND_ADMIN_ENDPOINT",
            cloud.emulator.http_url(),
        )
}

fn authority(cloud: &Cloud) -> String {
    let pem = cloud.emulator.cluster_ca_pem(CLUSTER);
    pem.expect("the cluster is known")
}

#[test]
fn the_authority_is_written_to_a_file_or_printed() {
    let directory = temporary_directory();
    let file = directory.path().join("ca.pem");
    let output = fetch(&super::CLOUD, SERVICE_ACCOUNT)
        .argument("-o")
        .argument(&file)
        .run();
    output.expect_success();
    let written = fs::read_to_string(&file).expect("it was written");
    assert_eq!(written, authority(&super::CLOUD));
    let printed = fetch(&super::CLOUD, SERVICE_ACCOUNT).run();
    assert_eq!(printed.expect_success().trim(), written.trim());
}

#[test]
fn a_failure_leaves_the_file_as_it_is() {
    let directory = temporary_directory();
    let file = directory.path().join("ca.pem");
    fs::write(&file, "old").expect("the directory is writable");
    let output = fetch(&super::CLOUD, NOBODY)
        .argument("-o")
        .argument(&file)
        .run();
    let said = output.expect_failure();
    assert!(said.contains("PERMISSION_DENIED"), "{said}");
    assert_eq!(fs::read_to_string(&file).expect("it is still there"), "old");
}

#[test]
fn what_is_no_instance_is_refused_before_anybody_is_asked() {
    let output = Program::new(querycop())
        .clean_environment()
        .arguments(["fetch-ca", "my-project:us-central1:my-cluster"])
        .run();
    let said = output.expect_failure();
    assert!(said.contains("projects/"), "{said}");
}

/// Ends with the test, however that goes.
struct Watching(Child);

impl Drop for Watching {
    fn drop(&mut self) {
        // An error means that it has ended already.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn watch(cloud: &Cloud, file: &Path) -> Watching {
    let credentials = cloud.emulator.credentials_file(SERVICE_ACCOUNT);
    let child = Command::new(querycop())
        .args(["fetch-ca", PRIMARY, "--watch", "--every", "100ms", "-o"])
        .arg(file)
        .env_clear()
        .env(
            "GOOGLE_APPLICATION_CREDENTIALS",
            credentials.expect("the principal is known"),
        )
        .env(
            "GATEKEEPER_BACKEND_ADMIN_ENDPOINT",
            cloud.emulator.http_url(),
        )
        .stderr(Stdio::null())
        .spawn();
    Watching(child.expect("it starts"))
}

#[test]
fn a_watched_file_follows_a_rotation() {
    let cloud = Cloud::new();
    let directory = temporary_directory();
    let file = directory.path().join("ca.pem");
    let _watching = watch(&cloud, &file);
    let holds = |what: &str| fs::read_to_string(&file).is_ok_and(|content| content == what);
    let old = authority(&cloud);
    eventually("the authority to be written", || holds(&old).then_some(()));
    let rotated = cloud.emulator.rotate(CLUSTER, Rotation::Replace);
    rotated.expect("it can be rotated");
    let new = authority(&cloud);
    assert_ne!(new, old);
    eventually("the new authority to be written", || {
        holds(&new).then_some(())
    });
}
