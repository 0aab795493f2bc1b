//! Settings: from flags, environment and file to what the gateway is told to do.

mod file;
mod resolve;
mod table;
mod values;

use std::ffi::OsString;
use std::net::SocketAddr;
use std::path::PathBuf;

use querycop_console::AdminKey;
use querycop_gateway::config::Config;
use tracing_subscriber::EnvFilter;

pub(crate) use resolve::google;
pub(crate) use table::{GOOGLE_SETTINGS, SETTINGS, Setting};
pub(crate) use values::{Problem, Source, Values};

use values::nearest;

/// The environment variable that names the configuration file.
pub(crate) const CONFIG_ENV: &str = "GATEKEEPER_CONFIG";

/// Everything that was set, complete and typed.
pub(crate) struct Settings {
    pub(crate) config: Config,
    pub(crate) api_addr: SocketAddr,
    pub(crate) admin_key: Option<AdminKey>,
    pub(crate) log_format: LogFormat,
    pub(crate) log_filter: EnvFilter,
}

/// The form of the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum LogFormat {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

/// The environment of the process.
#[derive(Debug, Default)]
pub(crate) struct Environment {
    variables: Vec<(String, String)>,
    /// Variables whose value is not UTF-8. One of ours among them is a mistake, not a value that was
    /// never set.
    unreadable: Vec<String>,
}

impl Environment {
    /// Takes the variables as the system gives them.
    pub(crate) fn read(variables: impl IntoIterator<Item = (OsString, OsString)>) -> Self {
        let mut environment = Self::default();
        for (name, value) in variables {
            // A name that is not UTF-8 can't be one of ours.
            match (name.into_string(), value.into_string()) {
                (Ok(name), Ok(value)) => environment.variables.push((name, value)),
                (Ok(name), Err(_)) => environment.unreadable.push(name),
                (Err(_), _) => {}
            }
        }
        environment
    }

    /// The value of a variable; one that is empty counts as not set.
    pub(crate) fn value(&self, name: &str) -> Option<&str> {
        let found = self.variables.iter().find(|(variable, _)| variable == name);
        found
            .map(|(_, value)| value.as_str())
            .filter(|value| !value.is_empty())
    }
}

/// What was found in flags, environment and file.
pub(crate) struct Loaded {
    pub(crate) values: Values,
    pub(crate) settings: Result<Settings, Vec<Problem>>,
    /// What looks like a mistake and need not be one.
    pub(crate) warnings: Vec<Problem>,
}

/// Reads file, environment and flags, each stronger than the one before.
pub(crate) fn load(
    config_flag: Option<PathBuf>,
    flags: &[(&'static Setting, String)],
    environment: &Environment,
) -> Loaded {
    let mut values = Values::default();
    let mut problems = Vec::new();
    let variable = |name: &str| environment.value(name);
    if let Some(path) = config_flag.or_else(|| variable(CONFIG_ENV).map(PathBuf::from)) {
        file::read(&path, &mut values, &mut problems);
    }
    for setting in SETTINGS {
        if let Some(text) = variable(setting.env) {
            values.set(setting, text, Source::Environment(setting.env));
        }
    }
    for (setting, text) in flags {
        values.set(setting, text, Source::Flag(setting.flag()));
    }
    for name in environment.unreadable.iter().filter(|name| is_known(name)) {
        problems.push(Problem {
            subject: name.clone(),
            source: None,
            message: "the value is not UTF-8".to_owned(),
        });
    }
    let settings = match resolve::resolve(&values) {
        Ok(settings) if problems.is_empty() => Ok(settings),
        Ok(_) => Err(problems),
        Err(more) => {
            problems.extend(more);
            Err(problems)
        }
    };
    let mut warnings = unknown_variables(environment);
    warnings.extend(settings.as_ref().ok().and_then(unverified_token));
    Loaded {
        values,
        settings,
        warnings,
    }
}

/// Mode `require` keeps a token from those who only listen, not from one who answers in the server's
/// place and asks for it.
fn unverified_token(settings: &Settings) -> Option<Problem> {
    let told = settings.config.backend.trusts_anybody_with_token();
    told.then(|| Problem {
        subject: "backend.tls_mode".to_owned(),
        source: None,
        message:
            "require sends the token to whoever answers in the database's place; use verify-ca \
                  or verify-full"
                .to_owned(),
    })
}

/// Whether a variable is one of ours.
fn is_known(name: &str) -> bool {
    name == CONFIG_ENV || SETTINGS.iter().any(|setting| setting.env == name)
}

/// Variables with our prefix that are none of ours: a typing error, most likely.
fn unknown_variables(environment: &Environment) -> Vec<Problem> {
    let readable = environment.variables.iter().map(|(name, _)| name);
    readable
        .chain(&environment.unreadable)
        .map(String::as_str)
        .filter(|name| name.starts_with("GATEKEEPER_") && !is_known(name) && !from_kubernetes(name))
        .map(|name| Problem {
            subject: name.to_owned(),
            source: None,
            message: match nearest(name, SETTINGS.iter().map(|setting| setting.env)) {
                Some(near) => format!("unknown variable, ignored; did you mean {near}?"),
                None => "unknown variable, ignored".to_owned(),
            },
        })
        .collect()
}

/// Kubernetes puts such variables into every container beside a service named `gatekeeper`.
fn from_kubernetes(name: &str) -> bool {
    let rest = name.trim_start_matches("GATEKEEPER_");
    rest == "PORT"
        || rest.starts_with("SERVICE_")
        || (rest.starts_with("PORT_") && (rest.contains("_TCP") || rest.contains("_UDP")))
}

#[cfg(test)]
mod tests;
