//! Calls the program.

use std::fs;
use std::io::Write as _;
use std::process::{Command, Output, Stdio};

pub(crate) fn querycop(arguments: &[&str]) -> Output {
    querycop_reading(arguments, "")
}

pub(crate) fn querycop_reading(arguments: &[&str], input: &str) -> Output {
    let mut child = Command::new(env!("CARGO_BIN_EXE_querycop"))
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("querycop starts");
    // Who reads no input may be gone.
    let _ = child
        .stdin
        .take()
        .expect("a pipe")
        .write_all(input.as_bytes());
    child.wait_with_output().expect("querycop ends")
}

pub(crate) fn stdout(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

pub(crate) fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

pub(crate) fn written(text: &str) -> (tempfile::TempDir, String) {
    let folder = tempfile::tempdir().expect("a directory");
    let path = folder.path().join("policy.yaml");
    fs::write(&path, text).expect("the file can be written");
    let path = path.display().to_string();
    (folder, path)
}
