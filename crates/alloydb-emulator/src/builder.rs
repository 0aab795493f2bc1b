//! Says what the emulator should be.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::description::{
    Cluster, Description, IamRoles, Instance, Listen, Principal, UnknownTokens,
};
use crate::emulator::{Emulator, StartError};
use crate::faults::Script;
use crate::mistake::StateFileError;

/// Describes an emulator, step by step or from a file.
#[derive(Clone, Debug, Default)]
#[must_use = "an emulator must be started"]
pub struct EmulatorBuilder {
    description: Description,
}

impl EmulatorBuilder {
    /// What the state file says; what is said afterwards is added or wins.
    pub fn from_file(path: &Path) -> Result<Self, StateFileError> {
        let text = std::fs::read_to_string(path).map_err(|cause| StateFileError::Read {
            path: path.to_owned(),
            cause,
        })?;
        let description = toml::from_str(&text).map_err(|cause| StateFileError::Parse {
            path: path.to_owned(),
            cause: Box::new(cause),
        })?;
        Ok(Self { description })
    }

    /// What the command plays without a state file: the cluster
    /// `projects/demo/locations/local/clusters/main` with a primary on 127.0.0.1 (PSC name
    /// `localhost`) and a read pool on 127.0.0.2, a person and a service account that may do
    /// everything.
    pub fn demo() -> Self {
        let primary = Instance::primary("primary")
            .private_address([127, 0, 0, 1])
            .psc_dns_name("localhost");
        let pool = Instance::read_pool("read-pool", 1).private_address([127, 0, 0, 2]);
        let cluster = Cluster::new("projects/demo/locations/local/clusters/main");
        let account = "app@demo.iam.gserviceaccount.com";
        Self::default()
            .cluster(cluster.instance(primary).instance(pool))
            .principal(Principal::new("alice@example.com").may_act_as(account))
            .principal(Principal::new(account))
    }

    /// What the description says.
    pub fn from_description(description: Description) -> Self {
        Self { description }
    }

    /// What has been said so far.
    pub fn description(&self) -> &Description {
        &self.description
    }

    /// Where PostgreSQL is: `postgres://user:password@host:port/database`.
    pub fn backend(mut self, url: impl Into<String>) -> Self {
        self.description.backend = url.into();
        self
    }

    /// Who makes the roles of IAM users in the backend.
    pub fn iam_roles(mut self, iam_roles: IamRoles) -> Self {
        self.description.iam_roles = iam_roles;
        self
    }

    /// Where CA and credentials files are written. By default a fresh temporary directory, which is
    /// removed in the end.
    pub fn directory(mut self, directory: impl Into<PathBuf>) -> Self {
        self.description.directory = Some(directory.into());
        self
    }

    /// All addresses and ports.
    pub fn listen(mut self, listen: Listen) -> Self {
        self.description.listen = listen;
        self
    }

    /// Address of the admin API under TLS.
    pub fn https(mut self, addr: SocketAddr) -> Self {
        self.description.listen.https = addr;
        self
    }

    /// Address of the admin API without TLS.
    pub fn http(mut self, addr: SocketAddr) -> Self {
        self.description.listen.http = addr;
        self
    }

    /// Port of the server-side proxy on every instance's addresses; 0 for any.
    pub fn tunnel_port(mut self, port: u16) -> Self {
        self.description.listen.tunnel_port = port;
        self
    }

    /// Port of PostgreSQL on every instance's addresses; 0 for any.
    pub fn direct_port(mut self, port: u16) -> Self {
        self.description.listen.direct_port = port;
        self
    }

    /// Tokens that the emulator doesn't know are refused instead of standing for the default
    /// principal.
    pub fn strict_tokens(mut self) -> Self {
        self.description.unknown_tokens = UnknownTokens::Refuse;
        self
    }

    /// Who sends tokens that the emulator doesn't know.
    pub fn default_principal(mut self, email: impl Into<String>) -> Self {
        self.description.default_principal = Some(email.into());
        self
    }

    /// Whose tokens the metadata server gives.
    pub fn metadata_service_account(mut self, email: impl Into<String>) -> Self {
        self.description.metadata_service_account = Some(email.into());
        self
    }

    /// How long issued tokens live; whole seconds.
    pub fn token_lifetime(mut self, lifetime: Duration) -> Self {
        self.description.token_lifetime = Some(lifetime.as_secs());
        self
    }

    /// Adds a cluster.
    pub fn cluster(mut self, cluster: Cluster) -> Self {
        self.description.clusters.push(cluster);
        self
    }

    /// Adds a principal.
    pub fn principal(mut self, principal: Principal) -> Self {
        self.description.principals.push(principal);
        self
    }

    /// Arms a fault from the start.
    pub fn fault(mut self, script: impl Into<Script>) -> Self {
        self.description.faults.push(script.into());
        self
    }

    /// Starts it: returns when every port is open and every file is written. Not cancel safe.
    pub async fn start(self) -> Result<Emulator, StartError> {
        Emulator::start(self.description).await
    }
}
