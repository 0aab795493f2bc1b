//! From texts to the typed configuration, with every mistake reported.

mod backend;
mod governance;

use std::fmt::Display;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use jiff::SignedDuration;
use querycop_console::AdminKey;
use querycop_gateway::config::{
    ClientTls, Config, Google, IdentityFiles, Limits, Requirement, ScramOverTls,
};
use querycop_serve::Endpoint;

use super::values::{Problem, Source, Values};
use super::{LogFormat, Settings};

/// The largest number of anything: no machine serves a million sessions.
const MAX_COUNT: usize = 1_000_000;

/// Reads settings one by one and collects what is wrong with them.
struct Reader<'a> {
    values: &'a Values,
    problems: Vec<Problem>,
}

/// Turns texts into settings, or into all that is wrong with them.
pub(crate) fn resolve(values: &Values) -> Result<Settings, Vec<Problem>> {
    let mut reader = Reader {
        values,
        problems: Vec::new(),
    };
    let settings = reader.settings();
    match settings {
        Some(settings) if reader.problems.is_empty() => Ok(settings),
        _ => Err(reader.problems),
    }
}

/// The credentials for Google Cloud alone, for a command that needs no database.
pub(crate) fn google(values: &Values) -> Result<Google, Vec<Problem>> {
    let mut reader = Reader {
        values,
        problems: Vec::new(),
    };
    let google = reader.google();
    if reader.problems.is_empty() {
        Ok(google)
    } else {
        Err(reader.problems)
    }
}

impl Reader<'_> {
    fn settings(&mut self) -> Option<Settings> {
        // Every part is read before the first one that is missing ends the matter.
        let listen = self.listen();
        let client_tls = self.client_tls();
        let api_addr = self.api_addr();
        let admin_key = self.optional("api.admin_key", |text| {
            AdminKey::new(text.to_owned()).map_err(|error| error.to_string())
        });
        let backend = self.backend();
        let scram_over_tls = self.word(
            "client_auth.scram_over_tls",
            &[
                ("terminate", ScramOverTls::Terminate),
                ("fail", ScramOverTls::Fail),
            ],
        );
        let limits = self.limits();
        let governance = self.governance();
        let log_format = self.word(
            "log.format",
            &[("text", LogFormat::Text), ("json", LogFormat::Json)],
        );
        let log_level = self.optional("log.level", |text| {
            tracing_subscriber::EnvFilter::builder()
                .parse(text)
                .map_err(|error| error.to_string())
        });
        self.check_client_auth(listen.as_ref());
        Some(Settings {
            config: Config {
                listen: listen?,
                client_tls: client_tls?,
                backend: backend?,
                scram_over_tls: scram_over_tls?,
                limits: limits?,
                governance: governance?,
            },
            api_addr: api_addr?,
            admin_key,
            log_format: log_format?,
            log_filter: log_level?,
        })
    }

    fn listen(&mut self) -> Option<Endpoint> {
        let port = self.parse::<u16>("listen.port", "a port between 0 and 65535");
        let address = self.text("listen.address")?;
        if address.starts_with('/') {
            let path = PathBuf::from(address).join(format!(".s.PGSQL.{}", port?));
            return Some(Endpoint::Unix(path));
        }
        let ip = self.parse::<IpAddr>("listen.address", "an IP address or an absolute path");
        Some(Endpoint::Tcp(SocketAddr::new(ip?, port?)))
    }

    fn api_addr(&mut self) -> Option<SocketAddr> {
        let ip = self.parse::<IpAddr>("api.address", "an IP address");
        let port = self.parse::<u16>("api.port", "a port between 0 and 65535");
        Some(SocketAddr::new(ip?, port?))
    }

    /// `None`: something is wrong. `Some(None)`: no TLS.
    #[expect(
        clippy::option_option,
        reason = "wrong, absent and present are three things"
    )]
    fn client_tls(&mut self) -> Option<Option<ClientTls>> {
        #[derive(Clone, Copy, PartialEq)]
        enum Mode {
            Disable,
            Prefer,
            Require,
        }
        let client_ca = self.text("listen.tls_client_ca").map(PathBuf::from);
        let words = [
            ("disable", Mode::Disable),
            ("prefer", Mode::Prefer),
            ("require", Mode::Require),
        ];
        let mode = match self.text("listen.tls_mode") {
            Some(_) => Some(self.word("listen.tls_mode", &words)?),
            None => None,
        };
        let identity = self.identity("listen.tls_cert", "listen.tls_key")?;
        let Some(identity) = identity else {
            if client_ca.is_some() {
                self.note(
                    "listen.tls_client_ca",
                    "needs listen.tls_cert and listen.tls_key",
                );
            }
            if matches!(mode, Some(Mode::Prefer | Mode::Require)) {
                self.note(
                    "listen.tls_mode",
                    "needs listen.tls_cert and listen.tls_key",
                );
            }
            return Some(None);
        };
        // A client without TLS shows no certificate, so it would go around the check.
        if client_ca.is_some() && matches!(mode, Some(Mode::Prefer | Mode::Disable)) {
            self.note(
                "listen.tls_client_ca",
                "needs listen.tls_mode to be require",
            );
        }
        let required = match mode {
            Some(Mode::Disable) => return Some(None),
            Some(Mode::Require) => Requirement::Required,
            None if client_ca.is_some() => Requirement::Required,
            Some(Mode::Prefer) | None => Requirement::Optional,
        };
        Some(Some(ClientTls {
            required,
            identity,
            client_ca,
        }))
    }

    /// A certificate and its key: both or neither.
    #[expect(
        clippy::option_option,
        reason = "wrong, absent and present are three things"
    )]
    fn identity(&mut self, certificate: &str, key: &str) -> Option<Option<IdentityFiles>> {
        match (self.text(certificate), self.text(key)) {
            (Some(certificate), Some(key)) => Some(Some(IdentityFiles {
                certificate: certificate.into(),
                key: key.into(),
            })),
            (None, None) => Some(None),
            (Some(_), None) => self.wrong(certificate, &format!("needs {key}")),
            (None, Some(_)) => self.wrong(key, &format!("needs {certificate}")),
        }
    }

    /// With a token, whoever reaches the port is let in (querycop.md §3).
    fn check_client_auth(&mut self, listen: Option<&Endpoint>) {
        let own_login = if self.text("backend.token_cmd").is_some() {
            "GATEKEEPER_BACKEND_TOKEN_CMD"
        } else {
            "GATEKEEPER_BACKEND_IAM_AUTH"
        };
        let later = ["scram", "cert", "jwt"];
        if let Some(method) = self
            .text("client_auth.method")
            .filter(|m| later.contains(&m.as_str()))
        {
            self.note(
                "client_auth.method",
                &format!("{method} is not available in this version"),
            );
            return;
        }
        self.word("client_auth.method", &[("any", ())]);
        let allowed = self
            .boolean("client_auth.allow_unauthenticated")
            .unwrap_or(false);
        let open = match listen {
            Some(Endpoint::Tcp(addr)) => !addr.ip().to_canonical().is_loopback(),
            Some(Endpoint::Unix(_)) | None => false,
        };
        let alone = self.text("backend.token_cmd").is_some()
            || self
                .text("backend.iam_auth")
                .is_some_and(|word| word == "true");
        if alone && open && !allowed {
            self.note(
                "client_auth.method",
                &format!(
                    "with {own_login}, method any lets in whoever reaches the port, and listen.address \
                     can be reached from other machines; listen on a loopback address or a Unix socket, \
                     or set GATEKEEPER_ALLOW_UNAUTHENTICATED_CLIENTS=true"
                ),
            );
        }
    }

    fn limits(&mut self) -> Option<Limits> {
        let cores = std::thread::available_parallelism().map_or(1, Into::into);
        let max_sessions = self.count("limits.max_sessions");
        let max_sessions_per_role = match self.text("limits.max_sessions_per_role") {
            Some(_) => Some(self.count("limits.max_sessions_per_role")?),
            None => None,
        };
        let max_startups = self.count("limits.max_startups");
        let startup_timeout = self.positive("limits.startup_timeout");
        let login_timeout = self.positive("limits.login_timeout");
        let drain_timeout = self.duration("limits.drain_timeout");
        let worker_threads = match self.text("limits.worker_threads") {
            Some(_) => self.count("limits.worker_threads"),
            None => Some(cores),
        };
        Some(Limits {
            max_sessions: max_sessions?,
            max_sessions_per_role,
            max_startups: max_startups?,
            startup_timeout: startup_timeout?,
            login_timeout: login_timeout?,
            drain_timeout: drain_timeout?,
            worker_threads: worker_threads?,
        })
    }
}

/// Single values.
impl Reader<'_> {
    fn text(&self, key: &str) -> Option<String> {
        self.values.value(key).map(|value| value.text)
    }

    /// Whether somebody has set it, be it to its default.
    fn is_set(&self, key: &str) -> bool {
        self.values
            .value(key)
            .is_some_and(|value| value.source != Source::Default)
    }

    /// Notes a mistake.
    fn note(&mut self, key: &str, message: &str) {
        self.problems.push(Problem {
            subject: key.to_owned(),
            source: self.values.value(key).map(|value| value.source),
            message: message.to_owned(),
        });
    }

    /// Notes a mistake that leaves no value; always `None`.
    fn wrong<T>(&mut self, key: &str, message: &str) -> Option<T> {
        self.note(key, message);
        None
    }

    fn optional<T, E: Display>(
        &mut self,
        key: &str,
        read: impl FnOnce(&str) -> Result<T, E>,
    ) -> Option<T> {
        match read(&self.text(key)?) {
            Ok(value) => Some(value),
            Err(error) => self.wrong(key, &error.to_string()),
        }
    }

    fn parse<T: FromStr>(&mut self, key: &str, wanted: &str) -> Option<T> {
        self.optional(key, |text| {
            text.parse()
                .map_err(|_| format!("{text:?} is not {wanted}"))
        })
    }

    fn count(&mut self, key: &str) -> Option<usize> {
        self.optional(key, |text| match text.parse() {
            Ok(count) if (1..=MAX_COUNT).contains(&count) => Ok(count),
            Ok(_) | Err(_) => Err(format!(
                "{text:?} is not a number between 1 and {MAX_COUNT}"
            )),
        })
    }

    fn boolean(&mut self, key: &str) -> Option<bool> {
        self.word(key, &[("true", true), ("false", false)])
    }

    fn word<T: Copy>(&mut self, key: &str, words: &[(&str, T)]) -> Option<T> {
        self.optional(key, |text| {
            let found = words
                .iter()
                .find(|(word, _)| *word == text)
                .map(|(_, value)| *value);
            found.ok_or_else(|| {
                let known: Vec<_> = words.iter().map(|(word, _)| *word).collect();
                format!("{text:?} is not one of {}", known.join(", "))
            })
        })
    }

    fn optional_word<T: Copy>(&mut self, key: &str, words: &[(&str, T)]) -> Option<T> {
        self.text(key).and_then(|_| self.word(key, words))
    }

    fn duration(&mut self, key: &str) -> Option<Duration> {
        self.optional(key, |text| {
            if text == "0" {
                return Ok(Duration::ZERO);
            }
            let parsed = text.parse::<SignedDuration>().ok();
            parsed
                .and_then(|duration| Duration::try_from(duration).ok())
                .ok_or_else(|| format!("{text:?} is not a duration such as 500ms, 10s or 1m30s"))
        })
    }

    fn positive(&mut self, key: &str) -> Option<Duration> {
        match self.duration(key)? {
            Duration::ZERO => self.wrong(key, "must be longer than 0"),
            duration => Some(duration),
        }
    }
}
