//! Connects to AlloyDB: instance URI in, authenticated TLS 1.3 stream out.
//!
//! A [`Dialer`] does for Rust what Google's language connectors do for Go, Java and Python. It asks
//! the AlloyDB Admin API for an instance's addresses and for a client certificate that lives an
//! hour, dials port 5433 with mutual TLS 1.3, and makes the metadata exchange in which the server
//! checks the caller's IAM permission. What comes out is a [`Stream`] on which any PostgreSQL driver
//! can begin with its startup message. No firewall rule, no certificate on disk, no password with
//! [automatic IAM login](IamLogin::On).
//!
//! ```no_run
//! use alloydb_connector::{DialOptions, Dialer, IamLogin, InstanceUri, IpType};
//!
//! # async fn run() -> Result<(), Box<dyn std::error::Error>> {
//! let dialer = Dialer::builder().iam_login(IamLogin::On).build().await?;
//! let instance: InstanceUri =
//!     "projects/my-project/locations/us-central1/clusters/main/instances/primary".parse()?;
//! let stream = dialer.dial(&instance, &DialOptions::new().ip_type(IpType::Private)).await?;
//! println!("connected to {:?} with {}", stream.peer_addr(), stream.tls().cipher_suite());
//! # Ok(())
//! # }
//! ```
//!
//! # What it needs
//!
//! * The roles `roles/alloydb.client` and `roles/serviceusage.serviceUsageConsumer`; with automatic
//!   IAM login `roles/alloydb.databaseUser` too, and a database user of the IAM kind.
//! * Credentials: [`Credentials`] says which. Without any option these are application default
//!   credentials.
//! * A way to the instance's address at port 5433, and to `alloydb.googleapis.com`.
//! * A tokio runtime. A dialer's tasks live on the one it was built in; it may be used from others.
//!
//! # What it does about failures
//!
//! * Certificates are renewed ahead of time, or [lazily](RefreshStrategy::Lazy). While a renewal
//!   fails, a valid certificate goes on serving. A dial that fails at TCP, TLS or the metadata
//!   exchange forces a renewal. Renewals are paced for each instance: two at once, then one in 30
//!   seconds (faster only where certificates live shorter than two minutes).
//! * At each dial the certificate is held against the wall clock, so that the first dial after a
//!   laptop's sleep works.
//! * [`Error`] is sorted by who must act, and names the instance. An answer of the admin API that
//!   won't change by itself (400, 403, 404) is told at once.
//! * All waiting has an end: [`connect_timeout`](DialerBuilder::connect_timeout),
//!   [`refresh_timeout`](DialerBuilder::refresh_timeout), and 30 seconds for the metadata exchange.
//! * Every future may be dropped. A dropped dial closes its socket and cancels no renewal.
//!
//! # What it never does
//!
//! It installs no process-wide TLS provider, prints no token or key, writes no file, and trusts
//! nothing but the cluster's own CA for an instance.
//!
//! # Features
//!
//! None is on by default, and none changes what is there without it. `tokio-postgres`,
//! `deadpool-postgres`, `bb8`, `diesel-async`, `sqlx` and `sea-orm` each let the driver of that name
//! connect ([`drivers`]); everything that speaks to a Unix socket, psql among them, comes in through
//! the [`bridge`] without any feature. `opentelemetry` records the six metrics of Google's connectors through
//! your meter. Spans come through `tracing` always: `dial`, `connect info`, `connect`, `refresh`,
//! `fetch metadata`, `fetch ephemeral certificate`; one that fails has OpenTelemetry's status `ERROR`, and
//! `error.type` where the admin API names the failure.
#![cfg_attr(docsrs, feature(doc_cfg))]

mod admin;
mod api_credentials;
#[cfg(unix)]
pub mod bridge;
mod builder;
mod certificate;
mod clock;
mod credentials;
mod dial;
mod dial_function;
mod dialer;
pub mod drivers;
mod error;
mod exchange;
mod instance_uri;
mod ip_type;
mod key;
mod options;
mod proxy;
mod refresh;
mod status;
mod step;
mod stream;
mod telemetry;
mod timestamp;
mod tls;

pub use api_credentials::ApiCredentials;
pub use builder::DialerBuilder;
pub use clock::Clock;
pub use credentials::{AccessToken, Credentials, TokenError, TokenSource};
pub use dial_function::{DialFunction, DialTarget, Socket};
pub use dialer::Dialer;
pub use error::{
    ConfigError, DialError, DialFailure, Error, Mistake, RefreshError, RefreshFailure,
};
pub use exchange::ExchangeError;
pub use instance_uri::{InstanceUri, ParseInstanceUriError};
pub use ip_type::{IpType, ParseIpTypeError};
pub use key::RsaKey;
pub use options::{DialOptions, IamLogin, RefreshStrategy};
pub use proxy::Proxy;
pub use status::{Addresses, InstanceStatus};
pub use stream::{Stream, TlsSummary};

/// A boxed future that can be sent, as traits that must be object safe return it.
pub type BoxFuture<'a, T> = std::pin::Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// Compiles the example in the README.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
