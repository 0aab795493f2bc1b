//! A test authority and the certificates it issues, including those that must be refused.

use std::fs;
use std::io::Write;
use std::net::IpAddr;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rcgen::{
    BasicConstraints, Certificate, CertificateParams, CertifiedIssuer, DnType,
    ExtendedKeyUsagePurpose, IsCa, KeyPair, KeyUsagePurpose, SanType,
};
use rustls_pki_types::{CertificateDer, PrivateKeyDer};

const DAY: Duration = Duration::from_hours(24);

/// A certificate authority, root or intermediate.
#[must_use = "an authority is there to issue"]
pub struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
    /// What a peer must send beside the leaf: this authority and those above it, without the root.
    intermediates: Chain,
}

#[derive(Default)]
struct Chain {
    certificates: Vec<CertificateDer<'static>>,
    pem: String,
}

impl Authority {
    /// A new root.
    pub fn new(name: &str) -> Self {
        let issuer =
            CertifiedIssuer::self_signed(authority_params(name), Key::EcdsaP256.generate())
                .expect("rcgen signs its own parameters");
        Self {
            issuer,
            intermediates: Chain::default(),
        }
    }

    /// An authority below this one; what it issues carries the chain up to the root.
    pub fn intermediate(&self, name: &str) -> Self {
        let key = Key::EcdsaP256.generate();
        let issuer = CertifiedIssuer::signed_by(authority_params(name), key, &self.issuer)
            .expect("rcgen signs its own parameters");
        let mut intermediates = Chain {
            certificates: vec![issuer.der().clone()],
            pem: issuer.pem(),
        };
        intermediates.pem += &self.intermediates.pem;
        intermediates
            .certificates
            .extend(self.intermediates.certificates.iter().cloned());
        Self {
            issuer,
            intermediates,
        }
    }

    /// A good server certificate for DNS names and IP addresses.
    pub fn server(&self, names: &[&str]) -> Identity {
        self.issue(&Leaf::server(names))
    }

    /// A good client certificate with this common name.
    pub fn client(&self, common_name: &str) -> Identity {
        self.issue(&Leaf::client(common_name))
    }

    /// Whatever the leaf asks for, good or bad.
    pub fn issue(&self, leaf: &Leaf) -> Identity {
        let key = leaf.key.generate();
        let certificate = leaf
            .params()
            .signed_by(&key, &self.issuer)
            .expect("rcgen signs its own parameters");
        Identity::new(&certificate, &key, &self.intermediates)
    }

    /// The authority's own certificate in PEM.
    pub fn pem(&self) -> String {
        self.issuer.pem()
    }

    /// The authority's own certificate.
    pub fn certificate(&self) -> &CertificateDer<'static> {
        self.issuer.der()
    }

    /// Writes the authority's certificate to `<name>.crt`, replacing what was there.
    pub fn write(&self, directory: &Path, name: &str) -> PathBuf {
        let path = directory.join(format!("{name}.crt"));
        replace(&path, &self.pem());
        path
    }
}

/// What an end certificate should say; good unless told otherwise.
#[derive(Clone)]
#[must_use = "a leaf is a description until an authority issues it"]
pub struct Leaf {
    common_name: String,
    key: Key,
    names: Vec<SanType>,
    usage: ExtendedKeyUsagePurpose,
    not_before: SystemTime,
    not_after: SystemTime,
}

impl Leaf {
    /// A server certificate; the first name is its common name too.
    pub fn server(names: &[&str]) -> Self {
        let common_name = names.first().copied().unwrap_or("server");
        let mut leaf = Self::new(common_name, ExtendedKeyUsagePurpose::ServerAuth);
        leaf.names = names.iter().map(|name| subject_name(name)).collect();
        leaf
    }

    /// A client certificate.
    pub fn client(common_name: &str) -> Self {
        Self::new(common_name, ExtendedKeyUsagePurpose::ClientAuth)
    }

    fn new(common_name: &str, usage: ExtendedKeyUsagePurpose) -> Self {
        let now = SystemTime::now();
        Self {
            common_name: common_name.to_owned(),
            key: Key::EcdsaP256,
            names: Vec::new(),
            usage,
            not_before: now - DAY,
            not_after: now + 30 * DAY,
        }
    }

    /// Another common name than the first subject alternative name.
    pub fn common_name(mut self, common_name: &str) -> Self {
        common_name.clone_into(&mut self.common_name);
        self
    }

    /// No subject alternative name at all: the name is only in the common name.
    pub fn without_names(mut self) -> Self {
        self.names.clear();
        self
    }

    /// Ended yesterday.
    pub fn expired(mut self) -> Self {
        self.not_before = SystemTime::now() - 2 * DAY;
        self.not_after = SystemTime::now() - DAY;
        self
    }

    /// Begins tomorrow.
    pub fn not_yet_valid(mut self) -> Self {
        self.not_before = SystemTime::now() + DAY;
        self
    }

    /// Ends this long from now.
    pub fn valid_for(mut self, duration: Duration) -> Self {
        self.not_after = SystemTime::now() + duration;
        self
    }

    /// Another key than ECDSA P-256.
    pub fn key(mut self, key: Key) -> Self {
        self.key = key;
        self
    }

    /// Signed by itself instead of by an authority.
    pub fn self_signed(&self) -> Identity {
        let key = self.key.generate();
        let certificate = self
            .params()
            .self_signed(&key)
            .expect("rcgen signs its own parameters");
        Identity::new(&certificate, &key, &Chain::default())
    }

    fn params(&self) -> CertificateParams {
        let mut params = CertificateParams::default();
        params
            .distinguished_name
            .push(DnType::CommonName, self.common_name.as_str());
        params.subject_alt_names.clone_from(&self.names);
        params.extended_key_usages = vec![self.usage.clone()];
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        let epoch = rcgen::date_time_ymd(1970, 1, 1);
        let since_epoch = |time: SystemTime| {
            time.duration_since(UNIX_EPOCH)
                .expect("the clock is past 1970")
        };
        params.not_before = epoch + since_epoch(self.not_before);
        params.not_after = epoch + since_epoch(self.not_after);
        params
    }
}

/// The kind of a certificate's key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Key {
    /// What everybody uses now.
    EcdsaP256,
    /// Hashed with SHA-384, which changes the channel binding.
    EcdsaP384,
    /// No hash in the signature algorithm, so no tls-server-end-point binding in `OpenSSL`'s view.
    Ed25519,
    /// What everybody used to use; takes a while to make.
    Rsa2048,
}

impl Key {
    fn generate(self) -> KeyPair {
        let algorithm = match self {
            Self::EcdsaP256 => &rcgen::PKCS_ECDSA_P256_SHA256,
            Self::EcdsaP384 => &rcgen::PKCS_ECDSA_P384_SHA384,
            Self::Ed25519 => &rcgen::PKCS_ED25519,
            Self::Rsa2048 => &rcgen::PKCS_RSA_SHA256,
        };
        KeyPair::generate_for(algorithm).expect("aws-lc-rs makes every kind of key listed")
    }
}

/// A certificate with its chain and private key.
#[derive(Clone)]
pub struct Identity {
    chain: Vec<CertificateDer<'static>>,
    chain_pem: String,
    key: Arc<PrivateKeyDer<'static>>,
    key_pem: String,
}

/// Where [`Identity::write`] put its files.
#[derive(Clone, Debug)]
pub struct IdentityFiles {
    /// The chain in PEM, leaf first.
    pub certificate: PathBuf,
    /// The private key in PEM, readable by its owner only.
    pub key: PathBuf,
}

impl Identity {
    fn new(certificate: &Certificate, key: &KeyPair, intermediates: &Chain) -> Self {
        let mut chain = vec![certificate.der().clone()];
        chain.extend(intermediates.certificates.iter().cloned());
        Self {
            chain,
            chain_pem: certificate.pem() + &intermediates.pem,
            key: Arc::new(PrivateKeyDer::Pkcs8(key.serialize_der().into())),
            key_pem: key_pem(key),
        }
    }

    /// The certificates, leaf first, without the root.
    pub fn chain(&self) -> &[CertificateDer<'static>] {
        &self.chain
    }

    /// The private key, in PKCS #8.
    pub fn private_key(&self) -> PrivateKeyDer<'static> {
        self.key.clone_key()
    }

    /// The certificates in PEM, leaf first.
    pub fn chain_pem(&self) -> &str {
        &self.chain_pem
    }

    /// The private key in PEM.
    pub fn key_pem(&self) -> &str {
        &self.key_pem
    }

    /// Writes `<name>.crt` and `<name>.key`, replacing what was there.
    pub fn write(&self, directory: &Path, name: &str) -> IdentityFiles {
        let files = IdentityFiles {
            certificate: directory.join(format!("{name}.crt")),
            key: directory.join(format!("{name}.key")),
        };
        replace(&files.key, &self.key_pem);
        replace(&files.certificate, &self.chain_pem);
        files
    }
}

/// The key in PEM, as OpenSSL 3.0 reads it too.
///
/// An Ed25519 key comes in version 2 of PKCS #8, with the public key behind the private one, which
/// OpenSSL reads since 3.2. Version 1 is 48 bytes, a line of base64, and differs in the first two
/// groups: the whole's length and the version.
fn key_pem(key: &KeyPair) -> String {
    let pem = key.serialize_pem();
    if !key.is_compatible(&rcgen::PKCS_ED25519) {
        return pem;
    }
    let lines: Vec<_> = pem.lines().collect();
    let (first, last) = (lines[0], lines[lines.len() - 1]);
    let rest = lines[1].strip_prefix("MFECAQEw");
    let rest = rest.expect("it is version 2 of PKCS #8");
    format!("{first}\nMC4CAQAw{rest}\n{last}\n")
}

fn authority_params(name: &str) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CommonName, name);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params
}

fn subject_name(name: &str) -> SanType {
    match name.parse::<IpAddr>() {
        Ok(address) => SanType::IpAddress(address),
        Err(_) => SanType::DnsName(name.try_into().expect("a DNS name is ASCII")),
    }
}

/// Replaces the file in one step, as tools that rotate certificates do; readable by its owner only.
fn replace(path: &Path, content: &str) {
    let fresh = path.with_extension("fresh");
    // A leftover of an interrupted write; that there is none is the usual case.
    let _ = fs::remove_file(&fresh);
    let mut file = fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&fresh)
        .expect("the directory is writable");
    file.write_all(content.as_bytes())
        .expect("the disk has room");
    fs::rename(&fresh, path).expect("both names are in one directory");
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn an_intermediate_is_sent_and_the_root_is_not() {
        let root = Authority::new("root");
        let identity = root.intermediate("issuing").server(&["db.test"]);
        assert_eq!(identity.chain().len(), 2);
        assert!(!identity.chain().contains(root.certificate()));
        assert_eq!(identity.chain_pem().matches("BEGIN CERT").count(), 2);
    }

    #[test]
    fn every_kind_of_key_is_made() {
        let authority = Authority::new("root");
        for key in [Key::EcdsaP256, Key::EcdsaP384, Key::Ed25519, Key::Rsa2048] {
            authority.issue(&Leaf::server(&["db.test", "127.0.0.1"]).key(key));
        }
    }

    #[test]
    fn a_written_identity_replaces_the_one_before() {
        let directory = tempfile::tempdir().unwrap();
        let authority = Authority::new("root");
        authority.client("before").write(directory.path(), "client");
        let after = authority.client("after");
        let files = after.write(directory.path(), "client");
        assert_eq!(fs::read_to_string(files.key).unwrap(), after.key_pem());
        let mode = fs::metadata(files.certificate).unwrap().permissions();
        assert_eq!(mode.mode() & 0o777, 0o600);
    }
}
