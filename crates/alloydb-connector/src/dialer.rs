//! What a program keeps: dials instances, and shares certificates and tokens among its clones.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::time::{Instant, timeout};
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::credentials::{Resolved, TokenError};
use crate::dial::{Destination, Failed, Way};
use crate::exchange::exchange;
use crate::refresh::{Entry, Instances, Material, StaticFile};
use crate::step::{self, step};
use crate::telemetry::{CacheUse, DialStatus, Dialled, Telemetry};
use crate::{
    AccessToken, ConfigError, DialFailure, DialOptions, DialerBuilder, Error, IamLogin,
    InstanceStatus, InstanceUri, IpType, Mistake, RefreshError, RefreshFailure, Stream,
};

/// Dials AlloyDB instances.
///
/// Cheap to clone: all clones share certificates, tokens and the tasks that renew them. The tasks
/// end when the last clone is dropped, or with [`Dialer::close`].
#[derive(Clone)]
pub struct Dialer(Arc<Inner>);

pub(crate) struct Inner {
    pub(crate) source: Source,
    pub(crate) login: Resolved,
    pub(crate) iam_login: IamLogin,
    /// As sent in the metadata exchange.
    pub(crate) user_agent: String,
    pub(crate) way: Way,
    pub(crate) token_timeout: Duration,
    pub(crate) telemetry: Telemetry,
    pub(crate) runtime: Handle,
    pub(crate) closed: CancellationToken,
    /// The tasks must not outlive the last dialer.
    pub(crate) _closes: DropGuard,
}

/// Where certificates and addresses come from.
pub(crate) enum Source {
    Admin(Instances),
    Static(Arc<StaticFile>),
}

/// Material, and what a failed dial with it does.
struct Held {
    material: Arc<Material>,
    /// None with a static file: there is nothing to force.
    entry: Option<Arc<Entry>>,
    cache: CacheUse,
}

impl Dialer {
    /// Begins to describe a dialer. Without any option it uses application default credentials.
    pub fn builder() -> DialerBuilder {
        DialerBuilder::new()
    }

    pub(crate) fn new(inner: Inner) -> Self {
        Self(Arc::new(inner))
    }

    /// Dials an instance: TCP to port 5433, TLS 1.3, metadata exchange.
    ///
    /// What comes next on the stream is PostgreSQL's startup message. The first dial of an instance
    /// waits for a certificate and its addresses; later ones find them. May be called from any tokio
    /// runtime; the socket belongs to the caller's.
    ///
    /// Cancel safe: a dropped dial closes its socket, and a refresh that it waited for goes on.
    ///
    /// # Errors
    ///
    /// [`Error`] says who must act, and names the instance.
    pub async fn dial(
        &self,
        instance: &InstanceUri,
        options: &DialOptions,
    ) -> Result<Stream, Error> {
        let span = step!("dial", alloydb.instance = %instance);
        let login = options.iam_login.unwrap_or(self.0.iam_login);
        let began = Instant::now();
        let mut cache = CacheUse::Miss;
        let dialled = step::take(span, self.0.dial(instance, options, &mut cache)).await;
        let status = match &dialled {
            Ok(_) => DialStatus::Success,
            Err(failed) => failed.status,
        };
        let took = began.elapsed();
        self.0.telemetry.dialled(
            instance,
            Dialled {
                login,
                cache,
                status,
                took,
            },
        );
        dialled.map_err(|failed| failed.error)
    }

    /// Fetches certificate, addresses and a login token ahead of the first dial; returns when the
    /// instance can be dialled. Cancel safe.
    pub async fn prepare(&self, instance: &InstanceUri) -> Result<InstanceStatus, Error> {
        let held = self.0.material(instance).await?;
        let token = self.0.login_token().await;
        token.map_err(|error| RefreshError::caused(instance, RefreshFailure::Token, error))?;
        Ok(status_of(&held))
    }

    /// What is known of an instance without asking anybody. `None` if it was never asked for.
    pub fn status(&self, instance: &InstanceUri) -> Option<InstanceStatus> {
        match &self.0.source {
            Source::Admin(instances) => Some(instances.known(instance)?.status()),
            Source::Static(file) => file.known(instance).map(|material| {
                status_of(&Held {
                    material,
                    entry: None,
                    cache: CacheUse::Hit,
                })
            }),
        }
    }

    /// Ends the renewals of an instance that is no longer wanted, until it is dialled again.
    pub fn rest(&self, instance: &InstanceUri) {
        if let Source::Admin(instances) = &self.0.source
            && let Some(entry) = instances.known(instance)
        {
            entry.rest();
        }
    }

    /// The login token, as the metadata exchange carries it. For logins whose password it is.
    /// Cancel safe.
    pub async fn login_token(&self) -> Result<AccessToken, Error> {
        if self.0.closed.is_cancelled() {
            return Err(Error::Closed { instance: None });
        }
        self.0.login_token().await.map_err(Error::Login)
    }

    /// The CA certificate of the instance's cluster in PEM, as the admin API gives it now.
    ///
    /// It always asks, and it isn't paced. Not for a dialer with a static file. Cancel safe.
    pub async fn cluster_ca(&self, cluster_of: &InstanceUri) -> Result<String, Error> {
        if self.0.closed.is_cancelled() {
            return Err(Error::Closed {
                instance: Some(cluster_of.clone()),
            });
        }
        let Source::Admin(instances) = &self.0.source else {
            return Err(ConfigError::of(
                cluster_of,
                Mistake::Conflict {
                    first: "static_connection_info",
                    second: "cluster_ca",
                },
            )
            .into());
        };
        let fetcher = instances.fetcher.clone();
        let of = cluster_of.clone();
        let asked = self
            .0
            .runtime
            .spawn(async move { fetcher.cluster_ca(&of).await });
        let closed = |_| Error::Closed {
            instance: Some(cluster_of.clone()),
        };
        Ok(asked.await.map_err(closed)??)
    }

    /// Ends all refresh tasks and lets waiting dials fail; returns when the tasks have ended. Streams
    /// that were handed out live on. Closing again does nothing. Cancel safe.
    pub async fn close(&self) {
        self.0.closed.cancel();
        if let Source::Admin(instances) = &self.0.source {
            instances.ended().await;
        }
    }
}

impl fmt::Debug for Dialer {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Dialer")
            .field("user_agent", &self.0.user_agent)
            .field("closed", &self.0.closed.is_cancelled())
            .finish_non_exhaustive()
    }
}

impl Inner {
    async fn dial(
        &self,
        instance: &InstanceUri,
        options: &DialOptions,
        cache: &mut CacheUse,
    ) -> Result<Stream, Failed> {
        let held = step::take(step!("connect info"), self.material(instance)).await;
        let mut held = held.map_err(|error| Failed {
            status: match &error {
                Error::Config(_) => DialStatus::UserError,
                _ => DialStatus::CacheError,
            },
            error,
        })?;
        *cache = held.cache;
        let host = self.host(instance, options.ip_type, &mut held).await?;
        let to = Destination {
            instance,
            host: &host,
            function: options.dial_function.as_ref(),
        };
        // Before TCP, so that no server waits for a token.
        let token = self.login_token().await.map_err(|error| Failed {
            error: to.fail(DialFailure::Token).caused(error).into(),
            status: DialStatus::ExchangeError,
        })?;
        let login = options.iam_login.unwrap_or(self.iam_login);
        let connecting = self.connect(&to, &held.material, login, &token);
        let dialled = step::take(step!("connect"), connecting).await;
        if dialled.is_err()
            && let Some(entry) = &held.entry
        {
            // Another address or another certificate may be what is needed.
            entry.force(&held.material);
        }
        dialled
    }

    async fn connect(
        &self,
        to: &Destination<'_>,
        material: &Material,
        login: IamLogin,
        token: &AccessToken,
    ) -> Result<Stream, Failed> {
        let mut tls = self.way.connect(to, material).await?;
        let exchanged = exchange(&mut tls, &self.user_agent, login, token).await;
        exchanged.map_err(|error| Failed {
            error: to.exchange_failed(error).into(),
            status: DialStatus::ExchangeError,
        })?;
        let open = self.telemetry.open(to.instance, login);
        Ok(Stream::new(tls, to.instance.clone(), open))
    }

    /// The address of the type that is asked for. One that was switched on after the last refresh
    /// is found by another one, if the limiter allows it.
    async fn host(
        &self,
        instance: &InstanceUri,
        ip_type: IpType,
        held: &mut Held,
    ) -> Result<String, Failed> {
        let user_error = |error| Failed {
            error,
            status: DialStatus::UserError,
        };
        if let Some(host) = held.material.addresses.of(ip_type) {
            return Ok(host);
        }
        if let Some(entry) = &held.entry {
            let newer = entry.newer(&held.material).await;
            if let Some(newer) = newer.map_err(user_error)? {
                held.material = newer;
            }
        }
        let addresses = &held.material.addresses;
        addresses.of(ip_type).ok_or_else(|| {
            let all = [IpType::Private, IpType::Public, IpType::Psc];
            let present = all.into_iter().filter(|kind| addresses.of(*kind).is_some());
            let present: Vec<_> = present.map(IpType::as_str).collect();
            let present = match present.as_slice() {
                [] => "none".to_owned(),
                present => present.join(" and "),
            };
            let mistake = Mistake::NoSuchAddress { ip_type, present };
            user_error(ConfigError::of(instance, mistake).into())
        })
    }

    async fn material(&self, instance: &InstanceUri) -> Result<Held, Error> {
        if self.closed.is_cancelled() {
            return Err(Error::Closed {
                instance: Some(instance.clone()),
            });
        }
        match &self.source {
            Source::Admin(instances) => {
                let entry = instances.entry(instance);
                let (material, cache) = entry.material().await?;
                Ok(Held {
                    material,
                    entry: Some(entry),
                    cache,
                })
            }
            Source::Static(file) => Ok(Held {
                material: file.material(instance).await?,
                entry: None,
                cache: CacheUse::Hit,
            }),
        }
    }

    /// Asked on the dialer's runtime, where the HTTP connections live. Cancel safe: the request goes
    /// on, for no longer than anybody would wait for it, and its answer is cached.
    async fn login_token(&self) -> Result<AccessToken, TokenError> {
        let login = self.login.clone();
        let after = self.token_timeout;
        let late = || TokenError::new(format!("no answer within {after:?}"));
        // The task has an end of its own: a source that hangs would else keep one for every dial.
        let asked = async move { timeout(after, login.token()).await };
        match timeout(after, self.runtime.spawn(asked)).await {
            Ok(Ok(Ok(token))) => token,
            Ok(Err(error)) if error.is_panic() => Err(TokenError::new(
                "the token source panicked, which is a defect",
            )),
            Ok(Err(_)) => Err(TokenError::new("the dialer's runtime has ended")),
            Ok(Ok(Err(_))) | Err(_) => Err(late()),
        }
    }
}

impl Destination<'_> {
    fn exchange_failed(&self, error: crate::ExchangeError) -> crate::DialError {
        self.fail(DialFailure::MetadataExchange(error))
    }
}

fn status_of(held: &Held) -> InstanceStatus {
    InstanceStatus {
        addresses: held.material.addresses.clone(),
        certificate_expires_at: Some(held.material.expires_at),
        refreshed_at: Some(held.material.refreshed_at),
        last_failure: None,
    }
}
