//! The port of the admin API: who connects, for how long, and how it comes to an end.

use std::future::Future;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use hyper::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::{Service, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use querycop_gateway::{Readiness, Registry};
use querycop_serve::{BindError, Endpoint, Listener, PeerAddr, Socket};
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::debug;

use crate::admin_key::AdminKey;
use crate::permit::Guard;
use crate::places::{Place, Places};
use crate::routes::{Shared, router};
use crate::source::Source;

/// Time for a request's head, counted from the end of the request before it: whoever sends it byte
/// by byte, or keeps a connection for later, gives its place back.
const HEAD_TIMEOUT: Duration = Duration::from_secs(10);

/// The longest request head, in bytes and in fields: a browser's is about 2 KiB.
const MAX_HEAD: usize = 16 * 1024;
const MAX_FIELDS: usize = 64;

/// How long a connection may live, so that one whose client does not read its answers ends too.
const LIFETIME: Duration = Duration::from_mins(1);

/// Time for the answer that is under way when a connection has to end.
const LAST_WORDS: Duration = Duration::from_secs(3);

/// What the API speaks about, and to whom.
#[derive(Debug)]
pub struct Parts {
    /// The sessions that are being served.
    pub registry: Arc<Registry>,
    /// Whether clients can be served.
    pub readiness: Readiness,
    /// What `/metrics` shows.
    pub metrics: Arc<prometheus_client::registry::Registry>,
    /// The key; `None` leaves nothing but health and metrics.
    pub admin_key: Option<AdminKey>,
    /// The version of `querycop`.
    pub version: &'static str,
}

/// An admin API whose port is open.
#[derive(Debug)]
pub struct Api {
    listener: Listener,
    local_addr: SocketAddr,
    router: Router,
}

impl Api {
    /// Opens the port; port 0 lets the system choose one. Must be called within a runtime.
    pub fn bind(address: SocketAddr, parts: Parts) -> Result<Self, BindError> {
        let listener = Listener::bind(&Endpoint::Tcp(address))?;
        let local_addr = match listener.endpoint() {
            Endpoint::Tcp(bound) => *bound,
            Endpoint::Unix(_) => address,
        };
        let router = router(Arc::new(Shared {
            guard: Guard::new(parts.admin_key),
            registry: parts.registry,
            readiness: parts.readiness,
            metrics: parts.metrics,
            version: parts.version,
        }));
        Ok(Self {
            listener,
            local_addr,
            router,
        })
    }

    /// The address as bound: a port 0 has become the real one.
    pub fn local_addr(&self) -> SocketAddr {
        self.local_addr
    }

    /// Serves until `stop` is ready, then finishes the answers that are under way, within three
    /// seconds. `/readyz` tells of a drain only while this runs, so stop the gateway first.
    ///
    /// Cancel safe: a dropped call closes the port and lets the connections end by themselves in
    /// the same time.
    pub async fn serve(self, stop: impl Future<Output = ()>) {
        let Self {
            mut listener,
            router,
            ..
        } = self;
        let service = TowerToHyperService::new(router);
        let places = Arc::<Places>::default();
        let connections = TaskTracker::new();
        let stopping = CancellationToken::new();
        let stop_when_dropped = stopping.clone().drop_guard();
        let mut stop = pin!(stop);
        loop {
            let (socket, peer) = tokio::select! {
                () = &mut stop => break,
                accepted = listener.accept() => accepted,
            };
            let Some(place) = places.take(Source::from(peer)) else {
                debug!(client.addr = %peer, "connection dropped: too many at a time");
                continue;
            };
            let connection = Connection {
                socket,
                peer,
                place,
            };
            connections.spawn(connection.serve(service.clone(), stopping.clone()));
        }
        drop(listener);
        drop(stop_when_dropped);
        connections.close();
        connections.wait().await;
    }
}

/// One connection, and its place among the others.
struct Connection {
    socket: Socket,
    peer: PeerAddr,
    place: Place,
}

impl Connection {
    /// Serves the connection until it ends, or has to.
    async fn serve(self, service: TowerToHyperService<Router>, stopping: CancellationToken) {
        let Self {
            socket,
            peer,
            place: _place,
        } = self;
        let service = service_fn(move |mut request: Request<Incoming>| {
            request.extensions_mut().insert(peer);
            service.call(request)
        });
        let connection = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(HEAD_TIMEOUT)
            .max_buf_size(MAX_HEAD)
            .max_headers(MAX_FIELDS)
            .serve_connection(TokioIo::new(socket), service);
        let mut connection = pin!(connection);
        let ended = tokio::select! {
            ended = &mut connection => Some(ended),
            () = stopping.cancelled() => None,
            () = sleep(LIFETIME) => None,
        };
        let ended = if let Some(ended) = ended {
            Ok(ended)
        } else {
            connection.as_mut().graceful_shutdown();
            timeout(LAST_WORDS, connection).await
        };
        match ended {
            Ok(Ok(())) => {}
            Ok(Err(error)) => debug!(client.addr = %peer, %error, "connection ended out of order"),
            Err(_) => debug!(client.addr = %peer, "connection cut off, its time is over"),
        }
    }
}
