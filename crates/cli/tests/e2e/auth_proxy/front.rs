//! A proxy for HTTPS that leads all names to one server, with a certificate for some of them.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use querycop_testkit::certificates::{Authority, Identity};
use rustls::ServerConfig;
use tokio::io::{AsyncReadExt, AsyncWriteExt, copy_bidirectional};
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;

use super::accepting::Accepting;

/// A running one; it ends when it is dropped.
pub(super) struct Front {
    /// For `HTTPS_PROXY`.
    pub(super) url: String,
    /// For `SSL_CERT_FILE`.
    pub(super) authority: PathBuf,
    asked: Arc<Mutex<Vec<String>>>,
    _server: Accepting,
}

impl Front {
    /// Stands for `names`, and hands what it is told on to `to` in clear. Its authority is written into
    /// `directory`.
    pub(super) fn start(names: &[&str], to: SocketAddr, directory: &Path) -> Self {
        let authority = Authority::new("front");
        let acceptor = acceptor(&authority.server(names));
        let asked = Arc::<Mutex<Vec<String>>>::default();
        let kept = Arc::clone(&asked);
        let server = Accepting::start(move |client| {
            let (acceptor, kept) = (acceptor.clone(), Arc::clone(&kept));
            async move {
                // Whoever is led wrongly notices.
                let _ = lead(client, &acceptor, to, &kept).await;
            }
        });
        Self {
            url: format!("http://{}", server.addr),
            authority: authority.write(directory, "front"),
            asked,
            _server: server,
        }
    }

    /// To whom it was asked to lead, each once.
    pub(super) fn asked(&self) -> Vec<String> {
        let asked = self.asked.lock().unwrap_or_else(PoisonError::into_inner);
        let mut names = asked.clone();
        names.sort();
        names.dedup();
        names
    }
}

fn acceptor(identity: &Identity) -> TlsAcceptor {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("the provider has them")
        .with_no_client_auth()
        .with_single_cert(identity.chain().to_vec(), identity.private_key())
        .expect("they belong together");
    // gRPC wants the one, and both servers tell them apart in clear.
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    TlsAcceptor::from(Arc::new(config))
}

async fn lead(
    mut client: TcpStream,
    acceptor: &TlsAcceptor,
    to: SocketAddr,
    asked: &Mutex<Vec<String>>,
) -> std::io::Result<()> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(client.read_u8().await?);
    }
    let head = String::from_utf8_lossy(&head);
    let name = head.split(' ').nth(1).unwrap_or_default().to_owned();
    asked
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .push(name);
    client.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await?;
    let mut client = acceptor.accept(client).await?;
    let mut server = TcpStream::connect(to).await?;
    copy_bidirectional(&mut client, &mut server).await?;
    Ok(())
}
