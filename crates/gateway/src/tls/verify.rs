//! Verifies the certificate of the server behind the gateway, as far as the mode asks.

use std::sync::Arc;

use jiff::Timestamp;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{verify_server_cert_signed_by_trust_anchor, verify_server_name};
use rustls::crypto::{WebPkiSupportedAlgorithms, verify_tls12_signature, verify_tls13_signature};
use rustls::server::ParsedCertificate;
use rustls::{
    CertificateError, DigitallySignedStruct, Error as TlsError, OtherError, RootCertStore,
    SignatureScheme,
};
use rustls_pki_types::{CertificateDer, ServerName, UnixTime};
use thiserror::Error;

use super::CertificateSummary;

/// Why a server's certificate was refused.
#[derive(Debug, Error)]
pub(crate) enum CertificateRejected {
    /// No authority that is trusted vouches for it.
    #[error("certificate signed by unknown authority (issuer {issuer:?})")]
    UnknownAuthority {
        /// Who signed it.
        issuer: String,
    },
    /// A trusted authority has the issuer's name, but didn't sign it: most often one that was made
    /// anew under its old name.
    #[error(
        "certificate signed by unknown authority (one named {issuer:?} is trusted, but has another key)"
    )]
    AuthorityOfSameName {
        /// Who signed it, by name.
        issuer: String,
    },
    /// It belongs to somebody else.
    #[error("certificate is valid for {}, not {wanted}", list(names))]
    WrongName {
        /// The name that was asked for.
        wanted: String,
        /// The names that it has.
        names: Vec<String>,
    },
    /// Its time is over.
    #[error("certificate expired at {not_after}")]
    Expired {
        /// When.
        not_after: Timestamp,
    },
    /// Its time has not come.
    #[error("certificate is not valid before {not_before}")]
    NotYetValid {
        /// When it will be.
        not_before: Timestamp,
    },
    /// Anything else, in the TLS library's words.
    #[error("{0}")]
    Invalid(CertificateError),
}

fn list(names: &[String]) -> String {
    if names.is_empty() {
        "no name at all".to_owned()
    } else {
        names.join(", ")
    }
}

/// How much of a server's certificate is checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Check {
    /// Nothing: encryption without knowing for whom.
    DangerNothing,
    /// That a trusted authority vouches for it.
    Chain,
    /// That, and that it is for the name that was asked for.
    ChainAndName,
}

/// The verifier of one backend.
#[derive(Debug)]
pub(super) struct ServerVerifier {
    pub(super) check: Check,
    pub(super) roots: RootCertStore,
    /// Certificates of the operator's own bundle. A server that shows one of them is trusted as it
    /// is: PostgreSQL is often run with a self-signed certificate that is its own authority, which
    /// OpenSSL accepts and the path validation of RFC 5280 does not.
    pub(super) pinned: Vec<CertificateDer<'static>>,
    pub(super) algorithms: WebPkiSupportedAlgorithms,
}

impl ServerVerifier {
    fn verify(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        now: UnixTime,
    ) -> Result<(), TlsError> {
        if self.check == Check::DangerNothing {
            return Ok(());
        }
        let certificate = ParsedCertificate::try_from(end_entity)?;
        if self.pinned.iter().any(|pinned| pinned == end_entity) {
            check_dates(end_entity, now)?;
        } else {
            verify_server_cert_signed_by_trust_anchor(
                &certificate,
                &self.roots,
                intermediates,
                now,
                self.algorithms.all,
            )?;
        }
        if self.check == Check::ChainAndName {
            verify_server_name(&certificate, server_name)?;
        }
        Ok(())
    }
}

/// Checks the dates of a certificate that no chain is built for.
fn check_dates(certificate: &CertificateDer<'_>, now: UnixTime) -> Result<(), TlsError> {
    let summary = CertificateSummary::from_der(certificate).ok_or(CertificateError::BadEncoding)?;
    let now = i64::try_from(now.as_secs()).unwrap_or(i64::MAX);
    if now > summary.not_after.as_second() {
        return Err(CertificateError::Expired.into());
    }
    if now < summary.not_before.as_second() {
        return Err(CertificateError::NotValidYet.into());
    }
    Ok(())
}

/// Says what is wrong with a certificate in the words of an operator.
fn explain(error: TlsError, der: &CertificateDer<'_>, wanted: &ServerName<'_>) -> TlsError {
    use CertificateError as E;

    let TlsError::InvalidCertificate(error) = error else {
        return error;
    };
    let Some(seen) = CertificateSummary::from_der(der) else {
        return TlsError::InvalidCertificate(error);
    };
    let rejected = match error {
        E::UnknownIssuer => CertificateRejected::UnknownAuthority {
            issuer: seen.issuer,
        },
        E::BadSignature | E::UnsupportedSignatureAlgorithmForPublicKeyContext { .. } => {
            CertificateRejected::AuthorityOfSameName {
                issuer: seen.issuer,
            }
        }
        E::NotValidForName | E::NotValidForNameContext { .. } => CertificateRejected::WrongName {
            wanted: wanted.to_str().into_owned(),
            names: seen.names,
        },
        E::Expired | E::ExpiredContext { .. } => CertificateRejected::Expired {
            not_after: seen.not_after,
        },
        E::NotValidYet | E::NotValidYetContext { .. } => CertificateRejected::NotYetValid {
            not_before: seen.not_before,
        },
        other => CertificateRejected::Invalid(other),
    };
    TlsError::InvalidCertificate(E::Other(OtherError(Arc::new(rejected))))
}

impl ServerCertVerifier for ServerVerifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, TlsError> {
        self.verify(end_entity, intermediates, server_name, now)
            .map_err(|error| explain(error, end_entity, server_name))?;
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, TlsError> {
        if self.check == Check::DangerNothing {
            // A signature proves that the server owns a certificate that nobody vouches for. And the
            // certificates met here (version 1, home-made) are often ones the library can't read.
            return Ok(HandshakeSignatureValid::assertion());
        }
        verify_tls12_signature(message, certificate, signed, &self.algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, TlsError> {
        if self.check == Check::DangerNothing {
            return Ok(HandshakeSignatureValid::assertion());
        }
        verify_tls13_signature(message, certificate, signed, &self.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}
