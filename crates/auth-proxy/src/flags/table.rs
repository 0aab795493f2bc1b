//! The table of flags, from which parser, environment, file, help, completion and manual are made.

use std::time::Duration;

/// A flag. Its environment variable and its key in a file follow from its name.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Flag {
    /// Its long name, without dashes.
    pub(crate) name: &'static str,
    /// Its short form.
    pub(crate) short: Option<char>,
    /// What its values are, and the value it has when none is given.
    pub(crate) kind: Kind,
    /// What stands for its value in help; empty for a switch.
    pub(crate) value: &'static str,
    /// What it does.
    pub(crate) help: &'static str,
    /// Which commands have it.
    pub(crate) scope: Scope,
    /// Whose it is.
    pub(crate) origin: Origin,
    /// Whether an instance may have a value of its own, as `?NAME=VALUE`.
    pub(crate) per_instance: bool,
}

/// What a flag's values are, with the default.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Kind {
    /// On or off; off by default.
    Switch,
    /// A signed number.
    Int(i64),
    /// A number.
    Uint(u64),
    /// A time, such as `1m30s`.
    Duration(Duration),
    /// Any text.
    Text(&'static str),
}

/// Which commands have a flag.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Scope {
    /// The command in whose table it stands.
    Command,
    /// All commands.
    Everywhere,
}

/// Whose a flag is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Origin {
    /// The AlloyDB Auth Proxy has it too.
    Original,
    /// Ours alone.
    Ours,
}

impl Flag {
    const fn switch(name: &'static str, help: &'static str) -> Self {
        Self::new(name, Kind::Switch, "", help)
    }

    const fn text(name: &'static str, value: &'static str, help: &'static str) -> Self {
        Self::new(name, Kind::Text(""), value, help)
    }

    const fn new(name: &'static str, kind: Kind, value: &'static str, help: &'static str) -> Self {
        Self {
            name,
            short: None,
            kind,
            value,
            help,
            scope: Scope::Command,
            origin: Origin::Original,
            per_instance: false,
        }
    }

    const fn short(mut self, short: char) -> Self {
        self.short = Some(short);
        self
    }

    const fn otherwise(mut self, default: &'static str) -> Self {
        self.kind = Kind::Text(default);
        self
    }

    const fn everywhere(mut self) -> Self {
        self.scope = Scope::Everywhere;
        self
    }

    const fn ours(mut self) -> Self {
        self.origin = Origin::Ours;
        self
    }

    const fn per_instance(mut self) -> Self {
        self.per_instance = true;
        self
    }

    /// Whether it is given without a value.
    pub(crate) fn is_switch(&self) -> bool {
        self.kind == Kind::Switch
    }

    /// Whether its value comes from nowhere but the command line.
    pub(crate) fn only_on_command_line(&self) -> bool {
        matches!(self.name, "help" | "version")
    }

    /// The environment variable that gives its value.
    pub(crate) fn variable(&self) -> String {
        let name = self.name.to_ascii_uppercase().replace('-', "_");
        format!("{PREFIX}{name}")
    }

    /// The default as help and manual show it; empty if there is nothing to show.
    pub(crate) fn shown_default(&self) -> String {
        match self.kind {
            Kind::Switch | Kind::Uint(0) | Kind::Duration(Duration::ZERO) => String::new(),
            Kind::Int(number) => number.to_string(),
            Kind::Uint(number) => number.to_string(),
            Kind::Duration(time) if time.as_secs() % 60 == 0 => format!("{}m", time.as_secs() / 60),
            Kind::Duration(time) => format!("{}s", time.as_secs()),
            Kind::Text(text) => text.to_owned(),
        }
    }
}

/// What stands before a flag's name in the environment.
pub(crate) const PREFIX: &str = "ALLOYDB_PROXY_";

/// `--help` of every command.
pub(crate) const HELP: Flag = Flag::switch("help", "Show this help").short('h');

/// The flags of `wait`.
pub(crate) static WAIT: &[Flag] = &[
    HELP,
    Flag::new(
        "max",
        Kind::Duration(Duration::from_secs(30)),
        "duration",
        "How long to wait at most",
    )
    .short('m'),
];

/// The flags of `shutdown`.
pub(crate) static SHUTDOWN: &[Flag] = &[ADMIN_ADDRESS, ADMIN_PORT, HELP];

/// The flags of `doctor`, beside those of the proxy itself.
pub(crate) static DOCTOR: &[Flag] = &[
    Flag::text(
        "database",
        "name",
        "Database to log in to; PGDATABASE, or the role's name",
    )
    .ours(),
    Flag::switch("json", "Print the findings as JSON").ours(),
    Flag::text("user", "role", "Role to log in as; PGUSER, or postgres").ours(),
];

/// All flags of `doctor`, by name.
pub(crate) fn doctor() -> Vec<Flag> {
    let mut flags = [ROOT, DOCTOR].concat();
    flags.sort_by_key(|flag| flag.name);
    flags
}

/// The flags of `completion` and `help`.
pub(crate) static HELP_ALONE: &[Flag] = &[HELP];

/// The flags of `completion bash` and so on.
pub(crate) static SCRIPT: &[Flag] = &[
    HELP,
    Flag::switch(
        "no-descriptions",
        "Leave the descriptions of commands and flags out",
    ),
];

const ADMIN_ADDRESS: Flag = Flag::text("admin-address", "host", "Address of the admin server")
    .otherwise("localhost")
    .ours();

const ADMIN_PORT: Flag =
    Flag::text("admin-port", "port", "Port of the admin server").otherwise("9091");

/// The flags of the proxy itself, by name.
pub(crate) static ROOT: &[Flag] = &[
    Flag::text(
        "address",
        "ip",
        "IP address on which the listeners of instances are opened",
    )
    .short('a')
    .otherwise("127.0.0.1")
    .per_instance(),
    ADMIN_ADDRESS,
    ADMIN_PORT,
    Flag::text(
        "alloydbadmin-api-endpoint",
        "url",
        "Base address of the AlloyDB API, in place of Google's",
    ),
    Flag::switch(
        "auto-iam-authn",
        "Log clients in by IAM: the proxy gives the token, clients need no password",
    )
    .short('i')
    .per_instance(),
    Flag::text(
        "config-file",
        "file",
        "File with flags and instances: .toml, .yaml, .yml or .json",
    ),
    Flag::text(
        "credentials-file",
        "file",
        "File with Google credentials of any type, such as a service account's key",
    )
    .short('c')
    .per_instance(),
    Flag::switch(
        "debug",
        "Serve profiles of the process under /debug/pprof/ on the admin server",
    ),
    Flag::switch("debug-logs", "Log what the connector does as well"),
    Flag::switch(
        "disable-built-in-telemetry",
        "Send no system metrics of the connector to Google",
    ),
    Flag::switch(
        "disable-metrics",
        "Send no metrics to Cloud Monitoring; with --telemetry-project",
    ),
    Flag::switch(
        "disable-traces",
        "Send no traces to Cloud Trace; with --telemetry-project",
    ),
    Flag::new(
        "dns-period",
        Kind::Duration(Duration::from_secs(30)),
        "duration",
        "How often the DNS names of instances are looked up again",
    )
    .ours(),
    Flag::switch(
        "exit-zero-sigterm",
        "Exit with status 0 rather than 143 after SIGTERM",
    ),
    Flag::switch(
        "fail-readiness-on-term",
        "Answer /readiness with 503 from the signal on, not only after --min-sigterm-delay",
    )
    .ours(),
    Flag::text(
        "fuse",
        "directory",
        "Not offered: use --unix-socket, or ?unix-socket= of an instance",
    ),
    Flag::text(
        "fuse-tmp-dir",
        "directory",
        "Without effect, as --fuse is not offered",
    ),
    Flag::switch(
        "gcloud-auth",
        "Take tokens from the gcloud command; Application Default Credentials are better",
    )
    .short('g'),
    Flag::switch(
        "health-check",
        "Serve /startup, /readiness and /liveness on the HTTP server",
    ),
    HELP,
    Flag::text(
        "http-address",
        "host",
        "Address of the HTTP server for health and metrics",
    )
    .otherwise("localhost")
    .everywhere(),
    Flag::text(
        "http-port",
        "port",
        "Port of the HTTP server for health and metrics",
    )
    .otherwise("9090")
    .everywhere(),
    Flag::text(
        "impersonate-service-account",
        "list",
        "Service account to act as; further ones, after commas, are delegates on the way to it",
    )
    .per_instance(),
    Flag::text(
        "json-credentials",
        "json",
        "Google credentials themselves, as JSON",
    )
    .short('j'),
    Flag::switch(
        "lazy-refresh",
        "Fetch certificates when a client needs them, never in the background",
    ),
    Flag::text(
        "login-token",
        "token",
        "OAuth2 token used for the IAM login alone; with --auto-iam-authn",
    ),
    Flag::new(
        "max-connections",
        Kind::Uint(0),
        "number",
        "How many client connections may be open at once, over all instances; 0 for no limit",
    ),
    Flag::new(
        "max-sigterm-delay",
        Kind::Duration(Duration::ZERO),
        "duration",
        "How long open connections may take to end once the proxy closes",
    ),
    Flag::new(
        "min-sigterm-delay",
        Kind::Duration(Duration::ZERO),
        "duration",
        "How long everything goes on after a signal before the proxy closes",
    ),
    Flag::text(
        "otlp-endpoint",
        "url",
        "OpenTelemetry collector that takes metrics and traces over HTTP",
    )
    .ours(),
    Flag::new(
        "port",
        Kind::Int(5432),
        "port",
        "Port of the first listener; each further one has the next",
    )
    .short('p')
    .per_instance(),
    Flag::switch("prometheus", "Serve /metrics on the HTTP server"),
    Flag::text(
        "prometheus-namespace",
        "prefix",
        "What stands before the names of metrics, with an underscore",
    ),
    Flag::switch("psc", "Dial the instance's Private Service Connect name").per_instance(),
    Flag::switch(
        "public-ip",
        "Dial the instance's public address in place of the private one",
    )
    .per_instance(),
    Flag::switch("quiet", "Log errors alone").everywhere(),
    Flag::switch(
        "quitquitquit",
        "Serve /quitquitquit on the admin server, which ends the proxy",
    ),
    Flag::switch(
        "run-connection-test",
        "Dial every instance once at the start; a failure ends the proxy",
    ),
    Flag::switch(
        "skip-failed-instance-config",
        "Leave out an instance that can't be set up rather than end",
    )
    .ours(),
    Flag::switch(
        "startup-check",
        "Dial every instance until it answers before saying that the proxy is ready",
    )
    .ours(),
    Flag::new(
        "startup-timeout",
        Kind::Duration(Duration::from_mins(2)),
        "duration",
        "How long --startup-check goes on before it ends the proxy",
    )
    .ours(),
    Flag::text(
        "static-connection-info",
        "file",
        "JSON file with keys, addresses and certificates in place of the API; for development",
    ),
    Flag::switch("structured-logs", "Log a JSON object (LogEntry) a line").short('l'),
    Flag::text(
        "telemetry-prefix",
        "prefix",
        "What stands before the names of metrics in Cloud Monitoring",
    ),
    Flag::text(
        "telemetry-project",
        "project",
        "Project whose Cloud Monitoring and Cloud Trace take metrics and traces",
    ),
    Flag::new(
        "telemetry-sample-rate",
        Kind::Int(10_000),
        "number",
        "One in so many traces is sent; 0 or 1 for all, a negative number for none",
    ),
    Flag::text(
        "tls-cert-file",
        "file",
        "Certificate chain, PEM, with which TCP listeners offer TLS to clients",
    )
    .ours()
    .per_instance(),
    Flag::text("tls-key-file", "file", "Key of --tls-cert-file, PEM")
        .ours()
        .per_instance(),
    Flag::text(
        "token",
        "token",
        "OAuth2 token for the AlloyDB API; it is never renewed",
    )
    .short('t'),
    Flag::text(
        "universe-domain",
        "domain",
        "Universe domain of a cloud other than googleapis.com",
    ),
    Flag::text(
        "unix-socket",
        "directory",
        "Directory for Unix sockets, in place of TCP ports",
    )
    .short('u')
    .per_instance(),
    Flag::text(
        "user-agent",
        "names",
        "Names that follow ours in the user agent, with spaces between them",
    ),
    Flag::switch("version", "Show the version").short('v'),
    Flag::switch(
        "with-backend-check",
        "Let /startup dial every instance each time it is asked",
    ),
];

/// The flags that every command has beside its own.
pub(crate) fn everywhere() -> impl Iterator<Item = &'static Flag> {
    ROOT.iter().filter(|flag| flag.scope == Scope::Everywhere)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_in_order_and_none_is_twice() {
        for table in [ROOT, WAIT, SHUTDOWN, HELP_ALONE, SCRIPT] {
            assert!(table.is_sorted_by(|left, right| left.name < right.name));
            let mut shorts: Vec<_> = table.iter().filter_map(|flag| flag.short).collect();
            shorts.sort_unstable();
            assert!(shorts.is_sorted_by(|left, right| left < right));
        }
    }

    #[test]
    fn the_original_has_45_flags() {
        let originals = ROOT.iter().filter(|flag| flag.origin == Origin::Original);
        assert_eq!(originals.count(), 45);
    }

    #[test]
    fn what_takes_a_value_names_it() {
        for flag in ROOT {
            assert_eq!(flag.value.is_empty(), flag.is_switch(), "{}", flag.name);
        }
    }
}
