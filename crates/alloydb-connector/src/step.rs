//! Spans of the steps to a connection.

use std::error::Error;

use tracing::{Instrument as _, Span};

use crate::dial::Failed;
use crate::{RefreshError, RefreshFailure};

/// A span for a step: its name, and fields if it has any.
///
/// Those that are empty at first are for one that fails: what OpenTelemetry calls the kind of an error,
/// and what `tracing-opentelemetry` makes a span's status of.
macro_rules! step {
    ($name:literal $(, $($field:tt)+)?) => {
        tracing::info_span!(
            $name,
            $($($field)+,)?
            "error.type" = tracing::field::Empty,
            otel.status_code = tracing::field::Empty,
            otel.status_description = tracing::field::Empty,
        )
    };
}

pub(crate) use step;

/// What a step failed of.
pub(crate) trait Failure {
    fn error(&self) -> &(dyn Error + 'static);
}

impl<E: Error + 'static> Failure for E {
    fn error(&self) -> &(dyn Error + 'static) {
        self
    }
}

impl Failure for Failed {
    fn error(&self) -> &(dyn Error + 'static) {
        &self.error
    }
}

/// Takes a step within its span, which is told if it fails.
pub(crate) async fn take<T, E: Failure>(
    span: Span,
    step: impl Future<Output = Result<T, E>>,
) -> Result<T, E> {
    let outcome = step.instrument(span.clone()).await;
    if let Err(failure) = &outcome
        && !span.is_disabled()
    {
        if let Some(kind) = kind(failure.error()) {
            span.record("error.type", kind);
        }
        span.record("otel.status_code", "ERROR");
        span.record("otel.status_description", chain(failure.error()));
    }
    outcome
}

/// What the admin API calls a failure, such as `NOT_FOUND`, if it is one of the API's.
fn kind<'a>(error: &'a (dyn Error + 'static)) -> Option<&'a str> {
    let refresh = match error.downcast_ref::<crate::Error>() {
        Some(crate::Error::Refresh(refresh)) => refresh,
        _ => error.downcast_ref::<RefreshError>()?,
    };
    match refresh.failure() {
        RefreshFailure::Status { status, .. } => Some(status),
        _ => None,
    }
}

/// An error with all its causes, in one line.
pub(crate) fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}
