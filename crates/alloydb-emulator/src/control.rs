//! What can be done to a running emulator, by its handle and by the control endpoint.

use std::sync::Arc;
use std::time::Duration;

use querycop_serve::BindError;
use serde::Deserialize;
use tokio_util::sync::CancellationToken;

use crate::description::{IamAuthentication, Role};
use crate::live::{Cluster, Instance, Placement, Running};
use crate::names::{ClusterName, InstanceName};
use crate::pki::Authority;
use crate::state::State;

/// A step in the replacement of a cluster's CA.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Rotation {
    /// A new CA signs clients and servers at once; nothing of the old one is accepted any more.
    Replace,
    /// A new CA stands beside the old one: both are answered to clients and accepted from them, the
    /// new one signs clients, and the server keeps the certificate of the old one.
    Begin,
    /// The server gets a certificate of the current CA.
    Server,
    /// The old CA is forgotten.
    Finish,
}

/// What could not be done.
#[derive(Debug, thiserror::Error)]
pub enum ControlError {
    /// An address can't be listened on.
    #[error("{0}")]
    Bind(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// A certificate can't be made.
    #[error("{0}")]
    Certificate(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// No cluster has this name.
    #[error("no cluster is called \"{0}\"")]
    UnknownCluster(String),
    /// No instance has this name.
    #[error("no instance is called \"{0}\"")]
    UnknownInstance(String),
    /// No principal has this address.
    #[error("no principal is called \"{0}\"")]
    UnknownPrincipal(String),
}

impl From<BindError> for ControlError {
    fn from(error: BindError) -> Self {
        Self::Bind(Box::new(error))
    }
}

impl State {
    pub(crate) fn find_cluster(&self, name: &str) -> Result<&Arc<Cluster>, ControlError> {
        let parsed: Option<ClusterName> = name.parse().ok();
        parsed
            .and_then(|name| self.cluster(&name))
            .ok_or_else(|| ControlError::UnknownCluster(name.to_owned()))
    }

    pub(crate) fn find_instance(&self, name: &str) -> Result<&Arc<Instance>, ControlError> {
        let parsed: Option<InstanceName> = name.parse().ok();
        parsed
            .and_then(|name| self.instance(&name))
            .map(|(_, instance)| instance)
            .ok_or_else(|| ControlError::UnknownInstance(name.to_owned()))
    }

    pub(crate) fn rotate(&self, cluster: &str, step: Rotation) -> Result<(), ControlError> {
        let cluster = self.find_cluster(cluster)?;
        let fresh = match step {
            Rotation::Replace | Rotation::Begin => {
                let made = Authority::new(cluster.name.as_str());
                let made = made.map_err(|error| ControlError::Certificate(Box::new(error)))?;
                Some(Arc::new(made))
            }
            Rotation::Server | Rotation::Finish => None,
        };
        cluster.set_pki(|pki| {
            let old = pki.current.clone();
            if let Some(fresh) = fresh {
                pki.current = fresh;
            }
            match step {
                Rotation::Begin => pki.previous = Some(old),
                Rotation::Server => pki.servers = pki.current.clone(),
                Rotation::Replace | Rotation::Finish => {
                    pki.previous = None;
                    pki.servers = pki.current.clone();
                }
            }
        });
        Ok(())
    }

    pub(crate) fn set_iam_authentication(
        &self,
        instance: &str,
        flag: IamAuthentication,
    ) -> Result<(), ControlError> {
        let instance = self.find_instance(instance)?;
        instance
            .now
            .send_modify(|now| now.iam_authentication = flag);
        Ok(())
    }

    pub(crate) fn set_roles(&self, email: &str, roles: Vec<Role>) -> Result<(), ControlError> {
        let principal = self.identities.principal(email);
        let principal =
            principal.ok_or_else(|| ControlError::UnknownPrincipal(email.to_owned()))?;
        principal.set_roles(roles);
        Ok(())
    }
}

/// Ends the sessions of now and changes the placement.
fn change(instance: &Instance, change: impl FnOnce(&mut Placement)) {
    instance.now.send_modify(|now| {
        now.sessions.cancel();
        now.sessions = CancellationToken::new();
        change(now);
    });
}

impl State {
    /// Ends all sessions and closes the ports until [`Self::resume`]. Not cancel safe.
    pub(crate) async fn stop(self: &Arc<Self>, instance: &str) -> Result<(), ControlError> {
        let instance = self.find_instance(instance)?;
        change(instance, |now| now.state = Running::Down);
        self.doors.reconcile(self).await?;
        Ok(())
    }

    /// Opens the ports again. Not cancel safe.
    pub(crate) async fn resume(self: &Arc<Self>, instance: &str) -> Result<(), ControlError> {
        let instance = self.find_instance(instance)?;
        instance.now.send_modify(|now| now.state = Running::Up);
        self.doors.reconcile(self).await?;
        Ok(())
    }

    /// Ends all sessions, and opens the ports again after `down`; returns when they are closed.
    pub(crate) async fn restart(
        self: &Arc<Self>,
        instance: &str,
        down: Duration,
    ) -> Result<(), ControlError> {
        if down.is_zero() {
            let instance = self.find_instance(instance)?;
            change(instance, |_| ());
            return Ok(());
        }
        self.stop(instance).await?;
        let (state, instance) = (self.clone(), instance.to_owned());
        let ended = self.ended.clone();
        tokio::spawn(ended.run_until_cancelled_owned(async move {
            tokio::time::sleep(down).await;
            if let Err(error) = state.resume(&instance).await {
                tracing::error!(%error, instance, "the instance does not come back");
            }
        }));
        Ok(())
    }

    /// Makes the standby the primary node: sessions end, the private address moves to the standby's
    /// if it has one, and back the next time. Not cancel safe.
    pub(crate) async fn failover(self: &Arc<Self>, instance: &str) -> Result<(), ControlError> {
        let instance = self.find_instance(instance)?;
        change(instance, |now| {
            if now.standby_address.is_some() {
                std::mem::swap(&mut now.private_address, &mut now.standby_address);
            }
        });
        self.doors.reconcile(self).await?;
        Ok(())
    }
}
