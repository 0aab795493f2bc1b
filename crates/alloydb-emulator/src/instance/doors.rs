//! Listens on the addresses of all instances that are up, and on no other.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex};

use querycop_serve::{BindError, Endpoint, Listener, Socket};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::{direct, tunnel};
use crate::live::{Door, Instance, Running};
use crate::state::State;

/// Every listener that is open.
pub(crate) struct Doors {
    ports: [(Door, u16); 2],
    open: Mutex<HashMap<(IpAddr, Door), Open>>,
    tracker: TaskTracker,
    ended: CancellationToken,
}

struct Open {
    close: CancellationToken,
    task: JoinHandle<()>,
}

impl Doors {
    pub(crate) fn new(
        tunnel_port: u16,
        direct_port: u16,
        tracker: TaskTracker,
        ended: CancellationToken,
    ) -> Self {
        Self {
            ports: [(Door::Tunnel, tunnel_port), (Door::Direct, direct_port)],
            open: Mutex::default(),
            tracker,
            ended,
        }
    }

    /// Opens what should be open and isn't, closes what shouldn't and is. Not cancel safe.
    pub(crate) async fn reconcile(&self, state: &Arc<State>) -> Result<(), BindError> {
        let wanted: Vec<_> = state
            .instances()
            .filter(|instance| instance.now.borrow().state == Running::Up)
            .flat_map(|instance| {
                let addresses = instance.addresses().into_iter();
                addresses.map(move |address| (address, instance.clone()))
            })
            .collect();
        let closed = self.close_others(&wanted);
        for task in closed {
            // It ends by being told to; the listener is gone with it.
            let _ = task.await;
        }
        for (address, instance) in wanted {
            for (door, port) in self.ports {
                self.open(state, &instance, address, (door, port))?;
            }
        }
        Ok(())
    }

    fn close_others(&self, wanted: &[(IpAddr, Arc<Instance>)]) -> Vec<JoinHandle<()>> {
        let mut open = crate::lock(&self.open);
        let extra =
            open.extract_if(|(address, _), _| !wanted.iter().any(|(want, _)| want == address));
        let closed = extra.map(|(_, open)| {
            open.close.cancel();
            open.task
        });
        closed.collect()
    }

    fn open(
        &self,
        state: &Arc<State>,
        instance: &Instance,
        address: IpAddr,
        (door, port): (Door, u16),
    ) -> Result<(), BindError> {
        let mut open = crate::lock(&self.open);
        if open.contains_key(&(address, door)) {
            // Another instance shares the address, as PSC names do.
            if let Some(bound) = state.bound(address, door) {
                instance.set_bound(address, door, bound);
            }
            return Ok(());
        }
        // After a restart it must be the same port again.
        let again = instance.bound(address, door).map(|addr| addr.port());
        let addr = SocketAddr::new(address, again.unwrap_or(port));
        let listener = Listener::bind(&Endpoint::Tcp(addr))?;
        if let Endpoint::Tcp(bound) = listener.endpoint() {
            instance.set_bound(address, door, *bound);
        }
        let close = self.ended.child_token();
        let accept = accept(
            state.clone(),
            listener,
            (address, door),
            self.tracker.clone(),
        );
        let task = self.tracker.spawn(run_until(close.clone(), accept));
        open.insert((address, door), Open { close, task });
        Ok(())
    }
}

async fn run_until(close: CancellationToken, accept: impl Future<Output = ()>) {
    close.run_until_cancelled(accept).await;
}

async fn accept(
    state: Arc<State>,
    mut listener: Listener,
    at: (IpAddr, Door),
    tracker: TaskTracker,
) {
    loop {
        let (socket, _) = listener.accept().await;
        tracker.spawn(serve(state.clone(), socket, at));
    }
}

async fn serve(state: Arc<State>, socket: Socket, (address, door): (IpAddr, Door)) {
    let ended = state.ended.clone();
    let serve = async {
        match door {
            Door::Tunnel => Box::pin(tunnel::serve(state, socket, address)).await,
            Door::Direct => Box::pin(direct::serve(state, socket, address)).await,
        }
    };
    ended.run_until_cancelled_owned(serve).await;
}
