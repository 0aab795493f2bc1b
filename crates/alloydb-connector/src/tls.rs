//! TLS 1.3 with the cluster's CA as the only root.

use std::sync::Arc;

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme,
};
use x509_parser::extensions::GeneralName;
use x509_parser::prelude::{FromDer as _, X509Certificate};

use crate::certificate::Chain;
use crate::key::RsaKey;

/// Why no TLS configuration came of a chain and a key.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TlsError {
    #[error("a client certificate that isn't for the key that was sent")]
    OtherKey(#[source] rustls::Error),
    #[error("a CA certificate that can't be trusted")]
    Root(#[source] rustls::Error),
    #[error("a CA certificate that nothing can be verified with")]
    Verifier(#[source] rustls::client::VerifierBuilderError),
    #[error("no TLS 1.3")]
    Version(#[source] rustls::Error),
}

/// The provider is always given, so that no process-wide one is needed nor installed.
pub(crate) fn provider() -> Arc<CryptoProvider> {
    Arc::new(aws_lc_rs::default_provider())
}

/// Built once for each refresh.
pub(crate) fn client_config(chain: &Chain, key: &RsaKey) -> Result<ClientConfig, TlsError> {
    let provider = provider();
    let mut roots = RootCertStore::empty();
    for root in &chain.roots {
        roots.add(root.clone()).map_err(TlsError::Root)?;
    }
    let verifier = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider.clone())
        .build()
        .map_err(TlsError::Verifier)?;
    let certified = CertifiedKey::new(chain.certificates.clone(), key.signing());
    certified.keys_match().map_err(TlsError::OtherKey)?;
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])
        .map_err(TlsError::Version)?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(DotTolerant { verifier }))
        .with_client_cert_resolver(Arc::new(SingleCertAndKey::from(certified)));
    // A session that outlives its certificate would hide that the certificate has expired.
    config.resumption = rustls::client::Resumption::disabled();
    Ok(config)
}

/// Verifies as webpki does, and takes a DNS name in the certificate that ends with a dot.
///
/// AlloyDB's certificates for Private Service Connect had such names until April 2025; webpki
/// never matches them. Everything else, the chain above all, is webpki's verdict.
#[derive(Debug)]
struct DotTolerant {
    verifier: Arc<WebPkiServerVerifier>,
}

impl ServerCertVerifier for DotTolerant {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let verdict = self.verifier.verify_server_cert(
            end_entity,
            intermediates,
            server_name,
            ocsp_response,
            now,
        );
        match verdict {
            // webpki looks at the name last: this verdict says that all else is in order.
            Err(error) if is_wrong_name(&error) && has_dotted(end_entity, server_name) => {
                Ok(ServerCertVerified::assertion())
            }
            verdict => verdict,
        }
    }

    /// Never asked for: TLS 1.2 isn't offered.
    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.verifier
            .verify_tls12_signature(message, certificate, signature)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.verifier
            .verify_tls13_signature(message, certificate, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.verifier.supported_verify_schemes()
    }
}

/// Whether a handshake failed only because the certificate is for another name.
pub(crate) fn is_wrong_name(error: &rustls::Error) -> bool {
    matches!(
        error,
        rustls::Error::InvalidCertificate(
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. }
        )
    )
}

/// Whether the certificate has the very name that was dialled, with a dot behind it. Wildcards and
/// addresses are none of this function's business.
fn has_dotted(certificate: &CertificateDer<'_>, server_name: &ServerName<'_>) -> bool {
    let ServerName::DnsName(dialled) = server_name else {
        return false;
    };
    let dialled = dialled.as_ref();
    let dialled = dialled.strip_suffix('.').unwrap_or(dialled);
    let Ok((_, parsed)) = X509Certificate::from_der(certificate) else {
        return false;
    };
    let Ok(Some(names)) = parsed.subject_alternative_name() else {
        return false;
    };
    names.value.general_names.iter().any(|name| match name {
        GeneralName::DNSName(name) => name
            .strip_suffix('.')
            .is_some_and(|name| !name.is_empty() && name.eq_ignore_ascii_case(dialled)),
        _ => false,
    })
}
