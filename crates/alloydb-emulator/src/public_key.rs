//! A client's public key, in every form in which Google's connectors send it.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rcgen::{CertificateSigningRequestParams, PublicKeyData, SubjectPublicKeyInfo};

/// The DER of `SEQUENCE { rsaEncryption, NULL }`.
const RSA_ENCRYPTION: &[u8] = &[
    0x30, 0x0d, 0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01, 0x05, 0x00,
];
const SEQUENCE: u8 = 0x30;
const BIT_STRING: u8 = 0x03;

/// A text that is no public key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("public_key is no public key in PEM")]
pub(crate) struct PublicKeyError;

/// A public key and how it was written.
pub(crate) struct PublicKey {
    key: SubjectPublicKeyInfo,
    pub(crate) form: &'static str,
}

impl PublicKey {
    /// Reads PKCS #1 (Go), SPKI (Python, Java) and SPKI under the header of PKCS #1 (older Java).
    pub(crate) fn from_pem(pem: &str) -> Result<Self, PublicKeyError> {
        let (label, der) = parse(pem).ok_or(PublicKeyError)?;
        if let Ok(key) = SubjectPublicKeyInfo::from_der(&der) {
            let form = match label {
                "RSA PUBLIC KEY" => "spki-under-pkcs1-header",
                _ => "spki",
            };
            return Ok(Self { key, form });
        }
        let mut bits = vec![0];
        bits.extend(&der);
        let mut content = RSA_ENCRYPTION.to_vec();
        put(&mut content, BIT_STRING, &bits);
        let mut spki = Vec::new();
        put(&mut spki, SEQUENCE, &content);
        let key = SubjectPublicKeyInfo::from_der(&spki).map_err(|_| PublicKeyError)?;
        // Anything can stand in a bit string; a PKCS #1 key is a sequence of two numbers.
        if label != "RSA PUBLIC KEY" || !der.starts_with(&[SEQUENCE]) {
            return Err(PublicKeyError);
        }
        Ok(Self { key, form: "pkcs1" })
    }

    /// Reads the key of a certificate signing request, whose other wishes are not heard.
    pub(crate) fn from_csr(pem: &str) -> Result<Self, PublicKeyError> {
        let csr = CertificateSigningRequestParams::from_pem(pem).map_err(|_| PublicKeyError)?;
        let mut bits = vec![0];
        bits.extend(csr.public_key.der_bytes());
        let der = csr.public_key.subject_public_key_info();
        let key = SubjectPublicKeyInfo::from_der(&der).map_err(|_| PublicKeyError)?;
        Ok(Self { key, form: "csr" })
    }
}

impl PublicKeyData for PublicKey {
    fn der_bytes(&self) -> &[u8] {
        self.key.der_bytes()
    }

    fn algorithm(&self) -> &'static rcgen::SignatureAlgorithm {
        self.key.algorithm()
    }
}

fn parse(pem: &str) -> Option<(&str, Vec<u8>)> {
    let (_, rest) = pem.split_once("-----BEGIN ")?;
    let (label, rest) = rest.split_once("-----")?;
    let (body, _) = rest.split_once("-----END ")?;
    let body: String = body.split_ascii_whitespace().collect();
    Some((label, STANDARD.decode(body).ok()?))
}

/// Appends a value of DER.
fn put(out: &mut Vec<u8>, tag: u8, content: &[u8]) {
    out.push(tag);
    let len = content.len().to_be_bytes();
    let significant = len
        .iter()
        .position(|byte| *byte != 0)
        .unwrap_or(len.len() - 1);
    let len = &len[significant..];
    if content.len() >= 0x80 {
        out.push(0x80 | u8::try_from(len.len()).unwrap_or_default());
    }
    out.extend(len);
    out.extend(content);
}

#[cfg(test)]
mod tests {
    use rcgen::KeyPair;

    use super::*;

    #[test]
    fn every_form_of_a_key_is_the_same_key() {
        let key = KeyPair::generate_for(&rcgen::PKCS_RSA_SHA256).unwrap();
        let pem = |label: &str, der: &[u8]| {
            let body = STANDARD.encode(der);
            format!("-----BEGIN {label}-----\n{body}\n-----END {label}-----\n")
        };
        let spki = key.subject_public_key_info();
        let forms = [
            (pem("RSA PUBLIC KEY", key.der_bytes()), "pkcs1"),
            (pem("PUBLIC KEY", &spki), "spki"),
            (pem("RSA PUBLIC KEY", &spki), "spki-under-pkcs1-header"),
        ];
        for (pem, form) in forms {
            let read = PublicKey::from_pem(&pem).unwrap_or_else(|_| panic!("{form}"));
            assert_eq!(read.form, form);
            assert_eq!(read.der_bytes(), key.der_bytes());
        }
        for wrong in [
            "",
            "no key",
            &pem("RSA PUBLIC KEY", b"junk"),
            &pem("PUBLIC KEY", b"junk"),
        ] {
            assert!(PublicKey::from_pem(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn the_key_of_a_signing_request_is_read() {
        let key = KeyPair::generate_for(&rcgen::PKCS_RSA_SHA256).unwrap();
        let csr = rcgen::CertificateParams::default()
            .serialize_request(&key)
            .unwrap();
        let read = PublicKey::from_csr(&csr.pem().unwrap());
        assert_eq!(
            read.unwrap_or_else(|_| panic!("no key")).der_bytes(),
            key.der_bytes()
        );
    }
}
