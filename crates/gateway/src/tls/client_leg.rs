//! TLS on the client leg: the gateway is the server.

use std::io;
use std::path::Path;
use std::sync::Arc;

use querycop_serve::Socket;
use rustls::ServerConfig;
use rustls::crypto::aws_lc_rs;
use rustls::server::{NoServerSessionStorage, WebPkiClientVerifier};
use thiserror::Error;
use tokio_rustls::{LazyConfigAcceptor, TlsStream};

use super::{ALPN, MaterialError, pem};
use crate::config::ClientTls;
use crate::leg::Leg;

/// Turns a socket into one under TLS.
#[derive(Clone, Debug)]
pub(crate) struct Acceptor {
    config: Arc<ServerConfig>,
}

/// TLS with a client came to nothing.
#[derive(Debug, Error)]
pub(crate) enum AcceptError {
    #[error("TLS handshake with the client failed")]
    Handshake(#[source] io::Error),
    #[error("direct TLS without the protocol name \"postgresql\" (ALPN)")]
    NoAlpn,
}

impl Acceptor {
    /// Reads the files that `settings` name.
    pub(crate) fn load(settings: &ClientTls) -> Result<Self, MaterialError> {
        let provider = Arc::new(aws_lc_rs::default_provider());
        let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()
            .map_err(MaterialError::Library)?;
        let builder = match &settings.client_ca {
            None => builder.with_no_client_auth(),
            Some(path) => {
                let verifier = WebPkiClientVerifier::builder_with_provider(
                    Arc::new(pem::bundle(path)?),
                    provider,
                )
                .build()
                .map_err(|cause| MaterialError::Verifier {
                    path: path.clone(),
                    cause,
                })?;
                builder.with_client_cert_verifier(verifier)
            }
        };
        let (chain, key) = pem::identity(&settings.identity)?;
        let mut config =
            builder
                .with_single_cert(chain, key)
                .map_err(|cause| MaterialError::Identity {
                    files: settings.identity.clone(),
                    cause,
                })?;
        config.alpn_protocols = vec![ALPN.to_vec()];
        // libpq does not resume TLS sessions (nor does PostgreSQL offer it): a ticket would only cost
        // time and memory.
        config.send_tls13_tickets = 0;
        config.session_storage = Arc::new(NoServerSessionStorage {});
        Ok(Self {
            config: Arc::new(config),
        })
    }

    /// The files to watch.
    pub(crate) fn files(settings: &ClientTls) -> impl Iterator<Item = &Path> {
        [&settings.identity.certificate, &settings.identity.key]
            .into_iter()
            .chain(&settings.client_ca)
            .map(AsRef::as_ref)
    }

    /// Runs the handshake after an `SSLRequest`. Not cancel safe.
    pub(crate) async fn accept(&self, socket: Socket) -> Result<Leg, AcceptError> {
        let stream = tokio_rustls::TlsAcceptor::from(Arc::clone(&self.config))
            .accept(socket)
            .await
            .map_err(AcceptError::Handshake)?;
        Ok(Leg::Tls(Box::new(TlsStream::Server(stream))))
    }

    /// Runs the handshake of direct TLS, of which `first` was already read. Not cancel safe.
    pub(crate) async fn accept_direct(
        &self,
        socket: Socket,
        mut first: &[u8],
    ) -> Result<Leg, AcceptError> {
        let mut acceptor = rustls::server::Acceptor::default();
        while !first.is_empty() {
            acceptor
                .read_tls(&mut first)
                .map_err(AcceptError::Handshake)?;
        }
        let start = LazyConfigAcceptor::new(acceptor, socket)
            .await
            .map_err(AcceptError::Handshake)?;
        // PostgreSQL asks the same: without the name, a browser could be made to talk to the port.
        let named = start
            .client_hello()
            .alpn()
            .is_some_and(|mut names| names.any(|n| n == ALPN));
        if !named {
            return Err(AcceptError::NoAlpn);
        }
        let stream = start
            .into_stream(Arc::clone(&self.config))
            .await
            .map_err(AcceptError::Handshake)?;
        Ok(Leg::Tls(Box::new(TlsStream::Server(stream))))
    }
}
