//! The steps to an AlloyDB instance.

use std::sync::Arc;
use std::time::SystemTime;

use super::words::Words;
use super::{Examination, Trouble};
use crate::instance::{Instance, InstanceError};
use crate::leg::Leg;
use crate::tls::CertificateSummary;

/// What they are called.
pub(super) const STEPS: [&str; 3] = ["credentials", "instance", "connect"];

impl Examination {
    /// Goes as far as a connection that a login can begin on.
    pub(super) async fn reach_instance(&mut self) -> Option<Leg> {
        let backend = Arc::clone(&self.backend);
        let instance = backend.instance()?;
        let words = self.words;
        self.step(STEPS[0], async |_| credentials(instance, words).await)
            .await?;
        self.step(STEPS[1], async |_| prepare(instance, words).await)
            .await?;
        self.step(STEPS[2], async |_| connect(instance, words).await)
            .await
    }
}

async fn credentials(instance: &Instance, words: &Words) -> Result<((), Vec<String>), Trouble> {
    match instance.dialer().login_token().await {
        Ok(token) => {
            let expires = match token.expires_at() {
                Some(time) => format!(", valid until {}", when(time)),
                None => String::new(),
            };
            let length = token.expose().len();
            Ok(((), vec![format!("access token of {length} bytes{expires}")]))
        }
        Err(error) => Err(Trouble::new(crate::stop::chain(&error), words.credentials)),
    }
}

async fn prepare(instance: &Instance, words: &Words) -> Result<((), Vec<String>), Trouble> {
    let status = instance
        .prepare()
        .await
        .map_err(|error| trouble(&InstanceError::from(error), words))?;
    let addresses = status.addresses();
    let mut details: Vec<_> = [
        (
            "private",
            addresses.private().map(|address| address.to_string()),
        ),
        (
            "public",
            addresses.public().map(|address| address.to_string()),
        ),
        ("psc", addresses.psc().map(str::to_owned)),
    ]
    .into_iter()
    .filter_map(|(ip_type, address)| Some(format!("{ip_type} {}", address?)))
    .collect();
    if let Some(time) = status.certificate_expires_at() {
        details.push(format!("client certificate valid until {}", when(time)));
    }
    Ok(((), details))
}

async fn connect(instance: &Instance, words: &Words) -> Result<(Leg, Vec<String>), Trouble> {
    let leg = instance
        .connect()
        .await
        .map_err(|error| trouble(&error, words))?;
    let mut details = Vec::new();
    if let Leg::Instance(stream) = &leg {
        if let Some(address) = stream.peer_addr() {
            details.push(format!("{address}, metadata exchange done"));
        }
        let tls = stream.tls();
        details.push(format!(
            "{}, {}, certificate verified",
            tls.version(),
            tls.cipher_suite()
        ));
        if let Some(leaf) = stream
            .peer_certificate()
            .and_then(CertificateSummary::from_der)
        {
            details.push(format!("subject {}", leaf.subject));
            details.push(format!("names {}", leaf.names.join(", ")));
            details.push(format!(
                "valid from {} until {}",
                leaf.not_before, leaf.not_after
            ));
        }
    }
    Ok((leg, details))
}

fn trouble(error: &InstanceError, words: &Words) -> Trouble {
    Trouble::new(error.to_string(), (words.instance)(error))
}

fn when(time: SystemTime) -> String {
    let seconds = jiff::Timestamp::try_from(time)
        .and_then(|time| jiff::Timestamp::from_second(time.as_second()));
    seconds.map_or_else(|_| "?".to_owned(), |time| time.to_string())
}
