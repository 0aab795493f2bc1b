//! TLS toward clients: the proxy is the server.

use std::io;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use arc_swap::ArcSwap;
use querycop_serve::Socket;
use querycop_wire::startup::StartupPacket;
use rustls::ServerConfig;
use rustls::crypto::aws_lc_rs;
use rustls::server::NoServerSessionStorage;
use rustls_pki_types::pem::{self, PemObject};
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use thiserror::Error;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio_rustls::LazyConfigAcceptor;
use tokio_rustls::server::TlsStream;

use crate::ListenerTls;
use crate::opening::{Opening, OpeningError};

/// PostgreSQL's name in ALPN: <https://www.postgresql.org/docs/current/protocol-flow.html>.
const ALPN: &[u8] = b"postgresql";

/// One request for GSSAPI encryption may come before the one for TLS.
const MAX_REQUESTS: usize = 2;

/// Turns sockets into connections under TLS.
#[derive(Debug)]
pub(crate) struct Acceptor {
    files: ListenerTls,
    config: ArcSwap<ServerConfig>,
}

/// A certificate or key can't be used.
#[derive(Debug, Error)]
pub(crate) enum MaterialError {
    #[error("{}", path.display())]
    Read {
        path: PathBuf,
        #[source]
        cause: pem::Error,
    },
    #[error("{} holds no {wanted}", path.display())]
    Empty { path: PathBuf, wanted: &'static str },
    #[error("certificate {} can't be used with key {}", files.certificate.display(), files.key.display())]
    Pair {
        files: ListenerTls,
        #[source]
        cause: rustls::Error,
    },
}

/// A client was not led to TLS.
#[derive(Debug, Error)]
pub(crate) enum NegotiationError {
    #[error(transparent)]
    Opening(#[from] OpeningError),
    #[error("TLS handshake with the client failed")]
    Handshake(#[source] io::Error),
    #[error("direct TLS without the protocol name \"postgresql\" (ALPN)")]
    NoAlpn,
    #[error("the client asks for encryption again and again")]
    Requests,
}

/// What a client has agreed to.
pub(crate) enum Negotiated {
    /// TLS.
    Tls(Client),
    /// A packet in clear that may pass: its bytes are to be sent on.
    Plain(Client, Vec<u8>),
    /// A start-up message in clear, where TLS is required.
    Refused(Client),
    /// The client went.
    Gone,
}

/// A client's connection.
#[derive(Debug)]
pub(crate) enum Client {
    /// In clear.
    Plain(Socket),
    /// Under TLS.
    Tls(Box<TlsStream<Socket>>),
}

impl Acceptor {
    /// Reads the files.
    pub(crate) fn load(files: &ListenerTls) -> Result<Self, MaterialError> {
        Ok(Self {
            config: ArcSwap::from_pointee(read(files)?),
            files: files.clone(),
        })
    }

    /// Reads the files again; what can't be used leaves the old in place.
    pub(crate) fn reload(&self) -> Result<(), MaterialError> {
        self.config.store(Arc::new(read(&self.files)?));
        Ok(())
    }

    /// Leads a client to TLS. Over a Unix socket, where no PostgreSQL client has TLS, and for a
    /// cancel request, for which many don't use it, clear text passes. Not cancel safe.
    pub(crate) async fn negotiate(
        &self,
        mut socket: Socket,
    ) -> Result<Negotiated, NegotiationError> {
        for _ in 0..=MAX_REQUESTS {
            let (packet, bytes) = match Opening::read(&mut socket).await? {
                Opening::Nothing => return Ok(Negotiated::Gone),
                Opening::DirectTls(first) => return self.direct(socket, &first).await,
                Opening::Packet(packet, bytes) => (packet, bytes),
            };
            let answer = match packet {
                StartupPacket::SslRequest => b"S",
                StartupPacket::GssEncRequest => b"N",
                StartupPacket::Cancel(_) => {
                    return Ok(Negotiated::Plain(Client::Plain(socket), bytes));
                }
                StartupPacket::Message(_) => {
                    return Ok(if matches!(socket, Socket::Unix(_)) {
                        Negotiated::Plain(Client::Plain(socket), bytes)
                    } else {
                        Negotiated::Refused(Client::Plain(socket))
                    });
                }
            };
            let answered = socket.write_all(answer).await;
            answered.map_err(NegotiationError::Handshake)?;
            if answer == b"S" {
                let acceptor = tokio_rustls::TlsAcceptor::from(self.config.load_full());
                let stream = acceptor.accept(socket).await;
                let stream = stream.map_err(NegotiationError::Handshake)?;
                return Ok(Negotiated::Tls(Client::Tls(Box::new(stream))));
            }
        }
        Err(NegotiationError::Requests)
    }

    /// The handshake of direct TLS, of which `first` was read already.
    async fn direct(
        &self,
        socket: Socket,
        mut first: &[u8],
    ) -> Result<Negotiated, NegotiationError> {
        let mut acceptor = rustls::server::Acceptor::default();
        while !first.is_empty() {
            let read = acceptor.read_tls(&mut first);
            read.map_err(NegotiationError::Handshake)?;
        }
        let start = LazyConfigAcceptor::new(acceptor, socket).await;
        let start = start.map_err(NegotiationError::Handshake)?;
        // PostgreSQL asks the same: without the name, a browser could be made to talk to the port.
        let hello = start.client_hello();
        let mut names = hello.alpn().into_iter().flatten();
        if !names.any(|name| name == ALPN) {
            return Err(NegotiationError::NoAlpn);
        }
        drop(names);
        let stream = start.into_stream(self.config.load_full()).await;
        let stream = stream.map_err(NegotiationError::Handshake)?;
        Ok(Negotiated::Tls(Client::Tls(Box::new(stream))))
    }
}

fn read(files: &ListenerTls) -> Result<ServerConfig, MaterialError> {
    let pair = |cause| MaterialError::Pair {
        files: files.clone(),
        cause,
    };
    let provider = Arc::new(aws_lc_rs::default_provider());
    let builder = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(pair)?
        .with_no_client_auth();
    let chain = certificates(&files.certificate)?;
    let key = match PrivateKeyDer::from_pem_file(&files.key) {
        Ok(key) => key,
        Err(pem::Error::NoItemsFound) => {
            return Err(MaterialError::Empty {
                path: files.key.clone(),
                wanted: "private key (encrypted keys are not read)",
            });
        }
        Err(cause) => {
            return Err(MaterialError::Read {
                path: files.key.clone(),
                cause,
            });
        }
    };
    let mut config = builder.with_single_cert(chain, key).map_err(pair)?;
    config.alpn_protocols = vec![ALPN.to_vec()];
    // libpq doesn't resume TLS sessions: a ticket would only cost time and memory.
    config.send_tls13_tickets = 0;
    config.session_storage = Arc::new(NoServerSessionStorage {});
    Ok(config)
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, MaterialError> {
    let unreadable = |cause| MaterialError::Read {
        path: path.to_owned(),
        cause,
    };
    let found = CertificateDer::pem_file_iter(path).map_err(unreadable)?;
    let found = found.collect::<Result<Vec<_>, _>>().map_err(unreadable)?;
    if found.is_empty() {
        return Err(MaterialError::Empty {
            path: path.to_owned(),
            wanted: "certificate",
        });
    }
    Ok(found)
}

impl Client {
    /// Ready when the client has gone without a word: a port that is only looked at, as probes do,
    /// needs no instance. One that has said something may want to be served all the same, as a
    /// cancel request does. Cancel safe.
    pub(crate) async fn left_unheard(&self) {
        if let Self::Plain(Socket::Tcp(stream)) = self
            && matches!(stream.peek(&mut [0]).await, Ok(0) | Err(_))
        {
            return;
        }
        std::future::pending::<()>().await;
    }
}

// === impl AsyncRead, AsyncWrite for Client ===

impl AsyncRead for Client {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(socket) => Pin::new(socket).poll_read(cx, buf),
            Self::Tls(stream) => Pin::new(stream).poll_read(cx, buf),
        }
    }
}

impl AsyncWrite for Client {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Plain(socket) => Pin::new(socket).poll_write(cx, bytes),
            Self::Tls(stream) => Pin::new(stream).poll_write(cx, bytes),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(socket) => Pin::new(socket).poll_flush(cx),
            Self::Tls(stream) => Pin::new(stream).poll_flush(cx),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(socket) => Pin::new(socket).poll_shutdown(cx),
            Self::Tls(stream) => Pin::new(stream).poll_shutdown(cx),
        }
    }
}
