//! A small HTTP server: health and metrics on one port, the operator's endpoints on another.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::header::{CONTENT_TYPE, HeaderValue};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use querycop_serve::{BindError, Endpoint, Listener, Socket};
use thiserror::Error;
use tokio::net::lookup_host;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::task::AbortOnDropHandle;

/// Time for a request's head.
const HEAD_TIMEOUT: Duration = Duration::from_secs(10);

/// The longest request head, in bytes and in fields.
const MAX_HEAD: usize = 16 * 1024;
const MAX_FIELDS: usize = 64;

/// Connections at a time: probes, scrapes and a person come nowhere near.
const MAX_CONNECTIONS: usize = 256;

/// How long a connection may live: the longest probe dials for half a minute, and profiles may take
/// as long as they like within this.
const LIFETIME: Duration = Duration::from_mins(5);

/// An answer.
pub(crate) type Answer = Response<Full<Bytes>>;

/// Answers requests.
pub(crate) trait Handler: Send + Sync + 'static {
    fn answer(&self, request: Request<Incoming>) -> impl Future<Output = Answer> + Send;
}

/// A server whose port is open; dropping it closes the port and cuts off whoever is connected.
#[derive(Debug)]
pub(crate) struct HttpServer {
    local_addr: SocketAddr,
    _serving: AbortOnDropHandle<()>,
}

/// The port can't be opened.
#[derive(Debug, Error)]
pub(crate) enum HttpError {
    #[error("{port:?} is no port: ports are 0 to 65535")]
    Port { port: String },
    #[error("the address {address:?} can't be looked up")]
    Lookup {
        address: String,
        #[source]
        cause: io::Error,
    },
    #[error("the address {address:?} leads nowhere")]
    Nowhere { address: String },
    #[error(transparent)]
    Bind(#[from] BindError),
}

impl HttpServer {
    /// Opens the port, on the first of the name's addresses that has it free, and serves.
    pub(crate) async fn start(
        address: &str,
        port: &str,
        handler: impl Handler,
    ) -> Result<Self, HttpError> {
        let listener = bind(address, port).await?;
        let Endpoint::Tcp(local_addr) = *listener.endpoint() else {
            return Err(HttpError::Nowhere {
                address: address.to_owned(),
            });
        };
        let serving = tokio::spawn(serve(listener, Arc::new(handler)));
        Ok(Self {
            local_addr,
            _serving: AbortOnDropHandle::new(serving),
        })
    }

    /// The address as bound: a port 0 has become the real one.
    pub(crate) fn local_addr(&self) -> SocketAddr {
        self.local_addr
    }
}

async fn bind(address: &str, port: &str) -> Result<Listener, HttpError> {
    let number = port.parse::<u16>().map_err(|_| HttpError::Port {
        port: port.to_owned(),
    })?;
    // An IPv6 address may come as a URL has it.
    let host = address.trim_start_matches('[').trim_end_matches(']');
    let looked_up = lookup_host((host, number)).await;
    let looked_up = looked_up.map_err(|cause| HttpError::Lookup {
        address: address.to_owned(),
        cause,
    })?;
    let mut addresses: Vec<_> = looked_up.collect();
    // As the original, for whom `localhost` is 127.0.0.1.
    addresses.sort_by_key(SocketAddr::is_ipv6);
    let mut bound = Err(HttpError::Nowhere {
        address: address.to_owned(),
    });
    for address in addresses {
        match Listener::bind(&Endpoint::Tcp(address)) {
            Ok(listener) => return Ok(listener),
            Err(error) if bound.is_err() => bound = Err(error.into()),
            Err(_) => {}
        }
    }
    bound
}

async fn serve<H: Handler>(mut listener: Listener, handler: Arc<H>) {
    let places = Arc::new(Semaphore::new(MAX_CONNECTIONS));
    // Dropped with this task, and the connections with it.
    let mut connections = tokio::task::JoinSet::new();
    loop {
        tokio::select! {
            (socket, _) = listener.accept() => {
                if let Ok(place) = Arc::clone(&places).try_acquire_owned() {
                    connections.spawn(converse(socket, Arc::clone(&handler), place));
                }
            }
            Some(_) = connections.join_next() => {}
        }
    }
}

async fn converse<H: Handler>(socket: Socket, handler: Arc<H>, _place: OwnedSemaphorePermit) {
    let service = service_fn(move |request| {
        let handler = Arc::clone(&handler);
        async move { Ok::<_, std::convert::Infallible>(handler.answer(request).await) }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIMEOUT)
        // As Go writes them: some scripts look for the names as they are.
        .title_case_headers(true)
        .max_buf_size(MAX_HEAD)
        .max_headers(MAX_FIELDS)
        .serve_connection(TokioIo::new(socket), service);
    // How it ended is the client's affair.
    let _ = tokio::time::timeout(LIFETIME, connection).await;
}

/// An answer in plain text.
pub(crate) fn text(status: StatusCode, body: impl Into<Bytes>) -> Answer {
    typed(status, "text/plain; charset=utf-8", body)
}

/// An answer of some type.
pub(crate) fn typed(
    status: StatusCode,
    content_type: &'static str,
    body: impl Into<Bytes>,
) -> Answer {
    let mut answer = Response::new(Full::new(body.into()));
    *answer.status_mut() = status;
    let content_type = HeaderValue::from_static(content_type);
    answer.headers_mut().insert(CONTENT_TYPE, content_type);
    answer
}

/// There is nothing at that path.
pub(crate) fn not_found() -> Answer {
    text(StatusCode::NOT_FOUND, "404 page not found\n")
}
