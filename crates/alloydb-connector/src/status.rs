//! What is known about an instance without asking anybody.

use std::net::IpAddr;
use std::time::SystemTime;

use crate::IpType;

/// The addresses an instance has, as the admin API gave them last.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Addresses {
    pub(crate) private: Option<IpAddr>,
    pub(crate) public: Option<IpAddr>,
    /// Without the trailing dot.
    pub(crate) psc: Option<String>,
}

impl Addresses {
    /// The address in the VPC network.
    pub fn private(&self) -> Option<IpAddr> {
        self.private
    }

    /// The address on the internet.
    pub fn public(&self) -> Option<IpAddr> {
        self.public
    }

    /// The DNS name for Private Service Connect, without a trailing dot.
    pub fn psc(&self) -> Option<&str> {
        self.psc.as_deref()
    }

    /// The address of this type as text.
    pub fn of(&self, ip_type: IpType) -> Option<String> {
        match ip_type {
            IpType::Private => self.private.map(|address| address.to_string()),
            IpType::Public => self.public.map(|address| address.to_string()),
            IpType::Psc => self.psc.clone(),
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.private.is_none() && self.public.is_none() && self.psc.is_none()
    }
}

/// What is known about an instance.
#[derive(Clone, Debug)]
pub struct InstanceStatus {
    pub(crate) addresses: Addresses,
    pub(crate) certificate_expires_at: Option<SystemTime>,
    pub(crate) refreshed_at: Option<SystemTime>,
    pub(crate) last_failure: Option<String>,
}

impl InstanceStatus {
    /// The instance's addresses; none before the first successful refresh.
    pub fn addresses(&self) -> &Addresses {
        &self.addresses
    }

    /// When the client certificate in use expires. `None` before the first successful refresh.
    pub fn certificate_expires_at(&self) -> Option<SystemTime> {
        self.certificate_expires_at
    }

    /// When certificate and addresses were fetched. `None` before the first successful refresh.
    pub fn refreshed_at(&self) -> Option<SystemTime> {
        self.refreshed_at
    }

    /// Why the last refresh failed, with all causes. `None` after a success.
    pub fn last_failure(&self) -> Option<&str> {
        self.last_failure.as_deref()
    }
}
