//! A server that does something with each of its clients, on threads of its own.

use std::net::SocketAddr;

use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Runtime;

/// A running one; it ends when it is dropped.
pub(super) struct Accepting {
    pub(super) addr: SocketAddr,
    _runtime: Runtime,
}

impl Accepting {
    pub(super) fn start<F>(serve: impl Fn(TcpStream) -> F + Send + 'static) -> Self
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let runtime = Runtime::new().expect("threads can be started");
        let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0"));
        let listener = listener.expect("a port is left");
        let addr = listener.local_addr().expect("it is bound");
        runtime.spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                tokio::spawn(serve(client));
            }
        });
        Self {
            addr,
            _runtime: runtime,
        }
    }
}
