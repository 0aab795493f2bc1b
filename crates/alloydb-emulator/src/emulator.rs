//! A running emulator.

use std::fmt;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use querycop_serve::{BindError, Endpoint, Listener};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::api::{self, Certificate};
use crate::backend::{AdminError, Backend};
use crate::builder::EmulatorBuilder;
use crate::control::{ControlError, Rotation};
use crate::description::{Description, IamAuthentication, IamRoles, Role};
use crate::faults::{ApiMethod, Armed, FaultId, IpType, Script};
use crate::instance::Doors;
use crate::live::Door;
use crate::mistake::{self, Mistake};
use crate::pki::{self, Authority, PkiError, ServerNames};
use crate::requests::{CertificateRequest, RecordedRequest, RecordedSession};
use crate::state::{HttpAddrs, State, Surroundings};

/// Why an emulator did not start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// The backend can't be used.
    #[error("the backend can't be prepared")]
    Backend(#[from] AdminError),
    /// An address can't be listened on.
    #[error("an address can't be listened on; is another emulator or PostgreSQL running?")]
    Bind(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// A certificate can't be made.
    #[error("a certificate can't be made")]
    Certificate(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// A file can't be written.
    #[error("the files for clients can't be written")]
    Files(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The description has mistakes.
    #[error("{}", list(.0))]
    Mistakes(Vec<Mistake>),
}

fn list(mistakes: &[Mistake]) -> String {
    let texts: Vec<_> = mistakes.iter().map(ToString::to_string).collect();
    texts.join("; ")
}

impl From<BindError> for StartError {
    fn from(error: BindError) -> Self {
        Self::Bind(Box::new(error))
    }
}

impl From<PkiError> for StartError {
    fn from(error: PkiError) -> Self {
        Self::Certificate(Box::new(error))
    }
}

/// A running emulator. It ends when it is dropped; [`Emulator::shutdown`] also waits for it.
pub struct Emulator {
    state: Arc<State>,
    addrs: HttpAddrs,
    tracker: TaskTracker,
    temporary: Option<PathBuf>,
}

impl Emulator {
    /// Describes one.
    pub fn builder() -> EmulatorBuilder {
        EmulatorBuilder::default()
    }

    pub(crate) async fn start(description: Description) -> Result<Self, StartError> {
        let mistakes = mistake::find(&description);
        if !mistakes.is_empty() {
            return Err(StartError::Mistakes(mistakes));
        }
        let backend = Backend::from_url(&description.backend);
        let backend = backend.map_err(|error| StartError::Mistakes(vec![error.into()]))?;
        let (tracker, ended) = (TaskTracker::new(), CancellationToken::new());
        let temporary = description.directory.is_none().then(temporary_directory);
        let directory = description.directory.clone().or_else(|| temporary.clone());
        let directory = directory.unwrap_or_default();
        let authority = Authority::new("alloydb-emulator admin API")?;
        let listen = &description.listen;
        let surroundings = Surroundings {
            backend,
            admin_ca: authority.root_pem(),
            doors: Doors::new(
                listen.tunnel_port,
                listen.direct_port,
                tracker.clone(),
                ended.clone(),
            ),
            ended: ended.clone(),
            directory,
        };
        let state = Arc::new(State::new(&description, surroundings)?);
        // From here on, an early return ends what was started.
        let guard = ended.drop_guard();
        match state.iam_roles {
            IamRoles::Create => state.prepare_roles().await?,
            IamRoles::Existing => state.backend.probe().await?,
        }
        let addrs = serve_http(&state, &authority, listen, &tracker)?;
        // Nobody else sets it.
        let _ = state.http.set(addrs);
        state.doors.reconcile(&state).await?;
        write_files(&state).await?;
        // The handle ends it now.
        guard.disarm();
        Ok(Self {
            state,
            addrs,
            tracker,
            temporary,
        })
    }

    pub(crate) fn state(&self) -> &State {
        &self.state
    }

    /// Ends every session and closes every port; returns when that is done. Not cancel safe.
    pub async fn shutdown(self) {
        self.state.ended.cancel();
        self.tracker.close();
        self.tracker.wait().await;
    }
}

async fn write_files(state: &Arc<State>) -> Result<(), StartError> {
    let files = state.clone();
    // Keys of service accounts are made on the way, which takes a while.
    let written = tokio::task::spawn_blocking(move || {
        crate::files::make_directory(&files.directory)?;
        files.write_files()
    });
    let written = written.await.expect("writing files does not panic");
    written.map_err(|error| StartError::Files(Box::new(error)))
}

fn serve_http(
    state: &Arc<State>,
    authority: &Authority,
    listen: &crate::description::Listen,
    tracker: &TaskTracker,
) -> Result<HttpAddrs, StartError> {
    let names = ServerNames {
        common_name: "localhost".to_owned(),
        dns: vec!["localhost".to_owned()],
        addresses: vec![
            listen.https.ip(),
            std::net::Ipv4Addr::LOCALHOST.into(),
            std::net::Ipv6Addr::LOCALHOST.into(),
        ],
    };
    let mut config = pki::server_config(authority.server(&names)?)?;
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    let bind = |addr: SocketAddr, certificate| -> Result<SocketAddr, StartError> {
        let listener = Listener::bind(&Endpoint::Tcp(addr))?;
        let bound = match listener.endpoint() {
            Endpoint::Tcp(bound) => *bound,
            Endpoint::Unix(_) => addr,
        };
        let (state, ended) = (state.clone(), state.ended.clone());
        tracker.spawn(api::serve(
            listener,
            certificate,
            state,
            tracker.clone(),
            ended,
        ));
        Ok(bound)
    };
    Ok(HttpAddrs {
        https: bind(listen.https, Certificate::Tls(Arc::new(config)))?,
        http: bind(listen.http, Certificate::Plain)?,
    })
}

fn temporary_directory() -> PathBuf {
    let name = format!("alloydb-emulator-{}", uuid::Uuid::new_v4().simple());
    std::env::temp_dir().join(name)
}

// === What it is ===

impl Emulator {
    /// The admin API, gRPC and token services under TLS: `https://localhost:9443`, or the address if
    /// it listens where `localhost` doesn't lead.
    pub fn https_url(&self) -> String {
        self.addrs.https_url()
    }

    /// The admin API in REST, token services and the control endpoint: `http://127.0.0.1:9080`.
    pub fn http_url(&self) -> String {
        format!("http://{}", self.addrs.http)
    }

    /// The CA of [`Self::https_url`], in PEM. It is no cluster's.
    pub fn admin_ca_pem(&self) -> &str {
        &self.state.admin_ca
    }

    /// The CA of a cluster as the admin API answers it now, in PEM.
    pub fn cluster_ca_pem(&self, cluster: &str) -> Result<String, ControlError> {
        Ok(self.state.find_cluster(cluster)?.pki().ca_pem())
    }

    /// Where files for clients are.
    pub fn directory(&self) -> &Path {
        &self.state.directory
    }

    /// The file of the admin API's CA.
    pub fn admin_ca_file(&self) -> PathBuf {
        self.state.admin_ca_path()
    }

    /// The file of a cluster's CA, as it was at the start.
    pub fn cluster_ca_file(&self, cluster: &str) -> PathBuf {
        self.state.cluster_ca_path(cluster)
    }

    /// Application default credentials of a principal: a service account's key, or a person's
    /// refresh token.
    pub fn credentials_file(&self, email: &str) -> Result<PathBuf, ControlError> {
        match self.state.identities.principal(email) {
            Some(_) => Ok(self.state.credentials_path(email)),
            None => Err(ControlError::UnknownPrincipal(email.to_owned())),
        }
    }

    /// The real address of the server-side proxy (5433) of an instance.
    pub fn tunnel_addr(&self, instance: &str, ip_type: IpType) -> Option<SocketAddr> {
        self.addr(instance, ip_type, Door::Tunnel)
    }

    /// The real address of PostgreSQL (5432) of an instance.
    pub fn direct_addr(&self, instance: &str, ip_type: IpType) -> Option<SocketAddr> {
        self.addr(instance, ip_type, Door::Direct)
    }

    fn addr(&self, instance: &str, ip_type: IpType, door: Door) -> Option<SocketAddr> {
        let instance = self.state.find_instance(instance).ok()?;
        instance.bound(instance.address(ip_type)?, door)
    }
}

// === What happened ===

impl Emulator {
    /// The requests to the admin API and the token services, oldest first.
    pub fn requests(&self) -> Vec<RecordedRequest> {
        self.state.requests.list()
    }

    /// The certificates that were asked for, oldest first.
    pub fn certificate_requests(&self) -> Vec<CertificateRequest> {
        self.state.requests.certificates()
    }

    /// The connections to instances whose login has succeeded or failed, oldest first.
    pub fn sessions(&self) -> Vec<RecordedSession> {
        self.state.requests.sessions()
    }

    /// How often a method was called for an instance, a cluster or a principal.
    pub fn calls(&self, method: ApiMethod, resource: &str) -> u64 {
        self.state.requests.calls(method, resource)
    }

    /// Forgets all of it.
    pub fn forget_requests(&self) {
        self.state.requests.clear();
    }
}

// === What shall happen ===

impl Emulator {
    /// Arms a fault.
    pub fn inject(&self, script: impl Into<Script>) -> FaultId {
        self.state.faults.arm(script.into())
    }

    /// Disarms a fault; `false` if it was over already.
    pub fn clear_fault(&self, id: FaultId) -> bool {
        self.state.faults.disarm(id)
    }

    /// Disarms all faults.
    pub fn clear_faults(&self) {
        self.state.faults.clear();
    }

    /// The faults that are armed.
    pub fn faults(&self) -> Vec<Armed> {
        self.state.faults.list()
    }

    /// Replaces the CA of a cluster, at once or in steps. Sessions live on.
    pub fn rotate(&self, cluster: &str, step: Rotation) -> Result<(), ControlError> {
        self.state.rotate(cluster, step)
    }

    /// Ends the sessions of an instance, and refuses connections for so long; returns when the
    /// sessions are ended. Not cancel safe.
    pub async fn restart(&self, instance: &str, down: Duration) -> Result<(), ControlError> {
        self.state.restart(instance, down).await
    }

    /// Ends the sessions of an instance and refuses connections until it is resumed. Not cancel
    /// safe.
    pub async fn stop(&self, instance: &str) -> Result<(), ControlError> {
        self.state.stop(instance).await
    }

    /// Starts a stopped instance. Not cancel safe.
    pub async fn resume(&self, instance: &str) -> Result<(), ControlError> {
        self.state.resume(instance).await
    }

    /// Ends the sessions of an instance and moves its private address to the standby's, if it has
    /// one. Not cancel safe.
    pub async fn failover(&self, instance: &str) -> Result<(), ControlError> {
        self.state.failover(instance).await
    }

    /// Sets the flag `alloydb.iam_authentication` of an instance.
    pub fn set_iam_authentication(
        &self,
        instance: &str,
        flag: IamAuthentication,
    ) -> Result<(), ControlError> {
        self.state.set_iam_authentication(instance, flag)
    }

    /// What a principal may do from now on.
    pub fn set_roles(
        &self,
        email: &str,
        roles: impl IntoIterator<Item = Role>,
    ) -> Result<(), ControlError> {
        self.state.set_roles(email, roles.into_iter().collect())
    }

    /// A new token; `None` for the usual life.
    pub fn issue_token(
        &self,
        email: &str,
        lifetime: Option<Duration>,
    ) -> Result<String, ControlError> {
        let issued = self.state.issue_token(email, Vec::new(), lifetime)?;
        Ok(issued.token)
    }

    /// How long tokens live that are issued from now on.
    pub fn set_token_lifetime(&self, lifetime: Duration) {
        self.state.identities.set_lifetime(lifetime);
    }

    /// Forgets all tokens of a principal.
    pub fn revoke_tokens(&self, email: &str) {
        self.state.identities.revoke(email);
    }
}

impl Drop for Emulator {
    fn drop(&mut self) {
        self.state.ended.cancel();
        if let Some(directory) = &self.temporary {
            // Nobody misses what is gone already.
            let _ = std::fs::remove_dir_all(directory);
        }
    }
}

impl fmt::Debug for Emulator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Emulator")
            .field("addrs", &self.addrs)
            .field("directory", &self.state.directory)
            .finish_non_exhaustive()
    }
}
