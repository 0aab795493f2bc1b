//! The steps to a server that is reached by its address.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, timeout};

use super::{Examination, Trouble};
use crate::backend::{Attempt, ConnectError};
use crate::config::{BackendAddress, TlsMode};
use crate::direct::{Direct, resolve};
use crate::leg::Leg;
use crate::tls::{BackendTlsError, CertificateSummary};

/// What they are called.
pub(super) const STEPS: [&str; 3] = ["resolve", "connect", "tls"];

impl Examination {
    /// Goes as far as a connection that a login can begin on.
    pub(super) async fn reach_address(&mut self) -> Option<Leg> {
        let backend = Arc::clone(&self.backend);
        let direct = backend.direct()?;
        let limit = self.backend.settings.connect_timeout;
        self.step(STEPS[0], async |_| look_up(direct, limit).await)
            .await?;
        self.step(STEPS[1], async |_| dial(direct, limit).await)
            .await?;
        self.step(STEPS[2], async |_| negotiate(direct, limit).await)
            .await
    }
}

async fn look_up(direct: &Direct, limit: Duration) -> Result<((), Vec<String>), Trouble> {
    let (host, port) = match &direct.settings().address {
        BackendAddress::Unix(path) => {
            return Ok(((), vec![format!("Unix socket {}", path.display())]));
        }
        BackendAddress::Tcp { host, port } => (host, *port),
    };
    match timeout(limit, resolve(host, port)).await {
        Ok(Ok(addresses)) => Ok(((), addresses.iter().map(ToString::to_string).collect())),
        Ok(Err(error)) => Err(Trouble::new(
            error.to_string(),
            "Check GATEKEEPER_BACKEND_HOST, and the name servers of this machine.",
        )),
        Err(_) => Err(Trouble::new(
            "i/o timeout".to_owned(),
            "Check the name servers of this machine.",
        )),
    }
}

async fn dial(direct: &Direct, limit: Duration) -> Result<((), Vec<String>), Trouble> {
    let socket = direct.dial(Instant::now() + limit).await.map_err(|error| {
        Trouble::new(
            format!("backend dial failed: {error}"),
            "Check that the server runs and listens there, and the routes and firewalls between.",
        )
    })?;
    drop(socket);
    let address = &direct.settings().address;
    Ok(((), vec![format!("{address} accepts connections")]))
}

async fn negotiate(direct: &Direct, limit: Duration) -> Result<(Leg, Vec<String>), Trouble> {
    let mode = direct.settings().tls.mode;
    match direct.connect(Attempt::First).await {
        Ok(leg) => {
            let details = leg.tls().map_or_else(
                || vec![format!("no TLS (mode {})", mode.as_str())],
                |tls| tls_details(tls, mode),
            );
            Ok((leg, details))
        }
        Err(ConnectError::Tls(error)) => {
            let mut trouble = Trouble::new(
                format!("backend TLS negotiation failed: {error}"),
                error.hint(),
            );
            if let BackendTlsError::Certificate(_) = error {
                trouble.details = certificate_of_server(direct, limit).await;
            }
            Err(trouble)
        }
        Err(error) => Err(Trouble::new(
            error.to_string(),
            "Try again: the step before this one worked.",
        )),
    }
}

/// What the server shows, when it was refused: read without verifying, and for nothing else.
async fn certificate_of_server(direct: &Direct, limit: Duration) -> Vec<String> {
    let mut settings = direct.settings().clone();
    settings.tls.mode = TlsMode::Require;
    let Ok(unverified) = Direct::load(settings, limit) else {
        return Vec::new();
    };
    let Ok(leg) = unverified.connect(Attempt::First).await else {
        return Vec::new();
    };
    leg.tls()
        .map(|tls| tls_details(tls, TlsMode::Require))
        .unwrap_or_default()
}

fn tls_details(tls: &rustls::CommonState, mode: TlsMode) -> Vec<String> {
    let version = tls
        .protocol_version()
        .and_then(|version| version.as_str().map(str::to_owned));
    let cipher = tls
        .negotiated_cipher_suite()
        .and_then(|suite| suite.suite().as_str());
    let mut details = vec![format!(
        "{}, {}, {}",
        version.unwrap_or_default(),
        cipher.unwrap_or_default(),
        if mode.verifies() {
            "certificate verified"
        } else {
            "certificate not verified"
        },
    )];
    let leaf = tls
        .peer_certificates()
        .and_then(|chain| CertificateSummary::from_der(chain.first()?));
    if let Some(leaf) = leaf {
        details.push(format!("subject {}", leaf.subject));
        details.push(format!("issuer {}", leaf.issuer));
        let names = if leaf.names.is_empty() {
            "none".to_owned()
        } else {
            leaf.names.join(", ")
        };
        details.push(format!("names {names}"));
        details.push(format!(
            "valid from {} until {}",
            leaf.not_before, leaf.not_after
        ));
    }
    details
}
