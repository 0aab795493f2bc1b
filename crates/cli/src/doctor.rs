//! `querycop doctor`: examines the way to the database and says what is wrong with it.

use std::fmt::Write as _;
use std::process::ExitCode;

use querycop_gateway::{Finding, Patient, Step, examine, one_line};
use serde_json::{Value, json};

use crate::arguments::DoctorOptions;
use crate::exit::{self, FAILED, OK, refuse_settings, warn_of_settings};
use crate::settings::{Environment, Loaded};

/// The role when nobody names one: it exists on every server.
const DEFAULT_ROLE: &str = "postgres";

/// Runs the examination and prints its findings.
pub(crate) fn doctor(
    loaded: Loaded,
    options: &DoctorOptions,
    environment: &Environment,
) -> ExitCode {
    warn_of_settings(&loaded.warnings);
    let settings = match loaded.settings {
        Ok(settings) => settings,
        Err(problems) => return refuse_settings(&problems),
    };
    let runtime = match exit::short_runtime() {
        Ok(runtime) => runtime,
        Err(status) => return status,
    };
    let patient = patient(options, environment);
    let steps = runtime.block_on(examine(&settings.config, &patient));
    runtime.shutdown_background();
    let failed = steps
        .iter()
        .any(|step| matches!(step.finding, Finding::Failed { .. }));
    if options.json {
        let steps: Vec<_> = steps.iter().map(as_json).collect();
        exit::print(&format!("{:#}\n", json!({ "ok": !failed, "steps": steps })));
    } else {
        exit::print(&as_text(&steps));
    }
    ExitCode::from(if failed { FAILED } else { OK })
}

fn patient(options: &DoctorOptions, environment: &Environment) -> Patient {
    let variable = |name: &str| environment.value(name).map(str::to_owned);
    let user = options.user.clone().or_else(|| variable("PGUSER"));
    let user = user.unwrap_or_else(|| DEFAULT_ROLE.to_owned());
    let database = options.database.clone().or_else(|| variable("PGDATABASE"));
    Patient {
        database: database.unwrap_or_else(|| user.clone()),
        user,
        password: variable("PGPASSWORD").map(Into::into),
    }
}

fn as_text(steps: &[Step]) -> String {
    let mut text = String::new();
    for step in steps {
        let (word, details): (_, &[String]) = match &step.finding {
            Finding::Ok { details } => ("ok", details),
            Finding::Failed { details, .. } => ("failed", details),
            Finding::Skipped { .. } => ("skipped", &[]),
        };
        let _ = match &step.finding {
            Finding::Skipped { reason } => writeln!(text, "{:<8} {word:<8} {reason}", step.name),
            Finding::Ok { .. } | Finding::Failed { .. } => {
                writeln!(
                    text,
                    "{:<8} {word:<8} {:.1} ms",
                    step.name,
                    milliseconds(step)
                )
            }
        };
        if let Finding::Failed { cause, cure, .. } = &step.finding {
            let _ = writeln!(text, "         cause: {}", one_line(cause));
            if !cure.is_empty() {
                let _ = writeln!(text, "         cure:  {cure}");
            }
        }
        for detail in details {
            let _ = writeln!(text, "         {}", one_line(detail));
        }
    }
    text
}

fn as_json(step: &Step) -> Value {
    let took_ms = milliseconds(step);
    let name = step.name;
    match &step.finding {
        Finding::Ok { details } => {
            json!({ "step": name, "outcome": "ok", "took_ms": took_ms, "details": details })
        }
        Finding::Failed {
            cause,
            cure,
            details,
        } => json!({
            "step": name, "outcome": "failed", "took_ms": took_ms,
            "cause": cause, "cure": cure, "details": details,
        }),
        Finding::Skipped { reason } => {
            json!({ "step": name, "outcome": "skipped", "reason": reason })
        }
    }
}

fn milliseconds(step: &Step) -> f64 {
    step.took.as_secs_f64() * 1000.0
}
