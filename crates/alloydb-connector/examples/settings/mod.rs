//! What the examples are told by their environment.

use std::error::Error;

use alloydb_connector::{Credentials, DialOptions, Dialer, IamLogin, InstanceUri};

/// Whatever goes wrong ends an example.
pub type Failure = Box<dyn Error + Send + Sync>;

/// Where to, and as whom.
pub struct Settings {
    /// `ALLOYDB_INSTANCE_URI`.
    pub instance: InstanceUri,
    /// `ALLOYDB_USER`.
    pub user: String,
    /// `ALLOYDB_PASSWORD`; without it, automatic IAM login.
    pub password: Option<String>,
    /// `ALLOYDB_DATABASE`, `postgres` by default.
    pub database: String,
    /// `ALLOYDB_IP_TYPE`, private by default.
    pub options: DialOptions,
    admin_endpoint: Option<String>,
    admin_ca: Option<String>,
    token: Option<String>,
}

impl Settings {
    /// Reads what `variable` finds.
    pub fn read(variable: impl Fn(&str) -> Option<String>) -> Result<Self, Failure> {
        let required = |name: &str| variable(name).ok_or_else(|| format!("{name} is not set"));
        let mut options = DialOptions::default();
        if let Some(ip_type) = variable("ALLOYDB_IP_TYPE") {
            options = options.ip_type(ip_type.parse()?);
        }
        Ok(Self {
            instance: required("ALLOYDB_INSTANCE_URI")?.parse()?,
            user: required("ALLOYDB_USER")?,
            password: variable("ALLOYDB_PASSWORD"),
            database: variable("ALLOYDB_DATABASE").unwrap_or_else(|| "postgres".to_owned()),
            options,
            admin_endpoint: variable("ALLOYDB_ADMIN_ENDPOINT"),
            admin_ca: variable("ALLOYDB_ADMIN_CA"),
            token: variable("ALLOYDB_TOKEN"),
        })
    }

    /// Reads the environment.
    pub fn from_environment() -> Result<Self, Failure> {
        Self::read(|name| std::env::var(name).ok())
    }

    /// A dialer for AlloyDB, or for the emulator where its endpoint is set.
    pub async fn dialer(&self) -> Result<Dialer, Failure> {
        let login = match self.password {
            Some(_) => IamLogin::Off,
            None => IamLogin::On,
        };
        let mut builder = Dialer::builder().iam_login(login);
        if let Some(endpoint) = &self.admin_endpoint {
            builder = builder.admin_endpoint(endpoint);
        }
        if let Some(file) = &self.admin_ca {
            builder = builder.root_certificates(std::fs::read_to_string(file)?);
        }
        if let Some(token) = &self.token {
            builder = builder.credentials(Credentials::token(token.clone().into()));
        }
        Ok(builder.build().await?)
    }
}
