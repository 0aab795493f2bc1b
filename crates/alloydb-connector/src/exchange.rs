//! The metadata exchange: what both sides say right after the TLS handshake.
//!
//! The client sends four bytes of length (big endian) and a message, the server answers alike. Then
//! the same stream carries the PostgreSQL protocol.

mod error_response;
mod messages;

use std::io;
use std::time::Duration;

use prost::Message as _;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::time::timeout;

use crate::IamLogin;
use crate::admin::printable;
use crate::credentials::AccessToken;
use messages::{AuthType, Request, Response, ResponseCode};

/// For the request and the answer together, as all connectors have it.
const BUDGET: Duration = Duration::from_secs(30);

/// Answers are a few dozen bytes; the official connectors' buffer is this large.
const MAX_ANSWER: u32 = 16 * 1024;

/// Why the server didn't let the connection in.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ExchangeError {
    /// The server said why.
    #[error("the server refused the metadata exchange: {text:?}")]
    #[non_exhaustive]
    Refused {
        /// The server's own words; may be empty.
        text: String,
    },
    /// The server answered, but said neither yes nor no.
    #[error("the server answered the metadata exchange with no verdict")]
    Unspecified,
    /// PostgreSQL answered instead, so no AlloyDB server takes the exchange here.
    #[error("the server answered with a PostgreSQL error: {sqlstate} {message}")]
    #[non_exhaustive]
    Postgres {
        /// The error's SQLSTATE.
        sqlstate: String,
        /// The error's message.
        message: String,
    },
    /// The server broke the connection because of the client certificate: TLS 1.3 tells this only
    /// now.
    #[error(
        "the server rejected the client certificate ({alert}); it may have expired or be of \
         another cluster"
    )]
    #[non_exhaustive]
    CertificateRejected {
        /// The TLS alert.
        alert: String,
    },
    /// The answer claims to be larger than any answer is.
    #[error("the answer to the metadata exchange claims {length} bytes, more than {MAX_ANSWER}")]
    #[non_exhaustive]
    TooLarge {
        /// The length that was claimed.
        length: u32,
    },
    /// The answer is no message.
    #[error("the answer to the metadata exchange makes no sense")]
    Malformed(#[source] prost::DecodeError),
    /// The server closed the connection.
    #[error(
        "the server closed the connection during the metadata exchange; this is also how some \
         servers reject a client certificate"
    )]
    Closed,
    /// The connection broke.
    #[error("the connection broke during the metadata exchange")]
    Io(#[source] io::Error),
    /// The server was silent for too long.
    #[error("no answer to the metadata exchange within {after:?}")]
    #[non_exhaustive]
    Timeout {
        /// The time for request and answer together.
        after: Duration,
    },
}

/// Exchanges metadata within 30 seconds. Not cancel safe: close the stream if dropped.
pub(crate) async fn exchange<Io>(
    io: &mut Io,
    user_agent: &str,
    login: IamLogin,
    token: &AccessToken,
) -> Result<(), ExchangeError>
where
    Io: AsyncRead + AsyncWrite + Unpin,
{
    let request = request(user_agent, login, token);
    timeout(BUDGET, converse(io, &request))
        .await
        .unwrap_or(Err(ExchangeError::Timeout { after: BUDGET }))
}

/// The request in one buffer, length included.
fn request(user_agent: &str, login: IamLogin, token: &AccessToken) -> Vec<u8> {
    let auth_type = match login {
        IamLogin::Off => AuthType::DbNative,
        IamLogin::On => AuthType::AutoIam,
    };
    let message = Request {
        user_agent: user_agent.to_owned(),
        auth_type: auth_type.into(),
        oauth2_token: token.expose().to_owned(),
    };
    let length = u32::try_from(message.encoded_len()).unwrap_or(u32::MAX);
    let mut bytes = length.to_be_bytes().to_vec();
    bytes.extend_from_slice(&message.encode_to_vec());
    bytes
}

async fn converse<Io>(io: &mut Io, request: &[u8]) -> Result<(), ExchangeError>
where
    Io: AsyncRead + AsyncWrite + Unpin,
{
    io.write_all(request).await.map_err(broken)?;
    io.flush().await.map_err(broken)?;
    let mut header = [0; 4];
    io.read_exact(&mut header).await.map_err(broken)?;
    let length = u32::from_be_bytes(header);
    if length > MAX_ANSWER {
        return Err(error_response::read(io, header)
            .await
            .unwrap_or(ExchangeError::TooLarge { length }));
    }
    // The length was checked, so no peer decides how much is allocated. Not a byte more is read:
    // what follows is the session's.
    let mut body = vec![0; length as usize];
    io.read_exact(&mut body).await.map_err(broken)?;
    verdict(&body)
}

fn verdict(body: &[u8]) -> Result<(), ExchangeError> {
    let response = Response::decode(body).map_err(ExchangeError::Malformed)?;
    match ResponseCode::try_from(response.response_code) {
        Ok(ResponseCode::Ok) => Ok(()),
        Ok(ResponseCode::Error) => Err(ExchangeError::Refused {
            text: printable(&response.error),
        }),
        // A code that is not known yet isn't a yes.
        Ok(ResponseCode::Unspecified) | Err(_) => Err(ExchangeError::Unspecified),
    }
}

fn broken(error: io::Error) -> ExchangeError {
    let tls = error
        .get_ref()
        .and_then(|inner| inner.downcast_ref::<rustls::Error>());
    if let Some(rustls::Error::AlertReceived(alert)) = tls {
        return ExchangeError::CertificateRejected {
            alert: format!("{alert:?}"),
        };
    }
    match error.kind() {
        io::ErrorKind::UnexpectedEof
        | io::ErrorKind::ConnectionReset
        | io::ErrorKind::BrokenPipe => ExchangeError::Closed,
        _ => ExchangeError::Io(error),
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{DuplexStream, duplex};

    use super::*;

    fn token(text: &str) -> AccessToken {
        AccessToken::new(text.into(), None)
    }

    fn hex(text: &str) -> Vec<u8> {
        let digits: Vec<char> = text.chars().filter(|digit| *digit != ' ').collect();
        let byte = |pair: &[char]| {
            let pair: String = pair.iter().collect();
            u8::from_str_radix(&pair, 16).unwrap()
        };
        digits.chunks(2).map(byte).collect()
    }

    /// Answers with these pieces, each written and flushed by itself.
    async fn answered(pieces: &[&[u8]]) -> Result<(), ExchangeError> {
        let (mut client, mut server) = duplex(64 * 1024);
        let expected = request("ua", IamLogin::Off, &token("tok"));
        let serve = async {
            let mut read = vec![0; expected.len()];
            server.read_exact(&mut read).await.unwrap();
            for piece in pieces {
                server.write_all(piece).await.unwrap();
                tokio::task::yield_now().await;
            }
            drop(server);
        };
        let token = token("tok");
        tokio::join!(exchange(&mut client, "ua", IamLogin::Off, &token), serve).0
    }

    #[test]
    fn requests_are_what_googles_protobuf_writes() {
        let agent = "alloydb-rust-connector/0.1.0";
        assert_eq!(
            request(agent, IamLogin::Off, &token("tok")),
            hex(
                "00000025 0a1c616c6c6f7964622d727573742d636f6e6e6563746f722f302e312e30 1001 \
                 1a03746f6b"
            )
        );
        assert_eq!(
            request(agent, IamLogin::On, &token("ya29.x")),
            hex(
                "00000028 0a1c616c6c6f7964622d727573742d636f6e6e6563746f722f302e312e30 1002 \
                 1a06796132392e78"
            )
        );
    }

    #[tokio::test]
    async fn ok_lets_in() {
        answered(&[&hex("00000002 0801")]).await.unwrap();
    }

    #[tokio::test]
    async fn an_answer_split_anywhere_is_read() {
        let bytes = hex("00000002 0801");
        let pieces: Vec<&[u8]> = bytes.chunks(1).collect();
        answered(&pieces).await.unwrap();
    }

    #[tokio::test]
    async fn not_a_byte_of_the_session_is_read() {
        let (mut client, mut server) = duplex(1024);
        server.write_all(&hex("00000002 0801 52")).await.unwrap();
        exchange(&mut client, "ua", IamLogin::Off, &token("tok"))
            .await
            .unwrap();
        assert_eq!(client.read_u8().await.unwrap(), 0x52);
    }

    #[tokio::test]
    async fn the_servers_refusal_is_quoted() {
        let error = answered(&[&hex("0000000a 0802 1206 64656e696564")])
            .await
            .unwrap_err();
        assert!(matches!(&error, ExchangeError::Refused { text } if text == "denied"));
        assert!(error.to_string().contains("denied"));
    }

    #[tokio::test]
    async fn an_empty_answer_is_no_verdict() {
        let error = answered(&[&[0, 0, 0, 0]]).await.unwrap_err();
        assert!(matches!(error, ExchangeError::Unspecified), "{error}");
    }

    #[tokio::test]
    async fn an_oversized_answer_is_refused_before_it_is_read() {
        let error = answered(&[&[0, 0, 0x40, 1]]).await.unwrap_err();
        assert!(
            matches!(error, ExchangeError::TooLarge { length: 0x4001 }),
            "{error}"
        );
        let error = answered(&[&[0xff; 4]]).await.unwrap_err();
        assert!(matches!(error, ExchangeError::TooLarge { .. }), "{error}");
    }

    #[tokio::test]
    async fn the_largest_answer_is_read() {
        let text = "x".repeat(16 * 1024 - 5);
        let response = Response {
            response_code: ResponseCode::Error.into(),
            error: text,
        };
        let body = response.encode_to_vec();
        assert_eq!(body.len(), 16 * 1024);
        let error = answered(&[&[0, 0, 0x40, 0], &body]).await.unwrap_err();
        assert!(matches!(error, ExchangeError::Refused { .. }), "{error}");
    }

    #[tokio::test]
    async fn an_answer_that_is_no_message_makes_no_sense() {
        let error = answered(&[&hex("00000002 0aff")]).await.unwrap_err();
        assert!(matches!(error, ExchangeError::Malformed(_)), "{error}");
    }

    #[tokio::test]
    async fn an_unknown_code_is_no_yes() {
        let error = answered(&[&hex("00000002 0803")]).await.unwrap_err();
        assert!(matches!(error, ExchangeError::Unspecified), "{error}");
    }

    #[tokio::test]
    async fn a_server_that_closes_is_told_from_one_that_breaks() {
        let error = answered(&[]).await.unwrap_err();
        assert!(matches!(error, ExchangeError::Closed), "{error}");
        let error = answered(&[&[0, 0]]).await.unwrap_err();
        assert!(matches!(error, ExchangeError::Closed), "{error}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_silent_server_is_given_thirty_seconds() {
        let (mut client, _server): (DuplexStream, DuplexStream) = duplex(1024);
        let began = tokio::time::Instant::now();
        let error = exchange(&mut client, "ua", IamLogin::Off, &token("tok"))
            .await
            .unwrap_err();
        assert!(matches!(error, ExchangeError::Timeout { .. }), "{error}");
        assert_eq!(began.elapsed(), Duration::from_secs(30));
    }

    #[tokio::test]
    async fn postgresqls_own_error_is_recognised() {
        let fields = b"SFATAL\0VFATAL\0C28000\0Mno pg_hba.conf entry\0\0";
        let mut bytes = vec![b'E'];
        bytes.extend_from_slice(&u32::try_from(fields.len() + 4).unwrap().to_be_bytes());
        bytes.extend_from_slice(fields);
        let error = answered(&[&bytes]).await.unwrap_err();
        assert!(
            matches!(&error, ExchangeError::Postgres { sqlstate, message }
                if sqlstate == "28000" && message == "no pg_hba.conf entry"),
            "{error}"
        );
    }

    #[tokio::test]
    async fn what_only_begins_like_postgresqls_error_is_oversized() {
        let error = answered(&[b"E\0\0\0\x08garb"]).await.unwrap_err();
        assert!(matches!(error, ExchangeError::TooLarge { .. }), "{error}");
        let error = answered(&[b"Exit"]).await.unwrap_err();
        assert!(matches!(error, ExchangeError::TooLarge { .. }), "{error}");
    }
}
