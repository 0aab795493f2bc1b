//! An instance and the way to it, as the pools take it.

use tokio::task::JoinHandle;
use tokio_postgres::{CancelToken, Client, Config};

use crate::drivers::{ConnectError, one_line};
use crate::{DialOptions, Dialer, InstanceUri};

/// Opens tokio-postgres sessions with one instance; what the pools of
/// [deadpool-postgres](crate::drivers::deadpool), [bb8](crate::drivers::bb8) and
/// [diesel-async](crate::drivers::diesel_async) are made with. Cheap to clone.
#[derive(Clone, Debug)]
pub struct AlloyDbConnect {
    dialer: Dialer,
    instance: InstanceUri,
    options: DialOptions,
}

impl AlloyDbConnect {
    /// Sessions with `instance`, dialled with default options.
    pub fn new(dialer: &Dialer, instance: &InstanceUri) -> Self {
        Self {
            dialer: dialer.clone(),
            instance: instance.clone(),
            options: DialOptions::default(),
        }
    }

    /// How the instance is dialled: the kind of address, the kind of login, ….
    #[must_use]
    pub fn dial_options(mut self, options: DialOptions) -> Self {
        self.options = options;
        self
    }

    /// The instance.
    pub fn instance(&self) -> &InstanceUri {
        &self.instance
    }

    /// Opens a session whose connection is driven by a task, as [`Dialer::connect`] does. Nobody
    /// waits for the task of a pooled connection, so it logs at level `warn` what broke it.
    pub async fn connect(&self, config: &Config) -> Result<(Client, JoinHandle<()>), ConnectError> {
        let opened = self
            .dialer
            .connect_raw(&self.instance, &self.options, config)
            .await?;
        let (client, connection) = opened;
        let instance = self.instance.clone();
        let task = tokio::spawn(async move {
            if let Err(error) = connection.await {
                let error = one_line(&error);
                tracing::warn!(%instance, error, "pooled connection broke");
            }
        });
        Ok((client, task))
    }

    /// Cancels what a client of this instance is doing, as [`Dialer::cancel`] does:
    /// `connect.cancel(&client.cancel_token())`.
    pub async fn cancel(&self, token: &CancelToken) -> Result<(), ConnectError> {
        self.dialer
            .cancel(&self.instance, &self.options, token)
            .await
    }
}
