//! Faults by script: what goes wrong, for whom, and how often.

use std::sync::Mutex;

use serde::{Deserialize, Serialize};

/// A kind of address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum IpType {
    /// Inside the VPC.
    Private,
    /// On the internet.
    Public,
    /// Private Service Connect, a DNS name.
    Psc,
}

/// A method of the HTTP and gRPC side.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum ApiMethod {
    /// `GetConnectionInfo` of an instance.
    ConnectionInfo,
    /// `GenerateClientCertificate` of a cluster.
    GenerateClientCertificate,
    /// The token endpoint; its resource is the principal's e-mail address.
    Token,
    /// `generateAccessToken` of a service account, which is its resource.
    GenerateAccessToken,
    /// The metadata server; its resource is the service account.
    Metadata,
}

/// How a call fails.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(
    tag = "kind",
    rename_all = "kebab-case",
    rename_all_fields = "camelCase"
)]
pub enum ApiFailure {
    /// Answers with an error.
    Status {
        /// The HTTP status: 400, 401, 403, 404, 429, 500, 503 …
        code: u16,
        /// The header `Retry-After`, in seconds.
        #[serde(default)]
        retry_after: Option<u32>,
        /// The error's text.
        #[serde(default)]
        message: Option<String>,
    },
    /// Never answers.
    Hang,
    /// Answers rightly, but so much later.
    Slow {
        /// How much later.
        milliseconds: u64,
    },
}

/// How a metadata exchange fails.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum ExchangeFailure {
    /// Answers ERROR with this text.
    Refused {
        /// The text.
        message: String,
    },
    /// Answers rightly, each byte in a TLS record of its own.
    SplitInBytes,
    /// Announces a message of so many bytes, sends eight of them, and waits.
    Length {
        /// The announced length.
        bytes: u32,
    },
    /// Answers with an empty message, whose code is unspecified.
    ZeroLength,
    /// Reads the request and never answers.
    Silent,
    /// Reads the request and closes.
    Eof,
    /// Answers in PostgreSQL's protocol instead.
    ErrorResponse {
        /// The text.
        message: String,
    },
}

/// What goes wrong.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(
    tag = "kind",
    rename_all = "kebab-case",
    rename_all_fields = "camelCase"
)]
pub enum Fault {
    /// A call to the admin API or a token service fails.
    Api {
        /// Which one; all if absent.
        #[serde(default)]
        method: Option<ApiMethod>,
        /// How.
        failure: ApiFailure,
    },
    /// Client certificates live so long, whatever was asked for.
    ShortCertificate {
        /// The life, in seconds; 0 for one that is over.
        seconds: u32,
    },
    /// The certificate call answers with the CA of some other cluster.
    WrongCa,
    /// The connection info lacks an address.
    MissingAddress {
        /// Which one.
        ip_type: IpType,
    },
    /// The PSC name stands in the server's certificate with a dot at its end.
    TrailingDot,
    /// The server's certificate on port 5432 has no IP addresses, only a name.
    CertificateWithoutAddresses,
    /// Port 5433 speaks nothing newer than TLS 1.2.
    Tls12Only,
    /// The metadata exchange fails.
    Exchange {
        /// How.
        failure: ExchangeFailure,
    },
}

/// A fault with its conditions.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Script {
    /// What goes wrong.
    pub fault: Fault,
    /// Only for this resource and what is below it: a cluster, an instance, an e-mail address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resource: Option<String>,
    /// How many times; always if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub times: Option<u32>,
}

impl From<Fault> for Script {
    fn from(fault: Fault) -> Self {
        Self {
            fault,
            resource: None,
            times: None,
        }
    }
}

impl Fault {
    /// Only for this resource and what is below it.
    pub fn on(self, resource: impl Into<String>) -> Script {
        Script {
            resource: Some(resource.into()),
            ..self.into()
        }
    }

    /// Only the next so many times.
    pub fn times(self, times: u32) -> Script {
        Script {
            times: Some(times),
            ..self.into()
        }
    }
}

impl Script {
    /// Only the next so many times.
    #[must_use]
    pub fn times(mut self, times: u32) -> Self {
        self.times = Some(times);
        self
    }

    fn concerns(&self, resource: &str) -> bool {
        let Some(wanted) = &self.resource else {
            return true;
        };
        let rest = resource.strip_prefix(wanted.as_str());
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    }
}

/// A fault that is armed, to disarm it by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct FaultId(pub u64);

/// A fault that is armed.
#[derive(Clone, Debug, Serialize)]
pub struct Armed {
    /// To disarm it by.
    pub id: FaultId,
    /// What and when; `times` counts what is left.
    #[serde(flatten)]
    pub script: Script,
}

/// All faults that are armed, in the order in which they were.
#[derive(Debug, Default)]
pub(crate) struct Faults {
    armed: Mutex<(u64, Vec<Armed>)>,
}

impl Faults {
    pub(crate) fn arm(&self, script: Script) -> FaultId {
        let mut armed = crate::lock(&self.armed);
        armed.0 += 1;
        let id = FaultId(armed.0);
        armed.1.push(Armed { id, script });
        id
    }

    pub(crate) fn disarm(&self, id: FaultId) -> bool {
        let mut armed = crate::lock(&self.armed);
        let before = armed.1.len();
        armed.1.retain(|fault| fault.id != id);
        armed.1.len() < before
    }

    pub(crate) fn clear(&self) {
        crate::lock(&self.armed).1.clear();
    }

    pub(crate) fn list(&self) -> Vec<Armed> {
        crate::lock(&self.armed).1.clone()
    }

    /// The first fault for this resource that `pick` wants; it counts as having happened once.
    pub(crate) fn take<T>(&self, resource: &str, pick: impl Fn(&Fault) -> Option<T>) -> Option<T> {
        let mut armed = crate::lock(&self.armed);
        let found = armed.1.iter_mut().find_map(|fault| {
            let picked = pick(&fault.script.fault)?;
            if !fault.script.concerns(resource) {
                return None;
            }
            if let Some(times) = &mut fault.script.times {
                *times = times.checked_sub(1)?;
            }
            Some(picked)
        });
        armed.1.retain(|fault| fault.script.times != Some(0));
        found
    }

    pub(crate) fn api(&self, method: ApiMethod, resource: &str) -> Option<ApiFailure> {
        self.take(resource, |fault| match fault {
            Fault::Api {
                method: wanted,
                failure,
            } if wanted.is_none_or(|wanted| wanted == method) => Some(failure.clone()),
            _ => None,
        })
    }

    pub(crate) fn exchange(&self, resource: &str) -> Option<ExchangeFailure> {
        self.take(resource, |fault| match fault {
            Fault::Exchange { failure } => Some(failure.clone()),
            _ => None,
        })
    }

    /// Whether this very fault happens now.
    pub(crate) fn happens(&self, resource: &str, wanted: &Fault) -> bool {
        self.take(resource, |fault| (fault == wanted).then_some(()))
            .is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fault_happens_as_often_as_it_was_told() {
        let faults = Faults::default();
        faults.arm(Fault::WrongCa.on("projects/p").times(2));
        assert!(!faults.happens("projects/pq", &Fault::WrongCa));
        assert!(faults.happens("projects/p", &Fault::WrongCa));
        assert!(faults.happens("projects/p/locations/r", &Fault::WrongCa));
        assert!(!faults.happens("projects/p", &Fault::WrongCa));
        assert!(faults.list().is_empty());
    }

    #[test]
    fn a_script_reads_as_it_is_written() {
        let script = Fault::Api {
            method: Some(ApiMethod::ConnectionInfo),
            failure: ApiFailure::Status {
                code: 429,
                retry_after: Some(2),
                message: None,
            },
        };
        let text = r#"{"fault":{"kind":"api","method":"connectionInfo",
            "failure":{"kind":"status","code":429,"retryAfter":2}},"times":3}"#;
        assert_eq!(
            serde_json::from_str::<Script>(text).unwrap(),
            script.times(3)
        );
    }
}
