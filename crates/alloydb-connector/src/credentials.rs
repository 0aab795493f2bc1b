//! Who the connector is towards Google: tokens for the admin API and for the login.

mod adapter;
mod cache;
mod impersonation;
mod service_account;
mod token;

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use secrecy::{ExposeSecret, SecretString};
use serde_json::Value;

pub(crate) use adapter::Adapter;
pub(crate) use cache::Cached;
pub(crate) use token::secret;
pub use token::{AccessToken, TokenError, TokenSource};

use crate::admin::{Http, Plaintext};
use impersonation::Impersonation;
use service_account::ServiceAccount;

/// The default universe of Google Cloud.
pub(crate) const DEFAULT_UNIVERSE: &str = "googleapis.com";

/// Where access tokens come from.
///
/// Tokens for the admin API have the scope `cloud-platform`. Tokens for the metadata exchange and
/// the login are narrowed to `alloydb.login` where the kind of credentials can be narrowed: service
/// accounts, the metadata server, impersonation and workload identity. A user's own credentials
/// (`gcloud auth application-default login`) keep the scopes that the user consented to; static
/// tokens and token sources are used as they are.
#[derive(Clone)]
pub struct Credentials {
    kind: Kind,
    /// Each is impersonated by the one before it, the first by `kind`.
    impersonated: Vec<Target>,
}

#[derive(Clone)]
enum Kind {
    ApplicationDefault,
    File(PathBuf),
    Json(SecretString),
    Source(Arc<dyn TokenSource>),
}

/// A service account to act as.
#[derive(Clone, Debug)]
struct Target {
    principal: String,
    delegates: Vec<String>,
}

impl Credentials {
    /// What the environment provides: `GOOGLE_APPLICATION_CREDENTIALS`, the file that `gcloud auth
    /// application-default login` writes, or the metadata server. The default.
    pub fn application_default() -> Self {
        Self::of(Kind::ApplicationDefault)
    }

    /// A credentials file in JSON: a service account's key, a user's, workload identity.
    pub fn file(path: impl Into<PathBuf>) -> Self {
        Self::of(Kind::File(path.into()))
    }

    /// The content of a credentials file.
    pub fn json(json: SecretString) -> Self {
        Self::of(Kind::Json(json))
    }

    /// A token that somebody else renews, or that lives long enough.
    pub fn token(token: SecretString) -> Self {
        let token = AccessToken::new(token, None);
        Self::source(move || std::future::ready(Ok(token.clone())))
    }

    /// Any other source of tokens. It is asked at every dial, so it should cache.
    pub fn source(source: impl TokenSource) -> Self {
        Self::of(Kind::Source(Arc::new(source)))
    }

    /// Acts as the service account `target` (its e-mail address).
    ///
    /// `delegates` are ordered from these credentials towards the target: each may create tokens for
    /// the next, the last for the target. May be called repeatedly to build a chain step by step.
    #[must_use]
    pub fn impersonate<D: Into<String>>(
        mut self,
        target: impl Into<String>,
        delegates: impl IntoIterator<Item = D>,
    ) -> Self {
        self.impersonated.push(Target {
            principal: target.into(),
            delegates: delegates.into_iter().map(Into::into).collect(),
        });
        self
    }

    fn of(kind: Kind) -> Self {
        Self {
            kind,
            impersonated: Vec::new(),
        }
    }
}

impl Default for Credentials {
    fn default() -> Self {
        Self::application_default()
    }
}

impl fmt::Debug for Credentials {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = match &self.kind {
            Kind::ApplicationDefault => "application default",
            Kind::File(_) => "file",
            Kind::Json(_) => "json",
            Kind::Source(_) => "source",
        };
        formatter
            .debug_struct("Credentials")
            .field("kind", &kind)
            .field("impersonated", &self.impersonated)
            .finish()
    }
}

/// What a token is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// The admin API.
    Admin,
    /// The metadata exchange and the login.
    Login,
}

impl Purpose {
    pub(crate) fn scope(self) -> &'static str {
        match self {
            Self::Admin => CLOUD_PLATFORM,
            Self::Login => "https://www.googleapis.com/auth/alloydb.login",
        }
    }
}

pub(crate) const CLOUD_PLATFORM: &str = "https://www.googleapis.com/auth/cloud-platform";

/// What credentials are resolved with.
#[derive(Clone)]
pub(crate) struct Surroundings {
    pub(crate) http: Http,
    /// The universe domain of the dialer.
    pub(crate) universe: String,
    /// Whether a token endpoint beyond loopback may be asked in the clear.
    pub(crate) plaintext: Plaintext,
    /// Where `generateAccessToken` is, with scheme and without a trailing slash.
    pub(crate) iam_endpoint: String,
}

/// Credentials that were read and found usable.
#[derive(Clone)]
pub(crate) struct Resolved {
    source: Arc<dyn TokenSource>,
    /// What the file says; `None` where only a running metadata server knows.
    pub(crate) universe: Option<String>,
    /// The project to bill, from the file.
    pub(crate) quota_project: Option<String>,
    /// Asks the metadata server for its universe.
    adapter: Option<Arc<Adapter>>,
}

impl Resolved {
    /// Not cancel safe towards the source, but every source here may be asked again.
    pub(crate) async fn token(&self) -> Result<AccessToken, TokenError> {
        let token = self.source.token().await?;
        if token.expose().is_empty() {
            return Err(TokenError::new("the access token is empty"));
        }
        Ok(token)
    }

    /// The universe these credentials belong to.
    pub(crate) async fn universe(&self) -> String {
        if let Some(universe) = &self.universe {
            return universe.clone();
        }
        let asked = match &self.adapter {
            Some(adapter) => adapter.universe().await,
            None => None,
        };
        asked.unwrap_or_else(|| DEFAULT_UNIVERSE.to_owned())
    }
}

impl Credentials {
    /// Reads what is to be read. Blocks on small files; must be called in the dialer's runtime.
    pub(crate) fn resolve(
        &self,
        purpose: Purpose,
        around: &Surroundings,
    ) -> Result<Resolved, TokenError> {
        // The last in the chain makes the token that counts; all before it are means to an end.
        let own_purpose = if self.impersonated.is_empty() {
            purpose
        } else {
            Purpose::Admin
        };
        let mut resolved = self.kind.resolve(own_purpose, around)?;
        let last = self.impersonated.len().saturating_sub(1);
        for (at, target) in self.impersonated.iter().enumerate() {
            target.check()?;
            let scope = if at == last { purpose } else { Purpose::Admin }.scope();
            let impersonation = Impersonation::new(resolved.source, target, scope, around);
            resolved.source = Arc::new(Cached::new(impersonation));
        }
        Ok(resolved)
    }
}

impl Target {
    /// The names go into a URL's path, where a slash or a question mark would ask for another thing.
    fn check(&self) -> Result<(), TokenError> {
        let harmless = |byte: u8| byte.is_ascii_alphanumeric() || b"@-_.+:".contains(&byte);
        let is_account = |name: &str| !name.is_empty() && name.bytes().all(harmless);
        let mut names = self.delegates.iter().chain([&self.principal]);
        match names.find(|name| !is_account(name)) {
            Some(name) => Err(TokenError::new(format!(
                "{name:?} isn't the e-mail address of a service account to impersonate"
            ))),
            None => Ok(()),
        }
    }
}

impl Kind {
    fn resolve(&self, purpose: Purpose, around: &Surroundings) -> Result<Resolved, TokenError> {
        match self {
            Self::ApplicationDefault => {
                if let Some(path) = crate::proxy::application_default_file() {
                    return Self::File(path).resolve(purpose, around);
                }
                let adapter = Arc::new(Adapter::metadata_server(purpose)?);
                Ok(Resolved {
                    source: adapter.clone(),
                    universe: None,
                    quota_project: None,
                    adapter: Some(adapter),
                })
            }
            Self::File(path) => {
                let text = std::fs::read_to_string(path)
                    .map_err(|error| TokenError::caused(path.display().to_string(), error))?;
                resolve_json(&SecretString::from(text), purpose, around)
                    .map_err(|error| TokenError::caused(path.display().to_string(), error))
            }
            Self::Json(json) => resolve_json(json, purpose, around),
            // What a source's tokens are good for is its own affair.
            Self::Source(source) => Ok(Resolved {
                source: source.clone(),
                universe: Some(around.universe.clone()),
                quota_project: None,
                adapter: None,
            }),
        }
    }
}

fn resolve_json(
    json: &SecretString,
    purpose: Purpose,
    around: &Surroundings,
) -> Result<Resolved, TokenError> {
    // serde's own message may quote the text, which is secret.
    let json: Value = serde_json::from_str(json.expose_secret())
        .map_err(|error| TokenError::new(format!("no JSON (line {})", error.line())))?;
    let text = |key: &str| json.get(key).and_then(Value::as_str).map(str::to_owned);
    let universe = text("universe_domain").unwrap_or_else(|| DEFAULT_UNIVERSE.to_owned());
    let quota_project = text("quota_project_id");
    let source: Arc<dyn TokenSource> = match text("type").as_deref() {
        Some("service_account") => {
            let account = ServiceAccount::read(&json, purpose.scope(), around)?;
            Arc::new(Cached::new(account))
        }
        Some(_) => Arc::new(Adapter::json(json, purpose)?),
        None => return Err(TokenError::new("the JSON has no field `type`")),
    };
    Ok(Resolved {
        source,
        universe: Some(universe),
        quota_project,
        adapter: None,
    })
}
