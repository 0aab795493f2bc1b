//! The admin API in gRPC.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use axum::body::Body;
use http::{HeaderMap, Response, header};
use tonic::server::{Grpc, UnaryService};
use tonic_prost::ProstCodec;

use super::admin::{
    ConnectionInfo, GenerateClientCertificateRequest, GenerateClientCertificateResponse, Version,
    connection_info, generate_client_certificate,
};
use super::{caller, read};
use crate::requests::Transport;
use crate::state::State;

/// What asks where an instance is.
#[derive(Clone, PartialEq, prost::Message)]
struct GetConnectionInfoRequest {
    #[prost(string, tag = "1")]
    parent: String,
    #[prost(string, tag = "2")]
    request_id: String,
}

struct GetConnectionInfo(Arc<State>, Version);
struct GenerateClientCertificate(Arc<State>);

type Answer<T> = Pin<Box<dyn Future<Output = Result<tonic::Response<T>, tonic::Status>> + Send>>;

pub(super) fn is_grpc(headers: &HeaderMap) -> bool {
    let content_type = headers.get(header::CONTENT_TYPE);
    content_type.is_some_and(|value| value.as_bytes().starts_with(b"application/grpc"))
}

/// Answers a call, or says that there is no such method.
pub(super) async fn answer(state: Arc<State>, request: http::Request<Body>) -> Response<Body> {
    let (parts, body) = request.into_parts();
    state.requests.record(&parts, Transport::Grpc);
    let path = parts.uri.path().to_owned();
    let body = match read(body).await {
        Ok(body) => body,
        Err(refusal) => return refusal.grpc().into_http(),
    };
    let request = http::Request::from_parts(parts, Body::from(body));
    let answer = match method(&path) {
        Some((version, "GetConnectionInfo")) => {
            let service = GetConnectionInfo(state, version);
            Grpc::new(ProstCodec::default())
                .unary(service, request)
                .await
        }
        Some((_, "GenerateClientCertificate")) => {
            let service = GenerateClientCertificate(state);
            Grpc::new(ProstCodec::default())
                .unary(service, request)
                .await
        }
        _ => tonic::Status::unimplemented("the emulator has no such method").into_http(),
    };
    answer.map(Body::new)
}

/// The version and the method in `/google.cloud.alloydb.v1beta.AlloyDBAdmin/GetConnectionInfo`.
fn method(path: &str) -> Option<(Version, &str)> {
    let path = path.strip_prefix("/google.cloud.alloydb.")?;
    let (service, method) = path.split_once('/')?;
    let version = service.strip_suffix(".AlloyDBAdmin")?;
    Some((Version::parse(version)?, method))
}

impl UnaryService<GetConnectionInfoRequest> for GetConnectionInfo {
    type Response = ConnectionInfo;
    type Future = Answer<ConnectionInfo>;

    fn call(&mut self, request: tonic::Request<GetConnectionInfoRequest>) -> Self::Future {
        let (state, version) = (self.0.clone(), self.1);
        Box::pin(async move {
            let caller = caller(&state, request.metadata().as_ref());
            let parent = &request.get_ref().parent;
            match connection_info(&state, caller, version, parent).await {
                Ok(info) => Ok(tonic::Response::new(info)),
                Err(refusal) => Err(refusal.grpc()),
            }
        })
    }
}

impl UnaryService<GenerateClientCertificateRequest> for GenerateClientCertificate {
    type Response = GenerateClientCertificateResponse;
    type Future = Answer<GenerateClientCertificateResponse>;

    fn call(&mut self, request: tonic::Request<GenerateClientCertificateRequest>) -> Self::Future {
        let state = self.0.clone();
        Box::pin(async move {
            let caller = caller(&state, request.metadata().as_ref());
            match generate_client_certificate(&state, caller, request.into_inner()).await {
                Ok(made) => Ok(tonic::Response::new(made)),
                Err(refusal) => Err(refusal.grpc()),
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn methods_have_a_version() {
        let path = "/google.cloud.alloydb.v1beta.AlloyDBAdmin/GetConnectionInfo";
        assert_eq!(method(path), Some((Version::V1Beta, "GetConnectionInfo")));
        assert_eq!(
            method("/google.cloud.alloydb.v2.AlloyDBAdmin/GetConnectionInfo"),
            None
        );
    }
}
