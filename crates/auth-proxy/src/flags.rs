//! From arguments, environment and configuration file to settings, or to what a command prints.
//!
//! All flags stand in one table ([`table`]). Parser, environment, file, help, completion and the manual
//! are made from it.

mod command;
mod config_file;
mod environment;
mod instance;
mod instance_name;
mod literal;
mod mistake;
mod parse;
mod paths;
mod query;
#[cfg(test)]
mod reference;
mod resolve;
pub(crate) mod table;
mod url;
pub(crate) mod values;

use std::ffi::OsString;
use std::io::Write;
use std::path::PathBuf;

pub(crate) use command::{Command, Shell};
pub use environment::Environment;
use mistake::Mistake;
use parse::{Parsed, parse};
use table::{DOCTOR, ROOT};

use crate::settings::Settings;
use crate::{completion, help, shutdown_command, wait};

/// What became of a command line.
#[derive(Debug)]
pub enum Outcome {
    /// All is done and printed; this is the exit status.
    Ended(u8),
    /// A proxy is to be run.
    Run(Box<Settings>, Sources),
    /// The way to the instances is to be examined.
    Examine(Box<Settings>, DoctorOptions),
}

/// How `doctor` logs in, and how it tells what it found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DoctorOptions {
    /// The role (`--user`).
    pub user: Option<String>,
    /// The database (`--database`).
    pub database: Option<String>,
    /// JSON in place of text.
    pub json: bool,
}

/// The exit status of what went well.
pub(crate) const SUCCESS: u8 = 0;
/// The exit status of everything that did not.
pub(crate) const FAILURE: u8 = 1;

/// Where settings come from: kept, so that they can be made anew when the configuration file changes.
#[derive(Clone)]
pub struct Sources {
    command_line: Parsed,
    environment: Environment,
}

impl std::fmt::Debug for Sources {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // Tokens may be among the values.
        formatter.debug_struct("Sources").finish_non_exhaustive()
    }
}

/// Why there are no settings. What is printed says what is wrong, with which setting or instance, and
/// how to put it right.
#[derive(Debug, thiserror::Error)]
#[error(transparent)]
pub struct SettingsError(#[from] Mistake);

/// Reads a command line (without the program's own name) and does what it asks for: help, version,
/// the commands that need no proxy. `program` is how the user called us. Answers go to `out`;
/// what is wrong goes to `err`, with the exit status 1.
pub fn begin(
    program: &str,
    arguments: impl IntoIterator<Item = OsString>,
    environment: Environment,
    out: &mut dyn Write,
    err: &mut dyn Write,
) -> Outcome {
    let words: Result<Vec<String>, OsString> =
        arguments.into_iter().map(OsString::into_string).collect();
    let words = match words {
        Ok(words) => words,
        Err(word) => {
            return Outcome::Ended(refuse(program, Command::Root, &Mistake::NotUtf8(word), err));
        }
    };
    if let Some(answer) = completion::answer(&words) {
        return Outcome::Ended(completion::print(answer, out, err));
    }
    let (command, words) = Command::find(words);
    let parsed = match parse(&command.flags(), &words) {
        Ok(parsed) => parsed,
        Err(error) => return Outcome::Ended(refuse(program, command, &error.into(), err)),
    };
    if parsed.values.switch("help") {
        return Outcome::Ended(print(out, &help::long(program, command)));
    }
    Outcome::Ended(match command {
        Command::Root => return run(program, parsed, environment, out, err),
        Command::Doctor => return examine(program, parsed, environment, err),
        Command::Wait => wait::run(&parsed.values, err),
        Command::Shutdown => shutdown_command::run(&parsed.values, err),
        Command::Completion => print(out, &help::long(program, command)),
        Command::Help => {
            let topic = Command::topic(&parsed.positionals);
            print(out, &help::long(program, topic))
        }
        Command::Script(shell) => match parsed.positionals.first() {
            Some(word) => {
                let text = format!("unknown command {word:?} for \"{program} completion {shell}\"");
                complain(err, &text);
                print(err, &help::usage(program, command));
                FAILURE
            }
            None => print(out, &completion::script(shell, &parsed.values)),
        },
    })
}

fn run(
    program: &str,
    command_line: Parsed,
    environment: Environment,
    out: &mut dyn Write,
    err: &mut dyn Write,
) -> Outcome {
    if command_line.values.switch("version") {
        let version = version(&environment);
        return Outcome::Ended(print(out, &format!("{NAME} version {version}\n")));
    }
    let sources = Sources {
        command_line,
        environment,
    };
    match sources.settings() {
        Ok(settings) => Outcome::Run(Box::new(settings), sources),
        Err(SettingsError(mistake)) => {
            Outcome::Ended(refuse(program, Command::Root, &mistake, err))
        }
    }
}

fn examine(
    program: &str,
    command_line: Parsed,
    environment: Environment,
    err: &mut dyn Write,
) -> Outcome {
    let text = |name| {
        let text = command_line.values.text(DOCTOR, name);
        (!text.is_empty()).then(|| text.to_owned())
    };
    let options = DoctorOptions {
        user: text("user"),
        database: text("database"),
        json: command_line.values.switch("json"),
    };
    let sources = Sources {
        command_line,
        environment,
    };
    match sources.settings() {
        Ok(settings) => Outcome::Examine(Box::new(settings), options),
        Err(SettingsError(mistake)) => {
            Outcome::Ended(refuse(program, Command::Doctor, &mistake, err))
        }
    }
}

impl Sources {
    /// Makes settings: the command line goes before the environment, the environment before the
    /// file, which is read now.
    pub fn settings(&self) -> Result<Settings, SettingsError> {
        let mut notices = Vec::new();
        let mut values = self.command_line.values.clone();
        self.environment.fill(ROOT, &mut values, &mut notices);
        let path = values.text(ROOT, "config-file");
        let config_file = (!path.is_empty()).then(|| PathBuf::from(path));
        let mut instances = self.command_line.positionals.clone();
        if instances.is_empty() {
            instances = self.environment.instances();
        }
        if let Some(path) = &config_file {
            let file = config_file::ConfigFile::load(path)?;
            file.fill(ROOT, &mut values, &mut notices);
            if instances.is_empty() {
                instances = file.instances();
            }
        }
        let said = resolve::Said {
            values,
            instances,
            config_file,
            version: version(&self.environment),
            otlp_endpoint: self
                .environment
                .get("OTEL_EXPORTER_OTLP_ENDPOINT")
                .map(str::to_owned),
            notices,
        };
        Ok(said.resolve()?)
    }
}

/// The name that scripts know, whatever the program is called.
const NAME: &str = "alloydb-auth-proxy";

/// What says that a version is ours, unless whoever packed the program says more.
const OURS: &str = "querycop";

/// The version, with `ALLOYDB_PROXY_METADATA` as its metadata.
fn version(environment: &Environment) -> String {
    let metadata = environment.get("ALLOYDB_PROXY_METADATA").unwrap_or(OURS);
    format!("{}+{metadata}", env!("CARGO_PKG_VERSION"))
}

fn refuse(program: &str, command: Command, mistake: &Mistake, err: &mut dyn Write) -> u8 {
    complain(err, &mistake.to_string());
    print(err, &help::usage(program, command));
    // As the original ends it.
    print(err, "\n");
    FAILURE
}

/// Says what is wrong.
pub(crate) fn complain(err: &mut dyn Write, text: &str) {
    print(err, &format!("Error: {text}\n"));
}

fn print(to: &mut dyn Write, text: &str) -> u8 {
    // Nobody reading any more is no fault of ours.
    let _ = to.write_all(text.as_bytes());
    let _ = to.flush();
    SUCCESS
}
