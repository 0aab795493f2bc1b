//! Who runs statements.

use std::collections::BTreeMap;
use std::net::IpAddr;

/// Who runs statements: what the gateway verified, not what the client says.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Principal {
    /// The role that the client authenticated as.
    pub user: Box<str>,
    /// The database that the session is in.
    pub database: Box<str>,
    /// Groups that whoever vouches for the principal says it belongs to.
    pub groups: Vec<Box<str>>,
    /// Claims of the token that it showed; empty without one.
    pub claims: BTreeMap<Box<str>, serde_json::Value>,
    /// The certificate that it showed and that was verified.
    pub certificate: Option<CertificateName>,
    /// From where it came; `None` through a Unix socket.
    pub client_addr: Option<IpAddr>,
    /// How its connection is protected.
    pub tls: Tls,
    /// What it calls itself: a hint, never a proof.
    pub application_name: Option<Box<str>>,
    /// The name of the backend that serves it; empty where there is only one.
    pub backend: Box<str>,
}

/// Whom a verified certificate names.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct CertificateName {
    /// The common name of its subject.
    pub common_name: Option<Box<str>>,
    /// Its alternative names: DNS names, addresses of mail, URIs.
    pub alternative_names: Vec<Box<str>>,
}

/// How a connection is protected.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Tls {
    /// Not at all.
    #[default]
    Off,
    /// By TLS.
    On,
}

impl CertificateName {
    /// All names in it.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.common_name
            .iter()
            .chain(&self.alternative_names)
            .map(|name| &**name)
    }
}
