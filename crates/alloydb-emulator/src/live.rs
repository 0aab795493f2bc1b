//! The clusters and instances as they are now.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use rustls::ServerConfig;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::description::{ClusterKind, IamAuthentication, InstanceKind, Ssl};
use crate::faults::{Fault, Faults, IpType};
use crate::names::{ClusterName, InstanceName};
use crate::pki::{ClusterPki, PkiError, ServerNames};

/// A cluster.
pub(crate) struct Cluster {
    pub(crate) name: ClusterName,
    pub(crate) kind: ClusterKind,
    /// Database roles that are IAM users.
    pub(crate) iam_users: Vec<String>,
    pub(crate) instances: Vec<Arc<Instance>>,
    pki: Mutex<ClusterPki>,
}

/// An instance.
pub(crate) struct Instance {
    pub(crate) name: InstanceName,
    pub(crate) cluster_kind: ClusterKind,
    pub(crate) kind: InstanceKind,
    pub(crate) nodes: u16,
    /// The PSC name without a dot at its end, as certificates and handshakes have it.
    pub(crate) psc_dns_name: Option<String>,
    /// The same as the admin API gives it.
    pub(crate) psc_announced: Option<String>,
    pub(crate) psc_address: Option<IpAddr>,
    pub(crate) ssl: Ssl,
    pub(crate) now: watch::Sender<Placement>,
    next_node: AtomicUsize,
    bound: Mutex<HashMap<(IpAddr, Door), SocketAddr>>,
    configs: Mutex<HashMap<ConfigKey, Arc<ServerConfig>>>,
}

/// What changes about an instance.
#[derive(Clone, Debug)]
pub(crate) struct Placement {
    pub(crate) state: Running,
    pub(crate) uid: String,
    pub(crate) private_address: Option<IpAddr>,
    pub(crate) public_address: Option<IpAddr>,
    pub(crate) standby_address: Option<IpAddr>,
    pub(crate) iam_authentication: IamAuthentication,
    /// Cancelled when the sessions of now end.
    pub(crate) sessions: CancellationToken,
}

/// Whether an instance runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Running {
    Up,
    /// Nobody listens.
    Down,
}

/// The two ports of an instance.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Door {
    /// 5433, the server-side proxy.
    Tunnel,
    /// 5432, PostgreSQL.
    Direct,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct ConfigKey {
    generation: u64,
    door: Door,
    names: ServerNames,
    oldest: Oldest,
}

/// The oldest version of TLS on port 5433.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Oldest {
    Tls12Only,
    Tls13,
}

impl Cluster {
    pub(crate) fn new(
        name: ClusterName,
        kind: ClusterKind,
        iam_users: Vec<String>,
    ) -> Result<Self, PkiError> {
        Ok(Self {
            pki: Mutex::new(ClusterPki::new(name.as_str())?),
            name,
            kind,
            iam_users,
            instances: Vec::new(),
        })
    }

    pub(crate) fn pki(&self) -> ClusterPki {
        crate::lock(&self.pki).clone()
    }

    /// Changes the certificates for the handshakes from now on.
    pub(crate) fn set_pki(&self, change: impl FnOnce(&mut ClusterPki)) {
        let mut pki = crate::lock(&self.pki);
        change(&mut pki);
        pki.generation += 1;
    }

    pub(crate) fn is_iam_user(&self, role: &str) -> bool {
        self.iam_users.iter().any(|user| user == role)
    }
}

impl Instance {
    pub(crate) fn new(
        name: InstanceName,
        cluster_kind: ClusterKind,
        description: &crate::description::Instance,
    ) -> Self {
        let placement = Placement {
            state: Running::Up,
            uid: uuid::Uuid::new_v4().to_string(),
            private_address: description.private_address,
            public_address: description.public_address,
            standby_address: description.standby_address,
            iam_authentication: description.iam_authentication,
            sessions: CancellationToken::new(),
        };
        let psc_dns_name = description.psc_dns_name.as_deref();
        Self {
            name,
            cluster_kind,
            kind: description.kind,
            nodes: description.nodes.max(1),
            psc_dns_name: psc_dns_name.map(|name| name.trim_end_matches('.').to_owned()),
            psc_announced: psc_dns_name.map(announced),
            psc_address: description.psc_address,
            ssl: description.ssl,
            now: watch::Sender::new(placement),
            next_node: AtomicUsize::new(0),
            bound: Mutex::default(),
            configs: Mutex::default(),
        }
    }

    /// The addresses to listen on, each once.
    pub(crate) fn addresses(&self) -> Vec<IpAddr> {
        let now = self.now.borrow();
        let all = [now.private_address, now.public_address, self.psc_address];
        let mut addresses = Vec::new();
        for address in all.into_iter().flatten() {
            if !addresses.contains(&address) {
                addresses.push(address);
            }
        }
        addresses
    }

    /// The node that serves the next session, counted from 1.
    pub(crate) fn next_node(&self) -> usize {
        self.next_node.fetch_add(1, Ordering::Relaxed) % usize::from(self.nodes) + 1
    }

    /// Whether transactions begin read only.
    pub(crate) fn is_read_only(&self) -> bool {
        self.kind == InstanceKind::ReadPool || self.cluster_kind == ClusterKind::Secondary
    }

    /// The real address behind an address and a port, once it was bound.
    pub(crate) fn bound(&self, address: IpAddr, door: Door) -> Option<SocketAddr> {
        crate::lock(&self.bound).get(&(address, door)).copied()
    }

    pub(crate) fn set_bound(&self, address: IpAddr, door: Door, bound: SocketAddr) {
        crate::lock(&self.bound).insert((address, door), bound);
    }

    /// The address of a kind, as clients are told of it.
    pub(crate) fn address(&self, ip_type: IpType) -> Option<IpAddr> {
        let now = self.now.borrow();
        match ip_type {
            IpType::Private => now.private_address,
            IpType::Public => now.public_address,
            IpType::Psc => {
                self.psc_dns_name.as_ref()?;
                self.psc_address.or(now.private_address)
            }
        }
    }

    /// TLS for a handshake that begins now.
    pub(crate) fn tls(
        &self,
        door: Door,
        pki: &ClusterPki,
        faults: &Faults,
    ) -> Result<Arc<ServerConfig>, PkiError> {
        let resource = self.name.as_str();
        let mut oldest = Oldest::Tls13;
        if door == Door::Tunnel && faults.happens(resource, &Fault::Tls12Only) {
            oldest = Oldest::Tls12Only;
        }
        let key = ConfigKey {
            generation: pki.generation,
            door,
            names: self.server_names(door, faults),
            oldest,
        };
        if let Some(config) = crate::lock(&self.configs).get(&key) {
            return Ok(config.clone());
        }
        let config = match (door, oldest) {
            (Door::Direct, _) => pki.direct_config(&key.names)?,
            (Door::Tunnel, Oldest::Tls13) => {
                pki.tunnel_config(&key.names, &[&rustls::version::TLS13])?
            }
            (Door::Tunnel, Oldest::Tls12Only) => {
                pki.tunnel_config(&key.names, &[&rustls::version::TLS12])?
            }
        };
        // Two first handshakes at once must not show two certificates.
        let mut configs = crate::lock(&self.configs);
        Ok(configs.entry(key).or_insert(config).clone())
    }

    fn server_names(&self, door: Door, faults: &Faults) -> ServerNames {
        let resource = self.name.as_str();
        let uid = self.now.borrow().uid.clone();
        let common_name = format!("{uid}.server.alloydb");
        let mut dns = vec![common_name.clone()];
        if let Some(name) = &self.psc_dns_name {
            let dot = faults.happens(resource, &Fault::TrailingDot);
            dns.insert(0, format!("{name}{}", if dot { "." } else { "" }));
        }
        let bare =
            door == Door::Direct && faults.happens(resource, &Fault::CertificateWithoutAddresses);
        ServerNames {
            common_name,
            dns,
            addresses: if bare { Vec::new() } else { self.addresses() },
        }
    }
}

/// The name with a dot at its end, as AlloyDB's are; a single label keeps the form in which it was
/// written, since resolvers find `localhost` in the hosts file, and `localhost.` nowhere. Google's
/// Go connector hands them what it gets.
fn announced(name: &str) -> String {
    if name.contains('.') {
        format!("{}.", name.trim_end_matches('.'))
    } else {
        name.to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn psc_names_end_with_a_dot_but_for_single_labels() {
        assert_eq!(announced("uid.alloydb.goog"), "uid.alloydb.goog.");
        assert_eq!(announced("uid.alloydb.goog."), "uid.alloydb.goog.");
        assert_eq!(announced("localhost"), "localhost");
        assert_eq!(announced("localhost."), "localhost.");
    }
}
