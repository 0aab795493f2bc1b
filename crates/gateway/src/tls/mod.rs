//! TLS on both legs. Every call into rustls is in here.

mod backend_leg;
mod certificate;
mod client_leg;
mod pem;
mod verify;

pub(crate) use backend_leg::{BackendTlsError, Connector};
pub use certificate::CertificateSummary;
pub(crate) use certificate::endpoint_hash;
pub(crate) use client_leg::{AcceptError, Acceptor};
pub use pem::MaterialError;

/// The protocol name of direct TLS (ALPN), as PostgreSQL 17 demands it.
const ALPN: &[u8] = b"postgresql";
