//! The `querycop` binary as a child process, read through its log.

use std::fmt;
use std::io::{BufRead, BufReader, Read};
use std::net::SocketAddr;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

pub use rustix::process::Signal;
use rustix::process::{Pid, kill_process};
use serde_json::Value;

use crate::command::{Output, Program, basic_environment};
use crate::psql::Psql;
use crate::reaper::Reaper;
use crate::wait::{Clock, DEADLINE, eventually};

/// The message of the log line that names the addresses.
const READY: &str = "ready for connections";

/// Describes a gateway; its ports are chosen by the kernel unless the environment says otherwise.
#[derive(Clone)]
#[must_use = "a gateway must be started"]
pub struct Builder {
    arguments: Vec<String>,
    binary: PathBuf,
    environment: Vec<(String, String)>,
}

impl Builder {
    /// A variable of its environment, which otherwise holds PATH and HOME only.
    pub fn env(mut self, name: &str, value: impl fmt::Display) -> Self {
        self.environment.push((name.to_owned(), value.to_string()));
        self
    }

    /// A command line argument.
    pub fn argument(mut self, argument: &str) -> Self {
        self.arguments.push(argument.to_owned());
        self
    }

    /// Starts it and waits until it says where it listens.
    pub fn start(self) -> Gateway {
        let (mut gateway, ready) = self.start_command();
        gateway.listen_addr = text(&ready, "listen.addr");
        gateway.api_addr = text(&ready, "api.addr");
        gateway
    }

    /// Starts what the arguments say, such as `emulator`, and waits for the log line that says it is
    /// ready, which is returned as well.
    pub fn start_command(self) -> (Gateway, Value) {
        let mut command = Command::new(&self.binary);
        let mut child = command
            .args(&self.arguments)
            .env_clear()
            .envs(basic_environment())
            .envs(self.environment)
            .process_group(0)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("{}: {error}", self.binary.display()));
        let reaper = Reaper::for_process(&child);
        let log = Arc::new(Log::default());
        let stderr = child.stderr.take().expect("it is a pipe");
        let stdout = child.stdout.take().expect("it is a pipe");
        let readers = [
            std::thread::spawn({
                let log = Arc::clone(&log);
                move || log.read_stderr(stderr)
            }),
            std::thread::spawn({
                let log = Arc::clone(&log);
                move || log.read_stdout(stdout)
            }),
        ];
        let gateway = Gateway {
            api_addr: String::new(),
            child: Mutex::new(child),
            listen_addr: String::new(),
            log,
            readers: readers.into(),
            _reaper: reaper,
        };
        let ready = gateway.wait_for_message(READY);
        (gateway, ready)
    }

    /// Runs it to its end, which must come by itself and not be a success.
    pub fn start_expecting_failure(self) -> Output {
        let mut program = Program::new(&self.binary).clean_environment();
        for (name, value) in &self.environment {
            program = program.environment(name, value);
        }
        let output = program.arguments(&self.arguments).run();
        assert!(!output.success(), "must not start: {output}");
        output
    }
}

/// A running gateway; dropping it kills it.
pub struct Gateway {
    api_addr: String,
    child: Mutex<Child>,
    listen_addr: String,
    log: Arc<Log>,
    readers: Vec<JoinHandle<()>>,
    _reaper: Reaper,
}

impl Gateway {
    /// Describes a gateway run from this binary, such as `env!("CARGO_BIN_EXE_querycop")`.
    pub fn builder(binary: impl AsRef<Path>) -> Builder {
        let builder = Builder {
            arguments: Vec::new(),
            binary: binary.as_ref().to_owned(),
            environment: Vec::new(),
        };
        builder
            .env("GATEKEEPER_LISTEN_PORT", 0)
            .env("GATEKEEPER_API_PORT", 0)
            .env("GATEKEEPER_LOG_FORMAT", "json")
    }

    /// Where clients connect: `address:port`, or the path of a Unix socket.
    pub fn listen_addr(&self) -> &str {
        &self.listen_addr
    }

    /// The clients' port, or the number in the Unix socket's name.
    pub fn port(&self) -> u16 {
        let addr = &self.listen_addr;
        let port = addr.rsplit([':', '.']).next().map(str::parse);
        match port {
            Some(Ok(port)) => port,
            _ => panic!("no port in {addr:?}"),
        }
    }

    /// The port of the admin API.
    pub fn api_port(&self) -> u16 {
        let addr = self.api_addr.parse::<SocketAddr>();
        addr.expect("the API listens on TCP").port()
    }

    /// A client of the gateway, still without a role.
    pub fn client(&self) -> Psql {
        let host = match self.listen_addr.parse::<SocketAddr>() {
            Ok(addr) => addr.ip().to_string(),
            Err(_) => text_of_parent(&self.listen_addr),
        };
        Psql::new(&host, self.port())
    }

    /// Its process.
    pub fn pid(&self) -> u32 {
        self.child().id()
    }

    /// Every line of its log so far that is JSON.
    pub fn logs(&self) -> Vec<Value> {
        self.log.content().lines.clone()
    }

    /// Its standard error so far.
    pub fn stderr(&self) -> String {
        self.log.content().stderr.clone()
    }

    /// Its standard output so far.
    pub fn stdout(&self) -> String {
        self.log.content().stdout.clone()
    }

    /// The first log line, past or coming, that has this message.
    pub fn wait_for_message(&self, message: &str) -> Value {
        self.wait_for_log(message, |line| line["message"] == message)
    }

    /// The first log line, past or coming, for which `wanted` holds; `what` is for the failure.
    pub fn wait_for_log(&self, what: &str, mut wanted: impl FnMut(&Value) -> bool) -> Value {
        let clock = Clock::start(DEADLINE);
        let mut content = self.log.content();
        let mut seen = 0;
        loop {
            let fresh = &content.lines[seen..];
            if let Some(line) = fresh.iter().find(|line| wanted(line)) {
                return line.clone();
            }
            seen = content.lines.len();
            let left = clock.left();
            assert!(
                !content.ended && !left.is_zero(),
                "{} before it logged {what:?}:\n{}",
                if content.ended {
                    "it ended"
                } else {
                    "time ran out"
                },
                content.stderr
            );
            content = self.log.wait(content, left);
        }
    }

    /// Sends it a signal.
    pub fn signal(&self, signal: Signal) {
        let pid = Pid::from_child(&self.child());
        // An error means that it has ended; the test will see that in `wait`.
        let _ = kill_process(pid, signal);
    }

    /// Waits for its end, after which [`Self::logs`] is complete.
    pub fn wait(&self) -> ExitStatus {
        let status = eventually("the gateway to end", || {
            self.child().try_wait().expect("it is our child")
        });
        // Not a join: a grandchild that holds the pipe open would make it last for ever.
        eventually("the gateway's output to end", || {
            self.readers
                .iter()
                .all(JoinHandle::is_finished)
                .then_some(())
        });
        status
    }

    fn child(&self) -> MutexGuard<'_, Child> {
        self.child.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        let mut child = self.child();
        // An error means that it has ended already.
        let _ = child.kill();
        let _ = child.wait();
    }
}

/// What a gateway has said so far.
#[derive(Default)]
struct Log {
    content: Mutex<Content>,
    grown: Condvar,
}

#[derive(Default)]
struct Content {
    ended: bool,
    lines: Vec<Value>,
    stderr: String,
    stdout: String,
}

impl Log {
    fn content(&self) -> MutexGuard<'_, Content> {
        self.content.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wait<'a>(
        &self,
        content: MutexGuard<'a, Content>,
        left: Duration,
    ) -> MutexGuard<'a, Content> {
        let waited = self.grown.wait_timeout(content, left);
        waited.unwrap_or_else(PoisonError::into_inner).0
    }

    fn read_stderr(&self, stderr: impl Read) {
        let mut reader = BufReader::new(stderr);
        let mut line = Vec::new();
        while reader
            .read_until(b'\n', &mut line)
            .is_ok_and(|size| size > 0)
        {
            let mut content = self.content();
            content.stderr += &String::from_utf8_lossy(&line);
            content.lines.extend(serde_json::from_slice::<Value>(&line));
            self.grown.notify_all();
            line.clear();
        }
        self.content().ended = true;
        self.grown.notify_all();
    }

    fn read_stdout(&self, mut stdout: impl Read) {
        let mut chunk = [0; 4096];
        while let Ok(size @ 1..) = stdout.read(&mut chunk) {
            self.content().stdout += &String::from_utf8_lossy(&chunk[..size]);
        }
    }
}

fn text(line: &Value, field: &str) -> String {
    match line[field].as_str() {
        Some(text) => text.to_owned(),
        None => panic!("no field {field:?} in {line}"),
    }
}

fn text_of_parent(path: &str) -> String {
    let parent = Path::new(path)
        .parent()
        .expect("a socket is in a directory");
    parent.display().to_string()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    /// A shell script in place of the binary.
    fn script(directory: &Path, text: &str) -> PathBuf {
        let path = directory.join("querycop");
        std::fs::write(&path, format!("#!/bin/sh\n{text}\n")).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
        path
    }

    const READY_LINE: &str = r#"echo '{"level":"INFO","message":"ready for connections","listen.addr":"127.0.0.1:34567","api.addr":"127.0.0.1:34568"}' >&2"#;

    #[test]
    fn addresses_are_read_from_the_log() {
        let directory = tempfile::tempdir().unwrap();
        let binary = script(
            directory.path(),
            &format!("trap 'exit 7' TERM\nenv\n{READY_LINE}\nwhile :; do sleep 0.01; done"),
        );
        let gateway = Gateway::builder(binary).env("WORD", "heard").start();
        assert_eq!((gateway.port(), gateway.api_port()), (34567, 34568));
        gateway.signal(Signal::TERM);
        assert_eq!(gateway.wait().code(), Some(7));
        let mut names: Vec<_> = gateway
            .stdout()
            .lines()
            .map(|line| line.split('=').next().unwrap().to_owned())
            .filter(|name| name.starts_with("GATEKEEPER") || name.starts_with("CARGO"))
            .collect();
        names.sort();
        let expected = ["API_PORT", "LISTEN_PORT", "LOG_FORMAT"];
        assert_eq!(names, expected.map(|name| format!("GATEKEEPER_{name}")));
    }

    #[test]
    #[should_panic(expected = "no such backend")]
    fn an_early_end_shows_what_was_said() {
        let directory = tempfile::tempdir().unwrap();
        let binary = script(directory.path(), "echo no such backend >&2; exit 78");
        Gateway::builder(binary).start();
    }

    #[test]
    fn an_expected_failure_is_returned() {
        let directory = tempfile::tempdir().unwrap();
        let binary = script(directory.path(), "echo no such backend >&2; exit 78");
        let output = Gateway::builder(binary).start_expecting_failure();
        assert_eq!(output.status.code(), Some(78));
        assert_eq!(output.stderr, "no such backend\n");
    }
}
