//! A fake AlloyDB: one cluster with one instance, whose behaviour a test sets.

pub(crate) mod admin;
pub(crate) mod cluster;
pub(crate) mod server;

use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use alloydb_connector::{
    Credentials, DialOptions, DialTarget, Dialer, DialerBuilder, InstanceUri, Proxy, RsaKey,
};
use tokio::net::TcpStream;

pub(crate) use admin::{Api, Call, Fault};
pub(crate) use cluster::Cluster;
pub(crate) use server::Answer;

pub(crate) const PRIVATE: &str = "10.0.0.5";
pub(crate) const PUBLIC: &str = "34.1.2.3";
pub(crate) const PSC: &str = "uid.region.alloydb.goog";
pub(crate) const TOKEN: &str = "ya29.static";

/// The admin API and the instance, with all that tests look at.
pub(crate) struct Fake {
    pub(crate) admin: SocketAddr,
    pub(crate) tunnel: SocketAddr,
    pub(crate) api: Arc<Api>,
    pub(crate) server: Arc<server::Behaviour>,
    /// What the dial function was asked for.
    pub(crate) targets: Arc<Mutex<Vec<String>>>,
}

impl Fake {
    pub(crate) async fn start() -> Self {
        Self::with(Cluster::new()).await
    }

    pub(crate) async fn with(cluster: Cluster) -> Self {
        let cluster = Arc::new(cluster);
        let server = Arc::new(server::Behaviour::new(&cluster));
        let tunnel = server::start(server.clone()).await;
        let api = Arc::new(Api::new(cluster));
        let admin = admin::start(api.clone()).await;
        Self {
            admin,
            tunnel,
            api,
            server,
            targets: Arc::default(),
        }
    }

    pub(crate) fn endpoint(&self) -> String {
        format!("http://{}", self.admin)
    }

    /// A builder that finds this fake; tests go on from it.
    pub(crate) fn builder(&self) -> DialerBuilder {
        let tunnel = self.tunnel;
        let targets = self.targets.clone();
        Dialer::builder()
            .credentials(Credentials::token(TOKEN.into()))
            .admin_endpoint(self.endpoint())
            .iam_credentials_endpoint(self.endpoint())
            .proxy(Proxy::none())
            .rsa_key(key())
            .dial_function(move |target: DialTarget| {
                let mut seen = targets.lock().expect("no test panics with it");
                seen.push(format!("{}:{}", target.host(), target.port()));
                TcpStream::connect(tunnel)
            })
    }

    pub(crate) async fn dialer(&self) -> Dialer {
        self.builder().build().await.expect("the options are good")
    }

    /// How often each method of the admin API was called.
    pub(crate) fn calls(&self) -> (usize, usize) {
        (
            self.api.infos.load(Ordering::SeqCst),
            self.api.certificates.load(Ordering::SeqCst),
        )
    }
}

pub(crate) fn instance() -> InstanceUri {
    "projects/google.com:proj/locations/l/clusters/c/instances/i"
        .parse()
        .expect("it is one")
}

pub(crate) fn private() -> DialOptions {
    DialOptions::new()
}

/// One key for all tests but those about keys: to make one takes a while.
pub(crate) fn key() -> RsaKey {
    static KEY: std::sync::OnceLock<RsaKey> = std::sync::OnceLock::new();
    KEY.get_or_init(|| {
        let pair = rcgen::KeyPair::generate_for(&rcgen::PKCS_RSA_SHA256).expect("aws-lc-rs can");
        RsaKey::from_pem(&pair.serialize_pem()).expect("it is RSA")
    })
    .clone()
}

/// Waits for a condition that other tasks bring about.
pub(crate) async fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let waited = async {
        while !holds() {
            tokio::task::yield_now().await;
        }
    };
    let deadline = std::time::Duration::from_secs(30);
    let waited = tokio::time::timeout(deadline, waited).await;
    assert!(waited.is_ok(), "waited in vain for {what}");
}

/// An error with all its causes.
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}

pub(crate) fn count(counter: &AtomicUsize) -> usize {
    counter.load(Ordering::SeqCst)
}
