//! The command line: made from the table of settings, so that none can be forgotten.

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use alloydb_connector::InstanceUri;
use clap::builder::{PossibleValue, PossibleValuesParser, ValueParser};
use clap::{Arg, ArgAction, ArgMatches, Command, ValueHint, value_parser};
use clap_complete::Shell;
use jiff::SignedDuration;

use crate::audit::{self, AuditCommand};
use crate::emulator::{self, EmulatorOptions};
use crate::exit::{self, USAGE};
use crate::fetch_ca::FetchCaOptions;
use crate::policy::{self, PolicyOptions};
use crate::settings::{CONFIG_ENV, GOOGLE_SETTINGS, SETTINGS, Setting};

/// What the command line asks for.
#[derive(Debug)]
pub(crate) struct Invocation {
    pub(crate) action: Action,
    /// The configuration file.
    pub(crate) config: Option<PathBuf>,
    /// The settings that were given as flags.
    pub(crate) flags: Vec<(&'static Setting, String)>,
}

/// What to do.
#[derive(Debug)]
pub(crate) enum Action {
    /// Run the gateway.
    Run,
    /// Validate the settings.
    Check,
    /// Examine the way to the database.
    Doctor(DoctorOptions),
    /// Read the audit log.
    Audit(Box<AuditCommand>),
    /// Run the auth-proxy, which reads its words itself.
    AuthProxy(Vec<OsString>),
    /// Write a cluster's certificate authority to a file.
    FetchCa(FetchCaOptions),
    /// Run a local AlloyDB.
    Emulator(EmulatorOptions),
    /// Check policy files, or show what they would decide.
    Policy(Box<PolicyOptions>),
    /// Print a completion script.
    Completion(Shell),
    /// Print the reference of all settings.
    Reference,
}

/// How the doctor logs in.
#[derive(Debug)]
pub(crate) struct DoctorOptions {
    pub(crate) user: Option<String>,
    pub(crate) database: Option<String>,
    pub(crate) json: bool,
}

/// The command that reads its words itself.
const AUTH_PROXY: &str = "auth-proxy";

const ABOUT: &str = "A PostgreSQL access gateway";

const LONG_ABOUT: &str = "A PostgreSQL access gateway.

Clients speak PostgreSQL to it. It ends their TLS, connects to the database with TLS of its own, puts a \
minted token in the place of their password, and relays.

Without a command, runs the gateway. Each setting can be given as a flag, as an environment variable or in \
a configuration file; flags win over the environment, the environment over the file.";

const AFTER_HELP: &str = "Signals:
  SIGTERM, SIGINT  take no new clients, end idle sessions, let busy ones finish; a second one ends at once
  SIGHUP           read certificates, policy and catalogs again (files are also watched)

Exit status:
  0    every session had ended
  1    sessions were cut off at the drain timeout; doctor: a step failed;
       audit verify: something was changed
  64   wrong arguments
  69   a port can't be opened
  71   the system refused threads or files
  78   wrong settings
  130, 143  ended at once by a second SIGINT or SIGTERM";

/// Reads the command line. `Err`: help or version was asked for, or something is wrong; it has been
/// printed.
pub(crate) fn parse(arguments: impl IntoIterator<Item = OsString>) -> Result<Invocation, ExitCode> {
    let arguments: Vec<_> = arguments.into_iter().collect();
    // Before clap sees them: it would read some of the words, such as --, in its own way.
    if let [_, word, own @ ..] = &arguments[..]
        && word == AUTH_PROXY
    {
        return Ok(auth_proxy(own.to_vec()));
    }
    let mut matches = command().try_get_matches_from(arguments).map_err(|error| {
        // What can't be printed has no reader.
        let _ = error.print();
        if error.use_stderr() {
            ExitCode::from(USAGE)
        } else {
            ExitCode::SUCCESS
        }
    })?;
    let action = match matches.remove_subcommand() {
        None => Action::Run,
        Some((name, matches)) => {
            let invocation = subcommand(&name, matches);
            return Ok(invocation);
        }
    };
    Ok(invocation(action, &mut matches))
}

fn auth_proxy(words: Vec<OsString>) -> Invocation {
    Invocation {
        action: Action::AuthProxy(words),
        config: None,
        flags: Vec::new(),
    }
}

fn subcommand(name: &str, mut matches: ArgMatches) -> Invocation {
    let action = match name {
        "check" => Action::Check,
        "doctor" => Action::Doctor(DoctorOptions {
            user: matches.remove_one("user"),
            database: matches.remove_one("database"),
            json: matches.get_flag("json"),
        }),
        "fetch-ca" => Action::FetchCa(FetchCaOptions {
            instance: matches
                .remove_one("instance")
                .expect("clap demands the instance"),
            output: matches.remove_one("output"),
            watch: matches.get_flag("watch").then(|| {
                matches
                    .remove_one("every")
                    .expect("clap has a default for the interval")
            }),
        }),
        "audit" => {
            let (name, mut matches) = matches
                .remove_subcommand()
                .expect("clap demands a command of audit");
            let action = Action::Audit(Box::new(audit::options(&name, &mut matches)));
            return invocation(action, &mut matches);
        }
        AUTH_PROXY => {
            let words = matches.remove_many("words").unwrap_or_default();
            return auth_proxy(words.collect());
        }
        "emulator" => {
            return Invocation {
                action: Action::Emulator(emulator::options(matches)),
                config: None,
                flags: Vec::new(),
            };
        }
        "policy" => {
            return Invocation {
                action: Action::Policy(Box::new(policy::options(matches))),
                config: None,
                flags: Vec::new(),
            };
        }
        "completion" => {
            let shell = matches.remove_one("shell").expect("clap demands the shell");
            return Invocation {
                action: Action::Completion(shell),
                config: None,
                flags: Vec::new(),
            };
        }
        _ => {
            return Invocation {
                action: Action::Reference,
                config: None,
                flags: Vec::new(),
            };
        }
    };
    invocation(action, &mut matches)
}

fn invocation(action: Action, matches: &mut ArgMatches) -> Invocation {
    let flags = SETTINGS
        .iter()
        .filter(|setting| !setting.secret)
        .filter_map(|setting| {
            // A command may have only some of the settings.
            let text = matches.try_remove_one::<String>(setting.key).ok()??;
            Some((setting, text))
        })
        .collect();
    Invocation {
        action,
        config: matches.remove_one("config"),
        flags,
    }
}

fn command() -> Command {
    let settings = || setting_flags().chain([config_flag()]);
    Command::new("querycop")
        .version(env!("CARGO_PKG_VERSION"))
        .about(ABOUT)
        .long_about(LONG_ABOUT)
        .after_help(format!("{}\n\n{AFTER_HELP}", secrets()))
        .args_conflicts_with_subcommands(true)
        .subcommand_negates_reqs(true)
        .args(settings())
        .subcommand(
            Command::new("check")
                .about("Validate the settings without starting, and print what is in force")
                .args(settings()),
        )
        .subcommand(
            Command::new("doctor")
                .about("Examine each step of the way to the database: name, dial, TLS, token, login, query")
                .args(doctor_flags())
                .args(settings()),
        )
        .subcommand(audit::command(|| audit_flags().chain([config_flag()])))
        .subcommand(auth_proxy_command())
        .subcommand(emulator::command())
        .subcommand(policy::command())
        .subcommand(
            Command::new("fetch-ca")
                .about("Write the certificate authority of an AlloyDB cluster to a file")
                .args(fetch_ca_flags())
                .args(google_flags().chain([config_flag()])),
        )
        .subcommand(
            Command::new("completion").about("Print a completion script for a shell").arg(
                Arg::new("shell").required(true).value_name("SHELL").value_parser(value_parser!(Shell)),
            ),
        )
        .subcommand(
            Command::new("reference")
                .about("Print the table of all settings in Markdown, as in docs/configuration.md")
                .hide(true),
        )
}

/// For the list of commands; its words are read elsewhere.
fn auth_proxy_command() -> Command {
    Command::new(AUTH_PROXY)
        .about("Stand in for Google's AlloyDB Auth Proxy: same flags, ports, sockets and endpoints")
        .disable_help_flag(true)
        .arg(
            Arg::new("words")
                .num_args(0..)
                .trailing_var_arg(true)
                .allow_hyphen_values(true)
                .value_name("FLAGS AND INSTANCES")
                .value_parser(ValueParser::os_string())
                .help("See querycop auth-proxy --help"),
        )
}

/// The settings that have no flag.
fn secrets() -> String {
    let secrets = SETTINGS.iter().filter(|setting| setting.secret);
    let lines = secrets.map(|setting| format!("\n  {}  {}", setting.env, setting.help));
    format!(
        "Secrets, from the environment or the configuration file only:{}",
        lines.collect::<String>()
    )
}

fn config_flag() -> Arg {
    Arg::new("config")
        .long("config")
        .value_name("FILE")
        .help(format!(
            "Configuration file, TOML or YAML [env: {CONFIG_ENV}]"
        ))
        .value_hint(ValueHint::FilePath)
        .value_parser(value_parser!(PathBuf))
}

fn doctor_flags() -> [Arg; 3] {
    [
        Arg::new("user")
            .long("user")
            .short('U')
            .value_name("ROLE")
            .help("Role to log in as; PGUSER by default. Its password is taken from PGPASSWORD"),
        Arg::new("database")
            .long("database")
            .short('d')
            .value_name("NAME")
            .help("Database to log in to; PGDATABASE, else the role's name by default"),
        Arg::new("json")
            .long("json")
            .action(ArgAction::SetTrue)
            .help("Print one JSON object with all steps"),
    ]
}

fn fetch_ca_flags() -> [Arg; 4] {
    [
        Arg::new("instance")
            .required(true)
            .value_name("INSTANCE_URI")
            .value_parser(str::parse::<InstanceUri>)
            .help("An instance of the cluster: projects/P/locations/R/clusters/C/instances/I"),
        Arg::new("output")
            .long("output")
            .short('o')
            .value_name("FILE")
            .value_parser(value_parser!(PathBuf))
            .value_hint(ValueHint::FilePath)
            .help("File to replace, all at once and only when something has changed; standard output by default"),
        Arg::new("watch")
            .long("watch")
            .action(ArgAction::SetTrue)
            .requires("output")
            .help("Stay, and fetch again and again; a fetch that fails leaves the file as it is"),
        Arg::new("every")
            .long("every")
            .value_name("DURATION")
            .default_value("1h")
            .requires("watch")
            .value_parser(interval)
            .help("Time between two fetches of --watch"),
    ]
}

fn interval(text: &str) -> Result<Duration, String> {
    let parsed = text.parse::<SignedDuration>().ok();
    parsed
        .and_then(|duration| Duration::try_from(duration).ok())
        .filter(|duration| !duration.is_zero())
        .ok_or_else(|| "not a duration such as 10m or 1h".to_owned())
}

/// The flags of those settings that say as whom Google Cloud is spoken to.
fn google_flags() -> impl Iterator<Item = Arg> {
    setting_flags().filter(|arg| GOOGLE_SETTINGS.contains(&arg.get_id().as_str()))
}

/// The flag of the one setting that says where the audit log is.
fn audit_flags() -> impl Iterator<Item = Arg> {
    setting_flags().filter(|arg| arg.get_id() == audit::DIRECTORY_SETTING)
}

fn setting_flags() -> impl Iterator<Item = Arg> {
    SETTINGS
        .iter()
        .filter(|setting| !setting.secret)
        .map(|setting| {
            let default = setting
                .default
                .map(|text| format!(" [default: {text}]"))
                .unwrap_or_default();
            let arg = Arg::new(setting.key)
                .long(setting.flag())
                .value_name(setting.value)
                .help(format!("{}{default} [env: {}]", setting.help, setting.env))
                .help_heading(heading(setting.key))
                // Values are checked with those of the other sources, so that all mistakes show at once.
                .value_parser(ValueParser::string());
            match setting.value {
                "FILE" | "FILE|system" => arg.value_hint(ValueHint::FilePath),
                "HOST" => arg.value_hint(ValueHint::Hostname),
                "COMMAND" => arg.value_hint(ValueHint::CommandString),
                _ => arg,
            }
        })
}

fn heading(key: &str) -> &'static str {
    match key.split('.').next() {
        Some("listen") => "Clients",
        Some("api") => "HTTP API",
        Some("backend") => "Database",
        Some("client_auth") => "Authentication",
        Some("limits") => "Limits",
        Some("policy") => "Policy",
        Some("audit") => "Audit",
        _ => "Log",
    }
}

/// Writes the completion script of a shell to standard output.
pub(crate) fn print_completion(shell: Shell) -> ExitCode {
    let mut script = Vec::new();
    // The words of a setting are offered to the shell, but not enforced by the parser.
    let command = command().mut_args(complete_words);
    clap_complete::generate(shell, &mut { command }, "querycop", &mut script);
    exit::print(&String::from_utf8_lossy(&script));
    ExitCode::SUCCESS
}

fn complete_words(arg: Arg) -> Arg {
    let words = match Setting::of_key(arg.get_id().as_str()).map(|setting| setting.value) {
        Some("MODE") => vec!["disable", "prefer", "require", "verify-ca", "verify-full"],
        Some(value) if value.contains('|') && value != "FILE|system" => value.split('|').collect(),
        _ => return arg,
    };
    arg.value_parser(PossibleValuesParser::new(
        words.into_iter().map(PossibleValue::new),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse_words(words: &[&str]) -> Invocation {
        parse(words.iter().map(OsString::from)).expect("the command line is right")
    }

    #[test]
    fn the_definition_is_sound() {
        command().debug_assert();
    }

    #[test]
    fn every_setting_but_secrets_has_a_flag() {
        for setting in SETTINGS.iter().filter(|setting| !setting.secret) {
            let invocation = parse_words(&["querycop", &format!("--{}", setting.flag()), "x"]);
            assert_eq!(invocation.flags, [(setting, "x".to_owned())]);
        }
        let secret = ["querycop", "--api-admin-key", "x"];
        parse(secret.iter().map(OsString::from)).unwrap_err();
    }

    #[test]
    fn flags_follow_their_command() {
        let invocation = parse_words(&[
            "querycop",
            "check",
            "--backend-host",
            "db",
            "--config",
            "q.toml",
        ]);
        assert!(matches!(invocation.action, Action::Check));
        assert_eq!(invocation.config, Some("q.toml".into()));
        assert_eq!(invocation.flags[0].1, "db");
    }

    #[test]
    fn the_auth_proxys_words_are_left_alone() {
        let words = ["querycop", "auth-proxy", "--", "-p", "1", "--help", "check"];
        let Action::AuthProxy(own) = parse_words(&words).action else {
            panic!("not the auth-proxy")
        };
        assert_eq!(own, words[2..]);
    }

    #[test]
    fn the_doctor_takes_a_role() {
        let words = ["querycop", "doctor", "-U", "alice", "-d", "app", "--json"];
        let Action::Doctor(options) = parse_words(&words).action else {
            panic!("not the doctor")
        };
        assert_eq!(options.user.as_deref(), Some("alice"));
        assert_eq!(options.database.as_deref(), Some("app"));
        assert!(options.json);
    }
}
