//! Lines from the libraries: what the connector does, and accepts that had to wait.

use std::fmt::{self, Write as _};

use tracing::field::{Field, Visit};
use tracing::{Event, Level, Metadata, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::Context;
use tracing_subscriber::registry::{LookupSpan, Scope};

use crate::log::Logger;

/// Writes what libraries report through `tracing`.
///
/// The connector's own words are debug lines, whatever their level: the failure of a connection is
/// told once, by the connection. What the accept loops, the exporter of telemetry and the connector's
/// look at the environment warn of concerns the process, and is an error.
pub(crate) struct LibraryLog {
    logger: Logger,
}

impl LibraryLog {
    pub(crate) fn new(logger: Logger) -> Self {
        Self { logger }
    }

    /// Which spans and events are looked at; the others cost nothing.
    pub(crate) fn filter(logger: &Logger) -> impl Fn(&Metadata<'_>) -> bool + use<> {
        let has_debug = logger.has_debug();
        move |metadata| is_trouble(metadata) || (has_debug && is_connector(metadata))
    }
}

fn is_connector(metadata: &Metadata<'_>) -> bool {
    metadata.target().starts_with("alloydb_connector")
}

fn is_trouble(metadata: &Metadata<'_>) -> bool {
    let target = metadata.target();
    let concerns_all = target.starts_with("querycop_serve")
        || target.starts_with("opentelemetry")
        || target == "alloydb_connector::proxy";
    concerns_all && metadata.is_event() && *metadata.level() <= Level::WARN
}

impl<S: Subscriber + for<'a> LookupSpan<'a>> Layer<S> for LibraryLog {
    fn on_new_span(
        &self,
        attributes: &tracing::span::Attributes<'_>,
        id: &tracing::span::Id,
        context: Context<'_, S>,
    ) {
        let mut fields = Text::default();
        attributes.record(&mut fields);
        if let Some(span) = context.span(id) {
            span.extensions_mut().insert(fields);
        }
    }

    fn on_event(&self, event: &Event<'_>, context: Context<'_, S>) {
        let mut line = String::new();
        if event.metadata().target().starts_with("opentelemetry") {
            line.push_str("telemetry is not sent: ");
        }
        for span in context
            .event_scope(event)
            .into_iter()
            .flat_map(Scope::from_root)
        {
            let extensions = span.extensions();
            let fields = extensions
                .get::<Text>()
                .map_or("", |text| text.fields.as_str());
            let _ = write!(line, "{}{fields}: ", span.name());
        }
        let mut text = Text::default();
        event.record(&mut text);
        let _ = write!(line, "{}{}", text.message, text.fields);
        if is_trouble(event.metadata()) {
            self.logger.error(line);
        } else {
            self.logger.debug(line);
        }
    }
}

/// The fields of an event or a span.
#[derive(Default)]
struct Text {
    message: String,
    fields: String,
}

impl Visit for Text {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.record_debug(field, &format_args!("{value}"));
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        // Writing to a string can't fail.
        let _ = match field.name() {
            "message" => write!(self.message, "{value:?}"),
            name => write!(self.fields, " {name}={value:?}"),
        };
    }
}
