//! What a server should be before it starts.

use std::fmt::Write;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use super::installation::{Installation, copy, give_to_server};
use super::login::{Auth, Login, Transport};
use super::{Postgres, Version};
use crate::certificates::{Authority, Identity};

/// What is committed survives a killed server, not a lost machine, and few tests need more memory.
const SETTINGS: &str = "
fsync = off
full_page_writes = off
shared_buffers = 16MB
log_line_prefix = '%m [%p] %q%u@%d '
log_connections = on
log_disconnections = on
";

/// Worker processes that no test needs.
const V18_SETTINGS: &str = "io_method = sync\n";

/// Describes a server; without `auth`, `hba` or `logins` it trusts everybody.
#[derive(Clone)]
#[must_use = "a server must be started"]
pub struct Builder {
    auth: Option<Auth>,
    authority: Option<String>,
    hba: String,
    identity: Option<Identity>,
    logins: Vec<Login>,
    settings: String,
    version: Version,
}

impl Builder {
    pub(super) fn new() -> Self {
        Self {
            auth: None,
            authority: None,
            hba: String::new(),
            identity: None,
            logins: Vec::new(),
            settings: SETTINGS.to_owned(),
            version: Version::Packaged,
        }
    }

    /// Another version than the distribution's.
    pub fn version(mut self, version: Version) -> Self {
        self.version = version;
        self
    }

    /// TLS with this certificate; without, the server answers `N`.
    pub fn tls(mut self, identity: &Identity) -> Self {
        self.identity = Some(identity.clone());
        self
    }

    /// Client certificates are verified against this authority, as `clientcert=` demands.
    pub fn client_authority(mut self, authority: &Authority) -> Self {
        self.authority = Some(authority.pem());
        self
    }

    /// A line of `pg_hba.conf`, before those of `logins` and `auth`.
    pub fn hba(mut self, line: &str) -> Self {
        self.hba.push_str(line);
        self.hba.push('\n');
        self
    }

    /// Every role of [`Login`], each by its own method, over this transport.
    pub fn logins(mut self, transport: Transport) -> Self {
        for login in Login::ALL {
            let line = hba_line(transport, login.role(), login.auth());
            self.hba.push_str(&line);
        }
        self.logins = Login::ALL.to_vec();
        self
    }

    /// The method for everybody else.
    pub fn auth(mut self, auth: Auth) -> Self {
        self.auth = Some(auth);
        self
    }

    /// A line of `postgresql.conf`.
    pub fn setting(mut self, name: &str, value: &str) -> Self {
        let value = value.replace('\'', "''");
        writeln!(self.settings, "{name} = '{value}'").expect("a string grows");
        self
    }

    /// Starts the server and waits until it accepts connections.
    pub fn start(self) -> Postgres {
        let installation = Installation::of(self.version);
        let directory = tempfile::Builder::new()
            .prefix("querycop-pg-")
            .permissions(fs::Permissions::from_mode(0o755))
            .tempdir()
            .expect("the temporary directory is writable");
        give_to_server(directory.path());
        let data = directory.path().join("data");
        copy(&installation.template, &data);
        self.configure(&data);
        let server = Postgres::launch(installation, directory);
        if !self.logins.is_empty() {
            server.psql(
                &self
                    .logins
                    .iter()
                    .map(|login| login.creation())
                    .collect::<String>(),
            );
        }
        server
    }

    fn configure(&self, data: &Path) {
        let mut settings = self.settings.clone();
        if self.version == Version::V18 {
            settings.insert_str(0, V18_SETTINGS);
        }
        if let Some(identity) = &self.identity {
            write_identity(data, identity);
            settings.push_str("ssl = on\n");
        }
        if let Some(authority) = &self.authority {
            write_owned(&data.join("root.crt"), authority);
            settings.push_str("ssl_ca_file = 'root.crt'\n");
        }
        let path = data.join("postgresql.conf");
        let defaults = fs::read_to_string(&path).expect("initdb wrote it");
        write_owned(&path, &(defaults + &settings));
        write_owned(&data.join("pg_hba.conf"), &self.hba_file());
    }

    fn hba_file(&self) -> String {
        let mut hba = "local all,replication all trust\n".to_owned() + &self.hba;
        let unsaid = self.hba.is_empty().then_some(Auth::Trust);
        if let Some(auth) = self.auth.or(unsaid) {
            hba += &hba_line(Transport::Any, "all", auth);
        }
        hba
    }
}

/// The server's certificate and key, under the names that `postgresql.conf` defaults to.
pub(super) fn write_identity(data: &Path, identity: &Identity) {
    let files = identity.write(data, "server");
    give_to_server(&files.certificate);
    give_to_server(&files.key);
}

/// Writes a file that the server may read and alter.
pub(super) fn write_owned(path: &Path, content: &str) {
    fs::write(path, content).expect("the disk has room");
    give_to_server(path);
}

fn hba_line(transport: Transport, role: &str, auth: Auth) -> String {
    let (keyword, method) = (transport.keyword(), auth.method());
    format!("{keyword} all,replication {role} all {method}\n")
}
