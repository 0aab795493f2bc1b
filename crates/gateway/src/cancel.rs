//! Forwards a request to cancel a statement.
//!
//! The key data that a client holds are the server's own, so the gateway need not remember anything:
//! any gateway in front of the same server can forward any request.

use querycop_wire::startup::CancelRequest;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::timeout;
use tracing::{debug, warn};

use crate::backend::Attempt;
use crate::leg::Leg;
use crate::shared::Shared;

/// Sends the request to the server, waits until the server has taken it, and closes.
///
/// The client waits for the close: libpq goes on only then, and the signal has been sent.
pub(crate) async fn forward(shared: &Shared, request: &CancelRequest, client: Leg) {
    send(shared, request).await;
    client.farewell(b"").await;
}

/// Sends the request to the server, and waits until the server has taken it.
pub(crate) async fn send(shared: &Shared, request: &CancelRequest) {
    let delivered = match shared.backend.connect(Attempt::First).await {
        Ok(mut backend) => {
            let limit = shared.backend.settings.connect_timeout;
            let delivery = async {
                backend.write_all(request.as_bytes()).await?;
                backend.flush().await?;
                // The server answers nothing and closes.
                backend.read(&mut [0]).await
            };
            match timeout(limit, delivery).await {
                Ok(Ok(_)) => Ok(()),
                // A reset is also a close.
                Ok(Err(error)) if error.kind() == std::io::ErrorKind::ConnectionReset => Ok(()),
                Ok(Err(error)) => Err(error.to_string()),
                Err(_) => Err("i/o timeout".to_owned()),
            }
        }
        Err(error) => Err(error.to_string()),
    };
    shared.metrics.cancel_forwarded(delivered.is_ok());
    match delivered {
        Ok(()) => debug!(
            process_id = request.process_id(),
            "cancel request forwarded"
        ),
        Err(error) => warn!(
            process_id = request.process_id(),
            "cancel request not delivered: {error}"
        ),
    }
}
