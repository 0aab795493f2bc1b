//! Finds PostgreSQL's programs and prepares what every server starts from.

use std::fs;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use rustix::fs::{Gid, Uid, chown};
use rustix::process::geteuid;

use crate::command::Program;

/// Where Debian and Ubuntu keep one directory per major version.
const PACKAGED: &str = "/usr/lib/postgresql";

/// Where `scripts/bootstrap test` unpacks PostgreSQL 18.
const V18: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../.cache/postgresql-18");

/// Part of the template's name: raise it when the arguments of initdb change.
const TEMPLATE_REVISION: u32 = 1;

/// Which PostgreSQL to start.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Version {
    /// The distribution's newest: 15 on Debian 12.
    Packaged,
    /// PostgreSQL 18: direct TLS, protocol 3.2, login events of its time.
    V18,
}

impl Version {
    /// For tests that go through both.
    pub const ALL: [Self; 2] = [Self::Packaged, Self::V18];
}

/// The programs of one version and a freshly initialized cluster to copy.
pub(super) struct Installation {
    pub(super) bin: PathBuf,
    pub(super) template: PathBuf,
}

impl Installation {
    /// Found once per process; the cluster is initialized once per machine.
    pub(super) fn of(version: Version) -> &'static Self {
        static PACKAGED: OnceLock<Installation> = OnceLock::new();
        static V18: OnceLock<Installation> = OnceLock::new();
        let found = match version {
            Version::Packaged => &PACKAGED,
            Version::V18 => &V18,
        };
        found.get_or_init(|| Self::prepare(version))
    }

    fn prepare(version: Version) -> Self {
        let cache = Cache::open();
        let mut prefix = prefix(version);
        if geteuid().is_root() && !everybody_reaches(&prefix) {
            prefix = cache.copy_of(&prefix);
        }
        let bin = prefix.join("bin");
        let template = cache.template(&bin);
        Self { bin, template }
    }
}

/// The path of one of the distribution's PostgreSQL programs, past its Perl wrapper.
pub(crate) fn packaged_program(name: &str) -> PathBuf {
    prefix(Version::Packaged).join("bin").join(name)
}

/// The directory that holds a version's libpq.
pub(crate) fn library_directory(version: Version) -> PathBuf {
    prefix(version).join("lib")
}

fn prefix(version: Version) -> PathBuf {
    let found = match version {
        Version::Packaged => fs::read_dir(PACKAGED).ok().and_then(newest),
        Version::V18 => fs::canonicalize(V18).ok(),
    };
    found.unwrap_or_else(|| panic!("{version:?} PostgreSQL is missing: run scripts/bootstrap test"))
}

fn newest(directories: fs::ReadDir) -> Option<PathBuf> {
    directories
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| path.join("bin/postgres").exists())
        .max_by_key(|path| path.file_name()?.to_str()?.parse::<u32>().ok())
}

/// Whether a user without special rights may come to this path.
fn everybody_reaches(path: &Path) -> bool {
    path.ancestors().all(|part| {
        fs::metadata(part).is_ok_and(|metadata| metadata.permissions().mode() & 0o005 == 0o005)
    })
}

/// A directory for this user's test runs, locked while it is open.
struct Cache {
    directory: PathBuf,
    _lock: fs::File,
}

impl Cache {
    fn open() -> Self {
        let user = geteuid();
        let name = format!("querycop-testkit-{}", user.as_raw());
        let directory = std::env::temp_dir().join(name);
        // An error is most often that it is there already; else the next step shows it.
        let _ = fs::DirBuilder::new().mode(0o755).create(&directory);
        let metadata = fs::symlink_metadata(&directory).expect("the temporary directory works");
        assert!(
            metadata.is_dir() && metadata.uid() == user.as_raw() && metadata.mode() & 0o022 == 0,
            "{} belongs to somebody else",
            directory.display()
        );
        let lock = fs::File::create(directory.join("lock")).expect("the directory is ours");
        lock.lock().expect("a local file can be locked");
        Self {
            directory,
            _lock: lock,
        }
    }

    /// A cluster of the PostgreSQL in `bin`, for copying.
    fn template(&self, bin: &Path) -> PathBuf {
        let version = Program::new(bin.join("postgres")).argument("--version");
        let version = version.run().expect_success().to_owned();
        let number: Vec<_> = version.split(' ').skip(2).take(1).collect();
        let name = format!("template-{}-{TEMPLATE_REVISION}", number.concat());
        self.once(&name, |fresh| {
            fs::create_dir(fresh).expect("the directory is ours");
            give_to_server(fresh);
            let data = fresh.join("data");
            Program::from(server_command(&bin.join("initdb")))
                .arguments(["--no-sync", "--no-instructions", "--auth=trust"])
                .arguments(["--encoding=UTF8", "--locale=C", "--username=postgres"])
                // Sixteen times less to copy for each server.
                .argument("--wal-segsize=1")
                .argument("--pgdata")
                .argument(&data)
                .run()
                .expect_success();
        })
        .join("data")
    }

    /// A copy of a PostgreSQL installation which the server's user could not reach.
    fn copy_of(&self, prefix: &Path) -> PathBuf {
        let name = prefix.file_name().expect("it is not the root directory");
        self.once(&name.to_string_lossy(), |fresh| copy(prefix, fresh))
    }

    /// Makes `name` unless it is there, whole or not at all.
    fn once(&self, name: &str, make: impl FnOnce(&Path)) -> PathBuf {
        let path = self.directory.join(name);
        if !path.exists() {
            let fresh = self.directory.join("fresh");
            // What an interrupted run left behind, if any.
            let _ = fs::remove_dir_all(&fresh);
            make(&fresh);
            fs::rename(&fresh, &path).expect("both names are in one directory");
        }
        path
    }
}

/// Copies a directory with owners and modes.
pub(super) fn copy(from: &Path, to: &Path) {
    Program::new("cp")
        .arguments(["-a", "--reflink=auto"])
        .arguments([from, to])
        .run()
        .expect_success();
}

/// A command that runs as the server's user: `postgres` refuses to run as root.
pub(super) fn server_command(program: &Path) -> Command {
    let mut command = if geteuid().is_root() {
        let mut command = Command::new("setpriv");
        command
            .args(["--reuid=postgres", "--regid=postgres", "--init-groups"])
            .arg(program);
        command
    } else {
        Command::new(program)
    };
    // That user may have no right to this process's directory.
    command.current_dir("/");
    command
}

static SERVER_USER: OnceLock<(Uid, Gid)> = OnceLock::new();

/// Makes the server's user the owner.
pub(super) fn give_to_server(path: &Path) {
    if !geteuid().is_root() {
        return;
    }
    let (user, group) = *SERVER_USER.get_or_init(|| {
        let users = fs::read_to_string("/etc/passwd").expect("every system has users");
        let ids = users
            .lines()
            .find_map(|line| line.strip_prefix("postgres:"))
            .and_then(|line| {
                let mut fields = line.split(':').skip(1);
                Some((fields.next()?.parse().ok()?, fields.next()?.parse().ok()?))
            });
        let (user, group) = ids.expect("user postgres is missing: run scripts/bootstrap");
        (Uid::from_raw(user), Gid::from_raw(group))
    });
    chown(path, Some(user), Some(group)).expect("root may give files away");
}
