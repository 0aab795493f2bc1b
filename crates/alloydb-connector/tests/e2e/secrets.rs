//! What is written down must hold no token.

use std::fmt;
use std::sync::{Arc, Mutex};

use alloydb_connector::Credentials;
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Metadata, Subscriber};

use crate::fake::{Answer, Fake, Fault, TOKEN, chain, instance, private};

/// Writes down every span and event of every crate, whatever its level.
#[derive(Clone, Default)]
struct Everything(Arc<Mutex<String>>);

impl Everything {
    fn write(&self, text: &str) {
        let mut all = self.0.lock().expect("no test panics with it");
        all.push_str(text);
        all.push('\n');
    }
}

impl Visit for Everything {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.write(&format!("{field}={value:?}"));
    }
}

impl Subscriber for Everything {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }

    fn new_span(&self, span: &Attributes<'_>) -> Id {
        self.write(span.metadata().name());
        span.record(&mut self.clone());
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, values: &Record<'_>) {
        values.record(&mut self.clone());
    }

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, event: &Event<'_>) {
        event.record(&mut self.clone());
    }

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}

/// A process of its own: what other tests' threads make of a span holds for this one's too.
#[tokio::test]
async fn no_span_event_or_error_holds_a_token() {
    const NAME: &str = "secrets::no_span_event_or_error_holds_a_token";
    const ALONE: &str = "CONNECTOR_TEST_ALONE";
    if std::env::var_os(ALONE).is_some() {
        return write_everything_down().await;
    }
    let output = tokio::process::Command::new(std::env::current_exe().unwrap())
        .args(["--exact", NAME])
        .env(ALONE, "")
        .output();
    let output = output.await.unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success() && said.contains("1 passed"),
        "{said}"
    );
}

async fn write_everything_down() {
    const LOGIN: &str = "ya29.login";
    let everything = Everything::default();
    // All tasks of this test run on this thread.
    let subscribed = tracing::subscriber::set_default(everything.clone());
    let fake = Fake::start().await;
    fake.api.set(|settings| {
        settings.faults.push_back(Fault::RetryAfter(429, "0"));
        settings.faults.push_back(Fault::Close);
    });
    let dialer = fake
        .builder()
        .login_credentials(Credentials::token(LOGIN.into()));
    let dialer = dialer.build().await.unwrap();
    let stream = dialer.dial(&instance(), &private()).await.unwrap();
    fake.server.answers(Answer::refusal("no"));
    let error = dialer.dial(&instance(), &private()).await.unwrap_err();
    let token = dialer.login_token().await.unwrap();
    everything.write(&format!("{stream:?} {dialer:?} {token:?} {error:?}"));
    everything.write(&chain(&error));
    drop(subscribed);

    assert_eq!(fake.server.exchanged()[0].token, LOGIN);
    let all = everything.0.lock().unwrap().clone();
    for span in [
        "dial",
        "connect info",
        "connect",
        "refresh",
        "fetch metadata",
        "fetch ephemeral certificate",
        "call will be retried",
    ] {
        assert!(all.contains(span), "{span} is missing in {all}");
    }
    for secret in [TOKEN, LOGIN, "Bearer"] {
        assert!(!all.contains(secret), "{secret} is in {all}");
    }
}
