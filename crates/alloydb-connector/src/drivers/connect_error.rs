//! Why there is no session, told so that it survives drivers with error types of their own.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_postgres::config::TargetSessionAttrs;
use tokio_postgres::{Config, NoTls};

use crate::{Error, InstanceUri};

/// Why there is no session with an instance.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConnectError {
    /// There is no stream to the instance.
    #[error(transparent)]
    Dial(#[from] Error),
    /// The server said no to the session, or what it said made no sense, or the stream broke. The
    /// driver's error knows the SQLSTATE.
    #[error("no session with {instance}")]
    Login {
        /// The instance.
        instance: InstanceUri,
        /// The driver's error.
        #[source]
        cause: tokio_postgres::Error,
    },
    /// The cancel request could not be delivered.
    #[error("no cancel request to {instance}")]
    Cancel {
        /// The instance.
        instance: InstanceUri,
        /// The driver's error, or that of the stream.
        #[source]
        cause: io::Error,
    },
    /// There was no session in time.
    #[error("no session with {instance} within {after:?}")]
    Timeout {
        /// The instance.
        instance: InstanceUri,
        /// `connect_timeout`, or a minute where none was set.
        after: Duration,
    },
    /// The server isn't of the kind that `target_session_attrs` asks for.
    #[error("session with {instance} is not {}", attribute(*.wanted))]
    WrongSessionAttrs {
        /// The instance.
        instance: InstanceUri,
        /// What was asked for.
        wanted: TargetSessionAttrs,
    },
}

fn attribute(wanted: TargetSessionAttrs) -> &'static str {
    match wanted {
        TargetSessionAttrs::ReadOnly => "read-only",
        TargetSessionAttrs::ReadWrite => "read-write",
        _ => "as wanted",
    }
}

impl ConnectError {
    /// The connector's error within an error of tokio-postgres, as [deadpool](super::deadpool)
    /// returns it; `None` if the error has another cause.
    pub fn of(error: &tokio_postgres::Error) -> Option<&Self> {
        let cause = std::error::Error::source(error)?.downcast_ref::<io::Error>()?;
        cause.get_ref()?.downcast_ref::<Self>()
    }

    /// As an error of tokio-postgres, for interfaces that allow no other: the driver's own where it
    /// has one ([`Self::Login`]), else one in which [`Self::of`] finds this.
    pub async fn into_driver_error(self) -> tokio_postgres::Error {
        // Nobody but the driver can make its errors. So it is given a stream that can't be written
        // to, and reports the reason as the cause of an error of its own.
        if let Self::Login { cause, .. } = self {
            return cause;
        }
        let mut config = Config::new();
        // Without a name the driver would ask the system for one.
        config.user("nobody");
        let failed = config.connect_raw(Failing(Some(self)), NoTls).await;
        failed.err().expect("nothing can be sent through it")
    }
}

/// A stream whose first use fails with an error of ours.
struct Failing(Option<ConnectError>);

impl Failing {
    fn fail<T>(&mut self) -> Poll<io::Result<T>> {
        Poll::Ready(Err(match self.0.take() {
            Some(error) => io::Error::other(error),
            None => io::ErrorKind::BrokenPipe.into(),
        }))
    }
}

impl AsyncRead for Failing {
    fn poll_read(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        _: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.fail()
    }
}

impl AsyncWrite for Failing {
    fn poll_write(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        _: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.fail()
    }

    fn poll_flush(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.fail()
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::drivers::one_line;

    #[tokio::test]
    async fn an_error_of_ours_is_found_in_one_of_the_driver() {
        let instance: InstanceUri = "projects/p/locations/l/clusters/c/instances/i"
            .parse()
            .unwrap();
        let error = ConnectError::Timeout {
            instance: instance.clone(),
            after: Duration::from_secs(3),
        };
        let text = error.to_string();
        let error = error.into_driver_error().await;
        assert_eq!(
            one_line(&error),
            format!("error communicating with the server: {text}")
        );
        let found = ConnectError::of(&error).expect("it is in there");
        assert!(
            matches!(found, ConnectError::Timeout { instance: found, .. } if *found == instance)
        );
        assert!(ConnectError::of(&"a=b".parse::<Config>().unwrap_err()).is_none());
    }
}
