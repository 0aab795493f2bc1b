//! The client certificate of an instance's cluster.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject as _;
use x509_parser::prelude::{FromDer as _, X509Certificate};

/// A chain, leaf first, and the roots to trust, all parsed.
#[derive(Debug)]
pub(crate) struct Chain {
    pub(crate) certificates: Vec<CertificateDer<'static>>,
    /// One, or more while a cluster's CA is rotated.
    pub(crate) roots: Vec<CertificateDer<'static>>,
    /// The leaf's end.
    pub(crate) expires_at: SystemTime,
    /// The leaf's own span, from its begin to its end.
    span: Duration,
}

/// Why a chain can't be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ChainError {
    #[error("an empty certificate chain")]
    Empty,
    #[error("a certificate that isn't PEM")]
    Pem,
    #[error("a certificate that isn't X.509")]
    X509,
    #[error("a CA certificate that isn't PEM")]
    Root,
}

impl Chain {
    /// Reads what the admin API or a static file gave. Entries may hold several certificates.
    pub(crate) fn read(pem_chain: &[String], root: &str) -> Result<Self, ChainError> {
        let mut certificates = Vec::new();
        for pem in pem_chain {
            for certificate in CertificateDer::pem_slice_iter(pem.as_bytes()) {
                certificates.push(certificate.map_err(|_| ChainError::Pem)?);
            }
        }
        let leaf = certificates.first().ok_or(ChainError::Empty)?;
        let (begin, expires_at) = validity(leaf).ok_or(ChainError::X509)?;
        let roots: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(root.as_bytes()).collect();
        let roots = roots.map_err(|_| ChainError::Root)?;
        if roots.is_empty() {
            return Err(ChainError::Root);
        }
        Ok(Self {
            certificates,
            roots,
            expires_at,
            span: expires_at.duration_since(begin).unwrap_or_default(),
        })
    }

    /// How long the leaf lives from now on. Where this machine's clock is slow that seems to be more
    /// than any certificate of this kind lives, and its renewal would come too late.
    pub(crate) fn life(&self, now: SystemTime) -> Duration {
        let left = self.expires_at.duration_since(now).unwrap_or_default();
        left.min(self.span)
    }
}

fn validity(certificate: &CertificateDer<'_>) -> Option<(SystemTime, SystemTime)> {
    let (_, parsed) = X509Certificate::from_der(certificate).ok()?;
    let at = |seconds| UNIX_EPOCH.checked_add(Duration::from_secs(u64::try_from(seconds).ok()?));
    let validity = parsed.validity();
    Some((
        at(validity.not_before.timestamp())?,
        at(validity.not_after.timestamp())?,
    ))
}

#[cfg(test)]
mod tests {
    use rcgen::{CertificateParams, KeyPair, date_time_ymd};

    use super::*;

    #[test]
    fn a_slow_clock_makes_no_certificate_live_longer() {
        let mut params = CertificateParams::new(vec!["client".to_owned()]).unwrap();
        params.not_before = date_time_ymd(2026, 11, 24);
        params.not_after = date_time_ymd(2026, 11, 25);
        let pem = params
            .self_signed(&KeyPair::generate().unwrap())
            .unwrap()
            .pem();
        let chain = Chain::read(std::slice::from_ref(&pem), &pem).unwrap();
        let day = Duration::from_hours(24);
        let hour = Duration::from_hours(1);
        assert_eq!(chain.life(chain.expires_at - hour), hour);
        assert_eq!(chain.life(chain.expires_at - 3 * day), day);
        assert_eq!(chain.life(chain.expires_at + hour), Duration::ZERO);
    }

    #[test]
    fn a_ca_without_a_certificate_is_refused() {
        let key = KeyPair::generate().unwrap();
        let pem = CertificateParams::new(vec!["x".to_owned()]).unwrap();
        let pem = pem.self_signed(&key).unwrap().pem();
        for ca in ["", "no PEM"] {
            let read = Chain::read(std::slice::from_ref(&pem), ca);
            assert!(matches!(read, Err(ChainError::Root)));
        }
    }
}
