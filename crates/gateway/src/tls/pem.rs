//! Certificates and keys from PEM files.

use std::path::{Path, PathBuf};

use rustls::RootCertStore;
use rustls_pki_types::pem::{self, PemObject};
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use thiserror::Error;

use crate::config::{IdentityFiles, Roots};

/// A certificate, key or bundle can't be used.
#[derive(Debug, Error)]
pub enum MaterialError {
    /// The file can't be read or is not PEM.
    #[error("{}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        #[source]
        cause: pem::Error,
    },
    /// The file holds nothing of what is wanted.
    #[error("{} holds no {wanted}", path.display())]
    Empty {
        /// The file.
        path: PathBuf,
        /// What is missing: "certificate" or "private key".
        wanted: &'static str,
    },
    /// A certificate of a bundle can't be an authority.
    #[error("{} holds a certificate that can't be read", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        #[source]
        cause: rustls::Error,
    },
    /// Certificate and key do not belong together, or are of a kind that can't be used.
    #[error("certificate {} can't be used with key {}", files.certificate.display(), files.key.display())]
    Identity {
        /// The two files.
        files: IdentityFiles,
        /// What is wrong with them.
        #[source]
        cause: rustls::Error,
    },
    /// The bundle can't be turned into a verifier.
    #[error("{} can't be used to verify certificates", path.display())]
    Verifier {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        #[source]
        cause: rustls::server::VerifierBuilderError,
    },
    /// The operating system has no authorities.
    #[error("the operating system has no certificate authorities: {reasons}")]
    NoSystemRoots {
        /// What was tried.
        reasons: String,
    },
    /// TLS versions and ciphers can't be agreed with the cryptography library.
    #[error("the TLS library refused its settings")]
    Library(#[source] rustls::Error),
}

/// A chain and its key.
pub(super) type Identity = (Vec<CertificateDer<'static>>, PrivateKeyDer<'static>);

/// Reads the certificates of a file, at least one.
pub(super) fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, MaterialError> {
    let read = |cause| MaterialError::Read {
        path: path.to_owned(),
        cause,
    };
    let found: Vec<_> = CertificateDer::pem_file_iter(path)
        .map_err(read)?
        .collect::<Result<_, _>>()
        .map_err(read)?;
    if found.is_empty() {
        return Err(MaterialError::Empty {
            path: path.to_owned(),
            wanted: "certificate",
        });
    }
    Ok(found)
}

/// Reads a chain and its key.
pub(super) fn identity(files: &IdentityFiles) -> Result<Identity, MaterialError> {
    let chain = certificates(&files.certificate)?;
    let path = files.key.clone();
    match PrivateKeyDer::from_pem_file(&files.key) {
        Ok(key) => Ok((chain, key)),
        Err(pem::Error::NoItemsFound) => Err(MaterialError::Empty {
            path,
            wanted: "private key (encrypted keys are not read)",
        }),
        Err(cause) => Err(MaterialError::Read { path, cause }),
    }
}

/// Reads authorities from a bundle.
pub(super) fn bundle(path: &Path) -> Result<RootCertStore, MaterialError> {
    let mut roots = RootCertStore::empty();
    for certificate in certificates(path)? {
        roots
            .add(certificate)
            .map_err(|cause| MaterialError::Unreadable {
                path: path.to_owned(),
                cause,
            })?;
    }
    Ok(roots)
}

/// Reads the authorities that a server's certificate is checked against, and the certificates
/// themselves where they come from a file.
pub(super) fn roots(
    roots: &Roots,
) -> Result<(RootCertStore, Vec<CertificateDer<'static>>), MaterialError> {
    match roots {
        Roots::File(path) => Ok((bundle(path)?, certificates(path)?)),
        Roots::System => {
            let found = rustls_native_certs::load_native_certs();
            let mut store = RootCertStore::empty();
            let (usable, _) = store.add_parsable_certificates(found.certs);
            if usable == 0 {
                let reasons: Vec<_> = found.errors.iter().map(ToString::to_string).collect();
                return Err(MaterialError::NoSystemRoots {
                    reasons: reasons.join("; "),
                });
            }
            Ok((store, Vec::new()))
        }
    }
}
