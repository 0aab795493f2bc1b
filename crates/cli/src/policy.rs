//! `querycop policy`: checks policy files and shows what they would decide.

mod arguments;
mod check;
mod explain;
mod file;
mod principal;
mod report;
mod statements;
mod test;

use std::process::ExitCode;

use querycop_policy::Policy;

use crate::exit;

pub(crate) use arguments::{PolicyOptions, command, options};

/// Runs one of the commands.
pub(crate) fn run(options: PolicyOptions) -> ExitCode {
    match options {
        PolicyOptions::Check(files) => check::check(&files),
        PolicyOptions::Test(options) => test::test(&options),
        PolicyOptions::Explain(options) => explain::explain(&options),
        PolicyOptions::Schema => schema(),
    }
}

/// Prints docs/policy.schema.json.
fn schema() -> ExitCode {
    exit::print(&format!("{:#}\n", Policy::schema()));
    ExitCode::SUCCESS
}
