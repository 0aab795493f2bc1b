//! The client certificate of an instance's cluster.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject as _;
use x509_parser::prelude::{FromDer as _, X509Certificate};

/// A chain, leaf first, and the root to trust, all parsed.
#[derive(Debug)]
pub(crate) struct Chain {
    pub(crate) certificates: Vec<CertificateDer<'static>>,
    pub(crate) root: CertificateDer<'static>,
    /// The leaf's end.
    pub(crate) expires_at: SystemTime,
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
        let expires_at = not_after(leaf).ok_or(ChainError::X509)?;
        let root = CertificateDer::from_pem_slice(root.as_bytes()).map_err(|_| ChainError::Root)?;
        Ok(Self {
            certificates,
            root,
            expires_at,
        })
    }
}

fn not_after(certificate: &CertificateDer<'_>) -> Option<SystemTime> {
    let (_, parsed) = X509Certificate::from_der(certificate).ok()?;
    let seconds = u64::try_from(parsed.validity().not_after.timestamp()).ok()?;
    UNIX_EPOCH.checked_add(Duration::from_secs(seconds))
}
