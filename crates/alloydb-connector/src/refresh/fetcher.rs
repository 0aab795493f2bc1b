//! One refresh: addresses and certificate from the admin API, at the same time.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use rustls_pki_types::DnsName;
use tokio::sync::OnceCell;
use tokio::time::Instant;

use super::{Fetch, Material};
use crate::admin::{AdminClient, ClientCertificate, ConnectionInfo};
use crate::certificate::Chain;
use crate::clock::Clock;
use crate::credentials::{AccessToken, Resolved};
use crate::key::RsaKey;
use crate::step::{self, step};
use crate::{Addresses, BoxFuture, InstanceUri, RefreshError, RefreshFailure, tls};

pub(crate) struct Fetcher {
    pub(crate) admin: AdminClient,
    pub(crate) credentials: Resolved,
    /// The universe domain of the dialer.
    pub(crate) universe: String,
    /// One for all instances of the dialer; made when it is first needed.
    pub(crate) key: OnceCell<RsaKey>,
    pub(crate) refresh_timeout: Duration,
    pub(crate) clock: Arc<dyn Clock>,
}

impl Fetcher {
    /// The dialer's key. Cancel safe; a key that nobody waits for any more is thrown away.
    pub(crate) async fn key(&self) -> Option<&RsaKey> {
        let make = async || {
            // Finding primes takes a good part of a second.
            let made = tokio::task::spawn_blocking(RsaKey::generate).await;
            made.ok().flatten().ok_or(())
        };
        self.key.get_or_try_init(make).await.ok()
    }

    /// The cluster's CA, as the admin API gives it now.
    pub(crate) async fn cluster_ca(&self, of: &InstanceUri) -> Result<String, RefreshError> {
        let deadline = Instant::now() + self.refresh_timeout;
        let certificate = tokio::time::timeout_at(deadline, async {
            let (key, token) = tokio::try_join!(self.key_of(of), self.token(of))?;
            self.certificate(of, key, &token, deadline).await
        });
        let certificate = certificate.await.unwrap_or_else(|_| {
            let after = self.refresh_timeout;
            Err(RefreshError::new(of, RefreshFailure::Timeout { after }))
        })?;
        Ok(certificate.ca_cert)
    }

    async fn refresh(&self, instance: &InstanceUri) -> Result<Material, RefreshError> {
        let deadline = Instant::now() + self.refresh_timeout;
        let (key, token) = tokio::try_join!(self.key_of(instance), self.token(instance))?;
        let (info, certificate) = tokio::try_join!(
            self.connection_info(instance, &token, deadline),
            self.certificate(instance, key, &token, deadline),
        )?;
        let addresses = addresses(instance, &info)?;
        let bad = |what: &dyn std::fmt::Display| {
            let call = "generateClientCertificate";
            let what = what.to_string();
            RefreshError::new(instance, RefreshFailure::BadAnswer { call, what })
        };
        let chain = Chain::read(&certificate.pem_certificate_chain, &certificate.ca_cert)
            .map_err(|error| bad(&error))?;
        let refreshed_at = self.clock.now();
        if let Ok(ago) = refreshed_at.duration_since(chain.expires_at) {
            return Err(RefreshError::new(instance, RefreshFailure::Expired { ago }));
        }
        let tls = tls::client_config(&chain, key).map_err(|error| bad(&error))?;
        Ok(Material {
            addresses,
            tls: Arc::new(tls),
            expires_at: chain.expires_at,
            refreshed_at,
            life: chain.life(refreshed_at),
        })
    }

    async fn key_of(&self, instance: &InstanceUri) -> Result<&RsaKey, RefreshError> {
        let key = self.key().await;
        key.ok_or_else(|| RefreshError::new(instance, RefreshFailure::Key))
    }

    async fn token(&self, instance: &InstanceUri) -> Result<AccessToken, RefreshError> {
        let universe = self.credentials.universe().await;
        if universe != self.universe {
            let failure = RefreshFailure::UniverseDomain {
                credentials: universe,
                dialer: self.universe.clone(),
            };
            return Err(RefreshError::new(instance, failure));
        }
        let token = self.credentials.token().await;
        token.map_err(|error| RefreshError::caused(instance, RefreshFailure::Token, error))
    }

    async fn connection_info(
        &self,
        instance: &InstanceUri,
        token: &AccessToken,
        deadline: Instant,
    ) -> Result<ConnectionInfo, RefreshError> {
        let fetched = self.admin.connection_info(instance, token, deadline);
        step::take(step!("fetch metadata"), fetched).await
    }

    async fn certificate(
        &self,
        instance: &InstanceUri,
        key: &RsaKey,
        token: &AccessToken,
        deadline: Instant,
    ) -> Result<ClientCertificate, RefreshError> {
        let public_key = key.public_pem();
        let fetched = self
            .admin
            .client_certificate(instance, public_key, token, deadline);
        step::take(step!("fetch ephemeral certificate"), fetched).await
    }
}

impl Fetch for Fetcher {
    fn fetch<'a>(
        &'a self,
        instance: &'a InstanceUri,
    ) -> BoxFuture<'a, Result<Material, RefreshError>> {
        Box::pin(self.refresh(instance))
    }
}

/// Absent and empty are the same; the name that Google made by itself is the second choice.
fn addresses(instance: &InstanceUri, info: &ConnectionInfo) -> Result<Addresses, RefreshError> {
    let bad = |what: String| {
        let call = "connectionInfo";
        RefreshError::new(instance, RefreshFailure::BadAnswer { call, what })
    };
    let address = |text: &Option<String>| match text.as_deref() {
        None | Some("") => Ok(None),
        Some(text) => match text.parse::<IpAddr>() {
            Ok(address) => Ok(Some(address)),
            Err(_) => Err(bad(format!("the IP address {text:?}"))),
        },
    };
    let names = [&info.psc_dns_name, &info.psc_auto_dns_name];
    let addresses = Addresses {
        private: address(&info.ip_address)?,
        public: address(&info.public_ip_address)?,
        psc: names.into_iter().find_map(|name| psc_name(name.as_deref())),
    };
    // It goes into a proxy's request as it is, where a line break would begin a header.
    if let Some(name) = addresses.psc()
        && DnsName::try_from(name).is_err()
    {
        return Err(bad(format!("the DNS name {name:?}")));
    }
    if addresses.is_empty() {
        return Err(bad("no address at all".to_owned()));
    }
    Ok(addresses)
}

/// The API's names end with a dot.
pub(super) fn psc_name(name: Option<&str>) -> Option<String> {
    let name = name?;
    let name = name.strip_suffix('.').unwrap_or(name);
    (!name.is_empty()).then(|| name.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn instance() -> InstanceUri {
        "projects/p/locations/l/clusters/c/instances/i"
            .parse()
            .unwrap()
    }

    #[test]
    fn the_automatic_psc_name_is_the_second_choice_and_dots_are_trimmed() {
        let mut info = ConnectionInfo {
            psc_auto_dns_name: Some("auto.alloydb.goog.".to_owned()),
            ..ConnectionInfo::default()
        };
        let read = |info: &ConnectionInfo| addresses(&instance(), info).unwrap().psc;
        assert_eq!(read(&info).as_deref(), Some("auto.alloydb.goog"));
        info.psc_dns_name = Some("own.alloydb.goog.".to_owned());
        assert_eq!(read(&info).as_deref(), Some("own.alloydb.goog"));
    }

    #[test]
    fn an_instance_without_any_address_is_a_bad_answer() {
        let info = ConnectionInfo {
            ip_address: Some(String::new()),
            ..ConnectionInfo::default()
        };
        let error = addresses(&instance(), &info).unwrap_err();
        assert!(error.to_string().contains("no address at all"), "{error}");
    }

    #[test]
    fn a_dns_name_that_is_none_is_a_bad_answer() {
        for name in ["a b", "a.goog\r\nX-Header: y", "a..goog."] {
            let info = ConnectionInfo {
                psc_dns_name: Some(name.to_owned()),
                ..ConnectionInfo::default()
            };
            let error = addresses(&instance(), &info).unwrap_err();
            assert!(error.to_string().contains("the DNS name"), "{error}");
        }
    }

    #[test]
    fn an_address_that_is_none_is_a_bad_answer() {
        let info = ConnectionInfo {
            ip_address: Some("10.0.0.5:5433".to_owned()),
            ..ConnectionInfo::default()
        };
        let error = addresses(&instance(), &info).unwrap_err();
        assert!(error.to_string().contains("10.0.0.5:5433"), "{error}");
    }
}
