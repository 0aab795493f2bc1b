//! What either accepts, refuses or answers: each case of the parity suite.

use std::fmt::Write as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;

use super::side::{Ports, Side};
use super::table::{Case, Expected, cases};
use super::{Who, has_original};
use crate::setup::temporary_directory;

/// What became of a case: as the table has it, read off the process.
fn outcome(program: &Path, case: &Case, folder: &Path) -> Expected {
    let mut child = Command::new(program)
        .args(&case.arguments)
        .env_clear()
        // A proxy that accepts its arguments ends for want of credentials.
        .env("GOOGLE_APPLICATION_CREDENTIALS", "/nowhere")
        .env("HOME", folder)
        .envs(case.environment.iter().cloned())
        .current_dir(folder)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the proxy starts");
    let out = child.stdout.take().expect("it is a pipe");
    let err = child.stderr.take().expect("it is a pipe");
    // One that has credentials goes on, and says so on standard output first.
    let out = thread::spawn(move || read_to_ready(out));
    let err = thread::spawn(move || std::io::read_to_string(err).unwrap_or_default());
    let out = out.join().expect("it is read");
    end(&mut child, &out);
    let status = child.wait().expect("it is our child");
    let err = err.join().expect("it is read");
    if status.code() == Some(1) && err.starts_with("Error: ") && err.contains("\nUsage:\n") {
        assert_eq!(out, "", "{}", case.line);
        return Expected::Error;
    }
    match status.code() {
        Some(0) => Expected::Output,
        _ => Expected::Settings,
    }
}

/// Reads to the end, or to the line that says what credentials a proxy has.
fn read_to_ready(out: impl std::io::Read) -> String {
    use std::io::{BufRead, BufReader};
    let mut said = String::new();
    for line in BufReader::new(out).lines().map_while(Result::ok) {
        said.push_str(&line);
        said.push('\n');
        if line.contains("Authorizing") {
            break;
        }
    }
    said
}

fn end(child: &mut Child, said: &str) {
    if said.contains("Authorizing") {
        // It may have ended by itself.
        let _ = child.kill();
    }
}

#[test]
fn both_accept_and_refuse_the_same() {
    if !has_original() {
        return;
    }
    let folder = temporary_directory();
    let ports = Ports::choose();
    let [original, ours] = [Who::Original, Who::Ours].map(|who| Side::new(who, ports));
    let programs = [original.program(), ours.program()];
    let mut unwanted = String::new();
    for case in cases(folder.path()) {
        let [theirs, own] = [0, 1].map(|which| outcome(&programs[which], &case, folder.path()));
        // Where a system has no FUSE, the original refuses it as we do.
        let may_be_same = case.difference == Some("fuse");
        let is_same = theirs == own;
        let is_right = is_same == case.difference.is_none() || may_be_same;
        if own != case.expected || !is_right {
            let line = case.line;
            let _ = writeln!(unwanted, "{line}\n  original: {theirs:?}, ours: {own:?}");
        }
    }
    assert!(unwanted.is_empty(), "{unwanted}");
}
