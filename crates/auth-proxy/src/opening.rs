//! What a client opens its connection with, where the proxy has to know: it is refused, or the
//! listener has TLS.

use std::io;

use querycop_wire::startup::{self, StartupError, StartupPacket};
use thiserror::Error;
use tokio::io::{AsyncRead, AsyncReadExt};

/// The first byte of a TLS record with a handshake in it: a client that doesn't ask first.
const TLS_HANDSHAKE: u8 = 0x16;

/// What came first.
pub(crate) enum Opening {
    /// The client went without a word.
    Nothing,
    /// The beginning of a TLS handshake; the byte is what was read of it.
    DirectTls([u8; 1]),
    /// A packet, and its bytes as they came.
    Packet(StartupPacket, Vec<u8>),
}

/// What came is no opening.
#[derive(Debug, Error)]
pub(crate) enum OpeningError {
    #[error(transparent)]
    Startup(#[from] StartupError),
    #[error("the client broke off in its start-up packet")]
    Io(#[from] io::Error),
}

impl Opening {
    /// Reads one packet and not a byte more: what follows an `SSLRequest` must not be taken for
    /// something that came under TLS. Not cancel safe.
    pub(crate) async fn read(client: &mut (impl AsyncRead + Unpin)) -> Result<Self, OpeningError> {
        let mut packet = vec![0; 4];
        if client.read(&mut packet[..1]).await? == 0 {
            return Ok(Self::Nothing);
        }
        if packet[0] == TLS_HANDSHAKE {
            return Ok(Self::DirectTls([TLS_HANDSHAKE]));
        }
        client.read_exact(&mut packet[1..]).await?;
        loop {
            // The length is the client's claim: it is checked here before it allocates.
            if let Some((opening, _)) = startup::decode(&packet)? {
                return Ok(Self::Packet(opening, packet));
            }
            // First the code, then the rest.
            let read = packet.len();
            let claimed = packet
                .first_chunk()
                .map_or(0, |len| u32::from_be_bytes(*len)) as usize;
            let next = if read < 8 { 8 } else { claimed.max(read + 1) };
            packet.resize(next.min(startup::MAX_STARTUP_LEN), 0);
            client.read_exact(&mut packet[read..]).await?;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn read(bytes: &[u8]) -> (Result<Opening, OpeningError>, usize) {
        let mut rest = bytes;
        let opening = Opening::read(&mut rest).await;
        (opening, rest.len())
    }

    #[tokio::test]
    async fn what_follows_a_request_is_left() {
        let bytes = [&startup::ssl_request()[..], b"more"].concat();
        let (opening, left) = read(&bytes).await;
        assert!(matches!(
            opening,
            Ok(Opening::Packet(StartupPacket::SslRequest, _))
        ));
        assert_eq!(left, 4);
    }

    #[tokio::test]
    async fn a_startup_message_is_read_to_its_end() {
        let mut bytes = b"\0\0\0\x17\0\x03\0\0user\0somebody\0\0".to_vec();
        bytes[3] = u8::try_from(bytes.len()).unwrap();
        let whole = bytes.clone();
        bytes.extend(b"x");
        let (opening, left) = read(&bytes).await;
        let Ok(Opening::Packet(StartupPacket::Message(_), packet)) = opening else {
            panic!("no start-up message");
        };
        assert_eq!(packet, whole);
        assert_eq!(left, 1);
    }

    #[tokio::test]
    async fn other_protocols_and_torn_packets_are_errors() {
        let (opening, _) = read(b"GET / HTTP/1.1\r\n\r\n").await;
        assert!(matches!(opening, Err(OpeningError::Startup(_))));
        let (opening, _) = read(b"\0\0\0\x08\x04").await;
        assert!(matches!(opening, Err(OpeningError::Io(_))));
        let (opening, _) = read(b"\xff\xff\xff\xff\0\x03\0\0").await;
        assert!(matches!(opening, Err(OpeningError::Startup(_))));
        let (opening, _) = read(b"").await;
        assert!(matches!(opening, Ok(Opening::Nothing)));
    }
}
