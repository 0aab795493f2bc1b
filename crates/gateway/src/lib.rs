//! Runs sessions: startup, authenticate, connect, relay.
//!
//! A session is a chain of types. Each stage owns the client's connection; its method consumes the
//! stage and makes the next one, and a stage that fails tells the client why:
//!
//! `Accepted` (TLS, start-up packet) → `Started` (a place among the sessions) → `Admitted` (dial, TLS,
//! login) → `Connected` → `Relay` (until one side ends).
//!
//! [`Gateway`] is the way in; [`Registry`] and [`Metrics`] are what others may look at.

mod accepted;
mod backend;
mod cancel;
mod catalogs;
pub mod config;
mod conversation;
mod direct;
mod doctor;
mod dropped_log;
mod gateway;
mod google;
mod instance;
mod leg;
mod login;
mod messages;
mod metrics;
mod oversight;
mod own_session;
mod readiness;
mod refusal;
mod registry;
mod relay;
mod reload;
mod session;
mod shared;
mod started;
mod stop;
mod tls;
mod token;

pub use backend::LoadError;
pub use catalogs::CatalogCollector;
pub use doctor::{Finding, Patient, Step, examine, examine_instance};
pub use gateway::{Gateway, OpenError, Opened, Shutdown};
pub use google::{GoogleError, dialer};
pub use metrics::Metrics;
pub use oversight::{AuditCollector, GovernanceError, SinksError};
pub use readiness::{NotReady, Readiness};
pub use registry::{Entry, Phase, Registry};
pub use stop::{chain, one_line};
pub use tls::{CertificateSummary, MaterialError};
