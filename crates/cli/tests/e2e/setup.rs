//! What most tests start from.

use std::fs;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::LazyLock;

use querycop_testkit::certificates::{Authority, Identity, IdentityFiles};
use querycop_testkit::gateway::{Builder, Gateway, Signal};
use querycop_testkit::postgres::Postgres;
use serde_json::Value;
use tempfile::TempDir;

use crate::command::http::get;

/// The binary under test.
pub(crate) fn querycop() -> &'static Path {
    Path::new(env!("CARGO_BIN_EXE_querycop"))
}

/// A gateway before whatever listens on a port of 127.0.0.1; the backend's TLS mode is to be said.
pub(crate) fn before_port(port: u16) -> Builder {
    Gateway::builder(querycop())
        .env("GATEKEEPER_BACKEND_HOST", "127.0.0.1")
        .env("GATEKEEPER_BACKEND_PORT", port)
}

/// A gateway before a server, with this `GATEKEEPER_BACKEND_TLS_MODE`.
pub(crate) fn before(server: &Postgres, tls_mode: &str) -> Builder {
    before_port(server.port()).env("GATEKEEPER_BACKEND_TLS_MODE", tls_mode)
}

/// A directory for a test's files; kept in a `static`, it is removed when the process has ended.
pub(crate) fn temporary_directory() -> TempDir {
    static PARENT: LazyLock<(TempDir, Child)> = LazyLock::new(|| {
        let directory = tempfile::Builder::new()
            .prefix("querycop-e2e-")
            .tempdir()
            .expect("the temporary directory is writable");
        // Its input ends when this process has, however that went.
        let reaper = Command::new("sh")
            .args(["-c", r#"read -r _; rm -rf "$1""#, "querycop-e2e-reaper"])
            .arg(directory.path())
            .process_group(0)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("sh starts");
        (directory, reaper)
    });
    TempDir::new_in(PARENT.0.path()).expect("the temporary directory is writable")
}

const SERVER_NAMES: &[&str] = &["localhost", "127.0.0.1"];

/// An authority and a directory for what it issues.
pub(crate) struct Pki {
    pub(crate) authority: Authority,
    /// The authority's certificate.
    pub(crate) root: PathBuf,
    directory: TempDir,
    gateway: IdentityFiles,
}

impl Pki {
    pub(crate) fn new() -> Self {
        let authority = Authority::new("test root");
        let directory = temporary_directory();
        let gateway = authority.server(SERVER_NAMES);
        Self {
            root: authority.write(directory.path(), "root"),
            gateway: gateway.write(directory.path(), "gateway"),
            authority,
            directory,
        }
    }

    /// Where the files are.
    pub(crate) fn path(&self) -> &Path {
        self.directory.path()
    }

    /// A good certificate for `localhost` and 127.0.0.1.
    pub(crate) fn server(&self) -> Identity {
        self.authority.server(SERVER_NAMES)
    }

    /// Writes an identity beside the root.
    pub(crate) fn write(&self, identity: &Identity, name: &str) -> IdentityFiles {
        identity.write(self.path(), name)
    }

    /// Gives the gateway a good certificate for its clients.
    pub(crate) fn serve_tls(&self, gateway: Builder) -> Builder {
        let files = &self.gateway;
        gateway
            .env("GATEKEEPER_PROXY_TLS_CERT", files.certificate.display())
            .env("GATEKEEPER_PROXY_TLS_KEY", files.key.display())
    }
}

/// The most memory that a process has had, in bytes.
pub(crate) fn memory_peak(pid: u32) -> usize {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).expect("it runs");
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let size = line.expect("Linux says so").trim().trim_end_matches(" kB");
    size.parse::<usize>().expect("it is a number") * 1024
}

/// Ends a process when its test ends, however that ends.
pub(crate) struct Running(pub(crate) Child);

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended as it should.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A counter in `/metrics`, named with its labels; 0 if there was nothing to count.
pub(crate) fn counter(gateway: &Gateway, name: &str) -> u64 {
    let metrics = get(gateway, "/metrics", &[]).body;
    let mut lines = metrics.lines();
    let value = lines.find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    value.map_or(0, |value| value.parse().expect("it is a number"))
}

/// Ends the gateway and returns all that its sessions logged at this level.
pub(crate) fn session_log(gateway: &Gateway, level: &str) -> Vec<Value> {
    gateway.signal(Signal::TERM);
    assert!(gateway.wait().success(), "{}", gateway.stderr());
    let of_session = |line: &Value| line["level"] == level && line["span"]["name"] == "session";
    gateway.logs().into_iter().filter(of_session).collect()
}
