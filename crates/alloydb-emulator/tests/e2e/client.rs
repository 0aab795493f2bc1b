//! A connector written for these tests: HTTP by reqwest, TLS by rustls, the exchange by hand.

use std::net::SocketAddr;
use std::sync::{Arc, OnceLock};

use rcgen::{KeyPair, PublicKeyData};
use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::world::{CLUSTER, World};

pub(crate) const DB_NATIVE: u8 = 1;
pub(crate) const AUTO_IAM: u8 = 2;

/// A key pair for all tests: making one takes a while.
pub(crate) fn key() -> &'static KeyPair {
    static KEY: OnceLock<KeyPair> = OnceLock::new();
    KEY.get_or_init(|| {
        KeyPair::generate_for(&rcgen::PKCS_RSA_SHA256).expect("aws-lc makes RSA keys")
    })
}

pub(crate) fn public_key_pem() -> String {
    use base64::Engine as _;
    let der = base64::engine::general_purpose::STANDARD.encode(key().subject_public_key_info());
    format!("-----BEGIN PUBLIC KEY-----\n{der}\n-----END PUBLIC KEY-----\n")
}

/// A certificate and whom it trusts.
pub(crate) struct Material {
    pub(crate) chain: Vec<String>,
    pub(crate) ca: String,
}

impl Material {
    /// Asks the admin API for a certificate, with or without metadata exchange.
    pub(crate) async fn fetch(world: &World, exchange: bool) -> Self {
        let body = json!({
            "publicKey": public_key_pem(),
            "certDuration": "3600s",
            "useMetadataExchange": exchange,
        });
        let path = format!("/v1beta/{CLUSTER}:generateClientCertificate");
        let (status, answer) = post(world, &path, "alices token", &body).await;
        assert_eq!(status, 200, "{answer}");
        Self::of(&answer)
    }

    pub(crate) fn of(answer: &Value) -> Self {
        let chain = answer["pemCertificateChain"].as_array().expect("a chain");
        let texts = chain
            .iter()
            .map(|pem| pem.as_str().expect("PEM").to_owned());
        Self {
            chain: texts.collect(),
            ca: answer["caCert"].as_str().expect("a CA").to_owned(),
        }
    }

    pub(crate) fn config(&self) -> Arc<ClientConfig> {
        let mut roots = RootCertStore::empty();
        for certificate in CertificateDer::pem_slice_iter(self.ca.as_bytes()) {
            roots.add(certificate.expect("PEM")).expect("a CA");
        }
        let chain = self.chain.concat();
        let chain = CertificateDer::pem_slice_iter(chain.as_bytes());
        let chain = chain.collect::<Result<Vec<_>, _>>().expect("PEM");
        let key = PrivateKeyDer::Pkcs8(key().serialize_der().into());
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(&[&rustls::version::TLS13])
            .expect("the provider knows TLS 1.3")
            .with_root_certificates(roots)
            .with_client_auth_cert(chain, key)
            .expect("the key is the certificate's");
        Arc::new(config)
    }

    /// Dials and shakes hands, by the address or by this name.
    pub(crate) async fn dial(
        &self,
        addr: SocketAddr,
        name: Option<&'static str>,
    ) -> std::io::Result<TlsStream<TcpStream>> {
        let name = match name {
            Some(name) => ServerName::try_from(name).expect("a name"),
            None => ServerName::IpAddress(addr.ip().into()),
        };
        let stream = TcpStream::connect(addr).await?;
        TlsConnector::from(self.config())
            .connect(name, stream)
            .await
    }
}

pub(crate) async fn get(world: &World, path: &str, token: &str) -> (u16, Value) {
    let request = reqwest::Client::new()
        .get(format!("{}{path}", world.emulator.http_url()))
        .bearer_auth(token);
    answer(request).await
}

pub(crate) async fn post(world: &World, path: &str, token: &str, body: &Value) -> (u16, Value) {
    let request = reqwest::Client::new()
        .post(format!("{}{path}", world.emulator.http_url()))
        .bearer_auth(token)
        .json(body);
    answer(request).await
}

pub(crate) async fn answer(request: reqwest::RequestBuilder) -> (u16, Value) {
    let response = request.send().await.expect("the emulator answers");
    let status = response.status().as_u16();
    (status, response.json().await.unwrap_or(Value::Null))
}

/// The request of a metadata exchange, with its length.
pub(crate) fn exchange_request(auth_type: u8, token: &str) -> Vec<u8> {
    let mut message = vec![0x0a, 4];
    message.extend(b"test");
    message.extend([
        0x10,
        auth_type,
        0x1a,
        u8::try_from(token.len()).expect("short"),
    ]);
    message.extend(token.as_bytes());
    let mut framed = u32::try_from(message.len())
        .expect("short")
        .to_be_bytes()
        .to_vec();
    framed.extend(message);
    framed
}

/// Runs the exchange; `Err` with the server's text.
pub(crate) async fn exchange(
    stream: &mut TlsStream<TcpStream>,
    auth_type: u8,
    token: &str,
) -> Result<(), String> {
    let io = |error: std::io::Error| format!("i/o: {error}");
    stream
        .write_all(&exchange_request(auth_type, token))
        .await
        .map_err(io)?;
    let len = stream.read_u32().await.map_err(io)?;
    let mut answer = vec![0; len as usize];
    stream.read_exact(&mut answer).await.map_err(io)?;
    match answer.as_slice() {
        [8, 1] => Ok(()),
        [8, 2, 0x12, rest @ ..] => {
            // The text's length is one byte, or two if it is long.
            let at = rest
                .iter()
                .position(|byte| byte & 0x80 == 0)
                .expect("a length");
            Err(String::from_utf8_lossy(&rest[at + 1..]).into_owned())
        }
        other => Err(format!("odd answer {other:?}")),
    }
}

/// Logs in over the stream.
pub(crate) async fn postgres<S>(
    stream: S,
    user: &str,
    password: Option<&str>,
) -> Result<tokio_postgres::Client, tokio_postgres::Error>
where
    S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin + Send + 'static,
{
    let mut config = tokio_postgres::Config::new();
    config.user(user).dbname("postgres");
    if let Some(password) = password {
        config.password(password);
    }
    let (client, connection) = config.connect_raw(stream, tokio_postgres::NoTls).await?;
    tokio::spawn(connection);
    Ok(client)
}

pub(crate) async fn value(client: &tokio_postgres::Client, sql: &str) -> String {
    let row = client
        .query_one(sql, &[])
        .await
        .expect("the statement succeeds");
    row.get(0)
}
