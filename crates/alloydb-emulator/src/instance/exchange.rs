//! The metadata exchange: one request and one answer before PostgreSQL's protocol begins.

use std::io;
use std::time::Duration;

use prost::Message as _;
use querycop_wire::SqlState;
use querycop_wire::error_response::{ErrorResponse, Severity};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::time::timeout;

use crate::faults::ExchangeFailure;

/// Time for the whole exchange; what connectors give it too.
pub(super) const DEADLINE: Duration = Duration::from_secs(30);

/// The longest request: the longest token that PostgreSQL would take, and room. What the real
/// server takes is not public.
const MAX_REQUEST: u32 = 128 * 1024;

/// How much is sent of an answer whose announced length is a lie.
const TEASER: [u8; 8] = [8, 1, 0, 0, 0, 0, 0, 0];

/// What the client says about itself.
#[derive(Clone, PartialEq, prost::Message)]
#[prost(skip_debug)]
pub(super) struct MetadataExchangeRequest {
    #[prost(string, tag = "1")]
    pub(super) user_agent: String,
    #[prost(enumeration = "AuthType", tag = "2")]
    pub(super) auth_type: i32,
    #[prost(string, tag = "3")]
    pub(super) oauth2_token: String,
}

/// How the client logs in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, prost::Enumeration)]
#[repr(i32)]
pub(super) enum AuthType {
    /// Treated as `DbNative`.
    Unspecified = 0,
    /// With a password of its own.
    DbNative = 1,
    /// As the owner of the token.
    AutoIam = 2,
}

#[derive(Clone, PartialEq, prost::Message)]
struct MetadataExchangeResponse {
    #[prost(enumeration = "ResponseCode", tag = "1")]
    response_code: i32,
    #[prost(string, tag = "2")]
    error: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, prost::Enumeration)]
#[repr(i32)]
enum ResponseCode {
    Unspecified = 0,
    Ok = 1,
    Error = 2,
}

/// An exchange that came to nothing.
#[derive(Debug, thiserror::Error)]
pub(super) enum ExchangeError {
    #[error("the connection broke in the metadata exchange")]
    Io(#[from] io::Error),
    #[error("the metadata exchange took too long")]
    Timeout,
    #[error("the client announces {0} bytes, more than the emulator takes")]
    TooLong(u32),
    #[error("the request is no MetadataExchangeRequest")]
    Malformed(#[from] prost::DecodeError),
}

impl std::fmt::Debug for MetadataExchangeRequest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("MetadataExchangeRequest")
            .field("user_agent", &self.user_agent)
            .field("auth_type", &self.auth_type)
            .finish_non_exhaustive()
    }
}

/// Reads the client's request. Not cancel safe.
pub(super) async fn read(
    stream: &mut (impl AsyncRead + Unpin),
) -> Result<MetadataExchangeRequest, ExchangeError> {
    let read = async {
        let len = stream.read_u32().await?;
        // The length is the client's claim, so it is checked before a byte is allocated.
        if len > MAX_REQUEST {
            return Err(ExchangeError::TooLong(len));
        }
        let mut message = vec![0; len as usize];
        stream.read_exact(&mut message).await?;
        Ok(MetadataExchangeRequest::decode(message.as_slice())?)
    };
    timeout(DEADLINE, read)
        .await
        .map_err(|_| ExchangeError::Timeout)?
}

/// Says yes, or no and why, in one write and so in one TLS record: Google's Go connector reads no
/// answer that is in two.
pub(super) async fn write(
    stream: &mut (impl AsyncWrite + Unpin),
    answer: &Result<(), String>,
) -> Result<(), ExchangeError> {
    send(stream, &encoded(answer)).await
}

/// Answers as a script demands; says whether the session may go on.
pub(super) async fn fail(
    stream: &mut (impl AsyncRead + AsyncWrite + Unpin),
    failure: ExchangeFailure,
    answer: &Result<(), String>,
) -> Result<bool, ExchangeError> {
    match failure {
        ExchangeFailure::Refused { message } => {
            send(stream, &encoded(&Err(message))).await?;
        }
        ExchangeFailure::SplitInBytes => {
            for byte in encoded(answer) {
                send(stream, &[byte]).await?;
            }
            return Ok(answer.is_ok());
        }
        ExchangeFailure::Length { bytes } => {
            send(stream, &[bytes.to_be_bytes().as_slice(), &TEASER].concat()).await?;
            until_closed(stream).await;
        }
        ExchangeFailure::ZeroLength => send(stream, &[0; 4]).await?,
        ExchangeFailure::Silent => until_closed(stream).await,
        ExchangeFailure::Eof => {}
        ExchangeFailure::ErrorResponse { message } => {
            let mut bytes = Vec::new();
            ErrorResponse::new(Severity::Fatal, SqlState::CANNOT_CONNECT_NOW, message)
                .encode(&mut bytes);
            send(stream, &bytes).await?;
        }
    }
    Ok(false)
}

/// Leaves it to the client to lose patience.
async fn until_closed(stream: &mut (impl AsyncRead + Unpin)) {
    // However it ends, it has ended.
    let _ = tokio::io::copy(stream, &mut tokio::io::sink()).await;
}

async fn send(stream: &mut (impl AsyncWrite + Unpin), bytes: &[u8]) -> Result<(), ExchangeError> {
    let send = async {
        stream.write_all(bytes).await?;
        stream.flush().await
    };
    let written = timeout(DEADLINE, send).await;
    Ok(written.map_err(|_| ExchangeError::Timeout)??)
}

fn encoded(answer: &Result<(), String>) -> Vec<u8> {
    let response = match answer {
        Ok(()) => MetadataExchangeResponse {
            response_code: ResponseCode::Ok.into(),
            error: String::new(),
        },
        Err(error) => MetadataExchangeResponse {
            response_code: ResponseCode::Error.into(),
            error: error.clone(),
        },
    };
    let message = response.encode_to_vec();
    let len = u32::try_from(message.len()).unwrap_or(u32::MAX);
    [len.to_be_bytes().as_slice(), &message].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes(hex: &str) -> Vec<u8> {
        let digits: Vec<u8> = hex.bytes().filter(|byte| *byte != b' ').collect();
        let pairs = digits.chunks(2).map(|pair| str::from_utf8(pair).unwrap());
        pairs
            .map(|pair| u8::from_str_radix(pair, 16).unwrap())
            .collect()
    }

    #[tokio::test]
    async fn requests_are_read_from_googles_bytes() {
        let wire = bytes(
            "00000025 0a1c616c6c6f7964622d727573742d636f6e6e6563746f722f302e312e30 1001 1a03746f6b",
        );
        let request = read(&mut wire.as_slice()).await.unwrap();
        assert_eq!(request.user_agent, "alloydb-rust-connector/0.1.0");
        assert_eq!(request.auth_type(), AuthType::DbNative);
        assert_eq!(request.oauth2_token, "tok");
        assert!(!format!("{request:?}").contains("tok\""));
    }

    #[test]
    fn answers_are_googles_bytes() {
        assert_eq!(encoded(&Ok(())), bytes("00000002 0801"));
        let denied = encoded(&Err("denied".to_owned()));
        assert_eq!(denied, bytes("0000000a 0802 1206 64656e696564"));
    }

    #[tokio::test]
    async fn a_long_request_is_refused_by_its_length() {
        let refused = read(&mut [0xff; 4].as_slice()).await.unwrap_err();
        assert!(matches!(refused, ExchangeError::TooLong(u32::MAX)));
    }
}
