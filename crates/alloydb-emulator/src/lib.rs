//! A local AlloyDB in front of any PostgreSQL: admin API, server-side proxy, IAM login.
//!
//! Clients that were made for AlloyDB connect to it unmodified: connectors and Google's Auth Proxy
//! over the admin API and port 5433, everything else over port 5432. It is for tests and for
//! trying things out, on one machine, and no place for data: every certificate authority is made
//! at the start, and whoever reaches the control endpoint gets a token for everybody.
//!
//! ```no_run
//! use alloydb_emulator::{Cluster, Emulator, Instance, IpType, Principal};
//!
//! # async fn run() -> Result<(), alloydb_emulator::StartError> {
//! let primary = Instance::primary("primary").private_address([127, 0, 0, 1]);
//! let emulator = Emulator::builder()
//!     .backend("postgres://postgres:secret@127.0.0.1:5432/postgres")
//!     .cluster(Cluster::new("projects/demo/locations/local/clusters/main").instance(primary))
//!     .principal(Principal::new("alice@example.com"))
//!     .start()
//!     .await?;
//! println!("{}", emulator.https_url());
//! emulator.shutdown().await;
//! # Ok(())
//! # }
//! ```

mod api;
mod backend;
mod builder;
mod control;
mod description;
mod emulator;
mod faults;
mod files;
mod hints;
mod identity;
mod instance;
mod live;
mod mistake;
mod names;
mod pki;
mod public_key;
mod requests;
mod state;

use std::sync::{Mutex, MutexGuard, PoisonError};

pub use backend::{AdminError, BackendUrlError};
pub use builder::EmulatorBuilder;
pub use control::{ControlError, Rotation};
pub use description::{
    Cluster, ClusterKind, DIRECT_PORT, Description, IamAuthentication, IamRoles, Instance,
    InstanceKind, Listen, Principal, Role, Ssl, TUNNEL_PORT, UnknownTokens,
};
pub use emulator::{Emulator, StartError};
pub use faults::{ApiFailure, ApiMethod, Armed, ExchangeFailure, Fault, FaultId, IpType, Script};
pub use mistake::{Mistake, StateFileError};
pub use names::{ClusterName, InstanceName, NameError};
pub use requests::{CertificateRequest, RecordedRequest, RecordedSession, Transport};

/// Locks it whatever happened to another holder: what is inside is whole after every statement.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
