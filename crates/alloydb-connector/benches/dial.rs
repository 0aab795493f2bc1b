//! A dial on a warm connector beside the same handshake and exchange made bare, against one server.

use std::hint::black_box;
use std::sync::Arc;
use std::time::Duration;

use criterion::{Criterion, criterion_group, criterion_main};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

#[path = "../tests/e2e/fake/mod.rs"]
#[expect(dead_code, reason = "the tests need more of it")]
#[expect(unused_imports, reason = "the tests need more of it")]
mod fake;

use fake::{Fake, PRIVATE, instance, private};

/// `alloydb-rust-connector/0.1.0`, `DB_NATIVE`, `ya29.static`.
const REQUEST: &[u8] = b"\0\0\0\x2d\x0a\x1calloydb-rust-connector/0.1.0\x10\x01\x1a\x0bya29.static";

fn bare_config(fake: &Fake) -> Arc<ClientConfig> {
    let pair = rcgen::KeyPair::generate_for(&rcgen::PKCS_RSA_SHA256).expect("aws-lc-rs can");
    let life = Duration::from_hours(1);
    let chain = fake.api.cluster.client_chain(&pair.public_key_pem(), life);
    let chain = chain.iter().map(|pem| {
        CertificateDer::from_pem_slice(pem.as_bytes()).expect("the fake's certificates are PEM")
    });
    let key = PrivateKeyDer::Pkcs8(pair.serialize_der().into());
    let mut roots = RootCertStore::empty();
    roots
        .add(fake.api.cluster.root())
        .expect("the root is good");
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])
        .expect("it is known")
        .with_root_certificates(roots)
        .with_client_auth_cert(chain.collect(), key)
        .expect("the key is the certificate's");
    config.resumption = rustls::client::Resumption::disabled();
    Arc::new(config)
}

async fn bare(fake: &Fake, config: Arc<ClientConfig>) {
    let tcp = TcpStream::connect(fake.tunnel).await.expect("it listens");
    tcp.set_nodelay(true).expect("it is TCP");
    let name = ServerName::try_from(PRIVATE).expect("it is an address");
    let tls = TlsConnector::from(config).connect(name, tcp).await;
    let mut tls = tls.expect("the fake shakes hands");
    tls.write_all(REQUEST).await.expect("it is open");
    tls.flush().await.expect("it is open");
    let mut answer = [0; 6];
    tls.read_exact(&mut answer).await.expect("the fake answers");
    black_box(answer);
}

fn dial(criterion: &mut Criterion) {
    // One thread for both sides, so that what is measured is work and not who wakes whom.
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime");
    let (fake, dialer) = runtime.block_on(async {
        let fake = Fake::start().await;
        let dialer = fake.dialer().await;
        dialer.prepare(&instance()).await.expect("the fake answers");
        (fake, dialer)
    });
    let config = bare_config(&fake);
    let mut group = criterion.benchmark_group("dial");
    group.bench_function("bare", |bencher| {
        bencher
            .to_async(&runtime)
            .iter(|| bare(&fake, config.clone()));
    });
    group.bench_function("connector", |bencher| {
        let options = private();
        bencher.to_async(&runtime).iter(|| async {
            let stream = dialer.dial(&instance(), &options).await;
            black_box(stream.expect("the fake answers"));
        });
    });
    group.finish();
}

criterion_group!(benches, dial);
criterion_main!(benches);
