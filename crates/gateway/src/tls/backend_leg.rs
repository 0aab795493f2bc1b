//! TLS on the backend leg: the gateway is the client.

use std::io;
use std::net::Ipv4Addr;
use std::path::Path;
use std::sync::Arc;

use querycop_serve::Socket;
use rustls::client::Resumption;
use rustls::crypto::aws_lc_rs;
use rustls::{CertificateError, ClientConfig, RootCertStore};
use rustls_pki_types::ServerName;
use thiserror::Error;
use tokio_rustls::{TlsConnector, TlsStream};

use super::verify::{CertificateRejected, Check, ServerVerifier};
use super::{ALPN, MaterialError, pem};
use crate::config::{BackendTls, Roots, TlsMode, TlsNegotiation};
use crate::leg::Leg;

/// Puts TLS on a connection to the server.
#[derive(Clone, Debug)]
pub(crate) struct Connector {
    config: Arc<ClientConfig>,
    server_name: ServerName<'static>,
    negotiation: TlsNegotiation,
}

/// TLS with the server came to nothing.
#[derive(Debug, Error)]
pub(crate) enum BackendTlsError {
    /// The server has no TLS.
    #[error("server does not support TLS")]
    Unsupported,
    /// The server answered the request for TLS with an error message. It is not shown: nothing that
    /// comes before TLS is to be believed.
    #[error("server answered the request for TLS with an error")]
    ErrorBeforeTls,
    /// The server answered the request for TLS with something else.
    #[error("server answered the request for TLS with byte {0:#04x}: not a PostgreSQL server?")]
    Answer(u8),
    /// Bytes came in clear behind the server's consent to TLS: somebody is in between.
    #[error("server sent bytes in clear ahead of TLS")]
    PlaintextAhead,
    /// The server closed the connection.
    #[error("server closed the connection")]
    Closed,
    /// The time for connecting is over.
    #[error("i/o timeout")]
    Timeout,
    /// The server's certificate was refused.
    #[error("x509: {0}")]
    Certificate(Arc<dyn std::error::Error + Send + Sync>),
    /// The server did not choose the protocol name of PostgreSQL.
    #[error(
        "server did not select the protocol name \"postgresql\" (ALPN): older than PostgreSQL 17?"
    )]
    NoAlpn,
    /// The server ended the handshake, as it does when it wants a client certificate.
    #[error("server sent the alert {0:?}")]
    Alert(rustls::AlertDescription),
    /// Anything else, in the TLS library's words.
    #[error("{0}")]
    Handshake(#[source] io::Error),
}

impl Connector {
    /// Reads the files that `settings` name; `None` for mode `disable`.
    pub(crate) fn load(settings: &BackendTls) -> Result<Option<Self>, MaterialError> {
        let check = match settings.mode {
            TlsMode::Disable => return Ok(None),
            TlsMode::Prefer | TlsMode::Require => Check::DangerNothing,
            TlsMode::VerifyCa => Check::Chain,
            TlsMode::VerifyFull => Check::ChainAndName,
        };
        let (roots, pinned) = match check {
            Check::DangerNothing => (RootCertStore::empty(), Vec::new()),
            Check::Chain | Check::ChainAndName => pem::roots(&settings.roots)?,
        };
        let provider = Arc::new(aws_lc_rs::default_provider());
        let algorithms = provider.signature_verification_algorithms;
        let verifier = ServerVerifier {
            check,
            roots,
            pinned,
            algorithms,
        };
        let builder = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(MaterialError::Library)?
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(verifier));
        let mut config = match &settings.identity {
            None => builder.with_no_client_auth(),
            Some(files) => {
                let (chain, key) = pem::identity(files)?;
                builder.with_client_auth_cert(chain, key).map_err(|cause| {
                    MaterialError::Identity {
                        files: files.clone(),
                        cause,
                    }
                })?
            }
        };
        // PostgreSQL checks the name for direct TLS, and libpq sends it always since version 17.
        config.alpn_protocols = vec![ALPN.to_vec()];
        config.resumption = Resumption::disabled();
        // A Unix socket has no name, and `prefer` over one is answered with "no" by any PostgreSQL.
        let nameless = || ServerName::from(std::net::IpAddr::from(Ipv4Addr::UNSPECIFIED));
        Ok(Some(Self {
            config: Arc::new(config),
            server_name: settings.server_name.clone().unwrap_or_else(nameless),
            negotiation: settings.negotiation,
        }))
    }

    /// The files to watch.
    pub(crate) fn files(settings: &BackendTls) -> impl Iterator<Item = &Path> {
        let bundle = match &settings.roots {
            Roots::File(path) if settings.mode.verifies() => Some(path),
            Roots::File(_) | Roots::System => None,
        };
        let identity = settings
            .identity
            .iter()
            .flat_map(|files| [&files.certificate, &files.key]);
        bundle.into_iter().chain(identity).map(AsRef::as_ref)
    }

    pub(crate) fn negotiation(&self) -> TlsNegotiation {
        self.negotiation
    }

    /// Runs the handshake. Not cancel safe.
    pub(crate) async fn connect(&self, socket: Socket) -> Result<Leg, BackendTlsError> {
        let stream = TlsConnector::from(Arc::clone(&self.config))
            .connect(self.server_name.clone(), socket)
            .await
            .map_err(BackendTlsError::from_io)?;
        if self.negotiation == TlsNegotiation::Direct
            && stream.get_ref().1.alpn_protocol() != Some(ALPN)
        {
            return Err(BackendTlsError::NoAlpn);
        }
        Ok(Leg::Tls(Box::new(TlsStream::Client(stream))))
    }
}

impl BackendTlsError {
    /// Finds out what an I/O error under TLS was about.
    pub(crate) fn from_io(error: io::Error) -> Self {
        match Self::library_error(&error) {
            Some(rustls::Error::InvalidCertificate(CertificateError::Other(other))) => {
                Self::Certificate(Arc::clone(&other.0))
            }
            Some(rustls::Error::AlertReceived(alert)) => Self::Alert(*alert),
            Some(_) => Self::Handshake(error),
            None if error.kind() == io::ErrorKind::UnexpectedEof => Self::Closed,
            None => Self::Handshake(error),
        }
    }

    /// The TLS library's error in an I/O error, if it is one.
    pub(crate) fn library_error(error: &io::Error) -> Option<&rustls::Error> {
        error.get_ref()?.downcast_ref()
    }

    /// Why the certificate was refused, if that is what happened.
    fn rejected(&self) -> Option<&CertificateRejected> {
        match self {
            Self::Certificate(cause) => cause.downcast_ref(),
            _ => None,
        }
    }

    /// What to do about it.
    pub(crate) fn hint(&self) -> &'static str {
        match self {
            Self::Unsupported => {
                "Turn on ssl on the server, or set GATEKEEPER_BACKEND_TLS_MODE to prefer or disable."
            }
            Self::ErrorBeforeTls => "The database server's log has the reason.",
            Self::Answer(_) => "Check the backend's host and port.",
            Self::PlaintextAhead => "Somebody between gateway and server may be tampering.",
            Self::Closed => "The database server's log has the reason.",
            Self::Timeout => "The server accepted the connection and then said nothing.",
            Self::Certificate(_) => match self.rejected() {
                Some(
                    CertificateRejected::UnknownAuthority { .. }
                    | CertificateRejected::AuthorityOfSameName { .. },
                ) => {
                    "Point GATEKEEPER_BACKEND_TLS_CA_FILE to the authority that signed the server's \
                     certificate."
                }
                Some(CertificateRejected::WrongName { .. }) => {
                    "Set GATEKEEPER_BACKEND_TLS_SERVER_NAME to a name that the certificate has, or \
                     GATEKEEPER_BACKEND_TLS_MODE to verify-ca."
                }
                Some(CertificateRejected::Expired { .. }) => "Renew the server's certificate.",
                Some(CertificateRejected::NotYetValid { .. }) => {
                    "Check the clocks of gateway and server."
                }
                Some(CertificateRejected::Invalid(_)) | None => {
                    "\"querycop doctor\" on the gateway shows the certificate."
                }
            },
            Self::NoAlpn => "Set GATEKEEPER_BACKEND_TLS_NEGOTIATION to postgres.",
            Self::Alert(_) => {
                "The server may want a client certificate (GATEKEEPER_BACKEND_TLS_CERT and _KEY)."
            }
            Self::Handshake(_) => "\"querycop doctor\" on the gateway shows which step fails.",
        }
    }
}
