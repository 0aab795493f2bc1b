//! What a certificate says: names, dates, and the hash that SCRAM binds a login to.

use std::net::{Ipv4Addr, Ipv6Addr};

use aws_lc_rs::digest;
use jiff::Timestamp;
use x509_parser::certificate::X509Certificate;
use x509_parser::extensions::GeneralName;
use x509_parser::oid_registry as oid;
use x509_parser::prelude::FromDer;

/// What an operator wants to know of a certificate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CertificateSummary {
    /// The subject's distinguished name.
    pub subject: String,
    /// The subject's common name, if it has one.
    pub common_name: Option<String>,
    /// The issuer's distinguished name.
    pub issuer: String,
    /// The alternative names: DNS names, addresses, URIs (SPIFFE) and mail addresses.
    pub names: Vec<String>,
    /// Valid from.
    pub not_before: Timestamp,
    /// Valid until.
    pub not_after: Timestamp,
}

impl CertificateSummary {
    /// Reads a certificate; `None` if it is not one.
    pub fn from_der(der: &[u8]) -> Option<Self> {
        let (_, certificate) = X509Certificate::from_der(der).ok()?;
        let validity = certificate.validity();
        Some(Self {
            subject: certificate.subject().to_string(),
            common_name: certificate
                .subject()
                .iter_common_name()
                .next()
                .and_then(|name| name.as_str().ok())
                .map(str::to_owned),
            issuer: certificate.issuer().to_string(),
            names: alternative_names(&certificate),
            not_before: Timestamp::from_second(validity.not_before.timestamp()).ok()?,
            not_after: Timestamp::from_second(validity.not_after.timestamp()).ok()?,
        })
    }
}

fn alternative_names(certificate: &X509Certificate<'_>) -> Vec<String> {
    let Ok(Some(extension)) = certificate.subject_alternative_name() else {
        return Vec::new();
    };
    let name = |name: &GeneralName<'_>| match name {
        GeneralName::DNSName(name) => Some((*name).to_owned()),
        GeneralName::URI(name) | GeneralName::RFC822Name(name) => Some((*name).to_owned()),
        GeneralName::IPAddress(bytes) => ip_name(bytes),
        _ => None,
    };
    extension
        .value
        .general_names
        .iter()
        .filter_map(name)
        .collect()
}

fn ip_name(bytes: &[u8]) -> Option<String> {
    match bytes.len() {
        4 => Some(Ipv4Addr::from(<[u8; 4]>::try_from(bytes).ok()?).to_string()),
        16 => Some(Ipv6Addr::from(<[u8; 16]>::try_from(bytes).ok()?).to_string()),
        _ => None,
    }
}

/// The `tls-server-end-point` channel binding of a certificate ([RFC 5929 §4.1]); `None` if its
/// signature algorithm has no single hash (Ed25519), where libpq binds nothing either.
///
/// [RFC 5929 §4.1]: https://www.rfc-editor.org/rfc/rfc5929#section-4.1
pub(crate) fn endpoint_hash(der: &[u8]) -> Option<Vec<u8>> {
    let (_, certificate) = X509Certificate::from_der(der).ok()?;
    let algorithm = &certificate.signature_algorithm.algorithm;
    // MD5 and SHA-1 count as SHA-256, says the RFC.
    let sha256 = [
        oid::OID_PKCS1_MD5WITHRSAENC,
        oid::OID_PKCS1_SHA1WITHRSA,
        oid::OID_PKCS1_SHA256WITHRSA,
        oid::OID_SIG_ECDSA_WITH_SHA256,
    ];
    let sha384 = [oid::OID_PKCS1_SHA384WITHRSA, oid::OID_SIG_ECDSA_WITH_SHA384];
    let sha512 = [oid::OID_PKCS1_SHA512WITHRSA, oid::OID_SIG_ECDSA_WITH_SHA512];
    let hash = if sha256.contains(algorithm) {
        &digest::SHA256
    } else if sha384.contains(algorithm) {
        &digest::SHA384
    } else if sha512.contains(algorithm) {
        &digest::SHA512
    } else {
        return None;
    };
    Some(digest::digest(hash, der).as_ref().to_vec())
}

#[cfg(test)]
mod tests {
    use rcgen::{
        CertificateParams, KeyPair, PKCS_ECDSA_P256_SHA256, PKCS_ECDSA_P384_SHA384, PKCS_ED25519,
    };

    use super::*;

    fn certificate(algorithm: &'static rcgen::SignatureAlgorithm) -> Vec<u8> {
        let key = KeyPair::generate_for(algorithm).unwrap();
        let names = [
            "db.example".to_owned(),
            "10.1.2.3".to_owned(),
            "::1".to_owned(),
        ];
        let params = CertificateParams::new(names).unwrap();
        params.self_signed(&key).unwrap().der().to_vec()
    }

    #[test]
    fn names_and_addresses_are_read() {
        let summary = CertificateSummary::from_der(&certificate(&PKCS_ECDSA_P256_SHA256)).unwrap();
        assert_eq!(summary.names, ["db.example", "10.1.2.3", "::1"]);
        assert!(summary.not_before < summary.not_after);
    }

    #[test]
    fn garbage_is_no_certificate() {
        assert_eq!(CertificateSummary::from_der(b"garbage"), None);
        assert_eq!(endpoint_hash(b"garbage"), None);
    }

    #[test]
    fn the_hash_follows_the_signature_algorithm() {
        let length = |algorithm| endpoint_hash(&certificate(algorithm)).map(|hash| hash.len());
        assert_eq!(length(&PKCS_ECDSA_P256_SHA256), Some(32));
        assert_eq!(length(&PKCS_ECDSA_P384_SHA384), Some(48));
        assert_eq!(length(&PKCS_ED25519), None);
    }
}
