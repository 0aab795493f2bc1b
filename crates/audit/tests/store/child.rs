//! This test program again, as a process that can be killed.

use std::io::{BufRead, BufReader, Lines};
use std::process::{Child, ChildStdout, Command, Stdio};

/// What the variable says is an argument for the child; without it a child's test does nothing.
const VARIABLE: &str = "QUERYCOP_AUDIT_CHILD";

/// A child that runs one test.
pub(crate) struct TestChild {
    child: Child,
    /// What it prints.
    pub(crate) lines: Lines<BufReader<ChildStdout>>,
}

/// What the parent said, if this is a child.
pub(crate) fn argument() -> Option<String> {
    std::env::var(VARIABLE).ok()
}

impl TestChild {
    /// Runs a test of this program, behind the words of another if there are some.
    pub(crate) fn start(before: &[&str], test: &str, argument: &str) -> Self {
        let program = std::env::current_exe().expect("this program has a path");
        let mut words = before
            .iter()
            .map(std::ffi::OsString::from)
            .collect::<Vec<_>>();
        words.push(program.into());
        let mut child = Command::new(&words[0])
            .args(&words[1..])
            .args(["--exact", test, "--nocapture", "--test-threads=1"])
            .env(VARIABLE, argument)
            .stdout(Stdio::piped())
            .spawn()
            .expect("the child starts");
        let output = child.stdout.take().expect("the child prints");
        Self {
            child,
            lines: BufReader::new(output).lines(),
        }
    }

    /// Kills it as `kill -9` does. What it had printed can still be read.
    pub(crate) fn kill(&mut self) {
        self.child.kill().expect("the child can be killed");
        self.child.wait().expect("the child has ended");
    }

    /// Waits for its end.
    pub(crate) fn succeeds(mut self) -> bool {
        self.child.wait().expect("the child has ended").success()
    }
}

impl Drop for TestChild {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
