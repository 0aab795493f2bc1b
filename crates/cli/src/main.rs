//! `querycop`: `main()`, arguments, telemetry, signals, exit codes.

mod arguments;
mod check;
mod doctor;
mod exit;
mod fetch_ca;
mod run;
mod settings;
mod signals;
mod telemetry;

use std::process::ExitCode;

use arguments::Action;
use settings::Environment;

fn main() -> ExitCode {
    let invocation = match arguments::parse(std::env::args_os()) {
        Ok(invocation) => invocation,
        Err(ended) => return ended,
    };
    let environment = Environment::read(std::env::vars_os());
    let loaded = settings::load(invocation.config.clone(), &invocation.flags, &environment);
    match invocation.action {
        Action::Run => run::run(loaded),
        Action::Check => check::check(loaded),
        Action::Doctor(options) => doctor::doctor(loaded, &options, &environment),
        Action::FetchCa(options) => fetch_ca::fetch_ca(&loaded.values, &options),
        Action::Completion(shell) => arguments::print_completion(shell),
        Action::Reference => check::print_reference(),
    }
}
