//! The exchange's two messages, written by hand after the published protobuf definitions
//! (`google.cloud.alloydb.connectors.v1`).

#[derive(Clone, PartialEq, prost::Message)]
#[prost(skip_debug)]
pub(crate) struct Request {
    #[prost(string, tag = "1")]
    pub(crate) user_agent: String,
    #[prost(enumeration = "AuthType", tag = "2")]
    pub(crate) auth_type: i32,
    /// For the permission to connect, and with [`AuthType::AutoIam`] for the login too.
    #[prost(string, tag = "3")]
    pub(crate) oauth2_token: String,
}

impl std::fmt::Debug for Request {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("Request")
            .field("user_agent", &self.user_agent)
            .field("auth_type", &self.auth_type)
            .finish_non_exhaustive()
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, prost::Enumeration)]
#[repr(i32)]
pub(crate) enum AuthType {
    Unspecified = 0,
    DbNative = 1,
    AutoIam = 2,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct Response {
    #[prost(enumeration = "ResponseCode", tag = "1")]
    pub(crate) response_code: i32,
    #[prost(string, tag = "2")]
    pub(crate) error: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, prost::Enumeration)]
#[repr(i32)]
pub(crate) enum ResponseCode {
    Unspecified = 0,
    Ok = 1,
    Error = 2,
}
