//! Cleans up after a test process that can't do it itself.
//!
//! `Drop` doesn't run for a killed process or for a `static`. A reaper is a shell in a process group
//! of its own that waits for the end of its standard input, which comes when this process is gone,
//! however it went, and then does what it was told.

use std::ffi::OsStr;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};

/// Kills the server whose data directory is `$1/data`, then removes `$1`.
const SERVER: &str = r#"
pid=$(head -n 1 "$1/data/postmaster.pid" 2>/dev/null)
if [ -n "$pid" ] && [ "$(readlink "/proc/$pid/cwd")" = "$1/data" ]; then
    kill -QUIT "$pid"
    while [ -e "/proc/$pid" ]; do sleep 0.05; done
fi
rm -rf "$1""#;

/// Kills process `$1` if it still runs the program `$2`.
const PROCESS: &str = r#"
[ "$(readlink "/proc/$1/exe")" = "$2" ] && kill -KILL "$1""#;

/// A running reaper; dropping it means that the work was done without it.
pub(crate) struct Reaper(Child);

impl Reaper {
    /// Watches over a PostgreSQL server's directory.
    pub(crate) fn for_server(directory: &OsStr) -> Self {
        Self::spawn(SERVER, &[directory])
    }

    /// Watches over a child process.
    pub(crate) fn for_process(child: &Child) -> Self {
        let pid = child.id().to_string();
        let program = std::fs::read_link(format!("/proc/{pid}/exe")).unwrap_or_default();
        Self::spawn(PROCESS, &[pid.as_ref(), program.as_ref()])
    }

    fn spawn(action: &str, arguments: &[&OsStr]) -> Self {
        let child = Command::new("sh")
            .arg("-c")
            .arg(format!("read -r _\n{action}"))
            .arg("querycop-testkit-reaper")
            .args(arguments)
            .current_dir("/")
            .process_group(0)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("sh starts");
        Self(child)
    }
}

impl Drop for Reaper {
    fn drop(&mut self) {
        // An error means that it has gone already; there is nothing left to do about it.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
