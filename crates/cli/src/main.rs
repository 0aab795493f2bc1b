//! `querycop`: `main()`, arguments, telemetry, signals, exit codes.

mod arguments;
mod audit;
mod auth_proxy;
mod check;
mod doctor;
mod emulator;
mod exit;
mod fetch_ca;
mod policy;
mod run;
mod settings;
mod signals;
mod telemetry;

use std::process::ExitCode;

use arguments::Action;
use settings::Environment;

fn main() -> ExitCode {
    let arguments: Vec<_> = std::env::args_os().collect();
    if let Some(own) = auth_proxy::called_by_name(&arguments) {
        return auth_proxy::run_by_name(own);
    }
    let invocation = match arguments::parse(arguments) {
        Ok(invocation) => invocation,
        Err(ended) => return ended,
    };
    let environment = Environment::read(std::env::vars_os());
    let load = || settings::load(invocation.config.clone(), &invocation.flags, &environment);
    match invocation.action {
        Action::Run => run::run(load()),
        Action::Check => check::check(load()),
        Action::Doctor(options) => doctor::doctor(load(), &options, &environment),
        Action::Audit(command) => audit::run(&load().values, *command),
        // Its settings are those of the program that it stands in for.
        Action::AuthProxy(arguments) => auth_proxy::run(arguments),
        Action::FetchCa(options) => fetch_ca::fetch_ca(&load().values, &options),
        // It has settings of its own, and none of the gateway's.
        Action::Emulator(options) => emulator::run(options),
        // Nor has this any.
        Action::Policy(options) => policy::run(&options),
        Action::Completion(shell) => arguments::print_completion(shell),
        Action::Reference => check::print_reference(),
    }
}
