//! What a client opens its connection with, read without understanding more than is needed.

use std::io;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

/// The shortest packet: its length and a code.
const MIN_LEN: usize = 8;

/// The longest, its length included. PostgreSQL's `MAX_STARTUP_PACKET_LENGTH`:
/// <https://github.com/postgres/postgres/blob/REL_18_0/src/include/libpq/pqcomm.h>
const MAX_LEN: usize = 10_000;

/// Codes that stand where a protocol version would:
/// <https://www.postgresql.org/docs/current/protocol-message-formats.html>
const CANCEL_REQUEST: [u8; 4] = [0x04, 0xd2, 0x16, 0x2e];
const SSL_REQUEST: [u8; 4] = [0x04, 0xd2, 0x16, 0x2f];
const GSSENC_REQUEST: [u8; 4] = [0x04, 0xd2, 0x16, 0x30];

/// Encryption that a client may ask for before it says who it is: TLS and GSSAPI, once each.
const MAX_ENCRYPTION_REQUESTS: usize = 2;

/// A client's first packet, to be sent on as it came.
///
/// It isn't printed: the parameters of a start-up packet are the client's own affair.
pub(super) struct Opening {
    packet: Vec<u8>,
}

/// What a client waits for after its packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Expects {
    /// One byte: whether the connection is going to be encrypted.
    EncryptionAnswer,
    /// A message.
    Message,
    /// Nothing but the end.
    Nothing,
}

impl Opening {
    /// Reads one packet and not a byte more; `None` if the client went without a word.
    ///
    /// Not cancel safe: what was read is lost.
    pub(super) async fn read(client: &mut (impl AsyncRead + Unpin)) -> io::Result<Option<Self>> {
        let mut header = [0; 4];
        if client.read(&mut header[..1]).await? == 0 {
            return Ok(None);
        }
        client.read_exact(&mut header[1..]).await?;
        let length = u32::from_be_bytes(header) as usize;
        // The length is the client's claim, so it is checked before it allocates.
        if !(MIN_LEN..=MAX_LEN).contains(&length) {
            return Err(io::ErrorKind::InvalidData.into());
        }
        let mut packet = vec![0; length];
        packet[..4].copy_from_slice(&header);
        client.read_exact(&mut packet[4..]).await?;
        Ok(Some(Self { packet }))
    }

    /// The bytes, for the server.
    pub(super) fn packet(&self) -> &[u8] {
        &self.packet
    }

    /// What the client waits for now.
    pub(super) fn expects(&self) -> Expects {
        match self.packet.get(4..8) {
            Some(code) if code == CANCEL_REQUEST => Expects::Nothing,
            Some(code) if code == SSL_REQUEST || code == GSSENC_REQUEST => {
                Expects::EncryptionAnswer
            }
            _ => Expects::Message,
        }
    }

    /// Leads the client to where it can read a message: says no to encryption until it has sent its
    /// start-up packet. `false` if it is no client that reads messages.
    pub(super) async fn settle<Client>(mut self, client: &mut Client) -> io::Result<bool>
    where
        Client: AsyncRead + AsyncWrite + Unpin,
    {
        for _ in 0..=MAX_ENCRYPTION_REQUESTS {
            match self.expects() {
                Expects::Message => return Ok(true),
                Expects::Nothing => return Ok(false),
                Expects::EncryptionAnswer => client.write_all(b"N").await?,
            }
            match Self::read(client).await? {
                Some(next) => self = next,
                None => return Ok(false),
            }
        }
        Ok(false)
    }
}
