//! What the emulator should be: the builder's words and the state file's, before they are checked.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;

use serde::Deserialize;

use crate::faults::Script;

/// The port of the server-side proxy, the only one that Google's connectors dial.
pub const TUNNEL_PORT: u16 = 5433;
/// The port of PostgreSQL itself.
pub const DIRECT_PORT: u16 = 5432;

/// Everything that can be said before the start. The state file is this in TOML.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Description {
    /// Where PostgreSQL is: `postgres://user:password@host:port/database`, or a directory of a Unix
    /// socket as `postgres://user@%2Fvar%2Frun%2Fpostgresql/database`.
    pub backend: String,
    /// Who makes the roles of IAM users in the backend.
    pub iam_roles: IamRoles,
    /// Where CA and credentials files are written; a fresh temporary directory if absent.
    pub directory: Option<PathBuf>,
    /// The addresses and ports.
    pub listen: Listen,
    /// What happens to a token that the emulator doesn't know.
    pub unknown_tokens: UnknownTokens,
    /// Who sends tokens that the emulator doesn't know; the first principal if absent.
    pub default_principal: Option<String>,
    /// The service account of the metadata server; the first one if absent.
    pub metadata_service_account: Option<String>,
    /// How long issued tokens live, in seconds; 3600 if absent.
    pub token_lifetime: Option<u64>,
    /// The clusters.
    pub clusters: Vec<Cluster>,
    /// Who may do what.
    pub principals: Vec<Principal>,
    /// Faults that are armed from the start.
    pub faults: Vec<Script>,
}

/// Who makes the roles of IAM users in the backend.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
pub enum IamRoles {
    /// The emulator makes those that are missing, and gives all of them a random password with
    /// which it logs in on behalf of their owners.
    #[default]
    Create,
    /// They exist and the backend trusts the emulator (`trust` or `peer`); nothing is changed.
    Existing,
}

/// What happens to a token that the emulator doesn't know.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
pub enum UnknownTokens {
    /// It stands for the default principal; never as a password.
    #[default]
    DefaultPrincipal,
    /// It is refused: 401.
    Refuse,
}

/// Where the emulator listens.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Listen {
    /// Admin API, gRPC and token services under TLS. Default `127.0.0.1:9443`.
    pub https: SocketAddr,
    /// The same without TLS and gRPC. Default `127.0.0.1:9080`.
    pub http: SocketAddr,
    /// Port of the server-side proxy on each instance's addresses; 0 lets the system choose one for
    /// each address. Default 5433, the only one that Google's connectors dial.
    pub tunnel_port: u16,
    /// Port of PostgreSQL on each instance's addresses, 0 likewise. Default 5432.
    pub direct_port: u16,
}

impl Default for Listen {
    fn default() -> Self {
        Self {
            https: SocketAddr::from((Ipv4Addr::LOCALHOST, 9443)),
            http: SocketAddr::from((Ipv4Addr::LOCALHOST, 9080)),
            tunnel_port: TUNNEL_PORT,
            direct_port: DIRECT_PORT,
        }
    }
}

impl Listen {
    /// Every port is one that the system chooses, for tests that run side by side.
    pub fn any_port() -> Self {
        Self {
            https: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
            http: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
            tunnel_port: 0,
            direct_port: 0,
        }
    }
}

/// A cluster: a CA and instances.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Cluster {
    /// `projects/P/locations/R/clusters/C`.
    pub name: String,
    /// Primary, or the read-only copy in another region.
    #[serde(default)]
    pub kind: ClusterKind,
    /// The IAM users of the cluster, as database roles; every principal if absent.
    #[serde(default)]
    pub iam_users: Option<Vec<String>>,
    /// Its instances.
    #[serde(default)]
    pub instances: Vec<Instance>,
}

/// What a cluster is.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
pub enum ClusterKind {
    /// Reads and writes.
    #[default]
    Primary,
    /// Replicates a primary cluster: all its instances read only.
    Secondary,
}

impl Cluster {
    /// A primary cluster without instances.
    pub fn new(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            kind: ClusterKind::Primary,
            iam_users: None,
            instances: Vec::new(),
        }
    }

    /// A secondary cluster: read only, with a CA of its own.
    pub fn secondary(name: impl Into<String>) -> Self {
        Self {
            kind: ClusterKind::Secondary,
            ..Self::new(name)
        }
    }

    /// Adds an instance.
    #[must_use]
    pub fn instance(mut self, instance: Instance) -> Self {
        self.instances.push(instance);
        self
    }

    /// Only these roles are IAM users of the cluster.
    #[must_use]
    pub fn iam_users<S: Into<String>>(mut self, roles: impl IntoIterator<Item = S>) -> Self {
        self.iam_users = Some(roles.into_iter().map(Into::into).collect());
        self
    }
}

/// An instance: addresses and flags.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Instance {
    /// The last word of its name.
    pub name: String,
    /// What it is.
    #[serde(default)]
    pub kind: InstanceKind,
    /// How many nodes a read pool has; sessions go to them in turn. Default 1.
    #[serde(default = "one")]
    pub nodes: u16,
    /// Its private address, on loopback.
    #[serde(default)]
    pub private_address: Option<IpAddr>,
    /// Its public address, on loopback too.
    #[serde(default)]
    pub public_address: Option<IpAddr>,
    /// Its PSC name. It must resolve to an address that the emulator listens on; the instance is
    /// found by the name in the TLS handshake. The admin API gives it with a dot at its end, as
    /// AlloyDB does; a single label, such as `localhost`, only if it is written with one here:
    /// Google's Go connector could not resolve it.
    #[serde(default)]
    pub psc_dns_name: Option<String>,
    /// One more address to listen on, where the PSC name leads.
    #[serde(default)]
    pub psc_address: Option<IpAddr>,
    /// Where the private address goes in a failover; it stays if absent.
    #[serde(default)]
    pub standby_address: Option<IpAddr>,
    /// The flag `alloydb.iam_authentication`. Default on.
    #[serde(default)]
    pub iam_authentication: IamAuthentication,
    /// Whether port 5432 refuses connections without TLS. Default required.
    #[serde(default)]
    pub ssl: Ssl,
}

fn one() -> u16 {
    1
}

/// What an instance is.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
pub enum InstanceKind {
    /// Reads and writes, unless the cluster is a secondary one.
    #[default]
    Primary,
    /// Reads only.
    ReadPool,
}

/// The flag `alloydb.iam_authentication`.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
pub enum IamAuthentication {
    /// IAM users may log in.
    #[default]
    On,
    /// They may not.
    Off,
}

/// Whether connections on port 5432 must be encrypted.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
pub enum Ssl {
    /// Unencrypted ones are refused.
    #[default]
    Required,
    /// Both kinds are served.
    Optional,
}

impl Instance {
    /// An instance that reads and writes, without an address yet.
    pub fn primary(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            kind: InstanceKind::Primary,
            nodes: 1,
            private_address: None,
            public_address: None,
            psc_dns_name: None,
            psc_address: None,
            standby_address: None,
            iam_authentication: IamAuthentication::On,
            ssl: Ssl::Required,
        }
    }

    /// A read pool of so many nodes.
    pub fn read_pool(name: impl Into<String>, nodes: u16) -> Self {
        Self {
            kind: InstanceKind::ReadPool,
            nodes,
            ..Self::primary(name)
        }
    }

    /// Its private address, such as 127.0.0.1.
    #[must_use]
    pub fn private_address(mut self, address: impl Into<IpAddr>) -> Self {
        self.private_address = Some(address.into());
        self
    }

    /// Its public address, another loopback address.
    #[must_use]
    pub fn public_address(mut self, address: impl Into<IpAddr>) -> Self {
        self.public_address = Some(address.into());
        self
    }

    /// Its PSC name; a dot at its end may be left out.
    #[must_use]
    pub fn psc_dns_name(mut self, name: impl Into<String>) -> Self {
        self.psc_dns_name = Some(name.into());
        self
    }

    /// One more address to listen on, where the PSC name leads.
    #[must_use]
    pub fn psc_address(mut self, address: impl Into<IpAddr>) -> Self {
        self.psc_address = Some(address.into());
        self
    }

    /// Where it goes in a failover.
    #[must_use]
    pub fn standby_address(mut self, address: impl Into<IpAddr>) -> Self {
        self.standby_address = Some(address.into());
        self
    }

    /// The flag `alloydb.iam_authentication`.
    #[must_use]
    pub fn iam_authentication(mut self, flag: IamAuthentication) -> Self {
        self.iam_authentication = flag;
        self
    }

    /// Whether port 5432 demands TLS.
    #[must_use]
    pub fn ssl(mut self, ssl: Ssl) -> Self {
        self.ssl = ssl;
        self
    }
}

/// A user or service account of Google Cloud.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Principal {
    /// The whole e-mail address. One that ends in `.gserviceaccount.com` is a service account.
    pub email: String,
    /// What it may do; everything in [`Role`] if absent.
    #[serde(default)]
    pub roles: Option<Vec<Role>>,
    /// The service accounts that it may get tokens for.
    #[serde(default)]
    pub may_act_as: Vec<String>,
    /// Tokens that are its own from the start and never expire.
    #[serde(default)]
    pub tokens: Vec<String>,
}

/// What a principal may do.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
pub enum Role {
    /// `roles/alloydb.client`: connection info, certificates, connections.
    #[serde(rename = "roles/alloydb.client")]
    Client,
    /// `roles/alloydb.databaseUser`: log in as an IAM user.
    #[serde(rename = "roles/alloydb.databaseUser")]
    DatabaseUser,
    /// `roles/serviceusage.serviceUsageConsumer`: use the project at all.
    #[serde(rename = "roles/serviceusage.serviceUsageConsumer")]
    ServiceUsageConsumer,
}

impl Role {
    /// All that are needed for every kind of connection.
    pub const ALL: [Self; 3] = [Self::Client, Self::DatabaseUser, Self::ServiceUsageConsumer];
}

impl Principal {
    /// A principal that may do everything.
    pub fn new(email: impl Into<String>) -> Self {
        Self {
            email: email.into(),
            roles: None,
            may_act_as: Vec::new(),
            tokens: Vec::new(),
        }
    }

    /// Only these roles.
    #[must_use]
    pub fn roles(mut self, roles: impl IntoIterator<Item = Role>) -> Self {
        self.roles = Some(roles.into_iter().collect());
        self
    }

    /// May get tokens for this service account.
    #[must_use]
    pub fn may_act_as(mut self, email: impl Into<String>) -> Self {
        self.may_act_as.push(email.into());
        self
    }

    /// A token of its own that never expires.
    #[must_use]
    pub fn token(mut self, token: impl Into<String>) -> Self {
        self.tokens.push(token.into());
        self
    }
}
