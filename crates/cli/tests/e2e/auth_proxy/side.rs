//! One of the two proxies: started, asked, ended, and all that was seen of it noted.

use std::collections::BTreeSet;
use std::fmt::Display;
use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, TcpStream};
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU16, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

use querycop_testkit::command::{Output, Program};
use querycop_testkit::psql::Psql;
use querycop_testkit::wait::{DEADLINE, eventually};
use tempfile::TempDir;

use super::{Who, original};
use crate::setup::{querycop, temporary_directory};

/// The ports of a scenario, the same for both proxies, one after the other.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ports {
    pub(super) database: u16,
    pub(super) http: u16,
    pub(super) admin: u16,
}

impl Ports {
    pub(super) fn choose() -> Self {
        /// Below those that the system gives to outgoing connections, which could take one meanwhile.
        static NEXT: AtomicU16 = AtomicU16::new(20_000);
        let is_free = |port: u16| TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok();
        let pair = || {
            // Two in a row for the second instance.
            let port = NEXT.fetch_add(2, Ordering::Relaxed);
            assert!(port < 32_000, "no port is free");
            (is_free(port) && is_free(port + 1)).then_some(port)
        };
        let another = || eventually("free ports", pair);
        Self {
            database: another(),
            http: another(),
            admin: another(),
        }
    }
}

/// A proxy of one kind, and what was seen of it.
pub(super) struct Side {
    pub(super) who: Who,
    pub(super) ports: Ports,
    directory: TempDir,
    environment: Vec<(String, String)>,
    process: Option<Process>,
    /// Single facts, by name.
    pub(super) notes: Vec<(String, String)>,
    /// Lines whose order means nothing, by where they were seen.
    pub(super) lines: Vec<(&'static str, String)>,
}

struct Process {
    child: Child,
    out: Arc<Mutex<Vec<String>>>,
    err: Arc<Mutex<Vec<String>>>,
    readers: [JoinHandle<()>; 2],
}

impl Side {
    pub(super) fn new(who: Who, ports: Ports) -> Self {
        Self {
            who,
            ports,
            directory: temporary_directory(),
            environment: Vec::new(),
            process: None,
            notes: Vec::new(),
            lines: Vec::new(),
        }
    }

    /// A directory for sockets and files.
    pub(super) fn path(&self) -> &Path {
        self.directory.path()
    }

    /// Sets a variable for the starts that follow.
    pub(super) fn set(&mut self, name: &str, value: &str) {
        self.environment.push((name.to_owned(), value.to_owned()));
    }

    /// The program, by the name that makes ours the proxy.
    pub(super) fn program(&self) -> PathBuf {
        match self.who {
            Who::Original => original(),
            Who::Ours => {
                let link = self.path().join("alloydb-auth-proxy");
                if !link.exists() {
                    symlink(querycop(), &link).expect("the directory is writable");
                }
                link
            }
        }
    }

    /// Starts it; in the words, `{db}`, `{db2}`, `{http}`, `{admin}` and `{dir}` are filled in.
    pub(super) fn start(&mut self, words: &[&str]) {
        assert!(self.process.is_none(), "one at a time");
        let words = words.iter().map(|word| self.fill(word));
        // Whoever runs the tests may ignore a signal (nohup does), and that is inherited. Not looked for
        // in the PATH that a test gives the proxy.
        let mut child = Command::new("/usr/bin/env")
            .arg("--default-signal=HUP,INT,QUIT,TERM")
            .arg(self.program())
            .args(words)
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("HOME", self.path())
            .envs(self.environment.iter().cloned())
            .current_dir(self.path())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the proxy starts");
        let (out, first) = collect(child.stdout.take().expect("it is a pipe"));
        let (err, second) = collect(child.stderr.take().expect("it is a pipe"));
        self.process = Some(Process {
            child,
            out,
            err,
            readers: [first, second],
        });
    }

    fn fill(&self, word: &str) -> String {
        let Ports {
            database,
            http,
            admin,
        } = self.ports;
        word.replace("{db}", &database.to_string())
            .replace("{db2}", &(database + 1).to_string())
            .replace("{http}", &http.to_string())
            .replace("{admin}", &admin.to_string())
            .replace("{dir}", &self.path().display().to_string())
    }

    /// Waits for a line on standard output.
    pub(super) fn says(&self, text: &str) {
        self.process()
            .waits_for(&self.process().out, text, self.who);
    }

    /// Waits for a line on standard error.
    pub(super) fn complains(&self, text: &str) {
        self.process()
            .waits_for(&self.process().err, text, self.who);
    }

    /// Waits until it is ready.
    pub(super) fn is_ready(&self) {
        self.says("ready for new connections");
    }

    fn process(&self) -> &Process {
        self.process.as_ref().expect("it was started")
    }

    /// Notes a fact.
    pub(super) fn note(&mut self, name: &str, value: impl Display) {
        let value = self.plain(&value.to_string());
        self.notes.push((name.to_owned(), value));
    }

    /// Notes lines whose order means nothing.
    pub(super) fn note_lines<'a>(
        &mut self,
        place: &'static str,
        lines: impl IntoIterator<Item = &'a str>,
    ) {
        for line in lines {
            let line = self.plain(line);
            self.lines.push((place, line));
        }
    }

    /// Replaces what is different from run to run.
    fn plain(&self, text: &str) -> String {
        let directory = self.path().display().to_string();
        let mut text = text.replace(&directory, "{dir}");
        let Ports {
            database,
            http,
            admin,
        } = self.ports;
        for (port, name) in [
            (database, "db"),
            (database + 1, "db2"),
            (http, "http"),
            (admin, "admin"),
        ] {
            text = text.replace(&format!(":{port}"), &format!(":{{{name}}}"));
            text = text.replace(&format!("port {port}"), &format!("port {{{name}}}"));
        }
        // Who is the first to close after the last message is a matter of chance.
        for side in ["client", "instance"] {
            text = text.replace(
                &format!("{side} closed the connection"),
                "closed the connection",
            );
        }
        let accepted = "accepted connection from ";
        if let Some(at) = text.find(&format!("{accepted}127.")) {
            let peer = at + accepted.len();
            let length = text[peer..].find('"').unwrap_or(text.len() - peer);
            text.replace_range(peer..peer + length, "{peer}");
        }
        text
    }

    /// Notes the sockets that it listens on.
    pub(super) fn note_sockets(&mut self) {
        let sockets = listening(self.process().child.id());
        self.note("sockets", sockets.into_iter().collect::<Vec<_>>().join(" "));
    }

    /// psql through its first listener.
    pub(super) fn psql(&self) -> Psql {
        Psql::new("127.0.0.1", self.ports.database).sslmode("disable")
    }

    /// Notes what psql says.
    pub(super) fn note_psql(&mut self, name: &str, psql: &Psql) {
        let output = psql.run("SELECT current_user, 40 + 2");
        self.note(name, describe(&output));
    }

    /// Notes the answer of its HTTP or admin server.
    pub(super) fn note_http(&mut self, method: &str, port: u16, path: &str) {
        let answer = request(method, port, path);
        self.note(&format!("{method} {path}"), answer);
    }

    /// Sends a signal.
    pub(super) fn signal(&self, name: &str) {
        let pid = self.process().child.id();
        let killed = Program::new("sh")
            .arguments(["-c", "kill -s \"$0\" \"$1\""])
            .argument(name)
            .argument(pid.to_string())
            .run();
        killed.expect_success();
    }

    /// Waits for its end; notes its status and all its lines.
    pub(super) fn ends(&mut self) {
        let mut process = self.process.take().expect("it was started");
        let status = eventually("the proxy to end", || {
            process.child.try_wait().expect("it is our child")
        });
        for reader in process.readers {
            reader.join().expect("its output ends");
        }
        self.note("status", status);
        for (place, lines) in [("stdout", &process.out), ("stderr", &process.err)] {
            let lines = lock(lines).clone();
            self.note_lines(place, lines.iter().map(|line| without_time(line)));
        }
    }
}

impl Drop for Side {
    fn drop(&mut self) {
        if let Some(process) = &mut self.process {
            // It may have ended by itself.
            let _ = process.child.kill();
            let _ = process.child.wait();
        }
    }
}

impl Process {
    fn waits_for(&self, lines: &Arc<Mutex<Vec<String>>>, text: &str, who: Who) {
        let both = || format!("{:#?}{:#?}", lock(&self.out), lock(&self.err));
        let found = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            eventually(text, || {
                lock(lines)
                    .iter()
                    .any(|line| line.contains(text))
                    .then_some(())
            });
        }));
        assert!(found.is_ok(), "{who:?} did not say {text:?}: {}", both());
    }
}

fn lock(lines: &Mutex<Vec<String>>) -> std::sync::MutexGuard<'_, Vec<String>> {
    lines.lock().unwrap_or_else(PoisonError::into_inner)
}

fn collect(pipe: impl Read + Send + 'static) -> (Arc<Mutex<Vec<String>>>, JoinHandle<()>) {
    let lines = Arc::new(Mutex::new(Vec::new()));
    let kept = Arc::clone(&lines);
    let reader = std::thread::spawn(move || {
        for line in BufReader::new(pipe).lines().map_while(Result::ok) {
            lock(&kept).push(line);
        }
    });
    (lines, reader)
}

/// What stands behind `2026/11/28 23:00:00 `; a line of another form says so.
fn without_time(line: &str) -> &str {
    let is_time = |text: &str| {
        let marks = text.replace(|digit: char| digit.is_ascii_digit(), "0");
        marks == "0000/00/00 00:00:00 "
    };
    match line.split_at_checked(20) {
        Some((time, rest)) if is_time(time) => rest,
        _ => line,
    }
}

fn describe(output: &Output) -> String {
    format!("{} {}{}", output.status, output.stdout, output.stderr)
}

/// Status, content type and body.
pub(super) fn request(method: &str, port: u16, path: &str) -> String {
    let mut stream = match TcpStream::connect(("127.0.0.1", port)) {
        Ok(stream) => stream,
        Err(error) => return error.kind().to_string(),
    };
    stream
        .set_read_timeout(Some(DEADLINE))
        .expect("the deadline is not zero");
    // 1.0, so that no answer comes in chunks.
    let head = format!("{method} {path} HTTP/1.0\r\nHost: localhost\r\n");
    let length = if method == "POST" {
        "Content-Length: 0\r\n"
    } else {
        ""
    };
    write!(stream, "{head}{length}\r\n").expect("it reads");
    let mut response = Vec::new();
    let read = stream.read_to_end(&mut response);
    read.expect("it answers and closes");
    let response = String::from_utf8_lossy(&response);
    let (head, body) = response.split_once("\r\n\r\n").expect("it is HTTP");
    let status = head.split(' ').nth(1).unwrap_or_default();
    let kind = head.lines().find_map(|line| {
        let (name, value) = line.split_once(": ")?;
        name.eq_ignore_ascii_case("content-type").then_some(value)
    });
    format!("{status} {} {body}", kind.unwrap_or("-"))
}

/// The sockets that a process listens on, as addresses and paths.
fn listening(pid: u32) -> BTreeSet<String> {
    let entries = fs::read_dir(format!("/proc/{pid}/fd")).expect("it runs");
    let own: BTreeSet<String> = entries
        .filter_map(|entry| fs::read_link(entry.ok()?.path()).ok())
        .filter_map(|target| {
            let text = target.to_string_lossy();
            let inode = text.strip_prefix("socket:[")?.strip_suffix(']')?;
            Some(inode.to_owned())
        })
        .collect();
    let table = |name: &str| {
        let text = fs::read_to_string(format!("/proc/{pid}/net/{name}")).unwrap_or_default();
        let rows = text.lines().skip(1);
        rows.map(|row| {
            row.split_whitespace()
                .map(str::to_owned)
                .collect::<Vec<_>>()
        })
        .collect::<Vec<_>>()
    };
    let mut found = BTreeSet::new();
    for row in table("tcp").into_iter().chain(table("tcp6")) {
        // State 0A is LISTEN.
        if row[3] == "0A" && own.contains(&row[9]) {
            found.insert(address(&row[1]));
        }
    }
    for row in table("unix") {
        // The flag of a socket that accepts.
        if row[3] == "00010000" && own.contains(&row[6]) {
            found.insert(row.get(7).cloned().unwrap_or_default());
        }
    }
    found
}

/// Reads an address of `/proc/net/tcp`: words of 32 bits in the machine's order.
fn address(text: &str) -> String {
    let (host, port) = text.split_once(':').expect("there is a port");
    let port = u16::from_str_radix(port, 16).expect("it is a number");
    let words = host.as_bytes().chunks(8).map(|word| {
        let word = std::str::from_utf8(word).expect("it is ASCII");
        u32::from_str_radix(word, 16)
            .expect("it is a number")
            .to_ne_bytes()
    });
    let bytes: Vec<u8> = words.flatten().collect();
    if let Ok(bytes) = <[u8; 4]>::try_from(bytes.as_slice()) {
        return SocketAddr::from((Ipv4Addr::from(bytes), port)).to_string();
    }
    let bytes = <[u8; 16]>::try_from(bytes.as_slice()).expect("it is an address");
    SocketAddr::from((Ipv6Addr::from(bytes), port)).to_string()
}
