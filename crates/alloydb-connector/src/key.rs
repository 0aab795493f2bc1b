//! The RSA key that client certificates are issued for.

use std::fmt;
use std::sync::Arc;

use aws_lc_rs::encoding::AsDer as _;
use aws_lc_rs::rsa::{KeyPair, KeySize};
use aws_lc_rs::signature::KeyPair as _;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rustls::sign::SigningKey;
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};

use crate::{ConfigError, Mistake};

/// An RSA key of at least 2048 bits. Never printed.
#[derive(Clone)]
pub struct RsaKey {
    public_pem: Arc<str>,
    signing: Arc<dyn SigningKey>,
}

impl RsaKey {
    /// Makes a key of 2048 bits. Takes a good part of a second: don't call it in async code.
    pub(crate) fn generate() -> Option<Self> {
        let pair = KeyPair::generate(KeySize::Rsa2048).ok()?;
        let der = pair.as_der().ok()?;
        let der: &[u8] = der.as_ref();
        Self::from_pkcs8(&PrivatePkcs8KeyDer::from(der)).ok()
    }

    /// Reads a private key in PEM, in PKCS #8 or PKCS #1.
    pub fn from_pem(pem: &str) -> Result<Self, ConfigError> {
        let refuse = |reason| ConfigError::new(Mistake::RsaKey { reason });
        let key = PrivateKeyDer::from_pem_slice(pem.as_bytes())
            .map_err(|_| refuse("it isn't a private key in PEM"))?;
        match key {
            PrivateKeyDer::Pkcs8(der) => Self::from_pkcs8(&der),
            PrivateKeyDer::Pkcs1(der) => {
                let pair = KeyPair::from_der(der.secret_pkcs1_der())
                    .map_err(|_| refuse("it isn't an RSA key of 2048 to 8192 bits"))?;
                let pkcs8 = pair.as_der().map_err(|_| refuse("it can't be encoded"))?;
                let pkcs8: &[u8] = pkcs8.as_ref();
                Self::from_pkcs8(&PrivatePkcs8KeyDer::from(pkcs8))
            }
            _ => Err(refuse("it isn't an RSA key")),
        }
    }

    fn from_pkcs8(der: &PrivatePkcs8KeyDer<'_>) -> Result<Self, ConfigError> {
        let refuse = |reason| ConfigError::new(Mistake::RsaKey { reason });
        let pair = KeyPair::from_pkcs8(der.secret_pkcs8_der())
            .map_err(|_| refuse("it isn't an RSA key of 2048 to 8192 bits"))?;
        let spki = pair
            .public_key()
            .as_der()
            .map_err(|_| refuse("its public key can't be encoded"))?;
        let key = PrivateKeyDer::Pkcs8(der.clone_key());
        let signing = rustls::crypto::aws_lc_rs::sign::any_supported_type(&key)
            .map_err(|_| refuse("TLS can't sign with it"))?;
        Ok(Self {
            public_pem: public_pem(spki.as_ref()).into(),
            signing,
        })
    }

    /// The public key in PEM, as the admin API takes it: `SubjectPublicKeyInfo`.
    pub(crate) fn public_pem(&self) -> &str {
        &self.public_pem
    }

    pub(crate) fn signing(&self) -> Arc<dyn SigningKey> {
        self.signing.clone()
    }
}

/// Lines of 64 characters, as RFC 7468 has them.
fn public_pem(spki: &[u8]) -> String {
    let base64 = STANDARD.encode(spki);
    let mut pem = String::from("-----BEGIN PUBLIC KEY-----\n");
    let mut rest = base64.as_str();
    while !rest.is_empty() {
        let (line, after) = rest.split_at(rest.len().min(64));
        pem.push_str(line);
        pem.push('\n');
        rest = after;
    }
    pem.push_str("-----END PUBLIC KEY-----\n");
    pem
}

impl fmt::Debug for RsaKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("RsaKey")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_generated_key_is_given_as_spki_in_lines_of_64() {
        let key = RsaKey::generate().unwrap();
        let pem = key.public_pem();
        assert!(pem.starts_with("-----BEGIN PUBLIC KEY-----\nMIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8A"));
        assert!(pem.ends_with("\n-----END PUBLIC KEY-----\n"));
        assert!(pem.lines().all(|line| line.len() <= 64));
        assert_eq!(format!("{key:?}"), "RsaKey");
    }

    #[test]
    fn a_supplied_key_is_read_in_pkcs8_and_in_pkcs1() {
        let pair = rcgen::KeyPair::generate_for(&rcgen::PKCS_RSA_SHA256).unwrap();
        let pkcs8 = RsaKey::from_pem(&pair.serialize_pem()).unwrap();
        // PKCS #1 is what PKCS #8 wraps in 26 bytes at this key size.
        let pkcs1 = STANDARD.encode(&pair.serialized_der()[26..]);
        let pem =
            format!("-----BEGIN RSA PRIVATE KEY-----\n{pkcs1}\n-----END RSA PRIVATE KEY-----\n");
        let pkcs1 = RsaKey::from_pem(&pem).unwrap();
        assert_eq!(pkcs1.public_pem(), pkcs8.public_pem());
    }

    #[test]
    fn other_keys_are_refused() {
        let elliptic = rcgen::KeyPair::generate().unwrap().serialize_pem();
        for pem in ["", "no PEM", &elliptic] {
            assert!(RsaKey::from_pem(pem).is_err());
        }
    }
}
