//! Runs a program to its end, with a deadline, and keeps what it said.

use std::ffi::{OsStr, OsString};
use std::fmt;
use std::io::Write;
use std::os::unix::process::CommandExt;
use std::process::{Command, ExitStatus, Stdio};
use std::sync::mpsc;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process_group};

use crate::postgres::packaged_program;
use crate::wait::DEADLINE;

/// A program to run: by name through PATH, or by path.
#[must_use = "a program does nothing until it is run"]
pub struct Program {
    command: Command,
    deadline: Duration,
    input: Vec<u8>,
}

impl Program {
    /// With this process's environment less PostgreSQL's own variables, and nothing to read.
    pub fn new(program: impl AsRef<OsStr>) -> Self {
        Command::new(program).into()
    }

    /// One of PostgreSQL's own, such as `pgbench`, without the distribution's wrapper around it.
    pub fn postgresql(name: &str) -> Self {
        // libpq takes root.crt and client certificates from the home directory if they are there.
        Self::new(packaged_program(name)).environment("HOME", "/nonexistent")
    }

    /// Adds one argument.
    pub fn argument(mut self, argument: impl AsRef<OsStr>) -> Self {
        self.command.arg(argument);
        self
    }

    /// Adds several arguments.
    pub fn arguments<S: AsRef<OsStr>>(mut self, arguments: impl IntoIterator<Item = S>) -> Self {
        self.command.args(arguments);
        self
    }

    /// Sets an environment variable.
    pub fn environment(mut self, name: &str, value: impl AsRef<OsStr>) -> Self {
        self.command.env(name, value);
        self
    }

    /// Starts from PATH and HOME alone; what [`Self::environment`] set before is forgotten too.
    pub fn clean_environment(mut self) -> Self {
        self.command.env_clear().envs(basic_environment());
        self
    }

    /// What the program reads from its standard input.
    pub fn input(mut self, input: impl Into<Vec<u8>>) -> Self {
        self.input = input.into();
        self
    }

    /// Another deadline than [`DEADLINE`].
    pub fn deadline(mut self, deadline: Duration) -> Self {
        self.deadline = deadline;
        self
    }

    /// Runs it to its end; past the deadline it and its children are killed, and this panics.
    pub fn run(mut self) -> Output {
        let mut child = self
            .command
            .process_group(0)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("{:?}: {error}", self.command));
        let group = Pid::from_child(&child);
        let mut stdin = child.stdin.take().expect("its standard input is a pipe");
        let input = self.input;
        std::thread::spawn(move || {
            // A program that ends without reading everything shows it in its status.
            let _ = stdin.write_all(&input);
        });
        let (sender, ended) = mpsc::channel();
        std::thread::spawn(move || sender.send(child.wait_with_output()));
        let timely = ended.recv_timeout(self.deadline);
        let in_time = timely.is_ok();
        let output = timely.or_else(|_| {
            // An error means that it has just ended after all.
            let _ = kill_process_group(group, Signal::KILL);
            ended.recv()
        });
        let output = output
            .expect("the thread sends once")
            .expect("a pipe can be read");
        let output = Output {
            status: output.status,
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        };
        let Self {
            command, deadline, ..
        } = self;
        assert!(
            in_time,
            "not over after {deadline:?}: {command:?}\n{output}"
        );
        output
    }
}

impl From<Command> for Program {
    fn from(mut command: Command) -> Self {
        for (name, _) in std::env::vars_os() {
            if name.as_encoded_bytes().starts_with(b"PG") {
                command.env_remove(name);
            }
        }
        Self {
            command,
            deadline: DEADLINE,
            input: Vec::new(),
        }
    }
}

/// What a program said and how it ended.
#[derive(Clone, Debug)]
pub struct Output {
    /// How it ended.
    pub status: ExitStatus,
    /// Its standard output.
    pub stdout: String,
    /// Its standard error.
    pub stderr: String,
}

impl Output {
    /// Whether it ended with status 0.
    pub fn success(&self) -> bool {
        self.status.success()
    }

    /// The standard output, trimmed, of a program that must have succeeded.
    pub fn expect_success(&self) -> &str {
        assert!(self.success(), "must succeed: {self}");
        self.stdout.trim_end()
    }

    /// The standard error of a program that must have failed.
    pub fn expect_failure(&self) -> &str {
        assert!(!self.success(), "must fail: {self}");
        &self.stderr
    }
}

impl fmt::Display for Output {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            status,
            stdout,
            stderr,
        } = self;
        write!(f, "{status}\nstdout: {stdout}\nstderr: {stderr}")
    }
}

/// PATH and HOME of this process, all that a program started clean gets.
pub(crate) fn basic_environment() -> impl Iterator<Item = (&'static str, OsString)> {
    ["PATH", "HOME"]
        .into_iter()
        .filter_map(|name| Some((name, std::env::var_os(name)?)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn input_output_and_status_arrive() {
        let output = Program::new("sh")
            .arguments(["-c", "cat; echo $WORD >&2; exit 3"])
            .environment("WORD", "heard")
            .input("read")
            .run();
        assert_eq!(output.status.code(), Some(3));
        assert_eq!(output.stdout, "read");
        assert_eq!(output.expect_failure(), "heard\n");
    }

    #[test]
    #[should_panic(expected = "not over after 50ms")]
    fn a_hanging_program_is_killed_with_its_children() {
        let program = Program::new("sh").arguments(["-c", "sleep 1000 & wait"]);
        program.deadline(Duration::from_millis(50)).run();
    }
}
