//! A server that follows a script, for what a real one never does.

mod connection;

use std::collections::VecDeque;
use std::fmt;
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, Weak};
use std::thread::JoinHandle;

use self::connection::Connection;
use crate::certificates::Identity;
use crate::wait::eventually;

/// One thing to do on a connection.
#[derive(Clone)]
pub enum Step {
    /// Close the write side in good order (`close_notify` under TLS) and end the script. Bytes not
    /// read before make the kernel send a reset instead.
    Close,
    /// Read exactly these bytes.
    Expect(Vec<u8>),
    /// Read one message with this tag.
    ExpectMessage(u8),
    /// Read one message without a tag: startup, `SSLRequest`, `CancelRequest`, …
    ExpectStartup,
    /// Do nothing until the peer is dropped.
    Hang,
    /// Read whatever comes next, at least a byte.
    ReadSome,
    /// Read until the other side closes.
    ReadToEnd,
    /// Reset the connection and end the script.
    Reset,
    /// Write.
    Send(Vec<u8>),
    /// Write in segments of one byte.
    SendBytewise(Vec<u8>),
    /// Be the server of a TLS handshake; ALPN `postgresql` is there for those who ask.
    TlsAccept(Identity),
}

/// Bound to a port, without a script yet.
#[must_use = "a peer must be started"]
pub struct Builder {
    listener: TcpListener,
    scripts: Vec<Vec<Step>>,
}

impl Builder {
    /// The script of the next connection; the last one given serves all later ones too.
    pub fn script(mut self, steps: impl IntoIterator<Item = Step>) -> Self {
        self.scripts.push(steps.into_iter().collect());
        self
    }

    /// Starts to accept, each connection in a thread of its own.
    pub fn start(self) -> Peer {
        let addr = self.listener.local_addr().expect("it is bound");
        let shared = Arc::new(Shared::default());
        let acceptor = std::thread::spawn({
            let shared = Arc::clone(&shared);
            move || accept(&self.listener, self.scripts.into(), &shared)
        });
        Peer {
            acceptor: Some(acceptor),
            addr,
            shared,
        }
    }
}

/// A listening peer; dropping it closes everything.
pub struct Peer {
    acceptor: Option<JoinHandle<()>>,
    addr: SocketAddr,
    shared: Arc<Shared>,
}

impl Peer {
    /// Binds a free port of 127.0.0.1.
    pub fn listen() -> Builder {
        let listener = TcpListener::bind("127.0.0.1:0").expect("there is a free port");
        Builder {
            listener,
            scripts: Vec::new(),
        }
    }

    /// Where it listens.
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// Its port.
    pub fn port(&self) -> u16 {
        self.addr.port()
    }

    /// What has been read so far, decrypted, by connection.
    pub fn received(&self) -> Vec<Vec<u8>> {
        let state = self.shared.state();
        state
            .sessions
            .iter()
            .map(|session| session.received.clone())
            .collect()
    }

    /// Waits until this many connections have been accepted.
    pub fn wait_for_connections(&self, count: usize) {
        eventually("connections to the peer", || {
            (self.shared.state().sessions.len() >= count).then_some(())
        });
    }

    /// Waits until every accepted connection has come to the end of its script, at least one, and
    /// panics if one could not follow it. A script that hangs never ends.
    pub fn finish(self) -> Vec<Vec<u8>> {
        eventually("the peer's scripts to end", || {
            let state = self.shared.state();
            let ended = state
                .sessions
                .iter()
                .all(|session| session.outcome.is_some());
            (ended && !state.sessions.is_empty()).then_some(())
        });
        for (number, session) in self.shared.state().sessions.iter().enumerate() {
            if let Some(Err(error)) = &session.outcome {
                panic!("connection {number} left the script: {error}");
            }
        }
        self.received()
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        let mut state = self.shared.state();
        state.dropped = true;
        for session in &state.sessions {
            if let Some(stream) = session.stream.upgrade() {
                // An error means that it is closed already.
                let _ = stream.shutdown(Shutdown::Both);
            }
        }
        drop(state);
        self.shared.dropped.notify_all();
        // Wakes the acceptor, which then sees that the peer is gone.
        let _ = TcpStream::connect(self.addr);
        if let Some(acceptor) = self.acceptor.take() {
            let _ = acceptor.join();
        }
    }
}

#[derive(Default)]
struct Shared {
    dropped: Condvar,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    dropped: bool,
    sessions: Vec<Session>,
}

struct Session {
    outcome: Option<Result<(), String>>,
    received: Vec<u8>,
    stream: Weak<TcpStream>,
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wait_until_dropped(&self) {
        let waited = self
            .dropped
            .wait_while(self.state(), |state| !state.dropped);
        drop(waited.unwrap_or_else(PoisonError::into_inner));
    }
}

fn accept(listener: &TcpListener, mut scripts: VecDeque<Vec<Step>>, shared: &Arc<Shared>) {
    for stream in listener.incoming() {
        let stream = Arc::new(stream.expect("a connection can be accepted"));
        let mut state = shared.state();
        if state.dropped {
            return;
        }
        let number = state.sessions.len();
        state.sessions.push(Session {
            outcome: None,
            received: Vec::new(),
            stream: Arc::downgrade(&stream),
        });
        drop(state);
        let script = match scripts.len() {
            1 => scripts.front().cloned(),
            _ => scripts.pop_front(),
        };
        let shared = Arc::clone(shared);
        std::thread::spawn(move || {
            let connection = Connection::new(number, Arc::clone(&shared), stream);
            let outcome = connection.follow(script.unwrap_or_default());
            shared.state().sessions[number].outcome = Some(outcome);
        });
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Close => write!(f, "close"),
            Self::Expect(bytes) => write!(f, "expect {:?}", String::from_utf8_lossy(bytes)),
            Self::ExpectMessage(tag) => write!(f, "expect message {:?}", char::from(*tag)),
            Self::ExpectStartup => write!(f, "expect startup"),
            Self::Hang => write!(f, "hang"),
            Self::ReadSome => write!(f, "read some"),
            Self::ReadToEnd => write!(f, "read to end"),
            Self::Reset => write!(f, "reset"),
            Self::Send(bytes) => write!(f, "send {} bytes", bytes.len()),
            Self::SendBytewise(bytes) => write!(f, "send {} bytes one by one", bytes.len()),
            Self::TlsAccept(_) => write!(f, "accept TLS"),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::{ErrorKind, Read, Write};

    use super::*;
    use crate::certificates::Authority;
    use crate::psql::Psql;

    /// Login granted and ready, without key data.
    const LOGGED_IN: &[u8] = b"R\0\0\0\x08\0\0\0\0Z\0\0\0\x05I";

    #[test]
    fn a_real_client_follows_the_script_through_tls() {
        let identity = Authority::new("root").server(&["127.0.0.1"]);
        let peer = Peer::listen()
            .script([
                Step::Expect(b"\0\0\0\x08\x04\xd2\x16\x2f".to_vec()),
                Step::Send(b"S".to_vec()),
                Step::TlsAccept(identity),
                Step::ExpectStartup,
                Step::SendBytewise(LOGGED_IN.to_vec()),
                Step::ExpectMessage(b'Q'),
                Step::Close,
            ])
            .start();
        let client = Psql::new("127.0.0.1", peer.port()).sslmode("require");
        let output = client.user("reader").run("select 1");
        let error = output.expect_failure();
        assert!(error.contains("closed unexpectedly"), "{error}");
        let received = peer.finish();
        assert!(received[0].ends_with(b"Q\0\0\0\x0dselect 1\0"));
    }

    #[test]
    fn a_reset_is_a_reset() {
        let peer = Peer::listen().script([Step::ReadSome, Step::Reset]).start();
        let mut stream = TcpStream::connect(peer.addr()).unwrap();
        stream.write_all(b"hello").unwrap();
        let error = stream.read(&mut [0]).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ConnectionReset);
        assert_eq!(peer.finish(), [b"hello"]);
    }

    #[test]
    fn a_hanging_peer_can_be_dropped() {
        let peer = Peer::listen().script([Step::Hang]).start();
        let mut stream = TcpStream::connect(peer.addr()).unwrap();
        peer.wait_for_connections(1);
        drop(peer);
        assert_eq!(stream.read(&mut [0]).unwrap(), 0);
    }

    #[test]
    #[should_panic(expected = "step 0, expect \"hello\": came \"world\"")]
    fn leaving_the_script_is_reported() {
        let peer = Peer::listen()
            .script([Step::Expect(b"hello".to_vec())])
            .start();
        let mut stream = TcpStream::connect(peer.addr()).unwrap();
        stream.write_all(b"world").unwrap();
        peer.finish();
    }
}
