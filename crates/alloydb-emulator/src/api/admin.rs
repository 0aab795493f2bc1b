//! The two methods of the admin API that connectors call, whatever they come over.

use std::time::Duration;

use crate::api::{Refusal, Status, obey_faults};
use crate::faults::{ApiMethod, Fault, IpType};
use crate::identity::{Caller, Permission};
use crate::names::{ClusterName, InstanceName};
use crate::pki::{Authority, Exchange};
use crate::public_key::PublicKey;
use crate::requests::CertificateRequest;
use crate::state::State;

/// How long certificates live: the range that the service allows.
const LIFETIME_MIN: Duration = Duration::from_hours(1);
const LIFETIME_MAX: Duration = Duration::from_hours(24);

/// A version of the API.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Version {
    V1,
    V1Alpha,
    V1Beta,
}

/// Where an instance is; what is absent is empty.
#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct ConnectionInfo {
    #[prost(string, tag = "1")]
    pub(super) name: String,
    #[prost(string, tag = "2")]
    pub(super) ip_address: String,
    #[prost(string, tag = "4")]
    pub(super) instance_uid: String,
    #[prost(string, tag = "5")]
    pub(super) public_ip_address: String,
    #[prost(string, tag = "6")]
    pub(super) psc_dns_name: String,
}

/// What a client wants certified.
#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct GenerateClientCertificateRequest {
    #[prost(string, tag = "1")]
    pub(super) parent: String,
    #[prost(string, tag = "2")]
    pub(super) request_id: String,
    #[prost(string, tag = "3")]
    pub(super) pem_csr: String,
    #[prost(message, optional, tag = "4")]
    pub(super) cert_duration: Option<ProtoDuration>,
    #[prost(string, tag = "5")]
    pub(super) public_key: String,
    #[prost(bool, tag = "6")]
    pub(super) use_metadata_exchange: bool,
}

/// `google.protobuf.Duration`.
#[derive(Clone, Copy, PartialEq, Eq, prost::Message)]
pub(super) struct ProtoDuration {
    #[prost(int64, tag = "1")]
    pub(super) seconds: i64,
    #[prost(int32, tag = "2")]
    pub(super) nanos: i32,
}

/// A certificate with its chain.
#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct GenerateClientCertificateResponse {
    #[prost(string, tag = "1")]
    pub(super) pem_certificate: String,
    #[prost(string, repeated, tag = "2")]
    pub(super) pem_certificate_chain: Vec<String>,
    #[prost(string, tag = "3")]
    pub(super) ca_cert: String,
}

impl Version {
    pub(super) fn parse(text: &str) -> Option<Self> {
        match text {
            "v1" => Some(Self::V1),
            "v1alpha" => Some(Self::V1Alpha),
            "v1beta" => Some(Self::V1Beta),
            _ => None,
        }
    }
}

/// Where an instance is.
pub(super) async fn connection_info(
    state: &State,
    caller: Result<Caller, Refusal>,
    version: Version,
    parent: &str,
) -> Result<ConnectionInfo, Refusal> {
    obey_faults(state, ApiMethod::ConnectionInfo, parent).await?;
    let caller = caller?;
    let name: InstanceName = parent.parse().map_err(|error| invalid(&error))?;
    // Who may not look is not told whether it is there.
    caller.require(Permission::GetConnectionInfo, parent)?;
    let (_, instance) = state
        .instance(&name)
        .ok_or_else(|| Refusal::not_found(parent))?;
    let shown = |ip_type| {
        !state
            .faults
            .happens(parent, &Fault::MissingAddress { ip_type })
    };
    let address = |ip_type| {
        let address = instance.address(ip_type).filter(|_| shown(ip_type));
        address
            .map(|address| address.to_string())
            .unwrap_or_default()
    };
    let psc = instance.psc_announced.clone();
    let psc = psc.filter(|_| version != Version::V1 && shown(IpType::Psc));
    Ok(ConnectionInfo {
        name: format!("{parent}/connectionInfo"),
        ip_address: address(IpType::Private),
        instance_uid: instance.now.borrow().uid.clone(),
        public_ip_address: address(IpType::Public),
        psc_dns_name: psc.unwrap_or_default(),
    })
}

/// A certificate for a key.
pub(super) async fn generate_client_certificate(
    state: &State,
    caller: Result<Caller, Refusal>,
    request: GenerateClientCertificateRequest,
) -> Result<GenerateClientCertificateResponse, Refusal> {
    let parent = request.parent.as_str();
    obey_faults(state, ApiMethod::GenerateClientCertificate, parent).await?;
    let caller = caller?;
    let name: ClusterName = parent.parse().map_err(|error| invalid(&error))?;
    caller.require(Permission::GenerateClientCertificate, parent)?;
    let cluster = state
        .cluster(&name)
        .ok_or_else(|| Refusal::not_found(parent))?;
    let lifetime = lifetime(state, &request)?;
    let exchange = if request.use_metadata_exchange {
        Exchange::Used
    } else {
        Exchange::Unused
    };
    let key = if !request.public_key.is_empty() {
        Some(PublicKey::from_pem(&request.public_key).map_err(|error| invalid(&error))?)
    } else if !request.pem_csr.is_empty() {
        Some(PublicKey::from_csr(&request.pem_csr).map_err(|error| invalid(&error))?)
    } else {
        None
    };
    state.requests.record_certificate(CertificateRequest {
        cluster: parent.to_owned(),
        principal: caller.principal.email.clone(),
        use_metadata_exchange: request.use_metadata_exchange,
        cert_duration_seconds: request.cert_duration.map(|duration| duration.seconds),
        public_key: key.as_ref().map_or("none", |key| key.form),
    });
    let pki = cluster.pki();
    let chain = match &key {
        Some(key) => pki.current.client_chain(key, exchange, lifetime),
        // The documented way to fetch the CA sends no key; the chain is of no use to that caller.
        None => rcgen::KeyPair::generate()
            .map_err(Into::into)
            .and_then(|key| pki.current.client_chain(&key, exchange, lifetime)),
    };
    let chain = chain.map_err(|error| Refusal::new(Status::Internal, error.to_string()))?;
    let ca_cert = if state.faults.happens(parent, &Fault::WrongCa) {
        let stranger = Authority::new("another cluster");
        let stranger =
            stranger.map_err(|error| Refusal::new(Status::Internal, error.to_string()))?;
        stranger.root_pem()
    } else {
        pki.ca_pem()
    };
    let with_csr = !request.pem_csr.is_empty();
    Ok(GenerateClientCertificateResponse {
        pem_certificate: chain
            .first()
            .filter(|_| with_csr)
            .cloned()
            .unwrap_or_default(),
        pem_certificate_chain: chain,
        ca_cert,
    })
}

fn lifetime(
    state: &State,
    request: &GenerateClientCertificateRequest,
) -> Result<Duration, Refusal> {
    let short = state.faults.take(&request.parent, |fault| match fault {
        Fault::ShortCertificate { seconds } => Some(*seconds),
        _ => None,
    });
    if let Some(seconds) = short {
        return Ok(Duration::from_secs(seconds.into()));
    }
    let Some(wanted) = request.cert_duration else {
        return Ok(LIFETIME_MAX);
    };
    let wanted = u64::try_from(wanted.seconds).map(Duration::from_secs);
    let wanted = wanted.map_err(|_| {
        Refusal::new(
            Status::InvalidArgument,
            "cert_duration must not be negative",
        )
    })?;
    Ok(wanted.clamp(LIFETIME_MIN, LIFETIME_MAX))
}

fn invalid(error: &dyn std::error::Error) -> Refusal {
    Refusal::new(Status::InvalidArgument, error.to_string())
}
