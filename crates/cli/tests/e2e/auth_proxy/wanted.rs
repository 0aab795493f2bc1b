//! The differences that we want, by name. Any other fails the run.

use super::Who::{self, Original, Ours};

/// A difference.
pub(super) struct Wanted {
    /// Its name; docs/auth-proxy.md tells of it.
    pub(super) name: &'static str,
    /// In which scenario; `*` for wherever it shows.
    pub(super) scenario: &'static str,
    pub(super) what: What,
}

/// What is different.
pub(super) enum What {
    /// A line with this text, which one of the two alone has.
    Line(Who, &'static str),
    /// A fact.
    Fact(&'static str),
}

const fn line(name: &'static str, scenario: &'static str, who: Who, text: &'static str) -> Wanted {
    Wanted {
        name,
        scenario,
        what: What::Line(who, text),
    }
}

const fn fact(name: &'static str, scenario: &'static str, fact: &'static str) -> Wanted {
    Wanted {
        name,
        scenario,
        what: What::Fact(fact),
    }
}

/// All of them.
pub(super) const WANTED: &[Wanted] = &[
    // What a client is told.
    fact("client-errors", "nobody", "what it read"),
    fact("client-errors", "limit", "what it read"),
    // IAM login of each instance by itself.
    fact("iam-of-one", "iam of one", "logged in"),
    // SIGTERM with --exit-zero-sigterm is like any signal.
    line(
        "zero-sigterm",
        "TERM zero",
        Original,
        "terminal error: SIGTERM signal received",
    ),
    line(
        "zero-sigterm",
        "TERM zero",
        Ours,
        "SIGTERM signal received. Shutting down",
    ),
    line(
        "zero-sigterm",
        "stays, zero",
        Original,
        "terminal error: SIGTERM signal received",
    ),
    line(
        "zero-sigterm",
        "stays, zero",
        Ours,
        "SIGTERM signal received. Shutting down",
    ),
    line(
        "zero-sigterm",
        "delay, zero",
        Original,
        "terminal error: SIGTERM signal received",
    ),
    line(
        "zero-sigterm",
        "delay, zero",
        Ours,
        "SIGTERM signal received. Shutting down",
    ),
    line(
        "zero-sigterm",
        "delay, zero",
        Ours,
        "accepted connection from",
    ),
    line("zero-sigterm", "delay, zero", Ours, "closed the connection"),
    fact("zero-sigterm", "delay, zero", "serves"),
    fact("zero-sigterm", "delay, zero", "readiness"),
    // So is one that comes while the proxy starts.
    line(
        "early-signal",
        "early TERM",
        Original,
        "terminal error: SIGTERM signal received",
    ),
    line(
        "early-signal",
        "early TERM",
        Ours,
        "SIGTERM signal received. Shutting down",
    ),
    line(
        "early-signal",
        "early INT",
        Original,
        "terminal error: SIGINT signal received",
    ),
    line(
        "early-signal",
        "early INT",
        Ours,
        "SIGINT signal received. Shutting down",
    ),
    line(
        "early-signal",
        "early zero",
        Original,
        "terminal error: SIGTERM signal received",
    ),
    line(
        "early-signal",
        "early zero",
        Ours,
        "SIGTERM signal received. Shutting down",
    ),
    // What the connector does is told in its own words.
    line("debug-lines", "debug", Original, r#""severity":"DEBUG""#),
    line("debug-lines", "debug", Ours, r#""severity":"DEBUG""#),
    // The connector is another, and names the program to the instance too.
    fact("connector-name", "user agent", "the connector's name"),
    fact(
        "connector-name",
        "user agent",
        "the connector's name in the exchange",
    ),
    fact(
        "connector-name",
        "user agent",
        "further names in the exchange",
    ),
    // All instances of a file are served.
    fact("static-all", "static, two", "second"),
    // Errors are told in JSON if that is what was asked for.
    fact("quiet-json", "quiet JSON", "form"),
    // A killed proxy's socket is no hindrance.
    fact("stale-socket", "stale", "status"),
    line(
        "stale-socket",
        "stale",
        Original,
        "Unable to mount socket: listen unix",
    ),
    line("stale-socket", "stale", Ours, "Listening on"),
    line("stale-socket", "stale", Ours, "ready for new connections"),
    line("stale-socket", "stale", Ours, "SIGINT signal received"),
    // SIGHUP reads the instances again.
    fact("reload", "hangup", "status"),
    line("reload", "hangup", Ours, "Reloading the instances"),
    line("reload", "hangup", Ours, "SIGINT signal received"),
    // This is no Go program.
    fact("profiles", "profiles", "heap"),
    // What can't be read is told, and changes nothing.
    line(
        "bad-values",
        "kubernetes",
        Ours,
        "Ignoring ALLOYDB_PROXY_PORT",
    ),
    // What has no effect is told in our words.
    line("notices", "no effect", Original, "Ignoring --"),
    line("notices", "no effect", Ours, "Ignoring --"),
    // Metrics of ours beside the original's.
    line("own-metrics", "*", Ours, "alloydb_auth_proxy_"),
    // What stands behind the name of the instance or the listener.
    line(
        "causes",
        "*",
        Original,
        "refresh error: failed to get instance metadata",
    ),
    line("causes", "*", Original, "error details: name = ErrorInfo"),
    line(
        "causes",
        "*",
        Ours,
        "connectionInfo was answered 404 NOT_FOUND",
    ),
    line(
        "causes",
        "static, none",
        Original,
        "failed to connect to instance: config error: unknown instance",
    ),
    line("causes", "static, none", Ours, "doesn't have the instance"),
    line(
        "causes",
        "static, no file",
        Original,
        "terminal error: unable to start: error initializing dialer",
    ),
    line(
        "causes",
        "static, no file",
        Ours,
        "the static connection info file",
    ),
    line(
        "causes",
        "unix nowhere",
        Original,
        "Unable to mount socket: stat {dir}/nowhere",
    ),
    line(
        "causes",
        "unix nowhere",
        Ours,
        "Unable to mount socket: the directory {dir}/nowhere must exist",
    ),
    line(
        "causes",
        "port taken",
        Original,
        "Unable to mount socket: listen tcp",
    ),
    line(
        "causes",
        "port taken",
        Ours,
        "Unable to mount socket: listening on",
    ),
    line(
        "causes",
        "port negative",
        Original,
        "Unable to mount socket: listen tcp",
    ),
    line("causes", "port negative", Ours, "Unable to mount socket: "),
    line(
        "causes",
        "port large",
        Original,
        "Unable to mount socket: listen tcp",
    ),
    line("causes", "port large", Ours, "Unable to mount socket: "),
    line("causes", "HTTP taken", Original, "terminal error: "),
    line("causes", "HTTP taken", Ours, "terminal error: "),
    line("causes", "admin taken", Original, "terminal error: "),
    line("causes", "admin taken", Ours, "terminal error: "),
    line(
        "causes",
        "file missing",
        Original,
        "terminal error: unable to start: error initializing dialer",
    ),
    line(
        "causes",
        "file missing",
        Ours,
        "the credentials can't be used",
    ),
    line(
        "causes",
        "file of nothing",
        Original,
        "terminal error: unable to start: error initializing dialer",
    ),
    line(
        "causes",
        "file of nothing",
        Ours,
        "the credentials can't be used",
    ),
    line(
        "causes",
        "JSON of nothing",
        Original,
        "terminal error: unable to start: error initializing dialer",
    ),
    line(
        "causes",
        "JSON of nothing",
        Ours,
        "the credentials can't be used",
    ),
    line(
        "causes",
        "no gcloud",
        Original,
        "terminal error: unable to start: error initializing dialer",
    ),
    line(
        "causes",
        "no gcloud",
        Ours,
        "terminal error: unable to start: ",
    ),
];
