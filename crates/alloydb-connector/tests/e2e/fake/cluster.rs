//! The fake cluster's certificates: root, intermediate, server, clients.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa,
    KeyPair, KeyUsagePurpose, PublicKeyData, SanType, SignatureAlgorithm,
};
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, PrivateKeyDer, SubjectPublicKeyInfoDer};
use x509_parser::prelude::{FromDer as _, SubjectPublicKeyInfo};

use super::{PRIVATE, PSC, PUBLIC};

pub(crate) struct Cluster {
    root: CertifiedIssuer<'static, KeyPair>,
    intermediate: CertifiedIssuer<'static, KeyPair>,
}

impl Cluster {
    pub(crate) fn new() -> Self {
        let key = || KeyPair::generate().expect("rcgen makes keys");
        let root = CertifiedIssuer::self_signed(authority("root"), key()).expect("rcgen signs");
        let intermediate =
            CertifiedIssuer::signed_by(authority("clients"), key(), &root).expect("rcgen signs");
        Self { root, intermediate }
    }

    pub(crate) fn root(&self) -> CertificateDer<'static> {
        self.root.der().clone()
    }

    pub(crate) fn root_pem(&self) -> String {
        self.root.pem()
    }

    /// Leaf, intermediate and root for a client's public key.
    pub(crate) fn client_chain(&self, public_key: &str, life: Duration) -> Vec<String> {
        let key = ClientKey::read(public_key);
        let mut params = leaf("client", ExtendedKeyUsagePurpose::ClientAuth);
        // X.509 counts whole seconds.
        params.not_after = rcgen::date_time_ymd(1970, 1, 1) + since_epoch(SystemTime::now() + life);
        let leaf = params
            .signed_by(&key, &self.intermediate)
            .expect("rcgen signs");
        vec![leaf.pem(), self.intermediate.pem(), self.root.pem()]
    }

    /// The instance's own certificate for its three addresses.
    pub(crate) fn server(&self) -> (Vec<CertificateDer<'static>>, PrivateKeyDer<'static>) {
        self.server_for(&[PRIVATE, PUBLIC, PSC])
    }

    /// A server's certificate for other names.
    pub(crate) fn server_for(
        &self,
        names: &[&str],
    ) -> (Vec<CertificateDer<'static>>, PrivateKeyDer<'static>) {
        let key = KeyPair::generate().expect("rcgen makes keys");
        let mut params = leaf("uid.server.alloydb", ExtendedKeyUsagePurpose::ServerAuth);
        params.subject_alt_names = names.iter().map(|name| san(name)).collect();
        let certificate = params.signed_by(&key, &self.root).expect("rcgen signs");
        let key = PrivateKeyDer::Pkcs8(key.serialize_der().into());
        (vec![certificate.der().clone()], key)
    }
}

/// An RSA key as a client sends it.
struct ClientKey {
    bits: Vec<u8>,
}

impl ClientKey {
    fn read(pem: &str) -> Self {
        let spki = SubjectPublicKeyInfoDer::from_pem_slice(pem.as_bytes()).expect("it is SPKI PEM");
        let (_, parsed) = SubjectPublicKeyInfo::from_der(&spki).expect("it is SPKI");
        Self {
            bits: parsed.subject_public_key.data.into_owned(),
        }
    }
}

impl PublicKeyData for ClientKey {
    fn der_bytes(&self) -> &[u8] {
        &self.bits
    }

    fn algorithm(&self) -> &'static SignatureAlgorithm {
        &rcgen::PKCS_RSA_SHA256
    }
}

fn san(name: &str) -> SanType {
    match name.parse() {
        Ok(address) => SanType::IpAddress(address),
        Err(_) => SanType::DnsName(name.try_into().expect("it is ASCII")),
    }
}

fn authority(name: &str) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CommonName, name);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
    params
}

fn leaf(name: &str, usage: ExtendedKeyUsagePurpose) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CommonName, name);
    params.extended_key_usages = vec![usage];
    let now = SystemTime::now();
    let epoch = rcgen::date_time_ymd(1970, 1, 1);
    params.not_before = epoch + since_epoch(now - Duration::from_hours(24));
    params.not_after = epoch + since_epoch(now + Duration::from_hours(24));
    params
}

fn since_epoch(time: SystemTime) -> Duration {
    time.duration_since(UNIX_EPOCH)
        .expect("the clock is past 1970")
}
