//! Real PostgreSQL servers in temporary directories.

mod builder;
mod installation;
mod login;

use std::fs::{self, File};
use std::hash::{BuildHasher, RandomState};
use std::net::TcpListener;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

pub use self::builder::Builder;
use self::builder::{write_identity, write_owned};
pub use self::installation::Version;
use self::installation::{Installation, server_command};
pub(crate) use self::installation::{library_directory, packaged_program};
use self::login::create_role;
pub use self::login::{Auth, Encryption, Login, Transport};
use crate::certificates::Identity;
use crate::psql::Psql;
use crate::reaper::Reaper;
use crate::wait::eventually;

/// A running server; dropping it stops the server and removes its directory.
pub struct Postgres {
    process: Child,
    port: u16,
    installation: &'static Installation,
    _reaper: Reaper,
    directory: TempDir,
}

/// Why a server isn't there.
enum StartFailure {
    /// Another process took the port, or what a crash left behind isn't gone yet.
    Passing,
    /// Waiting wouldn't help.
    Lasting(String),
}

impl Postgres {
    /// Describes a server.
    pub fn builder() -> Builder {
        Builder::new()
    }

    fn launch(installation: &'static Installation, directory: TempDir) -> Self {
        let reaper = Reaper::for_server(directory.path().as_os_str());
        let (process, port) = eventually("PostgreSQL to find a free port", || {
            let port = free_port();
            match start_process(installation, directory.path(), port) {
                Ok(process) => Some((process, port)),
                Err(StartFailure::Passing) => None,
                Err(StartFailure::Lasting(log)) => panic!("PostgreSQL doesn't start:\n{log}"),
            }
        });
        Self {
            process,
            port,
            installation,
            _reaper: reaper,
            directory,
        }
    }

    /// The address that it listens on, `127.0.0.1`.
    pub fn host(&self) -> &'static str {
        "127.0.0.1"
    }

    /// Its TCP port, and the number in its Unix socket's name.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The directory of its Unix socket, where everybody is trusted.
    pub fn socket_dir(&self) -> &Path {
        self.directory.path()
    }

    /// Its data directory.
    pub fn data_dir(&self) -> PathBuf {
        self.directory.path().join("data")
    }

    /// The superuser, trusted on the Unix socket.
    pub fn superuser(&self) -> &'static str {
        "postgres"
    }

    /// The postmaster.
    pub fn pid(&self) -> u32 {
        self.process.id()
    }

    /// A client over TCP, still without a role.
    pub fn client(&self) -> Psql {
        Psql::new(self.host(), self.port)
    }

    /// Runs SQL as superuser through the Unix socket, which must succeed, and returns its rows.
    pub fn psql(&self, sql: &str) -> String {
        let directory = self
            .socket_dir()
            .to_str()
            .expect("a temporary path is UTF-8");
        Psql::new(directory, self.port)
            .user(self.superuser())
            .query(sql)
    }

    /// Makes a role that may log in.
    pub fn create_role(&self, name: &str, password: &str, encryption: Encryption) {
        self.psql(&create_role(name, password, encryption));
    }

    /// Gives the role a new random password, as long as a cloud's token, and returns it.
    pub fn rotate_token(&self, role: &str) -> String {
        let token = random_token();
        self.psql(&format!(
            "ALTER ROLE \"{role}\" PASSWORD {}",
            literal(&token)
        ));
        token
    }

    /// Ends the role's sessions as an administrator would and returns their number.
    pub fn terminate_backends(&self, role: &str) -> usize {
        let answer = self.psql(&format!(
            "SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity WHERE usename = {}",
            literal(role)
        ));
        answer.lines().count()
    }

    /// Ends every process at once, as a lost machine would: nothing is told to anybody.
    pub fn crash(&mut self) {
        let children = children(self.process.id());
        kill(self.process.id(), Signal::KILL);
        for child in children {
            kill(child, Signal::KILL);
        }
        self.process.wait().expect("it is our child");
    }

    /// Stops it if it runs, and starts it on the same port and data.
    pub fn restart(&mut self) {
        self.stop(Signal::INT);
        let (installation, directory) = (self.installation, self.directory.path());
        self.process = eventually("PostgreSQL to start again", || {
            match start_process(installation, directory, self.port) {
                Ok(process) => Some(process),
                Err(StartFailure::Passing) => None,
                Err(StartFailure::Lasting(log)) => panic!("PostgreSQL doesn't restart:\n{log}"),
            }
        });
    }

    /// Reads the configuration files again and returns when that is done.
    pub fn reload(&self) {
        // The postmaster says this before it reads and accepts nothing until it has read.
        let reloads = || self.log().matches("received SIGHUP").count();
        let before = reloads();
        kill(self.process.id(), Signal::HUP);
        eventually("PostgreSQL to reload", || {
            (reloads() > before).then_some(())
        });
    }

    /// Another certificate for the connections from now on.
    pub fn reload_tls(&self, identity: &Identity) {
        write_identity(&self.data_dir(), identity);
        self.reload();
    }

    /// Another `pg_hba.conf` for the connections from now on; the Unix socket stays open.
    pub fn reload_hba(&self, lines: &str) {
        let hba = format!("local all,replication all trust\n{lines}\n");
        write_owned(&self.data_dir().join("pg_hba.conf"), &hba);
        self.reload();
    }

    /// All it has logged so far.
    pub fn log(&self) -> String {
        read_log(self.directory.path())
    }

    fn stop(&mut self, signal: Signal) {
        let ended = self.process.try_wait().expect("it is our child");
        if ended.is_none() {
            kill(self.process.id(), signal);
            self.process.wait().expect("it is our child");
        }
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        // Immediate shutdown: the postmaster waits for its children, so the directory stays empty.
        self.stop(Signal::QUIT);
    }
}

fn start_process(
    installation: &Installation,
    directory: &Path,
    port: u16,
) -> Result<Child, StartFailure> {
    let log_start = read_log(directory).len();
    let log = File::options()
        .create(true)
        .append(true)
        .open(directory.join("log"))
        .expect("the directory is writable");
    let mut process = server_command(&installation.bin.join("postgres"))
        .arg("-D")
        .arg(directory.join("data"))
        .arg("-k")
        .arg(directory)
        .args(["-h", "127.0.0.1", "-p", &port.to_string()])
        .process_group(0)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(log)
        .spawn()
        .expect("setpriv or postgres can be run");
    let pid_file = directory.join("data/postmaster.pid");
    let ended = eventually("PostgreSQL to accept connections", || {
        if process.try_wait().expect("it is our child").is_some() {
            return Some(true);
        }
        accepts_connections(&pid_file, process.id()).then_some(false)
    });
    if !ended {
        return Ok(process);
    }
    let log = read_log(directory).split_off(log_start);
    let passing = ["Address already in use", "shared memory block", "lock file"];
    if passing.iter().any(|reason| log.contains(reason)) {
        Err(StartFailure::Passing)
    } else {
        Err(StartFailure::Lasting(log))
    }
}

/// Whether the postmaster says so in its own file, in which `pg_ctl` looks too:
/// <https://github.com/postgres/postgres/blob/REL_18_0/src/include/utils/pidfile.h>
fn accepts_connections(pid_file: &Path, pid: u32) -> bool {
    let content = fs::read_to_string(pid_file).unwrap_or_default();
    let mut lines = content.lines();
    lines.next() == Some(pid.to_string().as_str())
        && lines
            .nth(6)
            .is_some_and(|status| status.trim_end() == "ready")
}

/// A port below those that the kernel gives to clients, so that a server finds it free again.
fn free_port() -> u16 {
    let random = RandomState::new().hash_one("port");
    let port = 10_000 + u16::try_from(random % 20_000).expect("it is below 20000");
    match TcpListener::bind(("127.0.0.1", port)) {
        Ok(_) => port,
        Err(_) => free_port(),
    }
}

fn children(pid: u32) -> Vec<u32> {
    let processes = fs::read_dir("/proc").expect("this is Linux");
    processes
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
        .filter(|child| {
            let stat = fs::read_to_string(format!("/proc/{child}/stat")).unwrap_or_default();
            // The program's name, in parentheses, may hold blanks; state and parent follow it.
            let parent = stat
                .rsplit(") ")
                .next()
                .and_then(|rest| rest.split(' ').nth(1));
            parent == Some(pid.to_string().as_str())
        })
        .collect()
}

fn kill(pid: u32, signal: Signal) {
    let pid = i32::try_from(pid).ok().and_then(Pid::from_raw);
    // An error means that it is gone already.
    let _ = kill_process(pid.expect("a process has a positive number"), signal);
}

fn read_log(directory: &Path) -> String {
    let log = fs::read(directory.join("log")).unwrap_or_default();
    String::from_utf8_lossy(&log).into_owned()
}

/// An SQL string, whatever `standard_conforming_strings` says.
fn literal(text: &str) -> String {
    let text = text.replace('\\', r"\\").replace('\'', "''");
    format!(" E'{text}'")
}

/// As long as Google's access tokens, which some clients cut or refuse.
fn random_token() -> String {
    let random = (0..64).map(|_| format!("{:016x}", RandomState::new().hash_one("token")));
    format!("ya29.{}", random.collect::<String>())
}
