//! Every setting there is: its key, its environment variable, its default, and what it means.
//!
//! The environment, the configuration file, the flags, `--help`, `querycop check` and
//! docs/configuration.md are all made from this one table.

/// One setting.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Setting {
    /// `section.name`, as in the configuration file.
    pub(crate) key: &'static str,
    /// The environment variable.
    pub(crate) env: &'static str,
    /// The default as it would be written; `None` where there is none.
    pub(crate) default: Option<&'static str>,
    /// What kind of value it takes, for `--help`.
    pub(crate) value: &'static str,
    /// What it means.
    pub(crate) help: &'static str,
    /// Whether its value must never be shown. A secret has no flag: arguments are visible to all.
    pub(crate) secret: bool,
}

impl Setting {
    /// The flag: `--section-name`.
    pub(crate) fn flag(&self) -> String {
        self.key.replace(['.', '_'], "-")
    }

    /// The setting of a key.
    pub(crate) fn of_key(key: &str) -> Option<&'static Self> {
        SETTINGS.iter().find(|setting| setting.key == key)
    }
}

const fn setting(
    key: &'static str,
    env: &'static str,
    default: Option<&'static str>,
    value: &'static str,
    help: &'static str,
) -> Setting {
    Setting {
        key,
        env,
        default,
        value,
        help,
        secret: false,
    }
}

/// Those that say as whom Google Cloud is spoken to, and where it is.
pub(crate) const GOOGLE_SETTINGS: [&str; 5] = [
    "backend.credentials_file",
    "backend.impersonate",
    "backend.quota_project",
    "backend.admin_endpoint",
    "backend.admin_ca_file",
];

/// All settings, in the order in which they are shown.
pub(crate) const SETTINGS: &[Setting] = &[
    setting(
        "listen.address",
        "GATEKEEPER_LISTEN_ADDRESS",
        Some("127.0.0.1"),
        "ADDRESS",
        "Address for clients: an IP address, or an absolute path of a directory for a Unix socket",
    ),
    setting(
        "listen.port",
        "GATEKEEPER_LISTEN_PORT",
        Some("15432"),
        "PORT",
        "PostgreSQL port for clients; 0 takes a free one",
    ),
    setting(
        "listen.tls_cert",
        "GATEKEEPER_PROXY_TLS_CERT",
        None,
        "FILE",
        "Certificate chain (PEM) shown to clients; turns TLS on",
    ),
    setting(
        "listen.tls_key",
        "GATEKEEPER_PROXY_TLS_KEY",
        None,
        "FILE",
        "Private key (PEM) of that certificate",
    ),
    setting(
        "listen.tls_mode",
        "GATEKEEPER_PROXY_TLS_MODE",
        None,
        "disable|prefer|require",
        "Whether clients use TLS; prefer when a certificate is set, require when a client CA is",
    ),
    setting(
        "listen.tls_client_ca",
        "GATEKEEPER_PROXY_TLS_CLIENT_CA",
        None,
        "FILE",
        "Authorities (PEM); clients must present a certificate that one of them signed",
    ),
    setting(
        "api.address",
        "GATEKEEPER_API_ADDRESS",
        Some("127.0.0.1"),
        "ADDRESS",
        "Address of the HTTP API",
    ),
    setting(
        "api.port",
        "GATEKEEPER_API_PORT",
        Some("8080"),
        "PORT",
        "Port of the HTTP API: health, metrics, administration; 0 takes a free one",
    ),
    Setting {
        secret: true,
        ..setting(
            "api.admin_key",
            "ADMIN_API_KEY",
            None,
            "KEY",
            "Key of the administration API, at least 16 characters; without it only health and \
             metrics are answered",
        )
    },
    setting(
        "backend.instance",
        "GATEKEEPER_BACKEND_INSTANCE",
        None,
        "URI",
        "AlloyDB instance, projects/P/locations/R/clusters/C/instances/I, reached through the \
         built-in connector in the place of host, port and TLS",
    ),
    setting(
        "backend.ip_type",
        "GATEKEEPER_BACKEND_IP_TYPE",
        Some("private"),
        "private|public|psc",
        "Which address of the instance is dialled",
    ),
    setting(
        "backend.iam_auth",
        "GATEKEEPER_BACKEND_IAM_AUTH",
        Some("false"),
        "true|false",
        "Log in as the gateway's own principal in Google Cloud: automatic IAM login with an \
         instance, its access token as the password with a host",
    ),
    setting(
        "backend.credentials_file",
        "GATEKEEPER_BACKEND_CREDENTIALS_FILE",
        None,
        "FILE",
        "Credentials (JSON) for Google Cloud; Application Default Credentials by default",
    ),
    setting(
        "backend.impersonate",
        "GATEKEEPER_BACKEND_IMPERSONATE",
        None,
        "ACCOUNT[,ACCOUNT]",
        "Service account to act as in Google Cloud; each further one impersonates the one before it",
    ),
    setting(
        "backend.quota_project",
        "GATEKEEPER_BACKEND_QUOTA_PROJECT",
        None,
        "PROJECT",
        "Project whose quota the calls of the AlloyDB API count against",
    ),
    setting(
        "backend.admin_endpoint",
        "GATEKEEPER_BACKEND_ADMIN_ENDPOINT",
        None,
        "URL",
        "AlloyDB API in the place of Google's, such as that of querycop emulator",
    ),
    setting(
        "backend.admin_ca_file",
        "GATEKEEPER_BACKEND_ADMIN_CA_FILE",
        None,
        "FILE",
        "Authorities (PEM) for that API's certificate in the place of the system's",
    ),
    setting(
        "backend.host",
        "GATEKEEPER_BACKEND_HOST",
        None,
        "HOST",
        "Host name or address of the database, or an absolute path of its Unix socket directory",
    ),
    setting(
        "backend.port",
        "GATEKEEPER_BACKEND_PORT",
        Some("5432"),
        "PORT",
        "Port of the database",
    ),
    setting(
        "backend.role",
        "GATEKEEPER_BACKEND_ROLE",
        None,
        "primary|replica",
        "What the database is; shown in logs and metrics, changes nothing",
    ),
    setting(
        "backend.tls_mode",
        "GATEKEEPER_BACKEND_TLS_MODE",
        Some("prefer"),
        "MODE",
        "TLS to the database, in libpq's terms: disable, prefer, require, verify-ca or verify-full",
    ),
    setting(
        "backend.tls_ca_file",
        "GATEKEEPER_BACKEND_TLS_CA_FILE",
        None,
        "FILE|system",
        "Authorities (PEM) for verify-ca and verify-full; \"system\" means those of the operating \
         system, which is the default for verify-full",
    ),
    setting(
        "backend.tls_server_name",
        "GATEKEEPER_BACKEND_TLS_SERVER_NAME",
        None,
        "NAME",
        "Name that verify-full checks and that is sent as SNI; the host by default",
    ),
    setting(
        "backend.tls_cert",
        "GATEKEEPER_BACKEND_TLS_CERT",
        None,
        "FILE",
        "Certificate chain (PEM) shown to the database",
    ),
    setting(
        "backend.tls_key",
        "GATEKEEPER_BACKEND_TLS_KEY",
        None,
        "FILE",
        "Private key (PEM) of that certificate",
    ),
    setting(
        "backend.tls_negotiation",
        "GATEKEEPER_BACKEND_TLS_NEGOTIATION",
        Some("postgres"),
        "postgres|direct",
        "Whether TLS is asked for first, or begun at once (PostgreSQL 17 and later)",
    ),
    setting(
        "backend.connect_timeout",
        "GATEKEEPER_BACKEND_CONNECT_TIMEOUT",
        Some("10s"),
        "DURATION",
        "Time for name lookup, dial and TLS together",
    ),
    setting(
        "backend.token_cmd",
        "GATEKEEPER_BACKEND_TOKEN_CMD",
        None,
        "COMMAND",
        "Command, run with sh -c, whose output takes the place of the client's password",
    ),
    setting(
        "backend.token_timeout",
        "GATEKEEPER_BACKEND_TOKEN_TIMEOUT",
        Some("10s"),
        "DURATION",
        "Time after which the command and its children are killed",
    ),
    setting(
        "backend.token_ttl",
        "GATEKEEPER_BACKEND_TOKEN_TTL",
        Some("0"),
        "DURATION",
        "How long a token is used again; 0 mints one for each connection",
    ),
    setting(
        "backend.token_allow_plaintext_loopback",
        "GATEKEEPER_BACKEND_TOKEN_ALLOW_PLAINTEXT_LOOPBACK",
        Some("false"),
        "true|false",
        "Allow tokens with tls_mode disable when the database is on this machine",
    ),
    setting(
        "client_auth.method",
        "GATEKEEPER_CLIENT_AUTH",
        Some("any"),
        "any",
        "Who is served where a token takes the place of the password; any serves whoever reaches \
         the port",
    ),
    setting(
        "client_auth.allow_unauthenticated",
        "GATEKEEPER_ALLOW_UNAUTHENTICATED_CLIENTS",
        Some("false"),
        "true|false",
        "Allow method any on an address that other machines can reach",
    ),
    setting(
        "client_auth.scram_over_tls",
        "GATEKEEPER_SCRAM_OVER_TLS",
        Some("terminate"),
        "terminate|fail",
        "What to do with a SCRAM login when both legs are TLS: ask the client for its password over \
         its protected leg, or refuse it",
    ),
    setting(
        "limits.max_sessions",
        "GATEKEEPER_MAX_SESSIONS",
        Some("10000"),
        "COUNT",
        "Sessions served at a time",
    ),
    setting(
        "limits.max_sessions_per_role",
        "GATEKEEPER_MAX_SESSIONS_PER_ROLE",
        None,
        "COUNT",
        "Sessions of one role served at a time",
    ),
    setting(
        "limits.max_startups",
        "GATEKEEPER_MAX_STARTUPS",
        Some("1000"),
        "COUNT",
        "Connections at a time that have not yet sent a start-up packet",
    ),
    setting(
        "limits.startup_timeout",
        "GATEKEEPER_STARTUP_TIMEOUT",
        Some("10s"),
        "DURATION",
        "Time for a client to send its start-up packet, TLS included",
    ),
    setting(
        "limits.login_timeout",
        "GATEKEEPER_LOGIN_TIMEOUT",
        Some("60s"),
        "DURATION",
        "Time for a login, as PostgreSQL's authentication_timeout",
    ),
    setting(
        "limits.drain_timeout",
        "GATEKEEPER_DRAIN_TIMEOUT",
        Some("30s"),
        "DURATION",
        "Time that busy sessions have to finish at shutdown",
    ),
    setting(
        "limits.worker_threads",
        "GATEKEEPER_WORKER_THREADS",
        None,
        "COUNT",
        "Threads that run sessions; one for each core by default",
    ),
    setting(
        "policy.file",
        "GATEKEEPER_POLICY_FILE",
        None,
        "FILE",
        "Policy (YAML) that decides which statements run; without it all do",
    ),
    setting(
        "catalog.databases",
        "GATEKEEPER_CATALOG_DATABASES",
        None,
        "NAME,…",
        "Databases whose catalogs (tables, columns, views, functions, operators) the policy is to know; \
         it judges others more cautiously",
    ),
    setting(
        "catalog.user",
        "GATEKEEPER_CATALOG_USER",
        None,
        "ROLE",
        "Role that reads the catalogs; it needs CONNECT and nothing else",
    ),
    Setting {
        secret: true,
        ..setting(
            "catalog.password",
            "GATEKEEPER_CATALOG_PASSWORD",
            None,
            "PASSWORD",
            "Password of that role, where the gateway has no token for it",
        )
    },
    setting(
        "catalog.refresh",
        "GATEKEEPER_CATALOG_REFRESH",
        Some("5m"),
        "DURATION",
        "Time between two readings of the catalogs; SIGHUP reads them at once",
    ),
    setting(
        "audit.dir",
        "GATEKEEPER_AUDIT_DIR",
        None,
        "DIRECTORY",
        "Directory of the audit log; without it nothing is recorded",
    ),
    setting(
        "audit.durability",
        "GATEKEEPER_AUDIT_DURABILITY",
        Some("written"),
        "written|synced|queued",
        "When a record counts as kept: with the operating system, on disk, or in a bounded queue",
    ),
    setting(
        "audit.text",
        "GATEKEEPER_AUDIT_TEXT",
        Some("redacted"),
        "redacted|raw",
        "Text of statements in the audit log: without literals, or also as it was sent (never one \
         with a password in it)",
    ),
    setting(
        "audit.segment_size",
        "GATEKEEPER_AUDIT_SEGMENT_SIZE",
        Some("256MiB"),
        "SIZE",
        "Size of a segment of the audit log before the next one begins; at least 1MiB",
    ),
    setting(
        "audit.segment_age",
        "GATEKEEPER_AUDIT_SEGMENT_AGE",
        Some("24h"),
        "DURATION",
        "Age of a segment of the audit log before the next one begins",
    ),
    setting(
        "audit.signing_key",
        "GATEKEEPER_AUDIT_SIGNING_KEY",
        None,
        "FILE",
        "Ed25519 key (PKCS#8, PEM) that signs checkpoints of the audit log; without it there are none",
    ),
    setting(
        "audit.checkpoint_interval",
        "GATEKEEPER_AUDIT_CHECKPOINT_INTERVAL",
        Some("1m"),
        "DURATION",
        "Time between two checkpoints, if something was recorded",
    ),
    setting(
        "audit.stdout",
        "GATEKEEPER_AUDIT_STDOUT",
        Some("false"),
        "true|false",
        "Whether audit records also go to standard output, a line each",
    ),
    setting(
        "audit.otlp_endpoint",
        "GATEKEEPER_AUDIT_OTLP_ENDPOINT",
        None,
        "URL",
        "Collector of OpenTelemetry that audit records also go to, as logs: OTLP over HTTP in JSON",
    ),
    Setting {
        secret: true,
        ..setting(
            "audit.otlp_headers",
            "GATEKEEPER_AUDIT_OTLP_HEADERS",
            None,
            "NAME=VALUE,…",
            "Headers for that collector, such as authorization=Bearer%20TOKEN",
        )
    },
    setting(
        "log.format",
        "GATEKEEPER_LOG_FORMAT",
        Some("text"),
        "text|json",
        "Form of the log on standard error",
    ),
    setting(
        "log.level",
        "GATEKEEPER_LOG_LEVEL",
        Some("info"),
        "LEVEL",
        "error, warn, info, debug or trace; or directives such as info,querycop_gateway=debug",
    ),
];

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn keys_variables_and_flags_are_unique() {
        let distinct =
            |of: fn(&Setting) -> String| SETTINGS.iter().map(of).collect::<BTreeSet<_>>().len();
        assert_eq!(distinct(|setting| setting.key.to_owned()), SETTINGS.len());
        assert_eq!(distinct(|setting| setting.env.to_owned()), SETTINGS.len());
        assert_eq!(distinct(Setting::flag), SETTINGS.len());
    }
}
