//! Connects to AlloyDB: instance URI in, authenticated TLS 1.3 stream out.

mod admin;
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
mod stream;
mod telemetry;
mod timestamp;
mod tls;

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
