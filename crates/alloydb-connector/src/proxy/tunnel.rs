//! A TCP connection through a proxy.

use std::fmt;
use std::io;
use std::net::IpAddr;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use secrecy::{ExposeSecret, SecretString};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_socks::TargetAddr;
use tokio_socks::tcp::Socks5Stream;

use super::parse_url;
use crate::{ConfigError, Mistake};

/// An answer to CONNECT is a status line and a few headers.
const MAX_ANSWER: usize = 8 * 1024;

/// More of a refusal than this helps nobody.
const MAX_QUOTE: usize = 256;

/// One proxy.
#[derive(Clone)]
pub(crate) enum Through {
    Socks5 {
        proxy: (String, u16),
        login: Option<(String, SecretString)>,
        lookup: Lookup,
    },
    Connect {
        proxy: (String, u16),
        authorization: Option<SecretString>,
    },
}

/// Who looks a name up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Lookup {
    Here,
    Proxy,
}

impl Through {
    pub(crate) fn parse(text: &str, variable: &'static str) -> Result<Self, ConfigError> {
        let refuse = |reason| ConfigError::new(Mistake::Proxy { variable, reason });
        let url = parse_url(text, variable)?;
        let host = url.host_str().unwrap_or_default();
        let host = host.trim_matches(['[', ']']).to_owned();
        let login = match (url.username(), url.password()) {
            ("", None) => None,
            (user, password) => {
                let undo = |text: &str| percent_decoded(text).ok_or_else(|| refuse("bad escape"));
                let password = undo(password.unwrap_or_default())?;
                Some((undo(user)?, SecretString::from(password)))
            }
        };
        let lookup = match url.scheme() {
            "http" => {
                let basic = |(user, password): (String, SecretString)| {
                    let pair = format!("{user}:{}", password.expose_secret());
                    SecretString::from(STANDARD.encode(pair))
                };
                return Ok(Self::Connect {
                    proxy: (host, url.port().unwrap_or(80)),
                    authorization: login.map(basic),
                });
            }
            "socks5" => Lookup::Here,
            "socks5h" => Lookup::Proxy,
            _ => return Err(refuse("its scheme must be socks5, socks5h or http")),
        };
        Ok(Self::Socks5 {
            proxy: (host, url.port().unwrap_or(1080)),
            login,
            lookup,
        })
    }

    /// Where the proxy listens.
    pub(crate) fn proxy(&self) -> (&str, u16) {
        match self {
            Self::Socks5 { proxy, .. } | Self::Connect { proxy, .. } => (&proxy.0, proxy.1),
        }
    }

    /// Whether names are to be looked up before the proxy is asked.
    pub(crate) fn lookup(&self) -> Lookup {
        match self {
            Self::Socks5 { lookup, .. } => *lookup,
            // CONNECT takes names, and a proxy may know more of them.
            Self::Connect { .. } => Lookup::Proxy,
        }
    }

    /// Asks the proxy at the other end of `tcp` for a connection. The caller has a deadline. Not
    /// cancel safe: the connection is lost.
    pub(crate) async fn connect(
        &self,
        tcp: TcpStream,
        host: &str,
        port: u16,
    ) -> io::Result<TcpStream> {
        match self {
            Self::Socks5 { login, .. } => {
                let target = match host.parse::<IpAddr>() {
                    Ok(address) => TargetAddr::Ip((address, port).into()),
                    Err(_) => TargetAddr::Domain(host.into(), port),
                };
                let stream = match login {
                    Some((user, password)) => {
                        let password = password.expose_secret();
                        Socks5Stream::connect_with_password_and_socket(tcp, target, user, password)
                            .await
                    }
                    None => Socks5Stream::connect_with_socket(tcp, target).await,
                };
                stream
                    .map(Socks5Stream::into_inner)
                    .map_err(io::Error::other)
            }
            Self::Connect { authorization, .. } => {
                connect(tcp, host, port, authorization.as_ref()).await
            }
        }
    }
}

impl fmt::Debug for Through {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = match self {
            Self::Socks5 { .. } => "socks5",
            Self::Connect { .. } => "http",
        };
        let (host, port) = self.proxy();
        write!(formatter, "{kind}://{host}:{port}")
    }
}

async fn connect(
    mut tcp: TcpStream,
    host: &str,
    port: u16,
    authorization: Option<&SecretString>,
) -> io::Result<TcpStream> {
    let authority = match host.parse::<IpAddr>() {
        Ok(IpAddr::V6(_)) => format!("[{host}]:{port}"),
        _ => format!("{host}:{port}"),
    };
    let mut request = format!("CONNECT {authority} HTTP/1.1\r\nHost: {authority}\r\n");
    if let Some(authorization) = authorization {
        let basic = authorization.expose_secret();
        request += "Proxy-Authorization: Basic ";
        request += basic;
        request += "\r\n";
    }
    request.push_str("\r\n");
    tcp.write_all(request.as_bytes()).await?;
    let answer = head(&mut tcp).await?;
    // The reason may be missing, and then many leave out the space before it too.
    let status = answer.split_whitespace().nth(1).unwrap_or_default();
    if answer.starts_with("HTTP/1.") && status.len() == 3 && status.starts_with('2') {
        return Ok(tcp);
    }
    let line = answer.chars().take_while(|letter| !letter.is_control());
    let line: String = line.take(MAX_QUOTE).collect();
    Err(io::Error::other(format!("the proxy answered {line:?}")))
}

/// Reads up to the empty line and not a byte more: what follows is the server's.
async fn head(tcp: &mut TcpStream) -> io::Result<String> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        if head.len() == MAX_ANSWER {
            return Err(io::Error::other("the proxy's answer has no end"));
        }
        head.push(tcp.read_u8().await?);
    }
    Ok(String::from_utf8_lossy(&head).into_owned())
}

fn percent_decoded(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        rest = after;
        if *first != b'%' {
            bytes.push(*first);
            continue;
        }
        let (digits, after) = rest.split_at_checked(2)?;
        bytes.push(u8::from_str_radix(str::from_utf8(digits).ok()?, 16).ok()?);
        rest = after;
    }
    String::from_utf8(bytes).ok()
}
