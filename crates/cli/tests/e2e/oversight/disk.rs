//! A disk that is full.

use std::fs::{self, File};
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use querycop_testkit::gateway::Gateway;
use querycop_testkit::wait::eventually;

use super::SERVER;
use crate::command::http::get;
use crate::relay::raw::RawClient;
use crate::setup::{counter, querycop, temporary_directory};

/// Words that run a program where it may mount a file system for itself.
const ALONE: &[&str] = &["unshare", "--mount", "--map-root-user"];

/// The binary behind a script that gives it a disk of 8 MiB.
fn with_small_disk(directory: &Path, disk: &Path) -> PathBuf {
    let script = directory.join("querycop");
    let text = format!(
        "#!/bin/sh\nexec {} sh -c 'mount -t tmpfs -o size=8m tmpfs {} && exec {}'\n",
        ALONE.join(" "),
        disk.display(),
        querycop().display()
    );
    fs::write(&script, text).expect("it is writable");
    fs::set_permissions(&script, fs::Permissions::from_mode(0o755)).expect("it is ours");
    script
}

/// Fills the disk until not a byte more fits.
fn fill(ballast: &Path) {
    let mut file = File::create(ballast).expect("the disk takes a file");
    let mut piece: &[u8] = &[b'x'; 4096];
    while !piece.is_empty() {
        if file.write_all(piece).is_err() {
            piece = &piece[..piece.len() / 2];
        }
    }
}

#[test]
fn while_the_disk_is_full_statements_are_refused_and_then_run_again() {
    let may_mount = Command::new(ALONE[0])
        .args(&ALONE[1..])
        .args(["mount", "-t", "tmpfs", "tmpfs", "/mnt"])
        .stderr(Stdio::null())
        .status();
    if !may_mount.is_ok_and(|status| status.success()) {
        // A container without the right to: the crates' own tests play such a disk.
        return;
    }
    let directory = temporary_directory();
    let disk = directory.path().join("disk");
    fs::create_dir(&disk).expect("it is writable");
    let gateway = Gateway::builder(with_small_disk(directory.path(), &disk))
        .env("GATEKEEPER_BACKEND_HOST", "127.0.0.1")
        .env("GATEKEEPER_BACKEND_PORT", SERVER.port())
        .env("GATEKEEPER_BACKEND_TLS_MODE", "disable")
        .env("GATEKEEPER_AUDIT_DIR", disk.join("audit").display())
        .start();
    // The disk as the gateway sees it.
    let seen = PathBuf::from(format!("/proc/{}/root{}", gateway.pid(), disk.display()));
    let ready = || get(&gateway, "/readyz", &[]).status;
    assert_eq!(ready(), 200);
    let mut client = RawClient::log_in(gateway.port());
    SERVER.psql("drop table if exists disk; create table disk (n int)");

    fill(&seen.join("ballast"));
    let mut acknowledged = 0;
    let refusal = loop {
        let answers = client.query("insert into disk values (1)");
        match answers.iter().find(|answer| answer.tag == b'E') {
            None => acknowledged += 1,
            Some(refusal) => break refusal.error(),
        }
    };
    assert_eq!(refusal.code, "58030", "{refusal:?}");
    assert_eq!(ready(), 503);
    assert!(counter(&gateway, "querycop_audit_refused_total") > 0);
    // What was refused did not run.
    assert_eq!(
        SERVER.psql("select count(*) from disk").trim(),
        acknowledged.to_string()
    );

    fs::remove_file(seen.join("ballast")).expect("it is there");
    eventually("readiness", || (ready() == 200).then_some(()));
    let answers = client.query("insert into disk values (1)");
    assert!(
        answers.iter().all(|answer| answer.tag != b'E'),
        "{answers:?}"
    );
    let verified = Command::new(querycop())
        .args(["audit", "verify"])
        .env_clear()
        .env("GATEKEEPER_AUDIT_DIR", seen.join("audit"))
        .output()
        .expect("it runs");
    assert!(verified.status.success(), "{verified:?}");
    let recorded = super::records(&seen.join("audit"));
    let inserts = recorded
        .iter()
        .filter(|record| record["kind"] == "insert" && record["outcome"] == "completed");
    assert_eq!(inserts.count(), acknowledged + 1);
}
