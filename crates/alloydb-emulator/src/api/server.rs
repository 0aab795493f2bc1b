//! Accepts HTTP connections, plain and under TLS.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use querycop_serve::Listener;
use rustls::ServerConfig;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::answer;
use crate::state::State;

/// Time that a client has for its handshake, for its first request, and for the head of each.
pub(super) const PATIENCE: Duration = Duration::from_secs(30);

/// What connections are protected with.
#[derive(Clone)]
pub(crate) enum Certificate {
    Plain,
    Tls(Arc<ServerConfig>),
}

/// Serves until it is told to end; then connections end where they are.
pub(crate) async fn serve(
    mut listener: Listener,
    certificate: Certificate,
    state: Arc<State>,
    tracker: TaskTracker,
    ended: CancellationToken,
) {
    loop {
        let (stream, _) = tokio::select! {
            accepted = listener.accept() => accepted,
            () = ended.cancelled() => return,
        };
        let (state, certificate) = (state.clone(), certificate.clone());
        let serve = async move {
            match certificate {
                Certificate::Plain => connection(stream, state).await,
                Certificate::Tls(config) => {
                    match timeout(PATIENCE, TlsAcceptor::from(config).accept(stream)).await {
                        Ok(Ok(stream)) => connection(stream, state).await,
                        Ok(Err(error)) => tracing::debug!(%error, "TLS handshake failed"),
                        Err(_) => tracing::debug!("TLS handshake took too long"),
                    }
                }
            }
        };
        tracker.spawn(ended.clone().run_until_cancelled_owned(serve));
    }
}

async fn connection(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    state: Arc<State>,
) {
    let asked = CancellationToken::new();
    let first = asked.clone();
    let service =
        hyper::service::service_fn(move |request: http::Request<hyper::body::Incoming>| {
            first.cancel();
            let state = state.clone();
            async move {
                let answer = answer(state, request.map(Body::new)).await;
                Ok::<_, std::convert::Infallible>(answer)
            }
        });
    let mut server = auto::Builder::new(TokioExecutor::new());
    server
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(PATIENCE);
    server
        .http2()
        .timer(TokioTimer::new())
        .keep_alive_interval(Some(PATIENCE))
        .keep_alive_timeout(PATIENCE);
    tokio::select! {
        outcome = server.serve_connection(TokioIo::new(stream), service) => {
            if let Err(error) = outcome {
                tracing::debug!(%error, "HTTP connection broke");
            }
        }
        () = never_asked(&asked) => tracing::debug!("HTTP connection without a request closed"),
    }
}

/// Ends if no request comes in time. Until the first bytes have told HTTP/1 from HTTP/2, no
/// deadline of hyper's runs.
async fn never_asked(asked: &CancellationToken) {
    if timeout(PATIENCE, asked.cancelled()).await.is_ok() {
        std::future::pending::<()>().await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_connection_has_a_deadline_until_its_first_request() {
        let asked = CancellationToken::new();
        never_asked(&asked).await;
        asked.cancel();
        timeout(10 * PATIENCE, never_asked(&asked))
            .await
            .unwrap_err();
    }
}
