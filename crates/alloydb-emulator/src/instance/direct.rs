//! Port 5432: PostgreSQL as it is, under TLS with the cluster's certificate.

use std::net::IpAddr;
use std::sync::Arc;

use querycop_serve::Socket;
use querycop_wire::SqlState;
use querycop_wire::error_response::{ErrorResponse, Severity};
use querycop_wire::startup::{StartupPacket, decode};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;

use super::session::{Access, Client, ClientError, Target};
use super::tunnel::HANDSHAKE;
use crate::description::Ssl;
use crate::live::Door;
use crate::requests::RecordedSession;
use crate::state::State;

/// The first byte of a TLS record that begins a handshake.
const TLS_HANDSHAKE: u8 = 0x16;

/// What a client begins with.
enum Opening {
    /// TLS at once, as libpq does with `sslnegotiation=direct`.
    DirectTls,
    /// TLS after it was asked for.
    Tls,
    /// No TLS, and these bytes of the first packet.
    Plain([u8; 8]),
}

/// Serves one connection from its first byte.
pub(super) async fn serve(state: Arc<State>, stream: Socket, address: IpAddr) {
    let Some((cluster, instance)) = state.dialled(None, address) else {
        return;
    };
    let record = RecordedSession {
        instance: instance.name.to_string(),
        address: address.to_string(),
        door: crate::description::DIRECT_PORT,
        ..RecordedSession::default()
    };
    let sessions = instance.now.borrow().sessions.clone();
    let target = Target {
        state,
        cluster,
        instance,
    };
    let run = Box::pin(run(target, stream, record));
    sessions.run_until_cancelled_owned(run).await;
}

async fn run(target: Target, mut stream: Socket, mut record: RecordedSession) {
    let opening = match timeout(HANDSHAKE, opening(&mut stream)).await {
        Ok(Ok(opening)) => opening,
        Ok(Err(error)) => {
            record.outcome = error.to_string();
            return target.state.requests.record_session(record);
        }
        Err(_) => return,
    };
    match opening {
        Opening::Plain(first) => {
            let ssl = target.instance.ssl;
            let mut client = Client::new(target, stream, record);
            client.unread.extend(first);
            match ssl {
                Ssl::Optional => client.run(Access::Untold).await,
                Ssl::Required => plain(client).await,
            }
        }
        Opening::Tls | Opening::DirectTls => encrypted(target, stream, record).await,
    }
}

async fn encrypted(target: Target, stream: Socket, mut record: RecordedSession) {
    let pki = target.cluster.pki();
    let config = target
        .instance
        .tls(Door::Direct, &pki, &target.state.faults);
    let config = match config {
        Ok(config) => config,
        Err(error) => {
            tracing::error!(%error, "no certificate for port 5432");
            return;
        }
    };
    match timeout(HANDSHAKE, TlsAcceptor::from(config).accept(stream)).await {
        Ok(Ok(stream)) => {
            let tls = stream.get_ref().1;
            record.server_name = tls.server_name().map(str::to_owned);
            let version = tls.protocol_version();
            record.tls = version.and_then(|version| version.as_str().map(str::to_owned));
            Client::new(target, stream, record)
                .run(Access::Untold)
                .await;
        }
        Ok(Err(error)) => {
            record.outcome = error.to_string();
            target.state.requests.record_session(record);
        }
        Err(_) => tracing::debug!("TLS handshake took too long"),
    }
}

/// Refuses a client without TLS, unless it wants to cancel: that is what old clients do in clear.
async fn plain(mut client: Client<Socket>) {
    let state = client.target.state.clone();
    let packet = match timeout(HANDSHAKE, client.packet()).await {
        Ok(packet) => packet,
        Err(_) => Err(ClientError::Timeout),
    };
    let mut words = Vec::new();
    match packet {
        Ok(StartupPacket::Cancel(request)) => {
            "cancel".clone_into(&mut client.record.outcome);
            if let Err(error) = state.backend.cancel(&request).await {
                tracing::warn!(%error, "request to cancel not passed on");
            }
        }
        Ok(StartupPacket::Message(message)) => {
            client.record.user = Some(message.user().to_owned());
            "no TLS".clone_into(&mut client.record.outcome);
            let text = format!(
                "no pg_hba.conf entry for host \"{}\", user \"{}\", database \"{}\", no encryption",
                client.record.address,
                message.user(),
                message.database()
            );
            ErrorResponse::new(Severity::Fatal, SqlState::INVALID_AUTHORIZATION, text)
                .hint("The instance requires TLS: use sslmode=require or stronger.")
                .encode(&mut words);
        }
        Ok(StartupPacket::SslRequest | StartupPacket::GssEncRequest) | Err(_) => {}
    }
    super::relay::farewell(&mut client.stream, &words).await;
    state.requests.record_session(client.record);
}

/// Looks at the first bytes, and answers a request for encryption.
async fn opening(stream: &mut Socket) -> Result<Opening, ClientError> {
    loop {
        if let Socket::Tcp(tcp) = stream {
            let mut first = [0];
            if tcp.peek(&mut first).await? == 1 && first == [TLS_HANDSHAKE] {
                return Ok(Opening::DirectTls);
            }
        }
        // Every packet of the start has eight bytes at least.
        let mut seen = [0; 8];
        stream.read_exact(&mut seen).await?;
        match decode(&seen)? {
            Some((StartupPacket::SslRequest, _)) => {
                stream.write_all(b"S").await?;
                return Ok(Opening::Tls);
            }
            Some((StartupPacket::GssEncRequest, _)) => stream.write_all(b"N").await?,
            _ => return Ok(Opening::Plain(seen)),
        }
    }
}
