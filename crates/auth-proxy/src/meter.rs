//! A meter for the connector that also counts for `/metrics`.
//!
//! The connector tells of its refreshes through OpenTelemetry alone.

use std::sync::Arc;

use opentelemetry::KeyValue;
use opentelemetry::metrics::{
    Counter, Histogram, HistogramBuilder, InstrumentBuilder, InstrumentProvider, Meter,
    SyncInstrument, UpDownCounter,
};

use crate::metrics::{Metrics, Outcome};

/// The metric that is counted here too.
const REFRESHES: &str = "alloydb.googleapis.com/client/connector/refresh_count";

/// A meter whose instruments are those of `exported`, if there is one.
pub(crate) fn meter(metrics: Arc<Metrics>, exported: Option<Meter>) -> Meter {
    Meter::new(Arc::new(Provider { metrics, exported }))
}

struct Provider {
    metrics: Arc<Metrics>,
    exported: Option<Meter>,
}

/// An instrument that passes everything on to nobody.
struct Nobody;

impl<T> SyncInstrument<T> for Nobody {
    fn measure(&self, _: T, _: &[KeyValue]) {}
}

/// Counts refreshes.
struct Refreshes {
    metrics: Arc<Metrics>,
    exported: Option<Counter<u64>>,
}

impl SyncInstrument<u64> for Refreshes {
    fn measure(&self, count: u64, attributes: &[KeyValue]) {
        if let Some(exported) = &self.exported {
            exported.add(count, attributes);
        }
        let value = |key: &str| {
            let found = attributes
                .iter()
                .find(|attribute| attribute.key.as_str() == key);
            found
                .map(|attribute| attribute.value.to_string())
                .unwrap_or_default()
        };
        let outcome = match value("status").as_str() {
            "success" => Outcome::Success,
            _ => Outcome::Failure,
        };
        let names = ["project_id", "location", "cluster_id", "instance_id"];
        self.metrics.refreshed(&names.map(value).join("."), outcome);
    }
}

impl InstrumentProvider for Provider {
    fn u64_counter(&self, builder: InstrumentBuilder<'_, Counter<u64>>) -> Counter<u64> {
        let exported = self.exported.as_ref().map(|meter| {
            let exported = meter.u64_counter(builder.name.clone());
            let unit = builder.unit.clone().unwrap_or_default();
            exported.with_unit(unit).build()
        });
        if builder.name == REFRESHES {
            return Counter::new(Arc::new(Refreshes {
                metrics: Arc::clone(&self.metrics),
                exported,
            }));
        }
        exported.unwrap_or_else(|| Counter::new(Arc::new(Nobody)))
    }

    fn i64_up_down_counter(
        &self,
        builder: InstrumentBuilder<'_, UpDownCounter<i64>>,
    ) -> UpDownCounter<i64> {
        let Some(meter) = &self.exported else {
            return UpDownCounter::new(Arc::new(Nobody));
        };
        let exported = meter.i64_up_down_counter(builder.name.clone());
        exported
            .with_unit(builder.unit.clone().unwrap_or_default())
            .build()
    }

    fn f64_histogram(&self, builder: HistogramBuilder<'_, Histogram<f64>>) -> Histogram<f64> {
        let Some(meter) = &self.exported else {
            return Histogram::new(Arc::new(Nobody));
        };
        let exported = meter.f64_histogram(builder.name.clone());
        exported
            .with_unit(builder.unit.clone().unwrap_or_default())
            .build()
    }
}
