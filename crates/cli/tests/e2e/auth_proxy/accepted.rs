//! What either accepts, refuses or answers: each case of the parity suite.

use std::fmt::Write as _;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};

use querycop_testkit::wait::eventually;

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
    let said = Arc::new(Mutex::new(String::new()));
    let out = collect(
        child.stdout.take().expect("it is a pipe"),
        Arc::clone(&said),
    );
    let err = child.stderr.take().expect("it is a pipe");
    let err = thread::spawn(move || std::io::read_to_string(err).unwrap_or_default());
    // One that has credentials, or a name to look up, goes on, and says so on standard output.
    let goes_on = || {
        let said = said.lock().unwrap_or_else(PoisonError::into_inner);
        said.contains("Authorizing") || said.contains("Listening on")
    };
    let ended = eventually(case.line, || {
        let ended = child.try_wait().expect("it is our child");
        (ended.is_some() || goes_on()).then_some(ended)
    });
    if ended.is_none() {
        // It may have ended by itself.
        let _ = child.kill();
    }
    let status = child.wait().expect("it is our child");
    out.join().expect("it is read");
    let out = said.lock().unwrap_or_else(PoisonError::into_inner).clone();
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

fn collect(out: impl Read + Send + 'static, said: Arc<Mutex<String>>) -> JoinHandle<()> {
    thread::spawn(move || {
        for line in BufReader::new(out).lines().map_while(Result::ok) {
            let mut said = said.lock().unwrap_or_else(PoisonError::into_inner);
            said.push_str(&line);
            said.push('\n');
        }
    })
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
            let (line, text) = (case.line, case.text);
            let _ = writeln!(
                unwanted,
                "{line}\n  original: {theirs:?}, ours: {own:?}, wanted: {text}"
            );
        }
    }
    assert!(unwanted.is_empty(), "{unwanted}");
}
