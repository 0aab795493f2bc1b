//! One connection of a scripted peer, step by step.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::sync::Arc;
use std::time::Duration;

use rustix::net::sockopt::set_socket_linger;
use rustls::crypto::aws_lc_rs::default_provider;
use rustls::{ServerConfig, ServerConnection, StreamOwned};

use super::{Shared, Step};
use crate::certificates::Identity;
use crate::wait::DEADLINE;

/// No message of a script's other side is longer.
const MAX_MESSAGE: usize = 1 << 20;

/// One connection on its way through its script.
pub(super) struct Connection {
    number: usize,
    shared: Arc<Shared>,
    transport: Transport,
}

impl Connection {
    pub(super) fn new(number: usize, shared: Arc<Shared>, stream: Arc<TcpStream>) -> Self {
        Self {
            number,
            shared,
            transport: Transport::Plain(Socket(stream)),
        }
    }

    pub(super) fn follow(mut self, script: Vec<Step>) -> Result<(), String> {
        self.transport
            .socket()
            .prepare()
            .map_err(|error| error.to_string())?;
        for (position, step) in script.into_iter().enumerate() {
            let name = step.to_string();
            self = self
                .take(step)
                .map_err(|error| format!("step {position}, {name}: {error}"))?;
        }
        Ok(())
    }

    fn take(mut self, step: Step) -> io::Result<Self> {
        match step {
            Step::Close => self.transport.close()?,
            Step::Expect(wanted) => {
                let found = self.read(wanted.len())?;
                if found != wanted {
                    return Err(io::Error::other(format!(
                        "came {:?}",
                        String::from_utf8_lossy(&found)
                    )));
                }
            }
            Step::ExpectMessage(tag) => {
                let found = self.read(1)?;
                if found != [tag] {
                    return Err(io::Error::other(format!("came tag {found:?}")));
                }
                self.read_sized()?;
            }
            Step::ExpectStartup => self.read_sized()?,
            Step::Hang => self.shared.wait_until_dropped(),
            Step::ReadSome => {
                let mut buffer = vec![0; 64 * 1024];
                let size = self.transport.read(&mut buffer)?;
                if size == 0 {
                    return Err(ErrorKind::UnexpectedEof.into());
                }
                self.record(&buffer[..size]);
            }
            Step::ReadToEnd => {
                let mut rest = Vec::new();
                let ended = self.transport.read_to_end(&mut rest);
                self.record(&rest);
                ended?;
            }
            Step::Reset => {
                set_socket_linger(&*self.transport.socket().0, Some(Duration::ZERO))?;
            }
            Step::Send(bytes) => self.transport.send(&bytes)?,
            Step::SendBytewise(bytes) => {
                for byte in bytes {
                    self.transport.send(&[byte])?;
                }
            }
            Step::TlsAccept(identity) => return self.accept_tls(&identity),
        }
        Ok(self)
    }

    fn accept_tls(self, identity: &Identity) -> io::Result<Self> {
        let Transport::Plain(mut socket) = self.transport else {
            return Err(io::Error::other("it is TLS already"));
        };
        let mut config = ServerConfig::builder_with_provider(default_provider().into())
            .with_safe_default_protocol_versions()
            .expect("aws-lc-rs serves every version")
            .with_no_client_auth()
            .with_single_cert(identity.chain().to_vec(), identity.private_key())
            .map_err(io::Error::other)?;
        config.alpn_protocols = vec![b"postgresql".to_vec()];
        let mut tls = ServerConnection::new(Arc::new(config)).map_err(io::Error::other)?;
        while tls.is_handshaking() {
            tls.complete_io(&mut socket)?;
        }
        Ok(Self {
            transport: Transport::Tls(Box::new(StreamOwned::new(tls, socket))),
            ..self
        })
    }

    fn read(&mut self, size: usize) -> io::Result<Vec<u8>> {
        let mut bytes = vec![0; size];
        self.transport.read_exact(&mut bytes)?;
        self.record(&bytes);
        Ok(bytes)
    }

    /// Reads a length that counts itself, and what it announces.
    fn read_sized(&mut self) -> io::Result<()> {
        let length = self.read(4)?;
        let length = length
            .iter()
            .fold(0, |sum, byte| sum << 8 | usize::from(*byte));
        if !(4..=MAX_MESSAGE).contains(&length) {
            return Err(io::Error::other(format!("came length {length}")));
        }
        self.read(length - 4).map(drop)
    }

    fn record(&self, bytes: &[u8]) {
        let mut state = self.shared.state();
        state.sessions[self.number]
            .received
            .extend_from_slice(bytes);
    }
}

/// A socket that the peer can shut down while a thread reads from it.
struct Socket(Arc<TcpStream>);

impl Socket {
    fn prepare(&self) -> io::Result<()> {
        self.0.set_nodelay(true)?;
        self.0.set_read_timeout(Some(DEADLINE))?;
        self.0.set_write_timeout(Some(DEADLINE))
    }
}

impl Read for Socket {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        (&*self.0).read(buffer)
    }
}

impl Write for Socket {
    fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
        (&*self.0).write(buffer)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

enum Transport {
    Plain(Socket),
    Tls(Box<StreamOwned<ServerConnection, Socket>>),
}

impl Transport {
    fn socket(&self) -> &Socket {
        match self {
            Self::Plain(socket) => socket,
            Self::Tls(tls) => &tls.sock,
        }
    }

    fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        match self {
            Self::Plain(socket) => socket.write_all(bytes),
            Self::Tls(tls) => tls.write_all(bytes).and_then(|()| tls.flush()),
        }
    }

    fn close(&mut self) -> io::Result<()> {
        if let Self::Tls(tls) = self {
            tls.conn.send_close_notify();
            tls.flush()?;
        }
        self.socket().0.shutdown(Shutdown::Write)
    }
}

impl Read for Transport {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Plain(socket) => socket.read(buffer),
            Self::Tls(tls) => tls.read(buffer),
        }
    }
}
