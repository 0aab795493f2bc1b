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
    let (user, database) = (options.user.clone(), options.database.clone());
    let patient = patient(user, database, environment);
    let steps = runtime.block_on(examine(&settings.config, &patient));
    runtime.shutdown_background();
    report(&[Findings { of: None, steps }], options.json)
}

/// What was found on the way to one database.
pub(crate) struct Findings {
    /// Which one, where there may be several.
    pub(crate) of: Option<String>,
    pub(crate) steps: Vec<Step>,
}

/// Prints what was found; the exit status says whether anything is wrong.
pub(crate) fn report(all: &[Findings], json: bool) -> ExitCode {
    let has_failed = |step: &Step| matches!(step.finding, Finding::Failed { .. });
    let mut is_well = true;
    let mut objects = Vec::new();
    for findings in all {
        let failed = findings.steps.iter().any(has_failed);
        is_well &= !failed;
        if json {
            let steps: Vec<_> = findings.steps.iter().map(as_json).collect();
            let mut object = json!({ "ok": !failed, "steps": steps });
            if let Some(instance) = &findings.of {
                object["instance"] = json!(instance);
            }
            objects.push(object);
        } else {
            if let Some(instance) = &findings.of {
                exit::print(&format!("{instance}\n"));
            }
            exit::print(&as_text(&findings.steps));
        }
    }
    if json {
        let whole = match <[Value; 1]>::try_from(objects) {
            Ok([only]) => only,
            Err(objects) => Value::Array(objects),
        };
        exit::print(&format!("{whole:#}\n"));
    }
    ExitCode::from(if is_well { OK } else { FAILED })
}

/// As whom to log in: as the options say, else as libpq's variables do.
pub(crate) fn patient(
    user: Option<String>,
    database: Option<String>,
    environment: &Environment,
) -> Patient {
    let variable = |name: &str| environment.value(name).map(str::to_owned);
    let user = user.or_else(|| variable("PGUSER"));
    let user = user.unwrap_or_else(|| DEFAULT_ROLE.to_owned());
    let database = database.or_else(|| variable("PGDATABASE"));
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
