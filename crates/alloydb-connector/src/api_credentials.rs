//! For other APIs of Google than AlloyDB's.

use std::fmt;

use crate::AccessToken;
use crate::credentials::{Resolved, TokenError};

/// What a program calls other APIs of Google with, as the one whom a dialer calls the admin API as.
///
/// Made by [`DialerBuilder::api_credentials`](crate::DialerBuilder::api_credentials).
#[derive(Clone)]
pub struct ApiCredentials {
    pub(crate) resolved: Resolved,
    pub(crate) quota_project: Option<String>,
}

impl ApiCredentials {
    /// A token with the scope `cloud-platform`, where the kind of credentials lets scopes be chosen.
    /// It is kept until shortly before it ends, so that one may ask before every call.
    pub async fn access_token(&self) -> Result<AccessToken, TokenError> {
        self.resolved.token().await
    }

    /// The project to bill, if one was set: for the header `x-goog-user-project`.
    pub fn quota_project(&self) -> Option<&str> {
        self.quota_project.as_deref()
    }
}

impl fmt::Debug for ApiCredentials {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("ApiCredentials")
            .field("quota_project", &self.quota_project)
            .finish_non_exhaustive()
    }
}
