//! Keys that sign and verify checkpoints.

use std::fmt;
use std::path::Path;

use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::signature::{ED25519, Ed25519KeyPair, KeyPair, UnparsedPublicKey};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{PrivatePkcs8KeyDer, SubjectPublicKeyInfoDer, pem};
use thiserror::Error;

/// What comes before the 32 bytes of an Ed25519 key in a `SubjectPublicKeyInfo` (RFC 8410 §4).
const SPKI_PREFIX: [u8; 12] = [
    0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00,
];

/// A key that signs checkpoints: Ed25519.
pub struct SigningKey {
    pair: Ed25519KeyPair,
    id: KeyId,
}

/// A key that verifies checkpoints.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PublicKey {
    bytes: [u8; 32],
    id: KeyId,
}

/// Which key it is: the first eight bytes of the SHA-256 of the public key, in hexadecimal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct KeyId([u8; 8]);

/// A new key, as files.
pub struct KeyFiles {
    /// PKCS#8 in PEM: for the gateway alone.
    pub private: String,
    /// `SubjectPublicKeyInfo` in PEM: for whoever verifies.
    pub public: String,
    /// Which key it is.
    pub id: KeyId,
}

/// Why a key can't be used.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum KeyError {
    /// The file can't be read, or has no such key in it.
    #[error("{path} has no key that can be read: {expected} is expected")]
    Unreadable {
        /// The file.
        path: String,
        /// What should be in it.
        expected: &'static str,
        /// What is wrong.
        #[source]
        source: pem::Error,
    },
    /// The key is of another kind.
    #[error("the key in {path} is no Ed25519 key")]
    OtherKind {
        /// The file.
        path: String,
    },
    /// The system gives no random numbers.
    #[error("no key can be made: the system gives no random numbers")]
    NoRandomness,
}

impl SigningKey {
    /// Reads a PKCS#8 key from a PEM file, as `querycop audit keygen` and OpenSSL write it.
    pub fn read(path: &Path) -> Result<Self, KeyError> {
        let der =
            PrivatePkcs8KeyDer::from_pem_file(path).map_err(|source| KeyError::Unreadable {
                path: path.display().to_string(),
                expected: "PKCS#8 in PEM (BEGIN PRIVATE KEY)",
                source,
            })?;
        let pair = Ed25519KeyPair::from_pkcs8(der.secret_pkcs8_der());
        let pair = pair.map_err(|_| KeyError::OtherKind {
            path: path.display().to_string(),
        })?;
        Ok(Self::new(pair))
    }

    /// Makes a key.
    pub fn generate() -> Result<KeyFiles, KeyError> {
        let pair = Ed25519KeyPair::generate().map_err(|_| KeyError::NoRandomness)?;
        let private = pair.to_pkcs8v1().map_err(|_| KeyError::NoRandomness)?;
        let key = Self::new(pair);
        let public = [&SPKI_PREFIX, key.pair.public_key().as_ref()].concat();
        Ok(KeyFiles {
            private: pem_text("PRIVATE KEY", private.as_ref()),
            public: pem_text("PUBLIC KEY", &public),
            id: key.id,
        })
    }

    /// Which key it is.
    pub fn id(&self) -> KeyId {
        self.id
    }

    /// Signs.
    pub(crate) fn sign(&self, message: &[u8]) -> String {
        BASE64_STANDARD.encode(self.pair.sign(message))
    }

    fn new(pair: Ed25519KeyPair) -> Self {
        let id = KeyId::of(pair.public_key().as_ref());
        Self { pair, id }
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "SigningKey({})", self.id)
    }
}

impl fmt::Debug for KeyFiles {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "KeyFiles({})", self.id)
    }
}

impl PublicKey {
    /// Reads a public key from a PEM file.
    pub fn read(path: &Path) -> Result<Self, KeyError> {
        let der = SubjectPublicKeyInfoDer::from_pem_file(path).map_err(|source| {
            KeyError::Unreadable {
                path: path.display().to_string(),
                expected: "a public key in PEM (BEGIN PUBLIC KEY)",
                source,
            }
        })?;
        let key = der.strip_prefix(&SPKI_PREFIX);
        let bytes = key.and_then(|key| <[u8; 32]>::try_from(key).ok());
        let bytes = bytes.ok_or_else(|| KeyError::OtherKind {
            path: path.display().to_string(),
        })?;
        let id = KeyId::of(&bytes);
        Ok(Self { bytes, id })
    }

    /// Which key it is.
    pub fn id(&self) -> KeyId {
        self.id
    }

    /// Whether the signature is this key's.
    pub(crate) fn verifies(&self, message: &[u8], signature: &str) -> bool {
        let Ok(signature) = BASE64_STANDARD.decode(signature) else {
            return false;
        };
        UnparsedPublicKey::new(&ED25519, self.bytes)
            .verify(message, &signature)
            .is_ok()
    }
}

impl KeyId {
    fn of(key: &[u8]) -> Self {
        let mut id = [0; 8];
        for (byte, value) in id.iter_mut().zip(digest(&SHA256, key).as_ref()) {
            *byte = *value;
        }
        Self(id)
    }
}

impl fmt::Display for KeyId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0
            .iter()
            .try_for_each(|byte| write!(formatter, "{byte:02x}"))
    }
}

fn pem_text(label: &str, der: &[u8]) -> String {
    let encoded = BASE64_STANDARD.encode(der);
    let mut text = format!("-----BEGIN {label}-----\n");
    let mut rest = encoded.as_str();
    while !rest.is_empty() {
        let (line, after) = rest.split_at(rest.len().min(64));
        text.push_str(line);
        text.push('\n');
        rest = after;
    }
    text + &format!("-----END {label}-----\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_key_signs_only_its_public_key_verifies() {
        let directory = tempfile::tempdir().unwrap();
        let files = SigningKey::generate().unwrap();
        let other = SigningKey::generate().unwrap();
        let write = |name: &str, text: &str| {
            let path = directory.path().join(name);
            std::fs::write(&path, text).unwrap();
            path
        };
        let key = SigningKey::read(&write("key.pem", &files.private)).unwrap();
        let public = PublicKey::read(&write("public.pem", &files.public)).unwrap();
        let stranger = PublicKey::read(&write("other.pem", &other.public)).unwrap();
        assert_eq!(key.id(), public.id());
        let signature = key.sign(b"message");
        assert!(public.verifies(b"message", &signature));
        assert!(!public.verifies(b"massage", &signature));
        assert!(!stranger.verifies(b"message", &signature));
        assert!(!format!("{key:?} {files:?}").contains("PRIVATE"));
        // One is not taken for the other.
        SigningKey::read(&directory.path().join("public.pem")).unwrap_err();
        PublicKey::read(&directory.path().join("key.pem")).unwrap_err();
    }
}
