//! Errors as Google's APIs write them, in JSON and in gRPC.

use axum::body::Body;
use http::{Response, StatusCode, header};
use prost::Message as _;
use serde_json::json;

use crate::identity::Denied;

/// A canonical code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Status {
    InvalidArgument,
    Unauthenticated,
    PermissionDenied,
    NotFound,
    ResourceExhausted,
    Unimplemented,
    Internal,
    Unavailable,
    DeadlineExceeded,
    Unknown,
}

/// An error that a caller is told.
#[derive(Clone, Debug)]
pub(crate) struct Refusal {
    status: Status,
    http: StatusCode,
    message: String,
    reason: Option<&'static str>,
    retry_after: Option<u32>,
}

impl Status {
    fn of_http(code: u16) -> Self {
        match code {
            400 => Self::InvalidArgument,
            401 => Self::Unauthenticated,
            403 => Self::PermissionDenied,
            404 => Self::NotFound,
            429 => Self::ResourceExhausted,
            500 => Self::Internal,
            501 => Self::Unimplemented,
            503 => Self::Unavailable,
            504 => Self::DeadlineExceeded,
            _ => Self::Unknown,
        }
    }

    fn http(self) -> StatusCode {
        match self {
            Self::InvalidArgument => StatusCode::BAD_REQUEST,
            Self::Unauthenticated => StatusCode::UNAUTHORIZED,
            Self::PermissionDenied => StatusCode::FORBIDDEN,
            Self::NotFound => StatusCode::NOT_FOUND,
            Self::ResourceExhausted => StatusCode::TOO_MANY_REQUESTS,
            Self::Unimplemented => StatusCode::NOT_IMPLEMENTED,
            Self::Internal => StatusCode::INTERNAL_SERVER_ERROR,
            Self::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
            Self::DeadlineExceeded => StatusCode::GATEWAY_TIMEOUT,
            Self::Unknown => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::InvalidArgument => "INVALID_ARGUMENT",
            Self::Unauthenticated => "UNAUTHENTICATED",
            Self::PermissionDenied => "PERMISSION_DENIED",
            Self::NotFound => "NOT_FOUND",
            Self::ResourceExhausted => "RESOURCE_EXHAUSTED",
            Self::Unimplemented => "UNIMPLEMENTED",
            Self::Internal => "INTERNAL",
            Self::Unavailable => "UNAVAILABLE",
            Self::DeadlineExceeded => "DEADLINE_EXCEEDED",
            Self::Unknown => "UNKNOWN",
        }
    }

    fn grpc(self) -> tonic::Code {
        match self {
            Self::InvalidArgument => tonic::Code::InvalidArgument,
            Self::Unauthenticated => tonic::Code::Unauthenticated,
            Self::PermissionDenied => tonic::Code::PermissionDenied,
            Self::NotFound => tonic::Code::NotFound,
            Self::ResourceExhausted => tonic::Code::ResourceExhausted,
            Self::Unimplemented => tonic::Code::Unimplemented,
            Self::Internal => tonic::Code::Internal,
            Self::Unavailable => tonic::Code::Unavailable,
            Self::DeadlineExceeded => tonic::Code::DeadlineExceeded,
            Self::Unknown => tonic::Code::Unknown,
        }
    }
}

impl Refusal {
    pub(crate) fn new(status: Status, message: impl Into<String>) -> Self {
        Self {
            status,
            http: status.http(),
            message: message.into(),
            reason: None,
            retry_after: None,
        }
    }

    pub(crate) fn unauthenticated(why: &str) -> Self {
        let message = format!(
            "Request had invalid authentication credentials. Expected OAuth 2 access token: {why}."
        );
        Self {
            reason: Some("ACCESS_TOKEN_TYPE_UNSUPPORTED"),
            ..Self::new(Status::Unauthenticated, message)
        }
    }

    pub(super) fn permission_denied(message: String) -> Self {
        Self {
            reason: Some("IAM_PERMISSION_DENIED"),
            ..Self::new(Status::PermissionDenied, message)
        }
    }

    pub(crate) fn not_found(resource: &str) -> Self {
        Self {
            reason: Some("RESOURCE_NOT_FOUND"),
            ..Self::new(
                Status::NotFound,
                format!("Resource '{resource}' was not found"),
            )
        }
    }

    /// What a script demands.
    pub(super) fn scripted(code: u16, retry_after: Option<u32>, message: Option<String>) -> Self {
        let status = Status::of_http(code);
        let message = message.unwrap_or_else(|| match status {
            Status::ResourceExhausted => {
                "Quota exceeded for quota metric 'Connect requests'".to_owned()
            }
            status => format!("{} by a script of the emulator", status.name()),
        });
        Self {
            http: StatusCode::from_u16(code).unwrap_or(status.http()),
            reason: match status {
                Status::ResourceExhausted => Some("RATE_LIMIT_EXCEEDED"),
                Status::PermissionDenied => Some("IAM_PERMISSION_DENIED"),
                _ => None,
            },
            retry_after,
            ..Self::new(status, message)
        }
    }

    pub(super) fn response(&self) -> Response<Body> {
        let details = self.reason.map(|reason| {
            json!([{
                "@type": "type.googleapis.com/google.rpc.ErrorInfo",
                "reason": reason,
                "domain": "alloydb.googleapis.com",
            }])
        });
        let mut error = json!({
            "code": self.http.as_u16(),
            "message": self.message,
            "status": self.status.name(),
        });
        if let Some(details) = details {
            error["details"] = details;
        }
        let mut response = super::json(self.http, &json!({ "error": error }));
        if let Some(seconds) = self.retry_after {
            response
                .headers_mut()
                .insert(header::RETRY_AFTER, seconds.into());
        }
        response
    }

    /// The same in gRPC, with `google.rpc.Status` as details.
    pub(super) fn grpc(&self) -> tonic::Status {
        let code = self.status.grpc();
        let mut details = Vec::new();
        if let Some(reason) = self.reason {
            let info = ErrorInfo {
                reason: reason.to_owned(),
                domain: "alloydb.googleapis.com".to_owned(),
            };
            details.push(Any {
                type_url: "type.googleapis.com/google.rpc.ErrorInfo".to_owned(),
                value: info.encode_to_vec(),
            });
        }
        let status = RpcStatus {
            code: code as i32,
            message: self.message.clone(),
            details,
        };
        tonic::Status::with_details(code, &self.message, status.encode_to_vec().into())
    }
}

impl From<Denied> for Refusal {
    fn from(denied: Denied) -> Self {
        let reason = match denied {
            Denied::Project { .. } => "USER_PROJECT_DENIED",
            Denied::Resource { .. } => "IAM_PERMISSION_DENIED",
            Denied::Scope => "ACCESS_TOKEN_SCOPE_INSUFFICIENT",
        };
        Self {
            reason: Some(reason),
            ..Self::new(Status::PermissionDenied, denied.to_string())
        }
    }
}

#[derive(Clone, PartialEq, prost::Message)]
struct RpcStatus {
    #[prost(int32, tag = "1")]
    code: i32,
    #[prost(string, tag = "2")]
    message: String,
    #[prost(message, repeated, tag = "3")]
    details: Vec<Any>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct Any {
    #[prost(string, tag = "1")]
    type_url: String,
    #[prost(bytes = "vec", tag = "2")]
    value: Vec<u8>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct ErrorInfo {
    #[prost(string, tag = "1")]
    reason: String,
    #[prost(string, tag = "2")]
    domain: String,
}
