//! The admin API in REST.

use axum::body::Body;
use http::{Method, Response, StatusCode};
use serde_json::{Map, Value, json};

use super::admin::{
    ConnectionInfo, GenerateClientCertificateRequest, ProtoDuration, Version, connection_info,
    generate_client_certificate,
};
use super::{Refusal, Request, Status, caller, json};
use crate::state::State;

/// Answers a call of the admin API, or says that there is none at that path.
pub(super) async fn answer(state: &State, request: &Request) -> Result<Response<Body>, Refusal> {
    let unknown = || Refusal::new(Status::NotFound, format!("no method at {}", request.path));
    let path = request.path.trim_start_matches('/');
    let (version, resource) = path.split_once('/').ok_or_else(unknown)?;
    let version = Version::parse(version).ok_or_else(unknown)?;
    let caller = caller(state, &request.headers);
    if let Some(parent) = resource.strip_suffix("/connectionInfo") {
        if request.method != Method::GET {
            return Err(unknown());
        }
        let info = connection_info(state, caller, version, parent).await?;
        return Ok(json(StatusCode::OK, &info_json(info)));
    }
    let parent = resource.strip_suffix(":generateClientCertificate");
    let parent = parent.ok_or_else(unknown)?;
    if request.method != Method::POST {
        return Err(unknown());
    }
    let wanted = wanted(parent, version, &request.json()?)?;
    let made = generate_client_certificate(state, caller, wanted).await?;
    let mut answer = json!({
        "pemCertificateChain": made.pem_certificate_chain,
        "caCert": made.ca_cert,
    });
    if !made.pem_certificate.is_empty() {
        answer["pemCertificate"] = made.pem_certificate.into();
    }
    Ok(json(StatusCode::OK, &answer))
}

fn info_json(info: ConnectionInfo) -> Value {
    let fields = [
        ("name", info.name),
        ("ipAddress", info.ip_address),
        ("instanceUid", info.instance_uid),
        ("publicIpAddress", info.public_ip_address),
        ("pscDnsName", info.psc_dns_name),
    ];
    let present = fields.into_iter().filter(|(_, value)| !value.is_empty());
    Value::Object(
        present
            .map(|(name, value)| (name.to_owned(), value.into()))
            .collect::<Map<_, _>>(),
    )
}

/// The request in JSON; the service reads both spellings of a field, and skips what it doesn't know.
fn wanted(
    parent: &str,
    version: Version,
    body: &Value,
) -> Result<GenerateClientCertificateRequest, Refusal> {
    let field = |camel: &str, snake: &str| body.get(camel).or_else(|| body.get(snake));
    let text = |camel, snake| {
        let value = field(camel, snake).and_then(Value::as_str);
        value.unwrap_or_default().to_owned()
    };
    let duration = field("certDuration", "cert_duration").and_then(Value::as_str);
    let duration = duration.map(|text| {
        parse_duration(text).ok_or_else(|| {
            let message = format!("Invalid value at 'cert_duration': \"{text}\" is no duration");
            Refusal::new(Status::InvalidArgument, message)
        })
    });
    let exchange = field("useMetadataExchange", "use_metadata_exchange");
    Ok(GenerateClientCertificateRequest {
        parent: parent.to_owned(),
        request_id: text("requestId", "request_id"),
        pem_csr: match version {
            Version::V1 => String::new(),
            Version::V1Alpha | Version::V1Beta => text("pemCsr", "pem_csr"),
        },
        cert_duration: duration.transpose()?,
        public_key: text("publicKey", "public_key"),
        use_metadata_exchange: exchange.and_then(Value::as_bool).unwrap_or_default(),
    })
}

/// `3600s` or `1.5s`.
fn parse_duration(text: &str) -> Option<ProtoDuration> {
    let number = text.strip_suffix('s')?;
    let (whole, fraction) = number.split_once('.').unwrap_or((number, "0"));
    fraction
        .bytes()
        .all(|byte| byte.is_ascii_digit())
        .then_some(())?;
    Some(ProtoDuration {
        seconds: whole.parse().ok()?,
        nanos: 0,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_seconds() {
        assert_eq!(parse_duration("3600s").unwrap().seconds, 3600);
        assert_eq!(parse_duration("1.5s").unwrap().seconds, 1);
        for wrong in ["", "3600", "1h", "s", "1.xs"] {
            assert_eq!(parse_duration(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn both_spellings_are_read_and_the_rest_is_skipped() {
        let body = json!({"parent": "x", "public_key": "k", "useMetadataExchange": true, "new": 1});
        let wanted = wanted("p", Version::V1, &body).unwrap();
        assert_eq!(
            (wanted.parent.as_str(), wanted.public_key.as_str()),
            ("p", "k")
        );
        assert!(wanted.use_metadata_exchange);
    }
}
