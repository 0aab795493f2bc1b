//! `querycop emulator`: a local AlloyDB in front of any PostgreSQL.

use std::path::PathBuf;
use std::process::ExitCode;

use alloydb_emulator::{EmulatorBuilder, StartError};
use clap::builder::PossibleValuesParser;
use clap::{Arg, ArgAction, ArgMatches, Command, ValueHint, value_parser};
use querycop_gateway::chain;
use tracing::{error, info};
use tracing_subscriber::EnvFilter;

use crate::exit::{self, CONFIG, OK, OS_ERROR, UNAVAILABLE};
use crate::settings::LogFormat;
use crate::{signals, telemetry};

const ABOUT: &str = "Run a local AlloyDB in front of any PostgreSQL, for tests and for trying out";

const AFTER_HELP: &str = "\
Without --config it plays projects/demo/locations/local/clusters/main with a primary on
127.0.0.1 and a read pool on 127.0.0.2, and the IAM principals alice@example.com and
app@demo.iam.gserviceaccount.com. docs/emulator.md describes the state file, the faults and the
control endpoint.

It makes the roles of IAM users in the backend, so the user of the URL must be a superuser or may
create roles. It is no place for data: whoever reaches its ports is given a token for everybody.";

/// What the command line asks of the emulator.
#[derive(Debug)]
pub(crate) struct EmulatorOptions {
    backend: Option<String>,
    config: Option<PathBuf>,
    directory: Option<PathBuf>,
    https_port: Option<u16>,
    http_port: Option<u16>,
    tunnel_port: Option<u16>,
    direct_port: Option<u16>,
    strict_tokens: bool,
    log_format: LogFormat,
    log_filter: String,
}

/// The command and its flags.
pub(crate) fn command() -> Command {
    Command::new("emulator")
        .about(ABOUT)
        .after_help(AFTER_HELP)
        .args([
            Arg::new("backend")
                .long("backend")
                .value_name("URL")
                .env("EMULATOR_BACKEND")
                .hide_env_values(true)
                .help(
                    "PostgreSQL: postgres://user:password@host:port/database, or the escaped \
                     directory of a Unix socket as its host",
                ),
            file("config", "State file, TOML: clusters, instances, principals, faults"),
            file("directory", "Where CA and credentials files are written; a temporary one by default")
                .value_name("DIR")
                .value_hint(ValueHint::DirPath),
            port("https-port", "Admin API, gRPC and token services under TLS [default: 9443]"),
            port("http-port", "The same without TLS and gRPC, and the control endpoint [default: 9080]"),
            port("tunnel-port", "Server-side proxy on each instance's addresses [default: 5433]"),
            port("direct-port", "PostgreSQL on each instance's addresses [default: 5432]"),
            Arg::new("strict-tokens")
                .long("strict-tokens")
                .action(ArgAction::SetTrue)
                .help("Refuse tokens that the emulator doesn't know, instead of taking them for the first principal's"),
            Arg::new("log-format")
                .long("log-format")
                .value_name("text|json")
                .value_parser(PossibleValuesParser::new(["text", "json"]))
                .default_value("text")
                .help("Log as text or as one JSON object a line"),
            Arg::new("log-filter")
                .long("log-filter")
                .value_name("FILTER")
                .default_value("info")
                .help("What is logged, as in RUST_LOG"),
        ])
}

fn file(name: &'static str, help: &'static str) -> Arg {
    Arg::new(name)
        .long(name)
        .value_name("FILE")
        .value_hint(ValueHint::FilePath)
        .value_parser(value_parser!(PathBuf))
        .help(help)
}

fn port(name: &'static str, help: &'static str) -> Arg {
    Arg::new(name)
        .long(name)
        .value_name("PORT")
        .value_parser(value_parser!(u16))
        .help(format!("{help}; 0 for any free one"))
}

/// Reads the flags.
pub(crate) fn options(mut matches: ArgMatches) -> EmulatorOptions {
    let format: Option<String> = matches.remove_one("log-format");
    EmulatorOptions {
        backend: matches.remove_one("backend"),
        config: matches.remove_one("config"),
        directory: matches.remove_one("directory"),
        https_port: matches.remove_one("https-port"),
        http_port: matches.remove_one("http-port"),
        tunnel_port: matches.remove_one("tunnel-port"),
        direct_port: matches.remove_one("direct-port"),
        strict_tokens: matches.get_flag("strict-tokens"),
        log_format: match format.as_deref() {
            Some("json") => LogFormat::Json,
            _ => LogFormat::Text,
        },
        log_filter: matches.remove_one("log-filter").unwrap_or_default(),
    }
}

/// Runs the emulator until a signal ends it.
pub(crate) fn run(options: EmulatorOptions) -> ExitCode {
    let filter = match EnvFilter::try_new(&options.log_filter) {
        Ok(filter) => filter,
        Err(error) => return refuse(&format!("--log-filter: {error}")),
    };
    telemetry::start(options.log_format, filter);
    let builder = match builder(options) {
        Ok(builder) => builder,
        Err(text) => return refuse(&text),
    };
    let runtime = match tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
    {
        Ok(runtime) => runtime,
        Err(error) => {
            error!(%error, "starting the runtime");
            return ExitCode::from(OS_ERROR);
        }
    };
    let status = runtime.block_on(serve(builder));
    // A lookup that hangs in the system's resolver must not hold up the end.
    runtime.shutdown_background();
    ExitCode::from(status)
}

fn refuse(text: &str) -> ExitCode {
    exit::complain(&format!("querycop: error: {text}\n"));
    ExitCode::from(CONFIG)
}

fn builder(options: EmulatorOptions) -> Result<EmulatorBuilder, String> {
    let mut builder = match &options.config {
        Some(path) => EmulatorBuilder::from_file(path).map_err(|error| chain(&error))?,
        None => EmulatorBuilder::demo(),
    };
    if let Some(backend) = options.backend {
        builder = builder.backend(backend);
    }
    if builder.description().backend.is_empty() {
        return Err(
            "no backend: say --backend postgres://user:password@host:port/database".to_owned(),
        );
    }
    if let Some(directory) = options.directory {
        builder = builder.directory(directory);
    }
    let mut listen = builder.description().listen.clone();
    if let Some(port) = options.https_port {
        listen.https.set_port(port);
    }
    if let Some(port) = options.http_port {
        listen.http.set_port(port);
    }
    listen.tunnel_port = options.tunnel_port.unwrap_or(listen.tunnel_port);
    listen.direct_port = options.direct_port.unwrap_or(listen.direct_port);
    builder = builder.listen(listen);
    if options.strict_tokens {
        builder = builder.strict_tokens();
    }
    Ok(builder)
}

/// Serves until a signal; returns the exit status.
async fn serve(builder: EmulatorBuilder) -> u8 {
    let mut stop = match signals::Stop::listen() {
        Ok(stop) => stop,
        Err(error) => {
            error!(%error, "signals can't be heard");
            return OS_ERROR;
        }
    };
    let emulator = tokio::select! {
        started = builder.start() => match started {
            Ok(emulator) => emulator,
            Err(error) => return not_started(&error),
        },
        status = stop.received() => return status,
    };
    exit::print(&emulator.hints());
    info!(
        https = emulator.https_url(),
        http = emulator.http_url(),
        directory = %emulator.directory().display(),
        "ready for connections"
    );
    stop.received().await;
    tokio::select! {
        () = emulator.shutdown() => OK,
        status = stop.received() => status,
    }
}

fn not_started(error: &StartError) -> u8 {
    if let StartError::Mistakes(mistakes) = error {
        for mistake in mistakes {
            exit::complain(&format!("querycop: error: {mistake}\n"));
        }
        return CONFIG;
    }
    error!(error = chain(error), "the emulator can't start");
    UNAVAILABLE
}
