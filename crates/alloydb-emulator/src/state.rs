//! Everything that the parts of a running emulator share.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use secrecy::{ExposeSecret, SecretString};
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use crate::backend::{AdminError, Backend};
use crate::control::ControlError;
use crate::description::{Description, IamRoles, Role};
use crate::faults::{Faults, IpType};
use crate::identity::{Identities, Issued, Principal};
use crate::instance::Doors;
use crate::live::{Cluster, Door, Instance};
use crate::names::{ClusterName, InstanceName};
use crate::pki::PkiError;
use crate::requests::RequestLog;

/// How long tokens live unless told otherwise; Google's do too.
const TOKEN_LIFETIME: Duration = Duration::from_hours(1);

/// The addresses of the HTTP side, once they are bound.
#[derive(Clone, Copy, Debug)]
pub(crate) struct HttpAddrs {
    pub(crate) https: SocketAddr,
    pub(crate) http: SocketAddr,
}

impl HttpAddrs {
    /// `localhost` if that leads there, else the address; the certificate has both.
    pub(crate) fn https_url(&self) -> String {
        let ip = self.https.ip();
        if ip.is_unspecified() || ip == Ipv4Addr::LOCALHOST || ip == Ipv6Addr::LOCALHOST {
            return format!("https://localhost:{}", self.https.port());
        }
        format!("https://{}", self.https)
    }
}

pub(crate) struct State {
    pub(crate) clusters: Vec<Arc<Cluster>>,
    pub(crate) identities: Identities,
    pub(crate) faults: Faults,
    pub(crate) requests: RequestLog,
    pub(crate) backend: Backend,
    pub(crate) iam_roles: IamRoles,
    /// What the roles of IAM users have as their password in the backend.
    pub(crate) role_password: SecretString,
    pub(crate) admin_ca: String,
    pub(crate) doors: Doors,
    pub(crate) ended: CancellationToken,
    pub(crate) http: OnceLock<HttpAddrs>,
    pub(crate) directory: PathBuf,
    machine_account: Option<String>,
}

/// What [`State::new`] can't read from the description.
pub(crate) struct Surroundings {
    pub(crate) backend: Backend,
    pub(crate) admin_ca: String,
    pub(crate) doors: Doors,
    pub(crate) ended: CancellationToken,
    pub(crate) directory: PathBuf,
}

impl State {
    /// The state that a description without mistakes describes.
    pub(crate) fn new(
        description: &Description,
        surroundings: Surroundings,
    ) -> Result<Self, PkiError> {
        let principals = description.principals.iter().map(|principal| {
            let roles = principal
                .roles
                .clone()
                .unwrap_or_else(|| Role::ALL.to_vec());
            Principal::new(principal.email.clone(), roles, principal.may_act_as.clone())
        });
        let lifetime = description
            .token_lifetime
            .map_or(TOKEN_LIFETIME, Duration::from_secs);
        let identities = Identities::new(
            principals.collect(),
            description.default_principal.as_deref(),
            description.unknown_tokens,
            lifetime,
        );
        for principal in &description.principals {
            for token in &principal.tokens {
                if let Some(owner) = identities.principal(&principal.email) {
                    identities.adopt(token, owner);
                }
            }
        }
        let faults = Faults::default();
        for script in &description.faults {
            faults.arm(script.clone());
        }
        let Surroundings {
            backend,
            admin_ca,
            doors,
            ended,
            directory,
        } = surroundings;
        let role_password = role_password(&backend);
        Ok(Self {
            clusters: clusters(description, &identities)?,
            identities,
            faults,
            requests: RequestLog::default(),
            backend,
            iam_roles: description.iam_roles,
            role_password,
            admin_ca,
            doors,
            ended,
            http: OnceLock::new(),
            directory,
            machine_account: description.metadata_service_account.clone(),
        })
    }

    pub(crate) fn instances(&self) -> impl Iterator<Item = &Arc<Instance>> {
        self.clusters.iter().flat_map(|cluster| &cluster.instances)
    }

    pub(crate) fn cluster(&self, name: &ClusterName) -> Option<&Arc<Cluster>> {
        self.clusters.iter().find(|cluster| cluster.name == *name)
    }

    pub(crate) fn instance(&self, name: &InstanceName) -> Option<(&Arc<Cluster>, &Arc<Instance>)> {
        let of_cluster = self.clusters.iter().flat_map(|cluster| {
            cluster
                .instances
                .iter()
                .map(move |instance| (cluster, instance))
        });
        of_cluster
            .into_iter()
            .find(|(_, instance)| instance.name == *name)
    }

    /// The instance behind an address that somebody dialled; a PSC name wins, as many of them may
    /// lead to one address.
    pub(crate) fn dialled(
        &self,
        server_name: Option<&str>,
        address: IpAddr,
    ) -> Option<(Arc<Cluster>, Arc<Instance>)> {
        let all = || {
            self.clusters.iter().flat_map(|cluster| {
                cluster
                    .instances
                    .iter()
                    .map(move |instance| (cluster, instance))
            })
        };
        let named = server_name.and_then(|name| {
            let name = name.trim_end_matches('.');
            all().find(|(_, instance)| {
                let psc = instance.psc_dns_name.as_deref();
                psc.is_some_and(|psc| psc.eq_ignore_ascii_case(name))
            })
        });
        let addressed = || {
            let owns = |instance: &Instance| {
                let now = instance.now.borrow();
                [now.private_address, now.public_address].contains(&Some(address))
            };
            let owner = all().find(|(_, instance)| owns(instance));
            owner.or_else(|| all().find(|(_, instance)| instance.psc_address == Some(address)))
        };
        let (cluster, instance) = named.or_else(addressed)?;
        Some((cluster.clone(), instance.clone()))
    }

    /// The real address of a listener, whoever opened it.
    pub(crate) fn bound(&self, address: IpAddr, door: Door) -> Option<SocketAddr> {
        self.instances()
            .find_map(|instance| instance.bound(address, door))
    }

    /// The service account of the metadata server.
    pub(crate) fn machine_account(&self) -> Option<Arc<Principal>> {
        let named = self.machine_account.as_deref();
        let named = named.and_then(|email| self.identities.principal(email));
        let first = || {
            let all = self.identities.principals().into_iter();
            all.into_iter()
                .find(|principal| principal.is_service_account())
        };
        named.or_else(first).cloned()
    }

    /// The project of the first cluster.
    pub(crate) fn project(&self) -> String {
        let first = self.clusters.first();
        first
            .map(|cluster| cluster.name.project().to_owned())
            .unwrap_or_default()
    }

    pub(crate) fn issue_token(
        &self,
        email: &str,
        scopes: Vec<String>,
        lifetime: Option<Duration>,
    ) -> Result<Issued, ControlError> {
        let principal = self.identities.principal(email);
        let principal =
            principal.ok_or_else(|| ControlError::UnknownPrincipal(email.to_owned()))?;
        Ok(self.identities.issue(principal, scopes, lifetime))
    }

    /// Makes the roles of IAM users in the backend.
    pub(crate) async fn prepare_roles(&self) -> Result<(), AdminError> {
        let mut roles: Vec<_> = self
            .clusters
            .iter()
            .flat_map(|cluster| cluster.iam_users.clone())
            .collect();
        roles.sort();
        roles.dedup();
        self.backend
            .prepare_roles(&roles, &self.role_password)
            .await
    }

    /// All of it that a test or a script may want to know.
    /// Whether this is the name of a cluster, instance or principal, or the beginning of one.
    pub(crate) fn has_below(&self, resource: &str) -> bool {
        let instances = self.instances().map(|instance| instance.name.as_str());
        let clusters = self.clusters.iter().map(|cluster| cluster.name.as_str());
        let principals = self.identities.principals().into_iter();
        let mut names = instances
            .chain(clusters)
            .chain(principals.map(|principal| principal.email.as_str()));
        names.any(|name| {
            let rest = name.strip_prefix(resource);
            rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        })
    }

    pub(crate) fn summary(&self) -> Value {
        let clusters = self.clusters.iter().map(|cluster| {
            let instances = cluster
                .instances
                .iter()
                .map(|instance| summary_of(instance));
            json!({
                "name": cluster.name.as_str(),
                "kind": format!("{:?}", cluster.kind).to_lowercase(),
                "iamUsers": cluster.iam_users,
                "caCert": cluster.pki().ca_pem(),
                "instances": instances.collect::<Vec<_>>(),
            })
        });
        let principals = self.identities.principals().into_iter().map(|principal| {
            json!({
                "email": principal.email,
                "databaseUser": principal.database_user(),
                "credentials": self.credentials_path(&principal.email),
            })
        });
        let http = self.http.get();
        json!({
            "https": http.map(HttpAddrs::https_url),
            "http": http.map(|addrs| format!("http://{}", addrs.http)),
            "directory": self.directory,
            "adminCa": self.admin_ca_path(),
            "backend": self.backend.to_string(),
            "clusters": clusters.collect::<Vec<_>>(),
            "principals": principals.collect::<Vec<_>>(),
        })
    }
}

/// The password of IAM users' roles in the backend: the same in every emulator that administers it
/// with the same secret, or two of them would lock each other out. Who knows the secret is master
/// of these roles anyway; without one, it is random.
fn role_password(backend: &Backend) -> SecretString {
    let secret = backend.password.expose_secret();
    if secret.is_empty() {
        return uuid::Uuid::new_v4().simple().to_string().into();
    }
    let key = hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes());
    let derived = hmac::sign(&key, b"alloydb-emulator: roles of IAM users");
    STANDARD.encode(derived).into()
}

fn summary_of(instance: &Instance) -> Value {
    let addr = |ip_type, door| {
        let address = instance.address(ip_type)?;
        instance.bound(address, door).map(|addr| addr.to_string())
    };
    let now = instance.now.borrow().clone();
    json!({
        "name": instance.name.as_str(),
        "uid": now.uid,
        "state": format!("{:?}", now.state).to_lowercase(),
        "nodes": instance.nodes,
        "private": addr(IpType::Private, Door::Tunnel),
        "public": addr(IpType::Public, Door::Tunnel),
        "psc": addr(IpType::Psc, Door::Tunnel),
        "pscDnsName": instance.psc_dns_name,
        "privateDirect": addr(IpType::Private, Door::Direct),
        "publicDirect": addr(IpType::Public, Door::Direct),
    })
}

fn clusters(
    description: &Description,
    identities: &Identities,
) -> Result<Vec<Arc<Cluster>>, PkiError> {
    let everybody = || {
        let all = identities.principals().into_iter();
        all.map(|principal| principal.database_user().to_owned())
            .collect()
    };
    let mut clusters = Vec::new();
    for described in &description.clusters {
        // The description was checked, so that every name can be read.
        let Ok(name) = described.name.parse::<ClusterName>() else {
            continue;
        };
        let iam_users = described.iam_users.clone().unwrap_or_else(everybody);
        let mut cluster = Cluster::new(name.clone(), described.kind, iam_users)?;
        for instance in &described.instances {
            if let Ok(name) = name.instance(&instance.name) {
                let instance = Instance::new(name, described.kind, instance);
                cluster.instances.push(Arc::new(instance));
            }
        }
        clusters.push(Arc::new(cluster));
    }
    Ok(clusters)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn emulators_with_one_administrator_agree_on_the_roles_password() {
        let password = |url: &str| {
            let backend = Backend::from_url(url).expect("it is a URL");
            role_password(&backend).expose_secret().to_owned()
        };
        let first = password("postgres://postgres:root@127.0.0.1/a");
        assert_eq!(first, password("postgres://postgres:root@localhost/b"));
        assert_ne!(first, password("postgres://postgres:toor@127.0.0.1/a"));
        let open = "postgres://postgres@127.0.0.1/a";
        assert_ne!(password(open), password(open));
    }
}
