//! The fake instance: TLS 1.3 with client certificates, the metadata exchange, then an echo.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use prost::Message;
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use x509_parser::prelude::{FromDer as _, X509Certificate};

use super::Cluster;

/// What the instance does, and what it saw.
pub(crate) struct Behaviour {
    pub(crate) tls: Mutex<Arc<ServerConfig>>,
    pub(crate) answer: Mutex<Answer>,
    pub(crate) exchanges: Mutex<Vec<Exchanged>>,
    pub(crate) accepted: AtomicUsize,
    /// Connections that the other side has closed.
    pub(crate) ended: AtomicUsize,
    pub(crate) server_names: Mutex<Vec<Option<String>>>,
    /// The ends of the client certificates that were shown.
    pub(crate) client_ends: Mutex<Vec<SystemTime>>,
}

/// What comes after a client's request.
#[derive(Clone, Debug)]
pub(crate) enum Answer {
    /// These bytes, then an echo.
    Bytes(Vec<u8>),
    /// These bytes one by one, each in a TLS record of its own, then an echo.
    Split(Vec<u8>),
    Silence,
    Close,
}

impl Answer {
    pub(crate) fn ok() -> Self {
        Self::Bytes(vec![0, 0, 0, 2, 8, 1])
    }

    pub(crate) fn refusal(text: &str) -> Self {
        let mut body = vec![8, 2, 0x12, u8::try_from(text.len()).expect("it is short")];
        body.extend_from_slice(text.as_bytes());
        let mut bytes = u32::try_from(body.len())
            .expect("it is short")
            .to_be_bytes()
            .to_vec();
        bytes.extend_from_slice(&body);
        Self::Bytes(bytes)
    }
}

/// A client's request, as it was read.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct Exchanged {
    #[prost(string, tag = "1")]
    pub(crate) user_agent: String,
    #[prost(int32, tag = "2")]
    pub(crate) auth_type: i32,
    #[prost(string, tag = "3")]
    pub(crate) token: String,
}

impl Behaviour {
    pub(crate) fn new(cluster: &Cluster) -> Self {
        let (chain, key) = cluster.server();
        Self {
            tls: Mutex::new(config(cluster, chain, key, &[&rustls::version::TLS13])),
            answer: Mutex::new(Answer::ok()),
            exchanges: Mutex::default(),
            accepted: AtomicUsize::new(0),
            ended: AtomicUsize::new(0),
            server_names: Mutex::default(),
            client_ends: Mutex::default(),
        }
    }

    pub(crate) fn answers(&self, answer: Answer) {
        *self.answer.lock().expect("no test panics with it") = answer;
    }

    pub(crate) fn serve_with(&self, config: Arc<ServerConfig>) {
        *self.tls.lock().expect("no test panics with it") = config;
    }

    pub(crate) fn exchanged(&self) -> Vec<Exchanged> {
        self.exchanges
            .lock()
            .expect("no test panics with it")
            .clone()
    }
}

/// A server that asks for certificates of the cluster.
pub(crate) fn config(
    clients: &Cluster,
    chain: Vec<rustls_pki_types::CertificateDer<'static>>,
    key: rustls_pki_types::PrivateKeyDer<'static>,
    versions: &[&'static rustls::SupportedProtocolVersion],
) -> Arc<ServerConfig> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut roots = RootCertStore::empty();
    roots.add(clients.root()).expect("the root is good");
    let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider.clone())
        .build()
        .expect("there is a root");
    let config = ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(versions)
        .expect("the versions are known")
        .with_client_cert_verifier(verifier)
        .with_single_cert(chain, key)
        .expect("the key is the certificate's");
    Arc::new(config)
}

pub(crate) async fn start(behaviour: Arc<Behaviour>) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("it is bound");
    tokio::spawn(async move {
        loop {
            let (tcp, _) = listener.accept().await.expect("it listens");
            // Else a delayed acknowledgement is all that a measurement shows.
            tcp.set_nodelay(true).expect("it is TCP");
            behaviour.accepted.fetch_add(1, Ordering::SeqCst);
            let behaviour = behaviour.clone();
            tokio::spawn(async move {
                serve(tcp, &behaviour).await;
                behaviour.ended.fetch_add(1, Ordering::SeqCst);
            });
        }
    });
    address
}

async fn serve(tcp: TcpStream, behaviour: &Behaviour) -> Option<()> {
    let tls = behaviour.tls.lock().ok()?.clone();
    let mut tls = TlsAcceptor::from(tls).accept(tcp).await.ok()?;
    let name = tls.get_ref().1.server_name().map(str::to_owned);
    behaviour.server_names.lock().ok()?.push(name);
    let client = tls.get_ref().1.peer_certificates()?.first()?;
    let (_, client) = X509Certificate::from_der(client).ok()?;
    let end = u64::try_from(client.validity().not_after.timestamp()).ok()?;
    let end = UNIX_EPOCH + Duration::from_secs(end);
    behaviour.client_ends.lock().ok()?.push(end);
    let length = tls.read_u32().await.ok()?;
    let mut body = vec![0; usize::try_from(length).ok()?];
    tls.read_exact(&mut body).await.ok()?;
    let exchanged = Exchanged::decode(body.as_slice()).ok()?;
    behaviour.exchanges.lock().ok()?.push(exchanged);
    let answer = behaviour.answer.lock().ok()?.clone();
    match answer {
        Answer::Bytes(bytes) => tls.write_all(&bytes).await.ok()?,
        Answer::Split(bytes) => {
            for byte in bytes {
                tls.write_u8(byte).await.ok()?;
                tls.flush().await.ok()?;
            }
        }
        Answer::Silence => {}
        Answer::Close => return tls.shutdown().await.ok(),
    }
    tls.flush().await.ok()?;
    let (mut read, mut write) = tokio::io::split(tls);
    tokio::io::copy(&mut read, &mut write).await.ok()?;
    write.shutdown().await.ok()
}
