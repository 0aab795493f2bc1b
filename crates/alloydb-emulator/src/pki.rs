//! A cluster's certificates: root, intermediate for clients, the server's own.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa,
    KeyPair, KeyUsagePurpose, PublicKeyData, SanType,
};
use rustls::crypto::CryptoProvider;
use rustls::server::{NoServerSessionStorage, WebPkiClientVerifier};
use rustls::{RootCertStore, ServerConfig, SupportedProtocolVersion};
use rustls_pki_types::{CertificateDer, PrivateKeyDer};

/// The organisational unit of client certificates that announce a metadata exchange. How the real
/// service marks them is not public.
const EXCHANGE_UNIT: &str = "metadata-exchange";

/// Clocks differ a little.
const BACKDATED: Duration = Duration::from_mins(5);
const YEAR: Duration = Duration::from_hours(24 * 365);

/// A certificate could not be made.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PkiError {
    #[error("the certificate can't be signed")]
    Sign(#[from] rcgen::Error),
    #[error("\"{0}\" can't stand in a certificate")]
    Name(String),
    #[error("the certificate can't be served")]
    Serve(#[from] rustls::Error),
    #[error("client certificates can't be verified")]
    Verify(#[from] rustls::server::VerifierBuilderError),
}

/// The provider of all TLS here; nothing relies on one that a process has installed.
pub(crate) fn provider() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::aws_lc_rs::default_provider())
}

/// Whether clients with this certificate speak the metadata exchange first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Exchange {
    Used,
    Unused,
}

/// A root and the intermediate that signs clients.
pub(crate) struct Authority {
    root: CertifiedIssuer<'static, KeyPair>,
    clients: CertifiedIssuer<'static, KeyPair>,
}

/// What a server's certificate is for.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct ServerNames {
    pub(crate) common_name: String,
    pub(crate) dns: Vec<String>,
    pub(crate) addresses: Vec<IpAddr>,
}

/// A server's certificate and key.
pub(crate) struct ServerIdentity {
    chain: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
}

/// The authorities of a cluster at one time.
#[derive(Clone)]
pub(crate) struct ClusterPki {
    /// Signs clients.
    pub(crate) current: Arc<Authority>,
    /// Still accepted from clients, while a rotation overlaps.
    pub(crate) previous: Option<Arc<Authority>>,
    /// Signs the servers: the previous one until the overlap has come so far.
    pub(crate) servers: Arc<Authority>,
    /// Counts the changes.
    pub(crate) generation: u64,
}

impl Authority {
    /// A new root with a new intermediate.
    pub(crate) fn new(name: &str) -> Result<Self, PkiError> {
        // Each has a name of its own, or clients would say of another one's certificates that the
        // signature is wrong, and not that they don't know the authority.
        let id = uuid::Uuid::new_v4().simple().to_string();
        let id = id.get(..8).unwrap_or_default();
        let name = format!("{} {id}", name.rsplit('/').next().unwrap_or(name));
        let root = authority_params(&format!("{name} root CA"));
        let root = CertifiedIssuer::self_signed(root, KeyPair::generate()?)?;
        let clients = authority_params(&format!("{name} client CA"));
        let clients = CertifiedIssuer::signed_by(clients, KeyPair::generate()?, &root)?;
        Ok(Self { root, clients })
    }

    /// The root in PEM.
    pub(crate) fn root_pem(&self) -> String {
        terminated(self.root.pem())
    }

    /// Leaf, intermediate and root for a client's key, in PEM, each with a newline at its end:
    /// Google's Python connector joins them without one.
    pub(crate) fn client_chain(
        &self,
        key: &impl PublicKeyData,
        exchange: Exchange,
        lifetime: Duration,
    ) -> Result<Vec<String>, PkiError> {
        let mut params = CertificateParams::default();
        params
            .distinguished_name
            .push(DnType::CommonName, "alloydb-client");
        if exchange == Exchange::Used {
            params
                .distinguished_name
                .push(DnType::OrganizationalUnitName, EXCHANGE_UNIT);
        }
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        set_validity(&mut params, lifetime);
        let leaf = params.signed_by(key, &self.clients)?;
        let chain = [leaf.pem(), self.clients.pem(), self.root.pem()];
        Ok(chain.map(terminated).into())
    }

    /// A certificate for a server, right from the root.
    pub(crate) fn server(&self, names: &ServerNames) -> Result<ServerIdentity, PkiError> {
        let mut params = CertificateParams::default();
        params
            .distinguished_name
            .push(DnType::CommonName, names.common_name.as_str());
        for name in &names.dns {
            let name = name.as_str().try_into();
            let name = name.map_err(|_| PkiError::Name(names.common_name.clone()))?;
            params.subject_alt_names.push(SanType::DnsName(name));
        }
        let addresses = names.addresses.iter().copied().map(SanType::IpAddress);
        params.subject_alt_names.extend(addresses);
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.is_ca = IsCa::ExplicitNoCa;
        set_validity(&mut params, YEAR);
        let key = KeyPair::generate()?;
        let leaf = params.signed_by(&key, &self.root)?;
        Ok(ServerIdentity {
            chain: vec![leaf.der().clone()],
            key: PrivateKeyDer::Pkcs8(key.serialize_der().into()),
        })
    }
}

impl ClusterPki {
    pub(crate) fn new(name: &str) -> Result<Self, PkiError> {
        let authority = Arc::new(Authority::new(name)?);
        Ok(Self {
            current: authority.clone(),
            previous: None,
            servers: authority,
            generation: 0,
        })
    }

    /// What clients shall trust, in PEM: the root that signed the server first, since some clients
    /// read only one.
    pub(crate) fn ca_pem(&self) -> String {
        let mut pem = self.servers.root_pem();
        for other in [Some(&self.current), self.previous.as_ref()]
            .into_iter()
            .flatten()
        {
            if !Arc::ptr_eq(other, &self.servers) {
                pem += &other.root_pem();
            }
        }
        pem
    }

    /// TLS as the server of this identity speaks it to clients with certificates of the cluster.
    pub(crate) fn tunnel_config(
        &self,
        names: &ServerNames,
        versions: &[&'static SupportedProtocolVersion],
    ) -> Result<Arc<ServerConfig>, PkiError> {
        let mut roots = RootCertStore::empty();
        for authority in [Some(&self.current), self.previous.as_ref()]
            .into_iter()
            .flatten()
        {
            roots.add(authority.root.der().clone())?;
        }
        let verifier =
            WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider()).build()?;
        let identity = self.servers.server(names)?;
        let config = ServerConfig::builder_with_provider(provider())
            .with_protocol_versions(versions)?
            .with_client_cert_verifier(verifier)
            .with_single_cert(identity.chain, identity.key)?;
        Ok(without_resumption(config))
    }

    /// TLS without client certificates.
    pub(crate) fn direct_config(&self, names: &ServerNames) -> Result<Arc<ServerConfig>, PkiError> {
        let mut config = server_config(self.servers.server(names)?)?;
        config.alpn_protocols = vec![b"postgresql".to_vec()];
        Ok(without_resumption(config))
    }
}

/// TLS 1.2 and 1.3 without client certificates.
pub(crate) fn server_config(identity: ServerIdentity) -> Result<ServerConfig, PkiError> {
    let config = ServerConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(identity.chain, identity.key)?;
    Ok(config)
}

/// Each handshake is a whole one, so that no certificate outlives its end in a ticket.
fn without_resumption(mut config: ServerConfig) -> Arc<ServerConfig> {
    config.session_storage = Arc::new(NoServerSessionStorage {});
    config.send_tls13_tickets = 0;
    Arc::new(config)
}

/// Whether a client's certificate announces the metadata exchange.
pub(crate) fn announced_exchange(leaf: &CertificateDer<'_>) -> Exchange {
    let Ok((_, certificate)) = x509_parser::parse_x509_certificate(leaf) else {
        return Exchange::Unused;
    };
    let mut units = certificate.subject().iter_organizational_unit();
    if units.any(|unit| unit.as_str() == Ok(EXCHANGE_UNIT)) {
        Exchange::Used
    } else {
        Exchange::Unused
    }
}

fn authority_params(name: &str) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CommonName, name);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    set_validity(&mut params, 10 * YEAR);
    params
}

fn set_validity(params: &mut CertificateParams, lifetime: Duration) {
    let epoch = rcgen::date_time_ymd(1970, 1, 1);
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    let now = now.unwrap_or_default();
    params.not_before = epoch + now.saturating_sub(BACKDATED);
    // Validity counts in whole seconds, so that a certificate without a life would have one.
    let now = if lifetime.is_zero() {
        now.saturating_sub(Duration::from_secs(1))
    } else {
        now
    };
    params.not_after = epoch + now + lifetime;
}

fn terminated(mut pem: String) -> String {
    // rcgen ends lines as MIME does.
    pem.retain(|character| character != '\r');
    if !pem.ends_with('\n') {
        pem.push('\n');
    }
    pem
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_chain_says_whether_it_announces_the_exchange() {
        let authority = Authority::new("test").unwrap();
        let key = KeyPair::generate().unwrap();
        for exchange in [Exchange::Used, Exchange::Unused] {
            let lifetime = Duration::from_secs(20);
            let chain = authority.client_chain(&key, exchange, lifetime).unwrap();
            assert_eq!(chain.len(), 3);
            assert!(chain.iter().all(|pem| pem.ends_with("-----\n")));
            assert_eq!(chain[2], authority.root_pem());
            let (_, pem) = x509_parser::pem::parse_x509_pem(chain[0].as_bytes()).unwrap();
            assert_eq!(announced_exchange(&pem.contents.into()), exchange);
        }
    }
}
