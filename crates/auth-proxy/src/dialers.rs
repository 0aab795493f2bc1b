//! One dialer for each identity.

use alloydb_connector::{
    ApiCredentials, Credentials, Dialer, DialerBuilder, Error, IamLogin, RefreshStrategy,
    TokenSource as _,
};
use opentelemetry::metrics::Meter;
use secrecy::{ExposeSecret, SecretString};
use tokio::sync::Mutex;

use crate::gcloud::Gcloud;
use crate::log::Logger;
use crate::{Credential, Identity, Refresh, Settings};

/// The dialers that were made so far, and what more are made of.
pub(crate) struct Dialers {
    login_token: Option<SecretString>,
    admin_endpoint: Option<String>,
    universe_domain: Option<String>,
    user_agents: Vec<String>,
    refresh: Refresh,
    meter: Meter,
    made: Mutex<Vec<(Identity, Dialer)>>,
}

impl Dialers {
    pub(crate) fn new(settings: &Settings, meter: Meter) -> Self {
        let own = format!("alloy-db-auth-proxy/{}", settings.version);
        Self {
            login_token: settings.login_token.clone(),
            admin_endpoint: settings.admin_endpoint.clone(),
            universe_domain: settings.universe_domain.clone(),
            user_agents: [&[own], settings.user_agents.as_slice()].concat(),
            refresh: settings.refresh.clone(),
            meter,
            made: Mutex::new(Vec::new()),
        }
    }

    /// The dialer of an identity; made, and its credentials read, if there is none yet.
    pub(crate) async fn of(&self, identity: &Identity) -> Result<Dialer, Error> {
        let mut made = self.made.lock().await;
        if let Some((_, dialer)) = made.iter().find(|(known, _)| same(known, identity)) {
            return Ok(dialer.clone());
        }
        let dialer = self.builder(identity).await?.build().await?;
        made.push((identity.clone(), dialer.clone()));
        Ok(dialer)
    }

    /// What other APIs of Google are called with as this identity.
    pub(crate) async fn api_credentials(
        &self,
        identity: &Identity,
    ) -> Result<ApiCredentials, Error> {
        self.builder(identity).await?.api_credentials().await
    }

    /// All that were made.
    pub(crate) async fn all(&self) -> Vec<Dialer> {
        let made = self.made.lock().await;
        made.iter().map(|(_, dialer)| dialer.clone()).collect()
    }

    /// Ends all refreshes and lets dials that are under way fail.
    pub(crate) async fn close(&self) {
        for dialer in self.all().await {
            dialer.close().await;
        }
    }

    async fn builder(&self, identity: &Identity) -> Result<DialerBuilder, Error> {
        let mut builder = Dialer::builder()
            .credentials(credentials(identity).await?)
            .iam_login(IamLogin::Off)
            .opentelemetry(self.meter.clone());
        for user_agent in &self.user_agents {
            builder = builder.user_agent(user_agent);
        }
        // Whoever has all from a file asks nobody.
        if let Some(endpoint) = &self.admin_endpoint
            && !matches!(self.refresh, Refresh::Static(_))
        {
            builder = builder.admin_endpoint(endpoint);
        }
        if let Some(domain) = &self.universe_domain {
            builder = builder.universe_domain(domain);
        }
        if let Some(token) = &self.login_token {
            builder = builder.login_credentials(Credentials::token(token.clone()));
        }
        Ok(match &self.refresh {
            Refresh::Ahead => builder.refresh(RefreshStrategy::Ahead),
            Refresh::Lazy => builder.refresh(RefreshStrategy::Lazy),
            Refresh::Static(path) => builder.static_connection_info(path),
        })
    }
}

/// The credentials of an identity. The command `gcloud` is run, so that what is wrong with it shows
/// at the start.
async fn credentials(identity: &Identity) -> Result<Credentials, Error> {
    let credentials = match &identity.credential {
        Credential::ApplicationDefault => Credentials::application_default(),
        Credential::Token(token) => Credentials::token(token.clone()),
        Credential::File(path) => Credentials::file(path),
        Credential::Json(json) => Credentials::json(json.clone()),
        Credential::Gcloud => {
            let gcloud = Gcloud::new();
            gcloud.token().await.map_err(Error::Login)?;
            Credentials::source(gcloud)
        }
    };
    let Some(impersonation) = &identity.impersonation else {
        return Ok(credentials);
    };
    // The option names them from the target backwards, the connector wants them in the order in
    // which they are gone through.
    let delegates = impersonation.delegates.iter().rev().cloned();
    Ok(credentials.impersonate(&impersonation.target, delegates))
}

/// Says where the credentials come from, in the original's words.
pub(crate) fn announce(settings: &Settings, logger: &Logger) {
    let Identity {
        credential,
        impersonation,
    } = &settings.identity;
    let doing = match impersonation {
        Some(_) => "Impersonating service account with",
        None => "Authorizing with",
    };
    match credential {
        Credential::ApplicationDefault => {
            logger.info(format_args!("{doing} Application Default Credentials"));
        }
        Credential::Token(_) => logger.info(format_args!("{doing} OAuth2 token")),
        Credential::File(path) => {
            let path = path.display();
            logger.info(format_args!("{doing} the credentials file at \"{path}\""));
        }
        Credential::Json(_) => {
            logger.info(format_args!(
                "{doing} JSON credentials environment variable"
            ));
        }
        Credential::Gcloud => logger.info(format_args!("{doing} gcloud user credentials")),
    }
    if !settings
        .instances
        .iter()
        .any(|instance| instance.auto_iam_authn)
    {
        return;
    }
    if settings.login_token.is_some() {
        logger.info("Authenticating IAM database logins with the login token");
    } else if impersonation.is_some() || matches!(credential, Credential::Token(_)) {
        logger.info(
            "Note: reusing the configured API credential for IAM database authentication login",
        );
    }
}

/// Whether two identities are the same. Secrets of one's own settings need no constant time.
pub(crate) fn same(one: &Identity, other: &Identity) -> bool {
    let credentials = match (&one.credential, &other.credential) {
        (Credential::ApplicationDefault, Credential::ApplicationDefault)
        | (Credential::Gcloud, Credential::Gcloud) => true,
        (Credential::Token(one), Credential::Token(other))
        | (Credential::Json(one), Credential::Json(other)) => {
            one.expose_secret() == other.expose_secret()
        }
        (Credential::File(one), Credential::File(other)) => one == other,
        _ => false,
    };
    credentials && one.impersonation == other.impersonation
}

/// Whether an instance has the same identity of its own, or none, before and after.
pub(crate) fn same_own(one: Option<&Identity>, other: Option<&Identity>) -> bool {
    match (one, other) {
        (None, None) => true,
        (Some(one), Some(other)) => same(one, other),
        _ => false,
    }
}
