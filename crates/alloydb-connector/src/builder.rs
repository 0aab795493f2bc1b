//! What a dialer is made of.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use http::HeaderValue;
use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject as _;
use tokio::runtime::Handle;
use tokio::sync::OnceCell;
use tokio_util::sync::CancellationToken;
use url::Url;

use crate::admin::{AdminClient, Http, Identity, Plaintext};
use crate::clock::{self, Clock};
use crate::credentials::{DEFAULT_UNIVERSE, Purpose, Resolved, Surroundings, TokenError};
use crate::dial::Way;
use crate::dial_function::DialFunction;
use crate::dialer::{Inner, Source};
use crate::proxy::{self, Proxy};
use crate::refresh::{Fetcher, Instances, Pace, StaticFile};
use crate::telemetry::Telemetry;
use crate::{
    ApiCredentials, ConfigError, Credentials, Dialer, Error, IamLogin, Mistake, RefreshStrategy,
    RsaKey, tls,
};

/// How the connector names itself.
const USER_AGENT: &str = concat!("alloydb-rust-connector/", env!("CARGO_PKG_VERSION"));

/// What is longer is as good as no end at all, and can't be added to a point in time.
const LONGEST_TIMEOUT: Duration = Duration::from_hours(24 * 365);

/// Describes a dialer. Every option has a default; mistakes are reported by [`build`].
///
/// [`build`]: DialerBuilder::build
#[must_use = "a builder does nothing until it builds"]
pub struct DialerBuilder {
    credentials: Credentials,
    login_credentials: Option<Credentials>,
    admin_endpoint: Option<String>,
    plaintext: Plaintext,
    iam_endpoint: Option<String>,
    universe_domain: Option<String>,
    quota_project: Option<String>,
    user_agents: Vec<String>,
    strategy: RefreshStrategy,
    static_file: Option<PathBuf>,
    rsa_key: Option<RsaKey>,
    dial_function: Option<Arc<dyn DialFunction>>,
    proxy: Proxy,
    keep_alive: Option<Duration>,
    connect_timeout: Duration,
    refresh_timeout: Duration,
    iam_login: IamLogin,
    root_certificates: Option<String>,
    clock: Arc<dyn Clock>,
    telemetry: Telemetry,
}

impl DialerBuilder {
    pub(crate) fn new() -> Self {
        Self {
            credentials: Credentials::default(),
            login_credentials: None,
            admin_endpoint: None,
            plaintext: Plaintext::LoopbackOnly,
            iam_endpoint: None,
            universe_domain: None,
            quota_project: None,
            user_agents: Vec::new(),
            strategy: RefreshStrategy::default(),
            static_file: None,
            rsa_key: None,
            dial_function: None,
            proxy: Proxy::default(),
            keep_alive: Some(Duration::from_secs(30)),
            connect_timeout: Duration::from_secs(30),
            refresh_timeout: Duration::from_mins(1),
            iam_login: IamLogin::default(),
            root_certificates: None,
            clock: clock::system(),
            telemetry: Telemetry::default(),
        }
    }

    /// For the admin API, and for the login too if it has none of its own. Application default
    /// credentials unless set.
    pub fn credentials(mut self, credentials: Credentials) -> Self {
        self.credentials = credentials;
        self
    }

    /// For the metadata exchange and the login, where they differ from the admin API's.
    pub fn login_credentials(mut self, credentials: Credentials) -> Self {
        self.login_credentials = Some(credentials);
        self
    }

    /// The admin API, as a URL with scheme. `https://alloydb.<universe domain>` unless set. Plain
    /// `http` is for loopback only.
    pub fn admin_endpoint(mut self, url: impl Into<String>) -> Self {
        self.admin_endpoint = Some(url.into());
        self
    }

    /// Allows an admin endpoint with plain `http` that isn't on loopback. Everybody on the way can
    /// then read the access token.
    pub fn danger_allow_plaintext_admin_endpoint(mut self) -> Self {
        self.plaintext = Plaintext::DangerAnywhere;
        self
    }

    /// Where impersonated service accounts' tokens are made, as a URL with scheme.
    /// `https://iamcredentials.<universe domain>` unless set.
    pub fn iam_credentials_endpoint(mut self, url: impl Into<String>) -> Self {
        self.iam_endpoint = Some(url.into());
        self
    }

    /// The universe of Google Cloud, `googleapis.com` unless set. Credentials of another one are an
    /// error.
    pub fn universe_domain(mut self, domain: impl Into<String>) -> Self {
        self.universe_domain = Some(domain.into());
        self
    }

    /// The project that calls of the admin API are billed to. `GOOGLE_CLOUD_QUOTA_PROJECT` or what
    /// the credentials' file says unless set.
    pub fn quota_project(mut self, project: impl Into<String>) -> Self {
        self.quota_project = Some(project.into());
        self
    }

    /// Names the program, such as `my-program/1.2`. May be called repeatedly. Sent after the
    /// connector's own name to the admin API and in the metadata exchange.
    pub fn user_agent(mut self, user_agent: impl Into<String>) -> Self {
        self.user_agents.push(user_agent.into());
        self
    }

    /// When certificates are renewed; ahead of time unless set.
    pub fn refresh(mut self, strategy: RefreshStrategy) -> Self {
        self.strategy = strategy;
        self
    }

    /// Takes certificates and addresses from a JSON file instead of the admin API. For development.
    /// The file is read again when it changes, and when a certificate in it has expired.
    pub fn static_connection_info(mut self, path: impl Into<PathBuf>) -> Self {
        self.static_file = Some(path.into());
        self
    }

    /// The key that certificates are issued for. One of 2048 bits is generated unless set.
    pub fn rsa_key(mut self, key: RsaKey) -> Self {
        self.rsa_key = Some(key);
        self
    }

    /// Makes the connections below TLS, in place of TCP and proxies.
    pub fn dial_function(mut self, function: impl DialFunction) -> Self {
        self.dial_function = Some(Arc::new(function));
        self
    }

    /// The proxy on the way; [`Proxy::from_environment`] unless set. Tokens that Google's library
    /// fetches (the metadata server, users, workload identity) always go the environment's way.
    pub fn proxy(mut self, proxy: Proxy) -> Self {
        self.proxy = proxy;
        self
    }

    /// The period of TCP keep-alive, 30 seconds unless set; `None` switches it off. Whole seconds,
    /// from one to 32,767, which is what operating systems take; what is beyond is cut.
    pub fn tcp_keep_alive(mut self, period: Option<Duration>) -> Self {
        self.keep_alive = period;
        self
    }

    /// For name lookup, TCP, proxy and TLS handshake of one dial together; 30 seconds unless set, a
    /// year at most.
    pub fn connect_timeout(mut self, timeout: Duration) -> Self {
        self.connect_timeout = timeout.min(LONGEST_TIMEOUT);
        self
    }

    /// For one refresh with all its calls and retries; 60 seconds unless set, a year at most. A login
    /// token is waited for as long.
    pub fn refresh_timeout(mut self, timeout: Duration) -> Self {
        self.refresh_timeout = timeout.min(LONGEST_TIMEOUT);
        self
    }

    /// How the login is made; with the role's own password unless set. A dial can override it.
    pub fn iam_login(mut self, iam_login: IamLogin) -> Self {
        self.iam_login = iam_login;
        self
    }

    /// What to trust for the admin API, for impersonation and for service accounts' token endpoints,
    /// in PEM, in place of the system's roots. Other kinds of credentials, workload identity among
    /// them, are fetched by Google's library, which trusts the system's. Instances are always held
    /// against their cluster's CA alone.
    pub fn root_certificates(mut self, pem: impl Into<String>) -> Self {
        self.root_certificates = Some(pem.into());
        self
    }

    /// The clock that certificates are held against; the system's unless set.
    pub fn clock(mut self, clock: impl Clock) -> Self {
        self.clock = Arc::new(clock);
        self
    }

    /// Records the six metrics of Google's connectors, `alloydb.googleapis.com/client/connector/…`.
    #[cfg(feature = "opentelemetry")]
    #[cfg_attr(docsrs, doc(cfg(feature = "opentelemetry")))]
    #[expect(
        clippy::needless_pass_by_value,
        reason = "like every option, and a meter is cheap"
    )]
    pub fn opentelemetry(mut self, meter: opentelemetry::metrics::Meter) -> Self {
        self.telemetry = Telemetry::new(&meter);
        self
    }

    /// Makes the dialer. Waits for nobody on the network; reads credentials and other files.
    ///
    /// Must be called in a tokio runtime with time and I/O enabled. The refresh tasks run there, and
    /// the dialer is of use only as long as that runtime runs.
    ///
    /// # Errors
    ///
    /// Always [`Error::Config`].
    pub async fn build(self) -> Result<Dialer, Error> {
        read(move |runtime| self.assemble(runtime)).await
    }

    /// Makes no dialer, but what calls of other APIs of Google are made with: of the options only
    /// those that concern credentials, universe, quota project, proxy and roots matter.
    ///
    /// Waits for nobody on the network; reads credentials and other files. Must be called in a tokio
    /// runtime with time and I/O enabled, and used in it.
    ///
    /// # Errors
    ///
    /// Always [`Error::Config`].
    pub async fn api_credentials(self) -> Result<ApiCredentials, Error> {
        read(move |_| {
            let around = self.surroundings(&self.full_user_agent())?;
            let resolved = resolve(&self.credentials, Purpose::Admin, &around)?;
            let quota_project = self.billed(&resolved);
            Ok(ApiCredentials {
                resolved,
                quota_project,
            })
        })
        .await
    }

    fn assemble(self, runtime: &Handle) -> Result<Dialer, ConfigError> {
        self.check()?;
        let user_agent = self.full_user_agent();
        let around = self.surroundings(&user_agent)?;
        let endpoint = self.endpoint(&around.universe)?;
        let routes = self.proxy.routes();
        let of_login = self.login_credentials.as_ref().unwrap_or(&self.credentials);
        let login = resolve(of_login, Purpose::Login, &around)?;
        let closed = CancellationToken::new();
        let source = match &self.static_file {
            Some(path) => {
                let file = StaticFile::open(path.clone(), self.clock.clone())?;
                Source::Static(Arc::new(file))
            }
            None => Source::Admin(self.instances(around, endpoint, &closed, runtime)?),
        };
        Ok(Dialer::new(Inner {
            source,
            login,
            iam_login: self.iam_login,
            user_agent,
            way: Way {
                function: self.dial_function,
                routes,
                keep_alive: self.keep_alive,
                connect_timeout: self.connect_timeout,
            },
            token_timeout: self.refresh_timeout,
            telemetry: self.telemetry,
            runtime: runtime.clone(),
            _closes: closed.clone().drop_guard(),
            closed,
        }))
    }

    fn full_user_agent(&self) -> String {
        let names = [&[USER_AGENT.to_owned()], self.user_agents.as_slice()].concat();
        names.join(" ")
    }

    fn surroundings(&self, user_agent: &str) -> Result<Surroundings, ConfigError> {
        let universe = self.universe_domain.as_deref().unwrap_or(DEFAULT_UNIVERSE);
        let default = || format!("https://iamcredentials.{universe}");
        let iam_endpoint = self.iam_endpoint.clone().unwrap_or_else(default);
        let iam_endpoint = AdminClient::endpoint(&iam_endpoint, self.plaintext)?;
        Ok(Surroundings {
            http: self.http(user_agent)?,
            universe: universe.to_owned(),
            plaintext: self.plaintext,
            iam_endpoint: iam_endpoint.as_str().trim_end_matches('/').to_owned(),
        })
    }

    /// The project to bill, where one is set.
    fn billed(&self, credentials: &Resolved) -> Option<String> {
        let set = self.quota_project.clone().or_else(proxy::quota_project);
        set.or_else(|| credentials.quota_project.clone())
    }

    fn check(&self) -> Result<(), ConfigError> {
        let zero = |option| Err(ConfigError::new(Mistake::ZeroDuration { option }));
        if self.static_file.is_some() {
            let given = [
                ("refresh(Lazy)", self.strategy == RefreshStrategy::Lazy),
                ("rsa_key", self.rsa_key.is_some()),
                ("admin_endpoint", self.admin_endpoint.is_some()),
            ];
            if let Some((second, _)) = given.into_iter().find(|(_, given)| *given) {
                let first = "static_connection_info";
                return Err(ConfigError::new(Mistake::Conflict { first, second }));
            }
        }
        if self.connect_timeout.is_zero() {
            return zero("connect_timeout");
        }
        if self.refresh_timeout.is_zero() {
            return zero("refresh_timeout");
        }
        match self.keep_alive {
            Some(period) if period.is_zero() => zero("tcp_keep_alive"),
            _ => Ok(()),
        }
    }

    fn endpoint(&self, universe: &str) -> Result<Url, ConfigError> {
        let default = || format!("https://alloydb.{universe}");
        let endpoint = self.admin_endpoint.clone().unwrap_or_else(default);
        AdminClient::endpoint(&endpoint, self.plaintext)
    }

    fn http(&self, user_agent: &str) -> Result<Http, ConfigError> {
        let user_agent = header("user_agent", user_agent)?;
        let mistake = |reason: String| ConfigError::new(Mistake::RootCertificates { reason });
        let roots = self.roots().map_err(mistake)?;
        let tls = ClientConfig::builder_with_provider(tls::provider())
            .with_safe_default_protocol_versions()
            .map_err(|error| mistake(error.to_string()))?
            .with_root_certificates(roots)
            .with_no_client_auth();
        Http::new(&tls, &self.proxy, &user_agent).map_err(|_| {
            ConfigError::new(Mistake::Proxy {
                variable: "the builder",
                reason: "it can't be used for HTTP",
            })
        })
    }

    fn roots(&self) -> Result<RootCertStore, String> {
        let mut roots = RootCertStore::empty();
        let Some(pem) = &self.root_certificates else {
            // A system without roots is an error only when one is needed: the handshake says so.
            let system = rustls_native_certs::load_native_certs();
            roots.add_parsable_certificates(system.certs);
            return Ok(roots);
        };
        for certificate in CertificateDer::pem_slice_iter(pem.as_bytes()) {
            let certificate = certificate.map_err(|_| "they aren't PEM".to_owned())?;
            roots.add(certificate).map_err(|error| error.to_string())?;
        }
        if roots.is_empty() {
            return Err("they hold no certificate".to_owned());
        }
        Ok(roots)
    }

    fn instances(
        &self,
        around: Surroundings,
        endpoint: Url,
        closed: &CancellationToken,
        runtime: &Handle,
    ) -> Result<Instances, ConfigError> {
        let credentials = resolve(&self.credentials, Purpose::Admin, &around)?;
        let quota_project = match self.billed(&credentials) {
            Some(project) => Some(header("quota_project", &project)?),
            None => None,
        };
        let fetcher = Arc::new(Fetcher {
            admin: AdminClient::new(around.http, endpoint, Identity { quota_project }),
            credentials,
            universe: around.universe,
            key: OnceCell::new_with(self.rsa_key.clone()),
            refresh_timeout: self.refresh_timeout,
            clock: self.clock.clone(),
        });
        if self.strategy == RefreshStrategy::Ahead {
            // The first refresh then finds the key, or what is left to wait for it.
            let fetcher = fetcher.clone();
            let closed = closed.clone();
            runtime.spawn(async move { closed.run_until_cancelled(fetcher.key()).await.is_some() });
        }
        let pace = Pace {
            strategy: self.strategy,
            refresh_timeout: self.refresh_timeout,
            clock: self.clock.clone(),
            closed: closed.clone(),
            telemetry: self.telemetry.clone(),
        };
        Ok(Instances::new(fetcher, pace, runtime.clone()))
    }
}

/// Reads the credentials, and holds their universe against the dialer's where it is known already.
fn resolve(
    credentials: &Credentials,
    purpose: Purpose,
    around: &Surroundings,
) -> Result<Resolved, ConfigError> {
    let mistake = |error: TokenError| ConfigError::new(Mistake::Credentials(error));
    let resolved = credentials.resolve(purpose, around).map_err(mistake)?;
    match &resolved.universe {
        Some(universe) if *universe != around.universe => {
            Err(ConfigError::new(Mistake::UniverseDomain {
                credentials: universe.clone(),
                dialer: around.universe.clone(),
            }))
        }
        _ => Ok(resolved),
    }
}

/// Makes something of options whose files have to be read, which may take a while, as may the system's
/// trust store: on a thread for that.
async fn read<T: Send + 'static>(
    make: impl FnOnce(&Handle) -> Result<T, ConfigError> + Send + 'static,
) -> Result<T, Error> {
    let runtime = Handle::try_current().map_err(|_| ConfigError::new(Mistake::NoRuntime))?;
    let reading = tokio::task::spawn_blocking(move || {
        // Google's library spawns its tasks where it is built.
        let _entered = runtime.enter();
        make(&runtime)
    });
    let read = reading.await;
    let read = read.map_err(|_| ConfigError::new(Mistake::NoRuntime))?;
    Ok(read?)
}

fn header(option: &'static str, value: &str) -> Result<HeaderValue, ConfigError> {
    HeaderValue::try_from(value).map_err(|_| {
        ConfigError::new(Mistake::Header {
            option,
            value: value.to_owned(),
        })
    })
}
