//! From an address to a stream: TCP, TLS, metadata exchange.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::ServerName;
use socket2::{SockRef, TcpKeepalive};
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout, timeout_at};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::dial_function::{DialFunction, DialTarget, Socket};
use crate::proxy::{Lookup, Routes, Through};
use crate::refresh::Material;
use crate::telemetry::DialStatus;
use crate::{DialError, DialFailure, Error, InstanceUri, tls};

/// Where AlloyDB's connectors go; nothing can change it but a dial function.
const PORT: u16 = 5433;

/// Systems count keep-alive in whole seconds and refuse more than `MAX_TCP_KEEPIDLE` of them:
/// <https://github.com/torvalds/linux/blob/v6.12/include/net/tcp.h>
const LEAST_KEEP_ALIVE: Duration = Duration::from_secs(1);
const LONGEST_KEEP_ALIVE: Duration = Duration::from_secs(32_767);

/// How a dialer reaches instances.
pub(crate) struct Way {
    pub(crate) function: Option<Arc<dyn DialFunction>>,
    pub(crate) routes: Routes,
    pub(crate) keep_alive: Option<Duration>,
    /// For name lookup, TCP and TLS together.
    pub(crate) connect_timeout: Duration,
}

/// One dial's destination.
pub(crate) struct Destination<'a> {
    pub(crate) instance: &'a InstanceUri,
    pub(crate) host: &'a str,
    pub(crate) function: Option<&'a Arc<dyn DialFunction>>,
}

/// A connection that failed, and where.
pub(crate) struct Failed {
    pub(crate) error: Error,
    pub(crate) status: DialStatus,
}

impl Destination<'_> {
    /// Host and port, with brackets around IPv6.
    pub(crate) fn address(&self) -> String {
        match self.host.parse::<IpAddr>() {
            Ok(address) => SocketAddr::new(address, PORT).to_string(),
            Err(_) => format!("{}:{PORT}", self.host),
        }
    }

    pub(crate) fn fail(&self, failure: DialFailure) -> DialError {
        DialError::new(self.instance, &self.address(), failure)
    }
}

impl Way {
    /// Connects and shakes hands. Cancel safe: a dropped dial closes its socket.
    pub(crate) async fn connect(
        &self,
        to: &Destination<'_>,
        material: &Material,
    ) -> Result<TlsStream<Socket>, Failed> {
        let deadline = Instant::now() + self.connect_timeout;
        let after = self.connect_timeout;
        let late = |status| Failed {
            error: to.fail(DialFailure::Timeout { after }).into(),
            status,
        };
        let socket = timeout_at(deadline, self.socket(to, deadline)).await;
        let socket = socket.map_err(|_| late(DialStatus::TcpError))?;
        let socket = socket.map_err(|error| Failed {
            error: to
                .fail(DialFailure::Tcp { kind: error.kind() })
                .caused(error)
                .into(),
            status: DialStatus::TcpError,
        })?;
        let handshake = handshake(to, material, socket);
        let handshake = timeout_at(deadline, handshake).await;
        let tls = handshake.map_err(|_| late(DialStatus::TlsError))?;
        tls.map_err(|error| Failed {
            error: error.into(),
            status: DialStatus::TlsError,
        })
    }

    async fn socket(&self, to: &Destination<'_>, deadline: Instant) -> io::Result<Socket> {
        let function = to.function.or(self.function.as_ref());
        let socket = match (function, self.routes.to(to.host)) {
            (Some(function), _) => {
                let target = DialTarget {
                    instance: to.instance.clone(),
                    host: to.host.to_owned(),
                    port: PORT,
                };
                function.dial(target).await?
            }
            (None, Some(proxy)) => through(proxy, to.host, deadline).await?.into(),
            (None, None) => tcp(to.host, PORT, deadline).await?.into(),
        };
        if let Some(tcp) = socket.tcp() {
            tcp.set_nodelay(true)?;
            if let Some(period) = self.keep_alive {
                let period = period.clamp(LEAST_KEEP_ALIVE, LONGEST_KEEP_ALIVE);
                let keep_alive = TcpKeepalive::new().with_time(period).with_interval(period);
                SockRef::from(tcp).set_tcp_keepalive(&keep_alive)?;
            }
        }
        Ok(socket)
    }
}

/// Tries each of the host's addresses with a share of the time that is left.
async fn tcp(host: &str, port: u16, deadline: Instant) -> io::Result<TcpStream> {
    let addresses: Vec<SocketAddr> = match host.parse::<IpAddr>() {
        Ok(address) => vec![SocketAddr::new(address, port)],
        Err(_) => tokio::net::lookup_host((host, port)).await?.collect(),
    };
    let mut last = io::Error::new(io::ErrorKind::NotFound, "the name has no address");
    let mut to_try = u32::try_from(addresses.len()).unwrap_or(u32::MAX);
    for address in addresses {
        let share = deadline.saturating_duration_since(Instant::now()) / to_try;
        to_try -= 1;
        match timeout(share, TcpStream::connect(address)).await {
            Ok(Ok(tcp)) => return Ok(tcp),
            Ok(Err(error)) => last = error,
            Err(_) => last = io::ErrorKind::TimedOut.into(),
        }
    }
    Err(last)
}

async fn through(proxy: &Through, host: &str, deadline: Instant) -> io::Result<TcpStream> {
    if proxy.lookup() == Lookup::Proxy || host.parse::<IpAddr>().is_ok() {
        return through_to(proxy, &[host.to_owned()], deadline).await;
    }
    let addresses = tokio::net::lookup_host((host, PORT)).await?;
    let hosts: Vec<_> = addresses.map(|address| address.ip().to_string()).collect();
    through_to(proxy, &hosts, deadline).await
}

/// Asks the proxy for each of the hosts with a share of the time that is left; a refusal costs the
/// connection to the proxy.
async fn through_to(proxy: &Through, hosts: &[String], deadline: Instant) -> io::Result<TcpStream> {
    let (proxy_host, proxy_port) = proxy.proxy();
    let mut last = io::Error::new(io::ErrorKind::NotFound, "the name has no address");
    let mut to_try = u32::try_from(hosts.len()).unwrap_or(u32::MAX);
    for host in hosts {
        let share = deadline.saturating_duration_since(Instant::now()) / to_try;
        to_try -= 1;
        let connected = async {
            let connection = tcp(proxy_host, proxy_port, Instant::now() + share).await?;
            proxy.connect(connection, host, PORT).await
        };
        match timeout(share, connected).await {
            Ok(Ok(tcp)) => return Ok(tcp),
            Ok(Err(error)) => last = error,
            Err(_) => last = io::ErrorKind::TimedOut.into(),
        }
    }
    Err(last)
}

async fn handshake(
    to: &Destination<'_>,
    material: &Material,
    socket: Socket,
) -> Result<TlsStream<Socket>, DialError> {
    let name = ServerName::try_from(to.host.to_owned())
        .map_err(|error| to.fail(DialFailure::Tls).caused(error))?;
    let connector = TlsConnector::from(material.tls.clone());
    connector.connect(name, socket).await.map_err(|error| {
        let rustls = error
            .get_ref()
            .and_then(|inner| inner.downcast_ref::<rustls::Error>());
        let failure = match rustls {
            Some(error) if tls::is_wrong_name(error) => DialFailure::WrongName,
            _ => DialFailure::Tls,
        };
        to.fail(failure).caused(error)
    })
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::TcpListener;

    use super::*;

    #[tokio::test]
    async fn a_proxy_is_asked_for_each_address_of_a_name() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let serve = async {
            let mut asked = Vec::new();
            // "Host unreachable", then "succeeded".
            for reply in [4, 0] {
                let (mut tcp, _) = listener.accept().await.unwrap();
                let mut greeting = [0; 3];
                tcp.read_exact(&mut greeting).await.unwrap();
                tcp.write_all(&[5, 0]).await.unwrap();
                let mut request = [0; 10];
                tcp.read_exact(&mut request).await.unwrap();
                asked.push(request[4..8].to_vec());
                tcp.write_all(&[5, reply, 0, 1, 0, 0, 0, 0, 0, 0])
                    .await
                    .unwrap();
            }
            asked
        };
        let proxy = Through::parse(&format!("socks5://127.0.0.1:{port}"), "the builder").unwrap();
        let hosts = ["10.0.0.1".to_owned(), "10.0.0.2".to_owned()];
        let deadline = Instant::now() + Duration::from_mins(1);
        let (connected, asked) = tokio::join!(through_to(&proxy, &hosts, deadline), serve);
        connected.unwrap();
        assert_eq!(asked, [[10, 0, 0, 1], [10, 0, 0, 2]]);
    }

    #[tokio::test]
    async fn each_address_of_a_name_is_tried() {
        // Where localhost is ::1 too, that one comes first and refuses.
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let deadline = Instant::now() + Duration::from_secs(30);
        let tcp = tcp("localhost", port, deadline).await.unwrap();
        assert_eq!(tcp.peer_addr().unwrap(), listener.local_addr().unwrap());
    }
}
