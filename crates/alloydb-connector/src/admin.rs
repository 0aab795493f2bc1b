//! The admin API: an instance's addresses and the cluster's client certificates.

mod client;
mod http;
mod messages;
mod retry;
mod status;

pub(crate) use client::{AdminClient, Identity, Plaintext};
pub(crate) use http::{Http, HttpError};
pub(crate) use messages::{ClientCertificate, ConnectionInfo};
pub(crate) use status::{ApiStatus, printable};
