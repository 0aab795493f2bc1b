//! The life of a session, from the accepted socket to its last byte.

use tracing::{Instrument, Span, debug, info, info_span, warn};

use crate::accepted::{Accepted, Negotiated};
use crate::cancel;
use crate::refusal::Blame;
use crate::relay::{Ending, Relay};
use crate::shared::Shared;
use crate::stop::{Stop, chain, one_line};

/// How a session came to its end.
pub(crate) enum End {
    /// It was served.
    Served(Ending),
    /// It was no session, but a request to cancel one's statement.
    Cancelled,
}

/// Serves one connection.
pub(crate) async fn serve(accepted: Accepted) {
    let shared = std::sync::Arc::clone(&accepted.shared);
    let peer = accepted.peer;
    let span = info_span!(
        "session",
        session.id = %accepted.id,
        client.addr = %peer,
        db.user = tracing::field::Empty,
        db.name = tracing::field::Empty,
        backend = %shared.backend.settings.route,
        backend.role = shared.backend.settings.role.map(crate::config::BackendRole::as_str),
    );
    // The stages before the relay live in a box that is gone when the relay begins: a session that
    // is served holds no more memory than its relay needs. Nor is the relay inside the span, which
    // would be entered and left at every message.
    let outcome = match Box::pin(establish(accepted).instrument(span.clone())).await {
        Ok(Established::Session(relay)) => Ok(End::Served(relay.run(&span).await)),
        Ok(Established::Cancelled) => Ok(End::Cancelled),
        Err(stop) => Err(stop),
    };
    report(&shared, &span, peer, outcome);
}

/// What became of a connection before the first statement.
enum Established {
    Session(Box<Relay>),
    Cancelled,
}

async fn establish(accepted: Accepted) -> Result<Established, Stop> {
    let shared = std::sync::Arc::clone(&accepted.shared);
    let started = match accepted.negotiate().await? {
        Negotiated::Session(started) => started,
        Negotiated::Cancel {
            request,
            client,
            place: _place,
        } => {
            cancel::forward(&shared, &request, client).await;
            return Ok(Established::Cancelled);
        }
    };
    let admitted = started.admit().await?;
    let connected = admitted.connect().await?;
    Ok(Established::Session(Box::new(connected.into_relay())))
}

/// One line in the log, one count in the metrics.
fn report(
    shared: &Shared,
    span: &Span,
    peer: querycop_serve::PeerAddr,
    outcome: Result<End, Stop>,
) {
    let _entered = span.enter();
    let metrics = &shared.metrics;
    match outcome {
        Ok(End::Served(ending)) => ending.report(metrics),
        Ok(End::Cancelled) => {}
        Err(Stop::Refused(refusal)) => {
            metrics.refused(refusal.kind());
            match refusal.blame() {
                Blame::Operator => warn!("{}", one_line(&refusal.to_string())),
                Blame::Client => info!("client refused: {}", one_line(&refusal.to_string())),
            }
        }
        Err(Stop::Rejected(error)) => {
            metrics.login_rejected();
            warn!(sqlstate = error.code, "{}", one_line(&error.message));
        }
        Err(Stop::Dropped(why, cause)) => {
            metrics.dropped(why);
            let cause = cause.map(|cause| chain(&*cause));
            if shared.dropped_log.admits(peer.ip()) {
                info!(
                    reason = why.as_str(),
                    cause, "connection dropped before start-up"
                );
            } else {
                debug!(
                    reason = why.as_str(),
                    cause, "connection dropped before start-up"
                );
            }
        }
        Err(Stop::ClientLeft) => debug!("client left before its session began"),
        Err(Stop::ClientLost(error)) => debug!(%error, "client lost before its session began"),
    }
}
