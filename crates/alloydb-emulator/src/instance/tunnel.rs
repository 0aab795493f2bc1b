//! Port 5433: TLS 1.3 with client certificates, the metadata exchange, then PostgreSQL.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use querycop_serve::Socket;
use rustls::server::Acceptor;
use tokio::time::timeout;
use tokio_rustls::LazyConfigAcceptor;
use tokio_rustls::server::TlsStream;

use super::exchange::{self, AuthType, ExchangeError};
use super::session::{Access, Client, Target};
use crate::identity::{Caller, Permission, Shown};
use crate::live::{Door, Instance};
use crate::pki::{Exchange, announced_exchange};
use crate::requests::RecordedSession;
use crate::state::State;

/// Time for the handshake.
pub(super) const HANDSHAKE: Duration = Duration::from_secs(30);

/// Serves one connection from its first byte.
pub(super) async fn serve(state: Arc<State>, stream: Socket, address: IpAddr) {
    let mut record = RecordedSession {
        address: address.to_string(),
        door: crate::description::TUNNEL_PORT,
        ..RecordedSession::default()
    };
    let handshaken = timeout(HANDSHAKE, handshake(&state, stream, address, &mut record)).await;
    let (target, stream) = match handshaken {
        Ok(Ok(handshaken)) => handshaken,
        Ok(Err(outcome)) => {
            tracing::info!(instance = record.instance, outcome, "TLS handshake failed");
            record.outcome = outcome;
            return state.requests.record_session(record);
        }
        Err(_) => {
            "the TLS handshake took too long".clone_into(&mut record.outcome);
            return state.requests.record_session(record);
        }
    };
    let sessions = target.instance.now.borrow().sessions.clone();
    let run = Box::pin(run(target, stream, record));
    sessions.run_until_cancelled_owned(run).await;
}

async fn handshake(
    state: &Arc<State>,
    stream: Socket,
    address: IpAddr,
    record: &mut RecordedSession,
) -> Result<(Target, TlsStream<Socket>), String> {
    let start = LazyConfigAcceptor::new(Acceptor::default(), stream).await;
    let start = start.map_err(|error| error.to_string())?;
    let hello = start.client_hello();
    record.server_name = hello.server_name().map(str::to_owned);
    let alpn = hello.alpn().into_iter().flatten();
    record.alpn = alpn.map(|name| name.escape_ascii().to_string()).collect();
    let (cluster, instance) = state
        .dialled(record.server_name.as_deref(), address)
        .ok_or("no instance has this address any more")?;
    record.instance = instance.name.to_string();
    let config = instance
        .tls(Door::Tunnel, &cluster.pki(), &state.faults)
        .map_err(|error| error.to_string())?;
    let stream = start.into_stream(config).await;
    let stream = stream.map_err(|error| error.to_string())?;
    let version = stream.get_ref().1.protocol_version();
    record.tls = version.and_then(|version| version.as_str().map(str::to_owned));
    let state = state.clone();
    let target = Target {
        state,
        cluster,
        instance,
    };
    Ok((target, stream))
}

async fn run(target: Target, mut stream: TlsStream<Socket>, mut record: RecordedSession) {
    let certificates = stream.get_ref().1.peer_certificates();
    let leaf = certificates.and_then(|chain| chain.first());
    let announced = leaf.map_or(Exchange::Unused, announced_exchange);
    let access = match announced {
        Exchange::Unused => Some(Access::Untold),
        Exchange::Used => match introduce(&target, &mut stream, &mut record).await {
            Ok(access) => access,
            Err(error) => {
                record.outcome = error.to_string();
                None
            }
        },
    };
    if let Some(access) = access {
        return Client::new(target, stream, record).run(access).await;
    }
    tracing::info!(
        instance = record.instance,
        outcome = record.outcome,
        "metadata exchange refused"
    );
    super::relay::farewell(&mut stream, b"").await;
    target.state.requests.record_session(record);
}

/// Runs the exchange; `None` if the client was told no, for the reason in the record.
async fn introduce(
    target: &Target,
    stream: &mut TlsStream<Socket>,
    record: &mut RecordedSession,
) -> Result<Option<Access>, ExchangeError> {
    let request = exchange::read(stream).await?;
    let auth_type = request.auth_type();
    record.user_agent = Some(request.user_agent.clone());
    record.auth_type = Some(match auth_type {
        AuthType::Unspecified => "AUTH_TYPE_UNSPECIFIED",
        AuthType::DbNative => "DB_NATIVE",
        AuthType::AutoIam => "AUTO_IAM",
    });
    let judged = judge(target, &request.oauth2_token, auth_type);
    if let Ok(caller) = &judged {
        record.principal = Some(caller.principal.email.clone());
    }
    let answer = judged.as_ref().map(|_| ()).map_err(Clone::clone);
    if let Some(failure) = target.state.faults.exchange(target.instance.name.as_str()) {
        record.outcome = format!("metadata exchange: {failure:?} by script");
        if !exchange::fail(stream, failure, &answer).await? {
            return Ok(None);
        }
    } else {
        exchange::write(stream, &answer).await?;
    }
    Ok(match judged {
        Ok(caller) if auth_type == AuthType::AutoIam => Some(Access::Iam(caller)),
        Ok(_) => Some(Access::Native),
        Err(error) => {
            record.outcome = error;
            None
        }
    })
}

/// Whether the owner of the token may connect, and log in if that is what it is for.
fn judge(target: &Target, token: &str, auth_type: AuthType) -> Result<Caller, String> {
    let Target {
        state, instance, ..
    } = target;
    let resource = instance.name.as_str();
    let caller = state.identities.resolve(token, Shown::Bearer);
    let caller = caller.map_err(|error| format!("invalid OAuth2 token: {error}"))?;
    let checked = caller.require(Permission::Connect, resource);
    checked.map_err(|denied| format!("IAM permission check failed: {denied}"))?;
    if auth_type == AuthType::AutoIam {
        check_login(instance, &caller)?;
    }
    Ok(caller)
}

fn check_login(instance: &Instance, caller: &Caller) -> Result<(), String> {
    let checked = caller.require(Permission::Login, instance.name.as_str());
    checked.map_err(|denied| format!("IAM permission check failed: {denied}"))
}
