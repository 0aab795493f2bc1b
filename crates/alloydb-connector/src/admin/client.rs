//! The two methods of the admin API that a connector needs.

use ::http::{HeaderMap, HeaderName, HeaderValue};
use serde::de::DeserializeOwned;
use tokio::time::Instant;
use url::Url;

use super::http::{bearer, call};
use super::messages::GenerateClientCertificate;
use super::retry::retrying;
use super::{ClientCertificate, ConnectionInfo, Http, HttpError};
use crate::credentials::AccessToken;
use crate::{ConfigError, InstanceUri, Mistake, RefreshError, RefreshFailure};

const CONNECTION_INFO: &str = "connectionInfo";
const CLIENT_CERTIFICATE: &str = "generateClientCertificate";

/// How the connector names itself.
pub(crate) struct Identity {
    /// The project to bill, where one is set.
    pub(crate) quota_project: Option<HeaderValue>,
}

/// The admin API of one endpoint.
pub(crate) struct AdminClient {
    http: Http,
    endpoint: Url,
    identity: Identity,
}

/// Plain HTTP would carry the bearer token in the clear.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Plaintext {
    LoopbackOnly,
    DangerAnywhere,
}

impl AdminClient {
    pub(crate) fn new(http: Http, endpoint: Url, identity: Identity) -> Self {
        Self {
            http,
            endpoint,
            identity,
        }
    }

    /// Reads an endpoint: scheme, host, and port; a path is kept as a prefix.
    pub(crate) fn endpoint(text: &str, plaintext: Plaintext) -> Result<Url, ConfigError> {
        let refuse = |reason| {
            ConfigError::new(Mistake::Endpoint {
                endpoint: without_login(text),
                reason,
            })
        };
        let url = Url::parse(text).map_err(|_| refuse("it isn't a URL"))?;
        if url.host().is_none() || url.cannot_be_a_base() {
            return Err(refuse("it has no host"));
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(refuse("it must not hold credentials"));
        }
        if url.query().is_some() || url.fragment().is_some() {
            return Err(refuse("it must not have a query or a fragment"));
        }
        match url.scheme() {
            "https" => Ok(url),
            "http" if plaintext == Plaintext::DangerAnywhere || is_loopback(&url) => Ok(url),
            "http" => Err(refuse(
                "plain http is for loopback only, because it shows the access token to the network",
            )),
            _ => Err(refuse("its scheme must be https")),
        }
    }

    /// An instance's addresses. Cancel safe.
    pub(crate) async fn connection_info(
        &self,
        instance: &InstanceUri,
        token: &AccessToken,
        deadline: Instant,
    ) -> Result<ConnectionInfo, RefreshError> {
        let url = self.url(&format!("{instance}/{CONNECTION_INFO}"));
        let headers = self.headers(instance.as_str(), token);
        let headers = headers.map_err(|error| failed(instance, CONNECTION_INFO, error))?;
        let request = || {
            self.http
                .towards(url.as_str())
                .get(url.clone())
                .headers(headers.clone())
        };
        let body = retrying(deadline, || call(request())).await;
        read(instance, CONNECTION_INFO, body)
    }

    /// A client certificate for a public key, and the cluster's CA. Cancel safe.
    pub(crate) async fn client_certificate(
        &self,
        instance: &InstanceUri,
        public_key: &str,
        token: &AccessToken,
        deadline: Instant,
    ) -> Result<ClientCertificate, RefreshError> {
        let cluster = instance.cluster_uri();
        let url = self.url(&format!("{cluster}:{CLIENT_CERTIFICATE}"));
        let body = GenerateClientCertificate {
            public_key,
            cert_duration: "3600s",
            use_metadata_exchange: true,
        };
        let headers = self.headers(cluster, token);
        let headers = headers.map_err(|error| failed(instance, CLIENT_CERTIFICATE, error))?;
        let request = || {
            let request = self.http.towards(url.as_str()).post(url.clone());
            request.headers(headers.clone()).json(&body)
        };
        let body = retrying(deadline, || call(request())).await;
        read(instance, CLIENT_CERTIFICATE, body)
    }

    /// The path carries the URI raw, a domain-scoped project's colon included.
    fn url(&self, resource: &str) -> Url {
        let mut url = self.endpoint.clone();
        let prefix = url.path().trim_end_matches('/').to_owned();
        url.set_path(&format!("{prefix}/v1beta/{resource}"));
        url
    }

    fn headers(&self, parent: &str, token: &AccessToken) -> Result<HeaderMap, HttpError> {
        let mut headers = bearer(token)?;
        // The version of the compiler isn't known at run time; the oldest supported one is.
        let client = concat!(
            "gl-rust/",
            env!("CARGO_PKG_RUST_VERSION"),
            " gccl/",
            env!("CARGO_PKG_VERSION")
        );
        let set = [
            ("x-goog-api-client", HeaderValue::from_static(client)),
            ("x-goog-request-params", routing(parent)),
        ];
        for (name, value) in set {
            headers.insert(HeaderName::from_static(name), value);
        }
        if let Some(project) = &self.identity.quota_project {
            headers.insert(
                HeaderName::from_static("x-goog-user-project"),
                project.clone(),
            );
        }
        Ok(headers)
    }
}

/// A URL as an error may show it.
fn without_login(text: &str) -> String {
    match text.rsplit_once('@') {
        Some((before, host)) => {
            let scheme = before.split_once("://").map_or("", |(scheme, _)| scheme);
            format!("{scheme}://...@{host}")
        }
        None => text.to_owned(),
    }
}

/// The routing header has the URI URL-encoded, but for its slashes.
fn routing(parent: &str) -> HeaderValue {
    let encoded = format!("parent={}", parent.replace(':', "%3A"));
    HeaderValue::try_from(encoded).expect("an instance URI is letters, digits, and -_.:/")
}

pub(super) fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(url::Host::Ipv4(address)) => address.is_loopback(),
        Some(url::Host::Ipv6(address)) => address.is_loopback(),
        Some(url::Host::Domain(name)) => name.eq_ignore_ascii_case("localhost"),
        None => false,
    }
}

fn read<T: DeserializeOwned>(
    instance: &InstanceUri,
    what: &'static str,
    body: Result<Vec<u8>, HttpError>,
) -> Result<T, RefreshError> {
    let body = body.map_err(|error| failed(instance, what, error))?;
    serde_json::from_slice(&body).map_err(|error| {
        let failure = RefreshFailure::BadAnswer {
            call: what,
            what: "no JSON of the expected form".to_owned(),
        };
        RefreshError::caused(instance, failure, error)
    })
}

fn failed(instance: &InstanceUri, what: &'static str, error: HttpError) -> RefreshError {
    match error {
        HttpError::Status(status) => RefreshError::new(
            instance,
            RefreshFailure::Status {
                call: what,
                code: status.code,
                status: status.status,
                message: status.message,
                reason: status.reason,
            },
        ),
        HttpError::Timeout { after } => {
            RefreshError::new(instance, RefreshFailure::Timeout { after })
        }
        HttpError::TooLarge => {
            let what_came = "more than fits".to_owned();
            let failure = RefreshFailure::BadAnswer {
                call: what,
                what: what_came,
            };
            RefreshError::caused(instance, failure, error)
        }
        HttpError::Transport(_) => {
            RefreshError::caused(instance, RefreshFailure::Transport { call: what }, error)
        }
        HttpError::TokenInHeader => RefreshError::caused(instance, RefreshFailure::Token, error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_http_is_for_loopback() {
        for good in [
            "https://alloydb.googleapis.com",
            "http://127.0.0.1:9080",
            "http://[::1]:9080/",
            "http://localhost:9080",
        ] {
            assert!(
                AdminClient::endpoint(good, Plaintext::LoopbackOnly).is_ok(),
                "{good}"
            );
        }
        for bad in [
            "http://alloydb.googleapis.com",
            "http://10.0.0.1:9080",
            "ftp://localhost",
            "alloydb.googleapis.com",
            "localhost:9080",
            "https://host/?q",
        ] {
            let error = AdminClient::endpoint(bad, Plaintext::LoopbackOnly).unwrap_err();
            assert!(error.to_string().contains(bad), "{error}");
        }
        assert!(AdminClient::endpoint("http://10.0.0.1", Plaintext::DangerAnywhere).is_ok());
    }

    #[test]
    fn an_endpoint_with_a_password_is_refused_without_showing_it() {
        for bad in ["https://user:secret@host", "https://user:secret@ho st"] {
            let error = AdminClient::endpoint(bad, Plaintext::LoopbackOnly).unwrap_err();
            let text = error.to_string();
            assert!(!text.contains("secret") && text.contains("@ho"), "{text}");
        }
    }

    #[test]
    fn the_routing_header_encodes_the_colon_alone() {
        let value = routing("projects/google.com:proj/locations/l/clusters/c");
        assert_eq!(
            value,
            "parent=projects/google.com%3Aproj/locations/l/clusters/c"
        );
    }
}
