//! The settings of the way to the database.

use std::net::IpAddr;
use std::num::NonZeroU16;
use std::path::PathBuf;

use querycop_gateway::config::{
    Backend, BackendAddress, BackendRole, BackendTls, Direct, Google, IamLogin, Instance,
    InstanceUri, IpType, Roots, Route, TlsMode, TlsNegotiation, TokenCommand, TokenSource,
};
use rustls_pki_types::ServerName;

use super::Reader;
use crate::settings::Problem;

/// What an instance has no use for.
const DIRECT_ONLY: [&str; 9] = [
    "backend.host",
    "backend.port",
    "backend.tls_mode",
    "backend.tls_ca_file",
    "backend.tls_server_name",
    "backend.tls_cert",
    "backend.tls_key",
    "backend.tls_negotiation",
    "backend.token_allow_plaintext_loopback",
];

impl Reader<'_> {
    /// What leads to the database and lets the gateway in there.
    pub(super) fn backend(&mut self) -> Option<Backend> {
        let role = self.optional_word(
            "backend.role",
            &[
                ("primary", BackendRole::Primary),
                ("replica", BackendRole::Replica),
            ],
        );
        let connect_timeout = self.positive("backend.connect_timeout");
        let iam = self.boolean("backend.iam_auth");
        let google = self.google();
        let command = self.token_command();
        if iam == Some(true) && self.text("backend.token_cmd").is_some() {
            self.note(
                "backend.iam_auth",
                "logs in without a command; leave out backend.token_cmd",
            );
        }
        let route = if self.text("backend.instance").is_some() {
            self.instance(iam).map(Route::Instance)
        } else {
            self.direct().map(Route::Direct)
        };
        let token = match (&route, command?, iam?) {
            (_, Some(command), _) => Some(TokenSource::Command(command)),
            // An instance is told in the metadata exchange; there is no token to be put anywhere.
            (Some(Route::Direct(_)), None, true) => Some(TokenSource::Iam),
            (_, None, _) => None,
        };
        if let (Some(Route::Direct(direct)), Some(token)) = (&route, &token) {
            self.check_token_in_clear(direct, token);
        }
        Some(Backend {
            route: route?,
            role,
            token,
            google,
            connect_timeout: connect_timeout?,
        })
    }

    /// Credentials for Google Cloud; those that are not set are the default ones.
    pub(super) fn google(&mut self) -> Google {
        Google {
            credentials_file: self.text("backend.credentials_file").map(PathBuf::from),
            impersonate: self.accounts("backend.impersonate"),
            quota_project: self.text("backend.quota_project"),
            admin_endpoint: self.text("backend.admin_endpoint"),
            admin_ca_file: self.text("backend.admin_ca_file").map(PathBuf::from),
        }
    }

    fn accounts(&mut self, key: &str) -> Vec<String> {
        let text = self.text(key).unwrap_or_default();
        let accounts: Vec<_> = text
            .split(',')
            .map(|account| account.trim().to_owned())
            .collect();
        if text.is_empty() {
            return Vec::new();
        }
        if accounts.iter().any(|account| !account.contains('@')) {
            self.note(
                key,
                &format!("{text:?} is not a list of service accounts, such as sa@project.iam.gserviceaccount.com"),
            );
        }
        accounts
    }

    fn instance(&mut self, iam: Option<bool>) -> Option<Instance> {
        for key in DIRECT_ONLY {
            if self.is_set(key) {
                self.note(
                    key,
                    "can't be used with backend.instance: the connector finds the address and has TLS \
                     of its own",
                );
            }
        }
        let uri = self.optional("backend.instance", str::parse::<InstanceUri>);
        let ip_type = self.word(
            "backend.ip_type",
            &[
                ("private", IpType::Private),
                ("public", IpType::Public),
                ("psc", IpType::Psc),
            ],
        );
        Some(Instance {
            uri: uri?,
            ip_type: ip_type?,
            iam_login: if iam? { IamLogin::On } else { IamLogin::Off },
        })
    }

    fn direct(&mut self) -> Option<Direct> {
        let port = self.parse::<NonZeroU16>("backend.port", "a port between 1 and 65535");
        let port = port.map(NonZeroU16::get);
        let host = self.text("backend.host");
        if host.is_none() {
            self.problems.push(Problem {
                subject: "backend.host".to_owned(),
                source: None,
                message: "not set; set GATEKEEPER_BACKEND_HOST to the database's host name or address, or \
                          GATEKEEPER_BACKEND_INSTANCE to the URI of an AlloyDB instance"
                    .to_owned(),
            });
        }
        if self.is_set("backend.ip_type") {
            self.note("backend.ip_type", "needs backend.instance");
        }
        let tls = self.backend_tls(host.as_deref());
        let address = host
            .zip(port)
            .map(|(host, port)| match host.strip_prefix('/') {
                Some(_) => BackendAddress::unix(host.as_ref(), port),
                None => BackendAddress::Tcp { host, port },
            });
        Some(Direct {
            address: address?,
            tls: tls?,
        })
    }

    fn backend_tls(&mut self, host: Option<&str>) -> Option<BackendTls> {
        let modes = [
            TlsMode::Disable,
            TlsMode::Prefer,
            TlsMode::Require,
            TlsMode::VerifyCa,
            TlsMode::VerifyFull,
        ];
        let mode = self.word("backend.tls_mode", &modes.map(|mode| (mode.as_str(), mode)));
        let negotiation = self.word(
            "backend.tls_negotiation",
            &[
                ("postgres", TlsNegotiation::Postgres),
                ("direct", TlsNegotiation::Direct),
            ],
        );
        let identity = self.identity("backend.tls_cert", "backend.tls_key");
        let ca_file = self.text("backend.tls_ca_file");
        let local = host.is_some_and(|host| host.starts_with('/'));
        let given = self.text("backend.tls_server_name");
        let server_name = match (given, host) {
            (Some(name), _) => self.server_name("backend.tls_server_name", &name),
            (None, Some(host)) if !local => self.server_name("backend.host", host),
            (None, _) => None,
        };
        let (mode, negotiation) = (mode?, negotiation?);
        if mode == TlsMode::VerifyCa && ca_file.is_none() {
            self.note(
                "backend.tls_mode",
                "verify-ca needs backend.tls_ca_file: a file, or \"system\" for the authorities of \
                 the operating system",
            );
        }
        if mode.always_encrypts() && local {
            self.note("backend.tls_mode", "PostgreSQL has no TLS on Unix sockets");
        }
        // libpq refuses the same: what must not fall back can't be combined with falling back.
        if negotiation == TlsNegotiation::Direct && !mode.always_encrypts() {
            self.note(
                "backend.tls_negotiation",
                "direct needs backend.tls_mode to be require or stricter",
            );
        }
        let roots = match ca_file.as_deref() {
            None | Some("system") => Roots::System,
            Some(path) => Roots::File(path.into()),
        };
        Some(BackendTls {
            mode,
            roots,
            server_name,
            identity: identity?,
            negotiation,
        })
    }

    fn server_name(&mut self, key: &str, name: &str) -> Option<ServerName<'static>> {
        match ServerName::try_from(name.to_owned()) {
            Ok(name) => Some(name),
            Err(_) => self.wrong(
                key,
                &format!("{name:?} is neither a host name nor an IP address"),
            ),
        }
    }

    /// `None`: something is wrong. `Some(None)`: no token.
    #[expect(
        clippy::option_option,
        reason = "wrong, absent and present are three things"
    )]
    fn token_command(&mut self) -> Option<Option<TokenCommand>> {
        let timeout = self.positive("backend.token_timeout");
        let ttl = self.duration("backend.token_ttl");
        match self.text("backend.token_cmd") {
            Some(command) => Some(Some(TokenCommand {
                command,
                timeout: timeout?,
                ttl: ttl?,
            })),
            None => Some(None),
        }
    }

    /// A token must not cross a network in clear (querycop.md §2).
    fn check_token_in_clear(&mut self, direct: &Direct, token: &TokenSource) {
        let allowed = self
            .boolean("backend.token_allow_plaintext_loopback")
            .unwrap_or(false);
        let mode = direct.tls.mode;
        let local = mode == TlsMode::Disable && is_local(&direct.address);
        if mode.always_encrypts() || allowed && local {
            return;
        }
        let message = format!(
            "{} can't be used with GATEKEEPER_BACKEND_TLS_MODE {}: the token would cross the network in \
             clear; use require, verify-ca or verify-full{}",
            match token {
                TokenSource::Command(_) => "GATEKEEPER_BACKEND_TOKEN_CMD",
                TokenSource::Iam => "GATEKEEPER_BACKEND_IAM_AUTH",
            },
            mode.as_str(),
            if local {
                ", or allow it for this machine with \
                 GATEKEEPER_BACKEND_TOKEN_ALLOW_PLAINTEXT_LOOPBACK=true"
            } else {
                ""
            },
        );
        self.note("backend.tls_mode", &message);
    }
}

/// Whether the server is on this machine, as far as its address tells.
fn is_local(address: &BackendAddress) -> bool {
    match address {
        BackendAddress::Unix(_) => true,
        BackendAddress::Tcp { host, .. } => {
            host == "localhost"
                || host
                    .parse::<IpAddr>()
                    .is_ok_and(|ip| ip.to_canonical().is_loopback())
        }
    }
}
