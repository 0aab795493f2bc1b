//! Why a client gets no session, in the words of the PostgreSQL protocol.
//!
//! The original closes the connection without a word.

use std::time::Duration;

use alloydb_connector::{
    ConfigError, DialError, DialFailure, Error, ExchangeError, Mistake, RefreshError,
    RefreshFailure,
};
use querycop_wire::SqlState;
use querycop_wire::error_response::{ErrorResponse, Severity};
use querycop_wire::startup::StartupPacket;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::time::timeout;

use crate::log::chain;
use crate::opening::Opening;

/// For all that a client still sends before it can read why it is refused: it has it ready when it
/// connects. One that says nothing is closed after it, as the original closes it at once.
const OPENING_DEADLINE: Duration = Duration::from_secs(3);

/// For a few bytes into an empty buffer, and for the client's end after it has read them.
const WRITE_DEADLINE: Duration = Duration::from_secs(5);

/// Encryption that a client may ask for before it says who it is: TLS and GSSAPI, once each.
const MAX_ENCRYPTION_REQUESTS: usize = 2;

/// Where the login credentials give no token.
const LOGIN_ADVICE: (SqlState, &str) = (
    SqlState::INVALID_AUTHORIZATION,
    "Check the proxy's credentials, and --login-token if it is used.",
);

/// What a client is told before its connection is closed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Refusal {
    sqlstate: SqlState,
    message: String,
    hint: &'static str,
}

impl Refusal {
    /// Why a dial failed: all causes in the message, since many clients show nothing else.
    pub(crate) fn of(error: &Error) -> Self {
        let (sqlstate, hint) = match error {
            Error::Config(error) => config_advice(error),
            Error::Refresh(error) => refresh_advice(error),
            Error::Dial(error) => dial_advice(error),
            Error::Login(_) => LOGIN_ADVICE,
            Error::Closed { .. } => (SqlState::UNABLE_TO_CONNECT, "The proxy is shutting down."),
            _ => (
                SqlState::UNABLE_TO_CONNECT,
                "The proxy's log has the reason.",
            ),
        };
        Self {
            sqlstate,
            message: chain(error),
            hint,
        }
    }

    /// The limit is reached.
    pub(crate) fn too_many(limit: i64) -> Self {
        Self {
            sqlstate: SqlState::TOO_MANY_CONNECTIONS,
            message: format!("too many connections through the proxy: it lets {limit} be open"),
            hint: "Close idle connections, or raise --max-connections.",
        }
    }

    /// The DNS name has led to no instance yet.
    pub(crate) fn nameless(name: &str) -> Self {
        Self {
            sqlstate: SqlState::UNABLE_TO_CONNECT,
            message: format!("the DNS name {name} has led to no instance yet"),
            hint: "Its TXT record must hold an instance URI; the proxy's log has the reason.",
        }
    }

    /// The listener has TLS and the client didn't use it.
    pub(crate) fn tls_required() -> Self {
        Self {
            sqlstate: SqlState::INVALID_AUTHORIZATION,
            message: "TLS is required".to_owned(),
            hint: "Connect with sslmode=require or stricter.",
        }
    }

    fn encode(&self) -> Vec<u8> {
        let response = ErrorResponse::new(Severity::Fatal, self.sqlstate, &self.message);
        let mut message = Vec::new();
        response.hint(self.hint).encode(&mut message);
        message
    }

    /// Tells a client that has said nothing yet, if it is one that reads messages.
    pub(crate) async fn tell<Client>(&self, client: &mut Client)
    where
        Client: AsyncRead + AsyncWrite + Unpin,
    {
        if let Ok(true) = timeout(OPENING_DEADLINE, settle(client)).await {
            self.tell_opened(client).await;
        }
    }

    /// Tells a client whose start-up message was read, and waits for it to read: to close a socket
    /// whose input wasn't read to its end would take from the client what it hasn't read yet.
    pub(crate) async fn tell_opened<Client>(&self, client: &mut Client)
    where
        Client: AsyncRead + AsyncWrite + Unpin,
    {
        let told = async {
            client.write_all(&self.encode()).await?;
            client.shutdown().await?;
            let mut unread = [0; 1024];
            while client.read(&mut unread).await? > 0 {}
            Ok::<_, std::io::Error>(())
        };
        // Whether it was read is the client's affair.
        let _ = timeout(WRITE_DEADLINE, told).await;
    }
}

/// Leads a client to where it can read a message: says no to encryption until it has sent its
/// start-up message. `false` if it is no client that reads messages.
async fn settle<Client>(client: &mut Client) -> bool
where
    Client: AsyncRead + AsyncWrite + Unpin,
{
    for _ in 0..=MAX_ENCRYPTION_REQUESTS {
        match Opening::read(client).await {
            Ok(Opening::Packet(StartupPacket::Message(_), _)) => return true,
            Ok(Opening::Packet(StartupPacket::SslRequest | StartupPacket::GssEncRequest, _)) => {
                if client.write_all(b"N").await.is_err() {
                    return false;
                }
            }
            // A cancel request has no answer, not even this one.
            Ok(Opening::Packet(StartupPacket::Cancel(_), _)) => return false,
            Ok(Opening::Nothing | Opening::DirectTls(_)) | Err(_) => return false,
        }
    }
    false
}

fn config_advice(error: &ConfigError) -> (SqlState, &'static str) {
    let hint = match error.mistake() {
        Mistake::NoSuchAddress { .. } => {
            "Start the proxy with --public-ip, --psc or neither, as the instance has addresses, or \
             give the instance such an address."
        }
        Mistake::UnknownInstance { .. } => {
            "Add the instance to the file of --static-connection-info."
        }
        _ => "Correct the proxy's settings.",
    };
    (SqlState::UNABLE_TO_CONNECT, hint)
}

fn refresh_advice(error: &RefreshError) -> (SqlState, &'static str) {
    match error.failure() {
        RefreshFailure::Status {
            code: 401 | 403, ..
        } => (
            SqlState::INVALID_AUTHORIZATION,
            "The proxy's principal needs roles/alloydb.client and \
             roles/serviceusage.serviceUsageConsumer, and the AlloyDB API must be enabled.",
        ),
        RefreshFailure::Status { code: 404, .. } => (
            SqlState::UNABLE_TO_CONNECT,
            "Compare the instance URI with \"gcloud alloydb instances list\".",
        ),
        RefreshFailure::Token => (
            SqlState::INVALID_AUTHORIZATION,
            "Check the proxy's credentials.",
        ),
        _ => (
            SqlState::UNABLE_TO_CONNECT,
            "The AlloyDB Admin API must answer: check the network, the quota and the clock.",
        ),
    }
}

fn dial_advice(error: &DialError) -> (SqlState, &'static str) {
    match error.failure() {
        DialFailure::Tcp { .. } | DialFailure::Timeout { .. } => (
            SqlState::UNABLE_TO_CONNECT,
            "Port 5433 of the instance must be reachable from the proxy: check the network (the \
             VPC), the firewall, and --public-ip or --psc.",
        ),
        DialFailure::Token => LOGIN_ADVICE,
        DialFailure::MetadataExchange(ExchangeError::Refused { .. }) => (
            SqlState::INVALID_AUTHORIZATION,
            "The proxy's principal needs roles/alloydb.client, and with --auto-iam-authn \
             roles/alloydb.databaseUser and a database user of the type IAM.",
        ),
        DialFailure::WrongName => (
            SqlState::UNABLE_TO_CONNECT,
            "Something between the proxy and the instance answers in its place: check network \
             proxies, and --public-ip or --psc.",
        ),
        _ => (
            SqlState::UNABLE_TO_CONNECT,
            "The proxy fetches a new certificate now; try again.",
        ),
    }
}

#[cfg(test)]
mod tests {
    use querycop_wire::startup::{gssenc_request, ssl_request};
    use tokio::io::duplex;

    use super::*;

    const STARTUP: &[u8] = b"\0\0\0\x10\0\x03\0\0user\0a\0\0";

    async fn told(sent: &[u8]) -> Vec<u8> {
        let (mut client, mut proxy) = duplex(4096);
        client.write_all(sent).await.unwrap();
        client.shutdown().await.unwrap();
        Refusal::too_many(1).tell(&mut proxy).await;
        drop(proxy);
        let mut got = Vec::new();
        client.read_to_end(&mut got).await.unwrap();
        got
    }

    #[tokio::test]
    async fn a_client_is_led_to_its_error() {
        let mut startup = STARTUP.to_vec();
        startup[3] = u8::try_from(startup.len()).unwrap();
        let sent = [&ssl_request()[..], &gssenc_request(), &startup].concat();
        let got = told(&sent).await;
        assert!(got.starts_with(b"NNE"), "{got:?}");
        assert!(String::from_utf8_lossy(&got).contains("C53300\0"));
    }

    #[tokio::test]
    async fn a_cancel_request_and_strangers_are_told_nothing() {
        let cancel = b"\0\0\0\x10\x04\xd2\x16\x2e\0\0\0\x01\0\0\0\x02";
        assert_eq!(told(cancel).await, b"");
        assert_eq!(told(b"GET / HTTP/1.1\r\n\r\n").await, b"");
        assert_eq!(told(b"").await, b"");
    }

    #[tokio::test(start_paused = true)]
    async fn a_silent_client_is_not_waited_for_long() {
        let (_client, mut proxy) = duplex(64);
        Refusal::too_many(1).tell(&mut proxy).await;
    }
}
