//! What can be wrong with what a proxy is told.

use std::net::SocketAddr;
use std::path::PathBuf;

use alloydb_connector::ParseInstanceUriError;

use super::literal::LiteralError;
use super::parse::ParseError;

/// What is wrong.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Mistake {
    #[error("argument {0:?} is not UTF-8; write it in UTF-8, or give it in a configuration file")]
    NotUtf8(std::ffi::OsString),
    #[error(transparent)]
    Parse(#[from] ParseError),
    #[error("config file {} has no known extension; rename it to end in .toml, .yaml, .yml or .json", .0.display())]
    ConfigExtension(PathBuf),
    #[error("failed to load configuration from {}: {reason}", path.display())]
    Config { path: PathBuf, reason: String },
    #[error(
        "missing instance uri: name one as an argument, in ALLOYDB_PROXY_INSTANCE_URI or in a configuration file, \
         such as projects/PROJECT/locations/REGION/clusters/CLUSTER/instances/INSTANCE"
    )]
    NoInstance,
    #[error(
        "--run-connection-test has nothing to dial with --fuse; name the instances and leave --fuse out"
    )]
    FuseConnectionTest,
    #[error(
        "--fuse is not supported by this proxy; name the instances and use --unix-socket DIRECTORY for all of them, \
         or ?unix-socket=DIRECTORY behind the URI of each: DIRECTORY/PROJECT.REGION.CLUSTER.INSTANCE is the same \
         path that a FUSE mount has"
    )]
    Fuse,
    #[error("{first} and {second} exclude each other; leave one out")]
    Exclusive {
        first: &'static str,
        second: &'static str,
    },
    #[error("not a valid IP address: {0:?} (--address takes no host names)")]
    Address(String),
    #[error("{value:?} is not a valid URL ({flag})")]
    Url { flag: &'static str, value: String },
    #[error("{0} must be more than zero")]
    NotPositive(&'static str),
    #[error("--tls-cert-file and --tls-key-file need each other; give both or none")]
    TlsHalf,
    #[error("could not parse instance uri: {text:?}: {hint}")]
    Instance { text: String, hint: InstanceHint },
    #[error(
        "could not parse query: {0:?}; it is KEY=VALUE, joined by &, with % only before two hexadecimal digits"
    )]
    Query(String),
    #[error("{instance}: query parameters {first} and {second} exclude each other; leave one out")]
    QueryExclusive {
        instance: String,
        first: &'static str,
        second: &'static str,
    },
    #[error(
        "{instance}: query parameter {key} has several values, and only one counts; leave the others out"
    )]
    QueryRepeated { instance: String, key: &'static str },
    #[error("{instance}: query parameter address is not a valid IP address: {value:?}")]
    QueryAddress { instance: String, value: String },
    #[error("{instance}: query parameter port is not a valid integer: {value:?} ({cause})")]
    QueryPort {
        instance: String,
        value: String,
        cause: LiteralError,
    },
    #[error("{instance}: query parameter {key} is {value:?}, and can be true or false")]
    QuerySwitch {
        instance: String,
        key: &'static str,
        value: String,
    },
    #[error(
        "{instance}: query parameters tls-cert-file and tls-key-file need each other; give both or none"
    )]
    QueryTlsHalf { instance: String },
    #[error(
        "{instance}: there is no TLS on Unix sockets; leave tls-cert-file and tls-key-file out, or give it a port"
    )]
    QueryTlsOnUnix { instance: String },
}

/// What an instance's name should have been.
#[derive(Debug, thiserror::Error)]
pub(crate) enum InstanceHint {
    #[error(
        "expected projects/PROJECT/locations/REGION/clusters/CLUSTER/instances/INSTANCE, a DNS name, or a command: \
         wait, shutdown, doctor, completion, help"
    )]
    Form,
    #[error(transparent)]
    Uri(ParseInstanceUriError),
    #[error("this is no DNS name")]
    Dns,
}

/// A value that makes no sense, for a line of the log: unless it is long enough to be a secret that was
/// put in the wrong place. That of a Kubernetes Service is none.
pub(crate) fn got(value: &str) -> String {
    let service = value.strip_prefix("tcp://");
    let is_service = service.is_some_and(|address| address.parse::<SocketAddr>().is_ok());
    if value.len() <= 4 || is_service {
        format!(", got {value:?}")
    } else {
        String::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_may_be_a_secret_is_not_told() {
        assert_eq!(got("yes"), ", got \"yes\"");
        assert_eq!(got("tcp://10.0.0.1:5432"), ", got \"tcp://10.0.0.1:5432\"");
        for secret in ["hush-hush", "tcp://user:hush@db:5432"] {
            assert_eq!(got(secret), "");
        }
    }
}
