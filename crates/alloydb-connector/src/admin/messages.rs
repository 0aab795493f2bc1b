//! What the admin API is sent and answers, in REST v1beta.
//!
//! The service answers in `camelCase`; protobuf's JSON allows `snake_case` too, and fakes use it.
//! Fields that nobody here needs are ignored.

use serde::{Deserialize, Serialize};

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct GenerateClientCertificate<'a> {
    pub(crate) public_key: &'a str,
    /// A hint; the service allows an hour to a day.
    pub(crate) cert_duration: &'static str,
    pub(crate) use_metadata_exchange: bool,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct ConnectionInfo {
    #[serde(alias = "ip_address")]
    pub(crate) ip_address: Option<String>,
    #[serde(alias = "public_ip_address")]
    pub(crate) public_ip_address: Option<String>,
    #[serde(alias = "psc_dns_name")]
    pub(crate) psc_dns_name: Option<String>,
    /// Newer than `psc_dns_name`, and the name of an endpoint that Google made by itself.
    #[serde(alias = "psc_auto_dns_name")]
    pub(crate) psc_auto_dns_name: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct ClientCertificate {
    /// Leaf, intermediate, root; each in PEM.
    #[serde(alias = "pem_certificate_chain")]
    pub(crate) pem_certificate_chain: Vec<String>,
    #[serde(alias = "ca_cert")]
    pub(crate) ca_cert: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_spellings_of_the_keys_are_read() {
        let camel =
            r#"{"name":"n","ipAddress":"10.0.0.5","pscDnsName":"x.","pscAutoDnsName":"y."}"#;
        let snake = r#"{"ip_address":"10.0.0.5","psc_dns_name":"x.","psc_auto_dns_name":"y."}"#;
        for text in [camel, snake] {
            let info: ConnectionInfo = serde_json::from_str(text).unwrap();
            assert_eq!(info.ip_address.as_deref(), Some("10.0.0.5"));
            assert_eq!(info.public_ip_address, None);
            assert_eq!(info.psc_dns_name.as_deref(), Some("x."));
            assert_eq!(info.psc_auto_dns_name.as_deref(), Some("y."));
        }
        for text in [
            r#"{"pemCertificateChain":["a","b"],"caCert":"c","new":1}"#,
            r#"{"pem_certificate_chain":["a","b"],"ca_cert":"c"}"#,
        ] {
            let certificate: ClientCertificate = serde_json::from_str(text).unwrap();
            assert_eq!(certificate.pem_certificate_chain, ["a", "b"]);
            assert_eq!(certificate.ca_cert, "c");
        }
    }

    #[test]
    fn the_request_is_what_official_connectors_send() {
        let request = GenerateClientCertificate {
            public_key: "PEM",
            cert_duration: "3600s",
            use_metadata_exchange: true,
        };
        assert_eq!(
            serde_json::to_string(&request).unwrap(),
            r#"{"publicKey":"PEM","certDuration":"3600s","useMetadataExchange":true}"#
        );
    }
}
