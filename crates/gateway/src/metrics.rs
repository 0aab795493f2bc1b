//! What the gateway counts.

use std::sync::atomic::AtomicI64;
use std::time::Duration;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};

/// Upper bounds of the histograms, in seconds: from a dial on the same machine to one that times out.
const SECONDS: [f64; 12] = [
    0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0,
];

/// Everything the gateway counts; made once, passed in.
#[derive(Debug)]
pub struct Metrics {
    connections: Counter,
    sessions: Counter,
    refusals: Family<KindLabel, Counter>,
    rejected_logins: Counter,
    dropped: Family<ReasonLabel, Counter>,
    cancels: Family<OutcomeLabel, Counter>,
    connect_seconds: Histogram,
    token_mints: Family<OutcomeLabel, Counter>,
    token_seconds: Histogram,
    reloads: Family<OutcomeLabel, Counter>,
    broken: Family<ReasonLabel, Counter>,
    statements_refused: Family<ReasonLabel, Counter>,
    statements_cut: Family<ReasonLabel, Counter>,
    pub(crate) bytes_to_backend: Counter,
    pub(crate) bytes_to_client: Counter,
    pub(crate) active: Gauge<i64, AtomicI64>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct KindLabel {
    kind: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ReasonLabel {
    reason: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OutcomeLabel {
    outcome: &'static str,
}

/// Why a connection was closed before it said what it wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Dropped {
    /// Too many connections have not said it yet.
    TooManyStartups,
    /// Nothing came in time.
    StartupTimeout,
    /// TLS with the client failed.
    Tls,
    /// What came was not PostgreSQL.
    Foreign,
    /// The gateway shuts down, and nothing had come.
    ShuttingDown,
}

impl Default for Metrics {
    fn default() -> Self {
        Self {
            connections: Counter::default(),
            sessions: Counter::default(),
            refusals: Family::default(),
            rejected_logins: Counter::default(),
            dropped: Family::default(),
            cancels: Family::default(),
            connect_seconds: Histogram::new(SECONDS),
            token_mints: Family::default(),
            token_seconds: Histogram::new(SECONDS),
            reloads: Family::default(),
            broken: Family::default(),
            statements_refused: Family::default(),
            statements_cut: Family::default(),
            bytes_to_backend: Counter::default(),
            bytes_to_client: Counter::default(),
            active: Gauge::default(),
        }
    }
}

impl Metrics {
    /// Gives the metrics their names.
    pub fn register(&self, registry: &mut Registry) {
        let r = registry;
        r.register(
            "connections",
            "Connections accepted",
            self.connections.clone(),
        );
        r.register("sessions", "Sessions established", self.sessions.clone());
        r.register(
            "sessions_active",
            "Sessions being served",
            self.active.clone(),
        );
        r.register(
            "refusals",
            "Clients refused by the gateway",
            self.refusals.clone(),
        );
        r.register(
            "backend_rejected_logins",
            "Logins that the backend refused",
            self.rejected_logins.clone(),
        );
        r.register(
            "startups_dropped",
            "Connections closed before a start-up packet",
            self.dropped.clone(),
        );
        r.register("cancels", "Cancel requests forwarded", self.cancels.clone());
        r.register_with_unit(
            "backend_connect",
            "Time to dial the backend and agree on TLS",
            Unit::Seconds,
            self.connect_seconds.clone(),
        );
        r.register(
            "token_mints",
            "Runs of the token command",
            self.token_mints.clone(),
        );
        r.register_with_unit(
            "token_mint",
            "Time of a run of the token command",
            Unit::Seconds,
            self.token_seconds.clone(),
        );
        r.register(
            "reloads",
            "Reloads of certificate files and of the policy",
            self.reloads.clone(),
        );
        r.register(
            "sessions_broken",
            "Sessions that did not end in order",
            self.broken.clone(),
        );
        r.register(
            "statements_refused",
            "Statements that were not sent to the backend",
            self.statements_refused.clone(),
        );
        r.register(
            "statements_cut",
            "Statements that were cancelled at a limit of the policy",
            self.statements_cut.clone(),
        );
        r.register(
            "to_backend_bytes",
            "Bytes relayed to the backend by sessions that have ended",
            self.bytes_to_backend.clone(),
        );
        r.register(
            "to_client_bytes",
            "Bytes relayed to clients by sessions that have ended",
            self.bytes_to_client.clone(),
        );
    }

    pub(crate) fn connection_accepted(&self) {
        self.connections.inc();
    }

    pub(crate) fn session_established(&self) {
        self.sessions.inc();
    }

    pub(crate) fn refused(&self, kind: &'static str) {
        self.refusals.get_or_create(&KindLabel { kind }).inc();
    }

    pub(crate) fn login_rejected(&self) {
        self.rejected_logins.inc();
    }

    pub(crate) fn dropped(&self, why: Dropped) {
        self.dropped
            .get_or_create(&ReasonLabel {
                reason: why.as_str(),
            })
            .inc();
    }

    pub(crate) fn cancel_forwarded(&self, delivered: bool) {
        self.cancels.get_or_create(&outcome(delivered)).inc();
    }

    pub(crate) fn backend_connected(&self, took: Duration) {
        self.connect_seconds.observe(took.as_secs_f64());
    }

    pub(crate) fn token_minted(&self, minted: bool, took: Duration) {
        self.token_mints.get_or_create(&outcome(minted)).inc();
        self.token_seconds.observe(took.as_secs_f64());
    }

    pub(crate) fn reloaded(&self, worked: bool) {
        self.reloads.get_or_create(&outcome(worked)).inc();
    }

    pub(crate) fn statement_refused(&self, reason: &'static str) {
        self.statements_refused
            .get_or_create(&ReasonLabel { reason })
            .inc();
    }

    pub(crate) fn statement_cut(&self, reason: &'static str) {
        self.statements_cut
            .get_or_create(&ReasonLabel { reason })
            .inc();
    }

    pub(crate) fn session_broken(&self, reason: &'static str) {
        self.broken.get_or_create(&ReasonLabel { reason }).inc();
    }
}

fn outcome(worked: bool) -> OutcomeLabel {
    OutcomeLabel {
        outcome: if worked { "ok" } else { "failed" },
    }
}

impl Dropped {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::TooManyStartups => "too_many_startups",
            Self::StartupTimeout => "startup_timeout",
            Self::Tls => "tls",
            Self::Foreign => "foreign",
            Self::ShuttingDown => "shutting_down",
        }
    }
}
