//! `querycop auth-proxy`, and the program by the name `alloydb-auth-proxy`.

use std::ffi::{OsStr, OsString};
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use querycop_auth_proxy::{
    DoctorOptions, Environment, Examined, Hooks, Instance, Outcome, Settings, Sources, begin,
    run as run_proxy,
};
use querycop_gateway::config::{self, IamLogin};
use querycop_gateway::{Finding, Patient, Step, chain, examine_instance};

use crate::doctor::{self, Findings};
use crate::exit;

/// The name under which the program is the proxy at once.
const NAME: &str = "alloydb-auth-proxy";

/// The proxy's own words, if the program was called by its name, with a link of either kind.
pub(crate) fn called_by_name(arguments: &[OsString]) -> Option<Vec<OsString>> {
    let (program, rest) = arguments.split_first()?;
    // Windows calls it alloydb-auth-proxy.exe.
    let name = Path::new(program).file_stem();
    let whole = Path::new(program).file_name();
    let is_proxy = [name, whole].contains(&Some(OsStr::new(NAME)));
    is_proxy.then(|| rest.to_vec())
}

/// Runs it under its own name.
pub(crate) fn run_by_name(arguments: Vec<OsString>) -> ExitCode {
    run_as(NAME, arguments)
}

/// Runs it as a command of ours.
pub(crate) fn run(arguments: Vec<OsString>) -> ExitCode {
    run_as("querycop auth-proxy", arguments)
}

fn run_as(program: &str, arguments: Vec<OsString>) -> ExitCode {
    let environment = Environment::new(std::env::vars_os());
    let command_line = std::env::args_os().map(OsString::into_encoded_bytes);
    let command_line = command_line.collect::<Vec<_>>().join(&0);
    let (mut out, mut err) = (std::io::stdout(), std::io::stderr());
    match begin(program, arguments, environment, &mut out, &mut err) {
        Outcome::Ended(status) => ExitCode::from(status),
        Outcome::Examine(settings, options) => doctor(&settings, &options),
        Outcome::Run(settings, sources) => {
            let hooks = Hooks {
                reload: Some(Arc::new(move || instances(&sources))),
                command_line,
                ..Hooks::default()
            };
            ExitCode::from(run_proxy(*settings, hooks))
        }
    }
}

/// For a dial and again for a login: what the original gives a dial.
const EXAMINATION_LIMIT: Duration = Duration::from_secs(30);

/// Examines the way to each instance with the gateway's own steps.
fn doctor(settings: &Settings, options: &DoctorOptions) -> ExitCode {
    let runtime = match exit::short_runtime() {
        Ok(runtime) => runtime,
        Err(status) => return status,
    };
    for notice in &settings.notices {
        exit::complain(&format!("{notice}\n"));
    }
    let environment = crate::settings::Environment::read(std::env::vars_os());
    let (user, database) = (options.user.clone(), options.database.clone());
    let patient = doctor::patient(user, database, &environment);
    let mut findings = Vec::new();
    for instance in &settings.instances {
        findings.push(runtime.block_on(examine(settings, instance, &patient)));
    }
    runtime.shutdown_background();
    doctor::report(&findings, options.json)
}

async fn examine(settings: &Settings, instance: &Instance, patient: &Patient) -> Findings {
    let examined = match Examined::of(settings, instance).await {
        Ok(examined) => examined,
        Err(error) => {
            return Findings {
                of: Some(format!("{:?}", instance.name)),
                steps: vec![Step {
                    name: "credentials",
                    finding: Finding::Failed {
                        cause: chain(&error),
                        cure: String::new(),
                        details: Vec::new(),
                    },
                    took: Duration::ZERO,
                }],
            };
        }
    };
    let route = config::Instance {
        uri: examined.uri,
        ip_type: instance.ip_type,
        iam_login: if instance.auto_iam_authn {
            IamLogin::On
        } else {
            IamLogin::Off
        },
    };
    let steps = examine_instance(examined.dialer, route, patient, EXAMINATION_LIMIT).await;
    Findings {
        of: Some(examined.label),
        steps,
    }
}

/// The instances as command line, environment and file name them now.
fn instances(sources: &Sources) -> Result<Vec<Instance>, String> {
    let settings = sources.settings().map_err(|error| error.to_string())?;
    Ok(settings.instances)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(line: &str) -> Vec<OsString> {
        line.split(' ').map(OsString::from).collect()
    }

    #[test]
    fn the_name_makes_the_program() {
        for program in [
            "alloydb-auth-proxy",
            "/alloydb-auth-proxy",
            "./x/alloydb-auth-proxy.exe",
        ] {
            let found = called_by_name(&words(&format!("{program} -- x")));
            assert_eq!(found, Some(words("-- x")), "{program}");
        }
        for program in [
            "querycop",
            "alloydb-auth-proxy-2",
            "alloydb-auth-proxy/querycop",
        ] {
            assert_eq!(called_by_name(&words(program)), None, "{program}");
        }
        assert_eq!(called_by_name(&[]), None);
    }
}
