//! What one dial may ask for, and the choices a dialer is built with.

use std::fmt;
use std::sync::Arc;

use crate::IpType;
use crate::dial_function::DialFunction;

/// How the database login is made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum IamLogin {
    /// With the role's own password, after the dial (`DB_NATIVE`).
    #[default]
    Off,
    /// As the IAM principal of the login credentials; no password is asked (`AUTO_IAM`).
    On,
}

/// When certificates are renewed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum RefreshStrategy {
    /// In the background, well before they expire.
    #[default]
    Ahead,
    /// When a dial needs one. For processes that get no CPU between requests, such as Cloud Run.
    Lazy,
}

/// What one dial asks for. The default is the private address and the dialer's own settings.
#[derive(Clone, Default)]
#[must_use = "options do nothing until they are given to a dial"]
pub struct DialOptions {
    pub(crate) ip_type: IpType,
    pub(crate) iam_login: Option<IamLogin>,
    pub(crate) dial_function: Option<Arc<dyn DialFunction>>,
}

impl DialOptions {
    /// The private address and the dialer's own settings.
    pub fn new() -> Self {
        Self::default()
    }

    /// Which address to dial; private by default.
    pub fn ip_type(mut self, ip_type: IpType) -> Self {
        self.ip_type = ip_type;
        self
    }

    /// Overrides the dialer's own [`IamLogin`].
    pub fn iam_login(mut self, iam_login: IamLogin) -> Self {
        self.iam_login = Some(iam_login);
        self
    }

    /// Makes this dial's connection; overrides the dialer's own function and its proxy.
    pub fn dial_function(mut self, function: impl DialFunction) -> Self {
        self.dial_function = Some(Arc::new(function));
        self
    }
}

impl fmt::Debug for DialOptions {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("DialOptions")
            .field("ip_type", &self.ip_type)
            .field("iam_login", &self.iam_login)
            .field("dial_function", &self.dial_function.is_some())
            .finish()
    }
}
